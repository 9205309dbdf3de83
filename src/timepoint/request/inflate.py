"""Content codings of a body: identity, gzip and deflate, one layer, never more output than is allowed.

Owns: bounded decompression of a stream. Pure. Must not know: HTTP beyond the names of the codings.

zlib, not isal: 34 MB of JSON numbers take it 0.11 s of CPU, isal 0.05 s, and ``orjson.loads`` of the same body 0.86 s.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

ACCEPT_ENCODING = "gzip, deflate"
STEP = 1 << 20  # output of one call: about 3 ms of work, so that the loop may breathe in between
_GZIP_MAGIC = b"\x1f\x8b"


class TooLarge(Exception):  # noqa: N818 - it is not an error of this room: the caller says what the limit was
    """More output than is allowed."""


class Damaged(Exception):  # noqa: N818 - likewise
    """What came is not what the coding promises."""


class Decoder(Protocol):
    """Takes the body as it comes and appends what it stands for to ``output``."""

    output: bytearray

    def feed(self, data: bytes) -> Iterator[None]:
        """Works through ``data``, pausing after each step. Raises TooLarge or Damaged."""
        ...

    def close(self) -> None:
        """Raises Damaged if the body is not complete."""
        ...


def decoder(coding: str, limit: int) -> Decoder | None:
    """The decoder of a Content-Encoding header, None if the coding is not known here. Layers are not known either."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return Identity(limit)
    if coding in ("gzip", "x-gzip"):
        return Inflate(limit, gzip=True)
    return Inflate(limit, gzip=False) if coding == "deflate" else None


class Identity:
    """No coding."""

    def __init__(self, limit: int) -> None:
        self.output = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[None]:
        if len(self.output) + len(data) > self._limit:
            raise TooLarge
        self.output += data
        return iter(())

    def close(self) -> None:
        """Every body is complete here; the framing of HTTP has been checked by then."""


class Inflate:
    """gzip (RFC 1952, with all its members) or deflate (RFC 1950, or raw RFC 1951 as some servers send it).

    Bytes behind the last member are ignored, as browsers do: each member has a checksum of its own.
    """

    def __init__(self, limit: int, *, gzip: bool) -> None:
        self.output = bytearray()
        self._limit = limit
        self._gzip = gzip
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16) if gzip else None
        self._held = b""  # the first bytes, until there are enough to tell what they begin
        self._ended = False
        self._seen = False
        self._more = False  # zlib holds output that a bounded step had no room for

    def feed(self, data: bytes) -> Iterator[None]:
        self._seen = self._seen or bool(data)
        while data or self._more:
            if self._ended:
                data = self._next_member(data)
            elif self._stream is None:
                data = self._begin_deflate(data)
            if self._stream is not None and not self._ended and (data or self._more):
                data = self._inflate(self._stream, data)
                yield

    def close(self) -> None:
        if self._seen and not self._ended:
            raise Damaged("it ends in the middle of the compressed data")

    def _inflate(self, stream: zlib._Decompress, data: bytes) -> bytes:
        """One bounded step; gives back what is still to be worked on."""
        most = min(STEP, self._limit - len(self.output) + 1)
        try:
            output = stream.decompress(data, most)
        except zlib.error as error:
            raise Damaged(str(error)) from error
        self.output += output
        if len(self.output) > self._limit:
            raise TooLarge
        self._more = len(output) == most and not stream.eof
        if stream.eof:
            self._ended = True
            return stream.unused_data
        return stream.unconsumed_tail

    def _next_member(self, data: bytes) -> bytes:
        self._held += data
        if not self._gzip or not self._held.startswith(_GZIP_MAGIC[: len(self._held)]):
            self._held = b""
            self._gzip = False  # from here on it is padding
            return b""
        if len(self._held) < len(_GZIP_MAGIC):
            return b""
        data, self._held = self._held, b""
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._ended = False
        return data

    def _begin_deflate(self, data: bytes) -> bytes:
        data, self._held = self._held + data, b""
        if len(data) < 2:  # noqa: PLR2004 - the header of RFC 1950 has two bytes
            self._held = data
            return b""
        wrapped = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
        self._stream = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        return data
