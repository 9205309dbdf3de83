"""Every job once, as cron calls it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.poller.jobs import TOTAL, http_job, ones
from tests.poller.stage import Stage
from timepoint.clock import MINUTE
from timepoint.errors import TransportError
from timepoint.exposition.publish import POLLER, snapshot_path
from timepoint.job import Job
from timepoint.model import Window


async def test_a_run_once_has_no_jitter(stage: Stage, job: Job) -> None:
    """Called at the fire times, as cron does, each call runs the fire time of now and not the one before."""
    job = replace(job, schedule=replace(job.schedule, jitter=30 * MINUTE))
    stage.clock.jump(-7 * 60)
    for _ in range(2):
        await stage.make(job).run_once()
        assert stage.source.windows[-1].end == stage.clock.now() - 10 * MINUTE
        await stage.clock.advance(minutes=30)


async def test_once_runs_what_is_due_and_tells_by_its_code(stage: Stage, job: Job) -> None:
    """Due jobs run and others do not; the code is 1 if a run failed."""
    assert await stage.make(job).run_once() == 0
    assert stage.samples()[TOTAL] == 6
    assert await stage.make(job).run_once() == 0
    assert len(stage.source.windows) == 1
    stage.source.answer = lambda _: TransportError("connect", "connection refused")
    await stage.clock.advance(minutes=30)
    assert await stage.make(job).run_once() == 1
    assert stage.status()["outcome"] == "source_error"


async def test_once_with_force_does_not_wait_for_the_fire_time(stage: Stage, job: Job) -> None:
    """Force runs a job that was tried already, yet has nothing to ask where nothing is new."""
    stage.source.answer = lambda _: TransportError("connect", "connection refused")
    assert await stage.make(job).run_once() == 1
    stage.source.answer = ones
    assert await stage.make(job).run_once() == 0
    assert TOTAL not in stage.samples()
    assert await stage.make(job).run_once(force=True) == 0
    assert stage.samples()[TOTAL] == 6


async def test_once_respects_the_least_time_between_requests(stage: Stage, tmp_path: Path) -> None:
    """Even force burns no quota."""
    job = http_job(tmp_path, min_interval="30m")
    await stage.make(job).run_once()
    await stage.clock.advance(minutes=23)
    assert await stage.make(job).run_once(force=True) == 0
    assert len(stage.source.windows) == 1
    assert stage.status()["outcome"] == "skipped"


async def test_once_goes_on_counting_where_the_call_before_ended(stage: Stage, job: Job) -> None:
    """The poller's own counters add up over calls, also over a call that failed or whose status cannot be read."""

    def answer(window: Window) -> Any:
        if len(stage.source.windows) == 2:
            return TransportError("connect", "refused")
        return [*ones(window), {"pod": "a", "t": window.start, "v": "n/a"}]

    stage.source.answer = answer
    for _ in range(3):
        await stage.make(job).run_once()
        await stage.clock.advance(minutes=30)
    samples = stage.samples()
    assert samples['timepoint_job_runs_total{job_name="pods"}'] == 3
    assert samples['timepoint_job_run_failures_total{job_name="pods",outcome="source_error"}'] == 1
    assert samples['timepoint_job_rejects_total{job_name="pods",reason="not_a_number"}'] == 2
    assert samples['timepoint_job_new_points_total{job_name="pods"}'] == 18
    snapshot_path(stage.published, POLLER).write_bytes(b"damaged")
    await stage.make(job).run_once()
    assert stage.samples()['timepoint_job_runs_total{job_name="pods"}'] == 1


async def test_once_can_be_told_which_jobs(stage: Stage, tmp_path: Path) -> None:
    """Jobs that are not named are left alone, and their pages stay."""
    jobs = http_job(tmp_path, "one"), http_job(tmp_path, "two")
    runner = stage.make(*jobs)
    await runner.run_once(only=["two"])
    assert [runner.tallies[name].runs for name in ("one", "two")] == [0, 1]
    assert snapshot_path(stage.published, "one").exists()
