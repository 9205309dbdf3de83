"""An API on loopback that enforces its limits and says so in a dialect of its choice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Headers = Mapping[str, str]
Dialect = Callable[[int, float, float], Headers]
"""From what is left, the seconds until the reset, and the epoch of now, to the headers that say it."""


@dataclass
class LimitedApi:
    """``limit`` requests per ``period`` seconds of the clock ``now`` (epoch seconds); beyond that 429.

    It keeps connections alive. ``busy`` is the number of requests it works on, ``connections`` how many were opened.
    """

    now: Callable[[], float]
    limit: int
    period: float
    dialect: Dialect
    latency: float = 0.0
    asked: list[float] = field(default_factory=list)
    refused: int = 0
    connections: int = 0
    busy: int = 0
    most_busy: int = 0
    _period: float = -1.0
    _used: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.busy += 1
                self.most_busy = max(self.most_busy, self.busy)
                status, headers = self._judge()
                if self.latency:
                    await asyncio.sleep(self.latency)
                self.busy -= 1
                fields = {"Content-Type": "application/json", "Content-Length": "2", **headers}
                head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
                writer.write(f"HTTP/1.1 {status} Said\r\n{head}\r\n[]".encode())
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def _judge(self) -> tuple[int, Headers]:
        now = self.now()
        began = now // self.period * self.period
        if began != self._period:
            self._period, self._used = began, 0
        reset = began + self.period - now
        self._used += 1
        if self._used > self.limit:
            self.refused += 1
            return 429, self.dialect(0, reset, now)
        self.asked.append(now)
        return 200, self.dialect(self.limit - self._used, reset, now)


@asynccontextmanager
async def answering(api: LimitedApi) -> AsyncIterator[str]:
    """The URL of the API."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await api.serve(reader, writer)
        finally:
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
