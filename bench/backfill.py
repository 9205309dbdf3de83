"""What loading history costs, and whether it is exact.

    python -m bench.backfill                        90 days of 1,000 series each 5 min: files, promtool blocks, a
                                                    Prometheus on them, and VictoriaMetrics
    python -m bench.backfill --days 7 --receiver    the same history by remote write into VictoriaMetrics
    python -m bench.backfill --growth               1 to 90 days, and 1,000 to 100,000 series, into files

An API of this benchmark's own answers with whole numbers that are a function of series and time, so what each sample
must be is known. Memory is the peak of the process; every sample of some series is compared, and of all the others
their number and their last total. Prints figures as JSON, of which ``scripts/backfill_chart.py`` makes a picture.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.remote_write.servers import Server, prometheus_server, running, victoria_server

from timepoint.clock import DAY, MINUTE, SystemClock, format_instant

STEP = 5 * MINUTE
COMPARED = 25  # series of which every sample is compared

_CONFIG = """
sources:
  api: {{url: "http://127.0.0.1:{port}"}}
jobs:
  energy:
    source: api
    every: 30m
    timeout: 5m
    request:
      get: /pods
      params: {{start: "{{window.start:unix_ms}}", end: "{{window.end:unix_ms}}"}}
    window: {{step: 5m, delay: 10m}}
    rows: {{pod: "$.pods[*]"}}
    metrics:
      pod_energy_joules_total:
        type: counter
        temporality: delta
        help: Energy consumed by the pod.
        value: $pod.joules
        time: {{start: "{{window.start}}", step: 5m}}
        labels: {{pod_name: $pod.name, cluster: $pod.cluster, namespace: $pod.namespace}}
{receiver}
"""


def amount(series: int, slot: int) -> int:
    """What series ``series`` used in a slot of 5 minutes."""
    return (series * 31 + slot * 17 + (slot // 7) * series) % 97


def _answer(series: int, start: int, end: int) -> bytes:
    slots = range(start // STEP, end // STEP)
    pods = [
        {
            "name": f"pod-{number:06}-7d9f8b6c5",
            "cluster": f"cluster-{number % 3}",
            "namespace": f"namespace-{number % 11}",
            "joules": [amount(number, slot) for slot in slots],
        }
        for number in range(series)
    ]
    return json.dumps({"pods": pods}).encode()


def serve_api(series: int, port: Any) -> None:
    """The API, in a process of its own; says its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
            body = _answer(series, int(query["start"][0]), int(query["end"][0]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.put(server.server_address[1])
    server.serve_forever()


@contextlib.contextmanager
def api(series: int) -> Iterator[int]:
    """The port of a running API."""
    told: Any = multiprocessing.Queue()
    process = multiprocessing.Process(target=serve_api, args=(series, told), daemon=True)
    process.start()
    try:
        yield told.get(timeout=10)
    finally:
        process.terminate()
        process.join()


def measured(command: list[str], **more: Any) -> dict[str, float]:
    """Runs a command; seconds on the wall, seconds of CPU, peak memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(command, **more)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} ended with status {status}")
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_mib": round(usage.ru_maxrss / 1024, 1),
    }


def get_json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=600) as answer:
        return json.load(answer)


class Truth:
    """What each sample must be."""

    def __init__(self, series: int, start: int, end: int) -> None:
        self.series, self.start, self.end = series, start, end
        self.slots = range(start // STEP, end // STEP)

    def samples(self, number: int) -> dict[int, float]:
        """The samples of a series: a 0 at the begin, then the total at the end of each interval."""
        totals = accumulate(amount(number, slot) for slot in self.slots)
        found = {self.start: 0.0}
        found.update(((slot + 1) * STEP, float(total)) for slot, total in zip(self.slots, totals, strict=True))
        return found

    @property
    def count(self) -> int:
        return self.series * (len(self.slots) + 1)

    def total(self, number: int) -> float:
        return float(sum(amount(number, slot) for slot in self.slots))


def compare(server: Server, truth: Truth) -> dict[str, int]:
    """Holds what a server stores to the truth: the number of samples, all last totals, all samples of some series."""
    base = f"http://127.0.0.1:{server.port}/api/v1/query?"
    name = "pod_energy_joules_total"
    length = (truth.end - truth.start) // 1000 + 1

    def ask(query: str) -> list[Any]:
        found = get_json(base + urllib.parse.urlencode({"query": query, "time": truth.end / 1000, "nocache": 1}))
        return list(found["data"]["result"])

    counts = {one["metric"]["pod_name"]: int(one["value"][1]) for one in ask(f"count_over_time({name}[{length}s])")}
    lasts = {one["metric"]["pod_name"]: float(one["value"][1]) for one in ask(f"last_over_time({name}[1h])")}
    wrong = 0
    for number in range(truth.series):
        pod = f"pod-{number:06}-7d9f8b6c5"
        wrong += lasts.get(pod) != truth.total(number) or counts.get(pod) != len(truth.slots) + 1
    for number in range(0, truth.series, max(1, truth.series // COMPARED)):
        pod = f"pod-{number:06}-7d9f8b6c5"
        found: dict[int, float] = {}
        for at in range(truth.start, truth.end + 1, 30 * DAY):  # VictoriaMetrics shows so many raw samples at most
            until = min(at + 30 * DAY - 1, truth.end)
            query = f'{name}{{pod_name="{pod}"}}[{until - at + 1}ms]'
            params = urllib.parse.urlencode({"query": query, "time": until / 1000, "nocache": 1})
            for one in get_json(base + params)["data"]["result"]:
                found.update((round(float(when) * 1000), float(value)) for when, value in one["values"])
        wrong += found != truth.samples(number)
    return {"samples": sum(counts.values()), "expected": truth.count, "wrong": wrong}


def growth(options: argparse.Namespace) -> dict[str, Any]:
    """Time and memory over the length of history, and over the number of series."""
    end = SystemClock().now() // DAY * DAY - DAY
    rows = []
    for days, series in ((1, 1000), (7, 1000), (30, 1000), (90, 1000), (1, 10_000), (1, 100_000)):
        truth = Truth(series, end - days * DAY, end)
        with tempfile.TemporaryDirectory(dir=options.directory) as name, api(series) as port:
            figures = into_files(truth, port, "openmetrics", Path(name))
        rows.append({"days": days, "series": series, "samples": truth.count, **figures})
        print(json.dumps(rows[-1]), file=sys.stderr)
    return {"growth": rows}


def into_files(truth: Truth, port: int, shape: str, directory: Path) -> dict[str, float]:
    """Loads history into files; what it cost."""
    config = directory / "config.yaml"
    config.write_text(_CONFIG.format(port=port, receiver=""), encoding="utf-8")
    out = directory / shape
    figures = measured(_command(config, truth, f"--{shape}", str(out), directory))
    files = [path for path in out.iterdir() if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    return {**figures, "files": len(files), "megabytes": round(size), "per_second": rate(truth, figures)}


def rate(truth: Truth, figures: dict[str, float]) -> int:
    """Points a second."""
    return round(truth.series * len(truth.slots) / figures["seconds"])


def _command(config: Path, truth: Truth, option: str, value: str, directory: Path) -> list[str]:
    program = str(Path(sys.executable).with_name("timepoint"))
    times = ["--from", format_instant(truth.start), "--to", format_instant(truth.end)]
    return [program, "backfill", str(config), *times, option, value, "--data-dir", str(directory / "data")]


def into_blocks(truth: Truth, files: Path, directory: Path) -> dict[str, Any]:
    """Makes blocks of the files with promtool, and asks a Prometheus on them."""
    here = directory / "prometheus"
    blocks = here / "receiver"  # where its server looks
    blocks.mkdir(parents=True)
    script = 'for f in "$1"/*.om; do promtool tsdb create-blocks-from openmetrics -q "$f" "$2" || exit 1; done'
    figures: dict[str, Any] = measured(["sh", "-c", script, "sh", str(files), str(blocks)], stdout=subprocess.DEVNULL)
    figures["blocks"] = sum(1 for path in blocks.iterdir() if (path / "meta.json").exists())
    figures["per_second"] = rate(truth, figures)
    server = prometheus_server(shutil.which("prometheus") or sys.exit("prometheus is not installed"), here)
    server.command += ["--storage.tsdb.retention.time=10y", "--query.max-samples=100000000"]
    with running(server):
        figures.update(compare(server, truth))
    return figures


def into_victoria(truth: Truth, files: Path, directory: Path) -> dict[str, Any]:
    """Has VictoriaMetrics import the lines, and asks it."""
    with running(victoria(directory)) as server:
        began = time.monotonic()
        for path in sorted(files.glob("*.jsonl")):
            url = f"http://127.0.0.1:{server.port}/api/v1/import"
            subprocess.run(["curl", "-fsS", "-T", str(path), url], check=True)
        figures: dict[str, Any] = {"seconds": round(time.monotonic() - began, 1)}
        figures["per_second"] = rate(truth, figures)
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/internal/force_flush", timeout=60).close()
        figures.update(compare(server, truth))
    return figures


def by_remote_write(truth: Truth, port: int, directory: Path) -> dict[str, Any]:
    """Sends history to VictoriaMetrics by remote write, and asks it."""
    with running(victoria(directory)) as server:
        receiver = f"remote_write:\n  - {{name: vm, url: '{server.url}', out_of_order: 10y, max_samples: 10000}}"
        config = directory / "config.yaml"
        config.write_text(_CONFIG.format(port=port, receiver=receiver), encoding="utf-8")
        figures: dict[str, Any] = measured(_command(config, truth, "--receiver", "vm", directory))
        figures["per_second"] = rate(truth, figures)
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/internal/force_flush", timeout=60).close()
        figures.update(compare(server, truth))
    return figures


def victoria(directory: Path) -> Server:
    """VictoriaMetrics with room for all of the history."""
    binary = shutil.which("victoria-metrics") or sys.exit("victoria-metrics is not installed")
    server = victoria_server(binary, directory)
    limits = ["-search.maxSamplesPerQuery=1000000000", "-search.maxPointsPerTimeseries=1000000"]
    server.command[-1:] = ["-retentionPeriod=10y", *limits]
    return server


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures."""
    end = SystemClock().now() // DAY * DAY - DAY
    truth = Truth(options.series, end - options.days * DAY, end)
    figures: dict[str, Any] = {"days": options.days, "series": options.series, "samples": truth.count}
    with tempfile.TemporaryDirectory(dir=options.directory) as name, api(options.series) as port:
        directory = Path(name)
        if options.receiver:
            figures["remote_write"] = by_remote_write(truth, port, directory)
            return figures
        figures["openmetrics"] = into_files(truth, port, "openmetrics", directory)
        figures["promtool"] = into_blocks(truth, directory / "openmetrics", directory)
        shutil.rmtree(directory / "openmetrics")
        shutil.rmtree(directory / "prometheus")
        figures["json-lines"] = into_files(truth, port, "json-lines", directory)
        figures["victoria"] = into_victoria(truth, directory / "json-lines", directory)
    return figures


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--receiver", action="store_true", help="by remote write into VictoriaMetrics")
    parser.add_argument("--growth", action="store_true", help="over days and over series")
    parser.add_argument("--directory", help="where temporary files are made; some GB")
    options = parser.parse_args()
    print(json.dumps(growth(options) if options.growth else measure(options), indent=2))


if __name__ == "__main__":
    main()
