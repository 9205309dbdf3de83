"""A backfill on fakes: an API whose answers are a function of time, and a clock that only waiting moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.config.building import load
from tests.exposition.oracle import parse_openmetrics
from tests.remote_write.building import WaitingClock
from tests.remote_write.receiver import Receiver
from timepoint.backfill.job_plan import Range
from timepoint.backfill.load import Asked, Loading, opened
from timepoint.clock import DAY, MINUTE
from timepoint.job import Job
from timepoint.model import Window
from timepoint.poller.timing import Timing
from timepoint.poller.worker import InlineWorker
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec
from timepoint.testing import FakeSource

STEP = 5 * MINUTE
BEGIN = 1_767_225_600_000  # 2026-01-01T00:00:00Z
NOW = BEGIN + 10 * DAY
KEY = "x_total"

CONFIG = """
    sources:
      api: {{url: https://api.example {source}}}
    jobs:
      pods:
        source: api
        every: 30m
        request:
          get: /pods
          params: {{start: "{{window.start}}", end: "{{window.end}}" {params}}}
        window: {{step: 5m, delay: 10m {window}}}
        {job}
        rows: {{pod: "$.pods[*]"}}
        time: {{start: "{{window.start}}", step: 5m}}
        labels: {{pod: $pod.name}}
        metrics:
          x_total:
            type: counter
            temporality: delta
            help: Amounts.
            value: $pod.x
          {metrics}
    """
READING = "y_total: {type: counter, temporality: cumulative, help: A meter., value: $pod.y}"
GAUGE = "z_watts: {type: gauge, help: Power., value: $pod.z}"


def amount(pod: int, slot: int) -> int:
    """What a pod used in a slot: a small whole number."""
    return (pod * 7 + slot * 5 + slot // 3) % 11


def meter(pod: int, slot: int) -> int:
    """What the meter of a pod shows at the end of a slot. It begins anew every 50 slots."""
    return sum(amount(pod, earlier) for earlier in range(slot // 50 * 50, slot + 1))


def body(window: Window, pods: int = 3) -> dict[str, Any]:
    """The answer for a window."""
    slots = range(window.start // STEP, window.end // STEP)
    return {
        "pods": [
            {
                "name": f"p{pod}",
                "x": [amount(pod, slot) for slot in slots],
                "y": [meter(pod, slot) for slot in slots],
                "z": [amount(pod, slot) / 4 for slot in slots],
            }
            for pod in range(pods)
        ]
    }


def totals(pod: int, start: int, end: int) -> dict[int, float]:
    """The samples of ``x_total`` of a pod in [start, end]: a 0 where it begins, then the total at each end."""
    slots = range(start // STEP, end // STEP)
    running = accumulate(amount(pod, slot) for slot in slots)
    return {start: 0.0} | {(slot + 1) * STEP: float(total) for slot, total in zip(slots, running, strict=True)}


def readings(pod: int, start: int, end: int) -> dict[int, float]:
    """The samples of ``y_total`` of a pod."""
    return {(slot + 1) * STEP: float(meter(pod, slot)) for slot in range(start // STEP, end // STEP)}


def powers(pod: int, start: int, end: int) -> dict[int, float]:
    """The samples of ``z_watts`` of a pod."""
    return {(slot + 1) * STEP: amount(pod, slot) / 4 for slot in range(start // STEP, end // STEP)}


class Crash(BaseException):
    """The process ends here, as by kill -9: nothing after it happens."""


class StageClock(WaitingClock):
    """Moves by pauses, and not by deadlines: nothing here takes as long as those."""

    async def sleep(self, seconds: float) -> None:
        if seconds > 100:
            await asyncio.Event().wait()
        await super().sleep(seconds)


@dataclass
class Stage:
    """What a backfill works on. ``clock`` and the directory outlive a call, as they would a process."""

    path: Path
    clock: StageClock = field(default_factory=lambda: StageClock(NOW))
    source: FakeSource = field(default_factory=lambda: FakeSource(body))
    receiver: Receiver = field(default_factory=Receiver)

    def job(self, source: str = "", window: str = "", job: str = "", metrics: str = "") -> Job:
        params = ', zone: "{each.zone}"' if job.startswith("each") else ""
        text = CONFIG.format(source=source, window=window, job=job, metrics=metrics, params=params)
        return load(self.path, text).jobs[0]

    def second(self) -> Job:
        """A job of another name, with a gauge alone."""
        before, rule, _ = CONFIG.format(source="", window="", job="", metrics="", params="").partition("metrics:")
        return load(self.path, f"{before.replace('pods:', 'more:')}{rule} {{{GAUGE}}}").jobs[0]

    def asked(self, *jobs: Job, start: int = BEGIN, end: int | None = BEGIN + 3 * DAY, **more: Any) -> Asked:
        """An order for OpenMetrics files, of three days."""
        wanted = Range(start, end, more.pop("span", None), more.pop("metrics", ()))
        plain: dict[str, Any] = {"shape": "openmetrics", "directory": self.path / "out", "data_dir": self.path / "data"}
        return Asked(jobs=jobs, wanted=wanted, **{**plain, **more})

    def run(self, asked: Asked, **seams: Any) -> Loading:
        """A whole call. Raises what the call raises."""
        with opened(asked, Timing(self.clock, self.clock.sleep)) as real:
            loading = replace(real, open_fetcher=self.source.open, make_worker=InlineWorker, **seams)
            asyncio.run(loading.run())
        return loading

    def post(self, fault: Callable[[int], Reply | None] = lambda _: None) -> Any:
        """The way to the receiver of the stage."""
        posts = _Posts(self, fault)
        return lambda _spec, _clock: nullcontext(posts)

    def files(self) -> dict[str, str]:
        """The files of the directory by name."""
        found = (self.path / "out").iterdir()
        return {path.name: path.read_text() for path in sorted(found) if path.is_file()}

    def samples(self) -> dict[tuple[str, str], dict[int, float]]:
        """Per name and pod the samples of all OpenMetrics files, read by another parser, each stored once."""
        stored: dict[tuple[str, str], dict[int, float]] = {}
        for text in self.files().values():
            for family in parse_openmetrics(text.encode()):
                for sample in family.samples:
                    series = stored.setdefault((sample.name, sample.labels.get("pod", "")), {})
                    assert sample.timestamp is not None, f"{sample} has no timestamp"
                    at = round(float(sample.timestamp) * 1000)
                    assert at not in series, f"{sample} stands twice"
                    series[at] = sample.value
        return stored


@dataclass
class _Posts:
    stage: Stage
    fault: Callable[[int], Reply | None]
    count: int = 0

    async def send(self, sent: bytes, headers: Mapping[str, str]) -> Reply:
        self.count += 1
        clock = self.stage.clock
        faulty = self.fault(self.count)
        if faulty is not None:
            return faulty
        answer = self.stage.receiver.hear(sent, headers)
        written = answer.headers.get("X-Prometheus-Remote-Write-Samples-Written")
        return Reply(
            answer.status,
            said_at=clock.now(),
            came_at=clock.monotonic(),
            written=int(written) if written is not None else None,
        )


def stored_by(receiver: Receiver, name: str, pod: str) -> dict[int, float]:
    """What a receiver holds of a series."""
    return {
        at: value
        for (labels, at), value in receiver.stored.items()
        if dict(labels)["__name__"] == name and dict(labels).get("pod") == pod
    }


def window_spec(name: str = "vm", window: int = 365 * DAY, **more: Any) -> ReceiverSpec:
    """A receiver with an out-of-order window."""
    return ReceiverSpec(name, SourceSpec(name, "http://127.0.0.1:9/api/v1/write"), out_of_order=window, **more)
