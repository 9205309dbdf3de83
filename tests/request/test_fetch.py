"""What is sent, and what is accepted."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.request.wire import WINDOW, Client, reply, serving
from timepoint.errors import ContentError, StatusError
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import Authorization, BasicAuth, RequestSpec, SecretSource, SourceSpec
from timepoint.secret import Secret


def secret(text: str) -> SecretSource:
    """A credential given in the config."""
    return SecretSource(text=Secret(text))


async def test_a_get_with_params_and_window() -> None:
    """A GET asks for the joined path, with the query encoded and the window written into it."""
    async with serving(reply(body=b'{"a": 1}')) as wire:
        source = SourceSpec("energy", f"{wire.url}/api/v1/?v=2")
        request = RequestSpec(
            path="/pods/{window.start:%Y}",
            params=(("start", "{window.start}"), ("end", "{window.end:unix}"), ("q", 'a b&c="ü"'), ("q", "")),
        )
        answer = await Client(source).fetch(request)
    assert wire.received[0].line == (
        "GET /api/v1/pods/2026?v=2&start=2026-01-01T00%3A00%3A00Z&end=1767227400&q=a%20b%26c%3D%22%C3%BC%22&q= HTTP/1.1"
    )
    assert (answer.status, bytes(answer.body), answer.content_type) == (200, b'{"a": 1}', "application/json")
    assert (answer.attempts, answer.wire_bytes, answer.empty) == (1, 8, False)
    assert answer.url == (f"{wire.url}/api/v1/pods/2026?v=***&start=2026-01-01T00:00:00Z&end=1767227400&q=***&q=***")


@pytest.mark.parametrize(
    ("headers", "instant"),
    [
        ({"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 1_767_225_600_000),
        ({"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Age": "60"}, 1_767_225_660_000),
        ({"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Age": "old"}, 1_767_225_600_000),
        ({"Date": "soon"}, None),
        ({}, None),
    ],
)
async def test_the_clock_of_the_source(headers: dict[str, str], instant: int | None) -> None:
    """An answer carries what the source's clock shows when it comes, if that is said in a way that can be read."""
    async with serving(reply(headers=headers)) as wire:
        answer = await Client(SourceSpec("s", wire.url)).fetch()
    assert answer.said_at == instant


async def test_what_every_request_says_of_itself() -> None:
    """A request names timepoint, the codings and types it can read, and nothing else."""
    async with serving(reply()) as wire:
        await Client(SourceSpec("s", wire.url)).fetch()
    headers = wire.received[0].headers
    assert headers.pop("user-agent").startswith("timepoint/")
    assert headers == {
        "host": f"127.0.0.1:{wire.port}",
        "accept": "application/json, */*;q=0.5",
        "accept-encoding": "gzip, deflate",
    }


async def test_a_json_body() -> None:
    """A body is sent as JSON with its templates rendered and its type named."""
    async with serving(reply()) as wire:
        request = RequestSpec(method="POST", body={"from": "{window.start:unix}", "names": ["ü"]})
        await Client(SourceSpec("s", wire.url)).fetch(request)
    received = wire.received[0]
    assert received.line == "POST / HTTP/1.1"
    assert received.headers["content-type"] == "application/json"
    assert json.loads(received.body) == {"from": 1_767_225_600, "names": ["ü"]}


async def test_a_form() -> None:
    """A form is sent percent-encoded, in its order, with its type named."""
    async with serving(reply()) as wire:
        request = RequestSpec(method="POST", form=(("a b", "1&2"), ("end", "{window.end}"), ("a b", "")))
        await Client(SourceSpec("s", wire.url)).fetch(request)
    assert wire.received[0].headers["content-type"] == "application/x-www-form-urlencoded"
    assert wire.received[0].body == b"a%20b=1%262&end=2026-01-01T00%3A30%3A00Z&a%20b="


async def test_headers_of_source_and_request() -> None:
    """A header of the request counts more than the source's, which counts more than the default, whatever the case."""
    async with serving(reply()) as wire:
        source = SourceSpec("s", wire.url, headers={"X-A": secret("1"), "X-B": secret("2"), "accept": secret("text/x")})
        request = RequestSpec(headers={"x-b": secret("{window.start:unix}")})
        await Client(source).fetch(request)
    headers = wire.received[0].headers
    assert (headers["x-a"], headers["x-b"], headers["accept"]) == ("1", "1767225600", "text/x")


async def test_basic_auth() -> None:
    """User name and password are sent by the Basic scheme, in UTF-8."""
    async with serving(reply()) as wire:
        source = SourceSpec("s", wire.url, basic_auth=BasicAuth(secret("user"), secret("pä:ss")))
        await Client(source).fetch()
    assert wire.received[0].headers["authorization"] == "Basic dXNlcjpww6Q6c3M="


async def test_userinfo_of_the_url() -> None:
    """User name and password in the URL are sent by the Basic scheme, and are not part of the request line."""
    async with serving(reply()) as wire:
        await Client(SourceSpec("s", f"http://us%40er:p%3Ass@127.0.0.1:{wire.port}/x")).fetch()
    assert wire.received[0].line == "GET /x HTTP/1.1"
    assert wire.received[0].headers["authorization"] == "Basic dXNAZXI6cDpzcw=="


async def test_authorization_of_another_type(tmp_path: Path) -> None:
    """The authorization is its type and the credentials of the file, without the file's line end."""
    file = tmp_path / "token"
    file.write_text("abc \r\n")
    async with serving(reply()) as wire:
        source = SourceSpec("s", wire.url, authorization=Authorization(SecretSource(file=file), "Token"))
        await Client(source).fetch()
    assert wire.received[0].headers["authorization"] == "Token abc"


@pytest.mark.parametrize(
    ("coding", "wrap"),
    [
        ("gzip", gzip.compress),
        ("GZIP ", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
async def test_codings(coding: str, wrap: Callable[[bytes], bytes]) -> None:
    """A body in a coding that was asked for is decompressed; the size on the wire is told."""
    body = b'{"a": [1, 2, 3]}' * 50
    async with serving(reply(body=wrap(body), headers={"Content-Encoding": coding})) as wire:
        answer = await Client(SourceSpec("s", wire.url)).fetch()
    assert bytes(answer.body) == body
    assert answer.wire_bytes == len(wrap(body))


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "gzip,identity"])
async def test_other_codings_are_refused(coding: str) -> None:
    """A coding that was not asked for, or a second layer, is an error of its own and is not tried again (A14)."""
    async with serving(reply(headers={"Content-Encoding": coding})) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert isinstance(error, ContentError)
    assert error.reason == "encoding"
    assert len(wire.received) == 1


async def test_two_headers_of_coding_are_two_layers() -> None:
    """Two Content-Encoding headers are two layers, which are refused (A14)."""
    answer = reply(headers={"Content-Encoding": "gzip\r\nContent-Encoding: gzip"})
    async with serving(answer) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert error.reason == "encoding"


@pytest.mark.parametrize("status", [200, 201, 202, 203, 206, 299])
async def test_accepted_statuses(status: int) -> None:
    """Every status from 200 to 299 is accepted."""
    async with serving(reply(status)) as wire:
        assert (await Client(SourceSpec("s", wire.url)).fetch()).status == status


async def test_no_content() -> None:
    """204 is an empty answer."""
    async with serving(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") as wire:
        answer = await Client(SourceSpec("s", wire.url)).fetch()
    assert (answer.empty, answer.body) == (True, b"")


@pytest.mark.parametrize("status", [200, 302, 404, 503])
async def test_empty_status(status: int) -> None:
    """A status that is said to mean "nothing yet" is an empty answer, whatever its body, and is not tried again."""
    async with serving(reply(status, b"<html>", content_type="text/html")) as wire:
        answer = await Client(SourceSpec("s", wire.url)).fetch(RequestSpec(empty_status=(status,)))
    assert (answer.status, answer.empty, answer.body) == (status, True, b"")
    assert len(wire.received) == 1


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_a_status_with_a_text_that_means_nothing_yet(status: int) -> None:
    """Where a text must stand in the body, the status alone does not say that there is nothing."""
    request = RequestSpec(empty_bodies=((status, "No Data found"),))
    async with serving(reply(status, b'{"message": "No Data found for this day"}')) as wire:
        answer = await Client(SourceSpec("s", wire.url)).fetch(request)
    assert (answer.status, answer.empty, answer.body) == (status, True, b"")
    async with serving(reply(400, b'{"message": "no such zone"}')) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail(request)
    assert "status 400" in str(error)
    assert "no such zone" in str(error)


async def test_a_status_that_means_that_something_is_missing() -> None:
    """A status that is said to go with an answer in which something is missing comes with its body."""
    async with serving(reply(416, b'{"data": []}')) as wire:
        answer = await Client(SourceSpec("s", wire.url)).fetch(RequestSpec(partial_status=(416,)))
    assert (answer.status, answer.empty, bytes(answer.body)) == (416, False, b'{"data": []}')


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451, 501])
async def test_other_statuses_are_final(status: int) -> None:
    """A status that no further attempt can heal is a StatusError after one attempt."""
    async with serving(reply(status)) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert isinstance(error, StatusError)
    assert (error.status, error.reason, error.attempts) == (status, "status", 1)
    assert len(wire.received) == 1


async def test_the_text_of_a_refusal() -> None:
    """A refusal names source, method, redacted URL, status, and what the body says, on one line."""
    async with serving(reply(400, b'{"error":\r\n "bad\x00 \x1b[31m step"}', content_type="text/html")) as wire:
        request = RequestSpec(path="/p", params=(("step", "5 m"), ("start", "{window.start}")))
        error = await Client(SourceSpec("energy", wire.url)).fail(request)
    assert str(error) == (
        f"source energy: GET {wire.url}/p?step=***&start=2026-01-01T00:00:00Z: "
        'status 400 Some Reason: {"error": "bad [31m step"}'
    )


@pytest.mark.parametrize("wrap", [bytes, gzip.compress])
async def test_a_long_refusal_is_cut(wrap: Callable[[bytes], bytes]) -> None:
    """At most 200 characters of a refusal's body are shown, compressed or not."""
    coding = {"Content-Encoding": "gzip"} if wrap is gzip.compress else {}
    async with serving(reply(404, wrap(b"x" * 9000), coding)) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert str(error).endswith(": " + "x" * 200 + "…")


async def test_the_body_of_a_server_error_is_not_shown() -> None:
    """What a server writes into a 500 is its own affair and often a stack trace: it is not shown."""
    async with serving(reply(500, b"secret stack")) as wire:
        error = await Client(SourceSpec("s", wire.url, attempts=1)).fail()
    assert str(error).endswith("status 500 Some Reason")


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/octet-stream", "application/problem+json", "Application/JSON"]
)
async def test_types_that_may_be_json(content_type: str | None) -> None:
    """The JSON family and types that say nothing are accepted."""
    async with serving(reply(content_type=content_type)) as wire:
        assert bytes((await Client(SourceSpec("s", wire.url)).fetch()).body) == b"{}"


async def test_an_html_page_is_refused() -> None:
    """An HTML page with status 200 is refused without a further attempt, and the error thinks of a login page (U4)."""
    async with serving(reply(body=b"<html>", content_type="text/html; charset=utf-8")) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert isinstance(error, ContentError)
    assert error.reason == "content_type"
    assert "login page" in str(error)
    assert len(wire.received) == 1


async def test_decode_overrules_the_type() -> None:
    """An API that labels its JSON as HTML can be read when the request says what it is."""
    async with serving(reply(content_type="text/html")) as wire:
        answer = await Client(SourceSpec("s", wire.url)).fetch(RequestSpec(decode="json"))
    assert bytes(answer.body) == b"{}"


async def test_the_fire_time_may_be_left_out() -> None:
    """A request that names the fire time gets the clock's now when no fire time is handed in."""
    async with serving(reply()) as wire:
        client = Client(SourceSpec("s", wire.url))
        async with HttpFetcher(client.source, client.clock, sleep=client.clock.sleep) as fetcher:
            request = RequestSpec(params=(("at", "{fire_time:unix_ms}"),))
            await fetcher.fetch(request, WINDOW, client.clock.monotonic() + 60)
    assert wire.received[0].target == f"/?at={client.clock.now()}"


async def test_connections_are_kept() -> None:
    """Two fetches of one fetcher use one connection if the API keeps it."""
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        while True:
            try:
                await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            writer.write(reply().replace(b"Connection: close\r\n", b""))
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = Client(SourceSpec("s", f"http://127.0.0.1:{port}"))
    async with server, HttpFetcher(client.source, client.clock) as fetcher:
        for _ in range(2):
            await fetcher.fetch(RequestSpec(), WINDOW, client.clock.monotonic() + 60)
    assert len(connections) == 1
