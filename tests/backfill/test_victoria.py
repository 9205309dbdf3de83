"""History in a real VictoriaMetrics, by both ways: its import, and remote write."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backfill.stage import BEGIN, GAUGE, READING, STEP, Stage, amount, meter
from tests.remote_write.servers import Server, running, victoria_server
from tests.system.support import PATIENCE
from timepoint.clock import DAY, SystemClock
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec

pytestmark = pytest.mark.system

METRICS = f"{READING}\n          {GAUGE}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """One with room for all of it."""
    binary = shutil.which("victoria-metrics")
    if binary is None:
        pytest.skip("victoria-metrics is not installed (apt-get install victoria-metrics)")
    directory = tmp_path / "server"
    directory.mkdir()
    server = victoria_server(binary, directory)
    server.command[-1] = "-retentionPeriod=10y"
    with running(server):
        yield server


def check(server: Server) -> None:
    """Every sample of three days, and no other."""
    for pod in range(3):
        slots = range(BEGIN // STEP, (BEGIN + 3 * DAY) // STEP)
        total = 0.0
        truth: dict[str, dict[int, float]] = {"x_total": {BEGIN: 0.0}, "y_total": {}, "z_watts": {}}
        for slot in slots:
            total += amount(pod, slot)
            truth["x_total"][(slot + 1) * STEP] = total
            truth["y_total"][(slot + 1) * STEP] = float(meter(pod, slot))
            truth["z_watts"][(slot + 1) * STEP] = amount(pod, slot) / 4
        for name, samples in truth.items():
            found = server.victoria_samples(name, "pod")
            assert {at: value for (label, at), value in found.items() if label == f"p{pod}"} == samples


def test_imported_lines_are_the_history(server: Server, tmp_path: Path) -> None:
    """The files of JSON lines, loaded by its import, give every sample."""
    stage = Stage(tmp_path)
    stage.run(stage.asked(stage.job(metrics=METRICS), shape="json-lines"))
    for path in sorted((tmp_path / "out").glob("*.jsonl")):
        url = f"http://127.0.0.1:{server.port}/api/v1/import"
        with urllib.request.urlopen(urllib.request.Request(url, path.read_bytes()), timeout=PATIENCE) as answer:
            assert answer.status == 204
    check(server)


def test_sent_samples_are_the_history(server: Server, tmp_path: Path) -> None:
    """The same by remote write, which it understands in protocol 1.0 alone."""
    stage = Stage(tmp_path)
    stage.clock.jump(SystemClock().now() - stage.clock.now())  # it tells the time, and so must we
    spec = ReceiverSpec("vm", SourceSpec("vm", server.url), out_of_order=3650 * DAY)
    loading = stage.run(stage.asked(stage.job(metrics=METRICS), receiver=spec))
    assert loading.now().samples == 3 * (865 + 864 + 864)
    check(server)
