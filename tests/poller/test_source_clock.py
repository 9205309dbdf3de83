"""What a run makes of the source's clock, and of its own time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.poller.bench import Bench
from tests.poller.jobs import TOTAL, http_job, ones
from timepoint.clock import MINUTE
from timepoint.job import HttpPolling
from timepoint.model import Outcome, Window
from timepoint.request.answer import Answer


async def test_a_window_in_the_future_of_the_source_stays_open(tmp_path: Path) -> None:
    """A clock that runs an hour ahead moves no watermark: set right, the next run asks for all that was not there.

    Faults: K2.
    """

    def at_ten(window: Window) -> Answer:
        body = json.dumps([row for row in ones(window) if row["t"] < noon]).encode()
        return Answer(200, "application/json", body, "https://fake.example/", said_at=noon)

    at = Bench(tmp_path, http_job(tmp_path), at_ten)
    noon = at.clock.now()
    await at.run()
    total = at.samples()[TOTAL]
    at.clock.jump(3600)
    report = await at.run()
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "clock")
    assert "the clock here is 1h ahead of the source's" in report.error
    at.clock.jump(-3600)
    at.source.answer = ones
    await at.clock.advance(minutes=60)
    await at.run()
    assert at.samples()[TOTAL] == total + 12


async def test_windows_that_the_source_has_lived_through_are_taken_with_any_clock(tmp_path: Path) -> None:
    """With a clock that runs ahead, a split run counts what is past for the source, up to where its future begins."""
    at = Bench(tmp_path, http_job(tmp_path, max_span="5m"), ones)
    began = at.clock.now()
    at.source.answer = lambda window: Answer(
        200, "application/json", json.dumps(ones(window)).encode(), "https://fake.example/", said_at=began - 12 * MINUTE
    )
    report = await at.run()
    assert (report.outcome, report.reason) == (Outcome.PARTIAL, "clock")
    assert at.samples()[TOTAL] == 5


async def test_the_clock_of_a_source_need_not_be_right(tmp_path: Path) -> None:
    """Where the config says that it is not to be compared, a Date that stands still stops nothing."""
    job = http_job(tmp_path)
    assert isinstance(job.polling, HttpPolling)
    polling = replace(job.polling, source=replace(job.polling.source, clock_tolerance=0))
    at = Bench(tmp_path, replace(job, polling=polling), ones)
    at.source.answer = lambda window: Answer(
        200, "application/json", json.dumps(ones(window)).encode(), "https://fake.example/", said_at=0
    )
    assert (await at.run()).outcome is Outcome.OK


async def test_a_request_without_a_window_may_be_answered_from_a_cache(tmp_path: Path) -> None:
    """The Date of an answer that a cache kept says nothing about the clock here."""
    at = Bench(tmp_path, replace(http_job(tmp_path), window_is_asked=False), ones)
    at.source.answer = lambda window: Answer(
        200, "application/json", json.dumps(ones(window)).encode(), "https://fake.example/", said_at=0
    )
    assert (await at.run()).outcome is Outcome.OK


async def test_a_run_whose_time_is_over_says_so(tmp_path: Path) -> None:
    """Windows that the timeout of the job leaves no time for are no matter of the source's min_interval."""
    at = Bench(tmp_path, http_job(tmp_path, max_span="5m"), ones)

    def slow(window: Window) -> list[dict[str, Any]]:
        at.clock._monotonic += at.job.timeout / 1000 + 1
        return ones(window)

    at.source.answer = slow
    report = await at.run()
    assert (report.outcome, report.reason) == (Outcome.PARTIAL, "timeout")


async def test_an_api_that_is_later_than_said_keeps_its_window_open(tmp_path: Path) -> None:
    """Points before a window that the request does not name fail the run, which asks for that window again."""
    late = 10 * MINUTE
    at = Bench(tmp_path, replace(http_job(tmp_path), window_is_asked=False), ones)
    at.source.answer = lambda window: ones(Window(window.start - 2 * late, window.start - late))
    report = await at.run()
    assert (report.outcome, report.reason) == (Outcome.MAPPING_ERROR, "all_unused")
    assert "the window stays open" in report.error
    at.source.answer = ones
    assert (await at.run()).outcome is Outcome.OK
