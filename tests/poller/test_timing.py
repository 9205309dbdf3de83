from __future__ import annotations

import asyncio

import pytest

from timepoint.poller.timing import Timing
from timepoint.testing import FakeClock, settle


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves when told."""
    return FakeClock()


@pytest.fixture
def timing(clock: FakeClock) -> Timing:
    """Waiting by that clock."""
    return Timing(clock, clock.sleep)


async def test_work_that_ends_in_time_gives_its_result(clock: FakeClock, timing: Timing) -> None:
    """The result comes when the work ends, not when the deadline does."""

    async def work() -> str:
        await clock.sleep(3)
        return "done"

    running = asyncio.create_task(timing.within(clock.monotonic() + 5, work()))
    await clock.advance(seconds=3)
    assert running.result() == "done"


async def test_work_that_takes_too_long_is_cancelled(clock: FakeClock, timing: Timing) -> None:
    """At the deadline the work is ended before TimeoutError is raised."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    running = asyncio.create_task(timing.within(clock.monotonic() + 5, work()))
    await clock.advance(seconds=5)
    assert ended == [True]
    assert isinstance(running.exception(), TimeoutError)


async def test_cancelling_the_wait_cancels_the_work(timing: Timing) -> None:
    """Whoever is told to stop leaves nothing running behind."""
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    running = asyncio.create_task(timing.within(float("inf"), work()))
    await settle()
    running.cancel()
    await settle()
    assert (running.cancelled(), ended) == (True, [True])


async def test_what_work_raises_is_raised(clock: FakeClock, timing: Timing) -> None:
    """An error of the work is not mistaken for a deadline."""

    async def work() -> None:
        raise LookupError("odd")

    with pytest.raises(LookupError, match="odd"):
        await timing.within(clock.monotonic() + 5, work())
