"""The verdicts on web config files, beside promtool's."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.server.web.certificates import Authority
from timepoint.errors import ConfigError
from timepoint.webconfig import load_web_config

HASH = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
PAIR = "tls_server_config:\n  cert_file: a.pem\n  key_file: a.key\n"
TLS13 = "[TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]"


@dataclass(frozen=True)
class Case:
    """A file, and a part of what is said of it; nothing if it is good.

    ``since`` is a key that old promtools do not know. ``stricter`` is why a file that is good for promtool is not here.
    """

    text: str
    says: str = ""
    since: str = ""
    stricter: str = ""

    def verdict(self) -> bool:
        return not self.says or bool(self.stricter)


CASES = {
    "empty": Case(""),
    "comment": Case("# nothing yet\n"),
    "empty sections": Case("tls_server_config:\nhttp_server_config:\nbasic_auth_users:\n"),
    "no mapping": Case("foo", "1:1: must be a mapping"),
    "list": Case("[]", "must be a mapping"),
    "broken yaml": Case("a: [b\n", ":"),
    "unknown key": Case("tls_config:\n  cert_file: a.pem\n", "unknown key 'tls_config', did you mean"),
    "unknown tls key": Case(PAIR + "  certfile: a.pem\n", "unknown key 'certfile', did you mean 'cert_file'?"),
    "pair": Case(PAIR),
    "no cert": Case("tls_server_config:\n  key_file: a.key\n", "missing one of cert or cert_file"),
    "empty cert": Case("tls_server_config:\n  cert_file: ''\n  key_file: a.key\n", "missing one of cert or cert_file"),
    "no key": Case("tls_server_config:\n  cert_file: a.pem\n", "missing one of key or key_file"),
    "no such cert": Case(PAIR.replace("a.pem", "x.pem"), "2:14: tls_server_config.cert_file: cannot read"),
    "no such key": Case(PAIR.replace("a.key", "x.key"), "key_file: cannot read"),
    "other key": Case(PAIR.replace("a.key", "b.key"), "does not belong to the certificate"),
    "no certificate": Case(PAIR.replace("a.pem", "a.key"), "is not PEM"),
    "encrypted key": Case(PAIR.replace("a.", "locked."), "the key is encrypted"),
    "twice": Case(PAIR + "  cert_file: a.pem\n", "duplicate key 'cert_file'"),
    "policy alone": Case("tls_server_config:\n  client_auth_type: NoClientCert\n", "missing one of cert or cert_file"),
    "versions alone": Case("tls_server_config:\n  min_version: TLS12\n"),
    "unknown policy": Case(PAIR + "  client_auth_type: verify\n", "invalid ClientAuth: verify"),
    "policy of other case": Case(PAIR + "  client_auth_type: noclientcert\n", "did you mean 'NoClientCert'?"),
    "request": Case(PAIR + "  client_auth_type: RequestClientCert\n"),
    "verify if given": Case(PAIR + "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n"),
    "require": Case(PAIR + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n"),
    "require, system roots": Case(PAIR + "  client_auth_type: RequireAndVerifyClientCert\n"),
    "ca without policy": Case(PAIR + "  client_ca_file: ca.pem\n", "configured without a Client Auth Policy"),
    "no such ca": Case(PAIR + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: x\n", "cannot read"),
    "require any": Case(
        PAIR + "  client_auth_type: RequireAnyClientCert\n",
        "takes any certificate",
        stricter="Python's ssl verifies or does not ask",
    ),
    "require, old word": Case(
        PAIR + "  client_auth_type: RequireClientCert\n", "takes any certificate", stricter="another word for the same"
    ),
    "versions": Case(PAIR + "  min_version: TLS13\n  max_version: TLS13\n"),
    "old versions": Case(PAIR + "  min_version: TLS10\n"),
    "unknown version": Case(PAIR + "  min_version: TLS111\n", "invalid TLS version: TLS111, did you mean 'TLS11'?"),
    "version as list": Case(PAIR + "  min_version: [TLS12]\n", "must be a text"),
    "versions crossed": Case(
        PAIR + "  min_version: TLS13\n  max_version: TLS12\n", "is newer than", stricter="nobody could connect"
    ),
    "version withdrawn": Case(PAIR + "  min_version: TLS10\n  max_version: TLS11\n", "withdrawn", stricter="RFC 8996"),
    "ciphers": Case(PAIR + f"  cipher_suites: {TLS13}\n"),
    "only new ciphers": Case(PAIR + "  cipher_suites: [TLS_AES_128_GCM_SHA256]\n"),
    "invented cipher": Case(PAIR + "  cipher_suites: [TLS_ECDHE_2048]\n", "unknown cipher: TLS_ECDHE_2048"),
    "one curve": Case(PAIR + "  curve_preferences: [CurveP256]\n"),
    "all curves": Case(PAIR + "  curve_preferences: [CurveP256, CurveP384, CurveP521, X25519]\n"),
    "invented curve": Case(PAIR + "  curve_preferences: [CurveP257]\n", "unknown curve: CurveP257, did you mean"),
    "two curves": Case(
        PAIR + "  curve_preferences: [CurveP256, X25519]\n", "one curve", stricter="Python's ssl sets one curve"
    ),
    "server order": Case(PAIR + "  prefer_server_cipher_suites: off\n"),
    "no switch": Case(PAIR + "  prefer_server_cipher_suites: maybe\n", "must be true or false"),
    "inline": Case(PAIR.replace("cert_file: a.pem", "cert: X"), "is not PEM", since="cert:"),
    "sans": Case(
        PAIR + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.pem\n  client_allowed_sans: [a]\n",
        since="client_allowed_sans",
    ),
    "users": Case(f"basic_auth_users:\n  prometheus: {HASH}\n"),
    "user that is a number": Case(f"basic_auth_users:\n  1: {HASH}\n"),
    "user twice": Case(f"basic_auth_users: {{a: {HASH}, a: {HASH}}}\n", "duplicate key 'a'"),
    "A5 empty hash": Case("basic_auth_users:\n  a: ''\n", "2:6: basic_auth_users.a: is not a bcrypt hash"),
    "A5 password for a hash": Case("basic_auth_users:\n  a: hunter2\n", "is not a bcrypt hash"),
    "A5 broken hash": Case(f"basic_auth_users:\n  a: {HASH[:50]}\n", "is not a bcrypt hash"),
    "A5 cost 31": Case(
        f"basic_auth_users:\n  a: {HASH.replace('$10$', '$31$')}\n",
        "has the cost 31",
        stricter="one try would take a day",
    ),
    "headers": Case("http_server_config:\n  headers:\n    X-Frame-Options: deny\n    X-XSS-Protection: 1\n"),
    "header value": Case("http_server_config:\n  headers:\n    X-Frame-Options: all\n", "write deny or sameorigin"),
    "other header": Case("http_server_config:\n  headers:\n    Server: x\n", '"Server" can not be configured'),
    "header of other case": Case(
        "http_server_config:\n  headers:\n    x-frame-options: deny\n", "did you mean 'X-Frame-Options'?"
    ),
    "http2": Case("http_server_config:\n  http2: false\n"),
    "http2 no switch": Case("http_server_config:\n  http2: maybe\n", "must be true or false"),
    "rate": Case("rate_limit:\n  interval: 1m30s\n  burst: 5\n", since="rate_limit"),
    "rate without unit": Case(
        "rate_limit:\n  interval: 1\n  burst: 5\n", "must be a duration", since="rate_limit", stricter="it means 1 ns"
    ),
    "rate of nothing": Case(
        "rate_limit:\n  interval: 1s\n", "nobody is ever answered", since="rate_limit", stricter="nobody is answered"
    ),
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the certificates that the files name."""
    directory = tmp_path_factory.mktemp("web")
    authority = Authority(directory)
    for name in ("a", "b"):
        authority.issue(name)
    authority.issue("locked", password=b"secret")
    return directory


@pytest.mark.parametrize("name", CASES)
def test_each_file_is_taken_or_told_what_is_wrong(directory: Path, name: str) -> None:
    """A good file loads; the error of a bad one names the place and what to do (A5)."""
    case = CASES[name]
    path = directory / "web.yml"
    path.write_text(case.text)
    if not case.says:
        load_web_config(path)
        return
    with pytest.raises(ConfigError) as caught:
        load_web_config(path)
    assert case.says in str(caught.value)
    assert HASH not in str(caught.value)


@pytest.mark.parametrize("name", CASES)
def test_promtool_says_the_same_of_each_file(directory: Path, promtool: str, name: str) -> None:
    """A file is good for both or for neither, but for the listed ones that are refused here on purpose."""
    case = CASES[name]
    path = directory / "promtool.yml"
    path.write_text(case.text)
    answer = subprocess.run([promtool, "check", "web-config", path], capture_output=True, text=True, check=False)
    if case.since and "not found in type web" in answer.stderr + answer.stdout:
        return  # an old promtool knows nothing of this key; docs/web.md says so
    assert (answer.returncode == 0) == case.verdict()


def test_a_file_that_cannot_be_read_is_an_error(directory: Path) -> None:
    """The message has the name of the file and the system's reason."""
    with pytest.raises(ConfigError, match=r"nowhere\.yml: cannot be read: No such file"):
        load_web_config(directory / "nowhere.yml")


def test_a_weak_hash_is_a_warning(directory: Path) -> None:
    """The cost of 5 that htpasswd takes by itself works, as elsewhere, and is told."""
    path = directory / "weak.yml"
    path.write_text(f"basic_auth_users:\n  a: {HASH.replace('$10$', '$05$')}\n")

    assert load_web_config(path).warnings == ("the hash of user 'a' has the cost 5: 10 to 12 is better",)


def test_certificates_may_stand_in_the_file(directory: Path) -> None:
    """PEM texts do as well as the names of files."""
    indent = "\n    "
    cert, key, ca = ((directory / name).read_text().replace("\n", indent) for name in ("a.pem", "a.key", "ca.pem"))
    path = directory / "inline.yml"
    lines = [f"cert: |{indent}{cert}", f"key: |{indent}{key}", f"client_ca: |{indent}{ca}"]
    path.write_text("tls_server_config:\n  " + "\n  ".join([*lines, "client_auth_type: RequireAndVerifyClientCert\n"]))

    assert load_web_config(path).context is not None
