"""The times of points (R6, R17): what ``time`` says becomes intervals.

Owns: the shapes of ``time``, window templates in it, implied times of a list, and a memory of what was resolved, since
times repeat from row to row. Must not know: how a cell is found in a document, values, labels.

A moment is ``(start, end, later)`` in milliseconds; ``later`` is the other ``(start, end)`` of a local time that occurs
twice (R6c), else None. Which of them it is depends on the series and is decided when a run is finished.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from operator import lt
from typing import Any, NamedTuple, TypeVar

from timepoint.clock import SECOND
from timepoint.mapping.labels import scalar_text
from timepoint.mapping.nodes import NOTHING
from timepoint.mapping.spec import TimeSpec
from timepoint.mapping.stamps import LENGTH_UNITS, Length, StampReader, find_zone, localise, parse_length, split_span
from timepoint.mapping.unusable import Unusable, show
from timepoint.model import Times, Window

TEMPLATES = ("{window.start}", "{window.end}", "{fire_time}")

# The date of a template, as part of a stamp whose body only knows the time of day.
DATED = re.compile(r"\{(window\.start|window\.end|fire_time):([^{}]*%[^{}]*)\}")

_DIGITS = re.compile(r"[0-9]{1,9}")
_EARLIEST, _LATEST = -62_135_596_800_000, 253_402_300_800_000 - 1  # the years 1 to 9999: what a calendar can show
_TOO_FAR = "the interval lies outside the years 1 to 9999"
_REMEMBERED = 100_000
_REMEMBERED_LISTS = 1000

_K = TypeVar("_K")
_V = TypeVar("_V")


class Moment(NamedTuple):
    """An interval, or an instant, and the second meaning of a local time that occurs twice."""

    start: int
    end: int
    later: tuple[int, int] | None


class CellProblem(Exception):  # noqa: N818 (a state of a cell, as Unusable is)
    """A cell that cannot be used: which of the entries it is, which element of it, how many more like it there are."""

    def __init__(self, cell: str, reason: str, shown: str, index: int | None = None) -> None:
        self.cell = cell
        self.reason = reason
        self.shown = shown
        self.index = index
        self.count = 1
        super().__init__(f"{cell}: {reason}: {shown}")


@dataclass(frozen=True, slots=True)
class TimePlan:
    """A compiled ``time``. ``cells`` are the entries that are paths, in the order in which rows hand them over.

    ``constants`` are the entries that are the same for all rows: a template, a stamp, or a length. ``parts`` names the
    cells and constants that are the parts of one stamp. Without ``at`` and ``start`` a point is an instant at the fire
    time.
    """

    spec: TimeSpec
    cells: tuple[str, ...]
    constants: Mapping[str, Any]
    stamps: StampReader
    zone: tzinfo | None
    short_list: str | None = None
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class TimeReader:
    """Reads the times of one metric in one run.

    ``moment`` takes the cells of a row. ``grid`` takes them with the length of its list and gives the implied times.
    Both raise CellProblem.
    """

    def __init__(self, plan: TimePlan, window: Window, fire_time: int) -> None:
        self._plan = plan
        self._window = window
        self._templates = {"{window.start}": window.start, "{window.end}": window.end, "{fire_time}": fire_time}
        self._fire_time = fire_time
        self._moments: dict[Any, Moment] = {}
        self._by_text: dict[str, Moment] = {}
        self._by_list: dict[Any, Times | None] = {}
        self._somes: dict[tuple[Times, tuple[int, ...]], Times] = {}
        self._grids: dict[Any, Times] = {}
        self.fixed_grids: dict[int, Times] = {}
        self._interned: dict[Times, Times] = {}
        spec = plan.spec
        self.is_implied = spec.start is not None and spec.step is not None and spec.index is None

    def moment(self, cells: tuple[Any, ...]) -> Moment:
        """The moment of a row, or of one element of its lists."""
        if len(cells) == 1 and type(cells[0]) is str:
            found = self._by_text.get(cells[0])
            if found is None:
                found = _remember(self._by_text, cells[0], self._resolve(cells))
            return found
        try:
            key = cells, *map(type, cells)  # 1, 1.0 and True are one key to a dict
            found = self._moments.get(key)
        except TypeError:  # an object among the cells
            return self._resolve(cells)
        if found is None:
            found = _remember(self._moments, key, self._resolve(cells))
        return found

    def listed(self, cells: tuple[Any, ...]) -> Times | None:
        """The times of a row whose one cell is a list, if all of them can be read and they ascend.

        Series of one answer mostly have the same list. Otherwise None, and the row is read element by element.
        """
        if len(cells) != 1 or type(cells[0]) is not list:
            return None
        stamps = cells[0]
        try:
            key = tuple(stamps), tuple(map(type, stamps))
            if key in self._by_list:
                return self._by_list[key]
        except TypeError:  # an object among the stamps
            return None
        return _remember(self._by_list, key, self._ascending(stamps), _REMEMBERED_LISTS)

    def _ascending(self, stamps: list[Any]) -> Times | None:
        try:
            moments = [self.moment((stamp,)) for stamp in stamps]
        except CellProblem:
            return None
        ends = [moment.end for moment in moments]
        if any(moment.later for moment in moments) or not all(map(lt, ends, ends[1:])):
            return None
        return self.intern(Times([moment.start for moment in moments], ends))

    def grid(self, cells: tuple[Any, ...], length: int) -> Times:
        """The implied times of a list of so many values, which must be as many as the window holds (R17)."""
        key = (length, cells, *map(type, cells))
        try:
            found = self._grids.get(key)
        except TypeError:
            return self._grid(cells, length)
        if found is None:
            found = _remember(self._grids, key, self._grid(cells, length))
        return found

    def fixed_grid(self, length: int) -> Times:
        """The implied times of a list if no cell takes part in them: the steady case, at the cost of one look-up."""
        found = self.fixed_grids.get(length)
        if found is None:
            found = _remember(self.fixed_grids, length, self._grid((), length), _REMEMBERED_LISTS)
        return found

    def some(self, times: Times, kept: list[int]) -> Times:
        """The times at some places of others; series of one API mostly have the same gaps."""
        if len(kept) == len(times):
            return times
        key = times, tuple(kept)
        found = self._somes.get(key)
        if found is None:
            some = Times([times.starts[i] for i in kept], [times.ends[i] for i in kept])
            found = _remember(self._somes, key, self.intern(some), _REMEMBERED_LISTS)
        return found

    def is_asked(self, start: int, end: int) -> bool:
        """Whether an interval ends in the window of the run, or an instant lies in it."""
        window = self._window
        return window.start < end <= window.end if start < end else window.start <= start < window.end

    def intern(self, times: Times) -> Times:
        """The one object for equal times, so that what depends on them alone is computed once."""
        if len(self._interned) >= _REMEMBERED:
            self._interned.clear()
        return self._interned.setdefault(times, times)

    def _resolve(self, cells: tuple[Any, ...]) -> Moment:
        spec = self._plan.spec
        nodes = dict(zip(self._plan.cells, cells, strict=True))
        if spec.at is None and spec.start is None:
            return Moment(self._fire_time, self._fire_time, None)
        zone = self._zone(nodes)
        span = split_span(nodes.get("at")) if spec.interval is None and spec.format is None else None
        if span is not None and "at" not in self._plan.parts:
            name, ends = "at", {"at": span[0], "step" if span[1].startswith("P") else "end": span[1]}
            return self._moment(name, {**nodes, **ends}, zone)
        return self._moment("at" if spec.at is not None else "start", nodes, zone)

    def _moment(self, name: str, nodes: Mapping[str, Any], zone: tzinfo) -> Moment:
        first, later = self._stamp(name, nodes, zone)
        start, end = self._interval(first, nodes, zone)
        if start < _EARLIEST or end > _LATEST:
            raise CellProblem(name, "not_a_time", _TOO_FAR)
        return Moment(start, end, None if later is None else self._interval(later, nodes, zone, is_later=True))

    def _interval(
        self, first: int, nodes: Mapping[str, Any], zone: tzinfo, *, is_later: bool = False
    ) -> tuple[int, int]:
        """The interval that begins at ``first``. ``nodes`` hold an end or a step if one text says both."""
        spec = self._plan.spec
        if spec.end is not None or "end" in nodes:
            end, later_end = self._stamp("end", nodes, zone)
            if (is_later or end < first) and later_end is not None:
                end = later_end
            if end < first:
                raise CellProblem("end", "not_an_interval", "the end lies before the start")
            return first, end
        name = "interval" if spec.interval is not None else "step"
        if spec.interval is None and spec.step is None and "step" not in nodes:
            return first, first
        length = self._length(name, nodes)
        try:
            if spec.index is not None:
                index = self._index(nodes)
                return length.add(first, zone, index), length.add(first, zone, index + 1)
            if spec.labelled == "end":
                return length.add(first, zone, -1), first
            return first, length.add(first, zone)
        except Unusable as problem:
            raise CellProblem(name, problem.reason, problem.shown) from problem

    def _zone(self, nodes: Mapping[str, Any]) -> tzinfo:
        if self._plan.zone is not None:
            return self._plan.zone
        node = _there("timezone", nodes["timezone"], "not_a_zone")
        try:
            return find_zone(node if isinstance(node, str) else show(node))
        except Unusable as problem:
            raise CellProblem("timezone", problem.reason, problem.shown) from problem

    def _stamp(self, name: str, nodes: Mapping[str, Any], zone: tzinfo) -> tuple[int, int | None]:
        if name in self._plan.parts:
            node: Any = self._joined(name, nodes, zone)
        else:
            node = nodes[name] if name in nodes else self._plan.constants[name]
            if name not in nodes and node in self._templates:
                return self._templates[node], None
        try:
            stamp = self._plan.stamps.read(_there(name, node, "not_a_time"))
            return localise(stamp, zone) if isinstance(stamp, datetime) else (stamp, None)
        except Unusable as problem:
            raise CellProblem(name, problem.reason, problem.shown) from problem

    def _joined(self, name: str, nodes: Mapping[str, Any], zone: tzinfo) -> str:
        """The stamp of several parts, with a blank between them. None of them may be missing or empty."""
        texts = []
        for part in self._plan.parts[name]:
            if part not in nodes:
                texts.append(self._dated(self._plan.constants[part], zone))
                continue
            node = _there(part, nodes[part], "not_a_time")
            try:
                text = scalar_text(node)
            except Unusable:
                text = ""
            if not text.strip():
                raise CellProblem(part, "not_a_time", f"{show(node)} is no part of a time")
            texts.append(text)
        return " ".join(texts)

    def _dated(self, text: str, zone: tzinfo) -> str:
        """A part that is the same for all rows: a text, or a template by its strftime pattern."""
        match = DATED.fullmatch(text)
        if match is None:
            return text
        instant = self._templates[f"{{{match[1]}}}"]
        return datetime.fromtimestamp(instant / SECOND, zone).strftime(match[2])

    def _length(self, name: str, nodes: Mapping[str, Any]) -> Length:
        if name not in nodes:
            length: Length = self._plan.constants[name]
            return length
        try:
            return parse_length(_there(name, nodes[name], "not_a_length"), LENGTH_UNITS[self._plan.spec.length_unit])
        except Unusable as problem:
            raise CellProblem(name, problem.reason, problem.shown) from problem

    def _index(self, nodes: Mapping[str, Any]) -> int:
        node = nodes["index"]
        number = int(node) if isinstance(node, str) and _DIGITS.fullmatch(node) else node
        first = self._plan.spec.first
        if isinstance(number, bool) or not isinstance(number, int) or number < first:
            counted_from = f" that is counted from {first}" if first else ""
            raise CellProblem("index", "not_a_number", f"{show(node)} is not a place in a list{counted_from}")
        return number - first

    def _grid(self, cells: tuple[Any, ...], length: int) -> Times:
        nodes = dict(zip(self._plan.cells, cells, strict=True))
        zone = self._zone(nodes)
        start, later = self._stamp("start", nodes, zone)
        if later is not None and not self._window.start <= start < self._window.end:
            start = later if self._window.start <= later < self._window.end else start
        step = self._length("step", nodes)
        skipped = 0
        if self._plan.constants.get("start") == "{window.start}":
            skipped = self._skipped(length, _steps(step, start, self._window.end, zone))
        try:
            borders = step.borders(start, zone, skipped + length)
        except Unusable as problem:
            raise CellProblem("step", problem.reason, problem.shown) from problem
        if borders[0] < _EARLIEST or borders[-1] > _LATEST:
            raise CellProblem("start", "not_a_time", _TOO_FAR)
        return self.intern(Times(borders[skipped:-1], borders[skipped + 1 :]))

    def _skipped(self, length: int, expected: int) -> int:
        """How many implied times come before the first value of a list (R17)."""
        if length == expected:
            return 0
        if length < expected and self._plan.short_list == "align_start":
            return 0
        if length < expected and self._plan.short_list == "align_end":
            return expected - length
        raise CellProblem(
            "value", "length_mismatch", f"{counted(length, 'value')}, the window has {counted(expected, 'step')}"
        )


def _there(cell: str, node: Any, reason: str) -> Any:
    """The node, if there is one (R4: in ``time``, nothing is a reject)."""
    if node is NOTHING or node is None:
        raise CellProblem(cell, reason, "there is nothing" if node is NOTHING else "null")
    return node


def _remember(memory: dict[_K, _V], key: _K, value: _V, most: int = _REMEMBERED) -> _V:
    """Keeps a value, and lets a memory that is full begin anew."""
    if len(memory) >= most:
        memory.clear()
    memory[key] = value
    return value


def counted(count: int, noun: str) -> str:
    """``1 value``, ``2 values``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _steps(step: Length, start: int, end: int, zone: tzinfo) -> int:
    """How many steps begin in [start, end)."""
    if step.exact is not None:
        return max(0, -((start - end) // step.exact))
    count = 0
    while step.add(start, zone, count) < end:
        count += 1
    return count
