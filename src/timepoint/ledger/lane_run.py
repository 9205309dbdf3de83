"""What the metrics of one run share while they are decided.

Owns: the stamp of the run, what may be used and what must be remembered, where rejects go, and how a series is found
among those on the page, those that left it, and those never seen. Must not know: how values become totals or gauges.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from timepoint.clock import format_instant
from timepoint.ledger.change import Counts, MetricChanges, RunFacts
from timepoint.ledger.holders import Estate, Spent, heir
from timepoint.ledger.interval_plan import Memory, Reach
from timepoint.ledger.outgoing import Ended, Outgoing
from timepoint.ledger.state import LaneState, MetricState, SeriesState, metric_shape
from timepoint.model import MetricSpec, Rejects, Temporality, Times

UNKNOWN = SeriesState(0.0, times=Times((), ()))
"""Stands for a series that was never seen. Never changed; its ``times`` is an object of its own, not ``NO_TIMES``."""


_FAR = 2**62
"""Beyond what a store keeps. No clock says that; an API may."""


class LaneRun:
    """One run of a lane: the same for all its metrics."""

    __slots__ = ("facts", "grids", "memory", "new_memory", "reach", "rejects", "stamp", "watermark")

    def __init__(self, lane: LaneState, facts: RunFacts) -> None:
        self.facts = facts
        self.reach = Reach(facts, _oldest(lane))
        self.stamp = _stamp(lane, facts)
        self.rejects = Rejects()
        self.watermark = self.reach.end if facts.is_complete else self.reach.start
        keep_from = self.watermark - facts.overlap
        if lane.watermark is not None:
            self.watermark = max(lane.watermark, self.watermark)
        if lane.kept_from is not None:
            keep_from = max(keep_from, lane.kept_from)
        self.memory = Memory(lane.kept_from, keep_from, lane.watermark)
        self.new_memory = Memory(None, keep_from, lane.watermark)
        self.grids: dict[Times, Times] = {}

    def intern(self, times: Times) -> Times:
        """One object for equal grids, so that series share it and the next run finds its plan by identity."""
        return self.grids.setdefault(times, times)


def _oldest(lane: LaneState) -> float:
    """Before which nothing was ever asked for; a lane that an older release has filled does not know."""
    if lane.asked_from is not None:
        return lane.asked_from
    return inf if lane.watermark is None else -inf


def _stamp(lane: LaneState, facts: RunFacts) -> int:
    if lane.open_run is not None and facts.fire_time == lane.last_fire:
        return lane.open_run
    return max(facts.fire_time, lane.page_since + 1, (lane.open_run or 0) + 1)


class MetricRun:
    """One metric in one run: finds series, collects what changes.

    ``others`` is by series what other holders have counted of amounts that this run may be offered, oldest first.
    """

    __slots__ = ("changes", "lane", "others", "outgoing", "spec", "state")

    def __init__(
        self, lane: LaneRun, spec: MetricSpec, state: MetricState | None, others: Mapping[str, tuple[Estate, ...]]
    ) -> None:
        self.lane = lane
        self.spec = spec
        self.others = others
        self.state = state or MetricState(spec.family.name, metric_shape(spec))
        self.changes = MetricChanges(
            self.state.name, self.state.shape, spec.forget_after, newest=self.state.newest, counts=Counts()
        )
        self.outgoing: Outgoing | None = None
        if spec.receivers:
            self.outgoing = Outgoing(
                spec.family, spec.receivers, lane.facts.now, is_delta=spec.temporality is Temporality.DELTA
            )
            self.changes.outgoing = self.outgoing
        self._find_expired()

    def _find_expired(self) -> None:
        """Absent series stand in the order in which they left, so this costs what is forgotten, not what is kept.

        One whose counted intervals may be read again stays, however long ago it left: it would count them twice. So it
        is after an outage, or where ``forget_after`` is shorter than the overlap.
        """
        forgotten = self.changes.forgotten
        for text, state in self.state.absent.items():
            if self.lane.stamp - state.seen_at <= self.spec.forget_after:
                break
            if not self._may_be_read_again(state):
                forgotten[text] = state.id
        self.changes.counts.forgotten = len(forgotten)

    def _may_be_read_again(self, state: SeriesState) -> bool:
        kept_from, ends = self.lane.memory.kept_from, state.times.ends
        return self.spec.temporality is not None and kept_from is not None and bool(ends) and ends[-1] > kept_from

    def spent(self, text: str) -> tuple[Spent, ...]:
        """What other holders have counted of a series."""
        return tuple(estate.spent(text) for estate in self.others.get(text, ()))

    def find_absent(self, text: str) -> SeriesState | None:
        """A series that is not on the page: one that comes back, UNKNOWN, or None if it cannot be kept.

        One that begins (``created`` is 0) may know intervals nevertheless: its own of before, and those of others.
        """
        state = self.state.absent.get(text)
        if state is not None and text not in self.changes.forgotten:
            return state if state.created else self._begin_again(text, state)
        try:
            text.encode()
        except UnicodeEncodeError:
            self.lane.rejects.add("not_unicode", f"{self.state.name}: a label holds half a surrogate pair: {text!a}")
            return None
        return heir(text, UNKNOWN, self.others[text]) if text in self.others else UNKNOWN

    def _begin_again(self, text: str, state: SeriesState) -> SeriesState:
        """A series whose total is over, since another holder has shown lower ones. Readings are what is read."""
        if self.spec.temporality is Temporality.DELTA:
            return heir(text, state, self.others.get(text, ()))
        self.changes.forgotten[text] = state.id
        return UNKNOWN

    def begin(self, text: str, before: SeriesState, state: SeriesState) -> None:
        """Adds a series that begins; ``before`` is what was known of it."""
        if before.id:
            self.changes.forgotten[text] = before.id
        self.changes.new[text] = state

    def refuse(self, reason: str, text: str, times: Times, index: int, count: int = 1) -> None:
        """Counts points that cannot be used; the example says which series and when."""
        try:
            when = format_instant(times.ends[index])
        except (ValueError, OverflowError, OSError):  # beyond the years that a datetime can hold
            when = f"{times.ends[index]} ms"
        self.lane.rejects.add(reason, f"{self.state.name}{text} at {when}", count)

    def saw(self, newest: int | None) -> None:
        """Notes the newest timepoint of points that were used."""
        changes = self.changes
        if newest is None or abs(newest) > _FAR:
            return
        if changes.newest is None or newest > changes.newest:
            changes.newest = newest

    def finish(self) -> MetricChanges:
        """Finds who came back, and who was not in the run. A part of a run makes nobody leave."""
        changes, on_page = self.changes, self.state.series
        if self.state.absent:
            changes.returned = [update[0] for update in changes.updates if update[0] not in on_page]
        if self.lane.facts.ends_run and len(changes.updates) - len(changes.returned) < len(on_page):
            seen = {update[0] for update in changes.updates}
            stamp = self.lane.stamp
            changes.left = [text for text, state in on_page.items() if text not in seen and state.seen_at < stamp]
        changes.counts.born = len(changes.new)
        changes.counts.returned = len(changes.returned)
        changes.counts.left = len(changes.left)
        if self.outgoing is not None:
            self._end_series(self.outgoing)
            changes.counts.enqueued = self.outgoing.enqueued()
        return changes

    def _end_series(self, outgoing: Outgoing) -> None:
        """Lets receivers know of series that left: right after their newest sample, so that nothing later is late."""
        for text in self.changes.left:
            state = self.state.series[text]
            if len(state.times):
                outgoing.ended.append(Ended(text, state.id, state.times.ends[-1] + 1))
