"""Numbers out of JSON values (R14).

Owns: which JSON values are numbers, which mean that there is none, the conversion of a unit. Must not know: metrics (a
delta counter refuses more than this does), paths, units by name.

The text syntax is Prometheus' (Go's ``strconv.ParseFloat``) without hexadecimal floats and underscores: ``0x1F`` or
``1_000`` in an API is an identifier or a slip, not a measurement.
"""

from __future__ import annotations

import re
import struct
from array import array
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isfinite, isinf, isnan
from typing import Any

from timepoint.mapping.labels import scalar_text
from timepoint.mapping.units import IDENTITY, Conversion
from timepoint.mapping.unusable import Unusable, show

# ++ never gives a digit back: with + a text of 2,300 digits that is no number took 64 ms, and twice as many four times.
_FINITE = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_FINITE_COMMA = re.compile(r"[+-]?(?:[0-9]++(?:,[0-9]*+)?|,[0-9]++)(?:[eE][+-]?[0-9]++)?")
_SMALLEST = 1e-15  # a factor whose inverse is still a whole number of float64
_SPECIAL = re.compile(r"[+-]?inf(?:inity)?|nan", re.IGNORECASE)


class NumberReader:
    """Reads the value of one metric.

    ``missing`` lists JSON values that mean no value; null always does. A number among them is also found as text
    (``"-999999"``). ``value_map`` gives numbers to values by their text (``UP``, ``3``, ``true``); what is not in it is
    read as usual. ``strip`` are texts that are taken out of any other text before it is read, such as a unit or a sign
    for thousands, and ``decimal`` is its decimal sign, ``.`` or ``,``. ``convert`` is applied last.
    """

    def __init__(
        self,
        missing: Sequence[Any] = (),
        value_map: Mapping[str, float] | None = None,
        decimal: str = ".",
        convert: Conversion = IDENTITY,
        strip: Sequence[str] = (),
    ) -> None:
        numbers = [float(m) for m in missing if isinstance(m, int | float) and not isinstance(m, bool)]
        self._missing_numbers = frozenset(number for number in numbers if not isnan(number))
        self._missing_nan = any(isnan(number) for number in numbers)
        self._missing_bools = frozenset(m for m in missing if isinstance(m, bool))
        self._missing_texts = frozenset(m.strip() for m in missing if isinstance(m, str))
        self._map = {key: float(value) for key, value in (value_map or {}).items()}
        self._strip = tuple(strip)
        self._decimal = decimal
        self._finite = _FINITE_COMMA if decimal == "," else _FINITE
        self._factor = float(convert.factor)
        self._divisor = _inverse(self._factor)
        self._offset = float(convert.offset)
        self._converts = (self._factor, self._offset) != (1.0, 0.0)
        # Sets of numbers and bools mix (0 == False): a hit in the fast path only means "look again, slowly".
        self._suspects = self._missing_numbers | self._missing_bools
        self._list_is_fast = not self._missing_nan and not any(map(_names_a_number, self._map))

    def read(self, node: Any) -> float | None:
        """The number of a node, None for no value. Raises Unusable (``not_a_number``, ``out_of_range``)."""
        if node is None:
            return None
        if isinstance(node, str):
            number = self._read_text(node.strip())
        elif isinstance(node, bool):
            number = None if node in self._missing_bools else self._map.get(scalar_text(node), float(node))
        elif isinstance(node, int | float):
            number = self._read_number(node)
        else:
            raise Unusable("not_a_number", show(node))
        return number if number is None or not self._converts else self._convert(number, node)

    def read_list(self, nodes: list[Any]) -> array[float] | None:
        """The numbers of a whole list at once, or None if one of its elements needs ``read``.

        100,000 lists of 48 floats take 0.18 s CPU, with a factor 0.29 s, of which 0.18 s is the arrays' own cost.
        """
        if not self._list_is_fast:
            return None
        try:
            if self._suspects and not self._suspects.isdisjoint(nodes):
                return None
            if not self._converts:
                return _packed(nodes)
            factor, divisor, offset = self._factor, self._divisor, self._offset
            # Only numbers and bools survive the multiplication or division by a float.
            values = [n / divisor for n in nodes] if divisor else [n * factor for n in nodes]
            if offset:
                values = [n + offset for n in values]
            return _packed(values) if isfinite(sum(values)) else None
        except (TypeError, OverflowError, struct.error):
            return None

    def _read_text(self, text: str) -> float | None:
        if text in self._missing_texts:
            return None
        if text in self._map:
            return self._map[text]
        bare = self._stripped(text) if self._strip else text
        if self._finite.fullmatch(bare):
            number = float(bare.replace(",", ".") if self._decimal == "," else bare)
            if isinf(number):
                raise Unusable("out_of_range", show(text))
        elif _SPECIAL.fullmatch(bare):
            number = float(bare)
        else:
            raise Unusable("not_a_number", show(text))
        return None if self._means_missing(number) else number

    def _stripped(self, text: str) -> str:
        for part in self._strip:
            text = text.replace(part, "")
        return text.strip()

    def _read_number(self, node: float) -> float | None:
        try:
            number = float(node)
        except OverflowError as error:
            raise Unusable("out_of_range", show(node)) from error
        if self._means_missing(number):
            return None
        return self._map.get(scalar_text(node), number) if self._map else number

    def _means_missing(self, number: float) -> bool:
        return number in self._missing_numbers or (self._missing_nan and isnan(number))

    def _convert(self, number: float, node: Any) -> float:
        scaled = number / self._divisor if self._divisor else number * self._factor
        converted = scaled + self._offset
        if isinf(converted) and isfinite(number):
            raise Unusable("out_of_range", f"{show(node)} overflows when its unit is converted")
        return converted


def _inverse(factor: float) -> float | None:
    """The whole number whose inverse a factor is, None if there is none.

    9 ms are 0.009 s by a division by 1000, whose result is the nearest float64, and 0.009000000000000001 s by a
    multiplication with 0.001, which is itself rounded.
    """
    inverse = float(round(1 / factor)) if _SMALLEST <= factor < 1 else 0.0
    return inverse if inverse and 1 / inverse == factor else None


def _packed(numbers: list[Any]) -> array[float]:
    """The numbers as float64: 0.43 us for 48 of them, where ``array("d", numbers)`` takes 0.69. Raises struct.error."""
    return array("d", _format(len(numbers)).pack(*numbers))


@lru_cache(256)
def _format(count: int) -> struct.Struct:
    return struct.Struct(f"{count}d")


def _names_a_number(key: str) -> bool:
    """Whether a key of ``map`` can be the text of something that the fast path would take for a number."""
    return key in ("true", "false") or _FINITE.fullmatch(key) is not None or _SPECIAL.fullmatch(key) is not None
