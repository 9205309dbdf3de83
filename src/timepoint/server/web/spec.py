"""What a web config file can say.

Owns: the value objects of a web config. Pure. Must not know: YAML, ``ssl``, ``bcrypt``, requests.
Source: exporter-toolkit, docs/web-configuration.md, whose format it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from timepoint.secret import Secret

if TYPE_CHECKING:
    import ssl


class ClientAuth(StrEnum):
    """Policies for client certificates, by the names of Go's ``crypto/tls``."""

    NONE = "NoClientCert"
    REQUEST = "RequestClientCert"
    REQUIRE_ANY = "RequireAnyClientCert"
    REQUIRE_ANY_OLD = "RequireClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE_AND_VERIFY = "RequireAndVerifyClientCert"


@dataclass(frozen=True, slots=True)
class TlsSpec:
    """The ``tls_server_config``. A certificate, key or CA is a file or a PEM text; paths are absolute or of the cwd.

    ``ciphers`` and ``curves`` are Go's names, None for OpenSSL's own choice; versions are ``TLS10`` to ``TLS13``.
    """

    cert_file: Path | None = None
    key_file: Path | None = None
    client_ca_file: Path | None = None
    cert: str = ""
    key: Secret = field(default_factory=lambda: Secret(""))
    client_ca: str = ""
    client_auth: ClientAuth = ClientAuth.NONE
    client_allowed_sans: frozenset[str] | None = None
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    ciphers: tuple[str, ...] | None = None
    curves: tuple[str, ...] | None = None
    prefer_server_ciphers: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """The files whose change is a change of these settings."""
        return tuple(path for path in (self.cert_file, self.key_file, self.client_ca_file) if path is not None)


@dataclass(frozen=True, slots=True)
class RateSpec:
    """One client may ask ``burst`` times at once, and once more every ``interval`` seconds."""

    interval: float
    burst: int


@dataclass(frozen=True, slots=True)
class WebSpec:
    """A whole web config. ``users`` maps names to bcrypt hashes, both as bytes."""

    tls: TlsSpec | None = None
    users: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    rate: RateSpec | None = None

    def protections(self) -> frozenset[str]:
        """What keeps strangers out, in words. A reload never takes one of these away."""
        found = {"tls_server_config": self.tls is not None, "basic_auth_users": bool(self.users)}
        if self.tls is not None:
            found["client certificates"] = self.tls.client_auth is ClientAuth.REQUIRE_AND_VERIFY
            found["client_allowed_sans"] = self.tls.client_allowed_sans is not None
        return frozenset(word for word, is_on in found.items() if is_on)


@dataclass(frozen=True, slots=True)
class LoadedWeb:
    """A web config that can be used: its spec, and the TLS settings made of it. ``warnings`` are for the log."""

    spec: WebSpec
    context: ssl.SSLContext | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WebSource:
    """Where the web config comes from. ``load`` reads ``path`` anew and raises ConfigError with every problem.

    ``first`` is what it said when the exporter started: a server that is started again has it to fall back on.
    """

    path: Path
    load: Callable[[], LoadedWeb]
    first: LoadedWeb
