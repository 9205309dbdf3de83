"""Where a row's cells become points: one sink per metric and run.

Owns: the zipping of values with times (R3, R4, R17), what a counter does not take (R14). Must not know: how cells are
found, what labels a row has; a row hands over its series text.

A sink returns the problems of a row, mostly none; the caller knows the row's path and reports them.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from math import inf, isfinite
from typing import Any

from timepoint.mapping.plans import MetricPlan
from timepoint.mapping.series import SeriesOf
from timepoint.mapping.times import CellProblem, Moment, TimeReader, counted
from timepoint.mapping.units import IDENTITY
from timepoint.mapping.unusable import Unusable, show
from timepoint.model import MetricType, Rejects, SeriesPoints, Times, Window

Problems = Sequence[CellProblem]
_NONE: Problems = ()
_REFUSED = 1000


class _Problems(dict[str, CellProblem]):
    """The problems of one row by their reasons: the first of each, which counts the others."""

    def add(self, problem: CellProblem, index: int) -> None:
        first = self.get(problem.reason)
        if first is None:
            self[problem.reason] = CellProblem(problem.cell, problem.reason, problem.shown, index)
        else:
            first.count += 1


class NumberSink:
    """The points of a metric whose value is one number per timepoint: gauge, counter, unknown."""

    def __init__(self, plan: MetricPlan, window: Window, fire_time: int) -> None:
        self._reader = plan.reader
        self._time = TimeReader(plan.time, window, fire_time)
        self._is_counter = plan.mapping.metric.family.type is MetricType.COUNTER
        self._series = SeriesOf(plan.combine)
        self._missing_numbers = frozenset(
            float(m) for m in plan.missing if isinstance(m, int | float) and not isinstance(m, bool)
        )
        self._refused: dict[str, CellProblem] = {}  # texts that are no numbers, since they repeat
        self._blocks = self._series.blocks
        self._grids = self._time.fixed_grids
        self._takes_floats = not (plan.missing or plan.mapping.value_map) and plan.conversion == IDENTITY

    def take(self, text: str, value: Any, *cells: Any) -> Problems:
        """The value and the time cells of one row of the series ``text``."""
        try:
            if type(value) is list and not cells and text not in self._blocks:
                times = self._grids.get(len(value))
                values = self._reader.read_list(value) if times is not None else None
                if values is not None and times is not None and not (self._is_counter and _any_negative(values)):
                    self._blocks[text] = SeriesPoints(times, values)
                    return _NONE
            if type(value) is list or self._time.is_implied or (cells and list in map(type, cells)):
                return self._take_lists(text, value, cells)
            if self._takes_floats and type(value) is float and 0 <= value < inf:  # the common case, at half the cost
                self._series.add(text, self._time.moment(cells), value)
                return _NONE
            number = self._number(value)
            if number is not None:
                self._series.add(text, self._time.moment(cells), number)
        except CellProblem as problem:
            return (problem,)
        return _NONE

    def sum_up(self) -> None:
        """Keeps what is added up in one series small."""
        self._series.sum_up()

    def finish(self, rejects: Rejects, name: str) -> dict[str, SeriesPoints]:
        return self._series.finish(self._time, rejects, name)

    def _number(self, node: Any) -> float | None:
        try:
            number = self._reader.read(node)
        except Unusable as problem:
            raise CellProblem("value", problem.reason, problem.shown) from problem
        if number is not None and self._is_counter and not 0 <= number < inf:
            raise CellProblem("value", "negative" if isfinite(number) else "not_finite", show(node))
        return number

    def _take_lists(self, text: str, value: Any, cells: tuple[Any, ...]) -> Problems:
        if self._time.is_implied:
            nodes = value if type(value) is list else [value]
            times = self._time.grid(cells, len(nodes)) if cells else self._time.fixed_grid(len(nodes))
            return self._take_block(text, times, nodes)
        if type(value) is list:
            listed = self._time.listed(cells)
            if listed is not None and len(listed) == len(value):
                return self._take_block(text, listed, value)
        return self._take_zipped(text, value, cells)

    def _take_block(self, text: str, times: Times, nodes: list[Any]) -> Problems:
        """A list of values on times that ascend."""
        values = self._reader.read_list(nodes)
        if values is not None and nodes and not (self._is_counter and _any_negative(values)):
            self._series.add_block(text, times, values)
            return _NONE
        if values is None and None in nodes:  # gaps are common, so they have a way of their own
            kept = [place for place, node in enumerate(nodes) if node is not None]
            values = self._reader.read_list([nodes[place] for place in kept])
            if values and not (self._is_counter and _any_negative(values)):
                self._series.add_block(text, self._time.some(times, kept), values)
                return _NONE
        problems = _Problems()
        found = self._numbers(nodes, problems)
        if found:
            kept = sorted(found)
            self._series.add_block(text, self._time.some(times, kept), array("d", [found[place] for place in kept]))
        return list(problems.values())

    def _numbers(self, nodes: list[Any], problems: _Problems) -> dict[int, float]:
        """The numbers of a list by their places.

        JSON numbers are read at once where that can be, all else one by one.
        """
        plain, odd = self._sorted_out(nodes)
        values = self._reader.read_list([nodes[place] for place in plain])
        found = {} if values is None else dict(zip(plain, values, strict=True))
        for place in range(len(nodes)) if values is None else odd:
            node = nodes[place]
            if type(node) is str and node in self._refused:
                problems.add(self._refused[node], place)
                continue
            try:
                number = self._number(node)
            except CellProblem as problem:
                problems.add(problem, place)
                if type(node) is str and len(self._refused) < _REFUSED:
                    self._refused[node] = problem
                continue
            if number is not None:
                found[place] = number
        return found

    def _sorted_out(self, nodes: list[Any]) -> tuple[list[int], list[int]]:
        """The places of plain numbers, and those of values to look at closely; what means nothing is in neither."""
        plain, odd = [], []
        for place, node in enumerate(nodes):
            if type(node) is not float and type(node) is not int:
                if node is not None:
                    odd.append(place)
            elif self._is_counter and node < 0:
                odd.append(place)
            elif node not in self._missing_numbers:
                plain.append(place)
        return plain, odd

    def _take_zipped(self, text: str, value: Any, cells: tuple[Any, ...]) -> Problems:
        """Parallel lists: what is an array must be equally long, what is not repeats (R3)."""
        lists = [cell for cell in cells if type(cell) is list]
        if not lists:
            raise CellProblem("value", "list_without_times", f"{counted(len(value), 'value')}, but no list of times")
        length = len(lists[0])
        for found in (*lists, value):
            if type(found) is list and len(found) != length:
                raise CellProblem("value", "length_mismatch", f"lists of {length} and {len(found)}")
        problems = _Problems()
        for index in range(length):
            node = value[index] if type(value) is list else value
            try:
                number = self._number(node)
                if number is not None:
                    self._series.add(text, self._moment_at(cells, index), number)
            except CellProblem as problem:
                problems.add(problem, index)
        return list(problems.values())

    def _moment_at(self, cells: tuple[Any, ...], index: int) -> Moment:
        return self._time.moment(tuple(cell[index] if type(cell) is list else cell for cell in cells))


_SIGN = 7 if sys.byteorder == "little" else 0  # the byte of a float64 that holds its sign, as the highest bit


def _any_negative(values: array[float]) -> bool:
    """Whether a value is below 0. The signs of 48 values are looked at in 0.1 us; ``min`` needs 0.7 us."""
    return not values.tobytes()[_SIGN::8].isascii() and min(values) < 0
