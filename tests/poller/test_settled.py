"""Answers that say themselves up to when they are final."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.poller.bench import Bench
from timepoint.clock import HOUR, MINUTE
from timepoint.config import load_config
from timepoint.model import Outcome, Window
from timepoint.poller.report import RunReport
from timepoint.poller.tally import JobTally
from timepoint.request.answer import Answer
from timepoint.testing import FakeClock

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    request: {get: /pods, params: {PARAMS}}
    window: {WINDOW}
    expect: {empty_status: [404]}
    rows: {r: "$.data[*]"}
    time: {at: $r.t, interval: 5m, format: unix_ms}
    labels: {pod: $r.pod}
    zero_first: 0s
    metrics: {METRICS}
"""
ASKED = 'start: "{window.start}", end: "{window.end}"'
COUNTER = "joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v}"
GAUGE = "watts: {type: gauge, help: Power., value: $r.v}"
TOTAL = 'joules_total{pod="a"}'
WATTS = 'watts{pod="a"}'
WINDOW = "step: 5m, settled_until: {at: $.meta.until, format: unix_ms}"
STEP = 5 * MINUTE


class Api:
    """Five-minute amounts of 1; what ends after ``lag`` before the fire time is still 7. It says where that begins."""

    def __init__(self, clock: FakeClock, lag: int = 20 * MINUTE) -> None:
        self.clock = clock
        self.lag = lag
        self.asked: list[Window] = []
        self.finished = 0

    @property
    def until(self) -> int:
        return self.clock.now() - self.lag

    def __call__(self, window: Window) -> Any:
        self.asked.append(window)
        self.finished = max(self.finished, self.until)
        return {"meta": {"until": self.until}, "data": self.rows(window)}

    def rows(self, window: Window) -> list[dict[str, Any]]:
        first = -(-window.start // STEP) * STEP
        return [
            {"pod": "a", "t": start, "v": 1 if start + STEP <= self.finished else 7}
            for start in range(first, window.end, STEP)
        ]


def bench(directory: Path, window: str = WINDOW, params: str = ASKED, metrics: str = f"{COUNTER}, {GAUGE}") -> Bench:
    """A half-hourly job, and an API that finishes its data twenty minutes late."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.replace("WINDOW", window).replace("PARAMS", params).replace("METRICS", metrics))
    [job] = load_config(path, {}).jobs
    b = Bench(directory, job, lambda _: None)
    b.source.answer = Api(b.clock)
    return b


def said(until: Any, *pods: str) -> Callable[[Window], Any]:
    """An answer that says this, and 1 for each five minutes."""

    def answer(window: Window) -> Any:
        rows = [{"pod": pod, "t": t, "v": 1} for pod in pods or ("a",) for t in range(window.start, window.end, STEP)]
        return {"meta": {"until": until(window) if callable(until) else until}, "data": rows}

    return answer


@pytest.mark.parametrize("delay", ["", ", delay: 5m", ", delay: 1h"])
async def test_nothing_counts_before_it_is_final(tmp_path: Path, delay: str) -> None:
    """The window ends where data are final, by the answer or by the delay; the next run begins there."""
    b = bench(tmp_path, WINDOW + delay)
    for _ in range(6):
        report = await b.run()
        assert report.outcome is Outcome.OK
        lane = b.store.load("pods", "")
        assert lane.asked_from is not None
        assert lane.watermark == b.clock.now() - (HOUR if "1h" in delay else 20 * MINUTE)
        assert b.samples() == {TOTAL: (lane.watermark - lane.asked_from) / STEP, WATTS: 1}
        await b.clock.advance(minutes=30)


async def test_a_boundary_behind_the_window_leaves_it_open(tmp_path: Path) -> None:
    """Nothing final is no failure: the window stays due until the boundary comes into it, and nothing is lost."""
    b = bench(tmp_path)
    b.source.answer = api = Api(b.clock, lag=2 * HOUR)
    for _ in range(4):
        report = await b.run()
        assert (report.outcome, report.reason, report.failed) == (Outcome.SKIPPED, "not_settled", False)
        assert b.store.load("pods", "").watermark is None
        await b.clock.advance(minutes=30)
    report = await b.run()
    assert report.outcome is Outcome.OK
    assert b.samples() == {TOTAL: (api.until - api.asked[0].start) / STEP, WATTS: 1}


async def test_a_person_sees_why_nothing_comes(tmp_path: Path) -> None:
    """The status tells of the newest run, though it is no failure, until one is accepted; the job is ready."""
    b = bench(tmp_path)
    tally = JobTally("pods")
    b.source.answer = Api(b.clock, lag=2 * HOUR)
    tally.add(await b.run())
    assert (tally.is_known, tally.consecutive_failures, tally.failures) == (True, 0, {})
    assert tally.status()["outcome"] == "skipped"
    assert tally.status()["reason"].startswith("not_settled: the answer says that its data are final only until 20")
    b.source.answer = Api(b.clock)
    tally.add(await b.run())
    assert (tally.status()["outcome"], tally.status()["reason"]) == ("ok", "")


async def test_the_run_tells_up_to_when_data_are_final(tmp_path: Path) -> None:
    """As the answers say it, the earliest if they differ; an answer that names no instant tells none."""
    b = bench(tmp_path)
    assert (await b.run()).settled_until == b.clock.now() - 20 * MINUTE
    report = RunReport("pods", 0, 0)
    for boundary in (float("-inf"), 2000.7, 1000.2, None, 3000.0):
        report.note_settled(boundary)
    assert report.settled_until == 1000


async def test_a_boundary_between_two_steps_is_floored(tmp_path: Path) -> None:
    """A step that is final in part is not final."""
    b = bench(tmp_path)
    b.source.answer = said(lambda window: window.end - 7 * MINUTE)
    report = await b.run()
    assert b.store.load("pods", "").watermark == report.windows[0].end - 10 * MINUTE
    assert b.samples()[TOTAL] == 4


@pytest.mark.parametrize("ahead", [0, 1, 3650 * 24 * HOUR])
async def test_a_boundary_in_the_future_allows_the_window(tmp_path: Path, ahead: int) -> None:
    """What the API calls final beyond the window is not asked for yet."""
    b = bench(tmp_path)
    b.source.answer = said(lambda window: window.end + ahead)
    report = await b.run()
    assert b.store.load("pods", "").watermark == report.windows[0].end
    assert b.samples()[TOTAL] == 6


@pytest.mark.parametrize("nothing", [None, ""])
async def test_null_means_that_nothing_is_final(tmp_path: Path, nothing: Any) -> None:
    """An API that has nothing final yet says null, and the window stays open."""
    b = bench(tmp_path)
    b.source.answer = said(nothing)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SKIPPED, "not_settled")
    assert "nothing of it" in report.error


@pytest.mark.parametrize("garbage", ["soon", {}, [], True, 1e300, "1.2.3"])
async def test_a_boundary_that_is_no_time_fails_the_run(tmp_path: Path, garbage: Any) -> None:
    """Nobody knows then what is final, and the error shows what was found."""
    b = bench(tmp_path)
    b.source.answer = said(garbage)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "expect")
    assert "$.meta.until (window.settled_until) is " in report.error
    assert b.store.load("pods", "").watermark is None


async def test_a_boundary_that_is_not_there_fails_the_run(tmp_path: Path) -> None:
    """A misspelt path is not quiet."""
    b = bench(tmp_path)
    b.source.answer = lambda _: {"data": []}
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "expect")
    assert report.error == "$.meta.until (window.settled_until) is nowhere in the answer"


async def test_a_status_that_means_nothing_yet_settles_nothing(tmp_path: Path) -> None:
    """Such an answer has no body that could say what is final."""
    b = bench(tmp_path)
    b.source.answer = lambda _: Answer(404, "", b"", "https://api.example", empty=True)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SKIPPED, "not_settled")


async def test_the_earliest_of_several_pages_counts(tmp_path: Path) -> None:
    """A boundary may stand on one page alone; of two the earlier one is right for both."""
    b = bench(tmp_path)

    def pages(window: Window) -> tuple[Answer, ...]:
        rows = said(0)(window)["data"]
        untils = [{"until": window.end}, {"until": window.end - 10 * MINUTE}, {}]
        bodies = [{"meta": meta, "data": rows[n::3]} for n, meta in enumerate(untils)]
        return tuple(
            Answer(200, "application/json", json.dumps(body).encode(), "https://api.example") for body in bodies
        )

    b.source.answer = pages
    report = await b.run()
    assert b.store.load("pods", "").watermark == report.windows[0].end - 10 * MINUTE
    assert b.samples()[TOTAL] == 4


async def test_a_catch_up_ends_at_the_boundary(tmp_path: Path) -> None:
    """Of the windows of a run those behind the boundary are not asked for, and series that are gone leave."""
    b = bench(tmp_path, f"{WINDOW}, max_span: 10m, initial: 1h")
    api = b.source.answer = Api(b.clock, lag=30 * MINUTE)
    report = await b.run()
    assert (report.outcome, len(api.asked)) == (Outcome.OK, 4)
    assert b.samples() == {TOTAL: 6, WATTS: 1}
    api.rows = lambda window: [{**row, "pod": "b"} for row in Api.rows(api, window)]  # type: ignore[method-assign]
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert (report.outcome, len(api.asked)) == (Outcome.OK, 8)
    assert b.samples() == {'joules_total{pod="b"}': 6, 'watts{pod="b"}': 1}


async def test_what_was_final_once_is_not_taken_back(tmp_path: Path) -> None:
    """A boundary that goes back moves no watermark; values before it may be revised all the same."""
    b = bench(tmp_path, f"{WINDOW}, overlap: 10m")
    await b.run()
    watermark = b.store.load("pods", "").watermark
    assert watermark is not None
    b.source.answer = lambda window: {**said(0)(window), "data": [{"pod": "a", "t": watermark - STEP, "v": 3}]}
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert (report.outcome, report.counts.revised) == (Outcome.OK, 1)
    assert b.store.load("pods", "").watermark == watermark
    assert b.samples() == {TOTAL: 4, WATTS: 3}


async def test_a_gauge_of_a_whole_answer_shows_the_newest_final_value(tmp_path: Path) -> None:
    """Where the request does not name its window, the newest value may be final long before the window begins."""
    b = bench(tmp_path, WINDOW, params="zone: DE", metrics=GAUGE)
    for lag in (5 * HOUR, 3 * HOUR, 0):
        now = b.clock.now()
        rows = [{"pod": "a", "t": t, "v": t // STEP} for t in range(now - 24 * HOUR, now + HOUR, STEP)]
        b.source.answer = lambda _, until=now - lag, rows=rows: {"meta": {"until": until}, "data": rows}
        assert (await b.run()).outcome is Outcome.OK
        assert b.samples() == {WATTS: (now - lag) // STEP - 1}
        await b.clock.advance(minutes=30)


async def test_values_that_nothing_final_follows_leave_at_max_age(tmp_path: Path) -> None:
    """An API that never finishes its data again shows old values no longer than a failing one."""
    b = bench(tmp_path)
    await b.run()
    b.source.answer = said(None)
    for shown in (True, True, False):
        await b.clock.advance(minutes=30)
        await b.run()
        assert bool(b.samples()) is shown


@given(
    lags=st.lists(st.integers(0, 40), min_size=1, max_size=12),
    pause=st.sampled_from([5, 30, 90]),
    options=st.sampled_from(["", ", overlap: 10m", ", max_span: 10m", ", overlap: 5m, max_span: 5m", ", delay: 5m"]),
)
async def test_each_step_counts_once_wherever_the_boundary_lies(
    tmp_path_factory: pytest.TempPathFactory, lags: list[int], pause: int, options: str
) -> None:
    """Whatever an API calls final, run by run: the total is what lies between the first window and the watermark."""
    b = bench(tmp_path_factory.mktemp("settled"), WINDOW + options, metrics=COUNTER)
    b.source.answer = api = Api(b.clock)
    for lag in lags:
        before = b.store.load("pods", "").watermark
        api.lag = lag * 4 * MINUTE
        await b.run()
        lane = b.store.load("pods", "")
        if lane.watermark is not None:
            assert lane.asked_from is not None
            assert lane.watermark <= max(before or 0, api.until)
            shown = b.samples().get(TOTAL)
            assert shown in (None, (lane.watermark - lane.asked_from) // STEP)
        await b.clock.advance(minutes=pause)
