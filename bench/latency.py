"""The row about scrapes while a large answer is processed.

Owns: how they are measured together. Must not know: how the table is printed.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from bench import fresh
from bench.bodies import Shape, make_bodies
from bench.exporter import Poller, fill, write_config
from bench.processes import Program, free_port, timepoint
from bench.setting import Setting
from bench.table import Row, judged

LIMIT = 50.0
_EVERY = 0.01


def rows(setting: Setting) -> list[Row]:
    """The p99 of scrapes while a poller reads one large answer after the other and publishes what they come to."""
    # As large an answer as that of the poll rows, of fewer pods: their names fill a tenth of that one.
    factor = setting.pods * 11 // (setting.scraped_series * 10)
    shape = Shape(setting.scraped_series, setting.points * factor, setting.overlap * factor)
    bodies = make_bodies(setting.work, shape, 3)
    directory = Path(tempfile.mkdtemp(dir=setting.work))
    try:
        fill(directory, shape, bodies[:1], _now())
        config, port = write_config(directory / "config.yaml", shape), free_port()
        with Program(timepoint("serve", config, directory, port), directory / "serve.log", port):
            quiet = fresh.call("bench.client:pace", port=port, seconds=setting.seconds / 3, every=_EVERY)
            arguments = {"directory": str(directory), "work": str(setting.work)}
            fields = [shape.pods, shape.points, shape.overlap]
            churning = subprocess.Popen(fresh.command("bench.latency:churn", **arguments, shape=fields), cwd=fresh.ROOT)
            try:
                time.sleep(1)  # until it has started
                busy = fresh.call("bench.client:pace", port=port, seconds=setting.seconds, every=_EVERY)
            finally:
                churning.terminate()
                churning.wait()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    work = f"p99 of a {shape.pods:,}-series scrape while {bodies[0].stat().st_size / 1e6:.0f} MB answers are processed"
    how = (
        f"wall clock, {busy['scrapes']} scrapes, one every {_EVERY * 1000:.0f} ms on keep-alive, while a poller reads "
        "and publishes without pause"
    )
    return [
        Row(
            work, f"{busy['p99']:.1f} ms", f"<= {LIMIT:g} ms", verdict=judged(busy["p99"], LIMIT), how=how, figures=busy
        ),
        Row("- the same with an idle poller", f"{quiet['p99']:.1f} ms", figures=quiet),
    ]


def churn(directory: str, work: str, shape: list[int]) -> dict[str, float]:
    """Reads the three bodies into a new ledger, again and again, until it is ended; publishes into ``directory``."""
    made = Shape(*shape)
    answers = [path.read_bytes() for path in make_bodies(Path(work), made, 3)]
    number = 0
    while True:
        number += 1
        place = Path(directory) / str(number)
        with Poller(place, made, _now(), Path(directory) / "published") as poller:
            for answer in answers:
                poller.run(answer)
        shutil.rmtree(place)


def _now() -> int:
    return time.time_ns() // 1_000_000
