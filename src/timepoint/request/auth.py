"""Credentials become headers.

Owns: reading secrets (a file anew for every attempt, so a rotated one is seen), the Basic and Bearer schemes, custom
headers. Must not know: sockets, retries, templates.

``Authenticator`` is the seam for schemes that ask somebody for a token or sign the whole request: it is asynchronous
and sees the request as it will be sent.
"""

from __future__ import annotations

import re
import stat
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from timepoint.errors import SourceError
from timepoint.request.spec import SecretSource, SourceSpec
from timepoint.secret import Secret

if TYPE_CHECKING:
    from timepoint.request.prepare import PreparedRequest

_PLAIN_HEADERS = frozenset({"accept", "accept-language", "content-type", "user-agent"})  # no secrets, but common words
_PAIR = 2  # user name and password
MAX_SECRET_FILE = 64 * 1024
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")  # RFC 9110, 5.5, without C1 controls
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


@dataclass(frozen=True, slots=True)
class Credentials:
    """Headers to send, and every text that must be masked in what comes back."""

    headers: Mapping[str, Secret]
    hidden: tuple[Secret, ...]


class Authenticator(Protocol):
    """Gives the headers that carry credentials; asked before every attempt."""

    async def credentials(self, request: PreparedRequest) -> Credentials:
        """Raises SourceError("secret", ...)."""
        ...


class HeaderAuthenticator:
    """The custom headers of a source, those of its request, and ``Authorization`` by Basic or another scheme."""

    def __init__(self, source: SourceSpec, userinfo: tuple[Secret, Secret] | None = None) -> None:
        self._source = source
        self._userinfo = userinfo

    async def credentials(self, request: PreparedRequest) -> Credentials:
        headers = {}
        for name, value in (*self._source.headers.items(), *request.headers.items()):
            headers[name] = _checked(name, read_secret(value))
        hidden = tuple(value for name, value in headers.items() if name.lower() not in _PLAIN_HEADERS)
        kind, parts = self._authorization()
        if kind is not None:
            line = basic(*parts) if len(parts) == _PAIR else Secret(f"{kind} {parts[0].reveal()}")
            headers["Authorization"] = _checked("Authorization", line)
            hidden += (*parts, Secret(line.reveal().partition(" ")[2]))
        return Credentials(headers, hidden)

    def _authorization(self) -> tuple[str | None, tuple[Secret, ...]]:
        """The scheme of the Authorization header and what it is made of."""
        source = self._source
        if source.authorization is not None:
            return source.authorization.type, (read_secret(source.authorization.credentials),)
        if source.basic_auth is not None:
            return "Basic", (read_secret(source.basic_auth.username), read_secret(source.basic_auth.password))
        return ("Basic", self._userinfo) if self._userinfo is not None else (None, ())


def basic(username: Secret, password: Secret) -> Secret:
    """The value of an ``Authorization`` header by the Basic scheme. Source: RFC 7617."""
    if ":" in username.reveal():
        raise SourceError("secret", "the user name of basic_auth holds a colon, which the Basic scheme cannot send")
    pair = f"{username.reveal()}:{password.reveal()}"
    return Secret("Basic " + b64encode(pair.encode()).decode())


def read_secret(source: SecretSource) -> Secret:
    """The credential itself; of a file without the line end that editors leave there.

    Raises SourceError("secret", ...) which names the file.
    """
    if source.text is not None:
        return source.text
    if source.file is None:
        raise SourceError("secret", "a credential is neither given nor has it a file")
    text = _read(source.file, source.shown).rstrip("\r\n")
    if not text:
        raise SourceError("secret", f"the secret file {source.shown} is empty")
    return Secret(text)


def _read(path: Path, shown: str) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block the whole loop
            raise SourceError("secret", f"the secret file {shown} is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_FILE + 1)
        if len(content) > MAX_SECRET_FILE:
            raise SourceError("secret", f"the secret file {shown} is larger than {MAX_SECRET_FILE} bytes")
        return content.decode()
    except OSError as error:
        # The error itself holds the path.
        raise SourceError("secret", f"the secret file {shown} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        # The error itself quotes the bytes.
        raise SourceError("secret", f"the secret file {shown} is not UTF-8 text") from None


def _checked(name: str, value: Secret) -> Secret:
    """The value, if it can neither end its header nor begin another one."""
    if not _HEADER_NAME.fullmatch(name):
        raise SourceError("secret", f"{name!r} is not the name of a header")
    if not _HEADER_VALUE.fullmatch(value.reveal()):
        raise SourceError("secret", f"the value of the header {name} holds a character that a header cannot carry")
    return value
