"""A runner on fakes, for the tests of the poller as a whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.poller.jobs import ones
from timepoint.exposition.publish import POLLER, read_published, snapshot_path
from timepoint.job import Job, Workload
from timepoint.ledger.store import Store
from timepoint.poller.runner import Runner
from timepoint.testing import (
    FakeClock,
    FakeSource,
    MemoryStore,
    fake_surroundings,
    published_page,
    read_samples,
    settle,
)


class Stage:
    """A runner on fakes. What outlives a restart (clock, ledger, pages) belongs to the stage."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock("2026-01-01T10:07:00Z")
        self.source = FakeSource(ones)
        self.store: Store = MemoryStore()
        self.published = directory / "published"
        self.heartbeat = 120.0  # seldom: most tests let hours go by
        self.runner: Runner

    @contextlib.asynccontextmanager
    async def running(self, *jobs: Job) -> AsyncIterator[Runner]:
        """The jobs run for the length of the block."""
        self.runner = self.make(*jobs)
        stop = asyncio.Event()
        task = asyncio.create_task(self.runner.run(stop))
        await settle()
        try:
            yield self.runner
        finally:
            stop.set()
            await settle()
            assert task.done(), "the runner did not end"
            assert await task == 0

    def make(self, *jobs: Job) -> Runner:
        around = fake_surroundings(self.published, self.clock, self.source, self.store)
        return Runner(Workload(jobs), replace(around, heartbeat=self.heartbeat))

    def samples(self) -> dict[str, float]:
        return read_samples(published_page(self.published, self.clock.now()))

    def status(self, job: str = "pods") -> dict[str, Any]:
        status: dict[str, Any] = read_published(snapshot_path(self.published, POLLER)).status["jobs"][job]
        return status
