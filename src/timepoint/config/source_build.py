"""A source's shape into what the request room works with.

Owns: the checks of URLs, credentials, headers and files. Must not know: how a request is made.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from timepoint.config.auth_login import build_login
from timepoint.config.auth_oauth2 import build_oauth2
from timepoint.config.auth_service_account import build_service_account
from timepoint.config.auth_shape import AuthorizationShape, BasicAuthShape, HeaderShape, ParamShape, TlsShape
from timepoint.config.auth_signature import build_signature
from timepoint.config.auth_sigv4 import build_sigv4
from timepoint.config.checks import Check
from timepoint.config.kinds import Shape
from timepoint.config.names import HEADER_NAME, OWN_HEADERS, plain_name_complaint
from timepoint.config.places import Findings
from timepoint.config.places import Path as Where
from timepoint.config.politeness_shape import limits_of
from timepoint.config.source_shape import WAYS, SourceShape
from timepoint.request.auth.endpoint import EndpointSpec
from timepoint.request.prepare import check_url
from timepoint.request.spec import Authorization, AuthSpec, BasicAuth, SecretSource, SourceSpec, TlsSpec
from timepoint.secret import Secret

if TYPE_CHECKING:
    from timepoint.config.remote_write_shape import ReceiverShape

METADATA_SERVICES = frozenset({"169.254.169.254", "metadata.google.internal"})
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


# What each way to authenticate that has modules of its own means; it is given the builder, the shape and its place.
AUTH_BUILDERS: dict[str, Callable[[SourceBuilder, Any, Where], AuthSpec]] = {
    "oauth2": build_oauth2,
    "service_account": build_service_account,
    "login": build_login,
    "signature": build_signature,
    "sigv4": build_sigv4,
}


UNVERIFIED = (
    "any certificate is accepted: whoever stands between can read the credentials and change the answers; "
    "name the certificate's authority in ca_file instead"
)


class SourceBuilder:
    """Builds the sources of one file. Relative paths of files are relative to ``directory``.

    ``url`` is that of the source that is being built.
    """

    def __init__(self, findings: Findings, directory: Path) -> None:
        self.findings = findings
        self.directory = directory
        self.url = ""

    def build(self, name: str, shape: SourceShape) -> SourceSpec:
        where: Where = ("sources", name)
        if complaint := plain_name_complaint(name):
            self.findings.add(Check.NAME, where, complaint, key=True)
        optional: dict[str, Any] = {
            "connect_timeout": shape.connect_timeout,
            "timeout": shape.timeout,
            "max_body": shape.max_body,
            "max_memory": shape.max_memory,
            "attempts": shape.attempts,
            "min_interval": shape.min_interval,
            "clock_tolerance": shape.clock_tolerance,
        }
        return replace(
            self.http(name, shape, where),
            **limits_of(shape, where, self.findings),
            **{key: value for key, value in optional.items() if value is not None},
        )

    def http(self, name: str, shape: SourceShape | ReceiverShape, where: Where) -> SourceSpec:
        """How a source or a receiver that stands at ``where`` is reached; timeouts and limits left out."""
        self._check_url(shape, where)
        self.url = shape.url
        auth = self._auth(shape, where)
        has_authorization = bool(shape.authorization or shape.basic_auth or (auth and auth.sets_authorization))
        return SourceSpec(
            name=name,
            url=shape.url,
            headers=self.headers(shape.http_headers, where, has_authorization=has_authorization),
            basic_auth=self._basic_auth(shape.basic_auth, (*where, "basic_auth")),
            authorization=self._authorization(shape.authorization, (*where, "authorization")),
            auth=auth,
            params=self._params(shape.params, (*where, "params")),
            tls=self.tls(shape.tls_config, (*where, "tls_config")),
            proxy_url=self._proxy(shape.proxy_url, (*where, "proxy_url")),
            hidden=self.hidden(shape.url, (*where, "url")),
        )

    def _check_url(self, shape: SourceShape | ReceiverShape, where: Where) -> None:
        at = (*where, "url")
        if not self._check_address(shape.url, at):
            return
        if (
            any(getattr(shape, way, None) for way in WAYS)
            or has_secret(shape.http_headers)
            or self._has_key(shape, where)
        ):
            self.check_cleartext(shape.url, at)

    def _check_address(self, url: str, where: Where) -> bool:
        try:
            check_url(url)
        except ValueError as error:
            self.findings.add(Check.URL, where, str(error))
            return False
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            message = "credentials do not belong into the URL: use basic_auth with password_file or ${NAME}"
            self.findings.add(Check.URL_CREDENTIALS, where, message)
        return True

    def _has_key(self, shape: SourceShape | ReceiverShape, where: Where) -> bool:
        """Whether a parameter holds a credential."""
        params = (shape.params or {}).items()
        return any(param.file or self.variables((*where, "params", name)) for name, param in params)

    def check_cleartext(self, url: str, where: Where) -> None:
        """Warns of credentials at ``where`` that go to a URL which anyone on the way can read."""
        try:
            parts = urlsplit(url)
        except ValueError:  # that it is no URL is told where it stands
            return
        if parts.scheme == "http" and not stays_on_host(parts.hostname or ""):
            message = "credentials go over http in clear text: use https, or anyone on the way can read them"
            self.findings.add(Check.CLEARTEXT, where, message)

    def hidden(self, url: str, where: Where) -> tuple[Secret, ...]:
        """What the environment put into a URL, but for scheme, host and port: logs without these would help nobody."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return ()
        origin = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        values = self.findings.variables_below(where)
        inside = (value.partition(origin)[2] if value.startswith(origin) else value for value in values)
        return tuple(Secret(value) for value in inside if value and value not in origin)

    def _basic_auth(self, shape: BasicAuthShape | None, where: Where) -> BasicAuth | None:
        if shape is None:
            return None
        username = self.credential(shape.username, shape.username_file, (*where, "username"), is_secret=False)
        if shape.username is not None and ":" in shape.username:
            message = "a user name with a colon does not work with basic authentication"
            self.findings.add(Check.CREDENTIAL, (*where, "username"), message)
        return BasicAuth(username, self.credential(shape.password, shape.password_file, (*where, "password")))

    def _authorization(self, shape: AuthorizationShape | None, where: Where) -> Authorization | None:
        if shape is None:
            return None
        scheme = shape.type or "Bearer"
        if scheme.lower() == "basic":
            self.findings.add(Check.CREDENTIAL, (*where, "type"), "use basic_auth with username and password for Basic")
        elif HEADER_NAME.fullmatch(scheme) is None:
            self.findings.add(Check.CREDENTIAL, (*where, "type"), f"{scheme!r} is not a scheme: write one word")
        credential = self.credential(shape.credentials, shape.credentials_file, (*where, "credentials"))
        return Authorization(credential, scheme)

    def headers(
        self, shapes: dict[str, HeaderShape] | None, where: Where, *, has_authorization: bool = False
    ) -> dict[str, SecretSource]:
        """The headers of a source or a request that stands at ``where``."""
        found: dict[str, SecretSource] = {}
        for name, shape in (shapes or {}).items():
            at = (*where, "http_headers", name)
            if HEADER_NAME.fullmatch(name) is None:
                self.findings.add(Check.HEADER, at, f"{name!r} is not the name of a header", key=True)
            elif name.lower() in OWN_HEADERS:
                self.findings.add(Check.HEADER, at, f"{name} is set by the exporter itself: leave it out", key=True)
            elif name.lower() == "authorization" and has_authorization:
                message = "the header Authorization is set by the way in which the source authenticates: keep one"
                self.findings.add(Check.CREDENTIAL_CONFLICT, at, message, key=True)
            elif name.lower() in {other.lower() for other in found}:
                self.findings.add(
                    Check.HEADER, at, f"the header {name} stands twice: case makes no difference", key=True
                )
            if shape.values is not None:
                found[name] = self.credential(shape.values[0], None, (*at, "values", 0), is_secret=False)
            else:
                text = shape.secrets[0] if shape.secrets else None
                file = shape.files[0] if shape.files else None
                found[name] = self.credential(text, file, (*at, "secrets" if text is not None else "files", 0))
        return found

    def credential(self, text: str | None, file: str | None, where: Where, *, is_secret: bool = True) -> SecretSource:
        """Where a credential comes from; ``where`` is the key of its text, ``_file`` is added for its file."""
        if text is None:
            last = where[-1]
            at = (*where[:-1], f"{last}_file") if isinstance(last, str) else where
            _, written = self.findings.hidden.get(at, ("", ""))
            return SecretSource(file=self._file(file, at), written=written)
        if not text and where[-1] == "password" and where not in self.findings.hidden:
            return SecretSource(text=Secret(""))  # many APIs take their key as the user name, without a password
        if not text:
            self.findings.add(Check.CREDENTIAL, where, "is empty")
        elif _CONTROL.search(text):
            self.findings.add(Check.CREDENTIAL, where, "has a line break or another control character")
        if is_secret and where not in self.findings.hidden:
            message = "a credential stands in the config itself: keep it in a file, or write ${NAME}"
            self.findings.add(Check.PLAIN_CREDENTIAL, where, message)
        return SecretSource(text=Secret(text))

    def optional(self, shape: Shape, key: str, where: Where, *, is_secret: bool = True) -> SecretSource | None:
        """The credential that ``key`` or ``key_file`` of a shape at ``where`` gives, None if neither does."""
        text, file = getattr(shape, key), getattr(shape, f"{key}_file")
        if text is None and file is None:
            return None
        return self.credential(text, file, (*where, key), is_secret=is_secret)

    def variables(self, where: Where) -> tuple[Secret, ...]:
        """What the environment put at a place or below it."""
        return tuple(Secret(value) for value in self.findings.variables_below(where) if value)

    def token(self, name: str, where: Where) -> str:
        """The name of a header or a cookie."""
        if HEADER_NAME.fullmatch(name) is None:
            self.findings.add(Check.HEADER, where, f"{name!r} is not the name of a header or a cookie")
        return name

    def endpoint(self, url: str, tls: TlsShape | None, where: Where) -> EndpointSpec:
        """Where tokens come from; ``where`` is the place of the URL, beside which ``tls_config`` stands."""
        self._check_address(url, where)
        self.check_cleartext(url, where)
        return EndpointSpec(url, self.tls(tls, (*where[:-1], "tls_config")), self.hidden(url, where))

    def kept_file(self, name: str, where: Where) -> SecretSource:
        """A file that is written: its directory must be there, it itself need not be."""
        path = self.directory / name
        if not os.path.isdir(path.parent) or not os.access(path.parent, os.W_OK):  # noqa: PTH112 (Path's may raise)
            message = f"the directory {path.parent} is not there or may not be written: no token can be kept there"
            self.findings.add(Check.MISSING_FILE, where, message)
        _, written = self.findings.hidden.get(where, ("", ""))
        return SecretSource(file=path, written=written)

    def _auth(self, shape: SourceShape | ReceiverShape, where: Where) -> AuthSpec | None:
        for way, build in AUTH_BUILDERS.items():
            if (found := getattr(shape, way, None)) is not None:
                return build(self, found, (*where, way))
        return None

    def _params(self, shapes: dict[str, ParamShape] | None, where: Where) -> dict[str, SecretSource]:
        found = {}
        for name, shape in (shapes or {}).items():
            at = (*where, name) if (*where, name) in self.findings.hidden else (*where, name, "value")
            if shape.value is None:
                source = SecretSource(file=self._file(shape.file, (*where, name, "file")))
            else:
                source = self.credential(shape.value, None, at, is_secret=False)
            found[name] = replace(source, is_plain=source.text is not None and not self.variables((*where, name)))
        return found

    def _file(self, name: str | None, where: Where) -> Path | None:
        if name is None:
            return None
        path = self.directory / name
        if trouble := _trouble(path):
            self.findings.add(
                Check.MISSING_FILE, where, f"the file {path} {trouble}: requests fail until it can be read"
            )
        return path

    def tls(self, shape: TlsShape | None, where: Where) -> TlsSpec | None:
        if shape is None:
            return None
        if bool(shape.cert_file) != bool(shape.key_file):
            given, lacking = ("cert_file", "key_file") if shape.cert_file else ("key_file", "cert_file")
            self.findings.add(Check.TLS_PAIR, (*where, given), f"{given} needs {lacking}")
        if shape.insecure_skip_verify:
            self.findings.add(Check.UNVERIFIED, (*where, "insecure_skip_verify"), UNVERIFIED)
        return TlsSpec(
            ca_file=self._file(shape.ca_file, (*where, "ca_file")),
            cert_file=self._file(shape.cert_file, (*where, "cert_file")),
            key_file=self._file(shape.key_file, (*where, "key_file")),
            server_name=shape.server_name,
            insecure_skip_verify=bool(shape.insecure_skip_verify),
        )

    def _proxy(self, url: str | None, where: Where) -> str | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url)
            usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            self.findings.add(Check.PROXY, where, "the URL of a proxy must be like http://host:port")
        elif parts.username is not None or parts.password is not None:
            self.findings.add(Check.PROXY, where, "a proxy that wants credentials is not supported")
        return url


def has_secret(headers: dict[str, HeaderShape] | None) -> bool:
    """Whether a header holds a credential."""
    return any(header.secrets or header.files for header in (headers or {}).values())


def _trouble(path: Path) -> str | None:
    """Why a file cannot be read now."""
    try:
        is_directory = S_ISDIR(path.stat().st_mode)  # exists() and is_dir() hide other errors since Python 3.14
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a zero byte, which no name has
        return "is not there now"
    except OSError as error:  # a directory on the way that may not be entered, or a name that is too long
        return f"cannot be looked at ({error.strerror})"
    if is_directory:
        return "is a directory"
    return None if os.access(path, os.R_OK) else "may not be read by this user"


def stays_on_host(host: str) -> bool:
    """Whether a host is this machine itself, or the metadata service of a cloud, which is on it and has no https."""
    if host == "localhost" or host.endswith(".localhost") or host in METADATA_SERVICES:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
