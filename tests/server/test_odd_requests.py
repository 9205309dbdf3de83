from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.support import Stage, parse_answer, staged


async def raw(stage: Stage, request: bytes, *, hang_up: bool = False) -> bytes:
    """Everything that comes back for these bytes until the server closes."""
    reader, writer = await stage.connect()
    writer.write(request)
    if hang_up:
        writer.write_eof()
    async with asyncio.timeout(60):
        return await reader.read()


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET http://other.example/metrics HTTP/1.1", 200),
        ("GET /metrics?x=%zz&y HTTP/1.1", 200),
        ("GET /metrics#fragment HTTP/1.1", 200),
        ("GET //metrics HTTP/1.1", 404),
        ("GET /metrics/../metrics HTTP/1.1", 404),
        ("GET /%6detrics HTTP/1.1", 200),
        ("OPTIONS * HTTP/1.1", 404),
        ("CONNECT metrics:80 HTTP/1.1", 404),
        ("GET /\x00 HTTP/1.1", 400),
        ("GET  /metrics  HTTP/1.1", 200),
        ("GET /metrics HTTP/9.9", 400),
        ("GET /metrics", 200),
    ],
)
async def test_each_odd_request_line_has_a_defined_answer(
    tmp_path: Path, line: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A page, a refusal or nothing to be found: never an internal error, and no line in the log (S8)."""
    async with staged(tmp_path) as stage:
        answer = parse_answer(await raw(stage, f"{line}\r\nHost: a\r\nConnection: close\r\n\r\n".encode()))

    assert answer.status == status
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Content-Length: -1",
        "Content-Length: 5, 5",
        " Folded: x",
        "No-Colon",
    ],
)
async def test_a_smuggled_request_is_refused(tmp_path: Path, head: str) -> None:
    """What two servers could read differently is answered once, with an error, and the connection ends (A7)."""
    smuggled = b"0\r\n\r\nGET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n"
    async with staged(tmp_path) as stage:
        answers = await raw(stage, f"GET /metrics HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n".encode() + smuggled)

    assert answers.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert answers.count(b"HTTP/1.") == 1


@given(garbage=st.binary(min_size=1, max_size=200))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_bytes_leave_the_server_alive(tmp_path: Path, garbage: bytes) -> None:
    """Whatever a client sends, the next one is served (A7)."""
    async with staged(tmp_path) as stage:
        await raw(stage, garbage, hang_up=True)
        assert (await stage.ask("/-/healthy")).status == 200
