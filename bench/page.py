"""Rows about scraping a large page.

Owns: how scrapes are measured, here and by the peers. Must not know: how the table is printed.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bench import fresh, nginx
from bench.bodies import Shape, make_bodies
from bench.client import Scraper
from bench.exporter import fill, write_config
from bench.processes import Program, free_port, timepoint
from bench.setting import Setting
from bench.table import Row, Verdict, judged

OF_NGINX, CPU = 0.25, 0.010
_ROUNDS = 5
_AGO = 10 * 60 * 1000
"""The page is of ten minutes ago, in milliseconds: no series shows the 0 of its first two minutes any more."""


def rows(setting: Setting) -> list[Row]:
    """Requests per second against nginx, CPU per scrape, and what prometheus_client needs for the same page."""
    shape = Shape(setting.pods, setting.points, setting.overlap)
    bodies = make_bodies(setting.work, shape, 3)
    directory = Path(tempfile.mkdtemp(dir=setting.work))
    try:
        fill(directory, shape, bodies[:2], time.time_ns() // 1_000_000 - _AGO)
        ours, theirs, length = _side_by_side(setting, directory, write_config(directory / "config.yaml", shape))
    finally:
        shutil.rmtree(directory)
    script = fresh.call("bench.script:poll", bodies=[str(body) for body in bodies[:2]])
    return _make_rows(setting, ours, theirs, length, script["page"])


def _side_by_side(
    setting: Setting, directory: Path, config: Path
) -> tuple[dict[str, float], dict[str, float] | None, int]:
    port = free_port()
    with Program(timepoint("serve", config, directory, port), directory / "serve.log", port) as exporter:
        page = bytearray()
        Scraper(port).scrape(page)
        file = directory / "page.gz"
        file.write_bytes(page)
        program = nginx.find()
        ours: list[dict[str, float]] = []
        if program is None:
            ours = [_measure(exporter, port, setting.scrapes) for _ in range(_ROUNDS)]
            return _middle(ours), None, len(page)
        theirs: list[dict[str, float]] = []
        other_port = free_port()
        with nginx.serving(program, directory, file, other_port) as other:
            for _ in range(_ROUNDS):  # in turns, so that a busy moment of the machine hits both
                ours.append(_measure(exporter, port, setting.scrapes))
                theirs.append(_measure(other, other_port, setting.scrapes))
        return _middle(ours), _middle(theirs), len(page)


def _measure(program: Program, port: int, count: int) -> dict[str, float]:
    before = program.cpu()
    rate = fresh.call("bench.client:load", port=port, count=count)["per_second"]
    return {"per_second": rate, "cpu": (program.cpu() - before) / (count + 1)}


def _middle(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(found[key] for found in rounds) for key in rounds[0]}


def _make_rows(
    setting: Setting, ours: dict[str, float], theirs: dict[str, float] | None, length: int, script: float
) -> list[Row]:
    work = f"scrape of {setting.pods:,} series, gzip ({length / 1e6:.1f} MB), keep-alive"
    how = f"a client in another process, one connection, {setting.scrapes} scrapes, median of {_ROUNDS} rounds in turns"
    rate, cpu = ours["per_second"], ours["cpu"]
    target = f">= {OF_NGINX:g} x nginx"
    if theirs is None:
        compared = Row(work, "no nginx (apt-get install nginx-light)", target, verdict=Verdict.NOT_RUN)
    else:
        ratio = rate / theirs["per_second"]
        verdict = judged(ratio, OF_NGINX, at_least=True)
        compared = Row(work, f"{rate:.0f}/s", target, f"{ratio:.2f}", verdict, how, ours)
    found = [
        compared,
        Row(
            "- CPU of the server for each scrape",
            f"{cpu * 1000:.2f} ms",
            f"<= {CPU * 1000:g} ms",
            verdict=judged(cpu, CPU),
        ),
    ]
    if theirs is not None:
        shown = f"{theirs['per_second']:.0f}/s, {theirs['cpu'] * 1000:.2f} ms CPU"
        found.append(Row("- nginx, one worker, the same bytes as a file", shown, ratio="1.00", figures=theirs))
    found.append(
        Row(
            "- prometheus_client, one page",
            f"{script * 1000:.0f} ms CPU",
            ratio=f"{script / cpu:.0f} x our CPU",
            how="generate_latest and gzip of as many series",
            figures={"cpu": script},
        )
    )
    return found
