"""Waiting: by an injected clock, with deadlines.

Owns: the sleeper protocol, the race of a piece of work against its deadline. Must not know: schedules, requests,
answers. Deadlines are seconds of the monotonic clock.
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
