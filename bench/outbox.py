"""What the queues of remote write cost in the ledger.

    python -m bench.outbox [--rows N] [--directory D]

First a day of 1,000 series each minute in commits of one minute, and a first run of 100,000 series with 48 points each:
samples per second that are decided and made durable. Then a queue is filled up to N rows (10 million), and what it
takes on the disk, what a slice of 2,000 costs to read and to acknowledge, and the memory of this process are printed.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from timepoint.ledger.decide import RunFacts, decide
from timepoint.ledger.sqlite_store import SqliteStore
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
from timepoint.remote_write.outbox import Settlement

T = TypeVar("T")

MINUTE = 60_000
ORIGIN = 1_767_225_600_000
SPEC = MetricSpec(
    FamilySpec("x_total", MetricType.COUNTER, "Help."),
    Temporality.DELTA,
    forget_after=10**12,
    receivers=(Receiver("a"),),
)


def texts(count: int) -> list[str]:
    return [
        f'{{app="app-{n % 300}",cluster="cluster-a",namespace="ns-{n % 50}",pod_name="pod-{n}-7d9f8c6b5-x2x4z"}}'
        for n in range(count)
    ]


class Feed:
    """A lane whose runs bring so many new points of each series; amounts are decimals, so no total is an integer."""

    def __init__(self, store: SqliteStore, series: int, points: int) -> None:
        self.store, self.points = store, points
        self.lane = store.load("job", "")
        self.names = texts(series)
        self.at = ORIGIN

    def run(self) -> float:
        """One run; the seconds that its commit took."""
        end = self.at + self.points * MINUTE
        times = Times(range(self.at, end, MINUTE), range(self.at + MINUTE, end + MINUTE, MINUTE))
        amounts = [array("d", [(n + k) % 97 * 0.37 for k in range(self.points)]) for n in range(97)]
        offered = {name: SeriesPoints(times, amounts[n % 97]) for n, name in enumerate(self.names)}
        facts = RunFacts(end, Window(self.at, end), end, window_is_asked=True, settled=end, overlap=0)
        change_set = decide(self.lane, MappedRun({"x_total": offered}), {"x_total": SPEC}, facts)
        began = time.perf_counter()
        self.store.commit(change_set)
        took = time.perf_counter() - began
        change_set.apply(self.lane)
        self.at = end
        return took


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    """What the work gives, and the seconds that it took: on the clock, of the CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - clock, time.process_time() - cpu


def rates(directory: Path) -> None:
    store = open_store(directory / "minutes.sqlite")
    feed = Feed(store, 1000, 1)
    commits, wall, cpu = timed(lambda: [feed.run() for _ in range(1440)])
    count = store.outbox.counts("a").enqueued
    commits.sort()
    print(
        f"1,440 runs of 1,000 series and a point each: {count / wall:,.0f} samples/s, {count / cpu:,.0f} per CPU s; "
        f"commit median {statistics.median(commits) * 1000:.1f} ms, p99 {commits[-15] * 1000:.1f} ms"
    )
    store.close()
    store = open_store(directory / "first.sqlite")
    feed = Feed(store, 100_000, 48)
    _, wall, cpu = timed(feed.run)
    count = store.outbox.counts("a").enqueued
    print(f"a first run of 100,000 series and 48 points: {count / wall:,.0f} samples/s, {wall:.1f} s, {cpu:.1f} CPU s")
    store.close()
    for name in ("minutes", "first"):
        (directory / f"{name}.sqlite").unlink()


def queue(directory: Path, rows: int) -> None:
    path = directory / "queue.sqlite"
    store = open_store(path)
    feed = Feed(store, 1000, 100)
    feed.run()
    before = _peak()
    while store.outbox.counts("a").pending < rows:
        feed.run()
    found, filled = store.outbox.counts("a"), _peak()
    spent = {"read": 0.0, "acknowledged": 0.0}
    slices = 50
    for _ in range(slices):
        read, wall, _cpu = timed(lambda: store.outbox.oldest("a", 2001))
        spent["read"] += wall
        done = Settlement(tuple(row.number for row in read[:2000]))
        spent["acknowledged"] += timed(lambda: store.outbox.settle("a", done, feed.at))[1]  # noqa: B023 - called at once
    print(
        f"a slice of 2,000 from a queue of {found.pending:,}: "
        + ", ".join(f"{name} in {seconds / slices * 1000:.1f} ms" for name, seconds in spent.items())
    )
    store.close()
    size = path.stat().st_size
    print(
        f"{found.pending:,} rows take {size / 1e6:.0f} MB, {size / found.pending:.1f} bytes each; memory grew by "
        f"{(filled - before) / 1024:.0f} MiB while they came, {(_peak() - filled) / 1024:.0f} while they were read"
    )


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.outbox")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--directory", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.directory) as name:
        queue(Path(name), chosen.rows)
        rates(Path(name))


if __name__ == "__main__":
    main()
