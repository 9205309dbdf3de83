"""The pages of the poller: made anew, left alone, put back, taken away."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.poller.jobs import TOTAL, http_job
from tests.poller.stage import Stage
from timepoint.exposition.publish import POLLER, published_paths, read_published, snapshot_path
from timepoint.job import Job
from timepoint.model import Outcome
from timepoint.testing import (
    published_page,
)


@pytest.mark.parametrize("harm", ["missing", "damaged", "other config"])
async def test_a_page_that_does_not_fit_the_ledger_is_made_anew(stage: Stage, job: Job, harm: str) -> None:
    """At the start each job's page is brought to the ledger before the poller first reports."""
    async with stage.running(job):
        pass
    path = snapshot_path(stage.published, "pods")
    if harm == "missing":
        path.unlink()
    elif harm == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        [(name, metric)] = job.metrics.items()
        job = replace(job, metrics={name: replace(metric, family=replace(metric.family, help="Other words."))})
    async with stage.running(job):
        assert stage.samples()[TOTAL] == 6
        if harm == "other config":
            assert "Other words." in published_page(stage.published, stage.clock.now())


async def test_a_page_that_fits_is_left_alone(stage: Stage, job: Job) -> None:
    """A restart writes no page that is as it should be."""
    async with stage.running(job):
        pass
    before = snapshot_path(stage.published, "pods").stat().st_mtime_ns
    async with stage.running(job):
        assert snapshot_path(stage.published, "pods").stat().st_mtime_ns == before


async def test_the_page_of_a_job_that_is_gone_is_taken_away(stage: Stage, job: Job, tmp_path: Path) -> None:
    """A job that is no longer configured is not shown."""
    async with stage.running(job):
        pass
    async with stage.running(http_job(tmp_path, "other")):
        names = {read_published(path).job_name for path in published_paths(stage.published)}
        assert names == {"other", POLLER}


async def test_a_page_that_could_not_be_published_is_tried_again(stage: Stage, job: Job) -> None:
    """When the directory can be written again the page follows the ledger without waiting for a run."""
    async with stage.running(job):
        aside = stage.published.rename(stage.published.with_name("aside"))
        stage.published.write_text("a file in the way")
        await stage.clock.advance(minutes=23)
        assert stage.runner.tallies["pods"].failures == {Outcome.STORE_ERROR: 1}
        stage.published.unlink()
        aside.rename(stage.published)
        await stage.clock.advance(minutes=2)
        assert stage.samples()[TOTAL] == 12


async def test_a_page_that_somebody_deleted_is_put_back(stage: Stage, job: Job) -> None:
    """It comes back at the next heartbeat, not after the next run half an hour later."""
    async with stage.running(job):
        assert stage.samples()[TOTAL] == 6
        shutil.rmtree(stage.published)
        await stage.clock.advance(seconds=10)
        assert stage.samples()[TOTAL] == 6
