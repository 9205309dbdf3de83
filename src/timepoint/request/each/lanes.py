"""Values become lanes.

Owns: which values belong together, what a lane is called. Pure. Must not know: where values come from, the ledger.

The name of a lane is its key in the ledger, so it holds nothing but what tells lanes apart: the names and values of the
product, sorted by name. What stands beside a value, or is told of it, may change and the lane stays the same. A job
without a fan-out has one lane, whose name is empty.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from timepoint.request.each.spec import EachSpec, Entry, Values

_ODD = re.compile(r"[%,=\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of a job: its name, its values for the templates of the request, its labels."""

    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


LONE = Lane()
"""The only lane of a job without a fan-out."""


class ListError(ValueError):
    """The lists make no lanes. ``reason`` is a short word, ``str`` a sentence."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


def lanes_of(each: EachSpec, lists: Mapping[str, Sequence[Entry]]) -> tuple[Lane, ...]:
    """The lanes, in the order of the first list, then the second. ``lists`` holds the entries of each name.

    Raises ListError if there are too many of them, or if values that belong together are not equally many.
    """
    axes = [list(_rows(axis, each, lists)) for axis in each.values if not axis.beside]
    count = math.prod(map(len, axes))
    if count > each.max_lanes:
        sizes = " x ".join(str(len(axis)) for axis in axes)
        product = f"{sizes} = {count}" if len(axes) > 1 else f"{count}"
        raise ListError("max_lanes", f"{product} lanes, and max_lanes allows {each.max_lanes}")
    return tuple(_lane(each, cells) for cells in itertools.product(*axes))


def least_lanes(each: EachSpec | None) -> int:
    """How many lanes there are at least, as far as the config tells."""
    axes = [values for values in each.values if not values.beside] if each is not None else []
    return math.prod(len(axis.origin) for axis in axes if isinstance(axis.origin, tuple))


Cell = dict[str, Entry]
"""The entries that belong together, by the name of their values."""


def _rows(axis: Values, each: EachSpec, lists: Mapping[str, Sequence[Entry]]) -> Iterator[Cell]:
    """The entries of an axis, each with those that stand beside it; what comes twice is taken once."""
    companions = [values.name for values in each.values if values.beside == axis.name]
    for name in companions:
        if len(lists[name]) != len(lists[axis.name]):
            raise ListError(
                "unequal_lists",
                f"{axis.name} has {len(lists[axis.name])} values and {name} {len(lists[name])}: they belong together "
                "one by one",
            )
    seen = set()
    for place, entry in enumerate(lists[axis.name]):
        if entry.value not in seen:
            seen.add(entry.value)
            yield {axis.name: entry, **{name: lists[name][place] for name in companions}}


def _lane(each: EachSpec, cells: Sequence[Cell]) -> Lane:
    entries = {name: entry for cell in cells for name, entry in cell.items()}
    values: dict[str, str] = {}
    labels: dict[str, str] = {}
    for spec in each.values:
        entry = entries[spec.name]
        for name, text in entry.more.items():
            values.setdefault(name, text)
            if not name.startswith("__"):
                labels.setdefault(name, text)
    for spec in each.values:
        values[spec.name] = entries[spec.name].value
        if spec.label is not None:
            labels[spec.label] = entries[spec.name].value
    own = sorted(spec.name for spec in each.values if not spec.beside)
    return Lane(",".join(f"{name}={_escaped(values[name])}" for name in own), values, labels)


def _escaped(value: str) -> str:
    return _ODD.sub(lambda match: f"%{ord(match[0]):02X}", value)
