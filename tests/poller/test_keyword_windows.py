"""Requests that name their range by a word, which the window of the job gives its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from timepoint.clock import DAY, HOUR
from timepoint.config import load_config
from timepoint.model import Outcome, Window
from timepoint.testing import FakeClock

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  energy:
    source: api
    every: 6h
    jitter: 0s
    request: {get: /energy, params: {period: WORD}}
    window: {step: day, timezone: Europe/Berlin}
    zero_first: 0s
    metrics: {METRIC}
"""
YESTERDAY = 'time: {at: "{window.end}", interval: day, labelled: end, timezone: Europe/Berlin}'
TODAY = 'time: {start: "{window.end}", end: "{fire_time}"}'


def bench(directory: Path, word: str, metric: str) -> Bench:
    """A job that asks four times a day."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.replace("WORD", word).replace("METRIC", metric))
    [job] = load_config(path, {}).jobs
    return Bench(directory, job, lambda _: None)


def day_of(clock: FakeClock) -> int:
    """The number of the day in Berlin, in winter."""
    return (clock.now() + HOUR) // DAY


async def test_yesterday_counts_once(tmp_path: Path) -> None:
    """However often a day is told, its amount counts once, and each day counts."""
    b = bench(
        tmp_path, "yesterday", f"joules_total: {{type: counter, temporality: delta, help: E., value: $.v, {YESTERDAY}}}"
    )
    told: set[int] = set()

    def answer(_window: Window) -> Any:
        told.add(day_of(b.clock) - 1)
        return {"v": day_of(b.clock) - 1}

    b.source.answer = answer
    for _ in range(13):
        report = await b.run()
        assert report.outcome is Outcome.OK, report.error
        await b.clock.advance(hours=6)
    assert len(told) == 4
    assert b.samples() == {"joules_total": sum(told)}


@pytest.mark.parametrize("hours", [0, 9])
async def test_today_is_shown(tmp_path: Path, hours: int) -> None:
    """A gauge of today shows what the answer of now says."""
    b = bench(tmp_path, "today", f"joules: {{type: gauge, help: E., value: $.v, {TODAY}}}")
    await b.clock.advance(hours=hours)
    b.source.answer = lambda _: {"v": 7}
    report = await b.run()
    assert report.outcome is Outcome.OK, report.error
    assert b.samples() == {"joules": 7}
