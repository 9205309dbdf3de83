"""Jobs with a fan-out, for tests: a total for each zone, over answers that a test gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.poller.bench import Bench
from tests.poller.jobs import ones
from timepoint.config import load_config
from timepoint.errors import StatusError
from timepoint.job import Job
from timepoint.model import Window

CONFIG = """
sources:
  api: {{url: "https://api.example", concurrency: {concurrency}}}
jobs:
  {name}:
    source: api
    every: 30m
    jitter: 0s
    max_lanes: 20000
    {more}
    each: {each}
    request:
      get: /pods/{{each.zone}}
      params: {{start: "{{window.start}}", end: "{{window.end}}"}}
    window: {{step: 5m, delay: 10m, max_span: {max_span}}}
    rows: {{r: "$[*]"}}
    time: {{at: $r.t, interval: 5m, format: unix_ms}}
    labels: {{pod: $r.pod}}
    metrics:
      energy_joules_total: {{type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 0s}}
"""


def fan_job(
    directory: Path,
    each: str = "{zone: [DE, FR, AT]}",
    *,
    name: str = "pods",
    more: str = "",
    max_span: str = "7d",
    concurrency: int = 4,
) -> Job:
    """A half-hourly job on 5-minute timepoints with one counter, asked for each zone."""
    path = directory / f"{name}.yaml"
    text = CONFIG.format(name=name, each=each, more=more, max_span=max_span, concurrency=concurrency)
    path.write_text(text)
    [job] = load_config(path, {}).jobs
    return job


def total(zone: str, pod: str = "a") -> str:
    """The sample of a zone's pod."""
    return f'energy_joules_total{{pod="{pod}",zone="{zone}"}}'


class Zones:
    """An API with one pod in each zone. ``broken`` are zones that fail, ``asked`` what was asked for, in order."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.windows: dict[str, list[Window]] = {}
        self.listed: Any = None

    def __call__(self, window: Window, zone: str | None = None) -> Any:
        if zone is None:
            return self.listed() if callable(self.listed) else self.listed
        self.asked.append(zone)
        self.windows.setdefault(zone, []).append(window)
        if zone in self.broken:
            return StatusError(500, f"{zone} is broken")
        return ones(window)


def fan_bench(directory: Path, each: str = "{zone: [DE, FR, AT]}", **options: Any) -> tuple[Bench, Zones]:
    """A pipeline of such a job, and its API."""
    zones = Zones()
    answer: Callable[..., Any] = zones
    return Bench(directory, fan_job(directory, each, **options), answer), zones
