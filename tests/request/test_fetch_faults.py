"""Servers that hang, drip, break off, lie or flood: each is one clear error within the limits."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
import threading
import time
import tracemalloc
import zlib
from typing import Any

import aiohttp.connector
import pytest

from tests.request.wire import WINDOW, Client, reply, serving
from timepoint.errors import TransportError
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import RequestSpec, SourceSpec

MIB = 1 << 20
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


def source(url: str, *, timeout: int = 60_000, attempts: int = 1, max_body: int = MIB) -> SourceSpec:
    """A source with one attempt."""
    return SourceSpec("s", url, timeout=timeout, attempts=attempts, max_body=max_body)


def free_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accepts, and then says nothing."""
    await reader.read()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends a byte each time that a limit on single reads would begin anew."""
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets the connection in the middle of the body."""
    writer.write(HEAD + b'Content-Length: 1000\r\n\r\n{"a": ')
    await writer.drain()
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.mark.parametrize("behaviour", [hang, drip])
async def test_n3_n4_the_total_time_is_bounded(behaviour: object) -> None:
    """An API that hangs, or sends a byte now and then, is given up when the timeout of the source is over."""
    async with serving(behaviour) as wire:  # type: ignore[arg-type] # parametrised functions lose their type
        error = await Client(source(wire.url, timeout=150)).fail()
    assert isinstance(error, TransportError)
    assert error.reason == "timeout"
    assert str(error) == f"source s: GET {wire.url}/: no complete answer within 150ms (timeout)"


async def test_the_deadline_of_the_run_bounds_an_attempt() -> None:
    """The deadline of the run ends an attempt that its own timeout would let go on, and there is no further one."""
    async with serving(hang) as wire:
        error = await Client(source(wire.url, attempts=9)).fail(within=0.1)
    assert error.reason == "timeout"
    assert "no complete answer within the deadline of the run" in str(error)


async def test_n1_a_refused_connection() -> None:
    """A refused connection names the address and what the system said."""
    port = free_port()
    error = await Client(source(f"http://127.0.0.1:{port}")).fail()
    assert isinstance(error, TransportError)
    assert error.reason == "connect"
    assert f"no connection to 127.0.0.1:{port}: Connect call failed" in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)


async def test_n2_a_connection_that_is_not_answered() -> None:
    """A full backlog, which answers no connection, ends after the connect timeout and not after the total one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.settimeout(0)
                filler.connect_ex(("127.0.0.1", port))
            spec = SourceSpec("s", f"http://127.0.0.1:{port}", connect_timeout=150, attempts=1)
            error = await Client(spec).fail()
        finally:
            for filler in fillers:
                filler.close()
    assert error.reason == "connect"
    assert "no connection within 150ms (connect_timeout)" in str(error)


async def test_n8_a_name_that_does_not_exist() -> None:
    """A name that cannot be resolved is named."""
    error = await Client(source("http://api.invalid/")).fail()
    assert error.reason == "connect"
    assert str(error).endswith("the name api.invalid cannot be resolved: Name or service not known")


async def test_n8_a_name_that_is_not_answered() -> None:
    """A name server that does not answer costs the connect timeout, and the exit does not wait for it."""
    release = threading.Event()

    def wait(*_: object) -> list[Any]:
        release.wait()
        return []

    try:
        spec = SourceSpec("s", "http://api.invalid/", connect_timeout=100, attempts=1)
        error = await Client(spec, lookup=wait).fail()
    finally:
        release.set()
    assert error.reason == "connect"
    assert "no connection within 100ms (connect_timeout)" in str(error)


async def test_n9_the_next_address_of_a_name() -> None:
    """Where the first address of a name refuses, the next one is taken within the attempt."""
    dead = free_port()
    async with serving(reply(body=b"[1]")) as wire:

        def two(_host: str, _port: int, _family: int) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (dead, wire.port)]

        answer = await Client(source(f"http://api.invalid:{dead}"), lookup=two).fetch()
    assert (answer.body, answer.attempts) == (b"[1]", 1)


async def test_n8_a_name_that_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute after a name has got another address, the next request goes there."""
    async with serving(reply(body=b"[1]")) as old, serving(reply(body=b"[2]")) as new:
        port = [old.port]

        def now_at(_host: str, _port: int, _family: int) -> list[Any]:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port[0]))]

        client = Client(source("http://api.invalid"), lookup=now_at)
        async with HttpFetcher(client.source, client.clock, lookup=now_at) as fetcher:
            bodies = []
            for later in (0, 60):
                monkeypatch.setattr(aiohttp.connector, "monotonic", lambda later=later: time.monotonic() + later)
                [answer] = await fetcher.fetch(RequestSpec(), WINDOW, client.clock.monotonic() + 60)
                bodies.append(bytes(answer.body))
                port[0] = new.port
    assert bodies == [b"[1]", b"[2]"]


BROKEN = {
    "reset in the body": reset,
    "closed before the answer": b"",
    "closed in the headers": HEAD,
    "body shorter than its length": reply(body=b"{}", length=10),
    "chunk size is no number": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "chunk shorter than its size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{}\r\n0\r\n\r\n",
    "chunk longer than its size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "no last chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "gzip cut short": reply(body=gzip.compress(b"{}" * 99)[:-9], headers={"Content-Encoding": "gzip"}),
    "gzip with a wrong checksum": reply(
        body=gzip.compress(b"{}")[:-8] + b"\0" * 8, headers={"Content-Encoding": "gzip"}
    ),
    "gzip that is none": reply(body=b"{}", headers={"Content-Encoding": "gzip"}),
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\n{}",
    "a header line of 100 kB": HEAD + b"X: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "ten thousand headers": HEAD + b"X: y\r\n" * 10_000 + b"Content-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("behaviour", BROKEN.values(), ids=BROKEN.keys())
async def test_n5_n6_a_broken_answer_is_no_answer(behaviour: object) -> None:
    """Nothing of an answer that is not complete and well framed is used; for a GET it is asked for again."""
    async with serving(behaviour) as wire:  # type: ignore[arg-type] # parametrised values lose their type
        error = await Client(source(wire.url, attempts=2)).fail()
    assert isinstance(error, TransportError)
    assert error.reason == "transport"
    assert error.attempts == 2
    assert len(wire.received) >= 2


async def test_many_headers_are_too_large() -> None:
    """A header block of more than 64 KiB is refused even where each of its lines is short (A19)."""
    headers = {f"X-{i}": "x" * 7000 for i in range(12)}
    async with serving(reply(headers=headers)) as wire:
        error = await Client(source(wire.url)).fail()
    assert error.reason == "too_large"


async def test_an_announced_size_above_the_limit() -> None:
    """A body that says it is too large is refused before it comes, and is not asked for again (P2)."""

    async def announce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Length: 1000000000000\r\n\r\n")
        await reader.read()

    async with serving(announce) as wire:
        error = await Client(source(wire.url, attempts=3)).fail()
    assert isinstance(error, TransportError)
    assert error.reason == "too_large"
    assert str(error).endswith("the body is larger than 1048576 bytes (max_body)")
    assert error.attempts == 1


async def test_an_endless_body() -> None:
    """A body without a length is cut off at the limit (P2)."""

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b" " * 65536)
            await writer.drain()

    async with serving(flood) as wire:
        error = await Client(source(wire.url)).fail()
    assert error.reason == "too_large"


async def test_endless_padding() -> None:
    """What comes over the wire is bounded too, also where it unpacks to nothing (A14)."""

    async def pad(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"{}"))
        while True:
            writer.write(b"\0" * 65536)
            await writer.drain()

    async with serving(pad) as wire:
        error = await Client(source(wire.url)).fail()
    assert error.reason == "too_large"


async def test_a_body_of_exactly_the_limit() -> None:
    """A body as large as the limit is taken, compressed or not; one byte more is not."""
    for extra, coding in ((0, ""), (0, "gzip"), (1, ""), (1, "gzip")):
        body = b" " * (MIB + extra)
        sent = gzip.compress(body) if coding else body
        async with serving(reply(body=sent, headers={"Content-Encoding": coding} if coding else None)) as wire:
            client = Client(source(wire.url))
            if extra:
                assert (await client.fail()).reason == "too_large"
            else:
                assert (await client.fetch()).body == body


def bomb(mebibytes: int) -> bytes:
    """One gzip stream of that many MiB of zeros, without its trailer. 2 MB hold 2 GiB."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = compressor.compress(bytes(MIB)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + piece * mebibytes


async def test_a_gzip_bomb() -> None:
    """2 MB that hold 2 GiB are given up at the limit, in memory of the order of the limit (A14, P1)."""
    body = bomb(2048)
    async with serving(reply(body=body, headers={"Content-Encoding": "gzip"})) as wire:
        client = Client(source(wire.url, max_body=16 * MIB))
        tracemalloc.start()
        try:
            error = await client.fail()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert error.reason == "too_large"
    assert peak < 32 * MIB


async def test_a_body_that_is_given_up_is_let_go() -> None:
    """While the error of a too large body lives on, what had come of the body does not."""
    body = bomb(64)
    async with serving(reply(body=body, headers={"Content-Encoding": "gzip"})) as wire:
        client = Client(source(wire.url, max_body=32 * MIB))
        tracemalloc.start()
        try:
            error = await client.fail()
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert error.__traceback__ is not None
    assert held < 4 * MIB


async def test_a_gzip_bomb_inside_a_refusal() -> None:
    """Of a refusal's body a few kilobytes are unpacked and no more (A14)."""
    async with serving(reply(403, bomb(2048), {"Content-Encoding": "gzip"})) as wire:
        client = Client(source(wire.url))
        tracemalloc.start()
        try:
            error = await client.fail()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert error.reason == "status"
    assert peak < 8 * MIB


async def test_a_refusal_that_never_ends() -> None:
    """A refusal whose body never ends is still a refusal, and its start is shown."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\nwrong step ")
        while True:
            writer.write(b"." * 65536)
            await writer.drain()

    async with serving(endless) as wire:
        error = await Client(source(wire.url)).fail()
    assert "status 400 Bad: wrong step ..." in str(error)


async def test_a_refusal_that_hangs() -> None:
    """A refusal whose body hangs is still a refusal, and no timeout."""

    async def halt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 401 Who\r\nContent-Length: 99\r\n\r\nno such user")
        await reader.read()

    async with serving(halt) as wire:
        error = await Client(source(wire.url, timeout=2000)).fail()
    assert str(error).endswith("status 401 Who: no such user")


async def test_a_refusal_that_breaks_off() -> None:
    """A refusal whose body breaks off is still a refusal."""
    async with serving(reply(404, b"not here", length=1000)) as wire:
        error = await Client(source(wire.url)).fail()
    assert str(error).endswith("status 404 Some Reason: not here")


async def test_words_behind_a_status_may_be_in_any_charset() -> None:
    """A server that speaks Latin-1 is tried again as any other, and what can be read of it is told."""
    refused = b"HTTP/1.1 503 Nicht verf\xfcgbar\r\nContent-Length: 0\r\n\r\n"
    async with serving(refused, refused, refused) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert error.reason == "status"
    assert "status 503 Nicht verf\ufffdgbar (attempt 3 of 3)" in str(error)
