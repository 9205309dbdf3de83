"""One exchange, over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.request.wire import Reply as WireReply
from tests.request.wire import Wire, serving
from timepoint.clock import SystemClock
from timepoint.remote_write.encode import HEADERS, body
from timepoint.remote_write.outbox import Version
from timepoint.remote_write.post import open_post
from timepoint.remote_write.reply import Meaning, Reply, meaning
from timepoint.request.spec import Authorization, BasicAuth, SecretSource, SourceSpec
from timepoint.secret import Secret

DATE = "Date: Thu, 01 Jan 2026 10:00:00 GMT\r\n"
BODY = body([], Version.V1)


def answer(status: str, headers: str = "", text: str = "") -> bytes:
    """A whole answer that closes the connection."""
    return (
        f"HTTP/1.1 {status}\r\n{DATE}{headers}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}"
    ).encode()


async def exchange(*replies: WireReply, times: int = 1, **changes: Any) -> tuple[list[Reply], Wire]:
    """What becomes of requests to a server that gives these replies."""
    async with serving(*replies) as wire:
        source = SourceSpec("central", f"{wire.url}/api/v1/write", **({"timeout": 20_000} | changes))
        async with open_post(source, SystemClock()) as post:
            return [await post.send(BODY, HEADERS[Version.V1]) for _ in range(times)], wire


async def test_a_request_carries_body_and_headers() -> None:
    """POST, the protocol's headers, who we are, and these very bytes."""
    _, wire = await exchange(answer("204 No Content"))
    (received,) = wire.received
    assert received.line == "POST /api/v1/write HTTP/1.1"
    assert received.body == BODY
    sent = {name: received.headers[name] for name in ("content-encoding", "content-type")}
    assert sent == {"content-encoding": "snappy", "content-type": "application/x-protobuf"}
    assert received.headers["x-prometheus-remote-write-version"] == "0.1.0"
    assert received.headers["user-agent"].startswith("timepoint/")


async def test_an_answer_tells_status_clock_and_wait() -> None:
    """Status, ``Date``, ``Retry-After`` and the first words of the body; a wait is at most five minutes."""
    ((reply,), _) = await exchange(answer("429 Too Many", "Retry-After: 1000000000\r\n", "slow down"))
    assert (reply.status, reply.retry_after, reply.said_at) == (429, 300.0, 1_767_261_600_000)
    assert reply.problem == "slow down"
    assert reply.came_at > 0


async def test_w9_a_retry_after_in_the_past_is_no_wait() -> None:
    """A date that has gone by means now."""
    ((reply,), _) = await exchange(answer("503 No", "Retry-After: Thu, 01 Jan 2015 10:00:00 GMT\r\n"))
    assert reply.retry_after == 0.0


@pytest.mark.parametrize(
    ("headers", "written"),
    [
        ("", None),
        ("X-Prometheus-Remote-Write-Samples-Written: 7\r\n", 7),
        ("x-prometheus-remote-write-samples-written: 0\r\n", 0),
        ("X-Prometheus-Remote-Write-Histograms-Written: 3\r\n", 0),
        ("X-Prometheus-Remote-Write-Samples-Written: many\r\n", 0),
    ],
)
async def test_what_was_written_is_read_from_the_headers(headers: str, written: int | None) -> None:
    """Any of the three headers means that 2.0 is understood; without all of them nobody knows."""
    ((reply,), _) = await exchange(answer("204 No Content", headers))
    assert reply.written == written


async def test_w7_a_redirect_is_not_followed() -> None:
    """It is an answer like any other: credentials and samples go where the config says (A30)."""
    ((reply,), wire) = await exchange(answer("307 Temporary", "Location: http://127.0.0.1:1/elsewhere\r\n"))
    assert meaning(reply) is Meaning.HELD
    assert len(wire.received) == 1


def dripping(head: str, piece: bytes, pause: float) -> Callable[..., Awaitable[None]]:
    """A reply whose body never ends."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode())
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return reply


@pytest.mark.parametrize("length", ["Content-Length: 1073741824\r\n", "Transfer-Encoding: chunked\r\n"])
async def test_w10_the_body_of_a_success_is_not_read(length: str) -> None:
    """A gigabyte, or a chunk after the other: the answer counts when its head is there (A30)."""
    head = f"HTTP/1.1 200 OK\r\n{DATE}{length}\r\n"
    piece = b"1000\r\n" + b"x" * 4096 + b"\r\n" if "chunked" in length else b"x" * 65536
    ((reply,), _) = await exchange(dripping(head, piece, 0))
    assert meaning(reply) is Meaning.STORED


async def test_w10_the_body_of_a_failure_is_bounded() -> None:
    """Of a body without end a few words are shown (A30)."""
    head = f"HTTP/1.1 400 Bad\r\n{DATE}Content-Length: 1073741824\r\n\r\n"
    ((reply,), _) = await exchange(dripping(head, b"no way " * 9000, 0))
    assert reply.status == 400
    assert len(reply.problem) <= 201


async def test_w11_a_head_that_does_not_come_ends_by_the_total_timeout() -> None:
    """Whatever drips in before the head ends, the whole exchange has one limit."""
    ((reply,), _) = await exchange(dripping("HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", 0.02), timeout=300)
    assert (reply.status, meaning(reply)) == (None, Meaning.FAILED)
    assert reply.problem == "no answer within 300ms (timeout)"


async def test_w1_an_answer_that_breaks_off_is_no_answer() -> None:
    """The connection ends before the head: whether it was stored is unknown."""
    ((reply,), _) = await exchange(b"")
    assert meaning(reply) is Meaning.FAILED
    assert "closed before the answer began" in reply.problem


async def test_w2_nobody_listens() -> None:
    """A refused connection may pass."""
    source = SourceSpec("central", "http://127.0.0.1:9/api/v1/write", timeout=5000)
    async with open_post(source, SystemClock()) as post:
        reply = await post.send(BODY, HEADERS[Version.V1])
    assert meaning(reply) is Meaning.FAILED
    assert "no connection" in reply.problem


async def test_w14_a_credential_is_read_for_each_request(tmp_path: Path) -> None:
    """A file that is replaced in the middle of a backlog is seen by the next request."""
    file = tmp_path / "token"
    file.write_text("first-token")
    async with serving(answer("401 Unauthorized"), answer("204 No Content")) as wire:
        source = SourceSpec("central", wire.url, authorization=Authorization(SecretSource(file=file)), timeout=20_000)
        async with open_post(source, SystemClock()) as post:
            refused = await post.send(BODY, HEADERS[Version.V1])
            file.write_text("second-token\n")
            taken = await post.send(BODY, HEADERS[Version.V1])
    assert [meaning(reply) for reply in (refused, taken)] == [Meaning.HELD, Meaning.STORED]
    assert [received.headers["authorization"] for received in wire.received] == [
        "Bearer first-token",
        "Bearer second-token",
    ]


async def test_a_credential_that_is_not_there_holds(tmp_path: Path) -> None:
    """Without it no request is made, and the words name the file."""
    gone = tmp_path / "gone"
    ((reply,), wire) = await exchange(answer("204 No Content"), authorization=Authorization(SecretSource(file=gone)))
    assert meaning(reply) is Meaning.HELD
    assert str(gone) in reply.problem
    assert wire.received == []


async def test_no_secret_is_in_the_words() -> None:
    """What a receiver echoes is masked."""
    pair = BasicAuth(SecretSource(text=Secret("someone")), SecretSource(text=Secret("hunter2-hunter2")))
    ((reply,), _) = await exchange(answer("403 No", text="user someone with hunter2-hunter2 may not"), basic_auth=pair)
    assert "hunter2" not in reply.problem
    assert "may not" in reply.problem


async def test_a_proxy_that_wants_a_password_holds() -> None:
    """407 comes from the proxy, and is held like what the receiver refuses for good."""
    async with serving(answer("407 Proxy Authentication Required")) as proxy:
        source = SourceSpec("central", "http://receiver.example/w", proxy_url=proxy.url, timeout=20_000)
        async with open_post(source, SystemClock()) as post:
            reply = await post.send(BODY, HEADERS[Version.V1])
    assert (reply.status, meaning(reply)) == (407, Meaning.HELD)


async def test_a13_the_environment_changes_no_route_to_a_receiver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A13: neither a proxy nor the credentials of a .netrc are taken from the environment."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(answer("204 No Content")) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        ((reply,), wire) = await exchange(answer("204 No Content"))
    assert reply.status == 204
    assert proxy.received == []
    assert "authorization" not in wire.received[0].headers
