"""Lanes that fail as they like count each of their timepoints once: a random walk against a small model."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.poller.fanned import Zones, fan_bench, total
from tests.poller.jobs import STEP
from timepoint.clock import MINUTE
from timepoint.model import Window

ZONES = ("A", "B", "C", "D", "E")
DISCOVERY = '{zone: {request: {get: /zones}, values: "$[*]", every: 10m}}'


class Truth(Zones):
    """An API whose amounts depend on zone and time alone, so that what was counted can be told from a sum."""

    def __call__(self, window: Window, zone: str | None = None) -> Any:
        answer = super().__call__(window, zone)
        if zone is None or not isinstance(answer, list):
            return answer
        return [{**row, "v": amount(zone, row["t"])} for row in answer]


def amount(zone: str, start: int) -> int:
    """What one timepoint of a zone is worth."""
    return 1 + (ord(zone) * 7 + start // STEP) % 11


class LanesMachine(RuleBasedStateMachine):
    """Runs, failures, lost commits, restarts and changing lists; each lane's total is the sum of what it was asked."""

    @initialize()
    def begin(self) -> None:
        self.directory = TemporaryDirectory()
        self.bench, _ = fan_bench(Path(self.directory.name), DISCOVERY)
        self.api = Truth()
        self.api.listed = list(ZONES[:3])
        self.bench.source.answer = self.api
        self.first: dict[str, int] = {}
        self.shown: dict[str, float] = {}
        self.refused: dict[str, int] = {}

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            self.directory.cleanup()

    def _run(self) -> None:
        async def go() -> None:
            report = await self.bench.pipeline.run(self.bench.clock.now(), refused=self.refused)
            self.refused = report.refusals
            await self.bench.clock.advance(minutes=30)

        asyncio.run(go())
        for zone, windows in self.api.windows.items():
            self.first.setdefault(zone, windows[0].start)

    @rule(broken=st.sets(st.sampled_from(ZONES)))
    def run(self, broken: set[str]) -> None:
        """A run in which some zones fail."""
        self.api.broken = broken
        end = self.bench.clock.now() - 10 * MINUTE
        self._run()
        for name in self.bench.pipeline.desk.lanes:
            if name.removeprefix("zone=") not in broken:
                assert self.bench.store.load("pods", name).watermark == end

    @rule(is_stored=st.booleans())
    def lose_a_commit(self, *, is_stored: bool) -> None:
        """A commit fails, though it may be in the file."""
        self.api.broken = set()
        self.bench.store.failing, self.bench.store.stored_all_the_same = "commit", is_stored
        self._run()
        self.bench.store.failing = ""

    @rule()
    def restart(self) -> None:
        """The process is another one."""
        self.bench.restart()

    @rule(listed=st.sets(st.sampled_from(ZONES), min_size=1))
    def list_others(self, listed: set[str]) -> None:
        """Values leave and come back."""
        self.api.listed = sorted(listed)

    @rule()
    def lose_the_list(self) -> None:
        """The discovery fails until another list is told."""
        self.api.listed = []

    @invariant()
    def each_total_is_exact(self) -> None:
        """What the ledger holds of a lane is the sum of all timepoints from its first window up to its watermark."""
        if not hasattr(self, "bench"):
            return
        samples = self.bench.samples() if self.bench.published.exists() else {}
        for zone in ZONES:
            lane = self.bench.store.load("pods", f"zone={zone}")
            if lane.watermark is None:
                assert total(zone) not in samples
                continue
            expected = sum(amount(zone, start) for start in range(self.first[zone], lane.watermark, STEP))
            [metric] = lane.metrics.values()
            [state] = metric.series.values()
            assert (state.value, state.debt) == (expected, 0.0)
            if total(zone) in samples:
                assert self.shown.get(zone, 0) <= samples[total(zone)] <= expected
                self.shown[zone] = samples[total(zone)]


LanesMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestLanesCountOnce = LanesMachine.TestCase
