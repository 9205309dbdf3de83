"""Sees when an event loop stands still, and says where.

Owns: how late the loop has come at worst, and one log line with the stack of its thread for each time it stands still.
Must not know: whose loop it is but by name, what is done in it.

Two looks are needed. The loop itself measures how late it wakes up, which tells every delay once it is over. A thread
beside it sees a loop that does not come back at all, for which no metric would ever be published, and writes down
where it stands. It counts beats instead of reading a clock, so that a machine that slept is no stall. For a loop that
never comes back, each beat is a sign of life to whoever can end the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable

from timepoint.clock import Clock, SystemClock
from timepoint.log import event

LOGGER = logging.getLogger(__name__)

BEAT = 0.25
"""Seconds between two beats of the loop: four wake-ups a second take 0.1 ms of CPU."""
LOOK = 1.0
LOOKS = 5
"""After so many looks of the thread without a beat, a second apart, the loop stands still."""


class Watchdog:
    """Watches one loop. ``longest`` is how late, in seconds, it has come at worst. ``watched`` makes one."""

    def __init__(self, name: str, clock: Clock, look: float = LOOK, beat: Callable[[], None] | None = None) -> None:
        self.longest = 0.0
        self._beat = beat
        self._name = name
        self._clock = clock
        self._look = look
        self._beats = 0
        self._stop = threading.Event()

    async def beat(self) -> None:
        """The loop's part; for ever."""
        while True:
            if self._beat is not None:
                self._beat()
            begun = self._clock.monotonic()
            await asyncio.sleep(BEAT)
            self.longest = max(self.longest, self._clock.monotonic() - begun - BEAT)
            self._beats += 1

    def watch(self, ident: int) -> None:
        """The thread's part, until ``stop``. ``ident`` is the loop's thread."""
        seen, silent = self._beats, 0
        while not self._stop.wait(self._look):
            if self._beats != seen:
                seen, silent = self._beats, 0
                continue
            silent += 1
            if silent == LOOKS:
                self._tell(ident, silent * self._look)

    def stop(self) -> None:
        """Ends the thread's part at its next look."""
        self._stop.set()

    def _tell(self, ident: int, seconds: float) -> None:
        frame = sys._current_frames().get(ident)  # noqa: SLF001 - documented, and the only way to another thread's stack
        stack = "".join(traceback.format_stack(frame)).strip() if frame is not None else ""
        event(LOGGER, logging.WARNING, "loop_stalled", loop=self._name, seconds=seconds, stack=stack)


@contextlib.asynccontextmanager
async def watched(
    name: str, clock: Clock | None = None, beat: Callable[[], None] | None = None
) -> AsyncIterator[Watchdog]:
    """Watches the running loop for the length of the block. ``beat`` is called while it goes round, often."""
    watchdog = Watchdog(name, clock or SystemClock(), beat=beat)
    thread = threading.Thread(target=watchdog.watch, args=(threading.get_ident(),), name="watchdog", daemon=True)
    beats = asyncio.create_task(watchdog.beat())
    thread.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()
        beats.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await beats
