"""Jobs and answers for the tests of the poller."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.job import FunctionPolling, Job, ScheduleSpec
from timepoint.model import FamilySpec, MetricSpec, MetricType, Temporality, Window
from timepoint.request.spec import WindowSpec

STEP = 5 * MINUTE
TOTAL = 'energy_joules_total{pod="a"}'

CONFIG = """
sources:
  api: {{url: "https://api.example", min_interval: {min_interval}}}
jobs:
  {name}:
    source: api
    every: 30m
    jitter: 0s
    request:
      get: /pods
      params: {{start: "{{window.start}}", end: "{{window.end}}"}}
    window: {{step: 5m, delay: 10m, max_span: {max_span}}}
    rows: {{r: "$[*]"}}
    time: {{at: $r.t, interval: 5m, format: unix_ms}}
    labels: {{pod: $r.pod}}
    metrics:
      energy_joules_total: {{type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 0s}}
"""


def http_job(directory: Path, name: str = "pods", max_span: str = "7d", min_interval: str = "0s") -> Job:
    """A half-hourly job on 5-minute timepoints with one counter."""
    path = directory / f"{name}.yaml"
    path.write_text(CONFIG.format(name=name, max_span=max_span, min_interval=min_interval))
    [job] = load_config(path, {}).jobs
    return job


def function_job(function: Callable[[Window], Any], name: str = "function", timeout: int = MINUTE) -> Job:
    """The same job with a function in place of a request."""
    family = FamilySpec("energy_joules_total", MetricType.COUNTER, "Energy.", "joules")
    metric = MetricSpec(family, Temporality.DELTA, max_age=120 * MINUTE, forget_after=120 * MINUTE)
    return Job(
        name=name,
        schedule=ScheduleSpec(every=30 * MINUTE, jitter=0),
        window=WindowSpec(step=STEP, delay=10 * MINUTE),
        polling=FunctionPolling(function),
        metrics={family.name: metric},
        timeout=timeout,
    )


def ones(window: Window) -> list[dict[str, Any]]:
    """An answer with the value 1 for each timepoint of the window, so that totals count timepoints."""
    return [{"pod": "a", "t": start, "v": 1} for start in range(window.start, window.end, STEP)]
