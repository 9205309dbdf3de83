"""The points of a metric on their way to series: gathered, put in order, and joined (R8).

Owns: what two points of equal labels and interval come to, and which of the two meanings a doubled local time has.
Must not know: documents, paths, how labels or values are read.

Lists come as whole blocks on a shared ``Times``; single points are gathered in columns. Both are made one ascending
``SeriesPoints`` per series when a run is finished.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from math import isnan
from operator import lt

from timepoint.clock import format_instant
from timepoint.mapping.nodes import printable
from timepoint.mapping.times import Moment, TimeReader
from timepoint.model import OVERFLOW, Rejects, SeriesPoints, Times

_JOINS: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "min": min,
    "max": max,
    "mean": lambda values: sum(values) / len(values),
    "first": lambda values: values[0],
    "last": lambda values: values[-1],
}
COMBINES = tuple(_JOINS)


class _Gathered:
    """Single points of one series, in order of arrival. ``doubled`` holds (place, later) of doubled local times."""

    __slots__ = ("doubled", "ends", "starts", "values")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.values: list[float] = []
        self.doubled: list[tuple[int, tuple[int, int]]] = []

    @property
    def columns(self) -> tuple[list[int], list[int], list[float]]:
        return self.starts, self.ends, self.values


class SeriesOf:
    """The series of one metric in one run, by their text."""

    def __init__(self, combine: str | None) -> None:
        self._combine = combine
        self.blocks: dict[str, SeriesPoints] = {}
        self._gathered: dict[str, _Gathered] = {}

    def add_block(self, text: str, times: Times, values: array[float]) -> None:
        """One value per interval of ``times``, at once."""
        if text not in self.blocks and text not in self._gathered:  # what came first stays first
            self.blocks[text] = SeriesPoints(times, values)
            return
        gathered = self._gathered_of(text)
        gathered.starts.extend(times.starts)
        gathered.ends.extend(times.ends)
        gathered.values.extend(values)

    def add(self, text: str, moment: Moment, value: float) -> None:
        """One point."""
        gathered = self._gathered.get(text) or self._gathered_of(text)
        gathered.starts.append(moment[0])
        gathered.ends.append(moment[1])
        gathered.values.append(value)
        if moment[2] is not None:
            gathered.doubled.append((len(gathered.values) - 1, moment[2]))

    def _gathered_of(self, text: str) -> _Gathered:
        return self._gathered.setdefault(text, _Gathered())

    def sum_up(self) -> None:
        """Makes one point of all those of the series ``OVERFLOW`` that have one interval."""
        gathered, block = self._gathered.get(OVERFLOW), self.blocks.pop(OVERFLOW, None)
        sums: dict[tuple[int, int], float] = {}
        for columns in (block and (block.times.starts, block.times.ends, block.values), gathered and gathered.columns):
            for start, end, value in zip(*columns, strict=True) if columns else ():
                sums[end, start] = sums.get((end, start), 0.0) + (0.0 if isnan(value) else value)
        if sums:
            summed = self._gathered[OVERFLOW] = _Gathered()
            for (end, start), value in sorted(sums.items()):
                summed.starts.append(start)
                summed.ends.append(end)
                summed.values.append(value)

    def finish(self, times: TimeReader, rejects: Rejects, name: str) -> dict[str, SeriesPoints]:
        """All series, each ascending and without repetition."""
        if OVERFLOW in self._gathered:
            self.sum_up()
        series = self.blocks
        for text, gathered in self._gathered.items():
            block = series.get(text)
            if gathered.doubled:
                _choose_meanings(gathered, times)
            if block is not None:
                gathered.starts[:0] = block.times.starts
                gathered.ends[:0] = block.times.ends
                gathered.values[:0] = block.values
            series[text] = self._ordered(gathered, times, rejects, name + text)
        return series

    def _ordered(self, gathered: _Gathered, times: TimeReader, rejects: Rejects, shown: str) -> SeriesPoints:
        starts, ends, values = gathered.starts, gathered.ends, gathered.values
        if not all(map(lt, ends, ends[1:])):
            order = sorted(range(len(ends)), key=lambda i: (ends[i], starts[i]))  # stable: arrival decides
            starts, ends = [starts[i] for i in order], [ends[i] for i in order]
            values = [values[i] for i in order]
            starts, ends, values = self._joined(starts, ends, values, rejects, shown)
        return SeriesPoints(times.intern(Times(starts, ends)), array("d", values))

    def _joined(
        self, starts: list[int], ends: list[int], values: list[float], rejects: Rejects, shown: str
    ) -> tuple[list[int], list[int], list[float]]:
        """The columns with equal intervals made one."""
        new: tuple[list[int], list[int], list[float]] = [], [], []
        place = 0
        while place < len(ends):
            after = place + 1
            while after < len(ends) and ends[after] == ends[place] and starts[after] == starts[place]:
                after += 1
            new[0].append(starts[place])
            new[1].append(ends[place])
            new[2].append(self._join(values[place:after], rejects, f"{shown} at {_shown(starts[place], ends[place])}"))
            place = after
        return new

    def _join(self, values: list[float], rejects: Rejects, shown: str) -> float:
        if len(values) > 1 and self._combine is not None:
            return _JOINS[self._combine](values)
        first = values[0]
        for value in values[1:]:
            if value != first and not (isnan(value) and isnan(first)):
                rejects.add("duplicate_point", f"{printable(shown)}: {first:g}, then {value:g}")
        return first


def _shown(start: int, end: int) -> str:
    return format_instant(end) if start == end else f"{format_instant(start)}..{format_instant(end)}"


def _choose_meanings(gathered: _Gathered, times: TimeReader) -> None:
    """R6c: a doubled local time is the earlier instant, then the later; the other way round if newest first.

    One that its series has only once is the later instant if only that lies in the window: an answer for the second of
    the two hours does not hold the first.
    """
    places: dict[tuple[int, int], list[tuple[int, tuple[int, int]]]] = {}
    for place, later in gathered.doubled:
        places.setdefault((gathered.starts[place], gathered.ends[place]), []).append((place, later))
    falls = gathered.ends[0] > gathered.ends[-1]
    for found in places.values():
        if len(found) == 1:
            place, later = found[0]
            is_earlier = times.is_asked(gathered.starts[place], gathered.ends[place]) or not times.is_asked(*later)
            changed = [] if is_earlier else found
        else:
            changed = found[:1] if falls else found[1:]
        for place, later in changed:
            gathered.starts[place], gathered.ends[place] = later
    gathered.doubled.clear()
