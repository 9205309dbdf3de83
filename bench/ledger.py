"""What the ledger costs: decide, commit, apply, show, load; time in CPU milliseconds, memory in bytes per series.

    .venv/bin/python bench/ledger.py [series] [directory]

Each shape is run over several runs; the first, in which all series are new, and the best of the later ones are shown.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
import tracemalloc
from array import array
from collections.abc import Callable
from pathlib import Path

from timepoint.ledger.decide import RunFacts, decide
from timepoint.ledger.shown import shown
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import open_store
from timepoint.model import FamilySpec, MappedRun, MetricSpec, MetricType, SeriesPoints, Temporality, Times, Window

MINUTE = 60_000
STEP = 5 * MINUTE
ORIGIN = 1_700_000_400_000
POINTS, OVERLAP = 48, 12
RUNS = 5
STAGES = ("decide", "commit", "apply", "show")

Grid = Callable[[Times], Times]


def metric(name: str, temporality: Temporality | None) -> MetricSpec:
    kind = MetricType.GAUGE if temporality is None else MetricType.COUNTER
    return MetricSpec(
        FamilySpec(name, kind, "Help."), temporality, max_age=10**9, zero_first=2 * MINUTE, forget_after=10**9
    )


def texts(count: int) -> list[str]:
    return [
        f'{{app="app-{n % 300}",cluster="cluster-a",namespace="ns-{n % 50}",pod_name="pod-{n}-7d9f8c6b5-x2x4z"}}'
        for n in range(count)
    ]


def offered(spec: MetricSpec, names: list[str], run: int, grid: Grid) -> tuple[MappedRun, Window]:
    """One run's points: 48 per series, the first 12 of them as the run before had them.

    The name ``revised`` makes the newest of those 12 come back with another value.
    """
    first = run * (POINTS - OVERLAP)
    start = ORIGIN + first * STEP
    times = Times(range(start, start + POINTS * STEP, STEP), range(start + STEP, start + (POINTS + 1) * STEP, STEP))
    is_sum = spec.temporality is Temporality.CUMULATIVE
    columns = [
        array("d", [(first + i) * 1.25 + n if is_sum else ((first + i) * 7 + n) % 97 * 0.37 for i in range(POINTS)])
        for n in range(97)
    ]
    if run and spec.family.name == "revised_total":
        for column in columns:
            column[OVERLAP - 1] += -1 if run % 2 else 1
    points = {text: SeriesPoints(grid(times), columns[n % 97][:]) for n, text in enumerate(names)}
    return MappedRun({spec.family.name: points}), Window(start, start + POINTS * STEP)


def measure(spec: MetricSpec, names: list[str], path: Path, grid: Grid) -> tuple[dict[str, list[float]], float]:
    """CPU milliseconds of each stage of each run, and of loading the lane afterwards."""
    store = open_store(path)
    lane = store.load("job", "")
    spent: dict[str, list[float]] = {stage: [] for stage in STAGES}
    metrics = {spec.family.name: spec}
    for run in range(RUNS):
        mapped, window = offered(spec, names, run, grid)
        now = window.end + 10 * MINUTE
        facts = RunFacts(now, window, now, window_is_asked=True, settled=window.end, overlap=OVERLAP * STEP)
        gc.collect()
        marks = [time.process_time()]
        change_set = decide(lane, mapped, metrics, facts)
        marks.append(time.process_time())
        store.commit(change_set)
        marks.append(time.process_time())
        change_set.apply(lane)
        marks.append(time.process_time())
        shown(metrics, [lane], now + 1)
        marks.append(time.process_time())
        for stage, begin, end in zip(STAGES, marks, marks[1:], strict=False):
            spent[stage].append((end - begin) * 1000)
    store.close()
    store = open_store(path)
    begin = time.process_time()
    assert store.load("job", "") == lane
    load = (time.process_time() - begin) * 1000
    store.close()
    return spent, load


def bytes_per_series(spec: MetricSpec, names: list[str], path: Path) -> float:
    """What a lane in memory takes beside the texts."""
    store = open_store(path)
    tracemalloc.start()
    lane: LaneState = store.load("job", "")
    gc.collect()
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    store.close()
    held = lane.metric(spec)
    assert held is not None
    return (size - sum(sys.getsizeof(text) for text in held.series)) / len(names)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    names = texts(count)
    shapes: list[tuple[str, MetricSpec, Grid]] = [
        ("delta counter, one grid", metric("a_total", Temporality.DELTA), lambda times: times),
        ("delta counter, a grid each", metric("b_total", Temporality.DELTA), lambda t: Times(t.starts, t.ends)),
        ("delta counter, revised", metric("revised_total", Temporality.DELTA), lambda times: times),
        ("cumulative counter", metric("c_total", Temporality.CUMULATIVE), lambda times: times),
        ("gauge", metric("d", None), lambda times: times),
    ]
    print(f"{count} series x {POINTS} points, {OVERLAP} of them read again; CPU ms: first run / best later run")
    for name, spec, grid in shapes:
        with tempfile.TemporaryDirectory(dir=sys.argv[2] if len(sys.argv) > 2 else None) as directory:
            path = Path(directory) / "ledger.sqlite"
            spent, load = measure(spec, names, path, grid)
            memory = bytes_per_series(spec, names, path)
            cells = "  ".join(f"{stage} {times[0]:4.0f} / {min(times[1:]):4.0f}" for stage, times in spent.items())
            print(f"{name:28}{cells}  load {load:4.0f}  {memory:3.0f} bytes/series  {path.stat().st_size >> 20} MiB")


if __name__ == "__main__":
    main()
