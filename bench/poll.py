"""Rows about polling: one large answer from its bytes to a published page.

Owns: how a poll is measured, here and by its peers. Must not know: how the table is printed.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import fresh, json_exporter
from bench.bodies import Shape, make_bodies
from bench.setting import Setting, medians
from bench.table import Row, Verdict, judged

STEADY, FIRST = 3.0, 5.0
JSON_EXPORTER = 25.0


def rows(setting: Setting) -> list[Row]:
    """First and steady poll, each as a multiple of what orjson takes to parse the body, and the peers."""
    shape = Shape(setting.pods, setting.points, setting.overlap)
    bodies = make_bodies(setting.work, shape, 3)
    results: dict[str, list[dict[str, Any]]] = {"parse": [], "poll": [], "script": []}
    for _ in range(setting.repeats):
        results["parse"].append(fresh.call("bench.poll:parse", body=str(bodies[0])))
        results["poll"].append(fresh.call("bench.poll:poll", work=str(setting.work), shape=_fields(shape), count=3))
        results["script"].append(fresh.call("bench.script:poll", bodies=[str(body) for body in bodies[:2]]))
    parse, poll, script = (medians(results[name]) for name in ("parse", "poll", "script"))
    how = (
        f"CPU seconds of decode, map, decide, commit (SQLite, fsync), render, publish (fsync); fresh processes, median "
        f"of {setting.repeats}"
    )
    size = f"{setting.pods:,} pods x {setting.points} ({bodies[0].stat().st_size / 1e6:.0f} MB)"
    fresh_base, base = parse["first"], parse["again"]
    return [
        _row(f"steady poll, {setting.overlap} points read again, {size}", poll, "steady", base, STEADY, how),
        _row(f"first poll, all series new, {size}", poll, "first", fresh_base, FIRST, how),
        Row(
            "- orjson.loads alone, in a process with memory at hand",
            f"{base:.3f} s",
            ratio="1.00",
            how="what the steady poll is compared with: its process, too, has held such an answer before",
            figures=parse,
        ),
        Row("- orjson.loads alone, in a new process", f"{fresh_base:.3f} s", ratio=f"{fresh_base / base:.2f}"),
        Row(
            "- prometheus_client script, steady poll and its page",
            f"{script['steady']:.2f} s",
            ratio=f"{script['steady'] / base:.2f}",
            how="json.loads, a labelled Counter per pod, generate_latest, gzip; the page is made again by each scrape",
            figures=script,
        ),
        _beside_json_exporter(setting, poll["steady"]),
    ]


def _row(work: str, poll: dict[str, Any], which: str, base: float, limit: float, how: str) -> Row:
    ratio = poll[which] / base
    stages = {key.removeprefix(f"{which}_"): value for key, value in poll.items() if key.startswith(f"{which}_")}
    shown = ", ".join(f"{stage} {value:.3f}" for stage, value in stages.items())
    return Row(
        work,
        f"{poll[which]:.3f} s",
        f"<= {limit:g} x orjson",
        f"{ratio:.2f}",
        judged(ratio, limit),
        f"{how}. Of it: {shown}",
        {"cpu": poll[which], "ratio": ratio, **stages},
    )


def _beside_json_exporter(setting: Setting, steady: float) -> Row:
    work, target = "- json_exporter, flat copy, last value only", f">= {JSON_EXPORTER:g} x slower"
    seconds = json_exporter.measure(setting)
    if seconds is None:
        return Row(work, "no json_exporter on the PATH", target, verdict=Verdict.NOT_RUN)
    ratio = seconds / steady
    how = "CPU seconds of one probe of a flat copy of the body, against the steady poll"
    return Row(work, f"{seconds:.1f} s", target, f"{ratio:.1f}", judged(ratio, JSON_EXPORTER, at_least=True), how)


def _fields(shape: Shape) -> list[int]:
    return [shape.pods, shape.points, shape.overlap]


def parse(body: str) -> dict[str, float]:
    """orjson.loads of a body, in this process: the first time, and again when the memory is there."""
    import orjson

    text = Path(body).read_bytes()
    figures = {}
    for name in ("first", "again"):
        begin = time.process_time()
        document = orjson.loads(text)
        figures[name] = time.process_time() - begin
        del document
    return figures


def poll(work: str, shape: list[int], count: int) -> dict[str, float]:
    """A first run and steady ones after it, in this process; the last of them is the steady run."""
    from bench.exporter import Poller

    made = Shape(*shape)
    bodies = make_bodies(Path(work), made, count)
    directory = Path(tempfile.mkdtemp(dir=work))
    figures: dict[str, float] = {}
    try:
        with Poller(directory, made) as poller:
            for number, path in enumerate(bodies):
                body = path.read_bytes()
                begin = time.process_time()
                report = poller.run(body)
                which = "steady" if number else "first"
                figures[which] = time.process_time() - begin
                figures.update({f"{which}_{stage}": seconds for stage, seconds in report.stages.items()})
                if report.points != made.pods * made.points:
                    raise RuntimeError(f"{report.points} points were read")
    finally:
        shutil.rmtree(directory)
    return figures
