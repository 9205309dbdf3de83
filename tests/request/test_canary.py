"""No credential reaches an error, a repr or a traceback, whatever goes wrong and whatever an API echoes."""

from __future__ import annotations

import asyncio
import base64
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.request.test_fetch import secret
from tests.request.test_fetch_faults import HEAD, free_port, hang, reset
from tests.request.wire import START, WINDOW, Client, FakeClock, Reply, Wire, reply, serving
from timepoint.request.auth.base import Around
from timepoint.request.auth.source import SourceAuthenticator
from timepoint.request.fetch import HttpFetcher
from timepoint.request.prepare import prepare, userinfo
from timepoint.request.spec import Authorization, BasicAuth, RequestSpec, SecretSource, SourceSpec
from timepoint.request.template import Moment
from timepoint.request.transport import Transport
from timepoint.secret import Secret


def canaries(scheme: str, url: str, folder: Path) -> tuple[SourceSpec, RequestSpec]:
    """A source and a request with a canary in every place that may hold a credential."""
    file = folder / "secret"
    file.write_text("canary-file /+\n")
    auth = {
        "userinfo": {},
        "basic": {"basic_auth": BasicAuth(secret("canary-user"), secret("canary:päss"))},
        "bearer": {"authorization": Authorization(secret("canary-bearer"))},
        "file": {"authorization": Authorization(SecretSource(file=file))},
    }[scheme]
    if scheme == "userinfo":
        url = url.replace("://", "://canary-name:canary%2Fpass@", 1)
    source = SourceSpec(
        "s",
        f"{url}/v1?key=canary-url&q=canary%20blank",
        headers={"X-API-Key": secret('canary"quoted'), "X-File": SecretSource(file=file)},
        timeout=100,
        attempts=2,
        max_body=4096,
        **auth,  # type: ignore[arg-type] # one of the two
    )
    request = RequestSpec(
        method="POST",
        path="/p?inline=canary-inline",
        params=(("token", "canary-param & more"), ("mixed", "canary-mixed-{window.start:unix}")),
        headers={"Cookie": secret("canary=cookie-{window.start:unix}"), "X-Plain": secret("canary{brace")},
        body={"auth": {"key": ["canary-body"]}},
    )
    return source, request


def echo(status: int, extra: str = "") -> Reply:
    """An API that says back whatever it was sent: raw, decoded, quoted, in its reason and in headers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = wire_of(writer).received[-1]
        told = [*received.headers.values(), received.target, received.body.decode()]
        kind, _, credentials = received.headers.get("authorization", "").partition(" ")
        if kind == "Basic":
            told += base64.b64decode(credentials).decode().split(":", 1)
        body = "\n".join([*reversed(told), *map(quote, told)]).encode()
        value = f"X-Echo: {' '.join(told)}\r\nContent-Type: {credentials}"
        head = f"HTTP/1.1 {status} No {credentials}\r\n{extra.format(credentials)}{value}\r\n"
        writer.write(head.encode("latin-1", "replace") + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return answer


_WIRES: dict[int, Wire] = {}


def wire_of(writer: asyncio.StreamWriter) -> Wire:
    """The server to which a connection belongs."""
    return _WIRES[writer.get_extra_info("sockname")[1]]


REPLIES = {
    "echoed in a refusal": echo(403),
    "echoed in a server error": echo(500),
    "echoed in the type of the answer": echo(200),
    "echoed in the charset": echo(200, "Content-Type: application/json; charset={}\r\n"),
    "echoed in the coding": echo(200, "Content-Type: application/json\r\nContent-Encoding: {}\r\n"),
    "echoed in a redirect": echo(302, "Location: http://{}.invalid/?{}\r\n".replace("{}", "{0}")),
    "redirect to itself": reply(307, headers={"Location": "/again?x=canary"}),
    "hang": hang,
    "reset": reset,
    "no HTTP": b"canary canary\r\n\r\n",
    "a bad header": HEAD + b"canary\r\n\r\n",
    "too large": reply(body=b"canary" * 4096),
    "too long": reply(headers={"X": "canary" * 4096}),
    "html": reply(body=b"canary", content_type="text/html"),
    "damaged": reply(body=b"canary", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("scheme", ["userinfo", "basic", "bearer", "file"])
@pytest.mark.parametrize("behaviour", REPLIES.values(), ids=REPLIES.keys())
async def test_no_canary_in_an_error(behaviour: Reply, scheme: str, tmp_path: Path) -> None:
    """Whatever an API does and echoes, no credential is in the error, its repr, its causes or its traceback (A18)."""
    async with serving(behaviour) as wire:
        _WIRES[wire.port] = wire
        source, request = canaries(scheme, wire.url, tmp_path)
        error = await Client(source).fail(request)
    assert wire.received, f"the request must have been sent for this to mean anything: {error!r}"
    assert_no_canary(error)


def assert_no_canary(error: BaseException) -> None:
    """Follows causes and contexts, also those that a traceback would not print."""
    shown = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        shown += f"{seen} {seen!r} {seen.args!r}"
        seen = seen.__cause__ or seen.__context__
    assert "canary" not in shown, shown


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "https://127.0.0.1:{port}", "http://api.invalid"])
async def test_no_canary_without_a_connection(url: str, tmp_path: Path) -> None:
    """No credential is in the error of a connection that failed."""
    source, request = canaries("userinfo", url.format(port=free_port()), tmp_path)
    assert_no_canary(await Client(source).fail(request))


@pytest.mark.parametrize("answer", [reply(407, b"canary"), reply(502), b"canary\r\n\r\n"])
async def test_no_canary_of_a_proxy(answer: bytes, tmp_path: Path) -> None:
    """No credential of a proxy, or for the API behind it, is in the error of a proxy that refuses."""
    async with serving(answer) as proxy:
        source = SourceSpec(
            "s",
            "https://canary:canary@api.invalid/?canary",
            proxy_url=f"http://canary-name:canary-pass@127.0.0.1:{proxy.port}",
            attempts=1,
        )
        error = await Client(source).fail()
    assert proxy.received
    assert_no_canary(error)


async def test_reprs_show_nothing(tmp_path: Path) -> None:
    """No credential is in the repr of anything that a request passes through."""
    source, request = canaries("basic", "http://canary:canary@127.0.0.1:1", tmp_path)
    prepared = prepare(source, request, Moment(WINDOW, START))
    authenticator = SourceAuthenticator(Around(source, FakeClock(), Transport))
    credentials = await authenticator.credentials(prepared, 2000.0)
    assert credentials.headers["Authorization"].reveal().startswith("Basic ")
    async with HttpFetcher(source, FakeClock()) as fetcher:
        shown = [
            source,
            request,
            prepared,
            authenticator,
            credentials,
            fetcher,
            vars(fetcher)["_transport"],
            userinfo(source.url),
        ]
        assert "canary" not in repr(shown)


async def test_no_canary_in_an_answer(tmp_path: Path) -> None:
    """No credential is in the repr, the URL or the type of an accepted answer."""
    answer_with_echo = reply(body=b'["canary"]', content_type="application/json; echo=canary-bearer")
    async with serving(answer_with_echo) as wire:
        source, request = canaries("bearer", wire.url, tmp_path)
        answer = await Client(source).fetch(request)
    assert "canary" not in repr(answer) + answer.url + answer.content_type


async def test_further_texts_are_masked() -> None:
    """What source and request hide is masked in the URL and in what an API echoes, however it is written."""
    async with serving(reply(404, b'no "a b/c&d", no a%20b%2Fc%26d, no CANARY')) as wire:
        source = SourceSpec("s", f"{wire.url}/canary", hidden=(Secret("canary"),))
        error = await Client(source).fail(RequestSpec(path="/key/a b/c&d/x", hidden=(Secret("a b/c&d"),)))
    mask = "<secret>"
    assert wire.received[0].target == "/canary/key/a%20b/c&d/x"
    assert f'GET {wire.url}/{mask}/key/{mask}/x: status 404 Some Reason: no "{mask}", no {mask}, no {mask}' in str(
        error
    )
