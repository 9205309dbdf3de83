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
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from timepoint.errors import SourceError
from timepoint.request.spec import SecretSource, SourceSpec
from timepoint.secret import Secret

if TYPE_CHECKING:
    from timepoint.request.prepare import PreparedRequest

MAX_SECRET_FILE = 64 * 1024
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")  # RFC 9110, 5.5, without C1 controls
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


class Authenticator(Protocol):
    """Gives the headers that carry credentials; asked before every attempt."""

    async def credentials(self, request: PreparedRequest) -> dict[str, Secret]:
        """Header name to value. Raises SourceError("secret", ...)."""
        ...


class HeaderAuthenticator:
    """The custom headers of a source, those of its request, and ``Authorization`` by Basic or another scheme."""

    def __init__(self, source: SourceSpec, userinfo: tuple[Secret, Secret] | None = None) -> None:
        self._source = source
        self._userinfo = userinfo

    async def credentials(self, request: PreparedRequest) -> dict[str, Secret]:
        headers = {}
        for name, value in (*self._source.headers.items(), *request.headers.items()):
            headers[name] = _checked(name, read_secret(value))
        authorization = self._authorization()
        if authorization is not None:
            headers["Authorization"] = _checked("Authorization", authorization)
        return headers

    def _authorization(self) -> Secret | None:
        source = self._source
        if source.authorization is not None:
            credentials = read_secret(source.authorization.credentials)
            return Secret(f"{source.authorization.type} {credentials.reveal()}")
        if source.basic_auth is not None:
            return basic(read_secret(source.basic_auth.username), read_secret(source.basic_auth.password))
        return basic(*self._userinfo) if self._userinfo is not None else None


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
    text = _read(source.file).rstrip("\r\n")
    if not text:
        raise SourceError("secret", f"the secret file {source.file} is empty")
    return Secret(text)


def _read(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would block the whole loop
            raise SourceError("secret", f"the secret file {path} is not a regular file")
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_FILE + 1)
        if len(content) > MAX_SECRET_FILE:
            raise SourceError("secret", f"the secret file {path} is larger than {MAX_SECRET_FILE} bytes")
        return content.decode()
    except OSError as error:
        raise SourceError("secret", f"the secret file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        # The error itself quotes the bytes.
        raise SourceError("secret", f"the secret file {path} is not UTF-8 text") from None


def _checked(name: str, value: Secret) -> Secret:
    """The value, if it can neither end its header nor begin another one."""
    if not _HEADER_NAME.fullmatch(name):
        raise SourceError("secret", f"{name!r} is not the name of a header")
    if not _HEADER_VALUE.fullmatch(value.reveal()):
        raise SourceError("secret", f"the value of the header {name} holds a character that a header cannot carry")
    return value
