"""What exporter-toolkit tests of its servers, as a table: the same outcome class here, or the reason why not.

Source: prometheus/exporter-toolkit, web/tls_config_test.go and web/handler_test.go; the files are written anew. Files
that it tests alone, without a client, stand in ``test_file``. Its cases run twice, from a file and from a Go structure.
"""

from __future__ import annotations

import ssl
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt
import pytest

from tests.server.web.certificates import Authority, client_context
from tests.server.web.test_tls import SERVER, VERIFIED, Scene
from tests.server.web.test_users import basic
from timepoint.errors import ConfigError

A, B = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
BOTH = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n"
OLD = "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA]\n  max_version: TLS12\n"
USERS = "basic_auth_users:\n" + "".join(
    f"  {name}: {bcrypt.hashpw(f'{name}123'.encode(), bcrypt.gensalt(4)).decode()}\n" for name in ("carol", "dave")
)
PAGE, NOTHING, WRONG, REFUSED = "a page", "no answer", "401", "the file is refused"
NO_TLS = "400"  # of Go's server itself, which says that the port speaks HTTPS


@dataclass(frozen=True)
class Client:
    """Who asks. ``tls`` False is plain HTTP; ``cert`` names a certificate of the authority, or is ``stranger``."""

    tls: bool = True
    newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str = ""
    curve: str = ""
    cert: str = ""
    login: tuple[str, str] | None = None


@dataclass(frozen=True)
class Case:
    """A web config, a client, and what comes of it there. ``here`` is what comes of it here, where that differs."""

    text: str
    client: Client
    there: str
    here: str = ""
    why: str = field(default="")


PLAIN, TLS, OLD_TLS = Client(tls=False), Client(), Client(newest=ssl.TLSVersion.TLSv1_2)
CASES = {
    "no file, plain client": Case("", PLAIN, PAGE),
    "no file, TLS client": Case("", TLS, NOTHING),
    "TLS, plain client": Case(SERVER, PLAIN, NO_TLS),
    "TLS, TLS client": Case(SERVER, TLS, PAGE),
    "TLS, client of 1.1": Case(SERVER, Client(newest=ssl.TLSVersion.TLSv1_1), NOTHING),
    "versions by default": Case(SERVER, OLD_TLS, PAGE),
    "versions as given": Case(SERVER + "  min_version: TLS13\n  max_version: TLS13\n", OLD_TLS, NOTHING),
    "some ciphers": Case(SERVER + BOTH, Client(newest=ssl.TLSVersion.TLSv1_2, ciphers=A), PAGE),
    "no common cipher": Case(
        SERVER + BOTH, Client(newest=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES256-SHA"), NOTHING
    ),
    "all curves": Case(SERVER + "  curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]\n", TLS, PAGE),
    "a curve": Case(SERVER + "  curve_preferences: [CurveP521]\n", Client(curve="secp521r1"), PAGE),
    "no common curve": Case(SERVER + "  curve_preferences: [CurveP521]\n", Client(curve="secp384r1"), NOTHING),
    "ciphers without HTTP/2's, without HTTP/2": Case(
        SERVER + OLD + "http_server_config:\n  http2: false\n", Client(ciphers="ECDHE-ECDSA-AES128-SHA"), PAGE
    ),
    "ciphers without HTTP/2's, with HTTP/2": Case(
        SERVER + OLD, Client(ciphers="ECDHE-ECDSA-AES128-SHA"), REFUSED, PAGE, "there is no HTTP/2 here"
    ),
    "headers": Case("http_server_config:\n  headers:\n    X-Frame-Options: deny\n", PLAIN, PAGE),
    "a type option of its own": Case(
        "http_server_config:\n  headers:\n    X-Content-Type-Options: sniff\n", PLAIN, REFUSED
    ),
    "a frame option of its own": Case("http_server_config:\n  headers:\n    X-Frame-Options: all\n", PLAIN, REFUSED),
    "a header that is not to be set": Case("http_server_config:\n  headers:\n    Server: x\n", PLAIN, REFUSED),
    "any certificate": Case(
        SERVER + "  client_auth_type: RequireAnyClientCert\n",
        Client(cert="stranger"),
        PAGE,
        REFUSED,
        "Python's TLS verifies a certificate or does not ask for it",
    ),
    "a verified certificate": Case(SERVER + VERIFIED, Client(cert="one"), PAGE),
    "no certificate": Case(SERVER + VERIFIED, TLS, NOTHING),
    "a certificate of another authority": Case(SERVER + VERIFIED, Client(cert="stranger"), NOTHING),
    "a name that is allowed": Case(SERVER + VERIFIED + "  client_allowed_sans: [one]\n", Client(cert="one"), PAGE),
    "a name that is not": Case(SERVER + VERIFIED + "  client_allowed_sans: [bad]\n", Client(cert="one"), NOTHING),
    "no user": Case(USERS, PLAIN, WRONG),
    "the right user": Case(USERS, Client(tls=False, login=("dave", "dave123")), PAGE),
    "no user over TLS": Case(SERVER + USERS, TLS, WRONG),
    "the right user over TLS": Case(SERVER + USERS, Client(login=("dave", "dave123")), PAGE),
    "another right user over TLS": Case(SERVER + USERS, Client(login=("carol", "carol123")), PAGE),
    "a wrong password": Case(SERVER + USERS, Client(login=("dave", "bad")), WRONG),
    "a wrong user": Case(SERVER + USERS, Client(login=("nonexistent", "nonexistent")), WRONG),
    "the password of the decoy": Case(USERS, Client(tls=False, login=("fakeuser", "fakepassword")), WRONG),
}


def context_of(scene: Scene, client: Client) -> ssl.SSLContext | None:
    """The TLS settings of a client."""
    if not client.tls:
        return None
    (scene.directory / "other").mkdir(exist_ok=True)
    authority = Authority(scene.directory / "other") if client.cert == "stranger" else scene.authority
    context = client_context(scene.authority, authority.issue(client.cert) if client.cert else None)
    if client.ciphers:
        context.set_ciphers(client.ciphers)
    if client.curve:
        context.set_ecdh_curve(client.curve)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.1 is what the case is about
        context.minimum_version = min(client.newest, ssl.TLSVersion.TLSv1_2)
        context.maximum_version = client.newest
    return context


async def outcome(scene: Scene, case: Case) -> str:
    """What comes of a case."""
    login = basic(*case.client.login) if case.client.login else "none"
    try:
        async with scene.serving(case.text) as stage:
            try:
                answer = await stage.ask("/metrics", tls=context_of(scene, case.client), Authorization=login)
            except (OSError, IndexError):  # an ssl.SSLError is an OSError; an empty answer has no status
                return NOTHING
    except ConfigError:
        return REFUSED
    return PAGE if answer.status == 200 else str(answer.status)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A fresh directory."""
    return Scene(tmp_path)


@pytest.mark.parametrize("name", CASES)
async def test_each_case_comes_to_the_same_or_to_what_is_said(scene: Scene, name: str) -> None:
    """A page, no answer, 401 or a file that is refused, as there; else with its reason."""
    case = CASES[name]
    assert await outcome(scene, case) == (case.here or case.there)


def test_each_difference_has_a_reason() -> None:
    """A row says what is otherwise and why, or neither; and most say neither."""
    assert [name for name, case in CASES.items() if bool(case.here) != bool(case.why)] == []
    assert Counter(bool(case.here) for case in CASES.values())[True] == 2


@pytest.mark.parametrize(("setting", "chosen"), [("", A), ("  prefer_server_cipher_suites: false\n", B)])
async def test_who_chooses_the_cipher(scene: Scene, setting: str, chosen: str) -> None:
    """The server by its order, or with the switch the client by its own."""
    context = context_of(scene, Client(newest=ssl.TLSVersion.TLSv1_2, ciphers=f"{B}:{A}"))
    async with scene.serving(SERVER + BOTH + setting) as stage:
        _, writer = await stage.connect(context)
        assert writer.get_extra_info("cipher")[0] == chosen


async def test_ten_requests_are_let_through_or_one_of_them_not(scene: Scene) -> None:
    """Without a rate all, with one of a second beyond its burst 429."""
    async with scene.serving("") as stage:
        assert {(await stage.ask("/-/healthy")).status for _ in range(10)} <= {200, 503}
    async with scene.serving("rate_limit:\n  burst: 1\n  interval: 1s\n") as stage:
        assert 429 in {(await stage.ask("/-/healthy")).status for _ in range(10)}
