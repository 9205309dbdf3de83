"""The exporter as the benchmark runs it.

Owns: the config of the pod-energy job, and a poller whose clock is told what time it is. Everything else is the
product's own code: decode, map, decide, commit with fsync, render, publish. Must not know: what is measured.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.bodies import Shape
from timepoint.clock import HOUR, MINUTE
from timepoint.config import load_config
from timepoint.job import Job
from timepoint.ledger.store import open_store
from timepoint.model import Outcome, Window
from timepoint.poller.desk import JobDesk
from timepoint.poller.journal import JobJournal
from timepoint.poller.listing import Listing
from timepoint.poller.origin import open_origin
from timepoint.poller.pipeline import Pipeline
from timepoint.poller.report import RunReport
from timepoint.poller.timing import Timing
from timepoint.poller.worker import ThreadWorker
from timepoint.request.answer import Answer
from timepoint.request.spec import RequestSpec

JOB = "pod_energy"
METRIC = "pod_energy_joules_total"
STEP = 5 * MINUTE

_CONFIG = """\
sources:
  energy: {{url: "{url}"}}
jobs:
  pod_energy:
    source: energy
    every: {every}
    jitter: 0s
    request: {{get: /pods, params: {{start: "{{window.start}}", end: "{{window.end}}", step: "{step}"}}}}
    window: {{step: {step}, overlap: {overlap}, initial: {initial}, catch_up: {step}}}
    rows: {{pod: "$.{{cluster}}.{{app}}.{{namespace}}[*]"}}
    metrics:
      pod_energy_joules_total:
        type: counter
        temporality: delta
        help: Energy consumed by the pod.
        value: $pod.energy_consumed
        time: {{start: "{{window.start}}", step: {step}}}
        unit: {{from: Wh, to: joules}}
        labels: {{pod_name: $pod.name}}
"""


def write_config(path: Path, shape: Shape, url: str = "http://127.0.0.1:9/", step: int = STEP) -> Path:
    """The config of the first user's job, whose windows fit answers of this shape. ``step`` in milliseconds.

    With the least ``catch_up`` a window is never longer than that, also after a run that was too late.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = {"every": shape.new, "overlap": shape.overlap, "initial": shape.points, "step": 1}
    path.write_text(_CONFIG.format(url=url, **{key: f"{n * step}ms" for key, n in lengths.items()}), encoding="utf-8")
    return path


class _Clock:
    """The wall clock says what it is told; the monotonic one is CPU time, so that stages are measured in it."""

    def __init__(self) -> None:
        self.moment = 0

    def now(self) -> int:
        return self.moment

    def monotonic(self) -> float:
        return time.process_time()


class _Files:
    """A fetcher that answers with one prepared body."""

    def __init__(self) -> None:
        self.body = b""

    async def fetch(
        self,
        request: RequestSpec,  # noqa: ARG002 - the protocol's
        window: Window,  # noqa: ARG002 - the protocol's
        deadline: float,  # noqa: ARG002 - the protocol's
        *,
        fire_time: int | None = None,  # noqa: ARG002 - the protocol's
        values: Mapping[str, str] | None = None,  # noqa: ARG002 - the protocol's
    ) -> tuple[Answer, ...]:
        return (Answer(200, "application/json", self.body, "http://127.0.0.1/pods", wire_bytes=len(self.body)),)


class Poller:
    """The poller of one job on a data directory, for answers from files."""

    def __init__(self, directory: Path, shape: Shape, now: int | None = None, published: Path | None = None) -> None:
        """``now`` is the instant of the first run in milliseconds, one of 2026 if it is not said."""
        directory.mkdir(parents=True, exist_ok=True)
        [self.job] = load_config(write_config(directory / "config.yaml", shape), {}).jobs
        self._every = shape.new * STEP
        self._clock = _Clock()
        self._clock.moment = (490_896 * HOUR if now is None else now) // self._every * self._every
        self._files = _Files()
        self._store = open_store(directory / "ledger.sqlite")
        self._worker = ThreadWorker()
        self._pipeline = self._make_pipeline(self.job, published or directory / "published")
        gc.collect()
        gc.freeze()  # as the supervisor and the runner do

    def _make_pipeline(self, job: Job, published: Path) -> Pipeline:
        timing = Timing(self._clock)
        desk = JobDesk(job, self._store, published, self._clock)
        listing = Listing(job, desk, self._worker, self._clock)
        self._journal = JobJournal(job, published, self._clock)
        origin = open_origin(job, {"energy": self._files})
        return Pipeline(job, origin, desk, self._worker, timing, None, listing, self._journal.take)

    def run(self, body: bytes) -> RunReport:
        """One run; the next is due one period later. ``stages`` of the report are CPU seconds."""
        self._files.body = body
        report = asyncio.run(self._run())
        if report.outcome is not Outcome.OK or report.rejects.total:
            raise RuntimeError(f"the run was not whole: {report.outcome} {report.error} {report.rejects}")
        self._clock.moment += self._every
        return report

    async def _run(self) -> RunReport:
        report = await self._pipeline.run(self._clock.moment)
        await self._worker.do(lambda: self._journal.note(report, self._pipeline.desk.load_all()))
        return report

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()
        self._worker.close()


def fill(directory: Path, shape: Shape, bodies: Sequence[Path], now: int) -> None:
    """A data directory as a poller leaves it that has read these bodies, the last of them at about ``now``."""
    with Poller(directory, shape, now - (len(bodies) - 1) * shape.new * STEP) as poller:
        for path in bodies:
            poller.run(path.read_bytes())
