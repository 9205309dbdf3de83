"""Jobs whose windows are more than an even grid: days of a calendar, and counters that count the window itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from tests.poller.jobs import function_job
from timepoint.clock import HOUR, MINUTE
from timepoint.config import load_config
from timepoint.errors import StatusError
from timepoint.model import Outcome, Window
from timepoint.poller.function_points import Point, collect

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    request:
      get: /energy
      params: {start: "{window.start}", end: "{window.end}"}
    window: WINDOW
    metrics:
      energy_joules_total: {type: counter, temporality: delta, help: Energy., zero_first: 0s, value: $.energyTIME}
"""
TOTAL = "energy_joules_total"
DAYS = "{step: day, timezone: Europe/Berlin}"
HOURLY = ', time: {start: "{window.start}", step: 1h}'


def bench(directory: Path, window: str, answer: Callable[[Window], Any], time: str = "") -> Bench:
    """A job with this window; its counter has these keys beside its value."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.replace("WINDOW", window).replace("TIME", time))
    [job] = load_config(path, {}).jobs
    return Bench(directory, job, answer)


def hours_of(window: Window) -> dict[str, list[int]]:
    """One for each hour of the window."""
    return {"energy": [1] * ((window.end - window.start) // HOUR)}


@pytest.mark.parametrize(
    ("until", "hours"), [(296 * 24 + 13.5, 24), (297 * 24 + 13.5, 25), (298 * 24 + 13.5, 24), (87 * 24 + 12.5, 23)]
)
async def test_a_day_takes_as_many_hourly_values_as_it_has_hours(tmp_path: Path, until: float, hours: int) -> None:
    """Around a change of the clocks a list of another length is a length mismatch, and the day stays open."""
    b = bench(tmp_path, DAYS, lambda _: {"energy": [1] * (49 - hours)}, HOURLY)
    b.clock.jump(until * 3600)
    report = await b.run()
    [window] = report.windows
    assert window.end - window.start == hours * HOUR
    if hours == 24:
        b.source.answer = lambda _: {"energy": [1] * 23}
        report = await b.run()
    assert (report.outcome, report.rejects.counts) == (Outcome.MAPPING_ERROR, {"length_mismatch": 1})
    b.source.answer = lambda _: {"energy": [1] * hours}
    report = await b.run()
    assert (report.outcome, report.windows, b.samples()) == (Outcome.OK, [window], {TOTAL: hours})


async def test_what_a_widened_overlap_reads_again_is_known(tmp_path: Path) -> None:
    """An overlap of an hour reads the whole day before again: each of its hours is known, and may be revised."""
    b = bench(tmp_path, DAYS.replace("day,", "day, overlap: 1h,"), hours_of, HOURLY)
    await b.run()
    b.source.answer = lambda window: {"energy": [5, *hours_of(window)["energy"][1:]]}
    for _ in range(3):
        await b.clock.advance(days=1)
        report = await b.run()
        assert (report.outcome, report.rejects.total) == (Outcome.OK, 0)
        assert (report.counts.new, report.counts.seen, report.counts.revised) == (24, 23, 1)
    assert b.samples() == {TOTAL: 4 * 24 + 3 * 4}


async def test_a_counter_without_time_counts_each_window(tmp_path: Path) -> None:
    """In a catch-up of several windows each answer is about its own, however often a run fails in between."""
    failures = [None, StatusError(500, "broken"), StatusError(500, "broken")]

    def answer(window: Window) -> Any:
        return (failures.pop(0) if failures else None) or {"energy": (window.end - window.start) // MINUTE}

    b = bench(tmp_path, "{step: 5m, max_span: 10m}", answer)
    first = await b.run()
    await b.clock.advance(minutes=30)
    second = await b.run()
    await b.clock.advance(minutes=30)
    third = await b.run()
    assert (first.outcome, second.outcome, third.outcome) == (Outcome.PARTIAL, Outcome.SOURCE_ERROR, Outcome.OK)
    assert (first.committed, third.committed, third.counts.new, third.counts.revised) == (1, 8, 8, 0)
    assert b.samples() == {TOTAL: 90}


async def test_a_counter_without_time_asks_for_nothing_twice(tmp_path: Path) -> None:
    """After the step was changed the first window begins where the last one ended, be that off the new grid."""
    b = bench(tmp_path, "{step: 5m, delay: 5m}", lambda window: {"energy": (window.end - window.start) // MINUTE})
    await b.run()
    other = bench(tmp_path, "{step: 1h}", b.source.answer)
    b.job = other.job
    b.restart()
    await b.clock.advance(minutes=60)
    report = await b.run()
    assert (report.outcome, [window.end - window.start for window in report.windows]) == (Outcome.OK, [65 * MINUTE])
    assert b.samples() == {TOTAL: 95}


def test_a_point_of_a_function_without_time_is_about_its_window() -> None:
    """A counter's point is the window, a gauge's an instant at the fire time."""
    job = function_job(lambda _: [])
    window = Window(1000, 2000)
    mapped = collect([Point("energy_joules_total", 1)], job.metrics, 3000, window)
    [points] = mapped.series["energy_joules_total"].values()
    assert (points.times.starts, points.times.ends) == ((1000,), (2000,))
