"""What the queues of remote write hold, and what must be true of them between any two transactions.

Owns: the facts that are told of a queue, and the checks on its tables. Must not know: how a file is opened, who asks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from timepoint.ledger.outbox_rows import restored
from timepoint.model import METRIC_NAME, MetricType, series_text, split_series_text

_FIRST_VERSION = 4  # of the ledger
_WITH_LATE_AMOUNTS = 5
_MOST_BITS = 2**30
_WAITING = ("pending", "parked", "dead_letter")


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """The queue of a receiver as the file has it. Instants in ms, of samples; None if there are none.

    ``reasons`` counts the dead by reason; of ``letters`` of them more than the number is kept. ``series`` counts those
    that the receiver has acknowledged a sample of.
    """

    receiver: str
    protocol: str | None
    enqueued: int
    acknowledged: int
    dead: int
    pending: int
    parked: int
    letters: int
    late_amounts: int
    dismissed: int
    oldest: int | None
    newest: int | None
    series: int
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def is_balanced(self) -> bool:
        return self.enqueued == self.acknowledged + self.dead + self.pending + self.late_amounts + self.dismissed


_QUEUES = """
SELECT name, version, enqueued, acknowledged, dead, pending, parked, letters, {late},
       (SELECT at FROM pending WHERE receiver_id = receiver.id ORDER BY at LIMIT 1),
       (SELECT at FROM pending WHERE receiver_id = receiver.id ORDER BY at DESC LIMIT 1),
       (SELECT count(*) FROM sent WHERE receiver_id = receiver.id)
FROM receiver ORDER BY name
"""


def has_queues(connection: sqlite3.Connection) -> bool:
    """Whether the file is of a version that sends."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version >= _FIRST_VERSION


def _late(connection: sqlite3.Connection) -> str:
    """The columns of late amounts and of what was dismissed, as far as the file has them."""
    return "late_amounts, dismissed" if _has_late_amounts(connection) else "0, 0"


def _has_late_amounts(connection: sqlite3.Connection) -> bool:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version >= _WITH_LATE_AMOUNTS


def _tables(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Where samples are that are in no other place."""
    return (*_WAITING, "late_amount") if _has_late_amounts(connection) else _WAITING


def read_queues(connection: sqlite3.Connection) -> Iterator[QueueFacts]:
    """All queues, by name."""
    reasons: dict[str, dict[str, int]] = {}
    for name, reason, count in connection.execute(
        "SELECT name, reason, count FROM buried JOIN receiver ON receiver.id = receiver_id ORDER BY reason"
    ):
        reasons.setdefault(name, {})[reason] = count
    for row in connection.execute(_QUEUES.format(late=_late(connection))):
        facts = QueueFacts(*row)
        facts.reasons.update(reasons.get(facts.receiver, {}))
        yield facts


def _balances(connection: sqlite3.Connection) -> Iterator[str]:
    for name, enqueued, *parts in connection.execute(
        f"SELECT name, enqueued, acknowledged, dead, pending, {_late(connection)} FROM receiver"  # noqa: S608 - our own
    ):
        if enqueued != sum(parts) or min(parts) < 0:
            acknowledged, dead, pending, late, dismissed = parts
            yield (
                f"receiver {name}: {enqueued} enqueued are not {acknowledged} acknowledged, {dead} dead, "
                f"{pending} pending, {late} late amounts and {dismissed} dismissed"
            )


def _counts(connection: sqlite3.Connection) -> Iterator[str]:
    found = {
        table: dict(connection.execute(f"SELECT receiver_id, count(*) FROM {table} GROUP BY receiver_id"))  # noqa: S608 - our own
        for table in _WAITING
    }
    by_reason = dict(connection.execute("SELECT receiver_id, sum(count) FROM buried GROUP BY receiver_id"))
    for queue, name, dead, pending, parked, letters in connection.execute(
        "SELECT id, name, dead, pending, parked, letters FROM receiver"
    ):
        rows = {table: counts.get(queue, 0) for table, counts in found.items()}
        if pending != rows["pending"] + rows["parked"] or parked != rows["parked"]:
            yield (
                f"receiver {name}: it counts {pending} pending, {parked} of them parked, and {rows['pending']} wait "
                f"and {rows['parked']} are parked"
            )
        if letters != rows["dead_letter"] or dead != by_reason.get(queue, 0) or letters > dead:
            yield (
                f"receiver {name}: it counts {dead} dead, of {letters} of whom letters are kept, and "
                f"{by_reason.get(queue, 0)} have a reason and {rows['dead_letter']} a letter"
            )
    if _has_late_amounts(connection):
        for name, late, kept in connection.execute(
            "SELECT name, late_amounts, (SELECT count(*) FROM late_amount WHERE receiver_id = receiver.id) AS kept "
            "FROM receiver WHERE kept > late_amounts"
        ):
            yield f"receiver {name}: it counts {late} late amounts, and {kept} are kept"


def _numbers(connection: sqlite3.Connection) -> Iterator[str]:
    """A bit for each number, since SQLite would hold all rows of a queue to group them: 10 million take 1.3 MB."""
    for queue, name, enqueued in connection.execute("SELECT id, name, enqueued FROM receiver").fetchall():
        first, last = connection.execute(
            "SELECT min(number), max(number) FROM pending WHERE receiver_id = ?", (queue,)
        ).fetchone()
        first = max(0, first or 0)
        last = max(first, min(last or 0, enqueued, first + _MOST_BITS))  # a damaged number must not take all memory
        seen = bytearray((last - first) // 8 + 1)
        beside: set[int] = set()
        for table in _tables(connection):
            for (number,) in connection.execute(f"SELECT number FROM {table} WHERE receiver_id = ?", (queue,)):  # noqa: S608 - our own
                if not 0 < number <= enqueued:
                    yield f"receiver {name}: sample {number} is there, and {enqueued} were enqueued"
                elif first <= number <= last:
                    place, bit = divmod(number - first, 8)
                    if seen[place] >> bit & 1:
                        yield f"receiver {name}: sample {number} is in two places"
                    seen[place] |= 1 << bit
                elif number in beside:
                    yield f"receiver {name}: sample {number} is in two places"
                else:
                    beside.add(number)


def _samples(connection: sqlite3.Connection) -> Iterator[str]:
    for table in _tables(connection):
        for name, number in connection.execute(
            f"SELECT name, number FROM {table} LEFT JOIN receiver ON receiver.id = receiver_id "  # noqa: S608 - our own
            "WHERE life_id NOT IN (SELECT life.id FROM life JOIN out_series ON out_series.id = out_series_id "
            "JOIN out_family ON out_family.id = family_id) OR receiver.id IS NULL"
        ):
            yield f"receiver {name}: nobody knows which series sample {number} is of"
        for name, number, value in connection.execute(
            f"SELECT name, number, {table}.value FROM {table} JOIN receiver ON receiver.id = receiver_id "  # noqa: S608 - our own
            f"WHERE typeof({table}.value) <> 'real'"
        ):
            try:
                restored(value)
            except ValueError as error:
                yield f"receiver {name}: sample {number}: {error}"


def _series(connection: sqlite3.Connection) -> Iterator[str]:
    for text, kind in connection.execute(
        "SELECT text, type FROM out_series LEFT JOIN out_family ON out_family.id = family_id"
    ):
        name, labels = split_series_text(text)
        if not METRIC_NAME.fullmatch(name) or series_text(labels, name) != text:
            yield f"{text} is no series"
        if kind not in _TYPES:
            yield f"{text}: its family has the type {kind!r}"
    for number, text in connection.execute(
        "SELECT life.id, out_series.text FROM life JOIN series ON series.id = series_id "
        "JOIN metric ON metric.id = metric_id LEFT JOIN out_series ON out_series.id = out_series_id "
        "WHERE out_series.text IS NOT metric.name || series.text"
    ):
        yield f"life {number} counts for another series of the ledger than it goes out as ({text})"


_TYPES = frozenset(MetricType)

Search = Callable[[sqlite3.Connection], Iterator[str]]


def _if_there(search: Search) -> Search:
    def searched(connection: sqlite3.Connection) -> Iterator[str]:
        if has_queues(connection):
            yield from search(connection)

    return searched


OF_THE_QUEUES: tuple[tuple[str, str, Search], ...] = tuple(
    (name, promise, _if_there(search))
    for name, promise, search in (
        ("queues", "of each receiver, enqueued = acknowledged + dead + pending + late amounts + dismissed", _balances),
        ("queue_rows", "what a queue counts is what its tables hold", _counts),
        ("queue_numbers", "each sample of a queue is in one place, under a number that was given out", _numbers),
        ("samples", "each sample that waits or is kept is a number of a known series", _samples),
        ("out_series", "each series that goes out can be read back into labels, and is that of its counter", _series),
    )
)
"""Name, promise and search of every check."""
