"""A login against a server that gives tokens, and ends them."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.request.auth.authority import answering
from tests.request.test_canary import assert_no_canary
from tests.request.test_fetch import secret
from tests.request.wire import WINDOW, FakeClock, Received, lookup, reply
from timepoint.errors import SourceError
from timepoint.request.auth.endpoint import EndpointSpec
from timepoint.request.auth.login import LoginSpec, SendSpec, look_up
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import RequestSpec, SecretSource, SourceSpec

USER, PASSWORD = "me", 'canary "pass" {token}'


@dataclass
class Api:
    """Logs in whom ``knows`` believes, answers with what ``gives`` makes, and looks for the token as ``sent`` does."""

    knows: Callable[[Received], bool]
    gives: Callable[[str], bytes] = lambda token: reply(body=json.dumps({"token": token, "expires_in": 1800}).encode())
    sent: Callable[[Received], str | None] = lambda received: received.headers.get("authorization")
    shape: str = "Bearer {}"
    refusal: int = 401
    tokens: list[str] = field(default_factory=list)
    served: int = 0
    refused: int = 0

    def answer(self, received: Received) -> bytes:
        """The login at /v1/login; elsewhere the data."""
        if received.target.startswith("/v1/login"):
            if not self.knows(received):
                return reply(401, f"who is {told(received)}?".encode())
            self.tokens.append(f"canary-token-{len(self.tokens)}")
            return self.gives(self.tokens[-1])
        if not self.tokens or self.sent(received) != self.shape.format(self.tokens[-1]):
            self.refused += 1
            return reply(self.refusal)
        self.served += 1
        return reply()

    def end(self) -> None:
        """Ends the last token."""
        self.tokens.append("nobody has this one")


def told(received: Received) -> str:
    """Everything that a login said, as a chatty server says it back."""
    kind, _, pair = received.headers.get("authorization", "").partition(" ")
    decoded = b64decode(pair).decode() if kind == "Basic" else ""
    return f"{decoded} {pair} {received.headers.get('x-key')} {received.target} {received.body.decode()}"


def by_basic(received: Received) -> bool:
    """Whether the Basic scheme says who asks."""
    kind, _, pair = received.headers.get("authorization", "").partition(" ")
    return kind == "Basic" and b64decode(pair).decode() == f"{USER}:{PASSWORD}"


def by_json(received: Received) -> bool:
    """Whether JSON says who asks."""
    return bool(json.loads(received.body) == {"user": USER, "secrets": [PASSWORD], "version": 2})


def by_form(received: Received) -> bool:
    """Whether a form says who asks."""
    return dict(parse_qsl(received.body.decode())) == {"user": USER, "password": PASSWORD}


def by_query(received: Received) -> bool:
    """Whether the query says who asks."""
    return dict(parse_qsl(urlsplit(received.target).query)) == {"a": "b", "password": f"<{PASSWORD}>"}


@dataclass
class Session:
    """A fetcher, and its clock."""

    fetcher: HttpFetcher
    clock: FakeClock

    async def get(self) -> None:
        await self.fetcher.fetch(RequestSpec(path="/data"), WINDOW, self.clock.monotonic() + 600)

    async def fail(self) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await self.get()
        assert_no_canary(caught.value)
        return caught.value


@asynccontextmanager
async def session(api: Api, **options: Any) -> AsyncIterator[Session]:
    """A source that logs in by its user name and password, unless told otherwise."""
    clock = FakeClock()
    headers = options.pop("source_headers", {})
    async with answering(api.answer) as wire:
        url = f"{wire.url}/v1"
        spec = LoginSpec(EndpointSpec(f"{url}/login{options.pop('query', '')}"), username=secret(USER))
        spec = replace(spec, **({"password": secret(PASSWORD)} | options))
        source = SourceSpec("s", url, auth=spec, attempts=1, headers=headers)
        async with HttpFetcher(source, clock, sleep=clock.sleep, lookup=lookup) as fetcher:
            yield Session(fetcher, clock)


WAYS: dict[str, tuple[Callable[[Received], bool], dict[str, Any]]] = {
    "basic": (by_basic, {}),
    "json": (
        by_json,
        {"method": "POST", "body": {"user": "{username}", "secrets": ["{password}"], "version": 2}},
    ),
    "form": (by_form, {"method": "POST", "form": {"user": "{username}", "password": "{password}"}}),
    "query": (by_query, {"query": "?a=b", "params": {"password": "<{password}>"}}),
    "header": (
        lambda received: received.headers.get("x-key") == "canary-key",
        {"headers": {"X-Key": secret("canary-key")}, "username": None, "password": None},
    ),
}


@pytest.mark.parametrize(("knows", "options"), WAYS.values(), ids=WAYS.keys())
async def test_ways_to_log_in(knows: Callable[[Received], bool], options: dict[str, Any]) -> None:
    """Credentials go by Basic, in a body, in the query or in a header, whatever characters they have."""
    api = Api(knows)
    async with session(api, **options) as client:
        await client.get()
        await client.get()
    assert (api.served, len(api.tokens)) == (2, 1)


@pytest.mark.parametrize(("knows", "options"), WAYS.values(), ids=WAYS.keys())
async def test_a_login_that_is_refused(knows: Callable[[Received], bool], options: dict[str, Any]) -> None:
    """A refused login is named, what it says is masked, and the API is not asked."""
    api = Api(lambda received: False)
    async with session(api, **options) as client:
        error = await client.fail()
    assert error.reason == "token"
    assert "/v1/login: status 401: who is " in str(error)
    assert "<secret>" in str(error)
    assert (api.served, api.refused) == (0, 0)


SENT: dict[str, tuple[SendSpec, Callable[[Received], str | None], str]] = {
    "header": (SendSpec("header", "X-Auth-Token", "{token}"), lambda asked: asked.headers.get("x-auth-token"), "{}"),
    "word": (
        SendSpec("header", "Authorization", "Token token={token}"),
        lambda asked: asked.headers.get("authorization"),
        "Token token={}",
    ),
    "query": (SendSpec("query", "t"), lambda asked: asked.target, "/v1/data?t={}"),
    "cookie": (SendSpec("cookie", "sid"), lambda asked: asked.headers.get("cookie"), "a=b; sid={}"),
}


@pytest.mark.parametrize(("send", "sent", "shape"), SENT.values(), ids=SENT.keys())
async def test_ways_to_send(send: SendSpec, sent: Callable[[Received], str | None], shape: str) -> None:
    """A token is sent as a header in any form, as a parameter, or beside the cookies of the source."""
    api = Api(by_basic, sent=sent, shape=shape)
    async with session(api, send=send, source_headers={"Cookie": secret("a=b")}) as client:
        await client.get()
    assert (api.served, api.refused) == (1, 0)


GIVEN: dict[str, tuple[Callable[[str], bytes], dict[str, Any]]] = {
    "deep": (lambda token: reply(body=json.dumps({"a": [{"b.c": token}]}).encode()), {"token": "$.a[0]['b.c']"}),
    "text": (lambda token: reply(body=f"{token}\n".encode(), content_type="text/plain"), {"token": "$"}),
    "JSON text": (lambda token: reply(body=json.dumps(token).encode()), {"token": "$"}),
    "header": (
        lambda token: reply(201, headers={"X-Subject-Token": token}),
        {"token": "x-subject-token", "token_in": "header"},
    ),
    "cookie": (
        lambda token: reply(302, headers={"Set-Cookie": f"sid={token}; Path=/; HttpOnly", "Location": "/"}),
        {"token": "sid", "token_in": "cookie"},
    ),
}


@pytest.mark.parametrize(("gives", "options"), GIVEN.values(), ids=GIVEN.keys())
async def test_where_a_token_stands(gives: Callable[[str], bytes], options: dict[str, Any]) -> None:
    """A token is found in a body, a header or a cookie, also of an answer that would lead a browser elsewhere."""
    api = Api(by_basic, gives=gives)
    async with session(api, **options) as client:
        await client.get()
    assert api.served == 1


@pytest.mark.parametrize(("gives", "options"), GIVEN.values(), ids=GIVEN.keys())
async def test_where_no_token_stands(gives: Callable[[str], bytes], options: dict[str, Any]) -> None:
    """An answer without the token is an error that says where it was looked for."""
    api = Api(by_basic, gives=lambda token: reply(body=b'{"canary": 1}'))
    async with session(api, **options) as client:
        error = await client.fail()
    assert f"{options['token']}, where its token should be" in str(error)


@pytest.mark.parametrize(("lifetime", "logins"), [(1800.0, 2), ("$.expires_in", 2), (None, 1), (100_000.0, 1)])
async def test_lifetimes(lifetime: Any, logins: int) -> None:
    """A lifetime is said, or stands in the answer; a token is replaced before its end, never after a refusal."""
    api = Api(by_basic)
    async with session(api, lifetime=lifetime) as client:
        for _ in range(4):
            await client.get()
            client.clock.seconds += 600
    assert (len(api.tokens), api.refused) == (logins, 0)


async def test_a_lifetime_that_is_not_there() -> None:
    """An answer without the number of seconds that the config promises is an error."""
    async with session(Api(by_basic), lifetime="$.nowhere") as client:
        error = await client.fail()
    assert "no number of seconds at $.nowhere, where lifetime should be" in str(error)


@pytest.mark.parametrize(
    ("status", "renew_on", "works"), [(401, (401,), True), (403, (401, 403), True), (403, (401,), False)]
)
async def test_a_token_that_ended(status: int, renew_on: tuple[int, ...], *, works: bool) -> None:
    """A token that is refused by one of the statuses that say so is replaced once."""
    api = Api(by_basic, refusal=status)
    async with session(api, renew_on=renew_on) as client:
        await client.get()
        api.end()
        if works:
            await client.get()
        else:
            await client.fail()
    assert (api.served, api.refused) == (2 if works else 1, 1)


async def test_a_rotated_password(tmp_path: Path) -> None:
    """A password in a file is read for each login."""
    file = tmp_path / "password"
    file.write_text("old")
    api = Api(by_basic)
    async with session(api, password=SecretSource(file=file)) as client:
        await client.fail()
        file.write_text(PASSWORD)
        client.clock.seconds += 31
        await client.get()
    assert api.served == 1


async def test_a_token_that_no_header_can_carry() -> None:
    """A token with a line end in it is an error, and no header is forged (A19)."""
    api = Api(by_basic, gives=lambda token: reply(body=json.dumps({"token": "canary\r\nX: y"}).encode()))
    async with session(api) as client:
        error = await client.fail()
    assert "holds a character that a header cannot carry" in str(error)
    assert api.refused == 0


def test_an_answer_without_a_bottom_holds_no_token() -> None:
    """What is nested too deep to be searched is told as an answer without a token, not as a bug."""
    document: object = "deep"
    for _ in range(500):
        document = {"a": document}
    assert look_up("$..token", document) is None
