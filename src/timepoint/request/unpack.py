"""Archives as bodies: the files in a zip, and what gzip holds where it is the body itself and no coding of HTTP.

Owns: which files of an archive are read, and how much they may hold. Pure. Must not know: HTTP, formats of the files.

An archive is known by its first bytes, with which no text begins. What it holds is bounded while it is unpacked, not by
what it says of itself.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from timepoint.errors import ContentError
from timepoint.request.decoders.registry import by_file
from timepoint.request.inflate import Damaged, Inflate, TooLarge

MOST = 256 * 1024 * 1024
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_EMPTY_ZIP = b"PK\x05\x06"
_TYPES = frozenset(
    f"application/{name}" for name in ("zip", "x-zip", "x-zip-compressed", "gzip", "x-gzip", "octet-stream")
)
_TAIL = 65_557  # a zip ends with its directory's place and a comment of at most 64 KiB
_DIRECTORY = 1 << 20  # bytes of the directory: some ten thousand files
_STEP = 1 << 20
_SHOWN = 5
_LAYERS = 3  # of gzip around what is meant: an API's own, a proxy's, and one of good measure
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, RuntimeError)

Buffer = bytes | bytearray


def is_archive(media_type: str) -> bool:
    """Whether a type is that of an archive, or of bytes that may be one."""
    return media_type in _TYPES


def is_packed(body: Buffer) -> bool:
    """Whether a body is an archive, by its first bytes."""
    return body.startswith((_ZIP, _EMPTY_ZIP, _GZIP))


def unpack(
    body: Buffer, media_type: str, member: str | None, most: int = MOST, *, layers: int = _LAYERS
) -> Iterator[tuple[Buffer, str]]:
    """The files of an archive with the type of each, "" where only JSON would be a guess; gzip holds one.

    ``member`` is a pattern for names of files in a zip, as in a shell; without it there must be only one file. Together
    they may hold ``most`` bytes. ``layers``: so often gzip may be within gzip; there is one that holds itself. Raises
    ContentError.
    """
    kept = "" if is_archive(media_type) else media_type
    if body.startswith(_GZIP):
        if not layers:
            raise ContentError("encoding", f"the body is gzip within gzip, more than {_LAYERS} times over")
        inside = _gunzip(body, most)
        if is_packed(inside):  # a zip in gzip: some proxies compress whatever they pass on
            yield from unpack(inside, media_type, member, most, layers=layers - 1)
        else:
            yield inside, kept
        return
    left = most
    with _opened(body) as archive:
        for entry in _chosen(archive, member):
            content = _read(archive, entry, left, most)
            left -= len(content)
            decoder = by_file(entry.filename)
            yield content, next(iter(sorted(decoder.types)), "") if decoder is not None else kept


def _gunzip(body: Buffer, most: int) -> bytearray:
    stream = Inflate(most, gzip=True)
    try:
        for start in range(0, len(body), _STEP):
            for _ in stream.feed(bytes(body[start : start + _STEP])):
                pass
        stream.close()
    except TooLarge:
        raise _too_large(most) from None
    except Damaged as error:
        raise ContentError("encoding", f"the body is not gzip: {error}") from error
    return stream.output


def _opened(body: Buffer) -> zipfile.ZipFile:
    tail = bytes(body[-_TAIL:])
    end = tail.rfind(_EMPTY_ZIP)
    size = int.from_bytes(tail[end + 12 : end + 16], "little")
    if end < 0 or size > _DIRECTORY:
        what = "it ends before its directory" if end < 0 else "it holds too many files"
        raise ContentError("encoding", f"the body is a zip that cannot be read: {what}")
    try:
        return zipfile.ZipFile(io.BytesIO(body))
    except _DAMAGED as error:
        raise ContentError("encoding", f"the body is a zip that cannot be read: {error}") from error


def _chosen(archive: zipfile.ZipFile, member: str | None) -> list[zipfile.ZipInfo]:
    """The entries that a pattern takes, by name; what macOS adds is no file."""
    named = [entry for entry in archive.infolist() if entry.filename]
    files = [entry for entry in named if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")]
    files.sort(key=lambda entry: entry.filename)
    names = ", ".join(entry.filename for entry in files[:_SHOWN]) + (", ..." if len(files) > _SHOWN else "")
    if member is None:
        if len(files) == 1:
            return files
        what = f"{len(files)} files ({names}): say which with member" if files else "no file"
        raise ContentError("not_a_document", f"the archive holds {what}")
    found = [
        entry
        for entry in files
        if fnmatchcase(entry.filename, member) or fnmatchcase(PurePosixPath(entry.filename).name, member)
    ]
    if not found:
        message = f"no file of the archive fits member {member!r}; it holds {names or 'none'}"
        raise ContentError("not_a_document", message)
    return found


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int, most: int) -> bytearray:
    content = bytearray()
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others may ask for any memory
        raise ContentError("encoding", f"{entry.filename} of the archive has a compression that is not read")
    try:
        with archive.open(entry) as file:
            while piece := file.read(_STEP):
                content += piece
                if len(content) > left:
                    raise _too_large(most)
    except _DAMAGED as error:
        raise ContentError("encoding", f"{entry.filename} of the archive cannot be read: {error}") from error
    return content


def _too_large(most: int) -> ContentError:
    return ContentError("too_large", f"the archive holds more than {most} bytes (see max_body)")
