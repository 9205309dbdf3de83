from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from tests.server.support import SetClock, parse_answer, publish_large_job
from timepoint.server.app import App
from timepoint.server.listening import ListenAddress, listen
from timepoint.server.loader import SnapshotLoader
from timepoint.server.serve import serving
from timepoint.server.settings import Limits, ServerSettings

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"


class Life:
    """A server that a test ends when it likes, while its connections are still there."""

    def __init__(self, directory: Path, limits: Limits) -> None:
        clock = SetClock()
        loader = SnapshotLoader(directory, ["large"], clock)
        loader.refresh()
        self._app = App(loader, ServerSettings(limits=limits), clock)
        self._stack = contextlib.AsyncExitStack()
        self.port = 0

    async def begin(self) -> None:
        sock = self._stack.enter_context(listen(ListenAddress("127.0.0.1", 0)))
        self.port = sock.getsockname()[1]
        await self._stack.enter_async_context(serving([sock], self._app))

    async def end(self) -> None:
        await self._stack.aclose()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A directory with a job whose page no socket takes at once."""
    publish_large_job(tmp_path)
    return tmp_path


async def test_a_page_that_was_begun_is_sent_to_its_end(large: Path) -> None:
    """A scrape that runs when the end is asked for gets all of its page; the connection is closed after it."""
    life = Life(large, Limits(stop_deadline=60))
    await life.begin()
    reader, writer = await asyncio.open_connection("127.0.0.1", life.port)
    writer.write(REQUEST)
    begun = await reader.readexactly(1000)

    ending = asyncio.create_task(life.end())
    async with asyncio.timeout(60):
        answer = parse_answer(begun + await reader.read())
        await ending

    assert len(answer.body) == int(answer.headers["content-length"])
    writer.close()


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(large: Path) -> None:
    """The end comes within the stop deadline; the client sees a connection that broke, never a short page."""
    life = Life(large, Limits(stop_deadline=0.2))
    await life.begin()
    reader, writer = await asyncio.open_connection("127.0.0.1", life.port)
    writer.write(REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")

    async with asyncio.timeout(60):
        await life.end()

    length = int(parse_answer(head).headers["content-length"])
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(length)
    writer.close()


async def test_idle_connections_end_at_once(large: Path) -> None:
    """A kept-alive connection without a request is no reason to wait."""
    life = Life(large, Limits(stop_deadline=3600))
    await life.begin()
    reader, writer = await asyncio.open_connection("127.0.0.1", life.port)
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"healthy.\n")

    async with asyncio.timeout(60):
        await life.end()
        assert await reader.read() == b""
    writer.close()


async def test_who_had_connected_before_the_end_is_answered(large: Path) -> None:
    """Requests that wait in the queue of the socket are no less under way than those that were accepted."""
    life = Life(large, Limits(stop_deadline=60))
    await life.begin()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", life.port))) for _ in range(50)]
        for client in clients:
            client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        await life.end()  # the loop has accepted none of them yet
        for client in clients:
            client.settimeout(60)
            assert b"200 OK" in client.recv(4096)


async def test_a_head_of_which_a_part_has_come_is_waited_for(large: Path) -> None:
    """A request whose second packet comes after the end was asked for is answered."""
    life = Life(large, Limits(stop_deadline=60))
    await life.begin()
    reader, writer = await asyncio.open_connection("127.0.0.1", life.port)
    writer.write(b"GET /-/healthy HTTP/1.1\r\n")
    await asyncio.sleep(0)

    ending = asyncio.create_task(life.end())
    await asyncio.sleep(0)
    writer.write(b"Host: a\r\n\r\n")
    async with asyncio.timeout(60):
        assert b"200 OK" in await reader.readline()
        await ending
    writer.close()
