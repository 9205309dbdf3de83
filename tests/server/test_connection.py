from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

import pytest

from tests.server.support import parse_answer, publish_job, staged
from timepoint.server.settings import Limits, ServerSettings

IMPATIENT = ServerSettings(limits=Limits(head_deadline=0.2))
REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n"


async def read_one(reader: asyncio.StreamReader) -> bytes:
    """One whole answer of a connection that stays open."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(int(parse_answer(head).headers["content-length"]))


async def test_a_silent_connection_is_closed_at_the_deadline_of_the_head(tmp_path: Path) -> None:
    """Who connects and says nothing is let go (S1)."""
    async with staged(tmp_path, settings=IMPATIENT) as stage:
        reader, _ = await stage.connect()

        async with asyncio.timeout(60):
            assert await reader.read() == b""


async def test_a_head_that_drips_is_closed_at_the_deadline(tmp_path: Path) -> None:
    """Bytes that keep coming do not move the deadline (S1)."""
    async with staged(tmp_path, settings=IMPATIENT) as stage:
        reader, writer = await stage.connect()
        writer.write(b"GET /metrics HTTP/1.1\r\nX: ")

        async def drip() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.02)  # the pace of the client, not a wait for the server

        dripping = asyncio.create_task(drip())
        try:
            async with asyncio.timeout(60):
                with contextlib.suppress(ConnectionResetError):  # a byte that comes after the close is answered so
                    assert await reader.read() == b""
        finally:
            dripping.cancel()


async def test_half_a_head_on_a_used_connection_is_closed_too(tmp_path: Path) -> None:
    """The deadline begins anew with the first byte of each later request."""
    async with staged(tmp_path) as stage:
        reader, writer = await stage.connect()
        writer.write(REQUEST)
        assert parse_answer(await read_one(reader)).status in (200, 503)
        (connection,) = stage.scrape_connections()
        connection._limits = IMPATIENT.limits  # only now: a busy machine may take long over the first request
        writer.write(b"GET /metr")

        async with asyncio.timeout(60):
            assert await reader.read() == b""


async def test_an_idle_connection_outlives_the_deadline_of_a_head(tmp_path: Path) -> None:
    """Between two scrapes nothing can be late: no deadline runs, and the connection is used again."""
    async with staged(tmp_path) as stage:
        reader, writer = await stage.connect()
        for _ in range(2):
            writer.write(REQUEST)
            assert parse_answer(await read_one(reader)).headers["server"] == "timepoint"
            assert [connection._head_timer for connection in stage.scrape_connections()] == [None]


async def test_an_idle_connection_is_closed_in_the_end(tmp_path: Path) -> None:
    """The keep-alive time ends a connection that nobody uses."""
    settings = ServerSettings(limits=Limits(keepalive=0.2))
    async with staged(tmp_path, settings=settings) as stage:
        reader, writer = await stage.connect()
        writer.write(REQUEST)
        await read_one(reader)

        async with asyncio.timeout(60):
            assert await reader.read() == b""


async def test_a_huge_head_is_refused(tmp_path: Path) -> None:
    """A header above the limit ends with a client error, not with memory."""
    async with staged(tmp_path) as stage:
        answer = await stage.ask("/metrics", Cookie="x" * 100_000)

    assert answer.status in (400, 431)


async def test_garbage_is_answered_with_an_error_and_disturbs_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no HTTP at all gets 400 without an echo, leaves no line in the log, and the next client is served."""
    async with staged(tmp_path) as stage:
        reader, writer = await stage.connect()
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n")
        async with asyncio.timeout(60):
            garbage = parse_answer(await reader.read())

        assert garbage.status == 400
        assert b"\\x16" not in garbage.body
        assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
        assert (await stage.ask("/metrics")).status == 200


async def test_half_open_requests_do_not_delay_a_scrape(tmp_path: Path) -> None:
    """With 200 half-said requests open, a page is answered before any of them is closed (S1)."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a", settings=ServerSettings(limits=Limits(head_deadline=600))) as stage:
        for _ in range(200):
            _, writer = await stage.connect()
            writer.write(b"GET / HTTP/1.1\r\nX: ")

        assert (await stage.ask("/metrics")).status == 200
        assert len(stage.server.connections) >= 200


async def test_http_1_0_gets_a_page_and_a_closed_connection(tmp_path: Path) -> None:
    """The oldest clients get the page too (S8)."""
    async with staged(tmp_path) as stage:
        reader, writer = await stage.connect()
        writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(60):
            answer = parse_answer(await reader.read())

    assert answer.status == 200
    assert len(answer.body) == int(answer.headers["content-length"])
