"""A run under a clock that is ahead of the time, and what is left of it when the clock is right again."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.jobs import STEP, TOTAL, http_job, ones
from timepoint.clock import DAY, HOUR
from timepoint.errors import StatusError
from timepoint.exposition.publish import read_published, snapshot_path
from timepoint.job import Job, Workload
from timepoint.ledger.store import open_store
from timepoint.model import Window
from timepoint.poller.runner import Runner
from timepoint.testing import FakeClock, FakeSource, fake_surroundings, published_page, read_samples

YEAR = 365 * DAY


class Machine:
    """A machine whose clock can be wrong, and an API that knows the time and has nothing of the future."""

    def __init__(self, directory: Path, job: Job) -> None:
        directory.mkdir(exist_ok=True)
        self.clock = FakeClock()
        self.ahead = 0
        self.source = FakeSource(self.answer)
        self.directory = directory
        self.job = job

    def answer(self, window: Window) -> list[dict[str, Any]]:
        until = (self.clock.now() - self.ahead) // STEP * STEP
        return ones(Window(min(window.start, until), min(window.end, until)))

    def set_ahead(self, by: int) -> None:
        self.clock.jump((by - self.ahead) / 1000)
        self.ahead = by

    async def poll_once(self, *jobs: Job) -> int:
        """One call of ``timepoint poll --once``, on a ledger in a file."""
        around = fake_surroundings(self.published, self.clock, self.source)
        around = replace(around, open_store=lambda: open_store(self.directory / "ledger.sqlite"))
        return await Runner(Workload(jobs or (self.job,)), around).run_once()

    @property
    def published(self) -> Path:
        return self.directory / "published"

    def samples(self) -> dict[str, float]:
        return read_samples(published_page(self.published, self.clock.now()))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A half-hourly job on five-minute timepoints of 1."""
    return Machine(tmp_path, http_job(tmp_path))


@pytest.mark.parametrize("ahead", [HOUR, YEAR])
async def test_what_a_false_time_passed_over_is_counted_later(machine: Machine, ahead: int) -> None:
    """After an empty answer for a future window the job runs at once under the right clock, and misses no timepoint."""
    await machine.poll_once()
    machine.set_ahead(ahead)
    assert await machine.poll_once() == 0
    machine.set_ahead(0)
    await machine.clock.advance(minutes=30)
    assert await machine.poll_once() == 0
    assert machine.samples()[TOTAL] == 6 + 6
    await machine.clock.advance(minutes=30)
    await machine.poll_once()
    assert machine.samples()[TOTAL] == 6 + 6 + 6


async def test_a_request_without_a_window_counts_on(tmp_path: Path) -> None:
    """An API that answers with its newest hour, whatever the time here, is counted on under the right clock."""
    machine = Machine(tmp_path, replace(http_job(tmp_path), window_is_asked=False))

    def newest_hour(_: Window) -> list[dict[str, Any]]:
        until = (machine.clock.now() - machine.ahead) // STEP * STEP
        return ones(Window(until - HOUR, until))

    machine.source.answer = newest_hour
    await machine.poll_once()
    machine.set_ahead(YEAR)
    await machine.poll_once()
    machine.set_ahead(0)
    await machine.clock.advance(minutes=30)
    assert await machine.poll_once() == 0
    assert machine.samples()[TOTAL] == 6 + 6


async def test_a_job_that_began_under_a_false_clock_goes_on(machine: Machine) -> None:
    """A ledger that knows nothing but the false time begins anew, with the window of the right one (K2)."""
    machine.set_ahead(YEAR)
    await machine.poll_once()
    machine.set_ahead(0)
    assert await machine.poll_once() == 0
    assert machine.samples()[TOTAL] == 6


async def test_nothing_is_counted_twice_after_a_false_time(tmp_path: Path) -> None:
    """Where windows overlap, a job that met false times ends with the total of one that did not."""
    job = http_job(tmp_path)
    job = replace(job, window=replace(job.window, overlap=HOUR))
    totals = []
    for aheads in ((0, YEAR, 0, YEAR + DAY, 0), (0, 0, 0, 0, 0)):
        machine = Machine(tmp_path / str(aheads[1]), job)
        await machine.poll_once()
        for ahead in aheads:
            machine.set_ahead(ahead)
            await machine.clock.advance(minutes=30)
            await machine.poll_once()
        totals.append(machine.samples()[TOTAL])
    assert totals[0] == totals[1] >= 6 + 5 * 6


async def test_a_clock_that_is_behind_counts_nothing_again(machine: Machine) -> None:
    """Where the ledger is right and the clock is not, the run is skipped, and the job goes on under a right one."""
    await machine.poll_once()
    machine.set_ahead(-DAY)
    await machine.poll_once()
    assert len(machine.source.windows) == 1
    machine.set_ahead(0)
    await machine.clock.advance(minutes=30)
    await machine.poll_once()
    assert machine.samples()[TOTAL] == 6 + 6


async def test_a_job_in_a_living_process_goes_on(machine: Machine) -> None:
    """A clock that is set right under a running poller costs a minute, not a year."""
    around = fake_surroundings(machine.published, machine.clock, machine.source)
    stop = asyncio.Event()
    running = asyncio.create_task(Runner(Workload((machine.job,)), around).run(stop))
    await machine.clock.advance(minutes=1)
    machine.set_ahead(YEAR)
    await machine.clock.advance(minutes=1)
    assert len(machine.source.windows) == 2
    machine.set_ahead(0)
    await machine.clock.advance(minutes=58)
    assert machine.samples()[TOTAL] == 6 + 12
    stop.set()
    await running


async def test_a_correction_is_an_error_in_the_log_and_counted(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever runs the machine learns that its clock was ahead, and from where the job goes on."""
    await machine.poll_once()
    machine.set_ahead(YEAR)
    await machine.poll_once()
    machine.set_ahead(0)
    with caplog.at_level(logging.ERROR):
        await machine.poll_once()
    assert any(
        record.levelno == logging.ERROR and "clock_was_ahead" in str(record.__dict__) for record in caplog.records
    )
    assert machine.samples()['timepoint_job_clock_corrections_total{job_name="pods"}'] == 1


async def test_values_of_a_false_time_do_not_outlive_their_max_age(machine: Machine) -> None:
    """Even where the ledger cannot be brought back, since it has counted a future, the page is held to the clock."""
    await machine.poll_once()
    machine.set_ahead(YEAR)
    machine.source.answer = ones  # an API that answers for any window
    await machine.poll_once()
    machine.source.answer = lambda _: StatusError(500, "broken")
    machine.set_ahead(0)
    await machine.poll_once()
    max_age = next(iter(machine.job.metrics.values())).max_age
    page = read_published(snapshot_path(machine.published, "pods"))
    untils = [batch.visible_until for family in page.families for batch in family.batches]
    assert all(until is not None and until <= machine.clock.now() + max_age for until in untils)
