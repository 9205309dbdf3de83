"""The answer of an API, as the fetching hands it to the decoding.

Owns: that one value object. Must not know: how it was fetched or what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from timepoint.request.shown import ShownRequest


@dataclass(frozen=True, slots=True)
class Answer:
    """One accepted answer.

    ``content_type`` is the header as sent ("" if there was none). ``body`` is decompressed; ``url`` is fit to be shown.
    ``attempts`` counts the tries that it took, ``wire_bytes`` the size of the body as it came. ``empty`` says that the
    status alone means "nothing yet" (204, or one of ``empty_status``); the body is then ``b""``. ``is_beyond`` marks a
    page behind the last row. ``said_at`` is the source's own clock (its Date header), None if it does not tell.
    ``headers`` are by their names in small letters. ``mask`` takes what the request had to hide out of a text that
    quotes the body: an API may say back what it was told. ``asked`` is the request as it may be shown.
    ``doubt`` is a sentence on why this is probably not all, though nothing is wrong; empty if there is none.
    """

    status: int
    content_type: str
    body: bytes | bytearray
    url: str
    attempts: int = 1
    wire_bytes: int = 0
    empty: bool = False
    is_beyond: bool = False
    said_at: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    mask: Callable[[str], str] = field(default=str, compare=False)
    asked: ShownRequest | None = field(default=None, compare=False)
    doubt: str = ""

    def __repr__(self) -> str:
        return f"Answer({self.status}, {self.content_type!r}, {len(self.body)} bytes, {self.url!r})"
