"""Requests that name no window, and APIs that only tell how things stand now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.model import Outcome, Window
from timepoint.request.answer import Answer

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  meter:
    source: api
    every: 30m
    jitter: 0s
    request: {get: /latest}
    window: {delay: DELAY}
    time: {at: $.at, format: unix_ms}
    metrics:
      power_watts: {type: gauge, help: Power., value: $.power}
      energy_joules_total: {type: counter, temporality: cumulative, help: Energy., value: $.reading, zero_first: 0s}
"""


def bench(directory: Path, age: int, *, delay: str = "0s") -> Bench:
    """A half-hourly job, whose run begins a minute after its fire time, and an API whose newest value is so old."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.replace("DELAY", delay))
    [job] = load_config(path, {}).jobs
    b = Bench(directory, job, lambda _: None)

    def answer(_: Window) -> Answer:
        body: dict[str, Any] = {"at": b.clock.now() - age, "power": 40, "reading": b.clock.now()}
        return Answer(200, "application/json", json.dumps(body).encode(), "https://fake.example/")

    b.source.answer = answer
    return b


@pytest.mark.parametrize("age", [0, MINUTE // 2, MINUTE, 29 * MINUTE, 300 * MINUTE])
async def test_the_newest_value_counts_however_old_it_is(tmp_path: Path, age: int) -> None:
    """A value that is newer than the fire time, or older than the window, is shown, and a reading of it counts."""
    b = bench(tmp_path, age)
    for _ in range(3):
        fire_time = b.clock.now()
        await b.clock.advance(minutes=1)
        report = await b.pipeline.run(fire_time)
        assert report.outcome is Outcome.OK, report.error
        assert b.samples() == {"power_watts": 40, "energy_joules_total": b.clock.now()}
        await b.clock.advance(minutes=29)


async def test_a_value_younger_than_the_delay_is_not_used(tmp_path: Path) -> None:
    """What the config says still changes is left for a later run, which is told."""
    b = bench(tmp_path, 4 * MINUTE, delay="5m")
    fire_time = b.clock.now()
    await b.clock.advance(minutes=1)
    report = await b.pipeline.run(fire_time)
    assert report.reason == "all_unused"
    assert "after the window, which is what has settled" in report.error
    assert b.samples() == {}


async def test_an_amount_that_is_shown_after_its_window_is_late_and_not_lost(tmp_path: Path) -> None:
    """An API that shows its newest amount sometimes before and sometimes after the run is counted once for each.

    But for the first, which began before anything was asked for.
    """
    path = tmp_path / "config.yaml"
    path.write_text(
        CONFIG.replace("DELAY", "0s")
        .replace("temporality: cumulative", "temporality: delta, time: {AMOUNT}")
        .replace("every: 30m", "every: 15m")
        .replace("AMOUNT", "at: $.at, format: unix_ms, interval: 30m, labelled: end")
    )
    [job] = load_config(path, {}).jobs
    b = Bench(tmp_path, job, lambda _: None)
    half = 30 * MINUTE
    lags = [0, 0, 0, 1, 1, 0, 1, 1, 1, 1]

    def answer(_: Window) -> Answer:
        lag = lags[len(b.source.windows) - 1]
        newest = (b.clock.now() - lag * MINUTE) // half * half
        body = {"at": newest, "power": 40, "reading": 1}
        return Answer(200, "application/json", json.dumps(body).encode(), "https://fake.example/")

    b.source.answer = answer
    await b.clock.advance(minutes=(half - b.clock.now() % half) // MINUTE)
    for run in range(len(lags)):
        await b.run()
        if run % 2:
            total = b.samples().get("energy_joules_total", 0)
            assert total == run // 2, "an amount is missing, or counts twice"
        await b.clock.advance(minutes=15)
