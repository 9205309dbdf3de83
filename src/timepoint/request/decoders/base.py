"""What a decoder is.

Owns: that value object. Must not know: any decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timepoint.request.spec import RequestSpec

Buffer = bytes | bytearray | memoryview


Signs = tuple[tuple[bytes, int], ...]
"""Bytes, and how much memory each of them stands for."""


def _no_signs(_request: RequestSpec) -> Signs:
    return ()


@dataclass(frozen=True, slots=True)
class Decoder:
    """A format of bodies. ``name`` is what ``decode`` of a request calls it.

    ``decode`` takes the body in UTF-8 and gives JSON data, or ``msgspec.Raw`` for JSON that the mapping may decode part
    by part; it raises ContentError without a URL in front. ``types`` are its media types, ``suffix`` the ending of
    others (``+json``), ``endings`` are those of its files.
    ``signs`` are bytes that a format cannot do without, and how much memory what stands behind one of them may take:
    measured with CPython 3.11 at the worst bodies. What becomes ``msgspec.Raw`` is weighed when that is decoded.
    ``held`` is what a long text takes meanwhile: bytes for each of its own, and how many copies in Python's own form,
    which takes four for each if there is a character beyond the first 65,536.
    """

    name: str
    decode: Callable[[Buffer, RequestSpec], Any]
    signs: Callable[[RequestSpec], Signs] = _no_signs
    held: tuple[int, int] = (0, 1)
    types: frozenset[str] = frozenset()
    suffix: str = ""
    endings: tuple[str, ...] = ()
