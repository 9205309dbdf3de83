"""What a runner tells the status pages."""

from __future__ import annotations

import logging
from array import array
from itertools import pairwise
from pathlib import Path

import pytest

from tests.poller.jobs import http_job
from tests.poller.stage import Stage
from timepoint.clock import MINUTE
from timepoint.errors import StatusError
from timepoint.job import Workload
from timepoint.journal.files import config_path, read_told, recent_path, runs_path
from timepoint.journal.told import FAILED_RUNS, REQUESTS, RUNS, ConfigTold, JobTold, RecentTold
from timepoint.model import Rejects, Window
from timepoint.poller.journal import JobJournal, series_limit
from timepoint.poller.report import RequestReport, RunReport, skipped
from timepoint.poller.runner import Runner
from timepoint.poller.telling import run_told
from timepoint.request.shown import ShownRequest
from timepoint.testing import FakeClock, fake_surroundings, settle


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A runner on fakes."""
    return Stage(tmp_path)


def told_of(stage: Stage) -> JobTold:
    """What the journal tells of the job."""
    told = read_told(runs_path(stage.published, "pods"), JobTold)
    assert told is not None
    return told


async def test_a_run_is_told_stage_by_stage(stage: Stage, tmp_path: Path) -> None:
    """Its window, what came of it, what was decided, how long each stage took, and how the job stands after it."""
    async with stage.running(http_job(tmp_path)):
        await stage.clock.advance(minutes=30)
    told = told_of(stage)
    run = told.runs[0]

    assert (run.outcome, run.committed, run.rows, run.points, run.series) == ("ok", 1, 6, 6, 1)
    assert run.counts["new"] == 6
    assert set(run.stages) == {"fetch", "map", "decide", "commit", "publish"}
    assert run.windows == [(told.watermark - 30 * MINUTE, told.watermark)] if told.watermark else False
    assert [(metric.name, metric.series) for metric in told.metrics] == [("energy_joules_total", 1)]
    assert ("every", "30m") in dict(told.facts)["Schedule"]


async def test_the_timepoints_of_the_runs_are_told(stage: Stage, tmp_path: Path) -> None:
    """Over several runs, each at its own time; also those that a runner before this one had."""
    job = http_job(tmp_path)
    async with stage.running(job):
        await stage.clock.advance(minutes=60)
    async with stage.running(job):
        await stage.clock.advance(minutes=60)
    recent = read_told(recent_path(stage.published, "pods"), RecentTold)
    assert recent is not None
    one = recent.series["energy_joules_total"]
    ends = array("q", recent.grids[0].ends)

    assert one.texts == '{pod="a"}'
    assert len(ends) == sum(run.points for run in told_of(stage).runs)
    assert [b - a for a, b in pairwise(ends)] == [5 * MINUTE] * (len(ends) - 1)
    assert array("d", one.values).tolist() == [1.0] * len(ends)


async def test_a_failed_run_is_told_with_its_request(stage: Stage, tmp_path: Path) -> None:
    """What was asked, the status and the reason; and the runs before it stay."""
    async with stage.running(http_job(tmp_path)):
        failure = StatusError(503, "status 503")
        failure.asked = ShownRequest("GET", "https://api.example/pods?key=***", (("Authorization", "<secret>"),))
        stage.source.answer = lambda _window: failure
        await stage.clock.advance(minutes=30)
    newest, before = told_of(stage).runs
    [request] = newest.requests

    assert (newest.outcome, newest.reason, newest.failed) == ("source_error", "status", True)
    assert (request.url, request.status) == ("https://api.example/pods?key=***", 503)
    assert request.headers == [("Authorization", "<secret>")]
    assert "status 503" in request.error
    assert before.outcome == "ok"


async def test_the_config_is_told_and_goes_with_its_file(stage: Stage, tmp_path: Path) -> None:
    """A runner tells the one that it runs; one without a file tells none."""
    around = fake_surroundings(stage.published, stage.clock, stage.source, stage.store)
    job = http_job(tmp_path)
    await Runner(Workload((job,), text="a: 1\n"), around).run_once()
    assert read_told(config_path(stage.published), ConfigTold) == ConfigTold(stage.clock.now(), "a: 1\n")
    await Runner(Workload((job,)), around).run_once()
    assert not config_path(stage.published).exists()


async def test_a_journal_that_cannot_be_written_costs_no_run(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The runs go on, and the log says it once."""
    runs_path(stage.published, "pods").mkdir(parents=True)
    with caplog.at_level(logging.WARNING):
        async with stage.running(http_job(tmp_path)):
            await stage.clock.advance(minutes=90)
    assert stage.status()["outcome"] == "ok"
    assert sum("journal_failed" in record.getMessage() for record in caplog.records) == 1


async def test_a_bug_in_the_journal_costs_no_run(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages for people are no part of what counts."""

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("timepoint.poller.recent.Recent.take", broken)
    monkeypatch.setattr("timepoint.poller.journal.run_told", broken)
    async with stage.running(http_job(tmp_path)):
        await stage.clock.advance(minutes=30)
    assert stage.status()["outcome"] == "ok"
    assert any("BUG: the journal" in record.getMessage() for record in caplog.records)


async def test_journals_of_jobs_that_left_go(stage: Stage, tmp_path: Path) -> None:
    """As their pages do."""
    async with stage.running(http_job(tmp_path, "gone")):
        await settle()
    assert runs_path(stage.published, "gone").exists()
    async with stage.running(http_job(tmp_path)):
        await settle()
    assert not runs_path(stage.published, "gone").exists()
    assert not recent_path(stage.published, "gone").exists()


def journal(directory: Path) -> JobJournal:
    """A journal without a runner."""
    return JobJournal(http_job(directory), directory, FakeClock("2026-01-01T00:00:00Z"))


def test_what_failed_stays_longer_than_what_went_well(tmp_path: Path) -> None:
    """The newest runs, and of the older ones the newest that failed."""
    kept = journal(tmp_path)
    for number in range(10):
        kept.note(_failed(number), [])
    for number in range(10, 10 + RUNS):
        kept.note(RunReport("pods", number, number), [])
    told = read_told(runs_path(tmp_path, "pods"), JobTold)
    assert told is not None
    assert [run.began for run in told.runs] == [*range(9 + RUNS, 9, -1), *range(9, 9 - FAILED_RUNS, -1)]


def _failed(number: int) -> RunReport:
    report = RunReport("pods", number, number)
    report.reason, report.outcome = "status", type(report.outcome)("source_error")
    return report


def test_runs_that_were_skipped_for_one_reason_are_one(tmp_path: Path) -> None:
    """A job that mostly has nothing to ask for does not push its runs out."""
    kept = journal(tmp_path)
    kept.note(RunReport("pods", 0, 0), [])
    for number in range(1, 100):
        kept.remember(skipped("pods", number, number, "nothing_new", "no data time is new since the last run"))
    kept.note(RunReport("pods", 100, 100), [])
    told = read_told(runs_path(tmp_path, "pods"), JobTold)
    assert told is not None
    assert [(run.began, run.again) for run in told.runs] == [(100, 0), (99, 98), (0, 0)]


def test_known_credentials_are_masked_in_every_text() -> None:
    """In errors, notes, requests and examples of rejects."""
    report = RunReport("pods", 0, 0, error="canary", brought_back="canary")
    report.rejects = Rejects({"x": 1}, {"x": ["$.a: canary"]})
    asked = ShownRequest("GET", "https://a/canary", (("X", "canary"),), "canary")
    report.note_request(RequestReport(asked, Window(0, 1), "", error="canary", content_type="canary"))
    told = run_told(report, lambda text: text.replace("canary", "***"))
    assert "canary" not in repr(told)


def test_a_run_tells_no_more_than_fits() -> None:
    """Of many requests the failed ones stay; a text that is too long is cut."""
    report = RunReport("pods", 0, 0, error="x" * 100_000)
    for number in range(100):
        asked = ShownRequest("GET", f"https://a/{number}")
        report.note_request(RequestReport(asked, Window(0, 1), "", error="no" if number == 50 else ""))
    told = run_told(report, str)
    assert len(told.requests) == REQUESTS
    assert told.requests[0].url == "https://a/50"
    assert told.request_count == 100
    assert len(told.error) == 2000


def test_many_jobs_share_what_is_followed() -> None:
    """Memory for charts does not grow with the number of jobs."""
    assert series_limit(1) == 10_000
    assert series_limit(500) == 200
    assert series_limit(1_000_000) == 1
