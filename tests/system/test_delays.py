"""Nothing that the polling side does, suffers or waits for delays a scrape, nor one job another."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.system.hostile import Asked, HostileApi, Pieces, good, http
from tests.system.support import PATIENCE, Exporter, Samples, get, wait_for
from timepoint.clock import SystemClock

pytestmark = pytest.mark.system

CONFIG = """
sources:
  api: {{url: "{url}", attempts: 1, timeout: 1h}}
jobs:
{jobs}
"""

JOB = """
  {name}:
    source: api
    every: 1s
    jitter: 0s
    timeout: 1h
    request: {{get: /{name}, params: {{start: "{{window.start}}", end: "{{window.end}}"}}}}
    window: {{step: 1s}}
    rows: {{pod: "$.{{cluster}}.{{app}}.{{namespace}}[*]"}}
    labels: {{pod_name: $pod.name}}
    max_age: {max_age}
    zero_first: 0s
    metrics:
      {name}_joules_total:
        type: counter
        temporality: delta
        help: Energy used.
        value: $pod.energy
        time: {{start: "{{window.start}}", step: 1s}}
"""

# Written in Python, since only there a job can block by itself.
SCRIPT = """
import time

from timepoint import Exporter, Gauge, Point

exporter = Exporter()


@exporter.job(every="1s", jitter="0s", timeout="2s", metrics=[Gauge("blocker_ratio", "Never there.")])
def blocker(window):
    time.sleep(1000)


@exporter.job(every="1s", jitter="0s", timeout="2s", metrics=[Gauge("spinner_ratio", "Never there.")])
def spinner(window):
    while True:
        pass


@exporter.job(every="1s", jitter="0s", metrics=[Gauge("punctual_seconds", "When it ran.", max_age="3s")])
def punctual(window):
    yield Point("punctual_seconds", window.end.timestamp())


if __name__ == "__main__":
    raise SystemExit(exporter.run("{config}", listen="127.0.0.1:{port}", data_dir="{data}", log_format="json"))
"""


class ScriptedExporter(Exporter):
    """An exporter that a script of a user starts."""

    def command(self) -> list[str]:
        script = self.config.with_suffix(".py")
        values = {"{config}": str(self.config), "{port}": str(self.port), "{data}": str(self.data_dir)}
        text = SCRIPT
        for name, value in values.items():
            text = text.replace(name, value)
        script.write_text(text)
        return [sys.executable, str(script)]


@dataclass
class Scrapes:
    """Scrapes one after the other, in a thread, and notes when each began and ended.

    A scrape that waits for something ends after it. So the claims are not about seconds, which a busy machine makes
    long, but about how many scrapes began and ended while the thing was still going on.
    """

    url: str
    spans: list[tuple[float, float]] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Iterator[Scrapes]:
        thread = threading.Thread(target=self._run)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join(PATIENCE)

    def _run(self) -> None:
        clock = SystemClock()
        while not self._stop.wait(0.02):
            begin = clock.monotonic()
            status, _ = get(f"{self.url}/metrics", {"Accept-Encoding": "gzip"})
            self.spans.append((begin, clock.monotonic()))
            self.statuses.add(status)

    def within(self, begin: float, end: float) -> int:
        """How many began and ended in a span of time, on the monotonic clock."""
        return sum(begin <= first and last <= end for first, last in self.spans)

    def wait_for(self, count: int) -> None:
        """Waits until so many have ended."""
        wait_for(f"{count} scrapes", lambda: len(self.spans) >= count)


ENOUGH = 20


@contextmanager
def started(exporter: Exporter) -> Iterator[Exporter]:
    """Ends it with the block, however that ends."""
    exporter.start(wait=False)
    try:
        yield exporter
    finally:
        assert exporter.process is not None
        if exporter.process.poll() is None:
            exporter.kill()


def runs(exporter: Exporter, job: str, outcome: str = "ok") -> int:
    """How many runs of a job ended so."""
    return sum(line["job"] == job and line["outcome"] == outcome for line in exporter.log("run"))


def shown(samples: Samples, name: str) -> list[float]:
    """The values of a family's samples."""
    return [value for (family, _), value in samples.items() if family == name]


@pytest.fixture(scope="module")
def body() -> bytes:
    """42 MB: 100,000 pods with 48 timepoints each."""
    energies = ",".join(str(1234.5678 + i) for i in range(48))
    clusters = []
    for c in range(100):
        pods = ",".join(f'{{"name":"pod-{c}-{i:06d}","energy":[{energies}]}}' for i in range(1000))
        clusters.append(f'"cluster-{c}":{{"app":{{"shop":[{pods}]}}}}')
    return f"{{{','.join(clusters)}}}".encode()


def test_p16_a_scrape_does_not_wait_for_a_large_answer(tmp_path: Path, body: bytes) -> None:
    """While 42 MB are decoded, mapped, committed and published, and again refused, scrapes begin and end."""
    assert len(body) > 42_000_000
    jobs = JOB.format(name="large", max_age="1h").replace("window: {step: 1s}", "window: {step: 1s, initial: 48s}")
    config = tmp_path / "config.yaml"
    clock = SystemClock()
    begun: list[float] = []

    def large(_: Asked) -> Pieces:
        begun.append(clock.monotonic())
        return http(body)

    api = HostileApi({"/large": [large]})
    with api.running():
        config.write_text(CONFIG.format(url=api.url, jobs=jobs))
        with started(Exporter(config, tmp_path / "data", {})) as exporter:
            wait_for("the server to answer", lambda: answers(exporter))
            with Scrapes(exporter.url).running() as scrapes:
                wait_for("a good run", lambda: runs(exporter, "large"), 2 * PATIENCE)
                good_end = clock.monotonic()
                # The next window has fewer steps than the body: all of its rows are rejected.
                wait_for("a bad run", lambda: runs(exporter, "large", "mapping_error"), 2 * PATIENCE)
                bad_end = clock.monotonic()
            series = len(shown(exporter.samples(), "large_joules_total"))
    assert series == 100_000
    assert scrapes.statuses == {200}
    # One that waited for its run would be the only one in it.
    assert scrapes.within(begun[0], good_end) >= 5
    assert scrapes.within(begun[1], bad_end) >= 3


def answers(exporter: Exporter) -> bool:
    """Whether a page comes at all, be it without any job's series."""
    try:
        return get(f"{exporter.url}/metrics")[0] == 200
    except OSError:
        return False


SHORT = ("quick_joules_total", "punctual_seconds")
"""What leaves the page three seconds after its last run."""


def page_with(exporter: Exporter, *names: str) -> Samples | None:
    """A page if it shows all of these families."""
    samples = exporter.samples()
    return samples if all(shown(samples, name) for name in names) else None


def page_without(exporter: Exporter, *names: str) -> Samples | None:
    """A page if it shows none of these families."""
    samples = exporter.samples()
    return None if any(shown(samples, name) for name in names) else samples


@dataclass(frozen=True)
class Story:
    """An exporter beside a source that hangs and functions that block, stop or spin, and what was seen of it."""

    exporter: Exporter
    among_hanging: Scrapes
    stopped: Scrapes
    before: Samples
    after_max_age: Samples
    restarted: Samples


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Ten runs among jobs that hang; then the poller is stopped for longer than a max_age, and killed."""
    directory = tmp_path_factory.mktemp("delays")

    api = HostileApi({})

    def hanging(asked: Asked) -> Pieces:
        api.ended.wait()
        return ()

    api.answers.update({"/hanging": [hanging], "/quick": [good], "/lasting": [good]})
    with api.running():
        config = directory / "config.yaml"
        jobs = "".join(JOB.format(name=name, max_age="3s") for name in ("hanging", "quick"))
        config.write_text(CONFIG.format(url=api.url, jobs=jobs + JOB.format(name="lasting", max_age="1h")))
        with started(ScriptedExporter(config, directory / "data", {})) as exporter:
            wait_for("the good jobs to run", lambda: runs(exporter, "quick") and runs(exporter, "lasting"))
            with Scrapes(exporter.url).running() as among_hanging:
                wait_for(
                    "ten runs of those that do not hang",
                    lambda: min(runs(exporter, "quick"), runs(exporter, "punctual")) >= 10,
                )
                among_hanging.wait_for(ENOUGH)
            last_page = wait_for("a page with both", lambda: page_with(exporter, *SHORT))
            poller = exporter.pid("poller")
            os.kill(poller, signal.SIGSTOP)
            with Scrapes(exporter.url).running() as stopped:
                after_max_age = wait_for("max_age to pass", lambda: page_without(exporter, *SHORT))
                stopped.wait_for(ENOUGH)
            os.kill(poller, signal.SIGKILL)
            wait_for("another poller", lambda: exporter.pid("poller") != poller)
            restarted = wait_for("its first series", lambda: page_with(exporter, "quick_joules_total"))
            yield Story(exporter, among_hanging, stopped, last_page, after_max_age, restarted)


def test_a_job_that_hangs_delays_no_other(story: Story) -> None:
    """Other jobs run ten times beside a source that never answers and functions that never return (U13)."""
    assert min(runs(story.exporter, "quick"), runs(story.exporter, "punctual")) >= 10
    assert not [line for line in story.exporter.log("run") if line["job"] == "hanging" and line["outcome"] == "ok"]


def test_a_job_that_hangs_delays_no_scrape(story: Story) -> None:
    """Scrapes end while functions sleep and spin, which never do."""
    assert len(story.among_hanging.spans) >= ENOUGH
    assert story.among_hanging.statuses == {200}


def test_a_stopped_poller_delays_no_scrape(story: Story) -> None:
    """Scrapes end while the poller stands still."""
    assert len(story.stopped.spans) >= ENOUGH
    assert story.stopped.statuses == {200}


def test_max_age_holds_without_a_poller(story: Story) -> None:
    """The server itself takes away what is too old, and nothing else."""
    assert shown(story.before, "quick_joules_total")
    assert shown(story.before, "punctual_seconds")
    assert not shown(story.after_max_age, "quick_joules_total")
    assert not shown(story.after_max_age, "punctual_seconds")
    assert shown(story.after_max_age, "lasting_joules_total") >= shown(story.before, "lasting_joules_total")


def test_a_dead_poller_is_started_again_and_said_so(story: Story) -> None:
    """The log tells how it ended and what comes next; its counters go on."""
    (died,) = story.exporter.log("child_died")
    assert (died["child"], died["how"], died["level"]) == ("poller", "signal SIGKILL", "error")
    assert died["restart_in"] <= 2
    assert shown(story.restarted, "quick_joules_total") > shown(story.before, "quick_joules_total")
