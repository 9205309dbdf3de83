"""A poller on a real ledger, and the ways in which a ledger is broken."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.poller.jobs import STEP, ones
from timepoint.exposition.publish import POLLER, read_published, snapshot_path
from timepoint.job import Job, Workload
from timepoint.ledger.store import open_store
from timepoint.poller.runner import Runner
from timepoint.testing import FakeClock, FakeSource, fake_surroundings, published_page, read_samples, settle


class Stage:
    """A runner on a real ledger, with fakes for time and source."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock("2026-01-01T10:07:00Z")
        self.source = FakeSource(ones)
        self.ledger = directory / "ledger.sqlite"
        self.published = directory / "published"

    def make(self, *jobs: Job) -> Runner:
        around = fake_surroundings(self.published, self.clock, self.source)
        opened = replace(around, open_store=lambda: open_store(self.ledger, busy_timeout=0), heartbeat=300.0)
        return Runner(Workload(jobs), opened)

    @contextlib.asynccontextmanager
    async def running(self, *jobs: Job) -> AsyncIterator[None]:
        """The jobs run for the length of the block."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.make(*jobs).run(stop))
        await settle()
        try:
            yield
        finally:
            stop.set()
            await settle()
            assert task.done(), "the runner did not end"
            assert await task == 0

    def samples(self) -> dict[str, float]:
        return read_samples(published_page(self.published, self.clock.now()))

    def trouble(self) -> str:
        """Why nothing is polled, as the server is told."""
        status: dict[str, Any] = dict(read_published(snapshot_path(self.published, POLLER)).status)
        trouble: str = status["ledger_trouble"]
        return trouble

    def truth(self) -> float:
        """What the counter must show: one for each timepoint of any window that was asked for."""
        return len({start for window in self.source.windows for start in range(window.start, window.end, STEP)})


async def fill(stage: Stage, job: Job) -> None:
    """An exporter that worked for an hour and was ended."""
    async with stage.running(job):
        await stage.clock.advance(hours=1)


def fill_wal(stage: Stage) -> None:
    """Leaves the newest commits in the log alone, as a crash does."""
    path = stage.ledger
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("UPDATE lane SET version = version - 1")
        connection.execute("UPDATE ledger SET commits = commits - 1")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        connection.execute("UPDATE lane SET version = version + 1")
        connection.execute("UPDATE ledger SET commits = commits + 1")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{path}{suffix}.kept")
    for suffix in ("", "-wal"):
        Path(f"{path}{suffix}.kept").replace(f"{path}{suffix}")


def lose_wal(stage: Stage) -> None:
    """Somebody copied the file and not its log."""
    fill_wal(stage)
    Path(f"{stage.ledger}-wal").unlink()


def zero_header(stage: Stage) -> None:
    """The first 100 bytes are gone."""
    with stage.ledger.open("r+b") as file:
        file.write(bytes(100))


def flip_pages(stage: Stage) -> None:
    """The insides of every page but the first are lost."""
    size = stage.ledger.stat().st_size
    with stage.ledger.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))


def cut(stage: Stage) -> None:
    """The file ends early."""
    with stage.ledger.open("r+b") as file:
        file.truncate(3 * 4096 + 100)


def put_foreign(stage: Stage) -> None:
    """A database of another program has taken its place."""
    stage.ledger.unlink()
    with closing(sqlite3.connect(stage.ledger, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE recipes (id)")
        connection.execute("PRAGMA application_id=77")


def put_newer(stage: Stage) -> None:
    """A newer release was here."""
    with closing(sqlite3.connect(stage.ledger, isolation_level=None)) as connection:
        connection.execute("PRAGMA user_version=99")


def make_unreadable(stage: Stage) -> None:
    """A directory stands in its place: not even root can read that as a file."""
    stage.ledger.unlink()
    stage.ledger.mkdir()


def lose(stage: Stage) -> None:
    """The ledger is gone and its pages are not."""
    stage.ledger.unlink()


DAMAGES: dict[Callable[[Stage], None], str] = {
    zero_header: "first page is damaged",
    flip_pages: "damaged",
    cut: "damaged",
    lose_wal: "restore the newest copy with its -wal file",
    put_foreign: "another program",
    put_newer: "newer release",
    make_unreadable: "it is a directory",
    lose: "restore the newest copy with its -wal file",
}
