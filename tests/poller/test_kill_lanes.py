"""A fan-out, killed again and again between its lanes, against an API of which every third answer fails."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.poller.forking import Forker
from tests.poller.test_kill import Page
from timepoint.ledger.store import open_store

KILLS = 25
STEP = 100
ZONES = [f"z{number:02d}" for number in range(24)]

CONFIG = """
sources:
  api: {{url: "http://127.0.0.1:{port}", attempts: 1, concurrency: 6, circuit_breaker: {{failures: 1000000}}}}
jobs:
  pods:
    source: api
    every: 200ms
    jitter: 0s
    max_age: 1h
    zero_first: 0s
    each: {{zone: {{request: {{get: /zones}}, values: "$[*]", every: 1h}}}}
    request:
      get: /pods/{{each.zone}}
      params: {{start: "{{window.start:unix_ms}}", end: "{{window.end:unix_ms}}"}}
    window: {{step: 100ms, delay: 100ms, overlap: 300ms}}
    metrics:
      energy_joules_total:
        type: counter
        temporality: delta
        help: Energy.
        value: $.v
        time: {{start: "{{window.start}}", step: 100ms}}
"""


def truth(zone: str, start: int) -> int:
    """What a zone used in the timepoint at ``start``: integers, so that sums are exact."""
    return (start // STEP * 7919 + int(zone[1:]) * 31) % 1000


class LanesApi:
    """Answers for each zone with the truth or, while ``fails``, every third time with an error."""

    def __init__(self) -> None:
        self.first: dict[str, int] = {}
        self.asked = 0
        self.listed = 0
        self.fails = True
        self._changed = threading.Condition()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, answer = api.answer(self.path)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                """Nobody reads it."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                """A killed client breaks its connection: that is the test."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def answer(self, path: str) -> tuple[int, object]:
        """Status and body."""
        split = urlsplit(path)
        with self._changed:
            if split.path == "/zones":
                self.listed += 1
                return (200, ZONES) if self.listed == 1 else (500, "told once is enough")
            zone, query = split.path.rpartition("/")[2], parse_qs(split.query)
            start, end = int(query["start"][0]), int(query["end"][0])
            self.first[zone] = min(start, self.first.get(zone, start))
            self.asked += 1
            self._changed.notify_all()
            if self.fails and self.asked % 3 == 0:
                return 500, "not now"
            return 200, {"v": [truth(zone, at) for at in range(start, end, STEP)]}

    def wait_for(self, more: int) -> None:
        """Waits until so many requests more have come."""
        with self._changed:
            until = self.asked + more
            assert self._changed.wait_for(lambda: self.asked >= until, timeout=120)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def api() -> Iterator[LanesApi]:
    """The API, for the length of a test."""
    api = LanesApi()
    yield api
    api.close()


@pytest.mark.system
def test_a_fan_out_that_is_killed_between_its_lanes_counts_each_timepoint_once(tmp_path: Path, api: LanesApi) -> None:
    """After 25 kills the total of each lane is the exact sum of its truth, and the list was asked for only once.

    Faults: X1.
    """
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(port=api.server.server_address[1]))
    moments = random.Random(20260101)
    page = Page(tmp_path / "published")
    with Forker(config, tmp_path) as forker:
        for kill in range(KILLS + 1):
            api.fails = kill < KILLS
            pid = forker.fork()
            # In the middle of a run at some place, or after a few; the last life sees every lane twice.
            api.wait_for(moments.randrange(1, 3 * len(ZONES)) if kill < KILLS else 4 * len(ZONES))
            page.look()
            time.sleep(moments.choice((0, moments.uniform(0, 0.01))))
            code = forker.end(pid, signal.SIGKILL if kill < KILLS else signal.SIGTERM)
            assert code == (-signal.SIGKILL if kill < KILLS else 0)
            page.look()
    store = open_store(tmp_path / "ledger.sqlite")
    lanes = store.load_lanes("pods", [f"zone={zone}" for zone in ZONES])
    store.close()
    for zone, lane in zip(ZONES, lanes.values(), strict=True):
        assert lane.watermark is not None
        total = sum(truth(zone, at) for at in range(api.first[zone], lane.watermark, STEP))
        [metric] = lane.metrics.values()
        [state] = metric.series.values()
        assert (zone, state.value - state.debt) == (zone, total)
        assert page.totals[f'energy_joules_total{{zone="{zone}"}}'] == total
    assert api.listed == 1
