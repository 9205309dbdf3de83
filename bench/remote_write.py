"""What sending by remote write costs.

    python -m bench.remote_write            encoding, in samples per second of CPU
    python -m bench.remote_write --drain    a day of 1,000 series each minute into a Prometheus on this machine

The second starts the ``prometheus`` of the PATH with an empty directory, sends 1.44 million samples from a queue in
memory, one of each series per request, and prints the time, both sides' CPU time, and by how much the memory of this
process grew while it sent.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
from tests.remote_write.servers import prometheus_server, running

from timepoint.clock import MINUTE, SystemClock
from timepoint.model import MetricType
from timepoint.remote_write.encode import compress, request_v1, request_v2
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import OutSeries, Pending, Version
from timepoint.remote_write.post import open_post
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.slices import Ready, Screen
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec

T = TypeVar("T")

_ROUNDS = 50
_SERIES = 2000
_POINTS = 1440


class _Inline:
    async def do(self, work: Callable[[], T]) -> T:
        return work()


def _series(number: int) -> OutSeries:
    labels = {
        "__name__": "pod_energy_joules_total",
        "app": f"app-{number % 37}",
        "cluster": f"cluster-{number % 3}",
        "namespace": f"namespace-{number % 11}",
        "pod_name": f"pod-{number:06}-7d9f8b6c5",
    }
    return OutSeries(number, tuple(labels.items()), MetricType.COUNTER, "Energy consumed by the pod.", "joules")


def _rate(what: str, work: Callable[[], object], unit: str = "samples/s", amount: float = _SERIES) -> None:
    began = time.process_time()
    for _ in range(_ROUNDS):
        work()
    print(f"{what:36}{amount * _ROUNDS / (time.process_time() - began):14,.0f} {unit}")


def encoding() -> None:
    """Prints how fast requests are cut and written."""
    now = SystemClock().now()
    screen = Screen(ReceiverSpec("local", SourceSpec("local", "http://127.0.0.1/")))
    rows = [Pending(number, _series(number), now - 10, number * 1.1, now - 1000) for number in range(_SERIES)]
    ready = [Ready(row, row.series.labels) for row in rows]
    _rate("cut a slice of 2,000", lambda: screen.cut(rows, now, _SERIES))
    _rate("write a request of 1.0", lambda: request_v1(ready))
    _rate("write a request of 2.0", lambda: request_v2(ready))
    data = request_v1(ready)
    _rate("compress it", lambda: compress(data), "MB/s", len(data) / 1e6)
    for version, write in ((Version.V1, request_v1), (Version.V2, request_v2)):
        raw = write(ready)
        print(f"bytes per sample in {version}{len(raw) / _SERIES:20.1f}, compressed {len(compress(raw)) / _SERIES:.1f}")


async def drain(binary: str, directory: Path) -> None:
    """Sends a day, and prints what it took."""
    clock = SystemClock()
    outbox, here = MemoryOutbox(), psutil.Process()
    series = [_series(number) for number in range(1000)]
    first = clock.now() - _POINTS * MINUTE
    for point in range(_POINTS):
        at = first + point * MINUTE
        outbox.enqueue(["local"], [(one, at, float(point)) for one in series])
    with running(prometheus_server(binary, directory)) as server:
        spec = ReceiverSpec("local", SourceSpec("local", server.url), max_age=0)
        before, began, cpu = here.memory_info().rss, time.monotonic(), time.process_time()
        most = before
        async with open_post(spec.http, clock) as post:
            sender = Sender(spec, outbox, _Inline(), post, clock)
            while not await sender.turn():
                most = max(most, here.memory_info().rss)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        assert server.process is not None
        other = psutil.Process(server.process.pid).cpu_times()
        stored = server.prometheus_samples("pod_energy_joules_total", "pod_name", first, clock.now())
    counts, facts = outbox.counts("local"), sender.facts
    assert counts.acknowledged == len(stored) == len(series) * _POINTS, (counts, len(stored))
    print(f"{counts.acknowledged:,} samples in {facts.requests} requests of {facts.version}, all stored")
    print(f"{took:.1f} s, {counts.acknowledged / took:,.0f} samples/s")
    print(f"CPU: {cpu:.1f} s here, {other.user + other.system:.1f} s Prometheus")
    print(f"memory while sending: {(most - before) / 1024**2:+.1f} MiB")


def main() -> None:
    """Measures and prints."""
    if "--drain" not in sys.argv[1:]:
        encoding()
        return
    binary = shutil.which("prometheus")
    if binary is None:
        sys.exit("prometheus is not installed (apt-get install prometheus)")
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(drain(binary, Path(directory)))


if __name__ == "__main__":
    main()
