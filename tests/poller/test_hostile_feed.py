"""A whole job against an API that does everything at once, and a list of what a person would have counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.poller.bench import Bench
from timepoint.clock import HOUR, MINUTE
from timepoint.config import load_config
from timepoint.errors import StatusError
from timepoint.ledger.state import SeriesState
from timepoint.model import Outcome, Window
from timepoint.request.answer import Answer

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 1h
    jitter: 0s
    request: {get: /pods, params: {start: "{window.start}", end: "{window.end}"}}
    window: {WINDOW}
    rows: {r: "$[*]"}
    time: {start: $r.s, end: $r.e, format: unix_ms}
    labels: {pod: $r.pod}
    forget_after: 90d
    metrics:
      energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 0s}
"""
NAME = "energy_joules_total"
Interval = tuple[int, int]


def make(directory: Path, window: str) -> Bench:
    """A bench with this window."""
    return Bench(directory, job_of(directory, window), lambda _: [])


def job_of(directory: Path, window: str) -> Any:
    """The job with this window."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.replace("WINDOW", window))
    [job] = load_config(path, {}).jobs
    return job


def states(b: Bench) -> dict[str, SeriesState]:
    """All series that the ledger holds, by pod."""
    metric = b.store.load("pods", "").metric(b.job.metrics[NAME])
    found = {**metric.series, **metric.absent} if metric else {}
    return {text.split('"')[1]: state for text, state in found.items()}


class Moment(NamedTuple):
    """What happens in one hour: how the API answers, and what becomes of the exporter before it."""

    pause: int
    restarts: bool
    fails_at: int
    seed: int
    order: str
    pages: int


moments = st.builds(
    Moment,
    pause=st.sampled_from([1, 1, 1, 1, 2, 5, 30, 300]),
    restarts=st.booleans(),
    fails_at=st.sampled_from([0, 1, 2, 99, 99, 99]),
    seed=st.integers(0, 999),
    order=st.sampled_from(["oldest", "newest", "odd"]),
    pages=st.integers(1, 3),
)


class Hostile:
    """Rows of two pods, of lengths that change; each is missing now and then, and has another value now and then."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths
        self.moment = Moment(1, False, 99, 0, "oldest", 1)  # noqa: FBT003 - a moment in which nothing happens
        self.asked: list[Window] = []

    def __call__(self, window: Window) -> Any:
        self.asked.append(window)
        if len(self.asked) > self.moment.fails_at:
            return StatusError(500, "the API is broken")
        rows: list[dict[str, Any]] = [
            {"pod": pod, "s": start, "e": end, "v": value}
            for pod in ("a", "b")
            for (start, end), value in self.truth(pod, window).items()
        ]
        rows += rows[: self.moment.seed % 4]  # the same again
        if self.moment.order == "newest":
            rows.reverse()
        elif self.moment.order == "odd":
            rows.sort(key=lambda row: (row["s"] // MINUTE * 7) % 11)
        bodies = [json.dumps(rows[n :: self.moment.pages]).encode() for n in range(self.moment.pages)]
        return tuple(Answer(200, "application/json", body, "https://api.example") for body in bodies)

    def truth(self, pod: str, window: Window) -> dict[Interval, int]:
        """What the API has of a pod at this moment, in and around the window."""
        found: dict[Interval, int] = {}
        start = window.start - window.start % (4 * HOUR) - 4 * HOUR
        while start < window.end:
            length = self.lengths[start // MINUTE % len(self.lengths)]
            end = start + length
            draw = crc32(f"{pod} {start} {self.moment.seed}".encode())
            if end >= window.start and draw % 3:
                found[start, end] = draw // 3 % 10
            start = end
        return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    window=st.sampled_from(
        [
            "step: 30m",
            "step: 30m, overlap: 2h",
            "overlap: 90m, delay: 7m",
            "step: 1h, overlap: 3h, max_span: 2h, catch_up: 6h",
            "step: 15m, delay: 1h, max_span: 1h, initial: 5h",
            "step: day, timezone: Europe/Berlin, overlap: 1h",
        ]
    ),
    lengths=st.sampled_from([[15 * MINUTE], [30 * MINUTE], [20 * MINUTE, 40 * MINUTE], [7 * MINUTE, 60 * MINUTE]]),
    story=st.lists(moments, min_size=1, max_size=10),
)
async def test_what_is_counted_is_what_was_answered_last(
    tmp_path_factory: pytest.TempPathFactory, window: str, lengths: list[int], story: list[Moment]
) -> None:
    """Total less debt is the sum of the newest values of all intervals that ended in a window that was committed.

    Faults: U7, U8, U9, U14.
    """
    b = make(tmp_path_factory.mktemp("hostile"), window)
    b.clock.jump(87 * 24 * 3600)  # the clocks of Berlin are moved in these days
    b.source.answer = api = Hostile(lengths)
    book: dict[str, dict[Interval, int]] = {"a": {}, "b": {}}
    shown: dict[str, float] = {}
    for moment in story:
        await b.clock.advance(hours=moment.pause)
        if moment.restarts:
            b.restart()
        api.moment, api.asked = moment, []
        report = await b.run()
        asked_from = b.store.load("pods", "").asked_from or 0
        for asked in api.asked[: report.committed]:
            for pod, counted in book.items():
                kept = {i: v for i, v in api.truth(pod, asked).items() if asked.start < i[1] <= asked.end}
                counted.update({i: v for i, v in kept.items() if i in counted or i[0] >= asked_from})
        held = states(b)
        assert {pod: state.value - state.debt for pod, state in held.items()} == {
            pod: sum(counted.values()) for pod, counted in book.items() if counted
        }
        assert set(report.rejects.counts) <= {"outside_window"}
        now = {pod: state.value for pod, state in held.items()}
        assert all(now[pod] >= value for pod, value in shown.items())
        shown = now


@settings(max_examples=25, deadline=None)
@given(
    story=st.lists(
        st.tuples(
            st.sampled_from(["30m", "30m", "1h", "4h", "9h"]),
            st.sampled_from(["", ", max_span: 1h"]),
            st.sampled_from([1, 1, 2, 3]),
            st.integers(0, 2**26 - 1),
        ),
        min_size=1,
        max_size=9,
    )
)
async def test_no_edit_of_the_overlap_counts_an_interval_twice(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, str, int, int]]
) -> None:
    """Interval k is worth 4**k, so a digit of the total says how often it was counted: never twice."""
    directory = tmp_path_factory.mktemp("overlap")
    b = make(directory, "step: 30m, initial: 30m")
    first = b.clock.now()
    await b.clock.advance(hours=1)
    digits, there = [0] * 26, [0]

    def answer(window: Window) -> list[dict[str, Any]]:
        return [
            {"pod": "a", "s": start, "e": start + 30 * MINUTE, "v": 4**k}
            for k in range(26)
            if window.start <= (start := first + k * 30 * MINUTE) < window.end and there[0] >> k & 1
        ]

    b.source.answer = answer
    for overlap, span, hours, there[0] in story:
        b.job = job_of(directory, f"step: 30m, overlap: {overlap}{span}, initial: 30m")
        b.restart()
        report = await b.run()
        assert report.outcome in (Outcome.OK, Outcome.EMPTY, Outcome.SKIPPED)
        total = int(states(b)["a"].value) if states(b) else 0
        before, digits = digits, [total // 4**k % 4 for k in range(26)]
        assert all(was <= now <= 1 for was, now in zip(before, digits, strict=True))
        await b.clock.advance(hours=hours)
