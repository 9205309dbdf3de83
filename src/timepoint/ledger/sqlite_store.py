"""The ledger in one SQLite file.

Owns: which rows a change set becomes, and a lane from rows. Must not know: the rules of counting, who calls.

Transactions, as in the design: opening (check, migrate, count the opening, mark the file as in use); one per attempt;
one per change set, in which the lane's version and watermark are compared first. The statements of a commit are all
absolute values: what makes it happen once is the comparison, not the arithmetic.
"""

from __future__ import annotations

import sqlite3
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from timepoint.errors import DataDirectoryError, StoreError
from timepoint.failpoints import failpoint
from timepoint.ledger.change import ChangeSet, MetricChanges
from timepoint.ledger.holders import Holder
from timepoint.ledger.lane_rows import read_holders, read_lane
from timepoint.ledger.outbox_rows import forget_series, write_outgoing
from timepoint.ledger.packed_points import Packer
from timepoint.ledger.schema import LEDGER
from timepoint.ledger.source_rows import read_last_request, write_request, write_spent
from timepoint.ledger.sqlite import Database
from timepoint.ledger.sqlite_outbox import SqliteOutbox
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import FORGET_ATTEMPTS, KeptList, stale_text
from timepoint.model import Times

_UPDATE = "UPDATE state SET value = ?, carry = ?, debt = ?, seen_at = ?, recent = ? WHERE id = ?"
_NOTE = (
    "INSERT INTO lane (job, lane, last_attempt, asked_from) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (job, lane) DO UPDATE SET last_attempt = excluded.last_attempt, asked_from = min("
    "coalesce(asked_from, excluded.asked_from), coalesce(excluded.asked_from, asked_from))"
)
_AT_A_TIME = 50  # lanes that are forgotten in one transaction
_LISTS_WITHOUT_LANES = "SELECT DISTINCT job FROM kept_list WHERE job NOT IN (SELECT job FROM lane)"
_OLD_LANES = (
    "SELECT id, job, lane FROM lane WHERE coalesce("
    "(SELECT max(last_run + forget_after) FROM metric WHERE lane_id = lane.id), coalesce(last_attempt, 0) + ?) < ? "
    "ORDER BY job, lane"
)


class SqliteStore:
    """A ``Store`` in a file. ``open_store`` opens one.

    Calls may come from any thread, one at a time; the connection belongs to the process that opened it.
    """

    def __init__(self, path: Path, busy_timeout: int) -> None:
        self.path = path
        self._busy = threading.Lock()
        self._is_closed = False
        self._is_suspect = False
        self._database = Database(path, LEDGER, busy_timeout)
        self.outbox = SqliteOutbox(self._reading, self._writing)
        try:
            self._begin_use()
        except StoreError as error:
            self._database.give_up()
            raise DataDirectoryError(str(error)) from error
        except BaseException:
            self._database.give_up()
            raise

    @property
    def checkpoint_failures(self) -> int:
        """How often the log could not be moved into the file, since the store was opened. Nothing is lost by it."""
        return self._database.checkpoint_failures

    def load(self, job: str, lane: str) -> LaneState:
        with self._alone(), self._database.reading() as connection:
            return read_lane(connection, self.path, job, lane)

    def load_lanes(self, job: str, lanes: Collection[str]) -> dict[str, LaneState]:
        with self._alone(), self._database.reading() as connection:
            return {lane: read_lane(connection, self.path, job, lane) for lane in lanes}

    def newest_version(self, job: str) -> int:
        with self._alone(), self._database.reading() as connection:
            number: int = connection.execute(
                "SELECT coalesce(max(version), 0) FROM lane WHERE job = ?", (job,)
            ).fetchone()[0]
            return number

    def jobs(self) -> list[str]:
        with self._alone(), self._database.reading() as connection:
            return [row[0] for row in connection.execute("SELECT DISTINCT job FROM lane WHERE version ORDER BY job")]

    def lanes(self, job: str) -> list[str]:
        with self._alone(), self._database.reading() as connection:
            return [row[0] for row in connection.execute("SELECT lane FROM lane WHERE job = ? ORDER BY lane", (job,))]

    def note_attempt(self, job: str, lane: str, at: int, asked_from: int | None = None) -> None:
        with self._alone(), self._database.writing() as connection:
            connection.execute(_NOTE, (job, lane, at, asked_from))

    def note_attempts(self, job: str, asked_from: Mapping[str, int], at: int) -> None:
        with self._alone(), self._database.writing() as connection:
            connection.executemany(_NOTE, ((job, lane, at, start) for lane, start in asked_from.items()))

    def kept_lists(self, job: str) -> dict[str, KeptList]:
        with self._alone(), self._database.reading() as connection:
            rows = connection.execute(
                "SELECT name, asked_at, listed_at, empty, text FROM kept_list WHERE job = ?", (job,)
            )
            return {name: KeptList(*fields) for name, *fields in rows}

    def keep_lists(self, job: str, lists: Mapping[str, KeptList]) -> None:
        with self._alone(), self._database.writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO kept_list (job, name, asked_at, listed_at, empty, text) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [(job, name, kept.asked_at, kept.listed_at, kept.empty, kept.text) for name, kept in lists.items()],
            )

    def last_request(self, source: str) -> int | None:
        with self._alone(), self._database.reading() as connection:
            return read_last_request(connection, source)

    def note_request(self, source: str, at: int) -> None:
        with self._alone(), self._database.writing() as connection:
            write_request(connection, source, at)

    def spend(self, source: str, period: str, start: int, count: int) -> int:
        with self._alone(), self._database.writing() as connection:
            return write_spent(connection, source, period, start, count)

    def newest_commit(self) -> int:
        with self._alone(), self._database.reading() as connection:
            return _newest_commit(connection)

    def prune(self, keep: Collection[tuple[str, str]], now: int) -> list[tuple[str, str]]:
        with self._alone(), self._database.reading() as connection:
            old = connection.execute(_OLD_LANES, (FORGET_ATTEMPTS, now)).fetchall()
        gone = [(number, (job, lane)) for number, job, lane in old if (job, lane) not in keep]
        self._delete_lanes([number for number, _ in gone])
        self._delete_lists({job for job, _ in keep})
        with self._writing() as connection:
            forget_series(connection)
        return [key for _, key in gone]

    def forget_job(self, job: str) -> int:
        """Deletes all that is known of a job, whatever its age; how many lanes it had. Raises StoreError."""
        with self._alone(), self._database.reading() as connection:
            numbers = [row[0] for row in connection.execute("SELECT id FROM lane WHERE job = ?", (job,))]
        self._delete_lanes(numbers)
        self._delete_lists(None, job)
        with self._writing() as connection:
            forget_series(connection)
        return len(numbers)

    def vacuum(self) -> None:
        """Gives the space of what was deleted back to the disk. Raises StoreError; nothing is lost then."""
        with self._alone():
            self._database.vacuum()

    def commit(self, change_set: ChangeSet) -> int:
        self.commit_all((change_set,))
        return change_set.commit

    def commit_all(self, change_sets: Sequence[ChangeSet]) -> None:
        numbers = []
        with self._alone(), self._database.writing() as connection:
            for change_set in change_sets:
                numbers.append(self._write(connection, change_set))
                failpoint("in_commit")
        for change_set, number in zip(change_sets, numbers, strict=True):
            change_set.commit = number
        if any(change_set.counts.enqueued for change_set in change_sets):
            self.outbox.forget_words()

    def _write(self, connection: sqlite3.Connection, change_set: ChangeSet) -> int:
        """What becomes of a change set in the transaction of the caller: its number."""
        lane_id = self._compare(connection, change_set)
        number = _next_commit(connection)
        _write_lane(connection, lane_id, change_set, number)
        for key in change_set.dropped:
            name, _, shape = key.partition(" ")
            connection.execute(
                "DELETE FROM metric WHERE lane_id = ? AND name = ? AND shape = ?", (lane_id, name, shape)
            )
        for changes in change_set.metrics.values():
            self._write_metric(connection, lane_id, changes, change_set.stamp)
            self._write_outgoing(connection, lane_id, changes, change_set.now)
        return number

    def _write_outgoing(self, connection: sqlite3.Connection, lane_id: int, changes: MetricChanges, now: int) -> None:
        if changes.outgoing is None or not changes.counts.enqueued:
            return
        metric_id = _metric_id(connection, lane_id, changes)
        new = {text: state.id for text, state in changes.new.items()}
        for queue in write_outgoing(connection, metric_id, changes.outgoing, new, now).values():
            self.outbox.drop_letters(connection, queue)

    def rewrite(self, lane: LaneState) -> int:
        self.rewrite_all((lane,))
        return lane.version

    def rewrite_all(self, lanes: Sequence[LaneState]) -> None:
        numbers = []
        with self._alone(), self._database.writing() as connection:
            for lane in lanes:
                key = (lane.job, lane.lane)
                row = connection.execute("SELECT id, version FROM lane WHERE job = ? AND lane = ?", key).fetchone()
                if row is None or row[1] != lane.version:
                    raise StoreError(
                        f"{self.path}: job {lane.job}, lane {lane.lane!r}: something else has committed in between"
                    )
                number = _next_commit(connection)
                _rewrite_lane(connection, row[0], lane, number)
                numbers.append(number)
        for lane, number in zip(lanes, numbers, strict=True):
            lane.version = number

    def holders(self, names: Collection[str]) -> list[Holder]:
        with self._alone(), self._database.reading() as connection:
            return read_holders(connection, names)

    def close(self) -> None:
        """Marks the file as properly closed and closes it. Raises StoreError; nothing committed is lost then.

        After any StoreError the mark is left out, so that the next start reads the whole file.
        """
        if self._is_closed:
            return
        with self._alone():
            self._is_closed = True
            failpoint("before_close")
            try:
                with self._database.writing() as connection:
                    connection.execute("UPDATE ledger SET is_clean = ?", (not self._is_suspect,))
            finally:
                self._database.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._alone(), self._database.reading() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._alone(), self._database.writing() as connection:
            yield connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise AssertionError("BUG: two threads use the ledger at the same time")
        try:
            assert not self._is_closed, "BUG: the ledger is used after it was closed"
            yield
        except StoreError:
            self._is_suspect = True
            raise
        finally:
            self._busy.release()

    def _delete_lanes(self, numbers: Sequence[int]) -> None:
        """Metrics, series and states go with their lane. A few at a time: a large one takes a second."""
        for group in (numbers[start : start + _AT_A_TIME] for start in range(0, len(numbers), _AT_A_TIME)):
            with self._alone(), self._database.writing() as connection:
                connection.executemany("DELETE FROM lane WHERE id = ?", ((number,) for number in group))

    def _delete_lists(self, keep: Collection[str] | None, job: str = "") -> None:
        """Deletes the kept lists of a job, or with ``keep`` those of all other jobs of which there is no lane."""
        with self._alone(), self._database.reading() as connection:
            lost = [row[0] for row in connection.execute(_LISTS_WITHOUT_LANES)]
        gone = [name for name in lost if (name == job if keep is None else name not in keep)]
        if gone:
            with self._alone(), self._database.writing() as connection:
                connection.executemany("DELETE FROM kept_list WHERE job = ?", ((name,) for name in gone))

    def _begin_use(self) -> None:
        """Checks a file that was not closed properly, and marks it as in use."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT is_clean, byte_order FROM ledger").fetchone()
        if row is not None and row[1] != sys.byteorder:
            raise DataDirectoryError(
                f"{self.path}: a {row[1]}-endian machine wrote it and this one is {sys.byteorder}-endian; "
                "use it where it was written, or move it with timepoint doctor --export and --import"
            )
        if row is not None and not row[0]:
            self._database.quick_check()
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO ledger (id, commits, opened, is_clean, byte_order) VALUES (1, 0, 1, 0, ?) "
                "ON CONFLICT (id) DO UPDATE SET opened = opened + 1, is_clean = 0",
                (sys.byteorder,),
            )

    def _compare(self, connection: sqlite3.Connection, change_set: ChangeSet) -> int:
        """The id of the lane, made if need be. Raises StoreError if the run was decided on another state."""
        key = (change_set.job, change_set.lane)
        select = "SELECT id, version, watermark FROM lane WHERE job = ? AND lane = ?"
        row = connection.execute(select, key).fetchone()
        if row is None:
            connection.execute("INSERT INTO lane (job, lane) VALUES (?, ?)", key)
            row = connection.execute(select, key).fetchone()
        lane_id: int = row[0]
        if row[1:] != (change_set.version, change_set.started_from):
            raise StoreError(stale_text(str(self.path), change_set, row[1], row[2]))
        return lane_id

    def _write_metric(self, connection: sqlite3.Connection, lane_id: int, changes: MetricChanges, stamp: int) -> None:
        connection.execute(
            "INSERT INTO metric (lane_id, name, shape, forget_after, newest, last_run) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (lane_id, name, shape) DO UPDATE SET "
            "forget_after = excluded.forget_after, newest = excluded.newest, last_run = excluded.last_run",
            (lane_id, changes.name, changes.shape, changes.forget_after, changes.newest, stamp),
        )
        connection.executemany("DELETE FROM series WHERE id = ?", ((number,) for number in changes.forgotten.values()))
        packer = Packer()
        updated = connection.executemany(_UPDATE, _update_rows(changes, packer, stamp)).rowcount
        if changes.updates and updated != len(changes.updates):
            raise StoreError(
                f"{self.path}: {len(changes.updates)} series of {changes.name} were to be updated and {updated} are "
                "there: the file was changed behind the exporter's back; the lane is read again"
            )
        if changes.new:
            _insert_series(connection, _metric_id(connection, lane_id, changes), changes, packer)


def _next_commit(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE ledger SET commits = commits + 1")
    return _newest_commit(connection)


def _newest_commit(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("SELECT commits FROM ledger").fetchone()[0]
    return number


def _metric_id(connection: sqlite3.Connection, lane_id: int, changes: MetricChanges) -> int:
    number: int = connection.execute(
        "SELECT id FROM metric WHERE lane_id = ? AND name = ? AND shape = ?", (lane_id, changes.name, changes.shape)
    ).fetchone()[0]
    return number


def _write_lane(connection: sqlite3.Connection, lane_id: int, change_set: ChangeSet, number: int) -> None:
    connection.execute(
        "UPDATE lane SET version = ?, watermark = ?, kept_from = ?, last_fire = ?, last_accepted = ?, open_run = ?, "
        "page_since = CASE WHEN ? THEN ? ELSE page_since END WHERE id = ?",
        (
            number,
            change_set.watermark,
            change_set.kept_from,
            change_set.fire_time,
            change_set.now,
            None if change_set.ends_run else change_set.stamp,
            change_set.ends_run,
            change_set.stamp,
            lane_id,
        ),
    )


def _rewrite_lane(connection: sqlite3.Connection, lane_id: int, lane: LaneState, number: int) -> None:
    """What a lane knows of itself, its metrics and its series, but for the intervals that were counted.

    Rare: a clock was wrong, or totals are over.
    """
    connection.execute(
        "UPDATE lane SET version = ?, watermark = ?, kept_from = ?, last_attempt = ?, last_fire = ?, "
        "last_accepted = ?, page_since = ?, open_run = ?, asked_from = ? WHERE id = ?",
        (
            number,
            lane.watermark,
            lane.kept_from,
            lane.last_attempt,
            lane.last_fire,
            lane.last_accepted,
            lane.page_since,
            lane.open_run,
            lane.asked_from,
            lane_id,
        ),
    )
    for metric in lane.metrics.values():
        connection.execute(
            "UPDATE metric SET newest = ?, last_run = ? WHERE lane_id = ? AND name = ? AND shape = ?",
            (metric.newest, metric.last_run, lane_id, metric.name, metric.shape),
        )
        states = [*metric.series.values(), *metric.absent.values()]
        connection.executemany(
            "UPDATE state SET value = ?, carry = ?, debt = ?, seen_at = ? WHERE id = ?",
            ((s.value, s.carry, s.debt, s.seen_at, s.id) for s in states),
        )
        connection.executemany(
            "UPDATE series SET created = ?, zero_until = ? WHERE id = ?",
            ((s.created, s.zero_until, s.id) for s in states),
        )


def _update_rows(
    changes: MetricChanges, packer: Packer, stamp: int
) -> Iterator[tuple[float, float, float, int, bytes, int]]:
    last: Times | None = None
    grid = b""
    for _, number, value, carry, debt, times, recent in changes.updates:
        if times is not last:
            last, grid = times, packer.pack_grid(times)
        yield value, carry, debt, stamp, grid + recent, number


def _insert_series(connection: sqlite3.Connection, metric_id: int, changes: MetricChanges, packer: Packer) -> None:
    newest = connection.execute("SELECT max(id) FROM series").fetchone()[0] or 0
    for number, state in enumerate(changes.new.values(), newest + 1):
        state.id = number
    connection.executemany(
        "INSERT INTO series (id, metric_id, text, created, zero_until) VALUES (?, ?, ?, ?, ?)",
        ((s.id, metric_id, text, s.created, s.zero_until) for text, s in changes.new.items()),
    )
    connection.executemany(
        "INSERT INTO state (id, value, carry, debt, seen_at, recent) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (s.id, s.value, s.carry, s.debt, s.seen_at, packer.pack_grid(s.times) + s.recent)
            for s in changes.new.values()
        ),
    )
