"""A ledger that is damaged, lost, foreign or unreadable: the poller stays, polls nothing, says why, and heals."""

from __future__ import annotations

import io
import logging
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.poller.broken import DAMAGES, Stage, fill, zero_header
from tests.poller.jobs import STEP, TOTAL, function_job, http_job
from timepoint import log
from timepoint.clock import DAY
from timepoint.model import Window


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


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_a_damaged_ledger_stops_polling_and_nothing_else(
    stage: Stage, tmp_path: Path, written: io.StringIO, damage: Callable[[Stage], None]
) -> None:
    """The page stays as it was, the heartbeat goes on and says why, and no API is asked (D8)."""
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
    """Its counters would go back, and Prometheus would take that for a restart at 0 (D9)."""
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
    """While runs cannot be kept the metric is 0, and 1 again with the next that is (D6)."""
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
    """Its total is kept, what it missed is asked for, and nothing is counted twice (C6)."""
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
    """While the exporter runs, too; a job that returns later begins anew (C6)."""
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
