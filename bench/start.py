"""The row about a restart.

Owns: how long it takes to the first full page. Must not know: how the table is printed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from bench.bodies import Shape, make_bodies
from bench.client import count_series
from bench.exporter import METRIC, fill, write_config
from bench.processes import Program, free_port, timepoint
from bench.setting import Setting, medians
from bench.table import Row, judged

LIMIT = 2.0
_RETRY = 0.005


def rows(setting: Setting) -> list[Row]:
    """From the start of the program to the first scrape that has every series: with its page at hand, and without."""
    shape = Shape(setting.pods, setting.points, setting.overlap)
    bodies = make_bodies(setting.work, shape, 3)
    directory = Path(tempfile.mkdtemp(dir=setting.work))
    try:
        fill(directory, shape, bodies[:1], time.time_ns() // 1_000_000)
        config = write_config(directory / "config.yaml", shape)
        at_hand = [_start(directory, config, shape.pods) for _ in range(setting.repeats)]
        rendered = [_start(directory, config, shape.pods, forget=True) for _ in range(setting.repeats)]
    finally:
        shutil.rmtree(directory)
    how = (
        f"wall clock, exec of `timepoint run` to the last byte of a page with every series; median of {setting.repeats}"
    )
    return [
        _row(f"start to first full page, {setting.pods:,} series in the ledger", medians(at_hand), how),
        _row("- the same when the page was lost and is made from the ledger", medians(rendered), ""),
    ]


def _row(work: str, figures: dict[str, float], how: str) -> Row:
    seconds = figures["seconds"]
    shown = f"{seconds:.2f} s ({figures['cpu']:.2f} s CPU)"
    return Row(work, shown, f"<= {LIMIT:g} s", verdict=judged(seconds, LIMIT), how=how, figures=figures)


def _start(directory: Path, config: Path, series: int, *, forget: bool = False) -> dict[str, float]:
    """Seconds to the page, and the CPU time of all processes until then."""
    if forget:
        shutil.rmtree(directory / "published")
    port = free_port()
    begin = time.perf_counter()
    with Program(timepoint("run", config, directory, port), directory / "run.log", port) as program:
        while count_series(port, METRIC) < series:
            time.sleep(_RETRY)
        return {"seconds": time.perf_counter() - begin, "cpu": program.cpu()}
