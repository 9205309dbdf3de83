"""What a source adds to each request: parameters, certificates, and the plain schemes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from tests.request.auth.authority import Authority, answering
from tests.request.auth.test_oauth2 import spec_of
from tests.request.test_canary import assert_no_canary
from tests.request.test_fetch import secret
from tests.request.test_fetch_border import TLS, server_context
from tests.request.wire import WINDOW, Client, FakeClock, lookup, reply, serving
from timepoint.errors import SourceError
from timepoint.request.auth.base import with_query
from timepoint.request.auth.endpoint import EndpointSpec
from timepoint.request.auth.registry import SCHEMES
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import AuthSpec, BasicAuth, RequestSpec, SecretSource, SourceSpec, TlsSpec, secrets_in
from timepoint.secret import Secret


@pytest.mark.parametrize(
    ("url", "after"),
    [
        ("http://h", "http://h/?k%2B=a%20b%26"),
        ("http://h/p?x=%2F", "http://h/p?x=%2F&k%2B=a%20b%26"),
        ("http://h/?k%2B=old&x=1&k%2B=older", "http://h/?x=1&k%2B=a%20b%26"),
        ("http://h/?k=1", "http://h/?k=1&k%2B=a%20b%26"),
    ],
)
def test_parameters_of_a_source(url: str, after: str) -> None:
    """A parameter is encoded, stands behind the others and takes the place of one of its name."""
    assert str(with_query(URL(url, encoded=True), (("k+", Secret("a b&")),))) == after


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=100, deadline=None)
@given(others=st.lists(st.tuples(TEXTS, TEXTS)), name=TEXTS, value=TEXTS)
def test_any_parameter_of_a_source(others: list[tuple[str, str]], name: str, value: str) -> None:
    """Whatever characters it has, a parameter arrives as it is, once, and the others of the request stay."""
    url = URL("http://h/p?" + urlencode(others, quote_via=quote), encoded=True)
    sent = with_query(url, ((name, Secret(value)),))
    arrived = parse_qsl(sent.raw_query_string, keep_blank_values=True)
    assert arrived == [*(pair for pair in others if pair[0] != name), (name, value)]
    assert sent.raw_path == "/p"


async def test_a_key_in_the_query(tmp_path: Path) -> None:
    """A key from a file is in every request, and in no error though the API says it back."""
    file = tmp_path / "key"
    file.write_text("canary/key+\n")
    async with serving(reply(403, b"no key canary/key+ canary%2Fkey%2B")) as wire:
        source = SourceSpec("s", wire.url, params={"api_key": SecretSource(file=file)})
        error = await Client(source).fail(RequestSpec(path="/p", params=(("a", "b"),)))
    assert wire.received[0].target == "/p?a=b&api_key=canary%2Fkey%2B"
    assert_no_canary(error)


async def test_a_key_goes_with_a_redirect() -> None:
    """A redirect inside the origin that leaves the query behind takes the key of the source along."""
    async with serving(reply(301, headers={"Location": "/v2/data?a=b"}), reply()) as wire:
        await Client(SourceSpec("s", wire.url, params={"k": secret("1")})).fetch(RequestSpec(path="/data"))
    assert [received.target for received in wire.received] == ["/data?k=1", "/v2/data?a=b&k=1"]


async def test_words_in_the_query_are_not_masked() -> None:
    """A plain word among the parameters of a source is no secret: masking it would garble what the API says."""
    async with serving(reply(400, b"format json is unknown")) as wire:
        params = {"format": SecretSource(text=Secret("json"), is_plain=True)}
        source = SourceSpec("s", wire.url, params=params)
        error = await Client(source).fail()
    assert "format json is unknown" in str(error)
    assert list(secrets_in(source)) == []


def test_every_secret_of_a_source_is_found() -> None:
    """Wherever in a source a credential stands, the log knows that it must be masked."""
    auth = spec_of("http://h", params={"a": secret("in a mapping")})
    source = SourceSpec("s", "http://h", headers={"X": secret("header")}, params={"k": secret("query")}, auth=auth)
    found = {text.text.reveal() for text in secrets_in(source) if text.text is not None}
    assert {"in a mapping", "header", "query"} < found
    assert len(found) == 5


async def test_the_scheme_wins_over_a_header() -> None:
    """What the scheme sets is sent once, whatever case a header of the same name has."""
    async with serving(reply()) as wire:
        source = SourceSpec(
            "s", wire.url, headers={"authorization": secret("x")}, basic_auth=BasicAuth(secret("a"), secret("b"))
        )
        await Client(source).fetch()
    assert wire.received[0].headers["authorization"] == "Basic YTpi"


def test_each_way_is_registered() -> None:
    """Every part of a config that says how to authenticate has a class that does it."""
    # By name: a dataclass with slots is made a second time, and the first is a subclass, too.
    assert {kind.__name__ for kind in AuthSpec.__subclasses__()} <= {kind.__name__ for kind in SCHEMES}


async def test_a_renewed_client_certificate_needs_no_restart(tmp_path: Path) -> None:
    """A client certificate that is replaced while the fetcher lives is shown with the next connection (A29)."""
    file = tmp_path / "client.pem"
    shutil.copy(TLS / "selfsigned.pem", file)
    clock = FakeClock()
    async with serving(reply(), tls=server_context(ask_client=True)) as wire:
        tls = TlsSpec(ca_file=TLS / "ca.pem", cert_file=file)
        source = SourceSpec("s", f"https://localhost:{wire.port}", tls=tls, attempts=1)
        async with HttpFetcher(source, clock, sleep=clock.sleep, lookup=lookup) as fetcher:
            with pytest.raises(SourceError):
                await fetcher.fetch(RequestSpec(), WINDOW, clock.monotonic() + 60)
            shutil.copy(TLS / "client.pem", tmp_path / "new")
            os.replace(tmp_path / "new", file)  # noqa: PTH105 - as whoever renews certificates does it
            await fetcher.fetch(RequestSpec(), WINDOW, clock.monotonic() + 60)
    assert len(wire.received) == 1


@pytest.mark.parametrize(
    ("own", "source_tls", "works"),
    [
        (TlsSpec(ca_file=TLS / "ca.pem", cert_file=TLS / "client.pem"), None, True),
        (None, TlsSpec(ca_file=TLS / "ca.pem", cert_file=TLS / "client.pem"), False),
    ],
)
async def test_tls_of_a_token_endpoint(own: TlsSpec | None, source_tls: TlsSpec | None, *, works: bool) -> None:
    """A token endpoint elsewhere is verified by its own tls_config, and is not shown the source's certificate."""
    authority = Authority()
    async with answering(authority.answer, tls=server_context(ask_client=True)) as tokens, serving(reply()) as wire:
        endpoint = EndpointSpec(f"https://localhost:{tokens.port}/token", own)
        auth = spec_of("", endpoint=endpoint)
        client = Client(SourceSpec("s", wire.url, auth=auth, tls=source_tls, attempts=1))
        if works:
            await client.fetch()
        else:
            error = await client.fail()
            assert "the certificate of localhost is refused: " in str(error)
    assert len(authority.asked) == int(works)


async def test_tls_of_a_token_endpoint_of_the_same_server() -> None:
    """A token endpoint of the API's own server is verified as the API is."""
    authority = Authority()
    async with answering(authority.answer, tls=server_context(ask_client=True)) as wire:
        url = f"https://localhost:{wire.port}"
        tls = TlsSpec(ca_file=TLS / "ca.pem", cert_file=TLS / "client.pem")
        await Client(SourceSpec("s", url, auth=spec_of(url), tls=tls)).fetch()
    assert len(authority.served) == 1
