"""Rows about memory.

Owns: what the exporter does while its memory is looked at. Must not know: how the table is printed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench.bodies import Shape, make_bodies
from bench.client import count_series
from bench.exporter import JOB, METRIC, write_config
from bench.processes import PeakMemory, Program, free_port, timepoint, wait_for
from bench.setting import Setting
from bench.source import Source
from bench.table import Row, judged
from timepoint.errors import PublishError
from timepoint.exposition.publish import read_published, snapshot_path

MIB = 1024 * 1024
IDLE, PEAK, MOST = 120, 300, 1.2 * 1024
_HOW = "PSS of all processes of `timepoint run`, which fetches from an API on the loopback"


@dataclass(frozen=True, slots=True)
class Used:
    """MiB: the most that was seen, what stays after the last poll, and the size of an answer."""

    peak: float
    rest: float
    body: float


def rows(setting: Setting) -> list[Row]:
    """Idle, peak of a large poll beside the body, and very many series."""
    idle = _run(setting, Shape(100, setting.points, setting.overlap), 250)
    large = _run(setting, Shape(setting.pods, setting.points, setting.overlap), setting.memory_step)
    most = _run(setting, Shape(setting.most_series, 4, 2), setting.memory_step * 50)
    beside = large.peak - large.body
    return [
        Row(
            "memory, idle, all processes together",
            f"{idle.rest:.0f} MiB",
            f"<= {IDLE} MiB",
            verdict=judged(idle.rest, IDLE),
            how=f"{_HOW}; after two polls of 100 pods",
            figures={"mib": idle.rest},
        ),
        Row(
            f"memory, peak beside the body, {setting.pods:,} pods x {setting.points}",
            f"{beside:.0f} MiB",
            f"<= {PEAK} MiB",
            verdict=judged(beside, PEAK),
            how=f"{_HOW}; a first and a steady poll, looked at every 50 ms, less {large.body:.0f} MiB of body",
            figures={"mib": beside, "peak": large.peak, "rest": large.rest},
        ),
        Row(f"- at rest with {setting.pods:,} series", f"{large.rest:.0f} MiB"),
        Row(
            f"memory, {setting.most_series:,} series, peak beside the body",
            f"{most.peak - most.body:.0f} MiB",
            f"<= {MOST:.0f} MiB",
            verdict=judged(most.peak - most.body, MOST),
            how=f"{_HOW}; 4 points per series, {most.body:.0f} MiB of body",
            figures={"mib": most.peak - most.body, "peak": most.peak, "rest": most.rest},
        ),
        Row(f"- at rest with {setting.most_series:,} series", f"{most.rest:.0f} MiB"),
    ]


def _commits(page: Path) -> int:
    """How many runs have come to a page."""
    time.sleep(0.5)
    try:
        return read_published(page).commit
    except PublishError:
        return 0


def _run(setting: Setting, shape: Shape, step: int) -> Used:
    """Runs the exporter over a first and a steady poll. ``step`` in milliseconds decides how soon the second comes."""
    bodies = make_bodies(setting.work, shape, 2)
    directory = Path(tempfile.mkdtemp(dir=setting.work))
    try:
        with Source(bodies).serving() as source:
            config, port = write_config(directory / "config.yaml", shape, source.url, step), free_port()
            program = Program(timepoint("run", config, directory / "data", port), directory / "run.log", port)
            with program, PeakMemory(program) as watched:
                page = snapshot_path(directory / "data" / "published", JOB)
                wait_for(lambda: _commits(page) == len(bodies), "the exporter does not poll", 300)
                time.sleep(3)  # until the server has read it, and the poller's heartbeat has come
                rest = program.memory()
                if count_series(port, METRIC) != shape.pods:
                    log = (directory / "run.log").read_text(encoding="utf-8")
                    raise RuntimeError(f"the page does not show every series; the log says:\n{log}")
        return Used(watched.peak / MIB, rest / MIB, bodies[0].stat().st_size / MIB)
    finally:
        shutil.rmtree(directory)
