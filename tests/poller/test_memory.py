"""What is held after many runs: as much as is known, however much has come and gone.

Blocks of Python's allocator are counted, which are the same in each run of a test; the memory of a process is not.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.errors import SourceError
from timepoint.model import MappedRun, Window
from timepoint.poller.job_loop import JobLoop
from timepoint.poller.tally import JobTally

STEP = 5 * MINUTE
EVERY = 30 * MINUTE
PODS = 10
SOON, LATE = 192, 336
"""Runs, both of the same phase: what is remembered of texts is looked through each 16 runs.

Before them some 200 blocks came to stay in a process that ran nothing else; in the 288 after the later one none did.
"""

CONFIG = """
sources:
  api: {{url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    max_age: 1h
    forget_after: 2h
    {each}
    request: {{get: "{get}", params: {{start: "{{window.start}}", end: "{{window.end}}"}}}}
    window: {{step: 5m, delay: 10m}}
    rows: {{r: "$[*]"}}
    time: {{at: $r.t, interval: 5m, format: unix_ms}}
    labels: {{pod: $r.pod}}
    metrics:
      energy_joules_total: {{type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 0s}}
      level_joules: {{type: gauge, help: Level., value: $r.v, labels: {{pod: $r.pod, kind: level}}}}
      amount_joules: {{type: histogram, temporality: delta, help: Amounts., value: $r.v, bounds: [1, 10]}}
"""

EACH = 'each: {zone: {request: {get: /zones}, values: "$[*]", every: 30m}}'


def new_pods(window: Window, zone: str = "") -> Any:
    """Pods that nobody knew before and nobody will see again."""
    return [
        {"pod": f"{zone}{window.start}-{number}", "t": start, "v": 1}
        for number in range(PODS)
        for start in range(window.start, window.end, STEP)
    ]


def now_and_then(window: Window) -> Any:
    """The same of an API that fails in each third run."""
    if window.end // EVERY % 3 == 0:
        raise SourceError("status", f"no answer for {window.start}")
    return new_pods(window)


def new_zones(window: Window, zone: str | None = None) -> Any:
    """Five zones, one of which is another one in each list."""
    if zone is None:
        return [f"z{window.end // EVERY + number}" for number in range(5)]
    return new_pods(window, zone)


@pytest.mark.parametrize(
    ("answer", "each"), [(new_pods, ""), (now_and_then, ""), (new_zones, EACH)], ids=["pods", "failures", "lanes"]
)
async def test_what_has_gone_leaves_nothing_behind(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: Callable[..., Any], each: str
) -> None:
    """Pods and lanes that were gone for ``forget_after`` take no memory, though all names are new in each run."""
    caplog.set_level(logging.CRITICAL, "timepoint")  # pytest keeps what is logged
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(each=each, get="/pods/{each.zone}" if each else "/pods"))
    [job] = load_config(path, {}).jobs
    bench = Bench(tmp_path, job, answer)
    loop = JobLoop(bench.pipeline, bench.journal, JobTally(job.name), lambda: None)
    held = []
    for number in range(1, LATE + 1):
        await loop.run_once(force=True)
        keep = {(job.name, lane) for lane in loop.lanes}
        bench.store.prune(keep, bench.clock.now())
        await bench.clock.advance(minutes=30)
        bench.source.windows.clear()
        if number in {SOON, LATE}:
            gc.collect()
            held.append(sys.getallocatedblocks())
    runs, grown = LATE - SOON, held[1] - held[0]
    assert grown < runs, f"{grown} blocks in {runs} runs with {PODS} new pods each"


def same_pods(window: Window) -> Any:
    """Three pods, in each answer."""
    return [
        {"pod": f"p{number}", "t": start, "v": 1}
        for number in range(3)
        for start in range(window.start, window.end, STEP)
    ]


async def test_the_text_of_a_series_is_one_object_after_a_restart(tmp_path: Path) -> None:
    """What comes out of the ledger gives way to the texts that the mapping makes and keeps."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(each="", get="/pods"))
    bench = Bench(tmp_path, load_config(path, {}).jobs[0], same_pods)
    await bench.run()
    await bench.clock.advance(minutes=30)
    bench.job = load_config(path, {}).jobs[0]
    bench.restart()
    seen: list[MappedRun] = []
    bench.pipeline = replace(bench.pipeline, follow=lambda mapped, *_: seen.append(mapped))
    await bench.run()
    [lane], [mapped] = bench.pipeline.desk.load_all(), seen
    for metric in lane.metrics.values():
        offered = {id(text) for text in mapped.series[metric.name]}
        assert metric.series
        assert all(id(text) in offered for text in metric.series)
