"""timepoint and the script of sixty lines on one API, both scraped by one Prometheus, both killed once.

Owns: the processes, the order of events, which samples Prometheus has. Must not know: what is asserted or printed.

The story in periods of a poll: after the second the first figures are taken; after the third both exporters are killed
with SIGKILL and started again; in the fifth the API fails; after the eighth the last figures are taken. Each step waits
for what it is about. ``pace`` makes all of it slower: a machine that is so busy that Prometheus misses the 0 of a new
series tells the story at half the speed.
"""

from __future__ import annotations

import subprocess
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.experiment.extrapolation import Samples
from tests.experiment.feed import PERIOD, PODS, SETTLE, Feed
from tests.system.support import PATIENCE, Exporter, Prometheus, free_port, get, milliseconds, wait_for
from timepoint.clock import SystemClock

SCRIPT = ROOT / "docs" / "experiment" / "sixty_lines.py"
COUNTER = "pod_energy_joules_total"
NEWEST = "script_energy_joules"
SCRIPT_COUNTER = "script_pod_energy_joules_total"
PACES = (1, 2, 4, 8)
FIRST, KILLED_AFTER, LAST = 2, 3, 8
"""Runs, counted by their fire times since the beginning: figures are taken after the first and after the last."""

CONFIG = """
sources:
  energy: {url: "URL"}
jobs:
  pod_energy:
    source: energy
    every: PERIOD
    jitter: 0s
    request:
      get: /pods
      params: {start: "{window.start}", end: "{window.end}", step: STEP}
    window: {step: STEP, delay: DELAY}
    rows:
      pod: "$.{cluster}.{app}.{namespace}[*]"
    metrics:
      pod_energy_joules_total:
        type: counter
        temporality: delta
        help: Energy consumed by the pod.
        value: $pod.energy_consumed
        time: {start: "{window.start}", step: STEP}
        unit: {from: Wh, to: joules}
        labels: {pod_name: $pod.name}
        zero_first: ZERO_FIRST
"""


@dataclass(frozen=True, slots=True)
class Page:
    """A page that the exporter served: when it was rendered (seconds), and how far its run has come (milliseconds)."""

    rendered: float
    watermark: int


@dataclass(slots=True)
class Story:
    """What Prometheus saw. Samples are by pod; ``begin`` and ``end`` are a range of time in seconds.

    Both lie between two scrapes, as the ends of a range on a dashboard do.
    """

    feed: Feed
    pace: int
    zero_first: float
    begin: float = 0.0
    end: float = 0.0
    pages: list[Page] = field(default_factory=list)
    page_at: dict[float, Page] = field(default_factory=dict)
    counters: dict[str, Samples] = field(default_factory=dict)
    increases: dict[str, float] = field(default_factory=dict)
    script_counters: dict[str, Samples] = field(default_factory=dict)
    script_increases: dict[str, float] = field(default_factory=dict)
    script_newest: dict[str, float] = field(default_factory=dict)
    script_shown: set[str] = field(default_factory=set)
    shown: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def watermarks(self) -> tuple[int, int]:
        """How far the pages of the first and of the last scrape in the range had come."""
        inside = [at for at in self.page_at if self.begin <= at <= self.end]
        return self.page_at[min(inside)].watermark, self.page_at[max(inside)].watermark

    def returns(self, pod: str) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        """The last sample before and the first after each time that scrapes found the pod away."""
        scrapes = sorted(self.page_at)
        pairs = pairwise(self.counters.get(pod, ()))
        return [(before, after) for before, after in pairs if any(before[0] < at < after[0] for at in scrapes)]

    def trouble(self) -> str:
        """Why the story says nothing about the exporter: what the machine was too slow for."""
        for pod in PODS:
            if len(self.returns(pod.name)) != len(pod.lives) - 1:
                return f"{pod.name} was away {len(self.returns(pod.name))} times for the scrapes"
        if "source_error" not in self.failures:
            return "no run came in the outage of the API"
        for page in self.pages:
            scrapes = [at for at, seen in self.page_at.items() if seen == page]
            if not scrapes or min(scrapes) > page.rendered + self.zero_first:
                return f"no scrape in the {self.zero_first:.1f} s after the page of {page.rendered:.1f}"
        return ""


class Script:
    """The sixty lines as a process."""

    def __init__(self, url: str, period: int, step: int, log: Path) -> None:
        self.port = free_port()
        self._command = [sys.executable, str(SCRIPT), f"{url}/pods", str(self.port), str(period), str(step)]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for("the script to answer", self._answers)

    def _answers(self) -> bool:
        with suppress(OSError):
            return get(f"http://127.0.0.1:{self.port}/metrics")[0] == 200
        return False

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE)


@contextmanager
def told(directory: Path, binary: str) -> Iterator[Story]:
    """The story at the first pace at which this machine can tell it."""
    troubles = []
    for pace in PACES:
        place = directory / f"{pace}"
        place.mkdir()
        story = tell(place, binary, pace)
        if not (trouble := story.trouble()):
            yield story
            return
        troubles.append(trouble)
    raise AssertionError(f"this machine is too slow for the story: {troubles}")


def tell(directory: Path, binary: str, pace: int, say: Callable[[str], object] = lambda _: None) -> Story:
    """The whole story, with ``pace`` seconds for a step."""
    step, period = pace * 1000, PERIOD * pace
    scrape_interval = period / 10
    story = Story(Feed(step), pace, 3 * scrape_interval)
    with story.feed.serving():
        exporter = Exporter(_write_config(directory, story), directory / "data", {})
        script = Script(story.feed.url, period, pace, directory / "script.log")
        targets = {"timepoint": exporter.port, "script": script.port}
        with Prometheus(binary, directory, targets, round(scrape_interval * 1000)).running() as prometheus:
            wait_for("Prometheus to look for its targets", lambda: len(prometheus.query("up")) == len(targets))
            exporter.start()
            script.start()
            try:
                _live(story, exporter, script, prometheus, say)
            finally:
                exporter.kill()
                script.kill()
    return story


def _write_config(directory: Path, story: Story) -> Path:
    pace = story.pace
    values = {
        "URL": story.feed.url,
        "PERIOD": f"{PERIOD * pace}s",
        "STEP": f"{pace}s",
        "DELAY": f"{SETTLE * pace}s",
        "ZERO_FIRST": f"{round(story.zero_first * 1000)}ms",
    }
    text = CONFIG
    for name, value in values.items():
        text = text.replace(name, value)
    path = directory / "config.yaml"
    path.write_text(text)
    return path


def _live(
    story: Story, exporter: Exporter, script: Script, prometheus: Prometheus, say: Callable[[str], object]
) -> None:
    """The events, each of which waits for the one before; then what Prometheus has."""
    period = PERIOD * story.feed.step
    genesis = (SystemClock().now() // period + 1) * period
    story.feed.begin(genesis)

    def quiet_after(run: int) -> float:
        """A moment soon after a scrape of the page of a run whose new series show their totals, as seconds."""
        fire = genesis + run * period
        wait_for(f"run {run}", lambda: _accepted(exporter, fire), 2 * PATIENCE + run * period / 1000)
        rendered = wait_for("its page", lambda: _rendered_since(prometheus, fire / 1000))
        shown = rendered + story.zero_first + 0.5  # the server looks for new pages five times in a second
        return wait_for("its totals", lambda: _scrape_since(prometheus, shown)) + 0.4 * period / 10_000

    story.begin = quiet_after(FIRST)
    say("all is up; both are killed after the next run")
    quiet_after(KILLED_AFTER)
    exporter.kill()
    script.kill()
    exporter.start()
    script.start()
    say("both are up again")
    story.end = quiet_after(LAST)
    _collect(story, exporter, prometheus)


def _accepted(exporter: Exporter, fire: int) -> bool:
    return any(milliseconds(line["fire_time"]) >= fire for line in exporter.accepted())


RENDERED = 'timepoint_snapshot_timestamp_seconds{job_name="pod_energy"}'


def _rendered_since(prometheus: Prometheus, instant: float) -> float | None:
    """When the page was rendered that was scraped last, if it was since an instant."""
    return next((at for at in prometheus.query(RENDERED).values() if at >= instant), None)


def _scrape_since(prometheus: Prometheus, instant: float) -> float | None:
    """When the exporter was scraped last, if that was after an instant."""
    up = 'up{job="timepoint"}'
    found = prometheus.query(f"timestamp({up}) > {instant:.3f} and {up} == 1")
    return next(iter(found.values()), None)


def _collect(story: Story, exporter: Exporter, prometheus: Prometheus) -> None:
    """Everything that Prometheus has, from the beginning to the scrape at the end."""
    span = f"{round((story.end - story.begin) * 1000)}ms"
    everything = f"{round(story.end * 1000 - (story.feed.genesis or 0) + 60_000)}ms"
    runs = [(milliseconds(line["ts"]) / 1000, milliseconds(line["window_end"])) for line in exporter.accepted()]
    (pages,) = prometheus.query(f"{RENDERED}[{everything}]", story.end).values()
    known: dict[float, Page] = {}
    for at, rendered in pages:
        # A run writes its line when its page is there: the page is of the first run that told of itself after it.
        place = bisect_left(runs, (rendered, 0))
        if place < len(runs):
            story.page_at[at] = known.setdefault(rendered, Page(rendered, runs[place][1]))
    story.pages = list(known.values())
    by_pod = _ByPod(prometheus, story.end)
    story.counters = by_pod.of(f"{COUNTER}[{everything}]")
    story.increases = by_pod.of(f"increase({COUNTER}[{span}])")
    story.shown = set(by_pod.of(COUNTER))
    story.script_counters = by_pod.of(f"{SCRIPT_COUNTER}[{everything}]")
    story.script_increases = by_pod.of(f"increase({SCRIPT_COUNTER}[{span}])")
    story.script_newest = by_pod.of(f"avg_over_time({NEWEST}[{span}])")
    story.script_shown = set(by_pod.of(NEWEST))
    story.failures = [line["outcome"] for line in exporter.log("run") if line["outcome"] not in {"ok", "empty"}]


@dataclass(frozen=True, slots=True)
class _ByPod:
    """Queries at an instant whose results are wanted by pod."""

    prometheus: Prometheus
    at: float

    def of(self, expression: str) -> dict[str, Any]:
        return {dict(labels)["pod_name"]: found for labels, found in self.prometheus.query(expression, self.at).items()}
