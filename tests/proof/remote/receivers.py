"""The real receivers of the proof.

Owns: which there are, how each is started, killed and read. Must not know: what it should hold.

A kill -9 of a Prometheus loses nothing that it has acknowledged: the operating system has it. VictoriaMetrics keeps
what it has acknowledged in its memory for some seconds, so it is ended in order here; what a kill of it costs is
documented (W17).
"""

from __future__ import annotations

import json
import os
import shutil
import urllib.parse
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.proof.remote.proxy import Key
from tests.remote_write.servers import Server, prometheus_server, victoria_server
from tests.system.support import get
from timepoint.clock import format_duration

Stored = dict[Key, float]

WINDOW = "1h"


@dataclass(frozen=True)
class Kind:
    """One kind of receiver. ``window`` is its out-of-order window, empty for a strict one."""

    name: str
    binary: Callable[[], str | None]
    window: str = ""
    is_victoria: bool = False
    dies: bool = True  # survives a kill -9 with all that it acknowledged

    @property
    def is_strict(self) -> bool:
        return not self.window

    def server(self, directory: Path) -> Server:
        """A receiver of this kind, not yet started. Skips the test where its program is not installed."""
        binary = self.binary()
        if binary is None:
            pytest.skip(MISSING[self.name])
        directory.mkdir(parents=True, exist_ok=True)
        if self.is_victoria:
            return victoria_server(binary, directory)
        return prometheus_server(binary, directory, self.window)

    def stored(self, server: Server, metrics: Iterable[str], start: int, end: int) -> Stored:
        """Every sample that it holds of some metrics in a range of ms. Stale markers are left out."""
        read = _of_victoria if self.is_victoria else _of_prometheus
        found: Stored = {}
        for metric in metrics:
            found |= read(server, metric, start, end)
        return found


def _of_prometheus(server: Server, metric: str, start: int, end: int) -> Stored:
    params = urllib.parse.urlencode({"query": f"{metric}[{format_duration(end - start + 1)}]", "time": end / 1000})
    status, body = get(f"http://127.0.0.1:{server.port}/api/v1/query?{params}")
    assert status == 200, body
    return {
        (tuple(sorted(series["metric"].items())), round(float(at) * 1000)): float(value)
        for series in json.loads(body)["data"]["result"]
        for at, value in series["values"]
    }


def _of_victoria(server: Server, metric: str, start: int, end: int) -> Stored:
    get(f"http://127.0.0.1:{server.port}/internal/force_flush")
    params = urllib.parse.urlencode({"match[]": metric, "start": start / 1000, "end": end / 1000})
    status, body = get(f"http://127.0.0.1:{server.port}/api/v1/export?{params}")
    assert status == 200, body
    found: Stored = {}
    for line in body.splitlines():
        series = json.loads(line)
        labels = tuple(sorted(series["metric"].items()))
        for at, value in zip(series["timestamps"], series["values"], strict=True):
            assert (labels, at) not in found, f"a sample is stored twice: {labels} {at}"
            if value is not None:
                found[labels, at] = float(value)
    return found


KINDS = {
    kind.name: kind
    for kind in (
        Kind("strict", lambda: shutil.which("prometheus")),
        Kind("window", lambda: shutil.which("prometheus"), WINDOW),
        Kind("prometheus3", lambda: os.environ.get("TIMEPOINT_PROMETHEUS_3") or None),
        Kind("victoria", lambda: shutil.which("victoria-metrics"), WINDOW, is_victoria=True, dies=False),
    )
}
MISSING = {
    "strict": "prometheus is not installed (apt-get install prometheus)",
    "window": "prometheus is not installed (apt-get install prometheus)",
    "prometheus3": "no Prometheus 3 is here (set TIMEPOINT_PROMETHEUS_3 to its path)",
    "victoria": "victoria-metrics is not installed (apt-get install victoria-metrics)",
}
