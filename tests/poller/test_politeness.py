"""Limits of a source over runs, restarts and kill -9, with the ledger that keeps them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.poller.jobs import TOTAL, http_job, ones
from tests.poller.stage import Stage
from timepoint.clock import DAY, HOUR
from timepoint.errors import HeldBackError, StatusError, StoreError
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.store import open_store
from timepoint.model import Outcome
from timepoint.poller.sources import StoreBook
from timepoint.poller.worker import InlineWorker
from timepoint.request.politeness.gate import Gate
from timepoint.request.politeness.spec import QuotaSpec
from timepoint.request.spec import SourceSpec
from timepoint.testing import FakeClock

OF = '{period="day",source="api"}'


def quota(requests: int, per: str = "day") -> str:
    """What stands behind min_interval in the config of these tests."""
    return f"0s, quota: {{requests: {requests}, per: {per}}}"


async def test_runs_are_skipped_once_the_quota_is_used_up(stage: Stage, tmp_path: Path) -> None:
    """The run says until when, the metrics tell how it stands, and the next day catches up what was left out."""
    stage.clock = FakeClock("2026-01-01T20:00:00Z")
    async with stage.running(http_job(tmp_path, min_interval=quota(3))) as runner:
        await stage.clock.advance(hours=3, seconds=1)
        tally = runner.tallies["pods"]
        assert tally.skip is not None
        assert (tally.skip.outcome, tally.skip.reason) == (Outcome.SKIPPED, "quota")
        assert "the quota of 3 requests per day is used up until 2026-01-02T00:00:00Z" in tally.skip.error
        assert len(stage.source.windows) == 3
        await runner._beat()
        samples = stage.samples()
        found = {name: samples[f"timepoint_source_quota_{name}{OF}"] for name in ("limit", "used", "remaining", "low")}
        assert found == {"limit": 3, "used": 3, "remaining": 0, "low": 1}
        midnight = (stage.clock.now() // DAY + 1) * DAY
        assert samples[f"timepoint_source_quota_reset_timestamp_seconds{OF}"] == midnight / 1000
        assert samples['timepoint_source_held_back_total{reason="quota",source="api"}'] == 4
        await stage.clock.advance(hours=1)
        assert len(stage.source.windows) == 4
        assert stage.samples()[TOTAL] == 54, "all points from 19:20 to 23:50"


async def test_a_restart_gives_no_new_quota(stage: Stage, tmp_path: Path) -> None:
    """However often the exporter is started, a day has so many requests."""
    job = http_job(tmp_path, min_interval=quota(5))
    for _ in range(9):
        async with stage.running(job):
            await stage.clock.advance(minutes=31)
    assert len(stage.source.windows) == 5


async def test_an_orderly_end_gives_back_what_was_not_used(stage: Stage, tmp_path: Path) -> None:
    """Of the block of ten that was noted for a large quota, nine are there again after the end."""
    async with stage.running(http_job(tmp_path, min_interval=quota(10_000))):
        assert stage.store.spend("api", "day UTC", stage.clock.now() // DAY * DAY, 0) == 10
    assert stage.store.spend("api", "day UTC", stage.clock.now() // DAY * DAY, 0) == 1


async def test_without_a_ledger_that_can_note_it_no_request_goes_out(stage: Stage, tmp_path: Path) -> None:
    """A disk that is full costs a run, and no quota that nobody knows of."""

    class Full(MemoryStore):
        def spend(self, source: str, period: str, start: int, count: int) -> int:
            if count > 0:
                raise StoreError("the disk is full")
            return super().spend(source, period, start, count)

    stage.store = Full()
    async with stage.running(http_job(tmp_path, min_interval=quota(5))) as runner:
        last = runner.tallies["pods"].last
        assert last is not None
        assert last.outcome is Outcome.STORE_ERROR
    assert stage.source.windows == []


async def test_once_goes_on_counting_the_requests_of_a_source(stage: Stage, tmp_path: Path) -> None:
    """Each call of poll --once alone would count to one for ever."""
    job = http_job(tmp_path)
    for _ in range(3):
        await stage.make(job).run_once()
        await stage.clock.advance(minutes=30)
    assert stage.samples()['timepoint_source_requests_total{source="api"}'] == 3


async def test_a_source_that_is_left_alone_fails_its_runs_at_once(stage: Stage, tmp_path: Path) -> None:
    """A run that ends before the next try says so, and when that is; the one after it catches up."""
    limits = "0s, circuit_breaker: {failures: 1, pause: 40m}"
    stage.source.answer = lambda _: StatusError(503, "status 503")
    async with stage.running(http_job(tmp_path, min_interval=limits)) as runner:
        await stage.clock.advance(minutes=24)
        last = runner.tallies["pods"].last
        assert last is not None
        assert (last.outcome, last.reason) == (Outcome.SOURCE_ERROR, "circuit_open")
        assert "tried again at 2026-01-01T10:47:00Z" in last.error
        assert len(stage.source.windows) == 1
        stage.source.answer = ones
        await stage.clock.advance(minutes=30)
        assert stage.samples()[TOTAL] == 18, "and nothing was lost"


# Whatever happens to the process and to the clock


@given(
    st.integers(1, 12),
    st.lists(st.sampled_from(["ask", "ask", "ask", "crash", "end", "hour", "day", "ahead", "back"]), max_size=60),
)
@example(1, ["ask", "back", "ask", "day", "ask"])
@example(2, ["ask", "ask", "back", "crash", "ask", "ahead", "ask", "back", "end", "ask", "ask"])
@settings(max_examples=60, deadline=None)
async def test_no_day_has_more_than_its_quota(requests: int, steps: list[str]) -> None:
    """Over crashes, orderly ends and clocks that jump a day ahead and back, no day is given more than it may have."""
    store, clock, worker = MemoryStore(), FakeClock(), InlineWorker()
    source = SourceSpec("api", "https://api.example", quotas=(QuotaSpec(requests, "day"),))
    made: dict[int, int] = {}

    async def start() -> Gate:
        gate = Gate(source, clock, clock.sleep, book=StoreBook(store, worker))
        await gate.open()
        return gate

    gate = await start()
    for step in steps:
        if step == "ask":
            ticket = gate.ticket(1e9)
            try:
                await ticket.turn()
            except HeldBackError:
                continue
            ticket.leave()
            ticket.end()
            day = clock.now() // DAY
            made[day] = made.get(day, 0) + 1
        elif step in ("crash", "end"):
            for period, begin, rest in gate.unused() if step == "end" else ():
                store.spend("api", period, begin, -rest)
            gate = await start()
        else:
            clock.jump({"hour": HOUR, "day": DAY, "ahead": 2 * DAY, "back": -DAY}[step] / 1000)
    assert all(count <= requests for count in made.values())


_ASKS = """
import asyncio, os, sys
from pathlib import Path
from timepoint.errors import HeldBackError
from timepoint.ledger.store import open_store
from timepoint.poller.sources import StoreBook
from timepoint.poller.worker import ThreadWorker
from timepoint.request.politeness.gate import Gate
from timepoint.request.politeness.spec import QuotaSpec
from timepoint.request.spec import SourceSpec
from timepoint.testing import FakeClock

async def main():
    book = StoreBook(open_store(Path(sys.argv[1])), ThreadWorker())
    source = SourceSpec("api", "https://api.example", quotas=(QuotaSpec(3000, "month"),))
    gate = Gate(source, FakeClock("2026-01-20T10:00:00Z"), book=book)
    await gate.open()

    async def job():
        while True:
            ticket = gate.ticket(float("inf"))
            await ticket.turn()
            os.write(1, b".")  # the request goes out
            ticket.leave()
            ticket.end()

    try:
        await asyncio.gather(job(), job(), job())
    except HeldBackError:
        os._exit(0)

asyncio.run(main())
"""


def test_a_quota_is_not_exceeded_over_kills(tmp_path: Path) -> None:
    """A process that is killed again and again makes no more than the quota, and loses at most a block per kill."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    store.spend("api", "month UTC", 1_767_225_600_000, 2700)
    store.close()
    made, kills = 0, 0
    while True:
        asking = subprocess.Popen([sys.executable, "-c", _ASKS, str(path)], stdout=subprocess.PIPE)
        assert asking.stdout is not None
        seen = 0
        while kills < 4 and seen < 50 and asking.stdout.read(1):
            seen += 1
        if kills < 4:
            os.kill(asking.pid, signal.SIGKILL)
        made += seen + len(asking.stdout.read())
        asking.stdout.close()
        if asking.wait() == 0:
            break
        kills += 1
    assert kills == 4
    assert 300 - 4 * 3 <= made <= 300


@pytest.mark.parametrize("requests", [1, 999, 1000, 5000, 10**6])
def test_a_note_covers_a_thousandth_of_the_quota(requests: int, tmp_path: Path) -> None:
    """Small quotas are noted request by request, large ones in blocks, so that a sync is seldom."""
    store: Any = open_store(tmp_path / "ledger.sqlite")
    noted = []

    class Book(StoreBook):
        async def spend(self, source: str, period: str, start: int, count: int) -> int:
            noted.append(count)
            return await super().spend(source, period, start, count)

    async def ask() -> None:
        source = SourceSpec("api", "https://api.example", quotas=(QuotaSpec(requests, "day"),))
        gate = Gate(source, FakeClock(), book=Book(store, InlineWorker()))
        await gate.ticket(1e9).turn()

    asyncio.run(ask())
    assert noted == [0, min(100, max(1, requests // 1000))]
    store.close()
