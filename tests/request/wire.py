"""Servers on loopback that say exactly the bytes a test wants, and a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from timepoint.errors import SourceError
from timepoint.model import Window
from timepoint.request.answer import Answer
from timepoint.request.fetch import HttpFetcher
from timepoint.request.resolve import Lookup
from timepoint.request.spec import RequestSpec, SourceSpec

START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
WINDOW = Window(START, START + 1_800_000)

Reply = bytes | Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    """One request as it came over the wire."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        return self.line.split(" ")[1]


@dataclass
class Wire:
    """A server that gives its replies in order, the last one for ever, and closes each connection."""

    replies: list[Reply]
    received: list[Received] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            self.received.append(Received(head[0], headers, body))
            reply = self.replies[min(len(self.received), len(self.replies)) - 1]
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            self.tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()


@asynccontextmanager
async def serving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """A server on a free port of loopback."""
    wire = Wire(list(replies), scheme="https" if tls else "http")
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0, ssl=tls)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        waiting = list(wire.tasks)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await server.wait_closed()


def reply(
    status: int = 200,
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
    *,
    content_type: str | None = "application/json",
    length: int | None = None,
) -> bytes:
    """An HTTP/1.1 answer; ``length`` lies about the body."""
    fields = {"Content-Length": str(len(body) if length is None else length), "Connection": "close"}
    if content_type is not None:
        fields["Content-Type"] = content_type
    fields |= headers or {}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Some Reason\r\n{head}\r\n".encode("latin-1") + body


class FakeClock:
    """Time that stands still, but for sleeping."""

    def __init__(self, now: int = START + 2_400_000) -> None:
        self.wall = now
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        self.wall += round(seconds * 1000)


def lookup(host: str, port: int, family: int) -> list[Any]:
    """Resolves what is on this machine, and asks no name server about anything else."""
    if host == "localhost":
        host = "127.0.0.1"
    if not host.startswith("127."):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]


@dataclass
class Client:
    """A fetcher for one test: full jitter becomes no jitter, sleeping takes no time, names stay on this machine."""

    source: SourceSpec
    clock: FakeClock = field(default_factory=FakeClock)
    chance: float = 1.0
    lookup: Lookup = lookup

    async def fetch(self, request: RequestSpec | None = None, within: float = 600.0) -> Answer:
        async with HttpFetcher(
            self.source, self.clock, chance=lambda: self.chance, sleep=self.clock.sleep, lookup=self.lookup
        ) as fetcher:
            deadline = self.clock.monotonic() + within
            (answer,) = await fetcher.fetch(request or RequestSpec(), WINDOW, deadline, fire_time=START + 2_000_000)
            return answer

    async def fail(self, request: RequestSpec | None = None, within: float = 600.0) -> SourceError:
        """The error of a fetch that must fail."""
        try:
            answer = await self.fetch(request, within)
        except SourceError as error:
            return error
        raise AssertionError(f"the fetch gave {answer!r}")
