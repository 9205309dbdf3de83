"""What is told of runs that go well and are probably not what their author meant."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.poller.stage import Stage
from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.job import Job
from timepoint.model import Window

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  meter:
    source: api
    every: 30m
    jitter: 0s
    request: {get: /latest}
    rows: {r: "$[*]"}
    metrics:
      power_watts: {type: gauge, help: Power., value: $r.power}
      energy_joules_total:
        type: counter
        temporality: delta
        help: Energy.
        value: $r.v
        zero_first: 0s
        time: {at: $r.t, interval: 30m, format: unix_ms}
"""


def meter(directory: Path) -> Job:
    """The job of the config."""
    path = directory / "config.yaml"
    path.write_text(CONFIG)
    [job] = load_config(path, {}).jobs
    return job


def rows_so_late(lateness: int) -> Any:
    """An answer with the power and one amount, whose interval ended before the window's end by so much."""
    return lambda window: [{"power": 40, "v": 1, "t": window.end - lateness}]


async def doubts(stage: Stage, job: Job, caplog: pytest.LogCaptureFixture, runs: int) -> list[str]:
    """What is told after so many runs."""
    with caplog.at_level(logging.WARNING):
        async with stage.running(job):
            for _ in range(runs):
                await stage.clock.advance(minutes=30)
    return [str(vars(record)) for record in caplog.records if record.getMessage() == "doubtful"]


async def test_amounts_that_are_always_older_than_the_window_are_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A counter that never begins, beside a gauge with which the watermark moves on, is told after three runs."""
    stage = Stage(tmp_path)
    stage.source.answer = rows_so_late(90 * MINUTE)
    [told] = await doubts(stage, meter(tmp_path), caplog, 6)
    assert "power_watts" in stage.samples()
    assert "energy_joules_total" not in stage.samples()
    assert "no point of energy_joules_total has been in a window so far" in told
    assert "say so with delay" in told


async def test_amounts_that_come_in_time_raise_no_doubt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A counter that has begun is not doubted, also when its amounts come late from then on."""
    stage = Stage(tmp_path)

    def answer(window: Window) -> Any:
        return rows_so_late(30 * MINUTE if len(stage.source.windows) < 2 else 90 * MINUTE)(window)

    stage.source.answer = answer
    assert await doubts(stage, meter(tmp_path), caplog, 6) == []
    assert "energy_joules_total" in stage.samples()
