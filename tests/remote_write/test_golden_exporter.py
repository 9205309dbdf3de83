"""Prometheus as the reference for the whole exporter: an agent scrapes its page, and writes what the exporter writes.

Two exporters ask one API for the same data; one shows it on its page, the other sends it. Our receiver hears the agent
of Prometheus 2.42 that scrapes the first, and hears the second.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.remote_write.receiver import Labels, Receiver
from tests.system.support import PATIENCE, Exporter, free_port, wait_for
from timepoint.clock import SystemClock

pytestmark = pytest.mark.system

STEP = 60_000
CONFIG = """
REMOTE
sources:
  api: {url: "URL"}
jobs:
  pods:
    source: api
    every: 1m
    max_age: 6h
    zero_first: 0s
    request: {get: /pods}
    window: {step: 1m, delay: 10s, initial: 8m}
    rows: {p: "$[*]", t: "$p.points[*]"}
    time: {at: $t.at, format: unix_ms, interval: 1m, labelled: end}
    labels: {pod: $p.pod, app: $p.app}
    metrics:
      golden_level_celsius: {type: gauge, help: Levels., value: $t.level, DELIVER}
      golden_odd: {type: gauge, help: Odd numbers., value: $t.odd, DELIVER}
      golden_joules_total: {type: counter, temporality: delta, help: Amounts., value: $t.amount, DELIVER}
      golden_meter_joules_total: {type: counter, temporality: cumulative, help: Meters., value: $t.meter, DELIVER}
      golden_sizes_bytes:
        {type: histogram, temporality: delta, help: Sizes., value: $t.amount, bounds: [0.5, 1, 10, 2500], DELIVER}
      golden_pod_info: {type: info, help: What it is., labels: {version: $t.version}, DELIVER}
      golden_state: {type: stateset, help: How it is., value: $t.state, states: [up, down], DELIVER}
"""
SCRAPED = {"job": "test", "instance": "here"}
RECEIVERS = """
remote_write:
  - {name: golden, url: "RECEIVER", protocol: "1.0", external_labels: {job: test, instance: here}}
"""
PODS = (
    ("cart-1", "shop", "5e-324", "1.2"),
    ("cart-2", 'Zürich "east"\\north\nside', "-1e+300", "2.0 (beta)"),
    ("测试", "🚀", "0.1", "3"),
)


def document(newest: int) -> bytes:
    """What the API answers, whenever it is asked: three minutes of each pod, the newest ending then."""
    pods = [
        {
            "pod": pod,
            "app": app,
            "points": [
                {
                    "at": newest - (2 - step) * STEP,
                    "odd": odd,
                    "version": version,
                    "state": "up" if place else "down",
                    "level": 20.25 + place + step / 8,
                    "amount": (place + 1) * 10**step / 4,
                    "meter": 1000 * place + 1.5 * step,
                }
                for step in range(3)
            ],
        }
        for place, (pod, app, odd, version) in enumerate(PODS)
    ]
    return json.dumps(pods).encode()


class _Both(BaseHTTPRequestHandler):
    """The API and the receiver on one port."""

    protocol_version = "HTTP/1.1"
    receiver: Receiver
    body: bytes

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.receiver.hear(data, dict(self.headers))
        self.send_response(answer.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Nobody reads it."""


@contextmanager
def serving(receiver: Receiver, body: bytes) -> Iterator[str]:
    """The URL of both, until the block ends."""
    handler = type("Bound", (_Both,), {"receiver": receiver, "body": body})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def newest_of(receiver: Receiver) -> dict[Labels, int]:
    """Of each series of the config the newest value, bit by bit."""
    found = {}
    for labels, at in list(receiver.newest.items()):  # what is written meanwhile is not among them
        if dict(labels)["__name__"].startswith("golden_"):
            found[labels] = receiver.bits[labels, at]
    return found


def written_by_us(directory: Path, url: str, receiver: Receiver) -> dict[Labels, int]:
    """What the exporter sends."""
    config = directory / "sent.yaml"
    text = CONFIG.replace("REMOTE", RECEIVERS.replace("RECEIVER", f"{url}/write"))
    config.write_text(text.replace("URL", url).replace("DELIVER", "deliver: remote_write"))
    command = [sys.executable, "-m", "timepoint", "poll", "--once", str(config), f"--data-dir={directory / 'sent'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return newest_of(receiver)


def written_by_prometheus(binary: str, directory: Path, url: str, receiver: Receiver, count: int) -> dict[Labels, int]:
    """What an agent writes that scrapes the exporter's page."""
    (directory / "shown").mkdir()
    config = directory / "shown.yaml"
    config.write_text(CONFIG.replace("REMOTE", "").replace("URL", url).replace(", DELIVER", ""))
    exporter = Exporter(config, directory / "shown" / "data", {})
    exporter.start()
    try:
        agent = directory / "agent.yml"
        agent.write_text(
            "global: {scrape_interval: 200ms, scrape_timeout: 200ms}\n"
            "scrape_configs: [{job_name: test, honor_labels: true, static_configs: "
            f"[{{targets: ['127.0.0.1:{exporter.port}'], labels: {{instance: here}}}}]}}]\n"
            f"remote_write: [{{url: '{url}/write', metadata_config: {{send: false}}, "
            "queue_config: {batch_send_deadline: 100ms}}]\n"
        )
        command = [binary, "--enable-feature=agent", f"--config.file={agent}", "--log.level=warn"]
        command += [f"--storage.agent.path={directory / 'agent'}", f"--web.listen-address=127.0.0.1:{free_port()}"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            wait_for("the agent to have written the page", lambda: len(newest_of(receiver)) >= count)
        finally:
            process.terminate()
            process.wait(PATIENCE)
    finally:
        exporter.stop()
    return newest_of(receiver)


def test_the_exporter_writes_what_prometheus_writes_of_its_page(prometheus: str, tmp_path: Path) -> None:
    """The same series with the same labels in the same order, and newest values that are equal bit by bit."""
    newest = SystemClock().now() // STEP * STEP - 2 * STEP
    body = document(newest)
    sent, shown = Receiver(), Receiver()
    with serving(sent, body) as url:
        ours = written_by_us(tmp_path, url, sent)
    assert len(ours) == len(PODS) * (4 + len(("0.5", "1", "10", "2500", "+Inf", "sum", "count")) + 1 + 2)
    with serving(shown, body) as url:
        golden = written_by_prometheus(prometheus, tmp_path, url, shown, len(ours))
    assert ours == golden
    assert {at for labels, at in sent.newest.items() if labels in ours} == {newest}
