"""Real receivers as processes on free ports: Prometheus of both generations, and VictoriaMetrics.

Owns: starting and ending them, and reading back what they hold. Must not know: the sender.
"""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.support import PATIENCE, free_port, get, wait_for
from timepoint.clock import format_duration

Stored = dict[tuple[str, int], float]


@dataclass
class Server:
    """A receiver as a process. ``kill`` is kill -9, ``start`` starts it again on what it has on disk."""

    command: list[str]
    port: int
    log: Path
    write: str
    ready: str
    process: subprocess.Popen[bytes] | None = None
    kills: int = field(default=0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.write}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait_for(f"{self.command[0]} to be ready", self._is_ready)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.kills += 1

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)

    def _is_ready(self) -> bool:
        with suppress(OSError):
            return get(f"http://127.0.0.1:{self.port}{self.ready}")[0] == 200
        return False

    def prometheus_samples(self, metric: str, label: str, start: int, end: int) -> Stored:
        """Every stored sample of a metric in a range of ms, by the value of a label and the instant."""
        params = urllib.parse.urlencode({"query": f"{metric}[{format_duration(end - start + 1)}]", "time": end / 1000})
        status, body = get(f"http://127.0.0.1:{self.port}/api/v1/query?{params}")
        assert status == 200, body
        return {
            (found["metric"][label], round(float(at) * 1000)): float(value)
            for found in json.loads(body)["data"]["result"]
            for at, value in found["values"]
        }

    def victoria_samples(self, metric: str, label: str) -> Stored:
        """Every stored sample of a metric, by the value of a label and the instant."""
        get(f"http://127.0.0.1:{self.port}/internal/force_flush")
        params = urllib.parse.urlencode({"match[]": metric})
        status, body = get(f"http://127.0.0.1:{self.port}/api/v1/export?{params}")
        assert status == 200, body
        found: Stored = {}
        for line in body.splitlines():
            series = json.loads(line)
            for at, value in zip(series["timestamps"], series["values"], strict=True):
                assert (series["metric"][label], at) not in found, "a sample is stored twice"
                found[series["metric"][label], at] = float(value)
        return found


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """The server for as long as the block lasts."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def prometheus_server(binary: str, directory: Path, window: str = "") -> Server:
    """A Prometheus that scrapes nothing and receives, with an out-of-order window or without."""
    port = free_port()
    config = directory / "receiver.yml"
    storage = f"storage: {{tsdb: {{out_of_order_time_window: {window}}}}}\n" if window else ""
    config.write_text(f"global: {{scrape_interval: 1h}}\n{storage}")
    command = [binary, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
    command += [f"--storage.tsdb.path={directory / 'receiver'}", "--web.enable-remote-write-receiver"]
    command += ["--query.lookback-delta=5m", "--log.level=warn"]
    return Server(command, port, directory / "receiver.log", "/api/v1/write", "/-/ready")


def victoria_server(binary: str, directory: Path) -> Server:
    """A VictoriaMetrics that stores equal samples once."""
    port = free_port()
    command = [binary, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={directory / 'victoria'}"]
    command += ["-dedup.minScrapeInterval=1ms", "-retentionPeriod=12"]
    return Server(command, port, directory / "victoria.log", "/api/v1/write", "/health")
