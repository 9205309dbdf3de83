"""Waiting: by an injected clock, with deadlines, and for a source's turn.

Owns: the sleeper protocol, the race of a piece of work against its deadline, the least time between two requests to a
source. Must not know: schedules, requests, answers. Deadlines are seconds of the monotonic clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from timepoint.clock import Clock, SystemClock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timing:
    """The clock and the way to wait on it. ``sleep`` takes seconds; a test gives the clock's own."""

    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def within(self, deadline: float, work: Coroutine[Any, Any, T]) -> T:
        """The result of the work; TimeoutError, and the work is cancelled, if the deadline comes first."""
        task = asyncio.ensure_future(work)
        timer = asyncio.ensure_future(self.sleep(max(0.0, deadline - self.clock.monotonic())))
        try:
            await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise TimeoutError
            return task.result()
        finally:
            await _end(timer)
            await _end(task)


async def _end(task: asyncio.Future[Any]) -> None:
    """Cancels what still runs and waits until it is gone, so that nothing of it happens later."""
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))


@dataclass(slots=True)
class Pace:
    """The least time between two requests to one source, over all its jobs.

    ``remember`` brings in what is known from before the start, so that a crash loop does not burn a quota: the wall
    clock is believed for that, but never for more than one whole interval.
    """

    min_interval: int
    timing: Timing
    _free_at: float = float("-inf")

    def remember(self, last_attempt: int) -> None:
        clock = self.timing.clock
        ago = max(0, clock.now() - last_attempt)
        self._free_at = max(self._free_at, clock.monotonic() + (self.min_interval - ago) / 1000)

    async def turn(self, deadline: float) -> bool:
        """Waits until a request may go out and takes that turn; False at once if it would come after the deadline."""
        begin = max(self.timing.clock.monotonic(), self._free_at)
        if begin > deadline:
            return False
        self._free_at = begin + self.min_interval / 1000
        wait = begin - self.timing.clock.monotonic()
        if wait > 0:
            await self.timing.sleep(wait)
        return True
