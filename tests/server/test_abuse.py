"""Abuse of the port by whoever reaches it, by the ids of the threat model; A2 to A5 stand in ``web``."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import logging
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import timepoint
from tests.server.support import Stage, parse_answer, publish_job, publish_large_job, staged
from timepoint.server.settings import Limits, ServerSettings

REQUEST = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"


def limited(**limits: float) -> ServerSettings:
    """Settings with some limits of their own; the loopback is a client like any other."""
    return ServerSettings(limits=Limits(local=frozenset(), **limits))  # type: ignore[arg-type] # floats or whole numbers


async def test_a1_one_client_has_a_part_of_the_connections_alone(tmp_path: Path) -> None:
    """A1: a hundred half-open requests of one client leave it ten; it is served all the same, and all are counted."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a", settings=limited(connections_per_peer=10, head_deadline=600)) as stage:
        for _ in range(100):
            _, writer = await stage.connect()
            writer.write(b"GET / HTTP/1.1\r\nX: ")
        page = await stage.ask("/metrics")

        assert page.status == 200
        assert b"timepoint_web_connections 10" in page.body
        assert b'ended_total{reason="evicted"} 91' in page.body


async def test_a1_a_scraper_that_works_keeps_its_connection(tmp_path: Path) -> None:
    """A1: half-open requests above every limit do not cost a keep-alive connection that was served before."""
    publish_job(tmp_path, "a")
    async with staged(tmp_path, "a", settings=limited(connections_per_peer=20, head_deadline=600)) as stage:
        reader, writer = await stage.connect()
        for flood in (0, 40, 40, 40):
            for _ in range(flood):
                await stage.connect()
            writer.write(REQUEST)
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(parse_answer(head).headers["content-length"]))


async def test_a1_all_half_open_requests_are_closed_at_the_deadline(tmp_path: Path) -> None:
    """A1: nothing of them stays."""
    async with staged(tmp_path, settings=limited(head_deadline=0.3)) as stage:
        for _ in range(30):
            _, writer = await stage.connect()
            writer.write(b"GET / HTTP/1.1\r\nX: ")
        await stage.until_all_are_closed()
        assert stage.app.acceptor is not None
        assert not stage.app.acceptor.admission.guests


async def test_a1_with_every_place_taken_by_slow_readers_the_newcomer_is_told_at_once(tmp_path: Path) -> None:
    """A1: it is closed, not left in the queue; no scrape under way is ended for it."""
    publish_large_job(tmp_path)
    async with staged(tmp_path, "large", settings=limited(connections=3, write_deadline=600)) as stage:
        for _ in range(3):
            reader, writer = await stage.connect()
            writer.write(REQUEST)
            await reader.readexactly(100)
        late, _ = await stage.connect()
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                assert await late.read() == b""
        assert len(stage.server.connections) == 3


@pytest.mark.parametrize("pieces", [1, 40])
async def test_a4_a_huge_head_is_refused(tmp_path: Path, pieces: int) -> None:
    """A4: 17 KiB of small headers, in one packet or in many: 431 and the end of the connection."""
    head = b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 400) for n in range(43))
    size = len(head) // pieces + 1
    async with staged(tmp_path) as stage:
        reader, writer = await stage.connect()
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(head), size):
                writer.write(head[start : start + size])
                await writer.drain()
                await asyncio.sleep(0)
            writer.write(b"Connection: close\r\n\r\n")
            async with asyncio.timeout(60):
                assert parse_answer(await reader.read()).status == 431


async def test_a4_many_requests_on_one_connection_are_no_huge_head(tmp_path: Path) -> None:
    """A4: the size is that of one head, not of all that have come."""
    async with staged(tmp_path) as stage:
        reader, writer = await stage.connect()
        padding = b"GET /-/style.css HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 7000 + b"\r\n\r\n"
        for _ in range(10):
            writer.write(padding)
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                assert parse_answer(head).status == 200
                await reader.readexactly(int(parse_answer(head).headers["content-length"]))


async def test_a6_no_word_of_a_client_becomes_a_series(tmp_path: Path) -> None:
    """A6: odd methods, paths, agents and filters leave the set of series as it was."""
    publish_job(tmp_path, "a")

    def series(body: bytes) -> set[bytes]:
        return {line.rsplit(b" ", 1)[0] for line in body.splitlines() if not line.startswith(b"#")}

    async with staged(tmp_path, "a") as stage:
        before = series((await stage.ask("/metrics")).body)
        for number in range(30):
            await stage.ask(f"/{number}?x={number}", "GET" if number % 2 else f"M{number}", User_Agent=f"agent{number}")
            await stage.ask(f"/metrics?name[]=n{number}&job_name=j{number}")
        assert series((await stage.ask("/metrics")).body) == before


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/metrics", "/", "/-/healthy", "/-/ready"])
async def test_a7_pages_can_only_be_read(tmp_path: Path, method: str, path: str) -> None:
    """A7: any other method is 405, and says which there are."""
    async with staged(tmp_path) as stage:
        answer = await stage.ask(path, method)

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_a7_a_body_is_refused_and_nothing_behind_it_is_answered(tmp_path: Path) -> None:
    """A7: what follows a body could be a smuggled request: the connection ends with the first answer."""
    async with staged(tmp_path) as stage:
        for framing in (
            b"Content-Length: 5\r\n\r\nabcde",
            b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        ):
            reader, writer = await stage.connect()
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + framing + REQUEST)
            async with asyncio.timeout(60):
                answers = await reader.read()
            assert answers.count(b"HTTP/1.1 ") == 1
            assert parse_answer(answers).status == 400


async def test_a7_pipelined_requests_that_nobody_reads_are_bounded(tmp_path: Path) -> None:
    """A7: a client that asks without end and reads nothing is paused; others are served meanwhile."""
    publish_large_job(tmp_path)
    async with staged(tmp_path, "large") as stage:
        with socket.create_connection(("127.0.0.1", stage.port)) as greedy:
            greedy.settimeout(0)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                for _ in range(200):
                    sent += greedy.send(REQUEST * 1000)
                    await asyncio.sleep(0)
            assert (await stage.ask("/-/healthy")).status in (200, 503)
            assert sent < 200 * 1000 * len(REQUEST)
            (connection, *_) = stage.scrape_connections()
            assert len(connection._messages) < 1000


@pytest.mark.parametrize("path", [b"/-/style.css", b"/metrics"])
async def test_a7_small_answers_that_nobody_reads_are_bounded(tmp_path: Path, path: bytes) -> None:
    """A7: they wait for their reader one by one, and not in memory; at the write deadline the connection breaks."""
    request = b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    async with staged(tmp_path, settings=limited(write_deadline=0.5)) as stage:
        with socket.socket() as greedy:
            greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            greedy.connect(("127.0.0.1", stage.port))
            greedy.settimeout(0)
            async with asyncio.timeout(60):
                while not stage.scrape_connections():  # noqa: ASYNC110 - the server tells no event for it
                    await asyncio.sleep(0)
                (connection,) = stage.scrape_connections()
                while (transport := connection.transport) is not None:
                    with contextlib.suppress(OSError):
                        greedy.send(request * 100)
                    await asyncio.sleep(0)
                    assert transport.get_write_buffer_size() < 300_000


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_a7_no_bytes_lead_to_an_internal_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, pieces: list[bytes]
) -> None:
    """A7: whatever comes is answered with a client error or not at all, and leaves no line in the log."""

    async def send() -> bytes:
        async with staged(tmp_path) as stage:
            reader, writer = await stage.connect()
            with contextlib.suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                writer.write_eof()
                async with asyncio.timeout(60):
                    return await reader.read()
            return b""

    answer = asyncio.run(send())
    assert not answer or parse_answer(answer).status in (200, 400, 404, 405, 431)
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_a8_nothing_that_serves_can_ask_an_api() -> None:
    """A8 to A12: no module of the scrape side imports an HTTP client, the rooms that ask, or starts a program."""
    room = Path(timepoint.__file__).parent / "server"
    rooms = ("timepoint.request", "timepoint.poller", "timepoint.job", "timepoint.remote_write")
    banned = (*rooms, "aiohttp.client", "http.client", "urllib.request", "subprocess", "requests", "httpx")
    found = set()
    for path in room.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            if isinstance(node, ast.Attribute) and node.attr in {"ClientSession", "open_connection", "getaddrinfo"}:
                names = [node.attr]
            found |= {f"{path.name}: {name}" for name in names if name.startswith((*banned, "ClientSession", "open_c"))}
    assert found == set()


SSRF = (
    "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:169.254.169.254]/",
    "http://0xa9fea9fe/",
    "http://127.1:PORT/",
    "http://user@127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "file:///etc/passwd",
)


@pytest.mark.parametrize("key", ["target", "module", "url", "source", "job_name", "name[]", "x"])
async def test_a9_no_parameter_makes_the_exporter_connect(tmp_path: Path, key: str) -> None:
    """A8 to A12: a parameter selects of what is there or means nothing; a listener beside it hears nothing."""
    publish_job(tmp_path, "a")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        port = listener.getsockname()[1]
        async with staged(tmp_path, "a") as stage:
            for path in ("/metrics", "/probe", "/", "/-/ready"):
                for target in SSRF:
                    answer = await stage.ask(f"{path}?{key}={target.replace('PORT', str(port))}")
                    assert answer.status == {"/probe": 404, "/-/ready": 503}.get(path, 200)
                    assert b"169.254" not in answer.body
            with pytest.raises(BlockingIOError):
                listener.accept()


async def asked(stage: Stage, query: str) -> set[bytes]:
    """The names of the families that are served for a query."""
    body = (await stage.ask(f"/metrics?{query}")).body
    return {line.split()[2] for line in body.splitlines() if line.startswith(b"# TYPE")}


async def test_selections_are_of_jobs_and_of_names(tmp_path: Path) -> None:
    """``job_name`` and ``name[]`` each alone, both, several, unknown ones, and samples of the server itself."""
    for name in ("a", "b"):
        publish_job(tmp_path, name)
    async with staged(tmp_path, "a", "b") as stage:
        assert {b"a_watts", b"b_watts", b"timepoint_poller_up"} <= await asked(stage, "")
        assert await asked(stage, "job_name=a") == {b"a_watts"}
        assert await asked(stage, "job_name=a&job_name=b") == {b"a_watts", b"b_watts"}
        assert await asked(stage, "name[]=b_watts") == {b"b_watts"}
        assert await asked(stage, "name%5B%5D=b_watts&name[]=timepoint_poller_up") == {
            b"b_watts",
            b"timepoint_poller_up",
        }
        assert await asked(stage, "job_name=a&name[]=b_watts") == set()
        assert await asked(stage, "job_name=nobody") == set()
        assert await asked(stage, "name[]=nothing") == set()
