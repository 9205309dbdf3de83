"""A ledger without a file.

Owns: the same promises as the ledger in SQLite, but for surviving the process. Must not know: SQL, files.

For tests, for previews, and shipped to users in ``timepoint.testing``. It keeps copies of its own: a lane that was
loaded and changed, but not committed, is changed here no more than it is in a file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from timepoint.errors import StoreError
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.holders import Holder, estate_of
from timepoint.ledger.memory_outbox import OutboxOfMemory
from timepoint.ledger.source_rows import KEPT_PERIODS, not_yet
from timepoint.ledger.state import LaneState, MetricState, SeriesState
from timepoint.ledger.store import FORGET_ATTEMPTS, KeptList, stale_text


class MemoryStore:
    """A ``Store`` in memory."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, str], LaneState] = {}
        self._lists: dict[tuple[str, str], KeptList] = {}
        self._requests: dict[str, int] = {}
        self._spent: dict[tuple[str, str], dict[int, int]] = {}
        self._commits = 0
        self._next_id = 1
        self.outbox = OutboxOfMemory()

    def load(self, job: str, lane: str) -> LaneState:
        return _copy(self._lanes.get((job, lane)) or LaneState(job, lane))

    def jobs(self) -> list[str]:
        return sorted({lane.job for lane in self._lanes.values() if lane.version})

    def lanes(self, job: str) -> list[str]:
        return sorted(lane for known_job, lane in self._lanes if known_job == job)

    def load_lanes(self, job: str, lanes: Collection[str]) -> dict[str, LaneState]:
        return {lane: _copy(self._lanes.get((job, lane)) or LaneState(job, lane)) for lane in lanes}

    def newest_version(self, job: str) -> int:
        return max((lane.version for lane in self._lanes.values() if lane.job == job), default=0)

    def commit_all(self, change_sets: Sequence[ChangeSet]) -> None:
        for change_set in change_sets:
            self._compare(change_set)
        for change_set in change_sets:
            self.commit(change_set)

    def _compare(self, change_set: ChangeSet) -> LaneState:
        key = (change_set.job, change_set.lane)
        lane = self._lanes.get(key) or LaneState(*key)
        if (lane.version, lane.watermark) != (change_set.version, change_set.started_from):
            raise StoreError(stale_text("memory", change_set, lane.version, lane.watermark))
        return lane

    def commit(self, change_set: ChangeSet) -> int:
        lane = self._compare(change_set)
        for changes in change_set.metrics.values():
            for state in changes.new.values():
                state.id = self._next_id
                self._next_id += 1
        self._commits += 1
        change_set.commit = self._commits
        ended: set[int] = set()
        for changes in change_set.metrics.values():
            if changes.outgoing is not None and changes.counts.enqueued:
                new = {text: s.id for text, s in changes.new.items()}
                ended |= self.outbox.take(changes.outgoing, new, change_set.now)
        _copy_new(change_set).apply(lane)
        self._lanes[lane.job, lane.lane] = lane
        if ended:
            self._end(ended)
        return self._commits

    def _end(self, ended: set[int]) -> None:
        """The totals of some series begin at 0, if they are counted on."""
        metrics = (metric for lane in self._lanes.values() for metric in lane.metrics.values())
        for metric in metrics:
            for state in (*metric.series.values(), *metric.absent.values()):
                if state.id in ended and "/delta/" in metric.shape:
                    state.value = state.carry = state.debt = 0.0

    def note_attempt(self, job: str, lane: str, at: int, asked_from: int | None = None) -> None:
        self._lanes.setdefault((job, lane), LaneState(job, lane)).note_attempt(at, asked_from)

    def note_attempts(self, job: str, asked_from: Mapping[str, int], at: int) -> None:
        for lane, start in asked_from.items():
            self.note_attempt(job, lane, at, start)

    def kept_lists(self, job: str) -> dict[str, KeptList]:
        return {name: kept for (known, name), kept in self._lists.items() if known == job}

    def keep_lists(self, job: str, lists: Mapping[str, KeptList]) -> None:
        self._lists |= {(job, name): kept for name, kept in lists.items()}

    def last_request(self, source: str) -> int | None:
        return self._requests.get(source)

    def note_request(self, source: str, at: int) -> None:
        self._requests[source] = at

    def spend(self, source: str, period: str, start: int, count: int) -> int:
        waiting = self._spent.get((source, not_yet(period)), {})
        come = {at: spent for at, spent in waiting.items() if at <= start}
        known = {**come, **self._spent.get((source, period), {})}
        ahead = {at: spent for at, spent in known.items() if at > start}
        used = max(0, known.get(start, 0) + sum(ahead.values()) + count)
        earlier = sorted((at, spent) for at, spent in known.items() if at < start)
        later = sorted((at, spent) for at, spent in {**waiting, **ahead}.items() if at > start)
        self._spent[source, period] = dict([*earlier, (start, used)][-KEPT_PERIODS:])
        self._spent[source, not_yet(period)] = dict(later[:KEPT_PERIODS])
        return used

    def rewrite(self, lane: LaneState) -> int:
        self._check_version(lane)
        self._commits += 1
        lane.version = self._commits
        self._lanes[lane.job, lane.lane] = _copy(lane)
        return self._commits

    def _check_version(self, lane: LaneState) -> None:
        known = self._lanes.get((lane.job, lane.lane))
        if known is None or known.version != lane.version:
            raise StoreError(f"memory: job {lane.job}, lane {lane.lane!r}: something else has committed in between")

    def rewrite_all(self, lanes: Sequence[LaneState]) -> None:
        for lane in lanes:
            self._check_version(lane)
        for lane in lanes:
            self.rewrite(lane)

    def holders(self, names: Collection[str]) -> list[Holder]:
        return [
            estate_of(lane, metric).holder
            for lane in self._lanes.values()
            for metric in lane.metrics.values()
            if metric.name in names
        ]

    def newest_commit(self) -> int:
        return self._commits

    def prune(self, keep: Collection[tuple[str, str]], now: int) -> list[tuple[str, str]]:
        gone = sorted(key for key, lane in self._lanes.items() if key not in keep and now > _forget_at(lane))
        for key in gone:
            del self._lanes[key]
        jobs = {job for job, _ in (*keep, *self._lanes)}
        self._lists = {key: kept for key, kept in self._lists.items() if key[0] in jobs}
        return gone

    def close(self) -> None:
        """Nothing to end; what was committed stays for the next ``load``."""


def _forget_at(lane: LaneState) -> int:
    attempt = (lane.last_attempt or 0) + FORGET_ATTEMPTS
    return max((metric.last_run + metric.forget_after for metric in lane.metrics.values()), default=attempt)


def _copy(lane: LaneState) -> LaneState:
    return replace(lane, metrics={key: _copy_metric(metric) for key, metric in lane.metrics.items()})


def _copy_metric(metric: MetricState) -> MetricState:
    series, absent = _copy_series(metric.series), _copy_series(metric.absent)
    return replace(metric, series=series, absent=absent, leaving=dict(metric.leaving))


def _copy_series(series: dict[str, SeriesState]) -> dict[str, SeriesState]:
    return {text: replace(state) for text, state in series.items()}


def _copy_new(change_set: ChangeSet) -> ChangeSet:
    """The change set with new series of its own: whoever applies the other one does not change these."""
    metrics = {key: replace(changes, new=_copy_series(changes.new)) for key, changes in change_set.metrics.items()}
    return replace(change_set, metrics=metrics)
