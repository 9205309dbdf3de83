from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from timepoint.clock import MINUTE
from timepoint.poller.timing import Pace, Timing
from timepoint.testing import FakeClock, settle


@pytest.fixture
def clock() -> FakeClock:
    """A clock that moves when told."""
    return FakeClock()


@pytest.fixture
def timing(clock: FakeClock) -> Timing:
    """Waiting by that clock."""
    return Timing(clock, clock.sleep)


async def _ended(waiting: Awaitable[bool]) -> bool | None:
    """What a task has come to by now, None if it still waits."""
    task = asyncio.ensure_future(waiting)
    await settle()
    return task.result() if task.done() else None


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


async def test_a_source_without_a_pace_is_always_free(clock: FakeClock, timing: Timing) -> None:
    """Most sources have no least time between requests."""
    pace = Pace(0, timing)
    assert await _ended(pace.turn(clock.monotonic())) is True
    assert await _ended(pace.turn(clock.monotonic())) is True


async def test_turns_are_a_whole_interval_apart(clock: FakeClock, timing: Timing) -> None:
    """Two jobs that ask at the same time get their turns one after the other."""
    pace = Pace(MINUTE, timing)
    deadline = clock.monotonic() + 90
    assert await _ended(pace.turn(deadline)) is True
    second = asyncio.create_task(pace.turn(deadline))
    await clock.advance(seconds=59)
    assert not second.done()
    assert await _ended(pace.turn(deadline)) is False, "a third turn would come after the deadline"
    await clock.advance(seconds=1)
    assert second.result() is True


@pytest.mark.parametrize(("ago", "wait"), [(0, 60), (45, 15), (60, 0), (-3600, 60)])
async def test_a_restart_keeps_the_pace(clock: FakeClock, timing: Timing, ago: int, wait: int) -> None:
    """An attempt before the start counts; one in the future, of a clock set back, for no more than one interval."""
    pace = Pace(MINUTE, timing)
    pace.remember(clock.now() - ago * 1000)
    assert await _ended(pace.turn(clock.monotonic() + wait - 1)) is False
    turn = asyncio.create_task(pace.turn(clock.monotonic() + wait))
    await clock.advance(seconds=wait)
    assert turn.result() is True
