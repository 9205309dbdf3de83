from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.poller.fanned import fan_job
from tests.poller.jobs import TOTAL, function_job, http_job, ones
from timepoint import log
from timepoint.job import HttpPolling, Workload
from timepoint.ledger.change import ChangeSet
from timepoint.poller.main import poll_once
from timepoint.poller.runner import Runner
from timepoint.poller.worker import ThreadWorker
from timepoint.request.each.spec import Discovery
from timepoint.request.spec import Authorization, BasicAuth, SecretSource
from timepoint.secret import Secret
from timepoint.testing import (
    FakeClock,
    FakeSource,
    MemoryStore,
    fake_surroundings,
    published_page,
    read_samples,
    settle,
)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged during a test."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("info", "logfmt", stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = saved
    log._hidden.clear()


def test_a_ledger_that_cannot_be_used_is_said_and_is_a_failure(tmp_path: Path, written: io.StringIO) -> None:
    """The exit code tells the supervisor, or cron; the log tells the person."""
    ledger = tmp_path / "ledger.sqlite"
    ledger.write_bytes(b"this is no database, whatever its name says" * 100)
    assert poll_once(Workload((function_job(lambda window: []),)), ledger, tmp_path / "published") == 1
    assert "level=error event=ledger_unusable" in written.getvalue()
    assert str(ledger) in written.getvalue()


def test_credentials_of_the_config_are_masked_in_the_log(tmp_path: Path, written: io.StringIO) -> None:
    """Every credential that stands in a config is known to the log before the first run."""
    given = [SecretSource(Secret(f"canary-{number}")) for number in range(5)]
    job = http_job(tmp_path)
    assert isinstance(job.polling, HttpPolling)
    source = replace(
        job.polling.source,
        url="http://127.0.0.1:9",  # nobody listens there
        attempts=1,
        headers={"X-Key": given[0]},
        basic_auth=BasicAuth(given[1], given[2]),
        authorization=Authorization(given[3]),
    )
    request = replace(job.polling.request, headers={"X-Other": given[4]})
    polling = replace(job.polling, source=source, request=request)
    poll_once(Workload((replace(job, polling=polling),)), tmp_path / "ledger.sqlite", tmp_path / "published")
    logging.getLogger().error(" ".join(f"canary-{number}" for number in range(5)))
    assert "canary" not in written.getvalue()
    assert written.getvalue().count("<secret>") == 5


def test_credentials_of_a_discovery_are_masked_in_the_log(tmp_path: Path, written: io.StringIO) -> None:
    """It may have a source of its own, and headers."""
    given = [SecretSource(Secret(f"canary-{number}")) for number in range(2)]
    job = fan_job(tmp_path, '{zone: {request: {get: /zones}, values: "$[*]"}}')
    assert job.each is not None
    [values] = job.each.values
    assert isinstance(values.origin, Discovery)
    discovery = replace(
        values.origin,
        source=replace(
            values.origin.source,
            url="http://127.0.0.1:9",  # nobody listens there
            attempts=1,
            headers={"X-Key": given[0]},
        ),
        request=replace(values.origin.request, headers={"X-Other": given[1]}),
    )
    listed = replace(job, each=replace(job.each, values=(replace(values, origin=discovery),)))
    poll_once(Workload((listed,)), tmp_path / "ledger.sqlite", tmp_path / "published")
    log.event(logging.getLogger("test"), logging.INFO, "told", secrets="canary-0 canary-1")
    assert "canary" not in written.getvalue()


class SlowStore(MemoryStore):
    """A ledger whose commit takes until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.release = threading.Event(), threading.Event()

    def commit(self, change_set: ChangeSet) -> int:
        self.begun.set()
        self.release.wait()
        return super().commit(change_set)


async def test_the_end_waits_for_a_commit_only_so_long(tmp_path: Path, written: io.StringIO) -> None:
    """A commit that hangs on its disk does not hold up the end; the ledger survives being left alone (X3)."""
    clock, store = FakeClock(), SlowStore()
    around = fake_surroundings(tmp_path, clock, FakeSource(ones), store)
    runner = Runner(Workload((http_job(tmp_path),)), replace(around, make_worker=ThreadWorker))
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    await asyncio.get_running_loop().run_in_executor(None, store.begun.wait)
    stop.set()
    await settle()
    await clock.advance(seconds=2.4)
    assert not task.done()
    await clock.advance(seconds=0.2)
    assert await task == 0
    assert "event=not_closed" in written.getvalue()
    store.release.set()


async def test_the_end_lets_a_commit_finish(tmp_path: Path) -> None:
    """A commit in hand at the end becomes durable, and the page shows it."""
    clock, store = FakeClock(), SlowStore()
    around = fake_surroundings(tmp_path, clock, FakeSource(ones), store)
    runner = Runner(Workload((http_job(tmp_path),)), replace(around, make_worker=ThreadWorker))
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    await asyncio.get_running_loop().run_in_executor(None, store.begun.wait)
    stop.set()
    await settle()
    store.release.set()
    assert await task == 0
    assert store.load("pods", "").watermark is not None
    assert read_samples(published_page(tmp_path, clock.now()))[TOTAL] == 6
