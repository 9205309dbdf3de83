"""A small process that commits and publishes numbered runs of a known feed, step by step and in one thread.

Owns: the steps of the real desk and the real store, without network and chance, so that each of its system calls can
be named by a number; and the check of what it left. Must not know: who kills it, which disk it writes to.

    python -m tests.proof.committer serve     forks a committer for each order on its standard input

The feed is that of the ledger's own kill test: the sum of any watermark is known, newest intervals are revised down,
series come and go. After each commit, and after each page, the process reports it to the file of acknowledgements.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sqlite3
import struct
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tests.ledger import killed
from tests.proof import mutants
from timepoint import failpoints
from timepoint.datadir import Layout
from timepoint.errors import DataDirectoryError, PublishError, StoreError
from timepoint.exposition.formats import TEXT
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import read_published, snapshot_path
from timepoint.job import FunctionPolling, Job, ScheduleSpec
from timepoint.ledger import sqlite
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import open_store
from timepoint.model import Window
from timepoint.poller.desk import JobDesk
from timepoint.request.spec import WindowSpec
from timepoint.testing import read_samples

COMMITTED, PUBLISHED = 1, 2
ACKNOWLEDGED = struct.Struct("=qq")
JOB = Job(
    "job",
    ScheduleSpec(),
    WindowSpec(step=killed.STEP, overlap=killed.OVERLAP * killed.STEP),
    FunctionPolling(lambda _: ()),
    {"x_total": killed.SPEC},
)
LOG_LIMIT = 96 * 1024
"""The log is moved into the file when it is larger: every few runs instead of every few hundred."""


@dataclass
class FixedClock:
    """Stands still, so that each run of the process makes the same bytes."""

    instant: int = killed.ORIGIN

    def now(self) -> int:
        return self.instant

    def monotonic(self) -> float:
        return self.instant / 1000


def commit_runs(directory: Path, runs: int, acknowledgements: int) -> None:
    """Opens what is there and goes on until so many runs are committed and published."""
    layout = Layout(directory)
    clock = FixedClock()
    store = open_store(layout.ledger)
    desk = JobDesk(JOB, store, layout.published, clock)
    desk.take_up()
    lane = desk.load()
    clock.instant = lane.watermark or clock.instant
    desk.restore()
    while (first := intervals(lane)) < runs * killed.NEW_PER_RUN:
        end = killed.ORIGIN + (first + killed.NEW_PER_RUN) * killed.STEP
        clock.instant = end
        window = Window(killed.ORIGIN + max(0, first - killed.OVERLAP) * killed.STEP, end)
        desk.note_attempt(window)
        change_set = desk.decide(killed.answer(first), window, end, ends_run=True)
        desk.commit(change_set)
        os.write(acknowledgements, ACKNOWLEDGED.pack(COMMITTED, change_set.commit))
        desk.publish()
        os.write(acknowledgements, ACKNOWLEDGED.pack(PUBLISHED, change_set.commit))
        lane = desk.load()
    store.close()


def intervals(lane: LaneState) -> int:
    """How many intervals of the feed a lane has committed."""
    return 0 if lane.watermark is None else (lane.watermark - killed.ORIGIN) // killed.STEP


def acknowledged(data: bytes) -> tuple[int, int]:
    """The newest commit and the newest page that the process had reported."""
    newest = {COMMITTED: 0, PUBLISHED: 0}
    whole = len(data) // ACKNOWLEDGED.size * ACKNOWLEDGED.size
    for kind, number in ACKNOWLEDGED.iter_unpack(data[:whole]):
        newest[kind] = max(newest[kind], number)
    return newest[COMMITTED], newest[PUBLISHED]


def findings(directory: Path, commit: int, page: int, runs: int | None = None) -> list[str]:
    """What is wrong with a directory of which these were acknowledged; ``runs`` if all of them must be there.

    It opens the ledger as the next process would, which recovers it.
    """
    layout = Layout(directory)
    try:
        store = open_store(layout.ledger)
        lane = store.load(JOB.name, "")
        store.close()
    except (DataDirectoryError, StoreError) as error:
        return [f"the ledger cannot be opened: {error}"]
    found = []
    if (verdict := _integrity(layout.ledger)) != "ok":
        found.append(f"integrity_check says {verdict}")
    if lane.version < commit:
        found.append(f"commit {commit} was acknowledged, the ledger is at {lane.version}")
    if runs is not None and intervals(lane) != runs * killed.NEW_PER_RUN:
        found.append(f"the ledger holds {intervals(lane)} intervals after {runs} runs")
    for metric in lane.metrics.values():
        for text, state in (metric.series | metric.absent).items():
            truth = killed.accepted(int(text[4:-2]), intervals(lane))
            if state.value + state.carry - state.debt != truth:
                found.append(f"{text} is counted as {state.value} - {state.debt} and was {truth}")
    return found + _page_findings(layout, lane, page)


def _integrity(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        try:
            return "; ".join(row[0] for row in connection.execute("PRAGMA integrity_check(3)"))
        except sqlite3.DatabaseError as error:
            return str(error)


def _page_findings(layout: Layout, lane: LaneState, acknowledged_page: int) -> list[str]:
    path = snapshot_path(layout.published, JOB.name)
    if not path.exists():
        return [f"page {acknowledged_page} was acknowledged and is gone"] if acknowledged_page else []
    try:
        page = read_published(path)
    except PublishError as error:
        return [f"the page cannot be read: {error}"]
    found = []
    if not acknowledged_page <= page.commit <= lane.version:
        found.append(
            f"the page is of commit {page.commit}: {acknowledged_page} was acknowledged, {lane.version} is kept"
        )
    text = b"".join(Pages([page]).page(TEXT, gzip=False, now=page.rendered_at + 130_000).parts).decode()
    kept = {f"x_total{t}": s.value for m in lane.metrics.values() for t, s in (m.series | m.absent).items()}
    for name, value in read_samples(text).items():
        if value > kept.get(name, -1.0) or (page.commit == lane.version and value != kept[name]):
            found.append(f"the page shows {name} {value}, the ledger holds {kept.get(name)}")
    return found


def serve() -> None:
    """Forks a committer for each order: ``{"dir", "runs", "mutant", "failpoint", "stop"}``; answers with its number.

    With ``stop`` it stops itself before its first step, so that a tracer can take hold of it. The next line tells its
    exit code.
    """
    sqlite.PASSIVE_ABOVE = sqlite.TRUNCATE_ABOVE = LOG_LIMIT
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            mutants.apply(order.get("mutant", ""))
            directory = Path(order["dir"])
            directory.mkdir(exist_ok=True)
            acknowledgements = os.open(f"{directory}.acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            failpoints.arm(order.get("failpoint", ""))
            if order.get("stop"):
                os.kill(os.getpid(), signal.SIGSTOP)
            commit_runs(directory, order["runs"], acknowledgements)
            os._exit(0)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
