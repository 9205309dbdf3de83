"""The books of one job: its lanes in memory, its part of the ledger, its published page.

Owns: that these three stay in step: a lane changes after the commit, the page after the lanes; what a restart shows.
Must not know: how points were got, when a job runs, which lanes a job should have. Everything here runs in the worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from timepoint.clock import BELIEVED_AHEAD, Clock
from timepoint.errors import ClockError, DataDirectoryError, PublishError, StoreError
from timepoint.exposition.publish import publish, read_published, snapshot_path
from timepoint.failpoints import failpoint
from timepoint.job import Job
from timepoint.ledger.budget import Budget
from timepoint.ledger.change import ChangeSet, RunFacts
from timepoint.ledger.decide import decide
from timepoint.ledger.holders import Estates, Holder, end_counts
from timepoint.ledger.rewind import is_ahead, rewind
from timepoint.ledger.state import LaneState, metric_key
from timepoint.ledger.store import KeptList, Store
from timepoint.model import MappedRun, Window
from timepoint.poller.edits import Anew, begun_behind, find_estates, totals_over
from timepoint.poller.owners import Owners, screen_sent
from timepoint.poller.page import behind_text, fingerprint, metric_standing, render, version_of
from timepoint.poller.report import MetricStanding
from timepoint.poller.run_windows import earliest_asked
from timepoint.poller.settled import settled_instant
from timepoint.request.each.lanes import LONE
from timepoint.request.window import overlap_behind

_AT_A_TIME = 100  # lanes in one transaction: copies of all their series are in memory


class JobDesk:
    """``published`` is the directory of the page, None for a job without one.

    ``page_is_old`` says that the last attempt to publish failed, or that the list of lanes has changed since.
    """

    def __init__(
        self,
        job: Job,
        store: Store,
        published: Path | None,
        clock: Clock,
        others: Callable[[], Iterable[JobDesk]] = tuple,
    ) -> None:
        self._job = job
        self._others = others
        self._store = store
        self._published = published
        self._clock = clock
        self._lanes: dict[str, LaneState | None] = {LONE.name: None}  # the listed ones; None: not read yet
        self._owners = Owners(job.metrics) if job.each is not None else None
        self._sizes: dict[str, int] = {}  # how many series the loaded lanes of a fan-out hold, by metric
        self._fingerprint = fingerprint(job.metrics)
        self._estates: dict[str, Estates] = {}  # what others have counted of the job's counters, by metric
        self._ended: dict[str, dict[str, Holder]] = {}  # by metric the series, if not told yet
        self._knows_others = False  # once all jobs of the config have been told
        self._fresh: set[str] = set()  # lanes that came out of the ledger and have met no answer yet
        self._shown_version: int | None = None
        self._found: tuple[int, str] | None = None
        self.page_is_old = False

    @property
    def job(self) -> Job:
        return self._job

    @property
    def loaded(self) -> list[LaneState]:
        """The lanes that are in memory."""
        return [state for state in self._lanes.values() if state is not None]

    @property
    def lanes(self) -> tuple[str, ...]:
        """The names of the lanes that the job has now."""
        return tuple(self._lanes)

    def list_lanes(self, names: Sequence[str]) -> bool:
        """From now on the job has these lanes, in this order; whether that is a change. Raises StoreError.

        One that leaves goes from memory and from the next page, and stays in the ledger. One that comes back goes on
        where it was.
        """
        if list(self._lanes) == list(names):
            return False
        strangers = [name for name in names if name not in self._lanes]
        found = self._store.load_lanes(self._job.name, strangers) if strangers else {}
        if strangers and self._knows_others:
            self._meet(found.values())
        loaded = found | {lane.lane: lane for lane in self._end_totals(found.values())}
        for name in self._lanes.keys() - set(names):
            self._drop(name)
        before = self._lanes
        self._lanes = {name: before.get(name) for name in names}
        for name, lane in loaded.items():
            self._take(name, lane)
        self._fingerprint = fingerprint(self._job.metrics, tuple(names))
        self.page_is_old |= self._shown_version is not None
        return True

    def load(self, lane: str = LONE.name) -> LaneState:
        """A listed lane as it was last committed; from memory unless a commit failed. Raises StoreError."""
        state = self._lanes[lane]
        if state is None:
            state = self._store.load(self._job.name, lane)
            self._take(lane, state)
        return state

    def load_all(self) -> list[LaneState]:
        """All listed lanes, in their order. Raises StoreError."""
        missing = [name for name, state in self._lanes.items() if state is None]
        if len(missing) > 1:
            for name, state in self._store.load_lanes(self._job.name, missing).items():
                self._take(name, state)
        return [self.load(name) for name in self._lanes]

    def _take(self, name: str, state: LaneState) -> None:
        self._lanes[name] = state
        self._fresh.add(name)
        self._count(state, 1)
        if self._owners is not None:
            self._owners.take(state, self._lanes)

    def _drop(self, name: str) -> None:
        """Forgets what memory holds of a lane, until it is loaded again."""
        state = self._lanes[name]
        self._fresh.discard(name)
        if state is not None:
            self._lanes[name] = None
            self._count(state, -1)
            if self._owners is not None:
                self._owners.leave(state)

    def _count(self, lane: LaneState, sign: int) -> None:
        if self._owners is not None:
            for key, metric in lane.metrics.items():
                size = len(metric.series) + len(metric.absent)
                self._sizes[key] = self._sizes.get(key, 0) + sign * size

    def bring_back(self, lane: str = LONE.name) -> str:
        """Brings a lane back that a clock ahead of the time has moved on; what was done, empty if there was no need.

        Raises StoreError, and ClockError if the clock of now may be the wrong one: then the page is only held to it.
        """
        state, now = self.load(lane), self._clock.now()
        latest = now + BELIEVED_AHEAD
        if not is_ahead(state, latest):
            return ""
        state = self._store.load(self._job.name, lane)  # a copy, to be changed before it is durable
        try:
            done = rewind(state, self._job.metrics, now, latest)
        except ClockError:
            if self._page_outlives(now):
                self.publish()
            raise
        self._drop(lane)
        self._store.rewrite(state)
        self._take(lane, state)
        return done

    def _page_outlives(self, now: int) -> bool:
        """Whether the page that stands there shows something for longer than a run of now could."""
        if self._published is None:
            return False
        try:
            page = read_published(snapshot_path(self._published, self._job.name))
        except PublishError:
            return True
        longest = now + max((spec.max_age for spec in self._job.metrics.values()), default=0)
        return any((batch.visible_until or 0) > longest for family in page.families for batch in family.batches)

    def note_attempt(self, window: Window, lane: str = LONE.name) -> None:
        """Makes durable that a request for the window is about to go out. Raises StoreError."""
        self.note_attempts({lane: window.start})

    def note_attempts(self, asked_from: Mapping[str, int]) -> None:
        """The same for several lanes at once; by name the start of the window. Raises StoreError."""
        now = self._clock.now()
        states = {name: self.load(name) for name in asked_from}
        if len(asked_from) == 1:
            for name, start in asked_from.items():
                self._store.note_attempt(self._job.name, name, now, start)
        else:
            self._store.note_attempts(self._job.name, asked_from, now)
        for name, start in asked_from.items():
            states[name].note_attempt(now, start)

    def kept_lists(self) -> dict[str, KeptList]:
        """What is kept of the lists of the fan-out. Raises StoreError."""
        return self._store.kept_lists(self._job.name)

    def keep_lists(self, lists: Mapping[str, KeptList]) -> None:
        """Makes lists durable, all at once. Raises StoreError."""
        self._store.keep_lists(self._job.name, lists)

    def budget(self, lane: str = LONE.name) -> Budget:
        """How many new series the lane may take now: what the others hold counts as well. Raises StoreError."""
        state = self.load(lane)
        elsewhere = dict(self._sizes)
        for key, metric in state.metrics.items() if elsewhere else ():
            elsewhere[key] = elsewhere.get(key, 0) - len(metric.series) - len(metric.absent)
        return Budget(state, self._job.metrics, self._job.max_series, elsewhere)

    def screen(self, mapped: MappedRun, lane: str) -> None:
        """Rejects what belongs to other lanes, and what another job sends to a receiver.

        On a page the server shows such a series of one job alone. A receiver would store a mixture of both.
        """
        if self._owners is not None:
            self._owners.screen(mapped, lane)
        sent = {name for name, spec in self._job.metrics.items() if spec.receivers and mapped.series.get(name)}
        for other in self._others() if sent else ():
            if other is not self:
                screen_sent(mapped, sent, other.job, other.loaded)

    def decide(
        self, mapped: MappedRun, window: Window, fire_time: int, *, ends_run: bool, lane: str = LONE.name
    ) -> ChangeSet:
        """What an answer changes. ``window`` is what was asked for, or the part of it that is settled."""
        state = self.load(lane)
        if lane in self._fresh:
            self._fresh.remove(lane)
            state.take_texts(mapped.series)
        job = self._job
        now = self._clock.now()
        facts = RunFacts(
            fire_time=fire_time,
            window=window,
            now=now,
            window_is_asked=job.window_is_asked,
            settled=settled_instant(job, max(fire_time, now), mapped.settled_until, state.watermark),
            overlap=overlap_behind(job.window, window.end),
            ends_run=ends_run and not mapped.partial,
            is_complete=not mapped.partial,
        )
        return decide(state, mapped, job.metrics, facts, self._estates)

    def claim(self, change_set: ChangeSet) -> None:
        """The change set is about to be committed: until then its new series count as taken."""
        if self._owners is not None:
            self._owners.claim(change_set)
            self._grow(change_set, 1)

    def _grow(self, change_set: ChangeSet, sign: int) -> None:
        for key, changes in change_set.metrics.items():
            self._sizes[key] = self._sizes.get(key, 0) + sign * len(changes.new)

    def commit(self, change_set: ChangeSet) -> None:
        """Makes a change set durable, then brings the lane to it. Raises StoreError.

        A failed commit may yet be in the file: the lane is then forgotten, and read again before it is used.
        """
        self.commit_all((change_set,))

    def commit_all(self, change_sets: Sequence[ChangeSet]) -> None:
        """The same for several lanes, in one transaction. Raises StoreError: then all of them are read again."""
        states = [self.load(change_set.lane) for change_set in change_sets]
        failpoint("before_commit")
        try:
            if len(change_sets) == 1:
                self._store.commit(change_sets[0])
            else:
                self._store.commit_all(change_sets)
        except StoreError:
            for change_set in change_sets:
                self._settle(change_set, committed=False)
                self._drop(change_set.lane)
            raise
        failpoint("after_commit")
        for change_set, state in zip(change_sets, states, strict=True):
            self._settle(change_set, committed=True)
            self._count(state, -1)
            change_set.apply(state)
            self._count(state, 1)
        if self._estates and all(state.kept_from is not None for state in self.loaded):
            self._drop_estates()

    def _settle(self, change_set: ChangeSet, *, committed: bool) -> None:
        if self._owners is not None:
            self._owners.settle(change_set, committed=committed)
            self._grow(change_set, -1)

    def publish(self) -> None:
        """Renders what the lanes show, for the server. Raises StoreError, PublishError."""
        if self._published is None:
            return
        failpoint("before_publish")
        lanes, now = self.load_all(), self._clock.now()
        self.page_is_old = True
        publish(self._published, render(self._job, lanes, now))
        self._shown_version = version_of(lanes)
        self.page_is_old = False
        failpoint("after_publish")

    def page_is_gone(self) -> bool:
        """Whether a page that was published is no longer there: nobody but this desk should take it away."""
        if self._published is None or self._shown_version is None:
            return False
        return not snapshot_path(self._published, self._job.name).exists()

    def finish(self) -> None:
        """Brings the page to a commit that was the last before the end. Raises StoreError, PublishError."""
        if self._shown_version is not None and version_of(self.load_all()) != self._shown_version:
            self.publish()

    def take_up(self) -> None:
        """Loads the lanes and looks at the page that was published before the start.

        A page is written after the commit that it shows, so one that is ahead of its job says that commits were lost:
        the log is gone, or an older copy stands in the ledger's place. Polling on would make counters go back, and
        Prometheus would count all of a total again. Raises DataDirectoryError then, and StoreError.
        """
        newest = max(version_of(self.load_all()), self._store.newest_version(self._job.name))
        if self._published is None:
            return
        try:
            page = read_published(snapshot_path(self._published, self._job.name))
        except PublishError:
            return
        if page.commit > newest:  # of all lanes: one that it shows may have left the list meanwhile
            raise DataDirectoryError(behind_text(self._job.name, newest, page.commit))
        self._found = (page.commit, page.fingerprint)

    def take_over(self, jobs: Iterable[Job]) -> list[Anew]:
        """Looks for others that have counted series of the job, and ends the totals that are over by that; tells them.

        ``jobs`` are all of the config. Call it after ``take_up``. Raises StoreError.
        """
        self._estates = find_estates(self._job, jobs, self.load_all(), self._store)
        self._knows_others = True
        for lane in self._end_totals(self.load_all()):
            self._drop(lane.lane)
            self._take(lane.lane, lane)
        return self.begun_behind()

    def begun_behind(self) -> list[Anew]:
        """The totals that have ended since this was asked last."""
        told, self._ended = self._ended, {}
        return [begun_behind(self._job, self._job.metrics[name], holders) for name, holders in told.items()]

    def _meet(self, strangers: Iterable[LaneState]) -> None:
        """Looks again for others that have counted series of the job: lanes are new to the list, or back on it.

        What bears on them may have been forgotten, or not been read, since it bore on no other lane. What was counted
        so long ago that they will not be offered it is not read for each lane that comes. Raises StoreError.
        """
        jobs = {self._job.name: self._job} | {other.job.name: other.job for other in self._others()}
        lanes = [*self.loaded, *strangers]
        since = earliest_asked(self._job, self._clock.now())
        self._estates = find_estates(self._job, jobs.values(), lanes, self._store, since)

    def _end_totals(self, lanes: Iterable[LaneState]) -> Iterator[LaneState]:
        """Copies of those lanes in which totals are over, since others have shown them; durable. Raises StoreError.

        Many lanes share a transaction: 1,000 with one each took 27 s at a start, on a disk that syncs in 20 ms.
        """
        found = {lane.lane: ended for lane in lanes if (ended := list(totals_over(self._job, lane, self._estates)))}
        names = list(found)
        for begin in range(0, len(names), _AT_A_TIME):
            states = self._store.load_lanes(self._job.name, names[begin : begin + _AT_A_TIME])  # copies
            for name, state in states.items():
                for spec, holders in found[name]:
                    end_counts(state, spec, holders)
                    self._ended.setdefault(spec.family.name, {}).update(holders)
            self._store.rewrite_all(list(states.values()))
            yield from states.values()

    def _drop_estates(self) -> None:
        """Forgets what others have counted once no lane can be offered it again."""
        kept_from = min(state.kept_from or 0 for state in self.loaded)
        if all(estate.reach <= kept_from for estates in self._estates.values() for estate in estates):
            self._estates = {}

    def restore(self) -> None:
        """Brings the page to the ledger at the start: a file that is missing, damaged or of another state is replaced.

        Call it after ``take_up``. Raises StoreError, PublishError.
        """
        version = version_of(self.load_all())
        if self._found != (version, self._fingerprint):
            self.publish()
        self._shown_version = version

    def series_on_page(self, lane: str = LONE.name) -> int:
        """How many series of the job's metrics were in the newest accepted run of a lane."""
        state = self.load(lane)
        found = (state.metrics.get(metric_key(spec)) for spec in self._job.metrics.values())
        return sum(len(metric.series) for metric in found if metric is not None)

    def standing(self) -> dict[str, MetricStanding]:
        """What each metric of the job shows, by name."""
        lanes = self.load_all()
        return {name: metric_standing(lanes, spec) for name, spec in self._job.metrics.items()}
