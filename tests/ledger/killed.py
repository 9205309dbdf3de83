"""A process that commits numbered runs until it is killed. Started by ``test_kill.py``.

The feed is a pure function of the interval's number, so that totals are known for any watermark. The two newest
intervals of a window are provisional and too high; the next run reads them again, settled, and owes the difference.
After each commit the process reports it on its standard output: from then on it must never be lost. Some series are
counted a second time, to be sent: what waits for the receiver is known for any watermark, too.

A second argument names a mistake to make. The oracle must notice each of them, or it proves nothing.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from dataclasses import replace
from pathlib import Path

from timepoint.ledger.change import ChangeSet
from timepoint.ledger.decide import RunFacts, decide
from timepoint.ledger.sqlite_store import SqliteStore, _write_lane
from timepoint.ledger.store import open_store
from timepoint.model import (
    FamilySpec,
    MappedRun,
    MetricSpec,
    MetricType,
    Receiver,
    SeriesPoints,
    Temporality,
    Times,
    Window,
)

STEP = 60_000
ORIGIN = 1_700_000_040_000
SERIES = 50
NEW_PER_RUN = 3
OVERLAP = 2
TOO_HIGH = 5
ACKNOWLEDGED = struct.Struct("=qq")
SPEC = MetricSpec(FamilySpec("x_total", MetricType.COUNTER, "Help."), Temporality.DELTA, forget_after=10**12)
SENT = 8
SENT_SPEC = replace(SPEC, family=replace(SPEC.family, name="sent_total"), receivers=(Receiver("central"),))
SPECS = {spec.family.name: spec for spec in (SPEC, SENT_SPEC)}
GONE = None


def settled(series: int, interval: int) -> int:
    """What the API finally says."""
    return (interval * 7 + series * 13) % 101


def is_listed(series: int, interval: int) -> bool:
    """Whether the API knows the series in a run that begins with this new interval; some come and go."""
    return series % 5 != 0 or (interval // 9 + series) % 3 != 0


def accepted(series: int, intervals: int) -> int:
    """The sum of the newest accepted values, when so many intervals have been committed."""
    total = 0
    for first in range(0, intervals, NEW_PER_RUN):
        if not is_listed(series, first):
            continue
        numbers = range(first, first + NEW_PER_RUN)
        total += sum(settled(series, n) for n in numbers)
        is_read_again = first + NEW_PER_RUN < intervals and is_listed(series, first + NEW_PER_RUN)
        if not is_read_again:
            total += TOO_HIGH * OVERLAP
        if first and not is_listed(series, first - NEW_PER_RUN):  # the overlap brings two that were not counted
            total += sum(settled(series, n) for n in range(first - OVERLAP, first))
    return total


def sent(series: int, intervals: int) -> list[tuple[int, int | None]]:
    """What a receiver is to get of a series when so many intervals have been committed: at, and the total or ``GONE``.

    Written down once more from the rules, without any of the ledger's code.
    """
    counted: dict[int, int] = {}
    rows: list[tuple[int, int | None]] = []
    total, owed, is_there = 0, 0, False
    for first in range(0, intervals, NEW_PER_RUN):
        if not is_listed(series, first):
            if is_there:
                rows.append((ORIGIN + (max(counted) + 1) * STEP + 1, GONE))
            is_there = False
            continue
        is_there = True
        numbers = range(max(0, first - OVERLAP), first + NEW_PER_RUN)
        values = {n: settled(series, n) + (TOO_HIGH if n >= first + NEW_PER_RUN - OVERLAP else 0) for n in numbers}
        owed -= sum(value - counted[n] for n, value in values.items() if n in counted)
        if not counted:
            rows.append((ORIGIN + numbers[0] * STEP, 0))
        for n, value in values.items():
            if n not in counted:
                owed -= value
                total, owed = total + max(0, -owed), max(0, owed)
                rows.append((ORIGIN + (n + 1) * STEP, total))
        counted |= values
    return rows


def answer(first: int) -> MappedRun:
    """The points of the run that asks for NEW_PER_RUN intervals from ``first`` on, and for the overlap before them."""
    numbers = range(max(0, first - OVERLAP), first + NEW_PER_RUN)
    times = Times((ORIGIN + n * STEP for n in numbers), (ORIGIN + (n + 1) * STEP for n in numbers))
    provisional = first + NEW_PER_RUN - OVERLAP
    points = {
        f'{{n="{s}"}}': SeriesPoints(
            times, array("d", [settled(s, n) + (TOO_HIGH if n >= provisional else 0) for n in numbers])
        )
        for s in range(SERIES)
        if is_listed(s, first)
    }
    to_send = {text: points[text] for text in (f'{{n="{s}"}}' for s in range(SENT)) if text in points}
    return MappedRun({"x_total": points, "sent_total": to_send})


class SplitStore(SqliteStore):
    """Commits the watermark and the totals apart: one of two orders, both wrong."""

    watermark_first = True

    def commit(self, change_set: ChangeSet) -> int:
        for is_watermark in (self.watermark_first, not self.watermark_first):
            with self._database.writing() as connection:
                if is_watermark:
                    connection.execute("UPDATE ledger SET commits = commits + 1")
                    change_set.commit = connection.execute("SELECT commits FROM ledger").fetchone()[0]
                    _write_lane(connection, self._compare(connection, change_set), change_set, change_set.commit)
                else:
                    lane_id = connection.execute("SELECT id FROM lane").fetchone()[0]
                    for changes in change_set.metrics.values():
                        self._write_metric(connection, lane_id, changes, change_set.stamp)
                        self._write_outgoing(connection, lane_id, changes, change_set.now)
        return change_set.commit


class ApartStore(SqliteStore):
    """Lets samples wait in a transaction of their own, after that of the run."""

    def commit(self, change_set: ChangeSet) -> int:
        changes = next(changes for changes in change_set.metrics.values() if changes.name == "sent_total")
        outgoing, changes.outgoing = changes.outgoing, None
        number = super().commit(change_set)
        changes.outgoing = outgoing
        with self._writing() as connection:
            lane_id = connection.execute("SELECT id FROM lane").fetchone()[0]
            self._write_outgoing(connection, lane_id, changes, change_set.now)
        return number


def opened(path: Path, mistake: str) -> SqliteStore:
    """The store, or one that makes the mistake."""
    if mistake in ("watermark first", "totals first"):
        SplitStore.watermark_first = mistake == "watermark first"
        return SplitStore(path, 5000)
    if mistake == "enqueues apart":
        return ApartStore(path, 5000)
    return open_store(path)


def main(path: Path, mistake: str = "") -> None:
    """Runs for ever."""
    store = opened(path, mistake)
    lane = store.load("job", "")
    while True:
        first = 0 if lane.watermark is None else (lane.watermark - ORIGIN) // STEP
        end = ORIGIN + (first + NEW_PER_RUN) * STEP
        window = Window(ORIGIN + max(0, first - OVERLAP) * STEP, end)
        store.note_attempt("job", "", end)
        facts = RunFacts(end, window, end, window_is_asked=True, settled=end, overlap=OVERLAP * STEP)
        change_set = decide(lane, answer(first), SPECS, facts)
        if mistake == "acknowledges first":
            os.write(1, ACKNOWLEDGED.pack(change_set.version + 1, end))
        number = store.commit(change_set)
        if mistake != "acknowledges first":
            os.write(1, ACKNOWLEDGED.pack(number, end))
        change_set.apply(lane)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
