"""Python functions that are called for each of several values."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from timepoint import Counter, Exporter, JobWindow, Point
from timepoint.poller.runner import Runner
from timepoint.testing import FakeClock, fake_surroundings, published_page, read_samples, settle

TOTAL = Counter("x_joules_total", "Energy.", zero_first="0s")


async def test_a_function_is_called_for_each_value(tmp_path: Path) -> None:
    """The value is a label; a call that fails fails alone, and is asked for its window again."""
    exporter, broken = Exporter(), {"b"}

    @exporter.job(every="30m", step="5m", jitter="0s", metrics=[TOTAL], each={"zone": ["a", "b"]})
    def zones(window: JobWindow, zone: str) -> Iterator[Point]:
        if zone in broken:
            raise OSError("not there")
        for start, end in window.steps("5m"):
            yield Point("x_joules_total", 1, {"pod": "p"}, start=start, end=end)

    clock = FakeClock()
    around = replace(fake_surroundings(tmp_path, clock), heartbeat=3600.0)
    runner, stop = Runner(exporter.workload(), around), asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    await until(runner, clock, 1)
    first = read_samples(published_page(tmp_path, clock.now()))
    broken.clear()
    await until(runner, clock, 2)
    second = read_samples(published_page(tmp_path, clock.now()))
    stop.set()
    await task
    a, b = (f'x_joules_total{{pod="p",zone="{zone}"}}' for zone in "ab")
    assert (first.get(a), first.get(b)) == (6, None)
    assert (second[a], second[b]) == (12, 12)


async def until(runner: Runner, clock: FakeClock, runs: int) -> None:
    """Lets time go on until so many runs have ended: functions have threads, which know nothing of the clock."""
    tally = runner.tallies["zones"]
    while tally.runs < runs:
        if tally.running_since is None:
            await clock.advance(minutes=1)
        await settle()
    await clock.advance(seconds=1)


@pytest.mark.parametrize(
    ("each", "message"),
    [
        ({}, "names no values"),
        ({"zone": []}, "zone needs a list of values"),
        ({"zone": "DE"}, "zone needs a list of values"),
        ({"zone": ["a", "a"]}, "zone holds a value twice"),
        ({"zone": [""]}, "an empty value"),
        ({"area": ["a"]}, "the function must take a window and area"),
        ({"job": ["a"]}, "the label Prometheus gives to its target"),
        ({"zone": list(map(str, range(1001)))}, "1001 lanes, and max_lanes allows 1000"),
    ],
)
def test_values_that_cannot_work_are_refused_where_they_stand(each: dict[str, Any], message: str) -> None:
    """When the module is imported, and not at the first run."""
    with pytest.raises(ValueError, match=message):

        @Exporter().job(every="30m", metrics=[TOTAL], each=each)
        def zones(_window: JobWindow, zone: str) -> Iterator[Point]:
            yield Point("x_joules_total", 1, {"zone": zone})
