"""History meets live polling in a real Prometheus: what both sides counted adds up, to the joule.

The story: the exporter polls and is scraped, then what was before is loaded through promtool's blocks, while it goes
on. ``zero_first`` is off, so no 0 of the page helps: the seam alone must tell that live totals begin anew. It is told
twice. With four hours of history the first total that is scraped is less than the last of history, as after a restart
of any counter; with ten seconds, and a Prometheus that comes late, it is more, and only the 0 of the seam tells.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.system.support import (
    CONFIG,
    PATIENCE,
    DemoApi,
    Exporter,
    Prometheus,
    config,
    demo_environ,
    milliseconds,
    wait_for,
)
from timepoint.clock import HOUR, SECOND
from timepoint.demo.api import Habits
from timepoint.demo.world import CELL, Pod, World
from timepoint.ledger.beginnings import read_beginnings

pytestmark = pytest.mark.system

NAME = "pod_energy_joules_total"
JOULES_PER_WH = 3600
LONG, SHORT = 4 * HOUR, 2 * CELL

Series = dict[tuple[tuple[str, str], ...], Any]


@dataclass(frozen=True)
class Story:
    """``seam`` is where live polling began, ``start`` where history does, both in ms; ``pods`` live over the seam."""

    world: World
    start: int
    seam: int
    ranges: Series
    gauges: Series
    prometheus: Prometheus
    pods: dict[str, Pod]

    def truth(self, pod: Pod, end: int) -> float:
        """What a pod used from the begin of history to an instant, in joules; exact."""
        return self.world.energy(pod, self.start, end) * JOULES_PER_WH

    def series_of(self, pod: str) -> list[tuple[float, float]]:
        (samples,) = [samples for labels, samples in self.ranges.items() if dict(labels)["pod_name"] == pod]
        return samples  # type: ignore[no-any-return] # as the server gives it


def _backfill(text: Path, exporter: Exporter, start: int, out: Path) -> None:
    command = [sys.executable, "-m", "timepoint", "backfill", str(text), "--from", str(start // 1000)]
    command += ["--openmetrics", str(out), "--data-dir", str(exporter.data_dir), "--span", "1h"]
    command += ["--label", "job=energy", "--label", f"instance=127.0.0.1:{exporter.port}"]
    done = subprocess.run(
        command,
        env={**os.environ, **exporter.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert "where live polling began" in done.stderr
    assert "The exporter runs beside: 50% of what each source allows is used" in done.stderr


def _scraped_run(exporter: Exporter, server: Prometheus) -> float:
    """Waits for a run and for a scrape after it, which a busy machine may not end in its second; when that was."""
    before = len(exporter.accepted())
    wait_for("a run", lambda: len(exporter.accepted()) > before)
    run = milliseconds(exporter.accepted()[-1]["ts"]) / 1000
    found = wait_for("a scrape of it", lambda: server.query(f"timestamp(up) > {run + 0.5} and up == 1"))
    (at,) = found.values()
    return float(at)


@pytest.fixture(scope="module", params=[LONG, SHORT], ids=["four hours", "ten seconds"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Polls, scrapes, loads history, and looks."""
    prometheus, promtool = shutil.which("prometheus"), shutil.which("promtool")
    if prometheus is None or promtool is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    directory = tmp_path_factory.mktemp("seam")
    world = World(lifetime=24 * HOUR)
    habits = Habits(settle=0, failures=0.0, oddities=0.0)
    with DemoApi(world, habits).running() as api:
        text = directory / "config.yaml"
        assert "ZERO_FIRST" in CONFIG
        # By default a run, and so a piece of history, may take nine tenths of the period.
        text.write_text(config("5s", "0s").replace("    jitter: 0s\n", "    jitter: 0s\n    timeout: 1h\n"), "utf-8")
        exporter = Exporter(text, directory / "data", demo_environ(api))
        exporter.start()
        length: int = request.param
        try:
            if length == SHORT:
                wait_for("more runs than history has cells", lambda: len(exporter.accepted()) >= 5)
            server = Prometheus(prometheus, directory, {"energy": exporter.port})
            with server.running():
                _scraped_run(exporter, server)
                seam = read_beginnings(exporter.data_dir / "ledger.sqlite", in_use=True)["pod_energy"]
                assert seam is not None
                start = (seam - length) // CELL * CELL
                _backfill(text, exporter, start, directory / "history")
                at = _scraped_run(exporter, server)
            for path in sorted((directory / "history").glob("*.om")):
                command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", str(path)]
                subprocess.run([*command, str(directory / "tsdb")], check=True, timeout=10 * PATIENCE)
            with server.running():
                reach = f"{length // SECOND + 600}s"
                ranges = server.query(f"{NAME}[{reach}]", at)
                gauges = server.query(f"pod_cpu_usage_ratio[{reach}]", at)
                alive = {pod.name: pod for pod in world.pods(seam - HOUR, seam) if pod.dies > seam + HOUR}
                yield Story(world, start, seam, ranges, gauges, server, alive)
        finally:
            exporter.stop()


def test_history_and_live_are_one_series(story: Story) -> None:
    """A pod that lives over the seam has one series in Prometheus, with samples of both sides."""
    assert len(story.pods) > 20
    for name in story.pods:
        stamps = [at * 1000 for at, _ in story.series_of(name)]
        assert min(stamps) < story.seam < max(stamps)


def test_increase_over_the_seam_is_what_the_api_counted(story: Story) -> None:
    """``increase()`` from the first sample of history to the last scrape is the API's own sum, to the joule."""
    for name, pod in story.pods.items():
        samples = story.series_of(name)
        first, (last, total) = samples[0][0], samples[-1]
        watermark = next(
            end
            for end in range(story.seam, story.seam + HOUR, CELL)
            if story.world.energy(pod, story.seam, end) * JOULES_PER_WH == total
        )
        selector = f'{NAME}{{pod_name="{name}"}}[{round((last - first) * 1000)}ms]'
        (increase,) = story.prometheus.query(f"increase({selector})", last).values()
        (resets,) = story.prometheus.query(f"resets({selector})", last).values()
        assert increase == pytest.approx(story.truth(pod, watermark), rel=1e-12)
        assert resets == 1


def test_the_last_total_of_history_stands_before_the_seam(story: Story) -> None:
    """A millisecond before the seam stands the total of history, and at the seam a 0."""
    for name, pod in story.pods.items():
        at = {round(at * 1000): value for at, value in story.series_of(name)}
        assert at[story.seam - 1] == story.truth(pod, story.seam)
        assert at[story.seam] == 0


def test_every_timepoint_of_history_is_there(story: Story) -> None:
    """Each total of history stands at the end of its interval, exact."""
    for name, pod in story.pods.items():
        found = {round(at * 1000): value for at, value in story.series_of(name)}
        begin = max(story.start, pod.born)
        total = 0.0
        for end in range(begin + CELL, story.seam, CELL):
            total += story.world.energy(pod, end - CELL, end) * JOULES_PER_WH
            assert found[end] == total


def test_gauges_have_their_true_timestamps(story: Story) -> None:
    """A gauge has the API's value at the end of each interval."""
    for labels, samples in story.gauges.items():
        pod = story.pods.get(dict(labels)["pod_name"])
        if pod is None:
            continue
        found = {round(at * 1000): value for at, value in samples}
        for end in range(max(story.start, pod.born) + CELL, story.seam, 7 * CELL):
            assert found[end] == story.world.cpu(pod, end - CELL, end)
