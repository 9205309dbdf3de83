"""A run over many lanes on a slow API: its rate is kept, its memory bounded, and no scrape waits for it.

``TIMEPOINT_LANES=10000`` makes it as large as it is promised; the default ends in half a minute.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.system.support import PATIENCE, Exporter, wait_for
from tests.system.test_delays import Scrapes, answers, runs, shown, started

pytestmark = pytest.mark.system

LANES = int(os.environ.get("TIMEPOINT_LANES", "1200"))
RATE = 100  # requests a second
ONCE = "365d"  # a period that does not end in the run, as an hour may
CONCURRENCY = 8
BODY = 200_000  # bytes: all answers together would be a quarter of a gigabyte
SLACK = 0.1  # seconds by which an arrival may be late, beside what the API was late by its own measure

CONFIG = """
sources:
  api: {{url: "http://127.0.0.1:{port}", concurrency: {concurrency}, rate: {rate}/s}}
jobs:
  wide:
    source: api
    every: {every}
    jitter: 0s
    max_lanes: 10000
    each: {{meter: {{file: meters.txt}}}}
    request: {{get: "/meters/{{each.meter}}", params: {{start: "{{window.start}}", end: "{{window.end}}"}}}}
    window: {{step: 1h}}
    rows: {{m: "$[*]"}}
    zero_first: 0s
    metrics:
      energy_joules_total: {{type: counter, temporality: delta, help: Energy., value: $m.v}}
"""


@dataclass(frozen=True)
class Story:
    """What was seen of a run: when requests came (noted ``late`` at the most) and how many at once, and the rest."""

    arrivals: list[float]
    paths: list[str]
    peak: int
    late: float
    scrapes: Scrapes
    span: tuple[float, float]
    memory: list[float]
    series: list[float]
    report: dict[str, object]


def all_lanes(exporter: Exporter) -> list[float] | None:
    """The series on the page once they are all there: a long run shows some of them before."""
    series = shown(exporter.samples(), "energy_joules_total")
    return series if len(series) == LANES else None


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """One run of all lanes, scraped all the while."""
    directory = tmp_path_factory.mktemp("fan_out")
    told = directory / "arrivals.json"
    (directory / "meters.txt").write_text("".join(f"m{number}\n" for number in range(LANES)))
    command = [sys.executable, "-m", "tests.system.slow_api", "0.05", str(BODY), str(told)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as api:
        try:
            assert api.stdout is not None
            config = directory / "config.yaml"
            port = int(api.stdout.readline())
            config.write_text(CONFIG.format(port=port, every=ONCE, rate=RATE, concurrency=CONCURRENCY))
            memory: list[float] = []
            with started(Exporter(config, directory / "data", {})) as exporter:
                wait_for("the server to answer", lambda: answers(exporter))
                with Scrapes(exporter.url).running() as scrapes:

                    def is_over() -> bool:
                        memory.extend(shown(exporter.samples(), "timepoint_poller_resident_memory_bytes"))
                        return bool(exporter.log("run"))

                    wait_for("the run to end", is_over, PATIENCE + 5 * LANES / RATE)
                # A page of the middle of the run may stand there for another moment.
                series = wait_for("the page", lambda: _whole(shown(exporter.samples(), "energy_joules_total")))
                assert runs(exporter, "wide") == 1
                [report] = exporter.log("run")
        finally:
            api.terminate()
            api.wait(PATIENCE)
    found = json.loads(told.read_text())
    arrivals = [when for when, _ in found["arrivals"]]
    span = (arrivals[0], arrivals[-1])
    paths = [path for _, path in found["arrivals"]]
    return Story(arrivals, paths, found["peak"], found["late"], scrapes, span, memory, series, report)


def _whole(series: list[float]) -> list[float]:
    """The series, once there are as many as lanes."""
    return series if len(series) == LANES else []


def test_each_lane_is_asked_once(story: Story) -> None:
    """All of them, none twice, and each has its series."""
    assert len(story.arrivals) == len(set(story.paths)) == LANES
    assert story.series == [1.5] * LANES
    assert (story.report["lanes"], story.report["lanes_failed"]) == (LANES, 0)


def test_the_rate_is_kept(story: Story) -> None:
    """In no stretch of time came more requests than the rate allows, whatever the lanes were doing."""
    lowest = float("inf")  # of place / rate - time: a stretch that begins there is the fullest
    for place, when in enumerate(story.arrivals):
        lowest = min(lowest, place / RATE - when)
        allowed = lowest + when + SLACK + story.late + 1 / RATE
        assert place / RATE <= allowed, f"request {place} came too soon"
    assert story.peak <= CONCURRENCY


def test_a_run_keeps_few_answers_in_memory(story: Story) -> None:
    """What it takes on does not grow with the number of lanes times the size of an answer."""
    taken = max(story.memory) - min(story.memory)
    assert taken < 64 * 1024 * 1024 + LANES * 4096, f"{taken / 1024 / 1024:.0f} MiB"


def test_no_scrape_waits_for_the_run(story: Story) -> None:
    """Scrapes begin and end all through it."""
    assert story.scrapes.statuses == {200}
    begin, end = story.span
    # One that waited for it would be the only one in it.
    assert story.scrapes.within(begin, end) >= 10
