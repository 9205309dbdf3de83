"""What must not cross the border of a source: redirects, cookies, the environment; and the ways out that are wanted."""

from __future__ import annotations

import asyncio
import base64
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from tests.request.test_fetch import secret
from tests.request.test_fetch_faults import free_port
from tests.request.wire import WINDOW, Client, FakeClock, Wire, reply, serving
from timepoint.errors import SourceError, StatusError
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import Authorization, BasicAuth, RequestSpec, SourceSpec, TlsSpec
from timepoint.request.tls import TlsContext

TLS = Path(__file__).parent / "tls"


def redirect(location: str | None, status: int = 302) -> bytes:
    """An answer that sends elsewhere."""
    return reply(status, headers={} if location is None else {"Location": location})


def credentialed(url: str) -> SourceSpec:
    """A source with a credential in every place that can hold one, but for the userinfo."""
    return SourceSpec(
        "s",
        f"{url}/?token=canary-query",
        headers={"X-API-Key": secret("canary-header"), "Cookie": secret("canary=cookie")},
        authorization=Authorization(secret("canary-bearer")),
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_credential_follows_to_another_host(status: int) -> None:
    """A redirect to another origin is an error that names it, and the other server is not asked at all (A11)."""
    async with serving(reply()) as other, serving(redirect(f"{other.url}/x?a=1", status)) as wire:
        error = await Client(credentialed(wire.url)).fail()
    assert error.reason == "redirect"
    assert f"status {status} redirects to http://127.0.0.1:{other.port};" in str(error)
    assert (len(wire.received), other.received) == (1, [])


@pytest.mark.parametrize(
    "location",
    [
        "//127.0.0.1:{other}/",
        "https://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.0.0.1:{port}@localhost:{other}/",
    ],
)
async def test_another_origin_in_disguise(location: str) -> None:
    """Another port, scheme or name of the same machine is another origin, however it is spelt (A11)."""
    async with serving(reply()) as other, serving(b"") as wire:
        wire.replies[0] = redirect(location.format(other=other.port, port=wire.port))
        error = await Client(credentialed(wire.url)).fail()
    assert error.reason == "redirect"
    assert (len(wire.received), other.received) == (1, [])


@pytest.mark.parametrize(
    "location",
    [
        None,
        "",
        "http://[",
        "http://a:99999999/",
        "mailto:x@y",
        "file:///etc/passwd",
        "http://xn--/",
        "//a[::1]@",
    ],
)
async def test_a_location_that_leads_nowhere(location: str | None) -> None:
    """A redirect without a usable target is an error and not tried again."""
    async with serving(redirect(location)) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert error.reason == "redirect"
    assert len(wire.received) == 1


@pytest.mark.parametrize(
    ("location", "target"),
    [("/b?c=d", "/b?c=d"), ("b", "/v1/b"), ("http://x:y@127.0.0.1:{port}/b#f", "/b"), ("?q=%20%2B", "/v1/a?q=%20%2B")],
)
async def test_a_redirect_inside_the_origin(location: str, target: str) -> None:
    """A redirect inside the origin is followed within the attempt, with the source's own credentials."""
    async with serving(b"", reply(body=b"[1]")) as wire:
        wire.replies[0] = redirect(location.format(port=wire.port))
        answer = await Client(credentialed(wire.url)).fetch(RequestSpec(path="v1/a"))
    assert (answer.body, answer.attempts) == (b"[1]", 1)
    assert wire.received[1].target == target
    assert wire.received[1].headers["authorization"] == "Bearer canary-bearer"


async def test_redirects_end() -> None:
    """A fourth redirect is not followed (A11)."""
    async with serving(redirect("/again")) as wire:
        error = await Client(SourceSpec("s", wire.url)).fail()
    assert (error.reason, len(wire.received)) == ("redirect", 4)


@pytest.mark.parametrize(("status", "sent"), [(307, 2), (308, 2), (301, 1), (302, 1), (303, 1)])
async def test_a_redirected_post(status: int, sent: int) -> None:
    """A POST is redirected only where it stays a POST."""
    async with serving(redirect("/b", status), reply()) as wire:
        with suppress(SourceError):
            await Client(SourceSpec("s", wire.url)).fetch(RequestSpec(method="POST", body=[1]))
    assert [received.line for received in wire.received] == ["POST / HTTP/1.1", "POST /b HTTP/1.1"][:sent]
    assert {received.body for received in wire.received} == {b"[1]"}


async def test_cookies_are_ignored() -> None:
    """A cookie that an answer sets is not sent back, neither after a redirect nor in the next fetch (A19)."""
    setting = reply(302, headers={"Location": "/b", "Set-Cookie": "a=b; Path=/"})
    another = reply(headers={"Set-Cookie": "c=d; Path=/"})
    async with (
        serving(setting, another, reply()) as wire,
        # By a name: HTTP clients hardly keep cookies of addresses.
        HttpFetcher(SourceSpec("s", wire.url.replace("127.0.0.1", "localhost")), FakeClock()) as fetcher,
    ):
        for _ in range(2):
            await fetcher.fetch(RequestSpec(), WINDOW, 2000.0)
    assert len(wire.received) == 3
    assert all("cookie" not in received.headers for received in wire.received)


async def test_the_environment_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy nor credentials are taken from the environment or from .netrc (A13)."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\ndefault login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(reply()) as proxy, serving(reply()) as wire:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        await Client(SourceSpec("s", wire.url)).fetch()
    assert proxy.received == []
    assert "authorization" not in wire.received[0].headers


async def test_a_proxy_of_the_config() -> None:
    """A proxy of the config is asked for the whole URL, with its own credentials and not in the open (A13)."""
    async with serving(reply(body=b"[1]")) as proxy:
        source = SourceSpec("s", "http://api.invalid/x", proxy_url=f"http://me:canary@127.0.0.1:{proxy.port}")
        answer = await Client(source).fetch()
    assert answer.body == b"[1]"
    assert proxy.received[0].line == "GET http://api.invalid/x HTTP/1.1"
    assert proxy.received[0].headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:canary").decode()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_asks_for_credentials(scheme: str) -> None:
    """A proxy that refuses is a StatusError 407 that shows no credential."""
    async with serving(reply(407)) as proxy:
        source = SourceSpec("s", f"{scheme}://api.invalid/x", proxy_url=f"http://me:canary@127.0.0.1:{proxy.port}")
        error = await Client(source).fail()
    assert isinstance(error, StatusError)
    assert error.status == 407
    assert "canary" not in str(error)


async def test_a_proxy_that_is_not_there() -> None:
    """A proxy without an answer is named as such (N12)."""
    port = free_port()
    error = await Client(SourceSpec("s", "http://api.invalid", proxy_url=f"http://127.0.0.1:{port}")).fail()
    assert error.reason == "connect"
    assert f"no connection to the proxy 127.0.0.1:{port}" in str(error)


async def test_tls_through_a_proxy() -> None:
    """An https API behind a proxy is reached by a tunnel, and the proxy's credentials stay with the proxy (N12)."""

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", wire.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.wait(
            [asyncio.create_task(pump(reader, up_writer)), asyncio.create_task(pump(up_reader, writer))],
        )

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async with serving(reply(), tls=server_context()) as wire, serving(tunnel) as proxy:
        source = SourceSpec(
            "s",
            f"https://localhost:{wire.port}/x",
            authorization=Authorization(secret("bearer")),
            proxy_url=f"http://me:canary@127.0.0.1:{proxy.port}",
            tls=TlsSpec(ca_file=TLS / "ca.pem"),
        )
        await Client(source).fetch()
    assert proxy.received[0].line == f"CONNECT localhost:{wire.port} HTTP/1.1"
    assert "authorization" not in proxy.received[0].headers
    assert "proxy-authorization" not in wire.received[0].headers


def server_context(certificate: str = "server.pem", *, ask_client: bool = False) -> ssl.SSLContext:
    """The TLS side of a test server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=TLS / "ca.pem" if ask_client else None)
    context.load_cert_chain(TLS / certificate)
    context.verify_mode = ssl.CERT_REQUIRED if ask_client else ssl.CERT_NONE
    return context


def tls_source(wire: Wire, tls: TlsSpec | None, host: str = "localhost") -> SourceSpec:
    """A source behind TLS, with one attempt."""
    return SourceSpec("s", f"https://{host}:{wire.port}", tls=tls, attempts=1)


async def test_a_private_authority() -> None:
    """A server whose authority the config names is trusted."""
    async with serving(reply(), tls=server_context()) as wire:
        await Client(tls_source(wire, TlsSpec(ca_file=TLS / "ca.pem"))).fetch()
    assert len(wire.received) == 1


@pytest.mark.parametrize(
    ("certificate", "tls", "host", "words"),
    [
        ("server.pem", None, "localhost", "unable to get local issuer certificate"),
        ("selfsigned.pem", TlsSpec(ca_file=TLS / "ca.pem"), "localhost", "self-signed certificate"),
        ("expired.pem", TlsSpec(ca_file=TLS / "ca.pem"), "localhost", "certificate has expired"),
        (
            "server.pem",
            TlsSpec(ca_file=TLS / "ca.pem", server_name="other.test"),
            "localhost",
            "Hostname mismatch, certificate is not valid for 'other.test'",
        ),
    ],
)
async def test_a_certificate_that_is_not_trusted(certificate: str, tls: TlsSpec | None, host: str, words: str) -> None:
    """An unknown authority, a self-signed or expired certificate and a wrong name are refused, each in clear words.

    Faults: A29.
    """
    async with serving(reply(), tls=server_context(certificate)) as wire:
        error = await Client(tls_source(wire, tls, host)).fail()
    assert error.reason == "connect"
    assert f"the certificate of {host} is refused: " in str(error)
    assert words.replace("-", " ") in str(error).replace("-", " ")
    assert wire.received == []


@pytest.mark.parametrize("name", ["old", "department"])
async def test_an_authority_is_trusted_alike_on_every_python(name: str) -> None:
    """One without key identifiers, which Python refuses from 3.13 on, and one that another signed, before 3.13."""
    async with serving(reply(), tls=server_context(f"{name}-server.pem")) as wire:
        await Client(tls_source(wire, TlsSpec(ca_file=TLS / f"{name}-ca.pem"))).fetch()
    assert len(wire.received) == 1


async def test_a_server_name() -> None:
    """server_name is the name that the certificate must have."""
    async with serving(reply(), tls=server_context()) as wire:
        tls = TlsSpec(ca_file=TLS / "ca.pem", server_name="api.test")
        await Client(tls_source(wire, tls, "127.0.0.1")).fetch()
    assert len(wire.received) == 1


async def test_insecure_skip_verify() -> None:
    """insecure_skip_verify trusts any certificate under any name (A29)."""
    async with serving(reply(), tls=server_context("expired.pem")) as wire:
        await Client(tls_source(wire, TlsSpec(insecure_skip_verify=True, server_name="other.test"))).fetch()
    assert len(wire.received) == 1


async def test_a_client_certificate() -> None:
    """A client certificate is shown to a server that asks for one."""
    async with serving(reply(), tls=server_context(ask_client=True)) as wire:
        await Client(tls_source(wire, TlsSpec(ca_file=TLS / "ca.pem", cert_file=TLS / "client.pem"))).fetch()
    assert len(wire.received) == 1


async def test_old_tls_is_refused() -> None:
    """A server that speaks nothing newer than TLS 1.1 is refused (A29)."""
    context = server_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(reply(), tls=context) as wire:
        error = await Client(tls_source(wire, TlsSpec(insecure_skip_verify=True))).fail()
    assert (error.reason, wire.received) == ("connect", [])
    assert TlsContext(TlsSpec()).current().minimum_version == ssl.TLSVersion.TLSv1_2


async def test_a_server_without_tls() -> None:
    """A server that speaks plain HTTP on an https URL is told apart from one that is not there."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(reply(400))
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        error = await Client(SourceSpec("s", f"https://127.0.0.1:{port}", attempts=1)).fail()
    assert error.reason == "connect"
    assert "TLS with 127.0.0.1 failed: WRONG_VERSION_NUMBER" in str(error)


@pytest.mark.parametrize(
    ("tls", "words"),
    [
        (TlsSpec(ca_file=TLS / "none.pem"), "the TLS file {tls}/none.pem cannot be read: No such file"),
        (TlsSpec(ca_file=TLS / "README.md"), "the CA file {tls}/README.md cannot be used: "),
        (TlsSpec(cert_file=TLS / "ca.pem"), "the TLS certificate and key in {tls}/ca.pem cannot be used: "),
        (TlsSpec(cert_file=TLS / "encrypted.pem"), "the TLS certificate and key in {tls}/encrypted.pem cannot be used"),
    ],
)
async def test_tls_files_that_cannot_be_used(tls: TlsSpec, words: str) -> None:
    """A TLS file that is missing, no certificate, or encrypted is named; nothing asks on the terminal."""
    async with serving(reply()) as wire:
        error = await Client(tls_source(wire, tls)).fail()
    assert error.reason == "secret"
    assert words.format(tls=TLS) in str(error)


async def test_a_renewed_authority_needs_no_restart(tmp_path: Path) -> None:
    """A CA file that is replaced while the fetcher lives is used by the next fetch (A29)."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes((TLS / "selfsigned.pem").read_bytes())
    async with (
        serving(reply(), tls=server_context()) as wire,
        HttpFetcher(tls_source(wire, TlsSpec(ca_file=ca_file)), FakeClock()) as fetcher,
    ):
        with pytest.raises(SourceError, match="is refused"):
            await fetcher.fetch(RequestSpec(), WINDOW, 2000.0)
        ca_file.write_bytes((TLS / "ca.pem").read_bytes())
        await fetcher.fetch(RequestSpec(), WINDOW, 2000.0)


async def test_basic_auth_with_a_colon_in_the_name() -> None:
    """A user name that the Basic scheme cannot carry is an error, not another user's name."""
    async with serving(reply()) as wire:
        source = SourceSpec("s", wire.url, basic_auth=BasicAuth(secret("a:b"), secret("c")))
        error = await Client(source).fail()
    assert (error.reason, wire.received) == ("secret", [])


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x7fb", "日本"])
async def test_a_header_that_would_break_out(text: str) -> None:
    """A header value with a line end, a control character or one beyond Latin-1 is refused without being shown.

    Faults: A20.
    """
    async with serving(reply()) as wire:
        error = await Client(SourceSpec("s", wire.url, headers={"X-Key": secret(text)})).fail()
    assert (error.reason, wire.received) == ("secret", [])
    assert "the value of the header X-Key" in str(error)
    assert text not in str(error)
