"""Who counts a series, one after the other.

Owns: what of an earlier holder of a metric bears on the one that counts it now: which intervals it has counted, and
whose totals are over since another has shown lower ones. Must not know: which holders a config has, the store. Pure.

A holder is a lane of a job with a metric as it is declared. Two of them may come to the same series, name and labels: a
job that is renamed, moved into a fan-out or declared otherwise, and taken back. Prometheus sees one series. So that its
``increase()`` is what all of them have counted:

- each begins at 0 behind the one before, also one that comes back: its old total would be an increase once more;
- an interval that another has counted is not counted again. It is remembered with NaN for its value, which the first
  answer that holds it replaces: what one holder counted never enters the total of another.

Which of two began later is told by the ids of their series: ids grow from commit to commit.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, nan
from typing import NamedTuple

from timepoint.ledger.state import LaneState, MetricState, SeriesState, group_of, metric_shape
from timepoint.model import BOUND_LABELS, MetricSpec, Temporality, Times


class Holder(NamedTuple):
    """Who has series of a metric. ``newest_id`` is the id of its newest series, ``reach`` its newest timepoint (ms)."""

    job: str
    lane: str
    name: str
    shape: str
    newest_id: int
    reach: int


class Spent(NamedTuple):
    """The intervals of a series that another holder has counted: those it remembers, and those it has forgotten.

    It was answered for all that begins at ``asked_from`` or later, and has forgotten what ends by ``kept_from``.
    """

    times: Times
    kept_from: float
    asked_from: float

    def has(self, start: int, end: int) -> bool:
        """Whether an interval was counted there."""
        if not self.times.ends or start < self.asked_from:
            return False
        return (start < self.times.starts[0] and end <= self.kept_from) or (start, end) in _intervals(self.times)


@dataclass(frozen=True, slots=True)
class Estate:
    """What another holder has counted of a metric. ``reach`` is its newest timepoint."""

    holder: Holder
    kept_from: float
    asked_from: float
    series: Mapping[str, SeriesState]

    @property
    def reach(self) -> int:
        return self.holder.reach

    @property
    def has_amounts(self) -> bool:
        """Whether its intervals are known: readings are sums, and gauges count nothing."""
        return f"/{Temporality.DELTA}/" in self.holder.shape

    def spent(self, text: str) -> Spent:
        """The intervals of one of its series that are counted here."""
        return Spent(self.series[text].times, self.kept_from, self.asked_from)


class Estates:
    """What others have counted of one metric, and who of them has a given series.

    Of a fan-out that is renamed there are as many as it has lanes, and mostly one of them has a series. With 1,000
    lanes of 100 series each, asking all of them for each lane took 6 s of CPU at the start that takes the name back and
    another 6 s in its first run, and 26 s where one lane took all of them over. Looked up by series it is 1 s.
    """

    __slots__ = ("_by_text", "_oldest_first")

    def __init__(self, estates: Iterable[Estate] = ()) -> None:
        self._oldest_first = tuple(sorted(estates, key=lambda estate: estate.holder.newest_id))
        self._by_text: dict[str, tuple[Estate, ...]] = {}
        for estate in self._oldest_first:
            alone = (estate,)
            for text in estate.series:
                known = self._by_text.get(text)
                self._by_text[text] = alone if known is None else known + alone

    def __iter__(self) -> Iterator[Estate]:
        return iter(self._oldest_first)

    def having(self, text: str) -> tuple[Estate, ...]:
        """Those that have a series, oldest first."""
        return self._by_text.get(text, ())


NOBODY = Estates()


def estate_of(lane: LaneState, metric: MetricState) -> Estate:
    """What a lane has counted of one of its metrics."""
    series = {**metric.absent, **metric.series}
    newest_id = max((state.id for state in series.values()), default=0)
    holder = Holder(lane.job, lane.lane, metric.name, metric.shape, newest_id, metric.newest or 0)
    kept_from = -inf if lane.kept_from is None else lane.kept_from
    asked_from = -inf if lane.asked_from is None else lane.asked_from
    return Estate(holder, kept_from, asked_from, series)


def declared_otherwise(lane: LaneState, spec: MetricSpec, since: int | None = None) -> list[Estate]:
    """What the lane itself has counted of a metric under other declarations, if that reaches beyond ``since``."""
    shape = metric_shape(spec)
    return [
        estate_of(lane, metric)
        for metric in lane.metrics.values()
        if metric.name == spec.family.name and metric.shape != shape and (since is None or (metric.newest or 0) > since)
    ]


def over(lane: LaneState, spec: MetricSpec, estates: Estates) -> dict[str, Holder]:
    """The series of a counter whose totals are over, with the newest holder that has begun to count each after it.

    ``estates`` are those of other lanes; what the lane itself has under other declarations is looked at as well. Of a
    histogram or summary all parts of a group are over if one is: together they say one thing.
    """
    metric = lane.metric(spec)
    if metric is None or spec.temporality is None:
        return {}
    held = {**metric.absent, **metric.series}
    own = Estates(declared_otherwise(lane, spec))
    found: dict[str, Holder] = {}
    for text, mine in held.items():
        newest = mine.id if mine.created else inf
        for estate in (*estates.having(text), *own.having(text)):
            theirs = estate.series[text]
            if theirs.created and theirs.id > newest:
                newest, found[text] = theirs.id, estate.holder
    if found and spec.family.type in BOUND_LABELS:
        label = BOUND_LABELS[spec.family.type]
        groups = {group_of(text, label)[0]: holder for text, holder in found.items()}
        return {text: groups[group] for text in held if (group := group_of(text, label)[0]) in groups}
    return found


def bearing(
    estates: Estates, own: Iterable[Estate], texts: Iterable[str], kept_from: int | None
) -> dict[str, tuple[Estate, ...]]:
    """What others have counted of some series of amounts, oldest first, as far as it reaches beyond ``kept_from``.

    ``own`` are those of the lane itself, under other declarations.
    """
    mine = Estates(own)
    found: dict[str, tuple[Estate, ...]] = {}
    for text in texts:
        both = estates.having(text) + mine.having(text)
        if len(both) > 1:
            near = [estate for estate in both if _bears(estate, kept_from)]
            both = tuple(sorted(near, key=lambda estate: estate.holder.newest_id))
        elif both and not _bears(both[0], kept_from):
            continue
        if both:
            found[text] = both
    return found


def _bears(estate: Estate, kept_from: int | None) -> bool:
    return estate.has_amounts and (kept_from is None or estate.reach > kept_from)


def end_counts(lane: LaneState, spec: MetricSpec, texts: Iterable[str]) -> None:
    """Ends totals of a counter: the series leave the page, and begin at 0 when they come back (``created`` is 0).

    What they have counted stays remembered, and so does what revisions still owe.
    """
    metric = lane.metric(spec)
    assert metric is not None, "BUG: totals end that were never begun"
    for text in texts:
        state = metric.series.pop(text, None) or metric.absent.pop(text)
        state.created = state.zero_until = 0
        state.seen_at = min(state.seen_at, lane.page_since - 1)
        if spec.temporality is Temporality.DELTA:
            state.value = state.carry = 0.0
        metric.absent[text] = state
    metric.absent = dict(sorted(metric.absent.items(), key=lambda item: item[1].seen_at))
    metric.note_leaving(metric.absent, lane.last_accepted or 0)


def heir(text: str, own: SeriesState, estates: Sequence[Estate]) -> SeriesState:
    """A series of amounts that begins, as it knows what it and others have counted before. Others come oldest first."""
    times, recent = own.times, own.recent
    for estate in estates:
        theirs = estate.series.get(text)
        if theirs is not None and len(theirs.times):
            times, places = _joined(times, theirs.times)
            known = (*array("d", recent), nan)
            recent = array("d", [known[place] for place in places]).tobytes()
    return own if times is own.times else replace(own, times=times, recent=recent)


def unspent(times: Times, usable: Sequence[int], known: Times, spent: Sequence[Spent]) -> list[int]:
    """The usable points that no other holder has counted, or that the series itself remembers."""
    own = _intervals(known)
    return [
        i
        for i in usable
        if (interval := (times.starts[i], times.ends[i])) in own or not any(other.has(*interval) for other in spent)
    ]


@lru_cache(maxsize=256)
def _intervals(times: Times) -> frozenset[tuple[int, int]]:
    return frozenset(zip(times.starts, times.ends, strict=True))


@lru_cache(maxsize=256)
def _joined(own: Times, theirs: Times) -> tuple[Times, tuple[int, ...]]:
    """Both grids as one, and for each interval the place of its value: -1 for what the other holder has counted.

    An own interval that overlaps one of the other's gives way to it.
    """
    kept: list[tuple[int, int, int]] = [(end, start, -1) for start, end in zip(theirs.starts, theirs.ends, strict=True)]
    known = _intervals(theirs)
    for place, (start, end) in enumerate(zip(own.starts, own.ends, strict=True)):
        before = bisect_left(theirs.starts, end) - 1  # theirs do not overlap, so it is this one or none
        if (start, end) not in known and (before < 0 or theirs.ends[before] <= start):
            kept.append((end, start, place))
    kept.sort()
    return Times((s for _, s, _ in kept), (e for e, _, _ in kept)), tuple(place for _, _, place in kept)
