"""Reading credentials.

Owns: where the text of a credential comes from (a file anew for every attempt, so a rotated one is seen), and whether a
header can carry it. Must not know: what it is for.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path

from timepoint.errors import SourceError
from timepoint.request.spec import SecretSource
from timepoint.secret import Secret

MAX_SECRET_FILE = 64 * 1024
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")  # RFC 9110, 5.5, without C1 controls
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


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


def checked_header(name: str, value: Secret) -> Secret:
    """The value of a header, if it can neither end it nor begin another one. Raises SourceError("secret", ...)."""
    if not _HEADER_NAME.fullmatch(name):
        raise SourceError("secret", f"{name!r} is not the name of a header")
    if not _HEADER_VALUE.fullmatch(value.reveal()):
        raise SourceError("secret", f"the value of the header {name} holds a character that a header cannot carry")
    return value
