"""A connection of the scrape side without a socket.

Owns: bytes into a real connection of the real server, and what comes back. Must not know: what is sent.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from pathlib import Path
from typing import Any

from tests.server.support import SetClock, publish_job, publish_poller
from timepoint.server.admission import Guest
from timepoint.server.app import App
from timepoint.server.connection import ScrapeConnection, ScrapeServer
from timepoint.server.loader import SnapshotLoader
from timepoint.server.settings import ServerSettings

_MOST_TURNS = 2000  # in which nothing is made
_QUIET = 8  # turns of the loop in which nothing came
_PATIENCE = 600.0  # seconds: a page is made in a thread, which a busy machine lets wait
_ANSWER = re.compile(rb"HTTP/[0-9]\.[0-9] [1-5][0-9][0-9] ")


class Pipe(asyncio.Transport):
    """What a connection writes to."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written = bytearray()
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.written += data

    def writelines(self, parts: Any) -> None:
        for part in parts:
            self.written += part

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None:
        """Nothing is read here that could be paused."""

    resume_reading = pause_reading

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Everything is taken at once."""

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False


class Complaints(logging.Handler):
    """What is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(self.format(record))


class Heads:
    """A server that answers one connection after the other."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
        publish_job(directory, "one")
        publish_poller(directory)
        loader = SnapshotLoader(directory, ("one",), SetClock())
        loader.refresh()
        self.app = App(loader, ServerSettings(), SetClock(), None)
        self.complaints = Complaints()
        logging.getLogger().addHandler(self.complaints)
        self.server: ScrapeServer = self.loop.run_until_complete(self._make())

    def close(self) -> None:
        """Ends the loop, and what waits in it."""
        logging.getLogger().removeHandler(self.complaints)
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    async def _make(self) -> ScrapeServer:
        return ScrapeServer(self.app.handle, self.app.settings.limits, self.app.client_sans)

    def send(self, data: bytes) -> bytes:
        """What one connection that says this is told. Raises AssertionError for no HTTP, or a failure of ours."""
        return self.loop.run_until_complete(self._send(data))

    async def _send(self, data: bytes) -> bytes:
        self.complaints.heard = []  # of others, since the last one
        pipe = Pipe()
        guest = Guest("127.0.0.1", 0.0, pipe.close)
        connection = self.server.connection(guest, lambda: None)
        connection.connection_made(pipe)
        half = len(data) // 2
        for part in (data[:half], data[half:]):
            if part and not pipe.is_closed:
                connection.data_received(part)
            await asyncio.sleep(0)
        async with asyncio.timeout(_PATIENCE):
            await _until_quiet(connection, pipe)
        connection.connection_lost(None)
        await asyncio.sleep(0)
        written = bytes(pipe.written)
        heard, self.complaints.heard = self.complaints.heard, []
        assert not written or _ANSWER.match(written), written[:200]
        assert b"HTTP/1.1 500" not in written, written[:200]
        assert not heard, heard
        return written


async def _until_quiet(connection: ScrapeConnection, pipe: Pipe) -> None:
    """Returns when all has been said, or a connection says small things without end."""
    turns = quiet = 0
    while quiet <= _QUIET and turns < _MOST_TURNS and not pipe.is_closed:
        before, makes = len(pipe.written), connection.busy and turns > _QUIET
        await asyncio.sleep(0.001 if makes else 0)
        turns += not makes
        quiet = 0 if connection.busy or len(pipe.written) != before else quiet + 1
