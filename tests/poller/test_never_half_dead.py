"""Errors that nobody foresaw, outside of runs: what breaks comes back, or takes the whole process with it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.poller.jobs import http_job
from tests.poller.stage import Stage
from timepoint.poller import schedule
from timepoint.testing import settle


async def test_x8_a_job_whose_loop_breaks_begins_again(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """X8: a minute later, with a line in the log; the job beside it does not notice."""
    bad, good = http_job(tmp_path, "bad"), http_job(tmp_path, "good")
    due, broken = schedule.due, [True]

    def breaks_once(spec: Any, name: str, *rest: Any) -> schedule.Due:
        if name == "bad" and broken and broken.pop():
            raise ZeroDivisionError
        return due(spec, name, *rest)

    monkeypatch.setattr(schedule, "due", breaks_once)
    async with stage.running(bad, good) as runner:
        assert (runner.tallies["bad"].runs, runner.tallies["good"].runs) == (0, 1)
        await stage.clock.advance(seconds=61)
        assert (runner.tallies["bad"].runs, runner.tallies["good"].runs) == (1, 1)
        await stage.clock.advance(minutes=30)
        assert (runner.tallies["bad"].runs, runner.tallies["good"].runs) == (2, 2)
    (record,) = [record for record in caplog.records if "BUG" in record.message]
    assert "bad begins again" in record.message


async def test_x8_a_poller_without_a_heartbeat_ends(stage: Stage, tmp_path: Path) -> None:
    """X8: the error goes up, so that the process ends and is started again; no run is left behind."""
    runner = stage.make(http_job(tmp_path, "pods"))
    task = asyncio.create_task(runner.run(asyncio.Event()))
    await settle()

    async def broken(**_: Any) -> None:
        raise ZeroDivisionError

    runner._beat = broken  # type: ignore[method-assign] # a bug where none was foreseen
    await stage.clock.advance(minutes=5)
    assert task.done()
    with pytest.raises(ZeroDivisionError):
        task.result()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith(("job", "run", "sender", "prune"))]
