"""Sinks of the metrics whose sample is several lines: histogram, summary, stateset; and of info.

Owns: what lines a histogram, summary, stateset or info has, and what must hold between them. Must not know: paths,
labels of rows. Sources: OpenMetrics 1.0, "Metric Types" and "Considerations: Canonical Numbers".

Each line is a series of its own to the ledger; all lines of one point stand or fall together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from math import inf, isfinite, isnan
from typing import Any

from timepoint.mapping.labels import scalar_text
from timepoint.mapping.nodes import NOTHING
from timepoint.mapping.numbers import NumberReader
from timepoint.mapping.plans import MetricPlan
from timepoint.mapping.rows import missing_test
from timepoint.mapping.series import SeriesOf
from timepoint.mapping.sinks import NumberSink
from timepoint.mapping.times import CellProblem, Moment, TimeReader, counted
from timepoint.mapping.unusable import Unusable, show
from timepoint.model import MetricType, Rejects, SeriesPoints, Window, series_text, split_series_text

_PAIR = 2
_EXPONENT_FROM = 1e6

Line = tuple[str, str, str, float]  # suffix, label name (or empty), label value, number


class _LineTexts(dict[tuple[str, str, str], str]):
    """The texts of the lines of one series, by suffix, label name and label value: made once, looked up in 0.1 us."""

    __slots__ = ("_labels", "_text")

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._labels: dict[str, str] | None = None

    def __missing__(self, line: tuple[str, str, str]) -> str:
        suffix, label, value = line
        if not label:
            made = suffix + self._text
        else:
            if self._labels is None:
                _, self._labels = split_series_text(self._text)
            made = series_text({**self._labels, label: value}, suffix)
        self[line] = made
        return made


class PartsSink(ABC):
    """The points of a metric with several lines. ``take`` is given the row's series text and its cells."""

    joins: str | None = None  # how points of one interval join, if the type itself says so

    def __init__(self, plan: MetricPlan, window: Window, fire_time: int) -> None:
        self._plan = plan
        self._time = TimeReader(plan.time, window, fire_time)
        self._series = SeriesOf(self.joins or plan.combine)
        missing = plan.missing
        self._counts = NumberReader(missing, None, plan.mapping.decimal, strip=plan.mapping.strip)
        self._converter = NumberReader(convert=plan.conversion)
        self._line_texts: dict[str, _LineTexts] = {}  # of this run alone: series come and go

    @abstractmethod
    def lines(self, value: Any) -> list[Line]:
        """The lines of one point; none if there is no value. Raises CellProblem."""

    def take(self, text: str, value: Any, *cells: Any) -> list[CellProblem]:
        problems: list[CellProblem] = []
        texts = self._line_texts.get(text)
        if texts is None:
            texts = self._line_texts[text] = _LineTexts(text)
        try:
            for index, node, at in self._elements(value, cells):
                try:
                    lines = self.lines(node)
                    moment = self._time.moment(at) if lines and not isinstance(at, Moment) else at
                except CellProblem as problem:
                    problem.index = index
                    problems.append(problem)
                    continue
                for suffix, label, shown, number in lines:
                    self._series.add(texts[suffix, label, shown], moment, number)
        except CellProblem as problem:
            problems.append(problem)
        return problems

    def finish(self, rejects: Rejects, name: str) -> dict[str, SeriesPoints]:
        return self._series.finish(self._time, rejects, name)

    def _elements(self, value: Any, cells: tuple[Any, ...]) -> Iterator[tuple[int | None, Any, Any]]:
        """Index, value and time cells (or moment) of each element of a row's lists, or of the row itself."""
        if self._time.is_implied:
            nodes = value if type(value) is list else [value]
            times = self._time.grid(cells, len(nodes))
            for index, node in enumerate(nodes):
                yield index, node, Moment(times.starts[index], times.ends[index], None)
            return
        lengths = {len(found) for found in (value, *cells) if type(found) is list}
        if not lengths:
            yield None, value, cells
            return
        if len(lengths) > 1:
            raise CellProblem("value", "length_mismatch", f"lists of {' and '.join(map(str, sorted(lengths)))}")
        if not any(type(cell) is list for cell in cells):
            raise CellProblem("value", "list_without_times", f"{counted(len(value), 'value')}, but no list of times")
        for index in range(lengths.pop()):
            at = tuple(cell[index] if type(cell) is list else cell for cell in cells)
            yield index, value[index] if type(value) is list else value, at

    def _read(self, cell: str, reader: NumberReader, node: Any) -> float | None:
        try:
            return reader.read(node)
        except Unusable as problem:
            raise CellProblem(cell, problem.reason, problem.shown) from problem

    def _amount(self, cell: str, reader: NumberReader, node: Any) -> float | None:
        """A number that is summed up, so neither below zero nor infinite."""
        number = self._read(cell, reader, node)
        if number is not None and not 0 <= number < inf:
            raise CellProblem(cell, "negative" if isfinite(number) else "not_finite", show(node))
        return number

    def _pairs(self, cell: str, node: Any) -> list[tuple[float, Any]]:
        """Bound (or quantile) and value of each member of an object or pair of a list, ascending."""
        if isinstance(node, dict):
            members: list[Any] = [[key, member] for key, member in node.items()]
        elif isinstance(node, list) and all(isinstance(pair, list) and len(pair) == _PAIR for pair in node):
            members = node
        else:
            raise CellProblem(cell, "not_an_object", f"{show(node)} is neither an object nor a list of pairs")
        pairs = []
        for key, member in members:
            bound = self._read(cell, NumberReader(), key)
            if bound is None or isnan(bound):
                raise CellProblem(cell, "not_a_number", show(key))
            pairs.append((bound, member))
        return sorted(pairs, key=lambda pair: pair[0])


def _or_none(node: Any) -> Any:
    return None if node is NOTHING else node


def _complete(**parts: Any) -> bool:
    """Whether all parts of a point are there; if none is, there is no point. Raises CellProblem if some are."""
    lacking = [name for name, part in parts.items() if part is None]
    if lacking and len(lacking) < len(parts):
        raise CellProblem(lacking[0], "incomplete", f"there is no {' and no '.join(lacking)}")
    return not lacking


class HistogramSink(PartsSink):
    """A histogram that the body holds: buckets up to a bound, sum and count. A unit converts the bounds and the sum."""

    def lines(self, value: Any) -> list[Line]:
        buckets_node, sum_node, count_node = map(_or_none, value)
        total = self._amount("sum", self._plan.reader, sum_node)
        count = self._amount("count", self._counts, count_node)
        if not _complete(buckets=buckets_node, sum=total, count=count):
            return []
        assert total is not None
        assert count is not None
        buckets: list[tuple[float, float]] = []
        for bound, node in self._pairs("buckets", buckets_node):
            number = self._amount("buckets", self._counts, node)
            if number is not None:
                buckets.append((self._converted(bound), number))
        if not buckets or buckets[-1][0] != inf:
            buckets.append((inf, count))
        numbers = [number for _, number in buckets]
        if numbers[-1] != count or any(later < earlier for earlier, later in pairwise(numbers)):
            raise CellProblem("buckets", "not_cumulative", f"buckets of {show(numbers[-1])} for a count of {count:g}")
        lines: list[Line] = [("_bucket", "le", number_text(bound), number) for bound, number in buckets]
        return [*lines, ("_count", "", "", count), ("_sum", "", "", total)]

    def _converted(self, bound: float) -> float:
        if bound == inf:
            return bound
        return self._read("buckets", self._converter, bound) or 0.0


class ObservedSink(PartsSink):
    """A histogram of the values themselves: each value is one observation of its interval, counted by ``bounds``."""

    joins = "sum"

    def lines(self, value: Any) -> list[Line]:
        number = self._amount("value", self._plan.reader, value)
        if number is None:
            return []
        bounds = [*sorted(set(self._plan.mapping.bounds) - {inf}), inf]
        lines: list[Line] = [("_bucket", "le", number_text(bound), float(number <= bound)) for bound in bounds]
        return [*lines, ("_count", "", "", 1.0), ("_sum", "", "", number)]


class SummarySink(PartsSink):
    """A summary that the body holds: quantiles, sum and count. A unit converts the quantiles' values and the sum."""

    def lines(self, value: Any) -> list[Line]:
        quantiles_node, sum_node, count_node = map(_or_none, value)
        total = self._amount("sum", self._plan.reader, sum_node)
        count = self._amount("count", self._counts, count_node)
        if not _complete(sum=total, count=count):
            return []
        assert total is not None
        assert count is not None
        lines: list[Line] = [("_count", "", "", count), ("_sum", "", "", total)]
        for quantile, node in self._pairs("quantiles", quantiles_node) if quantiles_node is not None else ():
            if not 0 <= quantile <= 1:
                raise CellProblem("quantiles", "out_of_range", f"{quantile:g} is not a quantile: it lies in 0 to 1")
            number = self._read("quantiles", self._plan.reader, node)
            if number is not None:
                lines.append(("", "quantile", number_text(quantile), number))
        return lines


class StateSink(PartsSink):
    """A stateset: one line per declared state, 1 for the one that is."""

    def lines(self, value: Any) -> list[Line]:
        if value is None:
            return []
        if isinstance(value, dict | list):
            raise CellProblem("value", "unknown_state", show(value))
        states = self._plan.mapping.states
        state = scalar_text(value)
        if state not in states:
            if missing_test(self._plan.missing)(value):
                return []
            raise CellProblem("value", "unknown_state", f"{show(value)} is none of {', '.join(states)}")
        return [("", self._plan.name, name, float(name == state)) for name in states]


class InfoSink(PartsSink):
    """An info: its labels are what it says, its value is 1."""

    def lines(self, value: Any) -> list[Line]:  # noqa: ARG002 (an info has no value)
        return [("", "", "", 1.0)]


_SINKS: dict[MetricType, type[PartsSink]] = {
    MetricType.HISTOGRAM: HistogramSink,
    MetricType.SUMMARY: SummarySink,
    MetricType.STATESET: StateSink,
    MetricType.INFO: InfoSink,
}


def sink_of(plan: MetricPlan, window: Window, fire_time: int) -> NumberSink | PartsSink:
    """A new sink for a metric of any type."""
    sink = _SINKS.get(plan.mapping.metric.family.type)
    if sink is None:
        return NumberSink(plan, window, fire_time)
    if sink is HistogramSink and plan.mapping.bounds:
        sink = ObservedSink
    return sink(plan, window, fire_time)


def number_text(number: float) -> str:
    """A bound or quantile as a label value, in OpenMetrics' canonical form: ``0.5``, ``1.0``, ``1e+06``, ``+Inf``.

    Python writes floats like that up to a million; beyond it, the form of Go's ``%g`` wants an exponent. Prometheus 3
    brings bounds to it when it scrapes, Prometheus 2 does not, so that any other form would end every series at the
    upgrade.
    """
    if number == inf:
        return "+Inf"
    text = repr(float(number))
    if abs(number) < _EXPONENT_FROM:
        return text
    digits = Decimal(text).normalize().as_tuple().digits
    return f"{number:.{len(digits) - 1}e}"
