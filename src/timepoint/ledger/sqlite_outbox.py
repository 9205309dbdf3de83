"""The queues of remote write in the ledger's file.

Owns: an ``Outbox`` on the tables of ``schema``. Must not know: which samples leave and why, senders.

A queue is clustered by (at, number), so what leaves next is read from its head, and what was sent is taken from there.
There is no index by number: where a sample stands is remembered from when it was read, and sought in the whole queue
if somebody settles one that he has not read here. 10 million rows so take 320 MB; with an index beside a table by
number they would take 463 MB.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from timepoint.failpoints import failpoint
from timepoint.ledger.outbox_rows import bury, receiver_id, restored
from timepoint.model import MetricType, split_series_text
from timepoint.remote_write.outbox import (
    Counts,
    DeadLetter,
    Labels,
    LateAmount,
    Letter,
    OutSeries,
    Parked,
    Parking,
    Pending,
    Settlement,
    Version,
)

ROW_SIZE = 32  # bytes that a sample is reckoned with, as measured
MAX_LETTERS = 100_000  # dead letters of a receiver that are kept; of older ones the number stays
_MAX_PLACES = 30_000  # samples of a receiver whose place is remembered: 3 MB; a sender looks at 20,000 at most
_MAX_SERIES = 10_000  # series whose labels are remembered: 10 MB

Transaction = Callable[[], AbstractContextManager[sqlite3.Connection]]

_ROW = "number, {table}.at, {table}.value, life.start, life.out_series_id, sent.until"
_BESIDE = (
    "JOIN life ON life.id = {table}.life_id "
    "LEFT JOIN sent ON sent.out_series_id = life.out_series_id AND sent.receiver_id = {table}.receiver_id"
)


def _select(table: str, more: str = "") -> str:
    return f"SELECT {_ROW.format(table=table)}{more} FROM {table} {_BESIDE.format(table=table)} "  # noqa: S608 - names are our own


_OLDEST = _select("pending") + "WHERE pending.receiver_id = ? AND (pending.at, number) > (?, ?) "
_OLDEST += "ORDER BY pending.at, number LIMIT ?"
_DUE = _select("parked", ", since, status") + "WHERE parked.receiver_id = ? AND parked.until <= ? "
_DUE += "ORDER BY parked.at, number LIMIT ?"
_DEAD = _select("dead_letter", ", reason, status, dead_letter.text, died")
_DEAD += "WHERE dead_letter.receiver_id = ? AND number > ? ORDER BY number LIMIT ?"

_LATE = _select("late_amount", ", came") + "WHERE late_amount.receiver_id = ? AND number > ? ORDER BY number LIMIT ?"

_FIRST = (-(2**63), -1)


class SqliteOutbox:
    """An ``Outbox`` in a ledger's file.

    ``reading`` and ``writing`` give a connection in a transaction; they keep threads apart and turn sqlite3.Error into
    StoreError. ``max_letters`` is how many dead letters of a receiver are kept.
    """

    def __init__(self, reading: Transaction, writing: Transaction, max_letters: int = MAX_LETTERS) -> None:
        self._reading = reading
        self._writing = writing
        self._max_letters = max_letters
        self._places: dict[str, dict[int, int]] = {}
        self._series: dict[int, OutSeries] = {}

    def oldest(self, receiver: str, limit: int, after: Pending | None = None) -> list[Pending]:
        behind = _FIRST if after is None else (after.at, after.number)
        with self._reading() as connection:
            number = _known(connection, receiver)
            rows = connection.execute(_OLDEST, (number, *behind, limit)).fetchall()
            found = self._rows(connection, rows)
        places = self._places.setdefault(receiver, {})
        if len(places) + len(found) > _MAX_PLACES:
            places.clear()
        places.update((row.number, row.at) for row in found)
        return found

    def settle(self, receiver: str, settlement: Settlement, now: int) -> None:
        if not (settlement.acknowledged or settlement.buried or settlement.parked):
            return
        numbers = [
            *settlement.acknowledged,
            *(letter.number for letter in settlement.buried),
            *(parking.number for parking in settlement.parked),
        ]
        with self._writing() as connection:
            queue = _known(connection, receiver)
            if queue is None:
                return
            places = self._find(connection, receiver, queue, numbers)
            _acknowledge(connection, queue, settlement.acknowledged, places)
            self._bury(connection, queue, settlement.buried, places, now)
            _park(connection, queue, settlement.parked, places, now)
            failpoint("in_settle")
        known = self._places.get(receiver, {})
        for number in numbers:
            known.pop(number, None)

    def _find(
        self, connection: sqlite3.Connection, receiver: str, queue: int, numbers: Sequence[int]
    ) -> dict[int, int]:
        """Where samples stand: at by number. Those neither parked nor read here are sought in the whole queue."""
        known = self._places.get(receiver, {})
        places = {number: known[number] for number in numbers if number in known}
        missing = {number for number in numbers if number not in places}
        if missing:
            missing -= {
                row[0]
                for row in connection.execute(
                    "SELECT number FROM parked WHERE receiver_id = ? AND number IN (SELECT value FROM json_each(?))",
                    (queue, json.dumps(list(missing))),
                )
            }
        if missing:
            places.update(
                connection.execute(
                    "SELECT number, at FROM pending WHERE receiver_id = ? "
                    "AND number IN (SELECT value FROM json_each(?))",
                    (queue, json.dumps(list(missing))),
                )
            )
        return places

    def _bury(
        self,
        connection: sqlite3.Connection,
        queue: int,
        letters: Iterable[Letter],
        places: dict[int, int],
        now: int,
    ) -> None:
        dead = []
        kept = parked = 0
        for letter in letters:
            row, was_parked = _take(connection, queue, letter.number, places)
            if row is None:
                continue
            dead.append(letter.reason)
            parked += was_parked
            if letter.is_kept:
                kept += 1
                connection.execute(
                    "INSERT INTO dead_letter (receiver_id, number, at, life_id, value, reason, status, text, died) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (queue, letter.number, *row, letter.reason, letter.status, letter.text, now),
                )
        bury(connection, queue, dead)
        connection.execute(
            "UPDATE receiver SET dead = dead + ?, pending = pending - ?, parked = parked - ?, letters = letters + ? "
            "WHERE id = ?",
            (len(dead), len(dead), parked, kept, queue),
        )
        self.drop_letters(connection, queue)

    def due(self, receiver: str, now: int, limit: int) -> list[Parked]:
        with self._reading() as connection:
            rows = connection.execute(_DUE, (_known(connection, receiver), now, limit)).fetchall()
            samples = self._rows(connection, rows)
        return [Parked(sample, *row[6:]) for sample, row in zip(samples, rows, strict=True)]

    def counts(self, receiver: str) -> Counts:
        with self._reading() as connection:
            row = connection.execute(
                "SELECT id, enqueued, acknowledged, dead, pending, parked, letters, late_amounts, dismissed "
                "FROM receiver WHERE name = ?",
                (receiver,),
            ).fetchone()
            if row is None:
                return Counts()
            oldest = connection.execute(
                "SELECT at FROM pending WHERE receiver_id = ? ORDER BY at LIMIT 1", row[:1]
            ).fetchone()
        _, enqueued, acknowledged, dead, pending, parked, letters, late, dismissed = row
        first = None if oldest is None else oldest[0]
        return Counts(
            enqueued, acknowledged, dead, pending, parked, letters, first, pending * ROW_SIZE, late, dismissed
        )

    def version(self, receiver: str) -> Version | None:
        with self._reading() as connection:
            row = connection.execute("SELECT version FROM receiver WHERE name = ?", (receiver,)).fetchone()
        return None if row is None or row[0] is None else Version(row[0])

    def remember(self, receiver: str, version: Version) -> None:
        with self._writing() as connection:
            queue = receiver_id(connection, receiver)
            connection.execute("UPDATE receiver SET version = ? WHERE id = ?", (str(version), queue))

    def dead(self, receiver: str, limit: int, after: int = 0) -> list[DeadLetter]:
        with self._reading() as connection:
            rows = connection.execute(_DEAD, (_known(connection, receiver), after, limit)).fetchall()
            samples = self._rows(connection, rows)
        return [DeadLetter(sample, *row[6:]) for sample, row in zip(samples, rows, strict=True)]

    def revive(self, receiver: str, numbers: Sequence[int]) -> int:
        with self._writing() as connection:
            queue = _known(connection, receiver)
            if queue is None:
                return 0
            revived = _exhume(connection, queue, numbers)
            connection.executemany(
                "INSERT INTO pending (receiver_id, at, number, life_id, value) VALUES (?, ?, ?, ?, ?)",
                ((queue, *row) for row in revived),
            )
            connection.execute(
                "UPDATE receiver SET dead = dead - ?, pending = pending + ?, letters = letters - ? WHERE id = ?",
                (len(revived), len(revived), len(revived), queue),
            )
        return len(revived)

    def dismiss(self, receiver: str, numbers: Sequence[int]) -> int:
        with self._writing() as connection:
            queue = _known(connection, receiver)
            if queue is None:
                return 0
            count = len(_exhume(connection, queue, numbers))
            connection.execute(
                "UPDATE receiver SET dead = dead - ?, dismissed = dismissed + ?, letters = letters - ? WHERE id = ?",
                (count, count, count, queue),
            )
        return count

    def dismiss_unkept(self, receiver: str, reason: str = "") -> int:
        with self._writing() as connection:
            queue = _known(connection, receiver)
            words = connection.execute(_UNKEPT, (queue, queue, reason, reason)).fetchall()
            for word, count in words:
                _uncount(connection, queue, word, count)
            found: int = sum(count for _, count in words)
            connection.execute(
                "UPDATE receiver SET dead = dead - ?, dismissed = dismissed + ? WHERE id = ?", (found, found, queue)
            )
        return found

    def late_amounts(self, receiver: str, limit: int, after: int = 0) -> list[LateAmount]:
        """The newest of the amounts that came late, by number, from the one behind ``after``."""
        with self._reading() as connection:
            rows = connection.execute(_LATE, (_known(connection, receiver), after, limit)).fetchall()
            samples = self._rows(connection, rows)
        return [LateAmount(sample, row[6]) for sample, row in zip(samples, rows, strict=True)]

    def receivers(self) -> list[str]:
        """Whoever has a queue, sorted."""
        with self._reading() as connection:
            return [row[0] for row in connection.execute("SELECT name FROM receiver ORDER BY name")]

    def reasons(self, receiver: str) -> dict[str, int]:
        """How many of a queue are dead, by reason; revived and dismissed ones are not."""
        with self._reading() as connection:
            return dict(
                connection.execute(
                    "SELECT reason, count FROM buried WHERE receiver_id = ? ORDER BY reason",
                    (_known(connection, receiver),),
                ).fetchall()
            )

    def forget(self, receiver: str) -> Counts:
        """Deletes the queue of a receiver with all that waits and all dead letters; what it held."""
        held = self.counts(receiver)
        with self._writing() as connection:
            connection.execute("DELETE FROM receiver WHERE name = ?", (receiver,))
        self._places.pop(receiver, None)
        return held

    def _rows(self, connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> list[Pending]:
        self._learn(connection, {row[4] for row in rows})
        series = self._series
        return [
            Pending(number, series[of], at, restored(value), start, until)
            for number, at, value, start, of, until, *_ in rows
        ]

    def _learn(self, connection: sqlite3.Connection, ids: set[int]) -> None:
        """Labels and metadata of series that are not remembered."""
        if len(self._series) + len(ids) > _MAX_SERIES:
            self._series = {number: self._series[number] for number in ids if number in self._series}
        missing = [number for number in ids if number not in self._series]
        if missing:
            for number, text, kind, words, unit in connection.execute(
                "SELECT out_series.id, text, type, help, unit FROM out_series "
                "JOIN out_family ON out_family.id = family_id "
                "WHERE out_series.id IN (SELECT value FROM json_each(?))",
                (json.dumps(missing),),
            ):
                self._series[number] = OutSeries(number, labels_of(text), MetricType(kind), words, unit)

    def drop_letters(self, connection: sqlite3.Connection, queue: int) -> None:
        """In the caller's transaction: of dead letters beyond the most that are kept, the oldest go."""
        letters = connection.execute("SELECT letters FROM receiver WHERE id = ?", (queue,)).fetchone()[0]
        if letters > self._max_letters:
            connection.execute(
                "DELETE FROM dead_letter WHERE id IN "
                "(SELECT id FROM dead_letter WHERE receiver_id = ? ORDER BY id LIMIT ?)",
                (queue, letters - self._max_letters),
            )
            connection.execute("UPDATE receiver SET letters = ? WHERE id = ?", (self._max_letters, queue))

    def forget_words(self) -> None:
        """Types, helps and units are read anew: a commit may have changed them."""
        self._series.clear()


def labels_of(text: str) -> Labels:
    """The labels of a series as it goes out, sorted by name. They are ASCII, so code points sort as bytes do."""
    name, labels = split_series_text(text)
    return tuple(sorted([("__name__", name), *labels.items()]))


def _known(connection: sqlite3.Connection, receiver: str) -> int | None:
    row = connection.execute("SELECT id FROM receiver WHERE name = ?", (receiver,)).fetchone()
    return None if row is None else row[0]


def _take(
    connection: sqlite3.Connection, queue: int, number: int, places: dict[int, int]
) -> tuple[tuple[int, int, Any] | None, bool]:
    """Takes a sample out of its queue: at, life and value, and whether it was parked. None: it waits no longer."""
    if number in places:
        row = connection.execute(
            "DELETE FROM pending WHERE receiver_id = ? AND at = ? AND number = ? RETURNING at, life_id, value",
            (queue, places[number], number),
        ).fetchone()
        if row is not None:
            return row, False
    row = connection.execute(
        "DELETE FROM parked WHERE receiver_id = ? AND number = ? RETURNING at, life_id, value", (queue, number)
    ).fetchone()
    return row, row is not None


def _acknowledge(connection: sqlite3.Connection, queue: int, numbers: Iterable[int], places: dict[int, int]) -> None:
    newest: dict[int, int] = {}
    count = parked = 0
    for number in numbers:
        row, was_parked = _take(connection, queue, number, places)
        if row is not None:
            count += 1
            parked += was_parked
            newest[row[1]] = max(row[0], newest.get(row[1], row[0]))
    connection.executemany(
        "INSERT INTO sent (out_series_id, receiver_id, until) SELECT out_series_id, ?, ? FROM life WHERE id = ? "
        "ON CONFLICT (out_series_id, receiver_id) DO UPDATE SET until = max(until, excluded.until)",
        ((queue, at, life) for life, at in newest.items()),
    )
    connection.execute(
        "UPDATE receiver SET acknowledged = acknowledged + ?, pending = pending - ?, parked = parked - ? WHERE id = ?",
        (count, count, parked, queue),
    )


def _park(
    connection: sqlite3.Connection, queue: int, parkings: Iterable[Parking], places: dict[int, int], now: int
) -> None:
    """Sets samples aside. One that is parked already keeps since when."""
    count = 0
    for number, until, status in parkings:
        updated = connection.execute(
            "UPDATE parked SET until = ?, status = ? WHERE receiver_id = ? AND number = ?",
            (until, status, queue, number),
        ).rowcount
        if updated or number not in places:
            continue
        row = connection.execute(
            "DELETE FROM pending WHERE receiver_id = ? AND at = ? AND number = ? RETURNING at, life_id, value",
            (queue, places[number], number),
        ).fetchone()
        if row is not None:
            count += 1
            connection.execute(
                "INSERT INTO parked (receiver_id, number, at, life_id, value, since, until, status) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (queue, number, *row, now, until, status),
            )
    connection.execute("UPDATE receiver SET parked = parked + ? WHERE id = ?", (count, queue))


def _exhume(connection: sqlite3.Connection, queue: int, numbers: Iterable[int]) -> list[tuple[int, int, int, Any]]:
    """Takes letters away, out of what is counted by reason, too: at, number, life and value of each that was there."""
    found = []
    for number in dict.fromkeys(numbers):
        row = connection.execute(
            "DELETE FROM dead_letter WHERE receiver_id = ? AND number = ? RETURNING at, number, life_id, value, reason",
            (queue, number),
        ).fetchone()
        if row is not None:
            found.append(row[:4])
            _uncount(connection, queue, row[4], 1)
    return found


def _uncount(connection: sqlite3.Connection, queue: int | None, reason: str, count: int) -> None:
    of = (queue, reason, count)
    last = connection.execute("DELETE FROM buried WHERE receiver_id = ? AND reason = ? AND count = ?", of).rowcount
    if not last:
        connection.execute(
            "UPDATE buried SET count = count - ? WHERE receiver_id = ? AND reason = ?", (count, queue, reason)
        )


_UNKEPT = """
SELECT reason, buried.count - coalesce(kept, 0) AS unkept FROM buried
LEFT JOIN (SELECT reason, count(*) AS kept FROM dead_letter WHERE receiver_id = ? GROUP BY reason) USING (reason)
WHERE receiver_id = ? AND (? = '' OR reason = ?) AND unkept > 0
"""
