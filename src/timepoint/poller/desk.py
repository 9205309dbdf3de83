"""The books of one job: its lane in memory, its part of the ledger, its published page.

Owns: that these three stay in step: the lane changes after the commit, the page after the lane; what a restart shows.
Must not know: how points were got, when a job runs. Everything here runs in the worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path

from timepoint.clock import BELIEVED_AHEAD, Clock
from timepoint.errors import ClockError, DataDirectoryError, PublishError, StoreError
from timepoint.exposition.family import JobSnapshot
from timepoint.exposition.publish import publish, read_published, snapshot_path
from timepoint.failpoints import failpoint
from timepoint.job import Job
from timepoint.ledger.budget import Budget
from timepoint.ledger.change import ChangeSet, RunFacts
from timepoint.ledger.decide import decide
from timepoint.ledger.rewind import is_ahead, rewind
from timepoint.ledger.shown import shown
from timepoint.ledger.state import LaneState, MetricState
from timepoint.ledger.store import Store
from timepoint.model import MappedRun, MetricSpec, Window
from timepoint.poller.report import MetricStanding
from timepoint.poller.settled import settled_instant
from timepoint.request.window import overlap_behind
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
        self._found: tuple[int, str] | None = None
        self.page_is_old = False

    @property
    def key(self) -> tuple[str, str]:
        """Job and lane."""
        return self._job.name, LANE

    def load(self) -> LaneState:
        """The lane as it was last committed; from memory unless a commit failed. Raises StoreError."""
        if self._lane is None:
            self._lane = self._store.load(self._job.name, LANE)
        return self._lane

    def bring_back(self) -> str:
        """Brings a lane back that a clock ahead of the time has moved on; what was done, empty if there was no need.

        Raises StoreError, and ClockError if the clock of now may be the wrong one: then the page is only held to it.
        """
        lane, now = self.load(), self._clock.now()
        latest = now + BELIEVED_AHEAD
        if not is_ahead(lane, latest):
            return ""
        lane = self._store.load(self._job.name, LANE)  # a copy, to be changed before it is durable
        try:
            done = rewind(lane, self._job.metrics, now, latest)
        except ClockError:
            if self._page_outlives(now):
                self.publish()
            raise
        self._lane = None
        self._store.rewrite(lane)
        self._lane = lane
        return done

    def _page_outlives(self, now: int) -> bool:
        """Whether the page that stands there shows something for longer than a run of now could."""
        try:
            page = read_published(snapshot_path(self._published, self._job.name))
        except PublishError:
            return True
        longest = now + max((spec.max_age for spec in self._job.metrics.values()), default=0)
        return any((batch.visible_until or 0) > longest for family in page.families for batch in family.batches)

    def note_attempt(self, window: Window) -> None:
        """Makes durable that a request for the window is about to go out. Raises StoreError."""
        lane, now = self.load(), self._clock.now()
        self._store.note_attempt(self._job.name, LANE, now, window.start)
        lane.note_attempt(now, window.start)

    def budget(self) -> Budget:
        """How many new series the job may take now. Raises StoreError."""
        return Budget(self.load(), self._job.metrics, self._job.max_series)

    def decide(self, mapped: MappedRun, window: Window, fire_time: int, *, ends_run: bool) -> ChangeSet:
        """What an answer changes. ``window`` is what was asked for, or the part of it that is settled."""
        lane = self.load()
        job = self._job
        facts = RunFacts(
            fire_time=fire_time,
            window=window,
            now=self._clock.now(),
            window_is_asked=job.window_is_asked,
            settled=settled_instant(job, fire_time, mapped.settled_until, lane.watermark),
            overlap=overlap_behind(job.window, window.end),
            ends_run=ends_run,
        )
        return decide(lane, mapped, job.metrics, facts)

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
        publish(self._published, render(self._job, lane, now))
        self._shown_version = lane.version
        self.page_is_old = False
        failpoint("after_publish")

    def page_is_gone(self) -> bool:
        """Whether a page that was published is no longer there: nobody but this desk should take it away."""
        return self._shown_version is not None and not snapshot_path(self._published, self._job.name).exists()

    def finish(self) -> None:
        """Brings the page to a commit that was the last before the end. Raises StoreError, PublishError."""
        if self._shown_version is not None and self.load().version != self._shown_version:
            self.publish()

    def take_up(self) -> LaneState:
        """Loads the lane and looks at the page that was published before the start.

        A page is written after the commit that it shows, so one that is ahead of its lane says that commits were lost:
        the log is gone, or an older copy stands in the ledger's place. Polling on would make counters go back, and
        Prometheus would count all of a total again. Raises DataDirectoryError then, and StoreError.
        """
        lane = self.load()
        try:
            page = read_published(snapshot_path(self._published, self._job.name))
        except PublishError:
            return lane
        if page.commit > lane.version:
            raise DataDirectoryError(behind_text(self._job.name, lane.version, page.commit))
        self._found = (page.commit, page.fingerprint)
        return lane

    def restore(self) -> None:
        """Brings the page to the ledger at the start: a file that is missing, damaged or of another state is replaced.

        Call it after ``take_up``. Raises StoreError, PublishError.
        """
        lane = self.load()
        if self._found != (lane.version, self._fingerprint):
            self.publish()
        self._shown_version = lane.version

    def series_on_page(self) -> int:
        """How many series of the job's metrics were in the newest accepted run."""
        lane = self.load()
        metrics = (lane.metric(spec) for spec in self._job.metrics.values())
        return sum(len(metric.series) for metric in metrics if metric is not None)

    def standing(self) -> dict[str, MetricStanding]:
        """What each metric of the job shows, by name."""
        lane = self.load()
        return {name: _standing(lane.metric(spec), spec) for name, spec in self._job.metrics.items()}


def render(job: Job, lane: LaneState, now: int) -> JobSnapshot:
    """What a lane shows, for the server. Pure."""
    return JobSnapshot(job.name, shown(job.metrics, (lane,), now), lane.version, now, fingerprint(job.metrics))


def behind_text(job: str, version: int, commit: int) -> str:
    """What is said of a ledger that is older than a page rendered from it."""
    return (
        f"job {job}: its page shows commit {commit}, but the newest that the ledger knows of it is {version}: the "
        "ledger or its -wal file was lost, or replaced by an older one, and counters would go back; restore the newest "
        "copy with its -wal file, or see timepoint doctor"
    )


def _standing(metric: MetricState | None, spec: MetricSpec) -> MetricStanding:
    counts = spec.temporality is not None
    max_age, is_forecast = spec.max_age, bool(spec.horizons)
    if metric is None:
        return MetricStanding(0, None, 0.0 if counts else None, max_age, is_forecast)
    debt = metric.debt() if counts else None
    return MetricStanding(len(metric.series), metric.newest, debt, max_age, is_forecast, len(metric.absent))


def fingerprint(metrics: Mapping[str, MetricSpec]) -> str:
    """Names how a job is rendered: other metrics, or another release, make another page of the same ledger."""
    text = "\n".join((__version__, *(repr(spec) for spec in metrics.values())))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
