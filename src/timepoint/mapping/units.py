"""Units by name: the conversion of the body's unit into the name's suffix.

Owns: what ``unit: {from, to}`` comes to as a factor and an offset. Must not know: numbers of a body, metric names.

pint knows the units and is imported when a config converts one: it costs up to 1 s of CPU and some 30 MB. Its registry
counts in fractions here, so Wh to joules is 3600 and not nearly so.
"""

from __future__ import annotations

import difflib
import re
from fractions import Fraction
from functools import cache
from tokenize import TokenError
from typing import TYPE_CHECKING, Any, NamedTuple

from timepoint.mapping.spec import UnitSpec
from timepoint.model import MetricType

if TYPE_CHECKING:
    import pint


class Conversion(NamedTuple):
    """``value * factor + offset``."""

    factor: float
    offset: float


IDENTITY = Conversion(1.0, 0.0)

# Prometheus' words for base units that pint has under another name, and words of APIs that pint lacks or misreads.
_ALIASES = {
    "rpm": "1 / minute",  # pint counts radians: 60 rpm would be 6.28 Hz
    "ratio": "dimensionless",
    "ratios": "dimensionless",
    "percents": "percent",
    "celsius": "degC",
    "fahrenheit": "degF",
    "°C": "degC",
    "°F": "degF",
    "C": "degC",
    "F": "degF",
    "kelvins": "kelvin",
    "hertz": "Hz",
    "B": "byte",
    "KB": "kilobyte",
    "Kb": "kilobit",
    "b": "bit",
    "Ws": "watt_second",
    "VA": "volt_ampere",
    "kVA": "kilovolt_ampere",
    "volt_amperes": "volt_ampere",
    "var": "volt_ampere",
    "VAr": "volt_ampere",
    "kvar": "kilovolt_ampere",
    "VAh": "volt_ampere * hour",
    "kVAh": "kilovolt_ampere * hour",
    "varh": "volt_ampere * hour",
    "kvarh": "kilovolt_ampere * hour",
    "sec": "second",
    "secs": "second",
    "mins": "minute",
    "hrs": "hour",
    "hr": "hour",
}
# Currencies whose hundredths APIs bill in. Each measures itself alone: no rate of exchange is a unit.
_CURRENCIES = ("usd", "eur", "gbp", "chf", "cad", "aud", "nzd", "sek", "nok", "dkk", "pln", "czk", "inr", "brl")
_ALIASES |= {name.upper(): name for name in _CURRENCIES}
_DEFINITIONS = (
    *("core = []", "vcpu = []"),  # core_hours to seconds is 3600: CPU time, as Prometheus counts it
    *(f"{name} = [{name}]" for name in _CURRENCIES),
    *(f"{name}_cent = {name} / 100" for name in _CURRENCIES),
)
_PER = re.compile(r"\s+per\s+|_per_")
_POWER = re.compile(r"\b(square|cubic)[ _](\w+)")
_METERS = re.compile(r"\b([cdkmn]?m)([23])\b")
_NAME = re.compile(r"[^\W\d][\w ]*|[°µ%Ω]\w*")
_SCALED = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,15})?(?:[eE][+-]?\d{1,2})?) +(?P<unit>[^\W\d_].*|[°µ%Ω].*)")
_SHOWN = 60
_SUGGESTED = (
    *("joules", "watts", "seconds", "celsius", "kelvin", "meters", "grams", "kilograms", "bytes", "ratio", "percent"),
    *(
        "volts",
        "amperes",
        "hertz",
        "pascals",
        "cubic_meters",
        "liters",
        "lux",
        "ohms",
        "minutes",
        "hours",
        "days",
        "bits",
    ),
    *("Wh", "kWh", "MWh", "GWh", "W", "kW", "MW", "GW", "J", "kJ", "MJ", "ms", "us", "ns", "min", "g", "kg", "km"),
    *("mV", "kV", "mA", "Hz", "kHz", "MHz", "kB", "MB", "GB", "KiB", "MiB", "GiB", "hPa", "bar", "Pa", "degC", "degF"),
)
_BY_LOWER_CASE = {name.lower(): name for name in _SUGGESTED}


def compile_unit(spec: UnitSpec, metric_type: MetricType) -> Conversion:
    """What turns a value in ``from`` into one in ``to``. Raises ValueError with a sentence.

    A number before the unit in ``from`` is a factor: APIs send tenths of a degree. Equal names pass without a look, so
    gCO2e or USD need no registry. A counter takes a factor only: an offset would count once per increment.
    """
    scaled = _SCALED.fullmatch(spec.from_)
    if scaled is not None:
        scale = float(scaled["number"])
        if scale == 0:
            raise ValueError(f"{spec.from_!r}: the number is a factor, and 0 would make all values 0")
        factor, offset = compile_unit(UnitSpec(scaled["unit"], spec.to), metric_type)
        return Conversion(float(Fraction(scaled["number"]) * Fraction(factor)), offset)
    if spec.from_ == spec.to:
        return IDENTITY
    source, target = _parse(spec.from_, spec.to), _parse(spec.to, spec.from_)
    pair = f"{spec.from_!r} to {spec.to!r}"
    if source.dimensionality != target.dimensionality:
        raise ValueError(f"cannot convert {pair}: they measure different things")
    try:
        at_zero, at_one, at_two = (_converted(amount, source, target) for amount in range(3))
    except (TypeError, ArithmeticError, ValueError) as error:  # with numpy, logarithms refuse fractions
        raise ValueError(f"cannot convert {pair}: it is no factor and offset") from error
    if at_two - at_one != at_one - at_zero:  # without numpy, logarithms are computed: no straight line
        raise ValueError(f"cannot convert {pair}: it is no factor and offset")
    if at_zero and metric_type is MetricType.COUNTER:
        raise ValueError(
            f"a counter cannot convert {pair}: the offset {float(at_zero):g} would count once per increment"
        )
    return Conversion(float(at_one - at_zero), float(at_zero))


def _converted(amount: int, source: pint.Unit, target: pint.Unit) -> Fraction:
    magnitude: Any = _registry().Quantity(Fraction(amount), source).to(target).magnitude
    return Fraction(magnitude)


def _parse(name: str, other: str) -> pint.Unit:
    """The unit of a name; a blank or an underscore between two units is a product (``byte_hours``)."""
    text = _PER.sub(" / ", _ALIASES.get(name, name).strip())
    if len(text) <= _SHOWN and _NAME.match(text.lstrip("1/ ")):
        parts = (_POWER.sub(_power, _METERS.sub(r"\1**\2", part.strip())) for part in text.split("/"))
        text = " / ".join(_ALIASES.get(part, part) for part in parts)
        for attempt in (text, text.replace("_", " * ")):
            unit = _parsed(attempt)
            if unit is not None:
                return unit
    raise ValueError(f"{name[:_SHOWN]!r} is not a unit that can be converted: {_hint(name, other)}")


def _power(match: re.Match[str]) -> str:
    return f"{match[2]}**{2 if match[1] == 'square' else 3}"


def _parsed(text: str) -> pint.Unit | None:
    import pint

    try:
        return _registry().parse_units(text)
    except (
        pint.PintError,
        ArithmeticError,
        AssertionError,
        AttributeError,
        SyntaxError,
        TypeError,
        ValueError,
        TokenError,
    ):
        return None  # pint's parser raises whatever its tokens lead it to


def _hint(name: str, other: str) -> str:
    close = difflib.get_close_matches(name, _SUGGESTED, n=1, cutoff=0.75)
    suggested = _BY_LOWER_CASE.get(name.lower()) or next(iter(close), None)
    if suggested is not None and suggested != name:
        return f"did you mean {suggested!r}?"
    return f"if the body is in {other[:_SHOWN]!r} already, write that on both sides"


@cache
def _registry() -> pint.UnitRegistry[Any]:
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)
    for definition in _DEFINITIONS:
        registry.define(definition)
    return registry
