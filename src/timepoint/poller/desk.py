"""The books of one job: its lane in memory, its part of the ledger, its published page.

Owns: that these three stay in step: the lane changes after the commit, the page after the lane; what a restart shows.
Must not know: how points were got, when a job runs. Everything here runs in the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from timepoint.clock import Clock
from timepoint.errors import PublishError, StoreError
from timepoint.exposition.family import JobSnapshot
from timepoint.exposition.publish import publish, read_published, snapshot_path
from timepoint.failpoints import failpoint
from timepoint.job import Job
from timepoint.ledger.change import ChangeSet, RunFacts
from timepoint.ledger.decide import decide
from timepoint.ledger.shown import shown
from timepoint.ledger.state import LaneState, MetricState
from timepoint.ledger.store import Store
from timepoint.model import MappedRun, MetricSpec, Window
from timepoint.poller.report import MetricStanding
from timepoint.version import __version__

LANE = ""
"""The name of the only lane of a job without a fan-out."""


class JobDesk:
    """``page_is_old`` says that the last attempt to publish failed."""

    def __init__(self, job: Job, store: Store, published: Path, clock: Clock) -> None:
        self._job = job
        self._store = store
        self._published = published
        self._clock = clock
        self._lane: LaneState | None = None
        self._fingerprint = fingerprint(job.metrics)
        self._shown_version: int | None = None
        self.page_is_old = False

    def load(self) -> LaneState:
        """The lane as it was last committed; from memory unless a commit failed. Raises StoreError."""
        if self._lane is None:
            self._lane = self._store.load(self._job.name, LANE)
        return self._lane

    def note_attempt(self, window: Window) -> None:
        """Makes durable that a request for the window is about to go out. Raises StoreError."""
        lane, now = self.load(), self._clock.now()
        self._store.note_attempt(self._job.name, LANE, now, window.start)
        lane.note_attempt(now, window.start)

    def decide(self, mapped: MappedRun, window: Window, fire_time: int, *, ends_run: bool) -> ChangeSet:
        job = self._job
        facts = RunFacts(
            fire_time=fire_time,
            windows=(window,),
            now=self._clock.now(),
            window_is_asked=job.window_is_asked,
            delay=job.window.delay,
            overlap=job.window.overlap,
            ends_run=ends_run,
        )
        return decide(self.load(), mapped, job.metrics, facts)

    def commit(self, change_set: ChangeSet) -> None:
        """Makes a change set durable, then brings the lane to it. Raises StoreError.

        A failed commit may yet be in the file: the lane is then forgotten, and read again before it is used.
        """
        lane = self.load()
        failpoint("before_commit")
        try:
            self._store.commit(change_set)
        except StoreError:
            self._lane = None
            raise
        failpoint("after_commit")
        change_set.apply(lane)

    def publish(self) -> None:
        """Renders what the lane shows, for the server. Raises StoreError, PublishError."""
        failpoint("before_publish")
        lane, now = self.load(), self._clock.now()
        self.page_is_old = True
        families = shown(self._job.metrics, (lane,), now)
        publish(self._published, JobSnapshot(self._job.name, families, lane.version, now, self._fingerprint))
        self._shown_version = lane.version
        self.page_is_old = False
        failpoint("after_publish")

    def finish(self) -> None:
        """Brings the page to a commit that was the last before the end. Raises StoreError, PublishError."""
        if self._shown_version is not None and self.load().version != self._shown_version:
            self.publish()

    def restore(self) -> LaneState:
        """Brings the page to the ledger at the start: a file that is missing, damaged or of another state is replaced.

        Raises StoreError, PublishError.
        """
        lane = self.load()
        try:
            page = read_published(snapshot_path(self._published, self._job.name))
        except PublishError:
            page = None
        if page is None or (page.commit, page.fingerprint) != (lane.version, self._fingerprint):
            self.publish()
        self._shown_version = lane.version
        return lane

    def standing(self) -> dict[str, MetricStanding]:
        """What each metric of the job shows, by name."""
        lane = self.load()
        return {name: _standing(lane.metric(spec), spec) for name, spec in self._job.metrics.items()}


def _standing(metric: MetricState | None, spec: MetricSpec) -> MetricStanding:
    counts = spec.temporality is not None
    max_age, is_forecast = spec.max_age, bool(spec.horizons)
    if metric is None:
        return MetricStanding(0, None, 0.0 if counts else None, max_age, is_forecast)
    debt = metric.debt() if counts else None
    return MetricStanding(len(metric.series), metric.newest, debt, max_age, is_forecast)


def fingerprint(metrics: Mapping[str, MetricSpec]) -> str:
    """Names how a job is rendered: other metrics, or another release, make another page of the same ledger."""
    text = "\n".join((__version__, *(repr(spec) for spec in metrics.values())))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
