"""How much memory a document may take once it is decoded, told before it is.

Owns: the weight of a JSON text, and what the documents of a run may weigh together. Pure. Must not know: how a text is
decoded; ``documents`` asks, and so do the decoders of other formats.

A text of two bytes, ``0,``, may become 80 in memory, and what it becomes is made in one call that nobody can stop. So
the signs that values, names and containers cannot do without are counted before: they bound what comes of a text, and
are counted at 0.6 ns a byte, a sixteenth of what decoding takes.

Weights are bytes that were measured with CPython 3.11 and msgspec 0.22 at the worst bodies of each kind
(docs/operations.md): an element that is kept undecoded takes 80 for its comma, a short text 73, an object of one member
75 for each of its three signs, a name with a list of one number 93.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from timepoint.errors import ContentError

DEFAULT_MEMORY = 1 << 30
"""Bytes that the answer for a window may weigh, unless its source says otherwise."""

SIGN = 90
NUMBER = 24  # an element of a list of which only the number is kept: 8 in its series, the rest while it is counted
_KEPT = 4  # of what a document weighs a fourth may stay as points when the next one is decoded
_WIDEST = 4  # bytes of a character in a text that holds one beyond the first 65,536
_PIECE = 1 << 20
_COUNTED = b",:[{"
_WIDE = bytes(range(0xF0, 0xF5))  # with these UTF-8 begins a character beyond the first 65,536
_BROAD = bytes(range(0xC4, 0xF0))  # and with these those that one byte does not hold
_OTHERS = bytes(set(range(256)) - set(_COUNTED + _WIDE + b"\\"))

_LINE_END = b"\r\n"

_NUMBER = re.compile(rb"&#")
_WIDE_NUMBER = re.compile(rb"&#(?:x0*[1-9a-fA-F][0-9a-fA-F]{4}|0*[1-9][0-9]{4})")

Text = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class Weight:
    """What a JSON text holds: commas, colons, begins of containers, and bytes that its texts may take."""

    commas: int
    colons: int
    containers: int
    texts: int

    @property
    def others(self) -> int:
        """The signs that are no commas."""
        return self.colons + self.containers

    @property
    def whole(self) -> int:
        """Bytes that it may take decoded whole, or down to elements of any kind."""
        return SIGN * (self.commas + self.others) + self.texts

    @property
    def slow(self) -> int:
        """Bytes that it may take where the standard library reads it: pairs before objects, all of it as a text."""
        return SIGN * (self.commas + self.others) * 3 // 2 + 2 * self.texts

    @property
    def of_containers(self) -> int:
        """Bytes that it may take if what it is cut into are objects and arrays, of which one is decoded at a time."""
        return SIGN * self.others + NUMBER * self.commas


class Allowance:
    """What the documents of one run may weigh: each of them, and what is kept of those before it."""

    def __init__(self, most: int = DEFAULT_MEMORY) -> None:
        self.most = most
        self._before = 0
        self._now = 0  # with what is kept of those before it, the weight of the last document
        self._beside: dict[str, int] = {}  # what was made of that document and is held beside it

    def fits(self, weight: int) -> bool:
        """Whether a document of this weight may be decoded."""
        return self._before // _KEPT + weight <= self.most

    def take(self, weight: int) -> None:
        """Notes that a document of this weight is decoded. Raises ContentError if it is too heavy."""
        if not self.fits(weight):
            raise self._too_large("decoded, the answer", self._before // _KEPT + weight)
        self._now = self._before // _KEPT + weight
        self._before += weight
        self._beside.clear()

    def admit_beside(self, weight: int, what: str) -> None:
        """Notes what ``what`` weighs by now beside the document that was taken last, and beside all else noted so.

        Raises ContentError if there is no room for it.
        """
        self._beside[what] = weight
        together = self._now + sum(self._beside.values())
        if together > self.most:
            raise self._too_large(f"with {what}, the answer", together)

    def _too_large(self, what: str, weight: int) -> ContentError:
        return ContentError(
            "too_large",
            f"{what} may take {_shown(weight)} of memory, more than {_shown(self.most)} (max_memory): ask for less at "
            "once (max_span of the window, smaller pages), or raise max_memory of the source",
        )


def weigh(text: Text) -> Weight:
    """What a JSON text holds. It is looked at piece by piece, since a copy of it would be large, too."""
    commas = colons = signs = 0
    is_wide = False
    for start in range(0, len(text), _PIECE):
        piece = bytes(text[start : start + _PIECE])
        kept = piece.translate(None, _OTHERS)
        found = kept.translate(None, _WIDE + b"\\") if b"\\" in kept or not kept.isascii() else kept
        is_wide = is_wide or not kept.isascii() or (found is not kept and _escapes_wide(text, start))
        commas += found.count(b",")
        colons += found.count(b":")
        signs += len(found)
    return Weight(commas, colons, signs - commas - colons, len(text) * (_WIDEST if is_wide else 1))


def _escapes_wide(text: Text, start: int) -> bool:
    """Whether a piece holds an escaped surrogate, half of such a character; one may begin in a piece and end behind."""
    piece = bytes(text[start : start + _PIECE + 3])
    return b"\\ud" in piece or b"\\uD" in piece


def count_signs(text: Text, signs: bytes) -> int:
    """How often any of some bytes stands in a text; a carriage return with its line feed is one of them, not two."""
    others = bytes(set(range(256)) - set(signs))
    pieces = (bytes(text[start : start + _PIECE]) for start in range(0, len(text), _PIECE))
    if set(_LINE_END) <= set(signs):
        return sum(len(piece.translate(None, others)) - piece.count(_LINE_END) for piece in pieces)
    return sum(len(piece.translate(None, others)) for piece in pieces)


def width(text: Text) -> int:
    """Bytes that each character of a text takes once it is no UTF-8 any more; XML may write one by its number."""
    if count_signs(text, _WIDE) or _WIDE_NUMBER.search(text):
        return _WIDEST
    return 2 if count_signs(text, _BROAD) or _NUMBER.search(text) else 1


def _shown(size: int) -> str:
    """A size as it can be written in a config, rounded down."""
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB")):
        if size >= 10 * unit or size == unit:
            return f"{size // unit}{name}"
    return f"{size >> 10}KB" if size >= 1 << 10 else f"{size}B"
