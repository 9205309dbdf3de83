"""Faults of credentials and of the way to the API, by their names in the list of faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.request.auth.authority import answering
from tests.request.test_canary import assert_no_canary
from tests.request.test_fetch import secret
from tests.request.test_fetch_border import TLS, server_context, tls_source
from tests.request.wire import WINDOW, Client, FakeClock, Received, lookup, reply, serving
from timepoint.errors import SourceError
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import Authorization, RequestSpec, SecretSource, SourceSpec, TlsSpec


@pytest.mark.parametrize("status", [401, 403])
async def test_u3_a_rotated_credential(status: int, tmp_path: Path) -> None:
    """After a rotation a request is refused once per run, not in a storm, and the new file is read with the next."""
    file = tmp_path / "token"
    file.write_text("canary-old\n")

    def believes(asked: Received) -> bytes:
        good = asked.headers["authorization"] == "Bearer canary-new"
        return reply() if good else reply(status, asked.headers["authorization"].encode())

    clock = FakeClock()
    async with answering(believes) as wire:
        source = SourceSpec("s", wire.url, authorization=Authorization(SecretSource(file=file)), attempts=5)
        async with HttpFetcher(source, clock, sleep=clock.sleep, lookup=lookup) as fetcher:
            for _ in range(3):
                with pytest.raises(SourceError, match=f"status {status}") as caught:
                    await fetcher.fetch(RequestSpec(), WINDOW, clock.monotonic() + 60)
                assert_no_canary(caught.value)
            assert len(wire.received) == 3
            file.write_text("canary-new\n")
            await fetcher.fetch(RequestSpec(), WINDOW, clock.monotonic() + 60)


async def test_u4_a_login_page() -> None:
    """A page for people under status 200 is told from data, and its text stays out of the error."""
    page = reply(body=b"<html>canary" * 1000, content_type="text/html; charset=utf-8")
    async with serving(page) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert error.reason == "content_type"
    assert len(str(error)) < 400
    assert_no_canary(error)


@pytest.mark.parametrize(
    ("certificate", "name", "words"),
    [
        ("expired.pem", None, "certificate has expired"),
        ("server.pem", "127.0.0.2", "IP address mismatch"),
        ("selfsigned.pem", None, "self-signed certificate"),
    ],
)
async def test_n10_certificates(certificate: str, name: str | None, words: str) -> None:
    """A certificate that is not good is refused with the reason, and nothing is sent."""
    async with serving(reply(), tls=server_context(certificate)) as wire:
        error = await Client(tls_source(wire, TlsSpec(ca_file=TLS / "ca.pem", server_name=name))).fail()
    assert error.reason == "connect"
    assert words.replace("-", " ") in str(error).replace("-", " ")
    assert wire.received == []


async def test_n12_a_proxy_that_asks_for_credentials() -> None:
    """A proxy that answers 407 is named as such, and the credentials for the API are not in the error."""
    async with serving(reply(407, b"canary")) as proxy:
        source = SourceSpec(
            "s",
            "https://api.invalid/",
            proxy_url=f"http://127.0.0.1:{proxy.port}",
            authorization=Authorization(secret("canary")),
            attempts=1,
        )
        error = await Client(source).fail()
    assert "the proxy gave no connection, but status 407" in str(error)
    assert_no_canary(error)
