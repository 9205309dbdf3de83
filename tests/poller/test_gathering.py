"""Pieces of work that are done in groups."""

from __future__ import annotations

import asyncio
import threading

import pytest

from timepoint.poller.gathering import Gathering
from timepoint.poller.worker import InlineWorker, ThreadWorker


class Slow:
    """Work in a thread that takes until it is released."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun, self.free = asyncio.Event(), threading.Event()
        self.worker = ThreadWorker()
        self.gathering = Gathering(self.worker, self._work)
        self._loop = asyncio.get_running_loop()

    def _work(self, group: list[int]) -> None:
        self.groups.append(group)
        self._loop.call_soon_threadsafe(self.begun.set)
        self.free.wait()


async def test_a_piece_that_comes_alone_is_done_alone() -> None:
    """Nothing is waited for."""
    groups: list[list[int]] = []
    gathering = Gathering(InlineWorker(), groups.append)
    await gathering.do(1)
    await gathering.do(2)
    assert groups == [[1], [2]]


async def test_what_comes_while_the_worker_is_busy_is_done_together() -> None:
    """In the order in which it came."""
    slow = Slow()
    pieces = [asyncio.create_task(slow.gathering.do(0))]
    await slow.begun.wait()
    pieces += [asyncio.create_task(slow.gathering.do(number)) for number in range(1, 5)]
    await asyncio.sleep(0)
    slow.free.set()
    await asyncio.gather(*pieces)
    slow.worker.close()
    assert slow.groups == [[0], [1, 2, 3, 4]]


async def test_what_the_work_raises_is_raised_for_each_piece() -> None:
    """And the next group has nothing to do with it."""
    failing = True

    def work(group: list[int]) -> None:
        if failing:
            raise ValueError(str(group))

    gathering = Gathering(InlineWorker(), work)
    results = await asyncio.gather(gathering.do(1), gathering.do(2), return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError]
    failing = False
    await gathering.do(3)


async def test_a_piece_that_is_given_up_holds_nobody_up() -> None:
    """The one that was doing the work for all may be cancelled."""
    slow = Slow()
    first = asyncio.create_task(slow.gathering.do(1))
    await slow.begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    slow.free.set()
    await slow.gathering.do(2)
    slow.worker.close()
    assert slow.groups == [[1], [2]]
