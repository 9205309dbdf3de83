"""A ledger that is damaged, lost, foreign or unreadable: the poller stays, polls nothing, says why, and heals."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.jobs import STEP, TOTAL, function_job, http_job, ones
from timepoint import log
from timepoint.clock import DAY
from timepoint.exposition.publish import read_published, snapshot_path
from timepoint.job import Job
from timepoint.ledger.store import open_store
from timepoint.model import Window
from timepoint.poller.runner import POLLER, Runner
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
        return Runner(jobs, opened)

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


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An empty stage at seven minutes past ten."""
    return Stage(tmp_path)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged during a test."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("info", "logfmt", stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = saved


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


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_damaged_ledger_stops_polling_and_nothing_else(
    stage: Stage, tmp_path: Path, written: io.StringIO, damage: Callable[[Stage], None]
) -> None:
    """The page stays as it was, the heartbeat goes on and says why, and no API is asked."""
    job = http_job(tmp_path)
    await fill(stage, job)
    shown, asked = stage.samples()[TOTAL], len(stage.source.windows)
    damage(stage)
    async with stage.running(job):
        await stage.clock.advance(hours=1)
        samples = stage.samples()
        assert DAMAGES[damage] in stage.trouble()
        assert samples["timepoint_ledger_ok"] == 0
        assert samples["timepoint_poller_heartbeat_timestamp_seconds"] > stage.clock.now() / 1000 - 300
        assert samples[TOTAL] == shown
        assert len(stage.source.windows) == asked
    assert written.getvalue().count("event=ledger_unusable") == 1
    assert not (tmp_path / "quarantine").exists()


async def test_values_leave_the_page_at_their_max_age_while_the_ledger_is_damaged(stage: Stage, tmp_path: Path) -> None:
    """What nobody renews is not shown for ever."""
    job = http_job(tmp_path)
    await fill(stage, job)
    zero_header(stage)
    async with stage.running(job):
        await stage.clock.advance(hours=3)
        assert TOTAL not in stage.samples()
        assert stage.samples()["timepoint_ledger_ok"] == 0


async def test_a_restored_ledger_is_taken_up_without_a_restart(
    stage: Stage, tmp_path: Path, written: io.StringIO
) -> None:
    """The ledger is tried again within a minute, and what was missed meanwhile is caught up with, once."""
    job = http_job(tmp_path)
    await fill(stage, job)
    shutil.copyfile(stage.ledger, tmp_path / "backup")
    zero_header(stage)
    async with stage.running(job):
        await stage.clock.advance(hours=2)
        (tmp_path / "backup").replace(stage.ledger)
        await stage.clock.advance(minutes=31)
        assert stage.trouble() == ""
        assert stage.samples()["timepoint_ledger_ok"] == 1
        assert stage.samples()[TOTAL] == stage.truth()
    assert "event=ledger_usable" in written.getvalue()


async def test_an_older_backup_is_not_taken_up(stage: Stage, tmp_path: Path) -> None:
    """Its counters would go back, and Prometheus would take that for a restart at 0."""
    job = http_job(tmp_path)
    await fill(stage, job)
    shutil.copyfile(stage.ledger, tmp_path / "backup")
    await fill(stage, job)
    shown = stage.samples()[TOTAL]
    (tmp_path / "backup").replace(stage.ledger)
    async with stage.running(job):
        assert "counters would go back" in stage.trouble()
        assert stage.samples()[TOTAL] == shown


async def test_a_first_start_is_no_loss(stage: Stage, tmp_path: Path) -> None:
    """Without anything published, an empty directory is where a new ledger begins."""
    async with stage.running(http_job(tmp_path)):
        assert stage.trouble() == ""
        assert stage.samples()["timepoint_ledger_ok"] == 1


async def test_polling_once_says_what_is_wrong_and_fails(stage: Stage, tmp_path: Path) -> None:
    """For who serves the directory: the page of the poller says it until the next try."""
    job = http_job(tmp_path)
    await fill(stage, job)
    zero_header(stage)
    with pytest.raises(Exception, match="first page is damaged"):
        await stage.make(job).run_once()
    assert stage.samples()["timepoint_ledger_ok"] == 0
    assert "first page is damaged" in stage.trouble()


async def test_a_failed_commit_is_trouble_with_the_ledger(stage: Stage, tmp_path: Path) -> None:
    """While runs cannot be kept the metric is 0, and 1 again with the next that is."""
    job = http_job(tmp_path)
    async with stage.running(job):
        await stage.clock.advance(minutes=30)
        with closing(sqlite3.connect(stage.ledger, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await stage.clock.advance(minutes=30)
            assert stage.samples()["timepoint_ledger_ok"] == 0
        await stage.clock.advance(minutes=30)
        assert stage.samples()["timepoint_ledger_ok"] == 1
        assert stage.samples()[TOTAL] == stage.truth()


async def test_a_removed_job_that_returns_goes_on_where_it_stood(stage: Stage, tmp_path: Path) -> None:
    """Its total is kept, what it missed is asked for, and nothing is counted twice."""
    job, other = http_job(tmp_path), function_job(lambda window: [])
    await fill(stage, job)
    shown = stage.samples()[TOTAL]
    async with stage.running(other):
        await stage.clock.advance(hours=6)
        assert TOTAL not in stage.samples()
    async with stage.running(job, other):
        await stage.clock.advance(minutes=30)
        samples = stage.samples()
        assert samples[TOTAL] == stage.truth() > shown
        missed = Window(stage.source.windows[0].start, stage.source.windows[-1].end)
        assert samples[TOTAL] == len(range(missed.start, missed.end, STEP))


async def test_a_removed_job_is_forgotten_after_forget_after(
    stage: Stage, tmp_path: Path, written: io.StringIO
) -> None:
    """While the exporter runs, too; a job that returns later begins anew."""
    job, other = http_job(tmp_path), function_job(lambda window: [])
    await fill(stage, job)
    async with stage.running(other):
        stage.clock.jump(7 * DAY / 1000 - 2 * 3600)
        await stage.clock.advance(hours=1)
        assert "event=forgotten" not in written.getvalue()
        await stage.clock.advance(hours=2)
        assert "event=forgotten job=pods" in written.getvalue()
    begin = len(stage.source.windows)
    async with stage.running(job, other):
        await stage.clock.advance(minutes=30)
        asked = stage.source.windows[begin:]
        assert stage.samples()[TOTAL] == sum((window.end - window.start) // STEP for window in asked)
