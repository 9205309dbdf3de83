"""JSON bodies become documents, cut into parts where that is cheaper.

Owns: how a ``msgspec.Raw`` is decoded, what the fast decoder refuses and the slow one still understands. Must not know:
rows, metrics; it is told after how many segments of which walk a body may be cut.

Cut at the rows, a body of 100,000 pods is decoded in 145 ms instead of 330 ms and needs no memory for all of them at
once; a part that is broken fails alone.
"""

from __future__ import annotations

import json
from math import isinf
from typing import Any

import msgspec

from timepoint.errors import ContentError
from timepoint.mapping.expect import Expectation
from timepoint.mapping.nodes import NOTHING, location_text
from timepoint.mapping.paths import Capture, Name, Segment, Wild
from timepoint.mapping.plans import MetricPlan
from timepoint.mapping.program import Spine
from timepoint.mapping.unusable import show
from timepoint.mapping.walks import Walk, Walks
from timepoint.model import Rejects

_SHOWN = 60
_Scalar = str | int | float | bool | None


class NotJson:
    """A token that JSON does not have, or a number that no float64 holds; no cell can use it."""

    def __init__(self, shown: str) -> None:
        self._shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."

    def __str__(self) -> str:
        return self._shown

    __repr__ = __str__


class Decoder:
    """Decodes bodies. ``spine`` says where a body may be cut, None if it must be whole."""

    def __init__(self, spine: Spine | None, missing: tuple[Any, ...]) -> None:
        self.spine = spine
        self.missing = missing
        self.part = msgspec.json.Decoder().decode
        self._outer = None
        if spine is not None:
            self._outer = msgspec.json.Decoder(_outer_type(_spine_segments(spine)))

    def decode(self, document: Any, rejects: Rejects) -> tuple[Any, bool]:
        """The document, and whether its parts are still to be decoded. Raises ContentError."""
        if not isinstance(document, msgspec.Raw):
            return document, False
        try:
            if self._outer is not None:
                return self._outer.decode(document), True
            return self.part(document), False
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return _slow(bytes(document)), False

    def rescue(self, raw: Any, location: tuple[Any, ...], rejects: Rejects) -> Any:
        """A part that the fast decoder refused, NOTHING if it is not JSON."""
        try:
            return _slow(bytes(raw))
        except ContentError as error:
            rejects.add("undecodable", f"{location_text(location)}: {error}")
            return NOTHING


def _slow(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=NotJson, parse_float=_float, parse_int=_int)
    except (ValueError, RecursionError) as error:
        shown = show(body[:_SHOWN].decode("utf-8", "replace"))
        raise ContentError("not_a_document", f"the body is not JSON ({error}): it begins with {shown}") from error


def _float(text: str) -> Any:
    number = float(text)
    return NotJson(text) if isinf(number) else number


def _int(text: str) -> Any:
    try:
        return int(text)
    except ValueError:  # more than 4300 digits
        return NotJson(text)


def find_spine(walks: Walks, plans: list[MetricPlan], expectation: Expectation) -> Spine | None:
    """Where a body may be cut: nothing but the one outermost walk looks at what lies above."""
    cells = [cell for plan in plans for cell in (*plan.values, *plan.time_cells, *(c for _, c in plan.labels))]
    cells += [plan.spread for plan in plans if plan.spread is not None]
    if len(walks.document.children) != 1 or expectation.paths or any(plan.walk is walks.document for plan in plans):
        return None
    if any(not cell.path.start for cell in cells):
        return None
    walk = walks.document.children[0]
    segments = walk.path.segments
    length = 0
    while length < len(segments) and isinstance(segments[length].sole, Name | Wild | Capture):
        length += 1
    bare = any(cell.walk is walk and not cell.path.segments and cell.capture is None for cell in cells)
    if bare and length == len(segments):
        length -= 1
    return Spine(walk, length) if length else None


def _spine_segments(spine: Spine) -> tuple[Segment, ...]:
    return spine.walk.path.segments[: spine.segments]


def _outer_type(segments: tuple[Segment, ...]) -> Any:
    """The type of a body down to its parts. Whatever else stands in the way is still JSON, and selects nothing."""
    below: Any = msgspec.Raw
    for segment in reversed(segments):
        sole = segment.sole
        as_object = dict[str, Any] if isinstance(sole, Capture) and not sole.of_object else dict[str, below]
        as_array = list[below] if isinstance(sole, Wild) or (isinstance(sole, Capture) and not sole.of_object) else list
        below = as_object | as_array | _Scalar
    return below
