from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator

import pytest

from timepoint import log
from timepoint.testing import FakeClock
from timepoint.watchdog import LOOKS, Watchdog, watched


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged."""
    import logging

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.configure("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


async def test_x9_a_loop_that_stands_still_is_told_with_its_stack(lines: io.StringIO) -> None:
    """X9: one line, however long it takes, that names the loop and the function in which it stands."""
    watchdog = Watchdog("poller", FakeClock(), look=0.001)
    told = threading.Event()
    tell = watchdog._tell

    def noticed(ident: int, seconds: float) -> None:
        tell(ident, seconds)
        told.set()

    watchdog._tell = noticed  # type: ignore[method-assign] # a seam to wait at
    thread = threading.Thread(target=watchdog.watch, args=(threading.get_ident(),))
    thread.start()

    def stands_still() -> None:
        assert told.wait(60)

    stands_still()
    watchdog.stop()
    thread.join(60)

    (line,) = [json.loads(text) for text in lines.getvalue().splitlines()]
    assert (line["event"], line["loop"], line["level"]) == ("loop_stalled", "poller", "warning")
    assert line["seconds"] == pytest.approx(LOOKS * 0.001)
    assert "in stands_still" in line["stack"]


async def test_x9_the_longest_delay_is_kept() -> None:
    """X9: how late the loop came is known afterwards, and a shorter delay does not hide a longer one."""
    clock = FakeClock()
    watchdog = Watchdog("poller", clock)
    for late in (0.0, 3.0, 1.0):
        beat = asyncio.create_task(watchdog.beat())
        await asyncio.sleep(0)
        clock._move_to(clock.monotonic() + 0.25 + late)
        async with asyncio.timeout(60):
            beats = watchdog._beats
            while watchdog._beats == beats:  # noqa: ASYNC110 - the watchdog tells no event for it
                await asyncio.sleep(0.01)
        beat.cancel()
    assert watchdog.longest == pytest.approx(3.0)


async def test_a_loop_that_runs_is_not_told(lines: io.StringIO) -> None:
    """While the loop beats nothing is logged, and the end of the block ends the watching."""
    async with watched("server") as watchdog:
        for _ in range(3):
            await asyncio.sleep(0.3)
        assert watchdog._beats >= 2
    assert lines.getvalue() == ""
    assert watchdog._stop.is_set()
