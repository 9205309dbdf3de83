"""The books of one replayed job: those of the poller, without a page, and with samples that leave.

Owns: that what leaves is kept before the commit that it belongs to. Must not know: where it goes, windows, requests.
Everything here runs in the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from timepoint.backfill.job_plan import JobPlan
from timepoint.backfill.leaving import settle_outgoing
from timepoint.clock import Clock
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.store import Store
from timepoint.model import MappedRun, Window
from timepoint.poller.desk import JobDesk
from timepoint.poller.listing import Listing
from timepoint.poller.report import MetricStanding
from timepoint.request.each.lanes import LONE

Take = Callable[[Sequence[ChangeSet]], None]
"""Keeps what leaves with change sets that are about to be committed. Raises StoreError."""


class ReplayDesk(JobDesk):
    """The desk of a job in a backfill."""

    def __init__(self, plan: JobPlan, store: Store, clock: Clock, take: Take) -> None:
        super().__init__(plan.job, store, None, clock)
        self._plan = plan
        self._take_leaving = take

    def decide(
        self, mapped: MappedRun, window: Window, fire_time: int, *, ends_run: bool, lane: str = LONE.name
    ) -> ChangeSet:
        change_set = super().decide(mapped, window, fire_time, ends_run=ends_run, lane=lane)
        plan = self._plan
        counted = {name: plan.job.metrics[name] for name in plan.specs}
        settle_outgoing(change_set, counted, plan.specs, plan.end if plan.meets_live else None)
        return change_set

    def commit_all(self, change_sets: Sequence[ChangeSet]) -> None:
        self._take_leaving(change_sets)
        super().commit_all(change_sets)

    def pass_over(self, window: Window, fire_time: int, lane: str) -> None:
        """Goes on behind a window without what lies in it. Raises StoreError."""
        nothing = MappedRun({name: {} for name in self._plan.job.metrics}, is_declared_empty=True)
        self.commit(self.decide(nothing, window, fire_time, ends_run=False, lane=lane))

    def reached(self) -> int:
        """Up to where all lanes have come. Raises StoreError."""
        marks = [lane.watermark for lane in self.load_all()]
        return min((self._plan.start if mark is None else mark for mark in marks), default=self._plan.start)

    def lagging(self, until: int) -> list[tuple[str, int]]:
        """The lanes that have not come up to an instant, and up to where each has. Raises StoreError."""
        found = []
        for lane in self.load_all():
            at = self._plan.start if lane.watermark is None else lane.watermark
            if at < until:
                found.append((lane.lane, at))
        return found

    def standing(self) -> dict[str, MetricStanding]:
        """There is no page that it would be told of."""
        return {}


class ReplayListing(Listing):
    """The lanes of a fan-out are those of now: nobody tells which there were."""

    def time_of_lists(self, fire_time: int, now: int) -> int:  # noqa: ARG002 - that of the run is long ago
        return now
