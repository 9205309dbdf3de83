"""The file of ``--web.config.file``: from YAML to settings that the server can use, and everything wrong with it.

Owns: the keys of that file, which are exporter-toolkit's, their places in it, and the messages. What the toolkit would
take and this does not is told in docs/web.md, with the reason. Must not know: connections, reload.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from timepoint.config.checks import Check
from timepoint.config.misfit import did_you_mean
from timepoint.config.places import Findings, Places
from timepoint.config.places import Path as Where
from timepoint.config.yaml import MAX_BYTES, Written, YamlStopError, read_yaml
from timepoint.errors import ConfigError
from timepoint.secret import Secret
from timepoint.server.web.spec import ClientAuth, LoadedWeb, RateSpec, TlsSpec, WebSource, WebSpec
from timepoint.server.web.tls import CIPHERS, CIPHERS_13, CURVES, VERSIONS, TlsError, make_context

HEADERS: Mapping[str, tuple[str, ...]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""The headers that can be set, and their possible values; an empty tuple is any text."""

WEAK_COST, MOST_COST = 10, 14
"""Of bcrypt. 14 is about a second for each wrong password, 31 would be a day; below 10 guessing is cheap."""

_TLS_SWITCHES = ("cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type")
_TLS_TEXTS = (*_TLS_SWITCHES, "min_version", "max_version")
_TLS_LISTS = ("client_allowed_sans", "cipher_suites", "curve_preferences")
_TLS_KEYS = (*_TLS_TEXTS, *_TLS_LISTS, "prefer_server_cipher_suites")
_BCRYPT = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "off", "Off", "OFF"))


def web_source(path: Path) -> WebSource:
    """The web config of a file, to be loaded again when it changes. Raises ConfigError."""
    return WebSource(path, lambda: load_web_config(path), load_web_config(path))


def load_web_config(path: Path) -> LoadedWeb:
    """Reads a web config file and the certificates that it names. Raises ConfigError with every problem."""
    findings = Findings(Places(str(path)))
    reader = _Reader(path.parent, findings)
    spec = reader.web(_read(path, findings))
    context = None
    if spec.tls is not None and not findings.all:
        try:
            context = make_context(spec.tls)
        except TlsError as error:
            findings.add(Check.CREDENTIAL, ("tls_server_config", error.key), str(error))
    if findings.all:
        raise ConfigError(findings.problems(warnings=False))
    return LoadedWeb(spec, context, tuple(reader.warnings))


def _read(path: Path, findings: Findings) -> Any:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            findings.add(Check.FILE_SIZE, (), f"is larger than {MAX_BYTES // 1024} KiB")
            return None
        return read_yaml(raw.decode("utf-8-sig"), findings)
    except OSError as error:
        findings.add(Check.FILE, (), f"cannot be read: {error.strerror or error}")
    except UnicodeDecodeError:
        findings.add(Check.FILE_ENCODING, (), "is not UTF-8")
    except YamlStopError:
        findings.all = [finding for finding in findings.all if finding.check is not Check.FILE_EMPTY]
    return None


class _Reader:
    """Data of YAML into a spec; what does not fit becomes a finding."""

    def __init__(self, directory: Path, findings: Findings) -> None:
        self.directory = directory
        self.findings = findings
        self.warnings: list[str] = []

    def web(self, data: Any) -> WebSpec:
        top = self.mapping(data, (), ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"))
        return WebSpec(
            self.tls(top.get("tls_server_config")),
            self.users(top.get("basic_auth_users")),
            self.headers(top.get("http_server_config")),
            self.rate(top.get("rate_limit")),
        )

    def tls(self, data: Any) -> TlsSpec | None:
        at: Where = ("tls_server_config",)
        found = self.mapping(data, at, _TLS_KEYS)
        texts = {key: self.text(value, (*at, key)) for key, value in found.items() if key in _TLS_TEXTS}
        sans = self.texts(found, at, "client_allowed_sans", None)
        policy = self.choice(texts, at, "client_auth_type", [str(policy) for policy in ClientAuth]) or ClientAuth.NONE
        spec = TlsSpec(
            **{key: self.file(texts, key) for key in ("cert_file", "key_file", "client_ca_file")},
            cert=texts.get("cert", ""),
            key=Secret(texts.get("key", "")),
            client_ca=texts.get("client_ca", ""),
            client_auth=ClientAuth(policy),
            client_allowed_sans=None if sans is None else frozenset(sans),
            min_version=self.choice(texts, at, "min_version", [*VERSIONS]) or "TLS12",
            max_version=self.choice(texts, at, "max_version", [*VERSIONS]) or "TLS13",
            ciphers=self.texts(found, at, "cipher_suites", [*CIPHERS, *sorted(CIPHERS_13)]),
            curves=self.texts(found, at, "curve_preferences", [*CURVES]),
            prefer_server_ciphers=self.switch(found, at, "prefer_server_cipher_suites", default=True),
        )
        if not any(texts.get(key) for key in _TLS_SWITCHES):
            return None
        self.check_tls(spec, texts, at, has_sans=sans is not None)
        return spec

    def check_tls(self, spec: TlsSpec, texts: Mapping[str, str], at: Where, *, has_sans: bool) -> None:
        """Keys that need each other, or exclude each other."""
        add = self.findings.add
        for one in ("cert", "key"):
            if not texts.get(one) and not texts.get(f"{one}_file"):
                add(Check.MISSING_KEY, at, f"missing one of {one} or {one}_file", key=True)
        policy, where = spec.client_auth, (*at, "client_auth_type")
        if policy in {ClientAuth.REQUIRE_ANY, ClientAuth.REQUIRE_ANY_OLD}:
            message = (
                f"{policy} takes any certificate, also one that a stranger made, and Python cannot even ask for that"
            )
            add(Check.BAD_CHOICE, where, f"{message}: write RequireAndVerifyClientCert with client_ca_file")
        elif policy is ClientAuth.REQUEST:
            self.warnings.append("client_auth_type RequestClientCert verifies nothing, so no certificate is asked for")
        if policy is ClientAuth.NONE and (texts.get("client_ca") or texts.get("client_ca_file")):
            message = "client CA's have been configured without a Client Auth Policy: add client_auth_type"
            add(Check.MISSING_KEY, (*at, "client_ca_file" if texts.get("client_ca_file") else "client_ca"), message)
        if has_sans and policy is not ClientAuth.REQUIRE_AND_VERIFY:
            message = "client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert"
            add(Check.CREDENTIAL_CONFLICT, (*at, "client_allowed_sans"), message)

    def users(self, data: Any) -> dict[bytes, bytes]:
        found = self.mapping(data, ("basic_auth_users",), None)
        users = {}
        for name, value in found.items():
            at = ("basic_auth_users", name)
            match = _BCRYPT.fullmatch(self.text(value, at))
            cost = int(match[1]) if match is not None else 0
            if match is None or not 4 <= cost <= 31:  # noqa: PLR2004 - bcrypt's own limits
                message = "is not a bcrypt hash: make one with htpasswd -nBC 12 '' | tr -d ':\\n'"
                self.findings.add(Check.CREDENTIAL, at, message)
            elif cost > MOST_COST:
                message = f"has the cost {cost}, which takes {2 ** (cost - MOST_COST)} s or more for each try"
                self.findings.add(Check.CREDENTIAL, at, f"{message}: hash it anew with a cost of 10 to {MOST_COST}")
            elif ":" in name:
                self.findings.add(Check.NAME, at, "a user name has no colon: HTTP ends it there", key=True)
            else:
                users[name.encode()] = match[0].encode()
                if cost < WEAK_COST:
                    self.warnings.append(f"the hash of user {name!r} has the cost {cost}: {WEAK_COST} to 12 is better")
        return users

    def headers(self, data: Any) -> dict[str, str]:
        at: Where = ("http_server_config",)
        http = self.mapping(data, at, ("http2", "headers"))
        self.switch(http, at, "http2", default=True)  # this server speaks HTTP/1.1 in any case
        headers = {}
        for name, value in self.mapping(http.get("headers"), (*at, "headers"), None).items():
            where = (*at, "headers", name)
            text = self.text(value, where)
            if name not in HEADERS:
                hint = did_you_mean(name, [*HEADERS])
                self.findings.add(Check.HEADER, where, f'HTTP header "{name}" can not be configured{hint}', key=True)
            elif HEADERS[name] and text not in HEADERS[name]:
                expected = " or ".join(HEADERS[name])
                self.findings.add(Check.HEADER, where, f"invalid value for {name}: write {expected}")
            elif not all(" " <= letter <= "~" for letter in text):
                self.findings.add(Check.HEADER, where, "the value of a header is printable ASCII")
            else:
                headers[name] = text
        return headers

    def rate(self, data: Any) -> RateSpec | None:
        at: Where = ("rate_limit",)
        found = self.mapping(data, at, ("interval", "burst"))
        interval, burst = found.get("interval"), found.get("burst", 0)
        seconds = 0.0
        if interval is not None:
            text = self.text(interval, (*at, "interval"))
            if isinstance(interval, Written) or not re.fullmatch(f"(?:{_DURATION.pattern})+", text):
                self.findings.add(Check.DURATION, (*at, "interval"), "must be a duration such as 1s or 500ms")
            else:
                parts = re.findall(r"([0-9.]+)([a-zµ]+)", text)
                seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
        if not isinstance(burst, int) or isinstance(burst, bool) or burst < 0:
            self.findings.add(Check.WRONG_KIND, (*at, "burst"), "must be a whole number, 0 or more")
        elif seconds and burst < 1:
            self.findings.add(Check.OUT_OF_RANGE, (*at, "burst"), "must be at least 1: with 0 nobody is ever answered")
        elif seconds:
            return RateSpec(seconds, int(burst))
        return None

    def mapping(self, data: Any, at: Where, known: Collection[str] | None) -> dict[str, Any]:
        """The members of a mapping; none for null. ``known`` are the keys that it can have, None for any."""
        if data is None:
            return {}
        if not isinstance(data, dict):
            self.findings.add(Check.WRONG_KIND, at, "must be a mapping")
            return {}
        for key in data:
            if known is not None and key not in known:
                message = f"unknown key {key!r}{did_you_mean(key, [*known])}"
                self.findings.add(Check.UNKNOWN_KEY, (*at, key), message, key=True)
        return data

    def text(self, value: Any, at: Where) -> str:
        """A scalar as written; empty for null."""
        if isinstance(value, Written):
            return value.written
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str) or value is None:
            return value or ""
        self.findings.add(Check.WRONG_KIND, at, "must be a text")
        return ""

    def texts(
        self, found: Mapping[str, Any], at: Where, key: str, known: Collection[str] | None
    ) -> tuple[str, ...] | None:
        """A list of texts, of ``known`` ones unless that is None; None if it is not there."""
        data = found.get(key)
        if data is None:
            return None
        items = data if isinstance(data, list) else [data]  # as in Go, one may stand without brackets
        texts = tuple(self.text(item, (*at, key, index)) for index, item in enumerate(items))
        for index, text in enumerate(texts):
            if known is not None and text not in known:
                word = {"cipher_suites": "cipher", "curve_preferences": "curve"}[key]
                message = f"unknown {word}: {text}{did_you_mean(text, [*known])}"
                self.findings.add(Check.BAD_CHOICE, (*at, key, index), message)
        return texts

    def choice(self, texts: Mapping[str, str], at: Where, key: str, known: Collection[str]) -> str:
        """One of the known words, or empty."""
        text = texts.get(key, "")
        if not text or text in known:
            return text
        what = {"client_auth_type": "ClientAuth"}.get(key, "TLS version")
        self.findings.add(Check.BAD_CHOICE, (*at, key), f"invalid {what}: {text}{did_you_mean(text, [*known])}")
        return ""

    def switch(self, found: Mapping[str, Any], at: Where, key: str, *, default: bool) -> bool:
        value = found.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
        self.findings.add(Check.WRONG_KIND, (*at, key), "must be true or false")
        return default

    def file(self, texts: Mapping[str, str], key: str) -> Path | None:
        """A path, seen from the directory of the web config file."""
        return self.directory / texts[key] if texts.get(key) else None
