"""Samples that go out, as rows.

Owns: which rows a sample becomes and back, how samples join the queue of a receiver, and how a life is found for a
series. Must not know: when that happens, which samples leave, transactions: each function runs in its caller's.
"""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import copysign

from timepoint.clock import DAY
from timepoint.ledger.outgoing import LATE_AMOUNT, Ended, Floor, Late, Leaving, Outgoing
from timepoint.model import FamilySpec

_BITS = struct.Struct("<d")

Stored = float | bytes
"""A value as a column keeps it."""

Waiting = tuple[int, int, Stored]
"""at, id of the life, value."""

Lost = tuple[int, int, Stored, str]
"""As ``Waiting``, and the reason why it never waits."""


def stored(value: float) -> Stored:
    """A value as SQLite keeps it bit by bit: it makes NULL of NaN, and 0 of -0.0."""
    if value > 0.0 or value < 0.0 or (value == 0.0 and copysign(1.0, value) > 0.0):
        return value
    return _BITS.pack(value)


def restored(value: Stored) -> float:
    """The inverse. Raises ValueError for what is neither a number nor eight bytes."""
    if isinstance(value, float):
        return value
    if not isinstance(value, bytes) or len(value) != _BITS.size:
        raise ValueError(f"{value!r} is no value of a sample")
    bits: float = _BITS.unpack(value)[0]
    return bits


def receiver_id(connection: sqlite3.Connection, name: str) -> int:
    """The id of a receiver's queue, which is made if need be."""
    connection.execute("INSERT OR IGNORE INTO receiver (name) VALUES (?)", (name,))
    number: int = connection.execute("SELECT id FROM receiver WHERE name = ?", (name,)).fetchone()[0]
    return number


def enqueue(connection: sqlite3.Connection, receiver: int, rows: Iterable[Waiting]) -> int:
    """Lets samples wait, in the order given, which should be that of their instants; how many there were."""
    before = _newest_number(connection, receiver)
    numbered = ((receiver, at, number, life, value) for number, (at, life, value) in enumerate(rows, before + 1))
    count = connection.executemany(
        "INSERT INTO pending (receiver_id, at, number, life_id, value) VALUES (?, ?, ?, ?, ?)", numbered
    ).rowcount
    count = max(0, count)
    connection.execute(
        "UPDATE receiver SET enqueued = enqueued + ?, pending = pending + ? WHERE id = ?", (count, count, receiver)
    )
    return count


def enqueue_lost(connection: sqlite3.Connection, receiver: int, rows: Sequence[Lost], now: int) -> None:
    """Counts samples as enqueued that are dead letters from the start."""
    if not rows:
        return
    before = _newest_number(connection, receiver)
    connection.executemany(
        "INSERT INTO dead_letter (receiver_id, number, at, life_id, value, reason, text, died) "
        "VALUES (?, ?, ?, ?, ?, ?, '', ?)",
        (
            (receiver, number, at, life, value, reason, now)
            for number, (at, life, value, reason) in enumerate(rows, before + 1)
        ),
    )
    count = len(rows)
    connection.execute(
        "UPDATE receiver SET enqueued = enqueued + ?, dead = dead + ?, letters = letters + ? WHERE id = ?",
        (count, count, count, receiver),
    )
    bury(connection, receiver, (reason for _, _, _, reason in rows))


def _newest_number(connection: sqlite3.Connection, receiver: int) -> int:
    number: int = connection.execute("SELECT enqueued FROM receiver WHERE id = ?", (receiver,)).fetchone()[0]
    return number


MAX_LATE_AMOUNTS = 10_000
"""Of a receiver; of older ones the number stays."""


def enqueue_late_amounts(connection: sqlite3.Connection, receiver: int, rows: Sequence[Waiting], now: int) -> None:
    """Counts as enqueued what never goes out, since the next total contains it, and keeps the newest of it."""
    if not rows:
        return
    before = _newest_number(connection, receiver)
    newest = before + len(rows)
    connection.executemany(
        "INSERT INTO late_amount (receiver_id, number, at, life_id, value, came) VALUES (?, ?, ?, ?, ?, ?)",
        (
            (receiver, number, at, life, value, now)
            for number, (at, life, value) in enumerate(rows, before + 1)
            if number > newest - MAX_LATE_AMOUNTS
        ),
    )
    connection.execute(
        "UPDATE receiver SET enqueued = enqueued + ?, late_amounts = late_amounts + ? WHERE id = ?",
        (len(rows), len(rows), receiver),
    )
    connection.execute(
        "DELETE FROM late_amount WHERE receiver_id = ? AND number <= "
        "(SELECT number FROM late_amount WHERE receiver_id = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (receiver, receiver, MAX_LATE_AMOUNTS),
    )


def bury(connection: sqlite3.Connection, receiver: int, reasons: Iterable[str]) -> None:
    """Counts the dead by reason."""
    connection.executemany(
        "INSERT INTO buried (receiver_id, reason, count) VALUES (?, ?, 1) "
        "ON CONFLICT (receiver_id, reason) DO UPDATE SET count = count + 1",
        ((receiver, reason) for reason in reasons),
    )


def family_id(connection: sqlite3.Connection, family: FamilySpec) -> int:
    """The id of a family, with type, help and unit as they are now."""
    connection.execute(
        "INSERT INTO out_family (name, type, help, unit) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET "
        "type = excluded.type, help = excluded.help, unit = excluded.unit "
        "WHERE (type, help, unit) <> (excluded.type, excluded.help, excluded.unit)",
        (family.name, str(family.type), family.help, family.unit),
    )
    number: int = connection.execute("SELECT id FROM out_family WHERE name = ?", (family.name,)).fetchone()[0]
    return number


def write_outgoing(
    connection: sqlite3.Connection, metric_id: int, outgoing: Outgoing, new: Mapping[str, int], now: int
) -> dict[str, int]:
    """Lets the samples of a metric wait for all its receivers; the queues, by name.

    ``new`` are the ids of the series that the run made, by text.
    """
    queues = {receiver.name: receiver_id(connection, receiver.name) for receiver in outgoing.receivers}
    lives = _lives(connection, metric_id, outgoing, new, list(queues.values()))
    for receiver in outgoing.receivers:
        queue = queues[receiver.name]
        enqueue(
            connection,
            queue,
            _in_order(
                (series.ats, lives[series.id or new[series.text]], series.values)
                for series in outgoing.waiting(receiver)
            ),
        )
        late = [
            (late.at, lives[late.id or new[late.text]], stored(late.value), reason)
            for late, reason in outgoing.lost(receiver)
        ]
        enqueue_lost(connection, queue, [row for row in late if row[3] != LATE_AMOUNT], now)
        enqueue_late_amounts(connection, queue, [row[:3] for row in late if row[3] == LATE_AMOUNT], now)
    return queues


def _lives(
    connection: sqlite3.Connection,
    metric_id: int,
    outgoing: Outgoing,
    new: Mapping[str, int],
    queues: Sequence[int],
) -> dict[int, int]:
    """The life of each series that goes out, by the ledger's id of the series; those that have none get one."""
    family = outgoing.family
    of = family_id(connection, family)
    known = _known_lives(connection, metric_id)
    leaving: list[Leaving | Late | Ended] = [*outgoing.series, *outgoing.late, *outgoing.ended]
    nameless = {series.text for series in leaving if series.id not in known}
    earlier = _earlier_lives(connection, outgoing, of, nameless, queues)

    def floor_of(number: int, text: str) -> Floor | None:
        at = known[number][1] if number in known else earlier.get(text)
        return None if at is None else Floor(at, number not in known)

    outgoing.keep_behind(floor_of)
    _end_lives(connection, [family.name + text for text in earlier.keys() & outgoing.counted()])
    lives = {number: life for number, (life, _) in known.items()}
    if not nameless:
        return lives
    missing: dict[int, tuple[str, int | None]] = {
        (series.id or new[series.text]): (series.text, series.start)
        for series in outgoing.series
        if series.id not in lives
    }
    others: list[Late | Ended] = [*outgoing.late, *outgoing.ended]
    for other in others:
        if other.id not in lives:
            missing.setdefault(other.id or new[other.text], (other.text, None))
    connection.executemany(
        "INSERT INTO out_series (family_id, text) VALUES (?, ?) "
        "ON CONFLICT (text) DO UPDATE SET family_id = excluded.family_id",
        ((of, family.name + text) for text, _ in missing.values()),
    )
    connection.executemany(
        "INSERT INTO life (out_series_id, start, series_id) SELECT id, ?, ? FROM out_series WHERE text = ?",
        ((start, number, family.name + text) for number, (text, start) in missing.items()),
    )
    return {number: life for number, (life, _) in _known_lives(connection, metric_id).items()}


def _known_lives(connection: sqlite3.Connection, metric_id: int) -> dict[int, tuple[int, int | None]]:
    """Id and start of the lives of a metric, by the ledger's id of the series."""
    rows = connection.execute(
        "SELECT series_id, life.id, start FROM series JOIN life ON series_id = series.id WHERE metric_id = ?",
        (metric_id,),
    )
    return {number: (life, start) for number, life, start in rows}


def _earlier_lives(
    connection: sqlite3.Connection, outgoing: Outgoing, family: int, texts: Collection[str], queues: Sequence[int]
) -> dict[str, int]:
    """Of series that begin another life, by their text: the newest instant that went, or waits to go, to any of queues.

    Another job sent them before, or the metric was declared otherwise. Rare, so that a queue may be read for it whole.
    What waits in the future is of a clock that was wrong, and holds up nothing.
    """
    name = outgoing.family.name
    if not texts or not _one(connection, "SELECT 1 FROM out_series WHERE family_id = ? LIMIT 1", family):
        return {}
    found = dict(
        connection.execute(
            "SELECT out_series.id, text FROM json_each(?) JOIN out_series ON text = json_each.value",
            (json.dumps([name + text for text in texts]),),
        ).fetchall()
    )
    if not found:
        return {}
    newest: dict[str, int] = {}
    of, among = json.dumps(list(found)), json.dumps(list(queues))
    for table, column in (("sent", "until"), ("pending", "at"), ("parked", "at")):
        series = "out_series_id" if table == "sent" else "(SELECT out_series_id FROM life WHERE life.id = life_id)"
        for number, at in connection.execute(
            f"SELECT {series} AS series, max({column}) FROM {table} "  # noqa: S608 - our own
            f"WHERE receiver_id IN (SELECT value FROM json_each(?)) AND {column} <= ? "
            "AND series IN (SELECT value FROM json_each(?)) GROUP BY series",
            (among, outgoing.now, of),
        ):
            text = found[number][len(name) :]
            newest[text] = max(at, newest.get(text, at))
    return newest


def _end_lives(connection: sqlite3.Connection, texts: Sequence[str]) -> None:
    """Ends the counts of some series, since others of them begin.

    Whoever has one of them still, and goes on with it, begins at 0, too, and behind the others: its old total would be
    an increase once more. It remembers what it has counted. Readings are what their source shows.
    """
    if not texts:
        return
    series = "(SELECT id FROM out_series WHERE text IN (SELECT value FROM json_each(?)))"
    connection.execute(
        "UPDATE state SET value = 0, carry = 0, debt = 0 WHERE id IN (SELECT series.id FROM life "  # noqa: S608 - our own
        "JOIN series ON series.id = series_id JOIN metric ON metric.id = metric_id "
        f"WHERE out_series_id IN {series} AND shape LIKE '%/delta/%')",
        (json.dumps(texts),),
    )
    connection.execute(f"UPDATE life SET series_id = NULL WHERE out_series_id IN {series}", (json.dumps(texts),))  # noqa: S608 - our own


def _one(connection: sqlite3.Connection, select: str, *values: object) -> bool:
    return connection.execute(select, values).fetchone() is not None


_LARGE = 1_000_000
"""Of queues beyond this nobody asks which series they hold: reading 10 million rows takes seconds."""

_REMEMBERED = 7 * DAY
"""How long behind all that was sent a series is remembered: whoever reads its window again must not send it again."""


def forget_series(connection: sqlite3.Connection) -> None:
    """Forgets series that went out, once the ledger counts them no more and no sample of them is kept.

    What was sent of late stays known: a job that begins anew reads again what receivers have.
    """
    if connection.execute("SELECT 1 FROM life WHERE series_id IS NULL LIMIT 1").fetchone() is None:
        return
    if connection.execute("SELECT total(pending) FROM receiver").fetchone()[0] > _LARGE:
        return
    connection.execute(
        "DELETE FROM life WHERE series_id IS NULL AND id NOT IN ("
        "SELECT life_id FROM pending UNION SELECT life_id FROM parked UNION SELECT life_id FROM dead_letter "
        "UNION SELECT life_id FROM late_amount) "
        "AND out_series_id NOT IN (SELECT out_series_id FROM sent WHERE until > (SELECT max(until) FROM sent) - ?)",
        (_REMEMBERED,),
    )
    connection.execute("DELETE FROM out_series WHERE id NOT IN (SELECT out_series_id FROM life)")
    connection.execute("DELETE FROM out_family WHERE id NOT IN (SELECT family_id FROM out_series)")


def _in_order(series: Iterable[tuple[tuple[int, ...], int, Sequence[float]]]) -> Iterator[Waiting]:
    """The samples of all series by their instants. Series on one grid are walked together."""
    grids: dict[tuple[int, ...], list[tuple[int, Sequence[float]]]] = {}
    for ats, life, values in series:
        grids.setdefault(ats, []).append((life, values))
    places: dict[int, list[tuple[list[tuple[int, Sequence[float]]], int]]] = {}
    for ats, members in grids.items():
        for place, at in enumerate(ats):
            places.setdefault(at, []).append((members, place))
    for at in sorted(places):
        for members, place in places[at]:
            for life, values in members:
                value = values[place]
                yield at, life, value if value > 0.0 else stored(value)
