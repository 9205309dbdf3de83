"""TLS settings as Python's ``ssl`` has them.

Owns: Go's names for versions, ciphers, curves and client policies, and what of them Python can keep. What it cannot is
an error, never a weaker setting. Must not know: the file that they stand in, connections.

``ssl`` is imported when it is needed: an exporter on plain HTTP has no use for it.
Source: Go, crypto/tls; exporter-toolkit, web/tls_config.go.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from timepoint.server.web.spec import ClientAuth, TlsSpec

if TYPE_CHECKING:
    import ssl

VERSIONS = {"TLS10": "TLSv1", "TLS11": "TLSv1_1", "TLS12": "TLSv1_2", "TLS13": "TLSv1_3"}
"""From the oldest to the newest; the values are names in ``ssl.TLSVersion``."""

CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}

CIPHERS = {
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
}
"""Of TLS 1.2 and older."""

CIPHERS_13 = frozenset(("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"))
"""Of TLS 1.3: Go takes the names and leaves all three on, and so does this."""


class TlsError(Exception):
    """The settings cannot be used. ``key`` is the key of the file that the person has to look at."""

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        super().__init__(message)


def make_context(spec: TlsSpec) -> ssl.SSLContext:
    """The settings for the server's side of a connection. Reads the files. Raises TlsError."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION  # a client that asks for it again and again costs a core
    context.set_alpn_protocols(["http/1.1"])
    _set_versions(context, spec)
    _set_ciphers(context, spec)
    _set_curves(context, spec)
    _load_certificate(context, spec)
    _set_client_auth(context, spec)
    return context


def allowed_sans(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The names in a client certificate: DNS, email, IP address (as Go writes it) and URI."""
    found = set()
    for kind, value in (certificate or {}).get("subjectAltName", ()):
        if kind == "IP Address":
            with contextlib.suppress(ValueError):
                found.add(str(ipaddress.ip_address(value.strip())))
        elif kind in {"DNS", "email", "URI"}:
            found.add(value)
    return frozenset(found)


def _set_versions(context: ssl.SSLContext, spec: TlsSpec) -> None:
    import ssl

    names = list(VERSIONS)
    if names.index(spec.max_version) < names.index("TLS12"):
        raise TlsError("max_version", f"{spec.max_version} was withdrawn by RFC 8996: write TLS12 or TLS13")
    if names.index(spec.min_version) > names.index(spec.max_version):
        raise TlsError("min_version", f"{spec.min_version} is newer than max_version {spec.max_version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TLS 1.0 and 1.1, which were asked for
        context.minimum_version = ssl.TLSVersion[VERSIONS[spec.min_version]]
        context.maximum_version = ssl.TLSVersion[VERSIONS[spec.max_version]]


def _set_ciphers(context: ssl.SSLContext, spec: TlsSpec) -> None:
    import ssl

    if not spec.prefer_server_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if not spec.ciphers:
        return
    older = [CIPHERS[name] for name in spec.ciphers if name in CIPHERS]
    if older:
        try:
            context.set_ciphers(":".join(older))
        except ssl.SSLError:
            raise TlsError("cipher_suites", "the OpenSSL of this machine has none of these") from None
    elif spec.max_version == "TLS13":
        context.minimum_version = ssl.TLSVersion.TLSv1_3  # for TLS 1.2 none was named
    else:
        raise TlsError("cipher_suites", f"none of these belongs to {spec.max_version}, which is the max_version")


def _set_curves(context: ssl.SSLContext, spec: TlsSpec) -> None:
    """One curve or all: before Python 3.15 ``ssl`` has no list of them."""
    curves = list(dict.fromkeys(spec.curves or ()))
    if len(curves) == 1:
        context.set_ecdh_curve(CURVES[curves[0]])
    elif curves and set(curves) != set(CURVES):
        set_groups = getattr(context, "set_groups", None)
        if set_groups is None:
            names = ", ".join(CURVES)
            message = f"this Python can keep to one curve, or offer all: name one, or all of {names}, or none at all"
            raise TlsError("curve_preferences", message)
        set_groups(":".join(CURVES[name] for name in curves))


def _load_certificate(context: ssl.SSLContext, spec: TlsSpec) -> None:
    import ssl

    cert_key, key_key = "cert_file" if spec.cert_file else "cert", "key_file" if spec.key_file else "key"
    with (
        _readable(cert_key, spec.cert_file, spec.cert) as cert,
        _readable(key_key, spec.key_file, spec.key.reveal()) as key,
    ):
        try:
            context.load_cert_chain(cert, key, password=_refuse_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise TlsError(key_key, f"this key does not belong to the certificate of {cert_key}") from None
            message = f"{cert_key} or {key_key} is not PEM, or of a kind that OpenSSL does not take"
            raise TlsError(cert_key, f"{message} ({error.reason or error})") from None


def _refuse_password() -> str:
    raise TlsError("key_file", "the key is encrypted: write it without a passphrase, readable by this user alone")


@contextlib.contextmanager
def _readable(key: str, path: Path | None, text: str) -> Iterator[str]:
    """The name of a file with the PEM text in it: OpenSSL reads certificates of files alone."""
    if path is not None:
        read_file(key, path)
        yield str(path)
    elif hasattr(os, "memfd_create"):
        fd = os.memfd_create(f"timepoint-{key}", os.MFD_CLOEXEC)
        try:
            os.write(fd, text.encode())
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
    else:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # mode 0600
            file.write(text)
            file.flush()
            yield file.name


def read_file(key: str, path: Path) -> str:
    """The text of a PEM file; raises TlsError for ``key``."""
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise TlsError(key, f"cannot read {path}: {error.strerror or error}") from None


def _set_client_auth(context: ssl.SSLContext, spec: TlsSpec) -> None:
    import ssl

    ca_key = "client_ca_file" if spec.client_ca_file else "client_ca"
    authorities = read_file(ca_key, spec.client_ca_file) if spec.client_ca_file else spec.client_ca
    if authorities or spec.client_ca_file:
        try:
            context.load_verify_locations(cadata=authorities)
        except (ssl.SSLError, ValueError):
            raise TlsError(ca_key, "there is no PEM certificate in it") from None
    if spec.client_auth in {ClientAuth.VERIFY_IF_GIVEN, ClientAuth.REQUIRE_AND_VERIFY}:
        is_required = spec.client_auth is ClientAuth.REQUIRE_AND_VERIFY
        context.verify_mode = ssl.CERT_REQUIRED if is_required else ssl.CERT_OPTIONAL
        if not authorities:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)  # as Go does
