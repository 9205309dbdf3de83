"""History by remote write before what an exporter sends live, in a real Prometheus with an out-of-order window.

The API knows for each second and zone an amount and a histogram, all whole numbers, so each sum is exact. The zones are
discovered. The exporter polls and sends; beside it, ``timepoint backfill --receiver`` sends what was before. Three
queries then ask the Prometheus, over the seam, what the API itself sums up.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.remote_write.servers import Server, prometheus_server, running
from tests.system.support import PATIENCE, Exporter, get, wait_for
from timepoint.clock import SECOND
from timepoint.ledger.beginnings import read_beginnings

pytestmark = pytest.mark.system

ZONES = ("north", "south")
REACH = 300  # seconds of history
LIVE = 3  # seconds behind the seam that must have arrived

CONFIG = """
remote_write:
  - {{name: central, url: "{receiver}", out_of_order: 1h}}
sources:
  api: {{url: "{api}"}}
jobs:
  use:
    source: api
    every: 1s
    jitter: 0s
    timeout: 10m
    deliver: remote_write
    each:
      zone: {{request: {{get: /zones}}, values: "$.zones[*].id"}}
    request:
      get: "/use/{{each.zone}}"
      params: {{start: "{{window.start:unix}}", end: "{{window.end:unix}}"}}
    window: {{step: 1s, delay: 1s}}
    rows: {{r: "$[*]"}}
    time: {{at: $r.t, interval: 1s, format: unix}}
    metrics:
      used_joules_total: {{type: counter, temporality: delta, help: Energy., value: $r.used}}
      call_seconds:
        {{type: histogram, temporality: delta, help: Calls., buckets: $r.buckets, sum: $r.sum, count: $r.count}}
"""


def amount(zone: str, second: int) -> int:
    """What a zone used in a second."""
    return (second * 7 + second // 3 + len(zone) + ZONES.index(zone)) % 11


def buckets(zone: str, second: int) -> dict[str, int]:
    """The calls of a zone in a second, up to each bound."""
    fast, slow, slower = second % 3, (second + ZONES.index(zone)) % 4, second % 2
    return {"0.5": fast, "2": fast + slow, "+Inf": fast + slow + slower}


class Api(BaseHTTPRequestHandler):
    """The zones, and what a zone did in each second of a window."""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/zones":
            body: object = {"zones": [{"id": zone} for zone in ZONES]}
        else:
            query, zone = parse_qs(address.query), address.path.removeprefix("/use/")
            body = [self._row(zone, at) for at in range(int(query["start"][0]), int(query["end"][0]))]
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    @staticmethod
    def _row(zone: str, second: int) -> dict[str, object]:
        calls = buckets(zone, second)
        used = amount(zone, second)
        return {"t": second, "used": used, "buckets": calls, "sum": used * 2, "count": calls["+Inf"]}

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving() -> Iterator[str]:
    """The URL of the API, for as long as the block lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(PATIENCE)


@dataclass(frozen=True)
class Story:
    """What came of it. ``seam`` and ``start`` are in seconds: live polling and history begin there."""

    server: Server
    start: int
    seam: int

    def samples(self, series: str) -> list[tuple[float, float]]:
        """The samples of a series from the begin of history on, by instants in seconds."""
        [found] = self._ask(f"{series}[{REACH * 2}s]", self.seam + REACH // 2)
        return [(float(sample[0]), float(sample[1])) for sample in found["values"]]

    def has_live(self) -> bool:
        """Whether some seconds behind the seam have arrived of each zone."""
        newest = f"timestamp(call_seconds_count) >= {self.seam + LIVE}"
        return len(self._ask(newest, self.seam + REACH // 2)) == len(ZONES)

    def increase(self, series: str) -> tuple[float, int]:
        """``increase()`` from the first sample to the last, and where that is; it lies behind the seam."""
        samples = self.samples(series)
        first, last = samples[0][0], samples[-1][0]
        assert (first, last) == (self.start, round(last))
        assert last >= self.seam + LIVE
        [found] = self._ask(f"increase({series}[{round(last - first)}s])", last)
        return float(found["value"][1]), round(last)

    def _ask(self, query: str, at: float) -> list[dict[str, Any]]:
        status, body = get(
            f"http://127.0.0.1:{self.server.port}/api/v1/query?{urlencode({'query': query, 'time': at})}"
        )
        assert status == 200, body
        found: list[dict[str, Any]] = json.loads(body)["data"]["result"]
        return found


def begin_of(exporter: Exporter) -> int:
    """Where live polling began, once it has gone on for some seconds."""
    wait_for("some runs", lambda: len(exporter.accepted()) > LIVE)
    seam = read_beginnings(exporter.data_dir / "ledger.sqlite", in_use=True)["use"]
    assert seam is not None
    return seam // SECOND


def backfill(config: Path, exporter: Exporter, start: int) -> None:
    """Loads what was before."""
    command = [sys.executable, "-m", "timepoint", "backfill", str(config), "--from", str(start), "--receiver"]
    command += ["central", "--data-dir", str(exporter.data_dir)]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Polls and sends, loads history beside it, and waits until what was polled after that has arrived."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    directory = tmp_path_factory.mktemp("remote_seam")
    with serving() as api, running(prometheus_server(prometheus, directory, "1h")) as server:
        config = directory / "config.yaml"
        config.write_text(CONFIG.format(api=api, receiver=server.url))
        exporter = Exporter(config, directory / "data", {})
        exporter.start()
        try:
            seam = begin_of(exporter)
            story = Story(server, seam - REACH, seam)
            backfill(config, exporter, story.start)
            before = len(exporter.accepted())
            wait_for("runs after history", lambda: len(exporter.accepted()) >= before + 2)
            wait_for("what is live with the receiver", story.has_live)
        finally:
            exporter.stop()
        yield story


def summed(what: Callable[[int], int], story: Story, end: int) -> int:
    """What the API counts from the begin of history to an instant."""
    return sum(what(second) for second in range(story.start, end))


@pytest.mark.parametrize("zone", ZONES)
def test_increase_over_the_seam_is_what_the_api_counted(story: Story, zone: str) -> None:
    """History and live polling of each discovered zone add up to the API's own sum, and begin anew once."""
    increase, end = story.increase(f'used_joules_total{{zone="{zone}"}}')
    assert increase == summed(lambda second: amount(zone, second), story, end)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("bound", ["0.5", "2.0", "+Inf"])
def test_a_histogram_goes_through_the_seam(story: Story, zone: str, bound: str) -> None:
    """Each bucket of a histogram increases by the API's own count up to its bound."""
    increase, end = story.increase(f'call_seconds_bucket{{zone="{zone}", le="{bound}"}}')
    key = bound.removesuffix(".0")
    assert increase == summed(lambda second: buckets(zone, second)[key], story, end)


@pytest.mark.parametrize("zone", ZONES)
def test_the_sum_and_the_count_of_a_histogram_go_through_the_seam(story: Story, zone: str) -> None:
    """So do its sum and its count."""
    total, end = story.increase(f'call_seconds_sum{{zone="{zone}"}}')
    assert total == summed(lambda second: amount(zone, second) * 2, story, end)
    calls, end = story.increase(f'call_seconds_count{{zone="{zone}"}}')
    assert calls == summed(lambda second: buckets(zone, second)["+Inf"], story, end)


@pytest.mark.parametrize("zone", ZONES)
def test_no_second_is_missing_and_the_seam_stands_once(story: Story, zone: str) -> None:
    """Every second has its total; a millisecond before the seam stands that of history, at the seam a 0."""
    samples = dict(story.samples(f'used_joules_total{{zone="{zone}"}}'))
    end = max(samples)
    history = summed(lambda second: amount(zone, second), story, story.seam)
    seconds = {float(second) for second in range(story.start, round(end) + 1)}
    assert samples.keys() == seconds | {story.seam - 0.001}
    assert (samples[story.seam - 0.001], samples[story.seam]) == (history, 0)
