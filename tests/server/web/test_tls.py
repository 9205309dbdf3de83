"""TLS as a client sees it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.server.support import Stage, publish_job, publish_large_job, staged
from tests.server.web.certificates import Authority, client_context
from timepoint.server.settings import Limits, ServerSettings
from timepoint.server.web.tls import allowed_sans

SERVER = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.key\n"
VERIFIED = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"


class Scene:
    """A directory with an authority, a server's certificate and a web config."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.authority.issue("server")
        self.file = directory / "web.yml"
        self.snapshots = directory / "published"
        self.snapshots.mkdir()

    @contextlib.asynccontextmanager
    async def serving(self, text: str, **limits: float) -> AsyncIterator[Stage]:
        publish_job(self.snapshots, "a")
        self.file.write_text(text)
        settings = ServerSettings(limits=Limits(**limits))  # type: ignore[arg-type] # floats or whole numbers
        async with staged(self.snapshots, "a", settings=settings, web=self.file) as stage:
            yield stage


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A fresh directory."""
    return Scene(tmp_path)


async def refused(stage: Stage, context: ssl.SSLContext) -> bool:
    """Whether the client gets no answer, in its handshake or after it."""
    try:
        await stage.ask("/metrics", tls=context)
    except (OSError, IndexError):  # an ssl.SSLError is an OSError; an empty answer has no status
        return True
    return False


async def test_a_page_comes_over_tls(scene: Scene) -> None:
    """A client that trusts the authority gets the page, in TLS 1.3."""
    async with scene.serving(SERVER) as stage:
        answer = await stage.ask("/metrics", tls=client_context(scene.authority))
        _, writer = await stage.connect(client_context(scene.authority))

        assert answer.status == 200
        assert b"a_watts" in answer.body
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"


async def test_a_large_page_comes_whole_over_tls(scene: Scene) -> None:
    """A page that no socket takes at once is not cut."""
    publish_large_job(scene.snapshots)
    scene.file.write_text(SERVER)
    async with staged(scene.snapshots, "large", web=scene.file) as stage:
        answer = await stage.ask("/metrics", tls=client_context(scene.authority))

    assert len(answer.body) == int(answer.headers["content-length"]) > 9_000_000


async def test_plain_http_is_told_of_tls(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Who speaks plain HTTP on a port with TLS is told so and gets nothing else; it is counted, and not logged."""
    async with scene.serving(SERVER) as stage:
        answers = [await stage.ask("/metrics"), await stage.ask("/-/reload", "POST")]
        page = await stage.ask("/metrics", tls=client_context(scene.authority))

    assert [answer.status for answer in answers] == [400, 400]
    assert {answer.body for answer in answers} == {b"This port speaks HTTPS: ask with https://.\n"}
    assert b'timepoint_web_connections_ended_total{reason="handshake"} 2' in page.body
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


async def test_what_is_neither_tls_nor_http_gets_no_answer(scene: Scene) -> None:
    """Only a request is told of HTTPS; anything else that is no handshake is closed."""
    async with scene.serving(SERVER) as stage:
        reader, writer = await stage.connect()
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await reader.read()


@pytest.mark.parametrize(
    ("setting", "client", "is_served"),
    [
        ("", ssl.TLSVersion.TLSv1_2, True),
        ("  min_version: TLS13\n", ssl.TLSVersion.TLSv1_2, False),
        ("  cipher_suites: [TLS_AES_128_GCM_SHA256]\n", ssl.TLSVersion.TLSv1_2, False),
        ("  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n", ssl.TLSVersion.TLSv1_2, True),
        ("  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n", ssl.TLSVersion.TLSv1_2, False),
        ("  max_version: TLS12\n", ssl.TLSVersion.TLSv1_3, True),
    ],
)
async def test_versions_and_ciphers_are_kept(
    scene: Scene, setting: str, client: ssl.TLSVersion, *, is_served: bool
) -> None:
    """A client of at most this version is served or not; the certificate's key is ECDSA."""
    context = client_context(scene.authority)
    context.maximum_version = client
    async with scene.serving(SERVER + setting) as stage:
        assert await refused(stage, context) is not is_served


@pytest.mark.parametrize(("curve", "is_served"), [("prime256v1", True), ("secp384r1", False)])
async def test_one_curve_is_kept(scene: Scene, curve: str, *, is_served: bool) -> None:
    """With ``curve_preferences: [CurveP256]`` a client of another curve finds nothing in common."""
    context = client_context(scene.authority)
    context.set_ecdh_curve(curve)
    async with scene.serving(SERVER + "  curve_preferences: [CurveP256]\n") as stage:
        assert await refused(stage, context) is not is_served


@pytest.mark.parametrize(
    ("setting", "without", "own", "foreign"),
    [
        ("", True, True, True),
        ("  client_auth_type: RequestClientCert\n", True, True, True),
        ("  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n", True, True, False),
        (VERIFIED, False, True, False),
        (VERIFIED + "  client_allowed_sans: [prometheus]\n", False, True, False),
        (VERIFIED + "  client_allowed_sans: ['2001:db8::1']\n", False, True, False),
        (VERIFIED + "  client_allowed_sans: [grafana]\n", False, False, False),
        (VERIFIED + "  client_allowed_sans: []\n", False, False, False),
    ],
)
async def test_each_policy_lets_in_whom_it_says(
    scene: Scene, setting: str, *, without: bool, own: bool, foreign: bool
) -> None:
    """A client without a certificate, with one of the authority, and with one of another authority."""
    (scene.directory / "other").mkdir()
    stranger = Authority(scene.directory / "other").issue("prometheus")
    pair = scene.authority.issue("prometheus")
    clients = [client_context(scene.authority, shown) for shown in (None, pair, stranger)]
    async with scene.serving(SERVER + setting) as stage:
        assert [not await refused(stage, client) for client in clients] == [without, own, foreign]


def test_the_names_of_a_certificate_are_those_that_go_compares() -> None:
    """DNS, email, URI and addresses in their shortest form; nothing of other kinds, and none without a certificate."""
    names = (("DNS", "a"), ("IP Address", "2001:DB8:0:0:0:0:0:1"), ("URI", "spiffe://x"), ("DirName", "y"))

    assert allowed_sans({"subjectAltName": names}) == {"a", "2001:db8::1", "spiffe://x"}
    assert allowed_sans(None) == allowed_sans({}) == frozenset()


async def test_a_new_certificate_is_used_for_the_next_connection(scene: Scene) -> None:
    """The certificate is swapped without a restart, and who is connected stays so."""
    context = client_context(scene.authority)
    async with scene.serving(SERVER) as stage:
        reader, writer = await stage.connect(context)
        before = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        stage.web.refresh()
        scene.authority.issue("server")

        assert stage.web.refresh()
        _, newer = await stage.connect(context)
        writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\n\r\n")
        assert newer.get_extra_info("ssl_object").getpeercert(binary_form=True) != before
        assert b"HTTP/1.1" in await reader.readline()


async def test_a_bad_file_changes_nothing_and_is_told(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """What was in force stays in force; log and page say so, once, and when it is good again."""
    context = client_context(scene.authority)
    async with scene.serving(SERVER) as stage:
        stage.web.refresh()
        (scene.directory / "server.key").write_text("half")

        assert not stage.web.refresh()
        assert not stage.web.refresh()
        page = await stage.ask("/metrics", tls=context)
        assert b"timepoint_web_config_last_reload_successful 0" in page.body
        assert [record.message for record in caplog.records] == ["web_config_unusable"]

        scene.authority.issue("server")
        assert stage.web.refresh()
        page = await stage.ask("/metrics", tls=context)
        assert b"timepoint_web_config_last_reload_successful 1" in page.body


@pytest.mark.parametrize(
    "text",
    ["", "basic_auth_users:\n", SERVER, SERVER + VERIFIED.replace("RequireAnd", "").replace("Cert\n", "CertIfGiven\n")],
)
async def test_a_reload_never_takes_a_protection_away(scene: Scene, text: str) -> None:
    """A file that is half written may look like one that opens the port: it is refused until the next start."""
    scene.authority.issue("prometheus")
    async with scene.serving(SERVER + VERIFIED) as stage:
        stage.web.refresh()
        scene.file.write_text(text)

        assert not stage.web.refresh()
        assert await refused(stage, client_context(scene.authority))


async def test_files_that_stay_bad_are_tried_again(scene: Scene) -> None:
    """Not every failure shows in the files: after five seconds they are read again."""
    async with scene.serving(SERVER) as stage:
        stage.web.refresh()
        good = (scene.directory / "server.key").read_bytes()
        (scene.directory / "server.key").write_bytes(b"x" * len(good))
        assert not stage.web.refresh()
        signature = stage.web._look()
        (scene.directory / "server.key").write_bytes(good)
        stage.web._signature = stage.web._look()
        assert signature is not None

        assert not stage.web.refresh()
        stage.clock.advance(5000)
        assert stage.web.refresh()


async def test_a2_a_handshake_that_never_begins_disturbs_nobody(scene: Scene) -> None:
    """A2: others are served while many have connected and are silent (S2)."""
    async with scene.serving(SERVER, handshake_deadline=600.0) as stage:
        for _ in range(50):
            await stage.connect()
        answer = await stage.ask("/metrics", tls=client_context(scene.authority))
        assert answer.status == 200
        assert b"timepoint_web_connections 51" in answer.body


async def test_a2_a_handshake_that_never_begins_is_closed(scene: Scene) -> None:
    """A2: who connects and is silent is let go at the deadline of the handshake (S2)."""
    async with scene.serving(SERVER, handshake_deadline=0.3) as stage:
        silent = [await stage.connect() for _ in range(50)]
        async with asyncio.timeout(60):
            for reader, _ in silent:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""


async def test_a_silent_handshake_goes_for_a_newcomer(scene: Scene) -> None:
    """A2: those that are in their handshake count as connections, and are the first to go (S2)."""
    async with scene.serving(SERVER, connections=10) as stage:
        silent = [socket.create_connection(("127.0.0.1", stage.port)) for _ in range(30)]
        try:
            answer = await stage.ask("/metrics", tls=client_context(scene.authority))
        finally:
            for client in silent:
                client.close()
        assert answer.status == 200
        assert b'ended_total{reason="evicted"} 21' in answer.body
