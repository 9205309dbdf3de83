"""What the tests of the scrape side share: a clock that is set, published jobs, a server in the test's own loop.

Owns: setting the stage. Must not know: what is asserted.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timepoint.exposition.family import FamilySnapshot, JobSnapshot, SampleBatch
from timepoint.exposition.publish import POLLER, publish
from timepoint.model import FamilySpec, MetricType
from timepoint.server.app import App
from timepoint.server.connection import ScrapeConnection, ScrapeServer
from timepoint.server.listening import ListenAddress, listen
from timepoint.server.loader import SnapshotLoader
from timepoint.server.serve import serving
from timepoint.server.settings import ServerSettings
from timepoint.server.web.current import CurrentWeb
from timepoint.webconfig import web_source

NOW = 1_750_000_000_000


@dataclass
class SetClock:
    """A clock that shows what it was set to. Milliseconds and seconds, as the real one."""

    wall: int = NOW
    seconds: float = 1000.0

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def advance(self, milliseconds: int) -> None:
        self.wall += milliseconds
        self.seconds += milliseconds / 1000


def publish_job(directory: Path, name: str, value: float = 1.0, **batch: Any) -> None:
    """Publishes a job with one gauge of one series; ``batch`` limits when it is visible."""
    spec = FamilySpec(f"{name}_watts", MetricType.GAUGE, "Power.", unit="watts")
    families = [FamilySnapshot(spec, [SampleBatch(['{pod="a"}'], [value], **batch)])]
    publish(directory, JobSnapshot(name, families, commit=1, rendered_at=NOW), durable=False)


def publish_large_job(directory: Path) -> None:
    """Publishes a job named ``large`` whose page of some 10 MB no socket takes at once."""
    spec = FamilySpec("large_watts", MetricType.GAUGE, "Power.", unit="watts")
    texts = [f'{{pod="{number:0100d}"}}' for number in range(80_000)]
    families = [FamilySnapshot(spec, [SampleBatch(texts, [1.5] * len(texts))])]
    publish(directory, JobSnapshot("large", families, commit=1, rendered_at=NOW), durable=False)


def publish_poller(directory: Path, status: Mapping[str, Any] | None = None, at: int = NOW) -> None:
    """Publishes the poller's own snapshot: its heartbeat, with the status of jobs."""
    publish(directory, JobSnapshot(POLLER, [], commit=0, rendered_at=at, status=dict(status or {})), durable=False)


@dataclass
class Answer:
    """An HTTP answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Stage:
    """A running server and the things it was made of."""

    app: App
    server: ScrapeServer
    port: int
    clock: SetClock
    connections: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def web(self) -> CurrentWeb:
        assert self.app.web_config is not None
        return self.app.web_config

    async def until_all_are_closed(self) -> None:
        """Returns when the server holds no connection any more; fails when that takes too long."""
        async with asyncio.timeout(60):
            while self.server.connections:  # noqa: ASYNC110 - aiohttp tells no event for it
                await asyncio.sleep(0.005)

    def scrape_connections(self) -> list[ScrapeConnection]:
        return [connection for connection in self.server.connections if isinstance(connection, ScrapeConnection)]

    async def connect(self, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = "localhost" if tls is not None else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls, server_hostname=name)
        self.connections.append(writer)
        return reader, writer

    async def ask(
        self, path: str, method: str = "GET", body: bytes = b"", *, tls: ssl.SSLContext | None = None, **headers: str
    ) -> Answer:
        """One request on a connection of its own; ``Accept_Encoding=...`` is a header."""
        reader, writer = await self.connect(tls)
        lines = [f"{method} {path} HTTP/1.1", "Host: test", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        async with asyncio.timeout(60):
            return parse_answer(await reader.read())


def parse_answer(raw: bytes) -> Answer:
    """Status, headers (names in lower case) and body of a whole answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Answer(int(first.split()[1]), {name.lower(): value for name, value in headers.items()}, body)


@contextlib.asynccontextmanager
async def staged(
    directory: Path, *job_names: str, settings: ServerSettings | None = None, web: Path | None = None
) -> AsyncIterator[Stage]:
    """A server over the published directory, on a free port of the loopback, with its snapshots read once.

    ``web`` is a web config file; it is looked at again when ``stage.web.refresh()`` says so.
    """
    clock = SetClock()
    loader = SnapshotLoader(directory, job_names, clock)
    loader.refresh()
    current = CurrentWeb(web_source(web), clock) if web is not None else None
    app = App(loader, settings or ServerSettings(), clock, current)
    address = ListenAddress("127.0.0.1", 0)
    with listen(address) as sock:
        port = sock.getsockname()[1]
        async with serving([sock], app) as server:
            stage = Stage(app, server, port, clock)
            try:
                yield stage
            finally:
                for writer in stage.connections:
                    writer.close()
                    with contextlib.suppress(OSError):  # an ssl.SSLError is one
                        await writer.wait_closed()
