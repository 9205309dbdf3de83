"""The poller, killed again and again, against an API with a known truth."""

from __future__ import annotations

import itertools
import json
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.poller.forking import Forker
from timepoint.clock import SystemClock
from timepoint.errors import PublishError
from timepoint.ledger.store import open_store
from timepoint.request.each.lanes import LONE
from timepoint.testing import published_page, read_samples

KILLS = 30
STEP = 100
OVERLAP = 300
PODS = ("a", "b", "c")

CONFIG = """
sources:
  api: {{url: "http://127.0.0.1:{port}"}}
jobs:
  pods:
    source: api
    every: 200ms
    jitter: 0s
    request:
      get: /pods
      params: {{start: "{{window.start:unix_ms}}", end: "{{window.end:unix_ms}}"}}
    window: {{step: 100ms, delay: 100ms, overlap: 300ms}}
    rows: {{r: "$[*]"}}
    metrics:
      energy_joules_total:
        type: counter
        temporality: delta
        help: Energy.
        value: $r.v
        time: {{start: "{{window.start}}", step: 100ms}}
        labels: {{pod: $r.pod}}
        max_age: 1h
        zero_first: 0s
"""


def _truth(pod: str, start: int) -> int:
    """What a pod used in the timepoint at ``start``: integers, so that sums are exact."""
    return (start // STEP * 7919 + ord(pod)) % 1000


class Api:
    """Answers any range with the truth, and remembers the ranges."""

    def __init__(self) -> None:
        self.windows: list[tuple[int, int]] = []
        self._was_asked = threading.Condition()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                start, end = int(query["start"][0]), int(query["end"][0])
                with api._was_asked:
                    api.windows.append((start, end))
                    api._was_asked.notify_all()
                rows = [{"pod": pod, "v": [_truth(pod, at) for at in range(start, end, STEP)]} for pod in PODS]
                body = json.dumps(rows).encode()
                self.send_response(200)
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

    def wait_for(self, requests: int) -> None:
        """Waits until so many requests have come."""
        with self._was_asked:
            assert self._was_asked.wait_for(lambda: len(self.windows) >= requests, timeout=120)

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    """The API, for the length of a test."""
    api = Api()
    yield api
    api.close()


class Page:
    """What a scrape would see, and the rule that no total on it ever goes back."""

    def __init__(self, published: Path) -> None:
        self.published = published
        self.totals: dict[str, float] = {}

    def look(self) -> None:
        try:
            samples = read_samples(published_page(self.published, SystemClock().now()))
        except PublishError:  # a file that went away between listing and reading: there is none before the first run
            assert not self.totals
            return
        totals = {name: value for name, value in samples.items() if name.startswith("energy")}
        assert totals.keys() >= self.totals.keys(), "a series left the page"
        for name, total in self.totals.items():
            assert totals[name] >= total, "a counter went back"
        self.totals = totals


@pytest.mark.system
def test_a_poller_killed_at_random_moments_counts_each_timepoint_once(tmp_path: Path, api: Api) -> None:
    """After thirty kills at random moments every total is the exact sum of the truth, and no page ever went back."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(port=api.server.server_address[1]))
    moments = random.Random(20260101)
    page = Page(tmp_path / "published")
    with Forker(config, tmp_path) as forker:
        for kill in range(KILLS + 1):
            asked = len(api.windows)
            pid = forker.fork()
            api.wait_for(asked + 2)  # each life does some work
            if kill % 2:  # and is killed between two runs, or anywhere in one
                give_up = time.monotonic() + moments.uniform(0, 0.3)
                while time.monotonic() < give_up:
                    page.look()
            else:  # or in the first milliseconds after a request came: before the commit, in it, before the page
                time.sleep(moments.choice((0, moments.uniform(0, 0.004), moments.uniform(0, 0.012))))
            code = forker.end(pid, signal.SIGKILL if kill < KILLS else signal.SIGTERM)
            page.look()
            assert code == (-signal.SIGKILL if kill < KILLS else 0)
    store = open_store(tmp_path / "ledger.sqlite")
    lane = store.load("pods", LONE.name)
    store.close()
    begin = min(start for start, _ in api.windows)
    assert lane.watermark is not None
    truth = {pod: sum(_truth(pod, at) for at in range(begin, lane.watermark, STEP)) for pod in PODS}
    [metric] = lane.metrics.values()
    counted = {re.findall(r'pod="(.)"', text)[0]: state.value for text, state in metric.series.items()}
    assert counted == truth
    assert page.totals == {f'energy_joules_total{{pod="{pod}"}}': total for pod, total in truth.items()}
    pairs = itertools.pairwise(api.windows)
    assert any(start < before - OVERLAP for (_, before), (start, _) in pairs), "no kill hit a run before its commit"
