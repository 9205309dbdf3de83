"""What the poller may ask of a ledger.

Owns: the protocol that every store follows (SQLite, memory). Must not know: SQL, files, the rules of counting.

The order of one run, per lane: ``load`` once at start; then for each run ``note_attempt`` before its first request,
``decide`` on the lane in memory, ``commit``, and only then ``ChangeSet.apply`` and publish. After a StoreError nothing
is known of the commit: drop the lane and ``load`` it anew; both outcomes are consistent, since the watermark is in the
same transaction as everything that it stands for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from timepoint.clock import DAY, format_instant
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.holders import Holder
from timepoint.ledger.state import LaneState
from timepoint.remote_write.outbox import Queues

if TYPE_CHECKING:
    from timepoint.ledger.sqlite_store import SqliteStore


FORGET_ATTEMPTS = 7 * DAY
"""How long after its last attempt a lane without any accepted run is kept once it left the config, in ms."""


@dataclass(frozen=True, slots=True)
class KeptList:
    """The values of a fan-out as they were last listed, so that a restart needs nobody to list them again.

    ``asked_at`` is when somebody was last asked for them, ``listed_at`` when a list was last believed, both in ms.
    ``empty`` counts lists in a row that held nothing and were not believed. ``text`` is the list as its owner writes
    it.
    """

    asked_at: int | None = None
    listed_at: int | None = None
    empty: int = 0
    text: str = ""


class Store(Protocol):
    """Keeps lanes. Calls must not overlap: use a store from one thread at a time.

    Every method raises StoreError if the ledger cannot be read or written; its text says where and what to do.
    """

    @property
    def outbox(self) -> Queues:
        """The queues of remote write, in the same ledger: what goes out of a run joins them in the run's commit."""
        ...

    def load(self, job: str, lane: str) -> LaneState:
        """What was last committed for a lane; an empty state for a lane that is not known. Always a copy of its own."""
        ...

    def jobs(self) -> list[str]:
        """The jobs of which the ledger has commits, sorted."""
        ...

    def lanes(self, job: str) -> list[str]:
        """The lanes of a job that the ledger knows, sorted."""
        ...

    def load_lanes(self, job: str, lanes: Collection[str]) -> dict[str, LaneState]:
        """As ``load``, for many lanes of a job at once."""
        ...

    def newest_version(self, job: str) -> int:
        """The number of the newest commit of any lane of a job, 0 before the first."""
        ...

    def commit(self, change_set: ChangeSet) -> int:
        """Makes a change set durable, whole or not at all, and returns the number of the commit.

        Numbers grow with every commit of the ledger, by one. Sets ``change_set.commit`` and the ids of new series.
        Refuses with StoreError if the lane is not at the version and the watermark that the change set was decided on.
        """
        ...

    def commit_all(self, change_sets: Sequence[ChangeSet]) -> None:
        """As ``commit`` for several lanes in one transaction: all of them or none. Each gets its own number."""
        ...

    def note_attempt(self, job: str, lane: str, at: int, asked_from: int | None = None) -> None:
        """Keeps when a request of the lane was last begun, so that a restart does not ask too soon.

        ``asked_from`` is the start of the window that it asks for. The earliest one is kept: so a lane whose very first
        runs fail knows what it is still to ask for.
        """
        ...

    def note_attempts(self, job: str, asked_from: Mapping[str, int], at: int) -> None:
        """As ``note_attempt`` for several lanes, by name, in one transaction."""
        ...

    def kept_lists(self, job: str) -> dict[str, KeptList]:
        """What is kept of the lists of a job's fan-out, by the name of the value."""
        ...

    def keep_lists(self, job: str, lists: Mapping[str, KeptList]) -> None:
        """Makes durable what is known of some lists, all or none, in place of what was kept of them."""
        ...

    def last_request(self, source: str) -> int | None:
        """When the newest request to a source was noted, in ms; None if none ever was."""
        ...

    def note_request(self, source: str, at: int) -> None:
        """Keeps when a source was last asked."""
        ...

    def spend(self, source: str, period: str, start: int, count: int) -> int:
        """Adds ``count`` requests to those of the period of a quota that began at ``start``; how many it has then.

        A negative ``count`` gives back what was not used. What was noted for later periods becomes part of this one:
        the clock had been ahead, and these requests were made. They are known again when their time comes, since it may
        be that the clock was right and is behind now. The newest three periods are kept.
        """
        ...

    def rewrite(self, lane: LaneState) -> int:
        """Makes durable what ``rewind`` or ``end_counts`` changed in a lane, whole or not; sets, returns the version.

        No series comes or goes, and none forgets what it has counted. Refuses with StoreError if the lane has moved on.
        """
        ...

    def rewrite_all(self, lanes: Sequence[LaneState]) -> None:
        """As ``rewrite`` for several lanes in one transaction: all of them or none. Each gets its own version."""
        ...

    def holders(self, names: Collection[str]) -> list[Holder]:
        """Whoever has series of these metrics, in any lane of any job and however declared."""
        ...

    def newest_commit(self) -> int:
        """The number of the newest commit, 0 before the first."""
        ...

    def prune(self, keep: Collection[tuple[str, str]], now: int) -> list[tuple[str, str]]:
        """Forgets lanes that left the config, and returns them. ``keep`` are those of the config, as (job, lane).

        A lane is forgotten, with its watermark and all totals, once each of its metrics has been in no run for longer
        than its ``forget_after``; one that never had an accepted run, ``FORGET_ATTEMPTS`` after its last attempt. Until
        then its job can come back and goes on where it stood.
        """
        ...

    def close(self) -> None:
        """Ends the use of the store; once closed, it may be closed again."""
        ...


def open_store(path: Path, *, busy_timeout: int = 5000) -> SqliteStore:
    """Opens or creates the ledger in a file. Raises DataDirectoryError with what to do.

    ``busy_timeout`` is how long, in milliseconds, to wait for another process that holds the file.
    """
    from timepoint.ledger.sqlite_store import SqliteStore

    return SqliteStore(path, busy_timeout)


def stale_text(where: str, change_set: ChangeSet, version: int, watermark: int | None) -> str:
    """What a store says when it refuses a change set that was decided on another state than it holds."""

    def shown(instant: int | None) -> str:
        return "no watermark" if instant is None else f"the watermark {format_instant(instant)}"

    return (
        f"{where}: job {change_set.job}, lane {change_set.lane!r}: the run began at {shown(change_set.started_from)} "
        f"(version {change_set.version}) but the ledger is at {shown(watermark)} (version {version}): something else "
        "has committed in between; the run is discarded and the lane read again"
    )
