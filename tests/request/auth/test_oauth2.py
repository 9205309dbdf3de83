"""OAuth 2 against a server that enforces it."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.request.auth.authority import CLIENT, PASSWORD, SECRET, USER, Authority, answering
from tests.request.test_canary import assert_no_canary
from tests.request.test_fetch import secret
from tests.request.wire import WINDOW, Wire, lookup, reply, serving
from timepoint.errors import SourceError, StatusError, TokenError
from timepoint.request.auth.endpoint import MAX_ANSWER, EndpointSpec
from timepoint.request.auth.oauth2 import CLIENT_CREDENTIALS, OAuth2Spec
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import RequestSpec, SecretSource, SourceSpec


def spec_of(url: str, **options: Any) -> OAuth2Spec:
    """Client credentials at the token endpoint of a server."""
    spec = OAuth2Spec(EndpointSpec(f"{url}/token"), secret(CLIENT), secret(SECRET))
    return replace(spec, **options)


class Session:
    """A fetcher and the clock of the authority, for several requests one after the other."""

    def __init__(self, authority: Authority, fetcher: HttpFetcher) -> None:
        self.authority = authority
        self.fetcher = fetcher

    async def get(self) -> None:
        await self.fetcher.fetch(RequestSpec(), WINDOW, self.authority.clock.monotonic() + 600)

    async def fail(self) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await self.get()
        assert_no_canary(caught.value)
        return caught.value


@asynccontextmanager
async def session(authority: Authority, wire: Wire, **options: Any) -> AsyncIterator[Session]:
    """A source that gets its tokens from the authority, or from ``tokens``."""
    auth = spec_of(options.pop("tokens", wire).url, **options)
    source = SourceSpec("s", wire.url, auth=auth, attempts=1)
    clock = authority.clock
    async with HttpFetcher(source, clock, chance=lambda: 1.0, sleep=clock.sleep, lookup=lookup) as fetcher:
        yield Session(authority, fetcher)


@pytest.mark.parametrize("served", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("said", [True, False])
async def test_client_credentials(served: str, *, said: bool) -> None:
    """The client shows its secret as the config says, or as the server wants it, however odd its characters."""
    authority = Authority(method=served)
    async with (
        answering(authority.answer) as wire,
        session(authority, wire, method=served if said else "") as client,
    ):
        await client.get()
    assert len(authority.served) == 1
    assert len(authority.asked) == (1 if said or served == "client_secret_basic" else 2)


async def test_a_method_that_worked_is_kept() -> None:
    """Which way of showing the secret works is found out once."""
    authority = Authority(method="client_secret_post", lifetime=100)
    async with answering(authority.answer) as wire, session(authority, wire) as client:
        await client.get()
        authority.clock.seconds += 200
        await client.get()
    assert len(authority.asked) == 3


async def test_scopes_and_params() -> None:
    """Scopes are joined by blanks, and further parameters are sent beside them."""
    authority = Authority()
    async with (
        answering(authority.answer) as wire,
        session(authority, wire, scopes=("read", "list"), params={"audience": secret("https://a b")}) as client,
    ):
        authority.scopes = ["read list"]
        await client.get()
    assert authority.asked[0].body == b"grant_type=client_credentials&scope=read+list&audience=https%3A%2F%2Fa+b"


async def test_a_public_client() -> None:
    """A client without a secret says its name in the body."""
    authority = Authority(method="none")
    async with (
        answering(authority.answer) as wire,
        session(
            authority, wire, client_secret=None, grant="password", username=secret(USER), password=secret(PASSWORD)
        ) as client,
    ):
        await client.get()
    assert len(authority.served) == 1


async def test_the_password_grant() -> None:
    """User name and password become a token."""
    authority = Authority()
    given = {"grant": "password", "username": secret(USER), "password": secret(PASSWORD)}
    async with answering(authority.answer) as wire, session(authority, wire, **given) as client:
        await client.get()
    assert len(authority.served) == 1


async def test_a_wrong_password() -> None:
    """A password that is refused is an error that names the token endpoint and says what it said."""
    authority = Authority()
    given = {"grant": "password", "username": secret(USER), "password": secret("canary-wrong")}
    async with answering(authority.answer) as wire, session(authority, wire, **given) as client:
        error = await client.fail()
    assert error.reason == "token"
    assert f"token endpoint {wire.url}/token: status 400: " in str(error)
    assert "Invalid 'username' or 'password'" in str(error)


async def test_a_token_is_used_until_it_ends() -> None:
    """One token serves many requests, and the next one is asked for ahead of its end, so that none is ever refused."""
    authority = Authority(lifetime=300)
    async with answering(authority.answer) as wire, session(authority, wire) as client:
        for _ in range(100):
            await client.get()
            authority.clock.seconds += 10
    assert (len(authority.served), authority.refused) == (100, 0)
    assert len(authority.asked) == 4


async def test_a_hundred_wait_for_one_token() -> None:
    """However many requests need a token at once, it is asked for once."""
    authority = Authority()
    async with answering(authority.answer) as wire, session(authority, wire) as client:
        await asyncio.gather(*(client.get() for _ in range(100)))
    assert (len(authority.asked), len(authority.served)) == (1, 100)


async def test_a_revoked_token() -> None:
    """A token that is refused before its end is replaced at once, and the run does not fail."""
    authority = Authority()
    async with answering(authority.answer) as wire, session(authority, wire) as client:
        await client.get()
        authority.revoke()
        await client.get()
    assert (len(authority.asked), authority.refused, len(authority.served)) == (2, 1, 2)


async def test_a_revoked_token_of_a_hundred() -> None:
    """When a token ends for a hundred requests at once, one new token is asked for."""
    authority = Authority()
    async with answering(authority.answer) as wire, session(authority, wire) as client:
        await client.get()
        authority.revoke()
        await asyncio.gather(*(client.get() for _ in range(100)))
    assert (len(authority.asked), len(authority.served)) == (2, 101)


async def test_401_for_ever() -> None:
    """An API that refuses a new token, too, gets no third try, and the error is its refusal."""
    authority = Authority()
    async with (
        answering(authority.answer) as tokens,
        serving(reply(401, b"not you")) as wire,
        session(authority, wire, tokens=tokens) as client,
    ):
        error = await client.fail()
        assert isinstance(error, StatusError)
        assert "status 401 Some Reason: not you" in str(error)
        assert (len(authority.asked), len(wire.received)) == (2, 2)
        await asyncio.gather(*(client.fail() for _ in range(10)))
        assert len(authority.asked) == 2, "and the next requests do not ask for tokens in a storm"
        authority.clock.seconds += 31
        await client.fail()
        assert len(authority.asked) == 3, "but after a while they try again"


async def test_401_once() -> None:
    """An API that refuses the first token is asked again with a second one."""
    authority = Authority()
    async with (
        answering(authority.answer) as tokens,
        serving(reply(401), reply()) as wire,
        session(authority, wire, tokens=tokens) as client,
    ):
        await client.get()
    first, second = (received.headers["authorization"] for received in wire.received)
    assert first != second


@pytest.mark.parametrize("status", [403, 404, 500])
async def test_other_statuses_say_nothing_of_the_token(status: int) -> None:
    """Only 401 makes a token be asked for anew."""
    authority = Authority()
    async with (
        answering(authority.answer) as tokens,
        serving(reply(status)) as wire,
        session(authority, wire, tokens=tokens) as client,
    ):
        await client.fail()
        await client.fail()
    assert len(authority.asked) == 1


async def test_a_rotated_client_secret(tmp_path: Path) -> None:
    """A secret in a file is read for each token, so a new one needs no restart (U3)."""
    file = tmp_path / "secret"
    file.write_text("old")
    authority = Authority()
    async with (
        answering(authority.answer) as wire,
        session(authority, wire, client_secret=SecretSource(file=file)) as client,
    ):
        assert (await client.fail()).reason == "token"
        file.write_text(f"{SECRET}\n")
        authority.clock.seconds += 31
        await client.get()
    assert len(authority.served) == 1


async def test_a_refused_client_is_not_asked_for_in_a_storm() -> None:
    """After a flat refusal the token endpoint is left alone for half a minute, and all who wait are told why (U3)."""
    authority = Authority()
    async with answering(authority.answer) as wire, session(authority, wire, client_secret=secret("wrong")) as client:
        errors = [await client.fail() for _ in range(5)]
    assert len(authority.asked) == 2  # one for each way to show the secret
    assert {str(error).partition("token endpoint")[2] for error in errors} != {""}
    assert len({str(error) for error in errors}) == 1


async def test_an_endpoint_that_is_gone() -> None:
    """A token endpoint that cannot be reached is named, and the attempts of the source go to it, not to the API."""
    authority = Authority()
    async with answering(authority.answer) as tokens:
        gone = tokens.url
    async with answering(authority.answer) as wire:
        source = SourceSpec("s", wire.url, auth=spec_of(gone), attempts=3)
        clock = authority.clock
        async with HttpFetcher(source, clock, chance=lambda: 0.0, sleep=clock.sleep, lookup=lookup) as fetcher:
            error = await Session(authority, fetcher).fail()
    assert isinstance(error, TokenError)
    assert error.may_pass
    assert f"token endpoint {gone}/token: no connection to 127.0.0.1" in str(error)
    assert (error.attempts, clock.slept, authority.served) == (3, [0.5, 1.0], [])


ODD = {
    "HTML": (reply(body=b"<html>canary", content_type="text/html"), "no access_token"),
    "no token": (reply(body=b'{"token_type": "bearer", "x": "canary"}'), "no access_token"),
    "a list": (reply(body=b"[1]"), "no access_token"),
    "a number": (reply(body=b'{"access_token": 7}'), "no access_token"),
    "a line end": (reply(body=b'{"access_token": "canary\\r\\nX: y"}'), "no access_token"),
    "another type": (reply(body=b'{"access_token": "canary", "token_type": "mac"}'), "a token_type other than Bearer"),
    "an error under 200": (reply(body=b'{"error": "bad_verification_code"}'), "status 200"),
    "a redirect": (reply(302, headers={"Location": "http://127.0.0.1:1/canary"}), "status 302"),
    "too large": (reply(body=b" " * (MAX_ANSWER + 1)), f"the body is larger than {MAX_ANSWER} bytes"),
    "cut": (reply(body=b"{", length=10), "the body broke off"),
    "no HTTP": (b"canary\r\n\r\n", "not valid HTTP"),
    "closed": (b"", "closed before the answer began"),
    "echo": (reply(403, f"{SECRET} {PASSWORD}".encode()), "status 403: <secret>"),
}


@pytest.mark.parametrize(("answer", "words"), ODD.values(), ids=ODD.keys())
async def test_odd_answers(answer: bytes, words: str) -> None:
    """Whatever a token endpoint says instead of a token, the error names it and quotes no secret."""
    authority = Authority()
    given = {"grant": "password", "username": secret(USER), "password": secret(PASSWORD)}
    async with (
        serving(answer) as tokens,
        answering(authority.answer) as wire,
        session(authority, wire, tokens=tokens, **given) as client,
    ):
        error = await client.fail()
    assert error.reason == "token"
    assert f"token endpoint {tokens.url}/token: " in str(error)
    assert words in str(error)
    assert wire.received == []


async def test_an_endpoint_that_hangs() -> None:
    """A token endpoint has the timeout of the source."""
    authority = Authority()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(hang) as tokens:
        source = SourceSpec("s", "http://127.0.0.1:1", auth=spec_of(tokens.url), timeout=50, attempts=1)
        async with HttpFetcher(source, authority.clock, sleep=authority.clock.sleep, lookup=lookup) as fetcher:
            error = await Session(authority, fetcher).fail()
    assert "no complete answer within 50ms (timeout)" in str(error)


@pytest.mark.parametrize(("said", "lasts"), [("3599", True), (3599.5, True), (None, True), ("soon", True), (1, False)])
async def test_lifetimes(*, said: Any, lasts: bool) -> None:
    """A lifetime may be text; without a usable one a token lasts until it is refused."""
    authority = Authority()
    body = {"access_token": "canary"} | ({} if said is None else {"expires_in": said})
    async with (
        serving(reply(body=json.dumps(body).encode())) as tokens,
        serving(reply()) as wire,
        session(authority, wire, tokens=tokens) as client,
    ):
        await client.get()
        authority.clock.seconds += 1000
        await client.get()
    assert (len(tokens.received) == 1) is lasts


async def test_an_old_token_is_better_than_none() -> None:
    """While a token is still good it is used, though the next one cannot be had ahead of its end."""
    authority = Authority(lifetime=600)
    async with (
        serving(reply(body=b'{"access_token": "canary", "expires_in": 600}'), reply(503)) as tokens,
        serving(reply()) as wire,
        session(authority, wire, tokens=tokens) as client,
    ):
        await client.get()
        authority.clock.seconds += 580
        await client.get()
        authority.clock.seconds += 30
        error = await client.fail()
    assert "status 503" in str(error)
    assert (len(tokens.received), len(wire.received)) == (3, 2)


async def test_retry_after_of_the_endpoint() -> None:
    """An endpoint that says when to come back is left alone until then."""
    authority = Authority()
    good = reply(body=b'{"access_token": "canary"}')
    async with (
        serving(reply(429, headers={"Retry-After": "120"}), good) as tokens,
        serving(reply()) as wire,
        session(authority, wire, tokens=tokens) as client,
    ):
        await client.fail()
        authority.clock.seconds += 100
        await client.fail()
        assert len(tokens.received) == 1
        authority.clock.seconds += 21
        await client.get()


async def test_nothing_is_sent_to_the_endpoint_but_its_own() -> None:
    """Headers and parameters of the source do not go to the token endpoint."""
    authority = Authority()
    async with answering(authority.answer) as tokens, serving(reply()) as wire:
        source = SourceSpec(
            "s",
            wire.url,
            headers={"X-Key": secret("canary-header")},
            params={"key": secret("canary-param")},
            auth=spec_of(tokens.url),
        )
        async with HttpFetcher(source, authority.clock, lookup=lookup) as fetcher:
            await Session(authority, fetcher).get()
    assert "canary-header" not in str(tokens.received)
    assert "canary-param" not in str(tokens.received)
    assert wire.received[0].target == "/?key=canary-param"
    pair = tokens.received[0].headers["authorization"]
    assert pair == "Basic " + b64encode(b"the%20client%2B:canary%3A%20client%2Fsecret%26").decode()
    assert source.auth is not None
    assert spec_of("").grant == CLIENT_CREDENTIALS
