"""A job that is renamed, runs, and is named back, under a real Prometheus.

What PromQL adds up over the whole story is compared with the API's own sum of all that was asked for. Where the machine
was too busy for a scrape while a zero was shown, the story is told once more, at a third of the speed, and again.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.system.support import PATIENCE, Exporter, Prometheus, milliseconds, wait_for

pytestmark = pytest.mark.system

PACES = (1, 3, 9)
NAME = "site_joules_total"
STORY = ("sites", "plants", "sites")
CONFIG = """
sources:
  api: {{url: "http://127.0.0.1:{port}", attempts: 1}}
jobs:
  {job}:
    source: api
    every: {every}s
    jitter: 0s
    request: {{get: /, params: {{start: "{{window.start:unix}}", end: "{{window.end:unix}}"}}}}
    window: {{step: 1s, delay: 1s, overlap: 5s, initial: 20s}}
    rows: {{r: "$[*]"}}
    time: {{at: $r.t, interval: 1s, format: unix}}
    labels: {{site: $r.site}}
    max_age: 1h
    metrics:
      site_joules_total: {{type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: {zero_first}s}}
"""


def amount(t: int) -> int:
    """What the API says of a second."""
    return 1 + t * 7919 % 997


class Api(ThreadingHTTPServer):
    """An API that knows each second of the window it is asked for, until it falls silent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.is_silent = False


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        wanted = dict(pair.split("=") for pair in self.path.partition("?")[2].split("&"))
        seconds = range(int(wanted["start"]), int(wanted["end"]))
        body = str([{"t": t, "site": "north", "v": amount(t)} for t in seconds]).replace("'", '"').encode()
        self.send_response(500 if self.server.is_silent else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Says nothing."""


@contextmanager
def serving() -> Iterator[Api]:
    """The API, in threads of this process."""
    with Api() as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        try:
            yield api
        finally:
            api.shutdown()


@dataclass(frozen=True)
class Told:
    """What Prometheus has stored, what PromQL makes of it, and the API's own sum of all that was asked for."""

    stored: list[tuple[float, float]]
    increase: float
    resets: float
    truth: int
    warnings: list[str]

    def has_zeros(self) -> bool:
        """Whether each zero was scraped, the first one too."""
        behind = sum(value == 0 and before > 0 for (_, before), (_, value) in pairwise(self.stored))
        return self.stored[0][1] == 0 and behind == len(STORY) - 1


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The story, at the first speed at which this machine can tell it."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    for pace in PACES:
        told = tell(tmp_path_factory.mktemp(f"pace{pace}"), binary, pace)
        if told.has_zeros():
            break
    return told


def tell(directory: Path, binary: str, pace: int) -> Told:
    """Renames the job back and forth by restarts, with some runs of each, and asks Prometheus in the end."""
    exporter = Exporter(directory / "config.yaml", directory / "data", {})
    prometheus = Prometheus(binary, directory, {"timepoint": exporter.port}, interval=250)
    with serving() as api, prometheus.running():
        wait_for("Prometheus to look for its target", lambda: prometheus.query("up"))
        for place, job in enumerate(STORY):
            text = CONFIG.format(port=api.server_port, job=job, every=2 * pace, zero_first=4 * pace)
            exporter.config.write_text(text)
            exporter.start()
            wait_for(f"runs of {job}", partial(_has_run, exporter, 3 * (place + 1)), PATIENCE * pace)
            silent_from, api.is_silent = len(exporter.log("run")), True
            wait_for("a run without an answer", partial(_is_silent, exporter, silent_from))
            wait_for("a scrape of its total", lambda: _newest(prometheus) == _total(exporter) != 0)
            exporter.stop()
            api.is_silent = False
        [stored] = prometheus.query(f"{NAME}[1h]").values()
        [increase] = prometheus.query(f"increase({NAME}[1h])").values()
        [resets] = prometheus.query(f"resets({NAME}[1h])").values()
    asked: set[int] = set()
    for run in exporter.accepted():
        asked.update(range(milliseconds(run["window_start"]) // 1000, milliseconds(run["window_end"]) // 1000))
    warnings = [record["reason"] for record in exporter.log("begins_anew")]
    return Told(stored, increase, resets, sum(map(amount, asked)), warnings)


def _has_run(exporter: Exporter, times: int) -> bool:
    return len(exporter.accepted()) >= times


def _is_silent(exporter: Exporter, since: int) -> bool:
    return any(run["outcome"] == "source_error" for run in exporter.log("run")[since:])


def _newest(prometheus: Prometheus) -> float | None:
    return next(iter(prometheus.query(NAME).values()), None)


def _total(exporter: Exporter) -> float | None:
    return exporter.samples().get((NAME, (("site", "north"),)))


def test_what_is_stored_adds_up_to_the_sum_of_the_api(told: Told) -> None:
    """Each interval once: neither an old total again, nor what another name has counted."""
    values = [value for _, value in told.stored]
    assert sum(later - before if later >= before else later for before, later in pairwise(values)) == told.truth


def test_increase_is_that_sum_within_its_extrapolation(told: Told) -> None:
    """``increase()`` makes at most a little more of it: what half a scrape interval at both ends would have added."""
    (first, _), (last, _) = told.stored[0], told.stored[-1]
    gap = max(later - earlier for (earlier, _), (later, _) in pairwise(told.stored))
    assert told.truth * (1 - 1e-9) <= told.increase <= told.truth * (1 + 2 * gap / (last - first))


def test_each_name_begins_at_0_behind_the_other(told: Told) -> None:
    """One reset for each change of the name."""
    assert told.resets == len(STORY) - 1
    assert told.stored[0][1] == 0


def test_each_begin_is_told(told: Told) -> None:
    """Once for the new name, and then for each that comes back."""
    assert len(told.warnings) == len(STORY) - 1
    assert "a job that was renamed" in told.warnings[0]
    assert all("have been counted by job" in warning for warning in told.warnings[1:])
