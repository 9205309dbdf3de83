"""A pipeline on fakes, and a ledger whose calls fail on demand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from timepoint.errors import StoreError
from timepoint.job import HttpPolling, Job
from timepoint.ledger.change import ChangeSet
from timepoint.model import Window
from timepoint.poller.desk import JobDesk
from timepoint.poller.journal import JobJournal
from timepoint.poller.listing import Listing
from timepoint.poller.origin import Fetcher, HttpOrigin
from timepoint.poller.pipeline import Pipeline
from timepoint.poller.report import RunReport
from timepoint.poller.sources import StoreBook
from timepoint.poller.timing import Timing
from timepoint.poller.worker import InlineWorker
from timepoint.request.each.lanes import LONE
from timepoint.request.politeness.gate import Gate
from timepoint.testing import FakeClock, FakeSource, MemoryStore, published_page, read_samples


class SpoiltStore(MemoryStore):
    """A ledger whose next call of a method fails."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = ""
        self.stored_all_the_same = False

    def note_attempt(self, job: str, lane: str, at: int, asked_from: int | None = None) -> None:
        self._fail("note_attempt")
        super().note_attempt(job, lane, at, asked_from)

    def commit(self, change_set: ChangeSet) -> int:
        if self.failing == "commit" and self.stored_all_the_same:
            super().commit(change_set)
        self._fail("commit")
        return super().commit(change_set)

    def _fail(self, method: str) -> None:
        if self.failing == method:
            self.failing = ""
            raise StoreError("the disk is full")


class Bench:
    """A pipeline on fakes; ``run`` gives the report of a run at the clock's time."""

    def __init__(self, directory: Path, job: Job, answer: Callable[[Window], Any]) -> None:
        self.clock = FakeClock()
        self.source = FakeSource(answer)
        self.store = SpoiltStore()
        self.published = directory / "published"
        self.job = job
        self.restart()

    def restart(self) -> None:
        """Forgets everything but what the store holds."""
        job, timing = self.job, Timing(self.clock, self.clock.sleep)
        assert isinstance(job.polling, HttpPolling)
        desk, worker = JobDesk(job, self.store, self.published, self.clock), InlineWorker()
        source = job.polling.source
        gate = self.gate = Gate(source, self.clock, self.clock.sleep, book=StoreBook(self.store, worker))
        fetcher = cast("Fetcher", self.source.open(source, gate))
        listing = Listing(job, desk, worker, self.clock, {source.name: fetcher})
        listing.take_up()
        self.journal = JobJournal(job, self.published, self.clock)
        self.pipeline = Pipeline(
            job,
            HttpOrigin(job.polling, job.metrics, fetcher),
            desk,
            worker,
            timing,
            gate,
            listing,
            self.journal.take,
        )

    async def run(self, refused: int = 0) -> RunReport:
        return await self.pipeline.run(self.clock.now(), refused={LONE.name: refused} if refused else {})

    def samples(self) -> dict[str, float]:
        return read_samples(published_page(self.published, self.clock.now()))
