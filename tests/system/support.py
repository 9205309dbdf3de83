"""What the tests of whole processes share: the demo's API, the exporter and Prometheus as processes on free ports.

Owns: starting and ending them, and waiting for a condition instead of sleeping. Must not know: what is asserted.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from timepoint.clock import SystemClock
from timepoint.demo.api import TOKEN, EnergyApi, Habits
from timepoint.demo.world import World

T = TypeVar("T")

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


CONFIG = """
sources:
  energy:
    url: ${TIMEPOINT_DEMO_API}
    authorization: {credentials: "${TIMEPOINT_DEMO_TOKEN}"}
jobs:
  pod_energy:
    source: energy
    every: EVERY
    jitter: 0s
    max_age: 1h
    request:
      get: /pods
      params: {start: "{window.start}", end: "{window.end}", step: 5s}
    window: {step: 5s, delay: 5s}
    rows:
      pod: "$.{cluster}.{app}.{namespace}[*]"
    time: {start: "{window.start}", step: 5s}
    labels: {pod_name: $pod.name}
    metrics:
      pod_energy_joules_total:
        type: counter
        temporality: delta
        help: Energy consumed by the pod.
        value: $pod.energy_consumed
        unit: {from: Wh, to: joules}
        zero_first: ZERO_FIRST
      pod_cpu_usage_ratio:
        type: gauge
        help: Share of its CPUs that the pod used.
        value: $pod.cpu_usage
"""


def config(every: str, zero_first: str) -> str:
    """The pod-energy job on the demo's API, for timepoints that settle after five seconds.

    Values stay for an hour, or a machine that is slow to start a process would show an empty page by right.
    """
    return CONFIG.replace("EVERY", every).replace("ZERO_FIRST", zero_first)


def milliseconds(stamp: str) -> int:
    """An RFC 3339 stamp of the log as an instant."""
    return round(datetime.fromisoformat(stamp).timestamp() * 1000)


PATIENCE = 300.0
"""Seconds after which something is given up that a machine which does nothing else does in two or three."""


def wait_for(what: str, condition: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """Asks again until ``condition`` gives something, and fails by name when it does not in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(0.05)  # the pause between two looks at another process, not a wait for it


_HELD: list[int] = []


def free_port() -> int:
    """A port of the loopback that nobody else gets as long as this process lives, only a listener with SO_REUSEADDR.

    A socket that is bound and does not listen holds it. Of 28,000 ports that are drawn by chance some would be drawn
    again before who asked for it listens, or between two lives of it.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    port: int = holder.getsockname()[1]
    _HELD.append(holder.detach())
    return port


def get(url: str, headers: dict[str, str] | None = None, timeout: float = PATIENCE) -> tuple[int, bytes]:
    """Status and body of a GET; an error status is an answer too. OSError if there is none, or half of one."""
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"the answer broke off: {error!r}") from error


class DemoApi:
    """The demo's API in a thread of this process, so that a test can ask its world for the truth."""

    def __init__(self, world: World, habits: Habits) -> None:
        self.api = EnergyApi(world, SystemClock(), habits)
        self.port = 0
        self._started = threading.Event()
        self._stop: Callable[[], None] = lambda: None

    def _serve(self) -> None:
        import asyncio

        async def main() -> None:
            done = asyncio.Event()
            loop = asyncio.get_running_loop()

            def stop() -> None:
                loop.call_soon_threadsafe(done.set)

            self._stop = stop
            runner = web.AppRunner(self.api.application())
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.port = runner.addresses[0][1]
            self._started.set()
            await done.wait()
            await runner.cleanup()

        asyncio.run(main())

    @contextmanager
    def running(self) -> Iterator[DemoApi]:
        """Serves until the block ends."""
        thread = threading.Thread(target=self._serve, name="demo-api")
        thread.start()
        assert self._started.wait(PATIENCE)
        try:
            yield self
        finally:
            self._stop()
            thread.join(PATIENCE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"


@dataclass
class Exporter:
    """``timepoint run`` as a process. ``kill`` is SIGKILL to the process that a person started."""

    config: Path
    data_dir: Path
    environ: dict[str, str]
    options: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    log_path: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log_path = self.data_dir.parent / "exporter.log"

    def start(self, *, wait: bool = True) -> None:
        """Starts it and, unless told otherwise, waits until it is ready."""
        with self.log_path.open("ab") as log:
            environ = {**os.environ, **self.environ}
            self.process = subprocess.Popen(self.command(), env=environ, stderr=log, stdout=log)
        if wait:
            wait_for("the exporter to be ready", self.ready)

    def command(self) -> list[str]:
        """What a person would type."""
        command = [sys.executable, "-m", "timepoint", "run", str(self.config), f"--data-dir={self.data_dir}"]
        return [*command, f"--web.listen-address=127.0.0.1:{self.port}", "--log.format=json", *self.options]

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the exporter ended: {self.log_path.read_text()[-2000:]}"
        with suppress(OSError):
            return get(f"{self.url}/-/ready")[0] == 200
        return False

    def pid(self, child: str) -> int:
        """The process id of a child, as the log told it last."""
        return int([line["pid"] for line in self.log("child_started") if line["child"] == child][-1])

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)

    def kill_all(self) -> None:
        """The same, and returns when no child lives and writes any more."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children()
        self.kill()
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        assert not alive

    def stop(self) -> int:
        """SIGTERM; the exit status. 0 says that nobody had to be killed, which the supervisor does after 4.5 s."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def samples(self) -> Samples:
        """The page, parsed by an independent parser."""
        status, body = get(f"{self.url}/metrics")
        assert status == 200, body
        return parse(body.decode())

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log's lines so far; a line that is still being written is left out."""
        whole, _, _ = self.log_path.read_bytes().rpartition(b"\n")
        records = [json.loads(line) for line in whole.split(b"\n") if line.startswith(b"{")]
        return [record for record in records if event is None or record.get("event") == event]

    def accepted(self) -> list[dict[str, Any]]:
        """The log lines of the runs whose answers were accepted."""
        return [record for record in self.log("run") if record["outcome"] in {"ok", "partial", "empty"}]


def parse(page: str) -> Samples:
    """The samples of a page in text format."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


class Prometheus:
    """A Prometheus server that scrapes a job each, by port of the loopback, every ``interval`` milliseconds."""

    def __init__(self, binary: str, directory: Path, targets: Mapping[str, int], interval: int = 1000) -> None:
        self.port = free_port()
        self._binary = binary
        self._directory = directory
        self._config = directory / "prometheus.yml"
        jobs = (
            f"  - job_name: {job}\n    honor_labels: true\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
            for job, port in targets.items()
        )
        settings = f"global: {{scrape_interval: {interval}ms, scrape_timeout: {interval}ms}}\nscrape_configs:\n"
        self._config.write_text(settings + "".join(jobs))

    @contextmanager
    def running(self) -> Iterator[Prometheus]:
        """Scrapes until the block ends."""
        command = [self._binary, f"--config.file={self._config}", f"--web.listen-address=127.0.0.1:{self.port}"]
        command += [f"--storage.tsdb.path={self._directory / 'tsdb'}", "--log.level=warn"]
        with (self._directory / "prometheus.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for("Prometheus to be ready", self._ready)
            yield self
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def _ready(self) -> bool:
        with suppress(OSError):
            return get(f"http://127.0.0.1:{self.port}/-/ready")[0] == 200
        return False

    def query(self, expression: str, at: float | None = None) -> dict[tuple[tuple[str, str], ...], Any]:
        """An instant query: label set -> value, or list of (time, value) for a range selector."""
        params = {"query": expression} | ({"time": f"{at:.3f}"} if at is not None else {})
        status, body = get(f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode(params)}")
        assert status == 200, body
        result = json.loads(body)["data"]["result"]
        return {
            tuple(sorted(series["metric"].items())): (
                float(series["value"][1])
                if "value" in series
                else [(float(when), float(value)) for when, value in series["values"]]
            )
            for series in result
        }


def demo_environ(api: DemoApi) -> dict[str, str]:
    """The variables that the demo's config refers to."""
    return {"TIMEPOINT_DEMO_API": api.url, "TIMEPOINT_DEMO_TOKEN": TOKEN}
