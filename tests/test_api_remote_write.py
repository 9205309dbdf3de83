"""The Python API and receivers of remote write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.receiving import Wire
from timepoint import Counter, Exporter, Gauge, JobWindow, Point
from timepoint.clock import HOUR, MINUTE
from timepoint.model import Receiver
from timepoint.poller.runner import Runner
from timepoint.testing import FakeClock, fake_surroundings, published_page

CENTRAL = {"name": "central", "url": "https://central.example/api/v1/write", "protocol": "1.0"}
CENTRAL_OF_METRICS = Receiver("central", oldest=55 * MINUTE)
OTHER_OF_METRICS = Receiver("other", is_strict=False, oldest=6 * HOUR - 5 * MINUTE)
TOTAL = Counter("x_joules_total", "Energy.", deliver="remote_write")


def _ones(window: JobWindow) -> Iterable[Point]:
    for start, end in window.steps("5m"):
        yield Point("x_joules_total", 1, {"pod": "a"}, start=start, end=end)


def _exporter(*metrics: Counter | Gauge, receivers: Iterable[Any] = (CENTRAL,), **options: Any) -> Exporter:
    exporter = Exporter(remote_write=list(receivers))
    common: dict[str, Any] = {"every": "30m", "step": "5m", "delay": "10m", "name": "x"}
    exporter.job(**common | options, metrics=metrics or (TOTAL,))(_ones)
    return exporter


def test_timepoints_are_sent(tmp_path: Path) -> None:
    """A metric that a function gives points for is sent with the time of each, and is not on the page."""
    clock, wire = FakeClock(), Wire("central")
    runner = Runner(_exporter().workload(), replace(fake_surroundings(tmp_path, clock), open_post=wire))

    async def main() -> None:
        task = asyncio.create_task(runner.run_once())
        while not task.done():
            await clock.advance(seconds=1)

    asyncio.run(main())
    assert sorted(wire.receivers["central"].stored.values()) == [0, 1, 2, 3, 4, 5, 6]
    assert "\nx_joules_total{" not in published_page(tmp_path, clock.now())


def test_all_receivers_unless_named() -> None:
    """A metric goes to the receivers that it names, else to all."""
    other = {"name": "other", "url": "https://other.example/", "out_of_order": "6h"}
    named = Gauge("x_watts", "Power.", deliver="remote_write", receivers=["other"])
    [job] = _exporter(TOTAL, named, receivers=(CENTRAL, other)).jobs()
    assert job.metrics["x_joules_total"].receivers == (CENTRAL_OF_METRICS, OTHER_OF_METRICS)
    assert job.metrics["x_watts"].receivers == (OTHER_OF_METRICS,)


def test_receivers_of_a_config_file(tmp_path: Path) -> None:
    """Receivers of a config file get metrics of functions, too."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "remote_write: [{name: central, url: 'https://central.example/'}]\n"
        "sources: {api: {url: 'https://api.example'}}\n"
        "jobs:\n  y:\n    source: api\n    every: 10m\n    request: {get: /y}\n    metrics:\n"
        "      y_watts: {type: gauge, help: Power., value: $.y, deliver: remote_write}\n"
    )
    work = _exporter(receivers=()).workload(path)
    assert [receiver.name for receiver in work.receivers] == ["central"]
    assert [job.name for job in work.jobs] == ["y", "x"]
    assert work.jobs[1].metrics["x_joules_total"].receivers == (CENTRAL_OF_METRICS,)


@pytest.mark.parametrize(
    ("metric", "options", "words"),
    [
        (Counter("x_joules_total", "Energy.", deliver="push"), {}, "deliver is scrape or remote_write, not 'push'"),
        (Gauge("x_watts", "Power.", receivers=["central"]), {}, 'receivers needs deliver="remote_write"'),
        (Gauge("x_watts", "Power.", deliver="remote_write", receivers=["centrl"]), {}, "there is no receiver 'centrl'"),
        (TOTAL, {"receivers": ()}, "there is no receiver: Exporter"),
        (TOTAL, {"every": "2h"}, "takes none that is older than 55m"),
        (TOTAL, {"receivers": ({"name": "a"},)}, "'url' is missing"),
        (TOTAL, {"receivers": (CENTRAL, CENTRAL)}, "there is a receiver 'central' already"),
    ],
)
def test_mistakes_are_told(metric: Counter | Gauge, options: dict[str, Any], words: str) -> None:
    """What cannot work is a ValueError before anything is started."""
    with pytest.raises(ValueError, match=words):
        _exporter(metric, **options).workload()


def test_one_name_goes_one_way() -> None:
    """A metric that is scraped from one job and sent from another is refused."""
    exporter = _exporter()
    exporter.job(every="30m", name="y", metrics=[Counter("x_joules_total", "Energy.")])(_ones)
    with pytest.raises(ValueError, match="goes by another way in another job"):
        exporter.workload()
