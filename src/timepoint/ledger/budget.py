"""How many series a job may have, and what becomes of those beyond.

Owns: which series of an answer are new and still fit (``max_series`` of the job and of a metric), the sum of the
others, and the sentence that names what made them so many. Must not know: how totals are counted, documents, the store.
Pure.

A budget counts what the ledger holds: series on the page, and those that left and keep their totals for
``forget_after``. What it holds always works on, whatever comes beside it. New series are admitted in the order of the
answer until the budget is used up; the others are rejects (``series_budget``), or, where the config says so, their
points are added up in one series, ``OVERFLOW``.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import add

from timepoint.ledger.state import LaneState, MetricState, metric_key
from timepoint.mapping.texts import Admission
from timepoint.model import (
    BOUND_LABELS,
    OVERFLOW,
    MappedRun,
    MetricSpec,
    MetricType,
    Refused,
    SeriesPoints,
    Times,
    split_series_text,
)

_SLACK = 10_000
_PREFIX = re.compile(r"[^0-9]{1,20}")
_PREFIXES = 3


@dataclass(slots=True)
class Budget:
    """What a lane may still take. ``room`` is that of the job.

    ``elsewhere`` is what the other lanes of the job hold, by ``metric_key``.
    """

    lane: LaneState
    metrics: Mapping[str, MetricSpec]
    max_series: int
    elsewhere: Mapping[str, int] = field(default_factory=dict)
    room: int = 0

    def __post_init__(self) -> None:
        held = sum(map(_size, self.lane.metrics.values())) + sum(self.elsewhere.values())
        self.room = max(0, self.max_series - held)

    def admission(self) -> Admission:
        """What the mapping needs to stop early: it need not be exact, since ``fit`` is.

        Rows without a value make a text and no series, hence twice the room, and some more.
        """
        rooms = {name: 2 * self._room(spec) + _SLACK for name, spec in self.metrics.items()}
        sums = frozenset(name for name, spec in self.metrics.items() if spec.sums_overflow)
        return Admission(rooms, self._is_known, sums)

    def fit(self, mapped: MappedRun) -> None:
        """Takes the series beyond the budget out of a run, counts them as rejects, and adds them up where it is so."""
        is_ample = sum(map(len, mapped.series.values())) <= self.room  # then nobody need be looked for in the ledger
        for name, spec in self.metrics.items():
            offered = mapped.series.get(name, {})
            refused = mapped.refused.get(name) or Refused()
            room, limit = self._room(spec), self._limit(spec)
            if not is_ample or len(offered) > room:
                self._fit(spec, offered, refused, room)
            if refused.count:
                where = f"{name}: no room within {limit}; {offenders(refused.texts)}"
                mapped.rejects.add("series_budget", where, refused.count)
        mapped.refused.clear()

    def _fit(self, spec: MetricSpec, offered: dict[str, SeriesPoints], refused: Refused, room: int) -> None:
        new = self._new(spec, offered)
        if len(new) <= room:
            self.room -= len(new)
            return
        beyond = new[room:] if spec.family.type not in _WITH_PARTS else _whole_groups(spec, new, room)
        self.room -= len(new) - len(beyond)
        taken = {text: offered.pop(text) for text in beyond}
        for text in beyond:
            refused.add(text)
        if spec.sums_overflow:
            more = [offered[OVERFLOW]] if OVERFLOW in offered else []
            offered[OVERFLOW] = sum_points([*more, *taken.values()])

    def _new(self, spec: MetricSpec, offered: Iterable[str]) -> list[str]:
        state = self.lane.metric(spec)
        if state is None:
            return [text for text in offered if text != OVERFLOW]
        series, absent = state.series, state.absent
        return [text for text in offered if text not in series and text not in absent and text != OVERFLOW]

    def _room(self, spec: MetricSpec) -> int:
        if not spec.max_series:
            return self.room
        held = _size(self.lane.metric(spec)) + self.elsewhere.get(metric_key(spec), 0)
        return min(self.room, max(0, spec.max_series - held))

    def _is_known(self, name: str, text: str) -> bool:
        """Whether a row's series is in the ledger; also where the labels of the row do not tell it alone."""
        spec = self.metrics[name]
        state = self.lane.metric(spec)
        if spec.family.type is MetricType.STATESET or len(spec.horizons) > 1:
            return True
        if state is None:
            return False
        if spec.family.type in BOUND_LABELS:
            text = f"_count{text}"
        return text in state.series or text in state.absent

    def _limit(self, spec: MetricSpec) -> str:
        """The limit that leaves the metric its room, and what fills it."""
        if self._room(spec) < self.room:
            metric = self.lane.metric(spec)
            name, metrics = f"max_series {spec.max_series}", [metric] if metric is not None else []
            others = self.elsewhere.get(metric_key(spec), 0)
        else:
            name, metrics = f"max_series {self.max_series} of the job", list(self.lane.metrics.values())
            others = sum(self.elsewhere.values())
        shown, left = sum(len(metric.series) for metric in metrics), sum(len(metric.absent) for metric in metrics)
        beside = f", {others} in other lanes" if self.elsewhere else ""
        return f"{name} ({shown} on the page, {left} kept since they left it{beside})"


_WITH_PARTS = (*BOUND_LABELS, MetricType.STATESET)


def _size(metric: MetricState | None) -> int:
    return 0 if metric is None else len(metric.series) + len(metric.absent)


def _whole_groups(spec: MetricSpec, new: Sequence[str], room: int) -> list[str]:
    """The texts that do not fit, where the lines of a histogram, summary or stateset are taken or left together."""
    label = BOUND_LABELS.get(spec.family.type, spec.family.name)
    groups: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for text in new:
        labels = split_series_text(text)[1]
        labels.pop(label, None)
        groups.setdefault(tuple(labels.items()), []).append(text)
    beyond = []
    for texts in groups.values():
        if len(texts) <= room:
            room -= len(texts)
        else:
            room = 0
            beyond += texts
    return beyond


def sum_points(series: Iterable[SeriesPoints]) -> SeriesPoints:
    """One series with the sums of the others, interval by interval; NaN counts for nothing."""
    by_grid: dict[Times, array[float]] = {}
    for points in series:
        values = array("d", (value if value == value else 0.0 for value in points.values))  # noqa: PLR0124 - NaN
        known = by_grid.get(points.times)
        by_grid[points.times] = values if known is None else array("d", map(add, known, values))
    if len(by_grid) == 1:
        [(times, values)] = by_grid.items()
        return SeriesPoints(times, values)
    sums: dict[tuple[int, int], float] = {}
    for times, values in by_grid.items():
        for start, end, value in zip(times.starts, times.ends, values, strict=True):
            sums[end, start] = sums.get((end, start), 0.0) + value
    order = sorted(sums)
    return SeriesPoints(
        Times((start for _, start in order), (end for end, _ in order)), array("d", [sums[key] for key in order])
    )


def offenders(texts: Sequence[str]) -> str:
    """Which label makes series so many, and how its values begin: what to look at first."""
    values: dict[str, Counter[str]] = {}
    for text in texts:
        for name, value in split_series_text(text)[1].items():
            values.setdefault(name, Counter())[value] += 1
    if not values:
        return "they have no labels"
    name = max(values, key=lambda label: len(values[label]))
    prefixes = Counter(_prefix(value) for value in values[name])
    total = len(values[name])
    shown = ", ".join(f"{prefix!r} {count / total:.0%}" for prefix, count in prefixes.most_common(_PREFIXES))
    return f"the label {name} has {total} values in {len(texts)} of the refused, beginning with {shown}"


def _prefix(value: str) -> str:
    """A value up to its first digit, or its first characters."""
    match = _PREFIX.match(value)
    return match[0] if match else "".join(islice(value, 3))
