"""What may be shown of a request and of an answer.

Owns: masking known secrets in foreign text, and excerpts of bodies. Must not know: where secrets come from, HTTP.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape
from urllib.parse import quote, quote_plus

from timepoint.secret import MASK

_SHORTEST = 4
_CUT = re.compile(r"(\.{3,}|\u2026)")
EXCERPT = 200  # characters of a body that an error may show


class Redactor:
    """Masks texts that must not be shown, as they are and as an API may echo them (in a URL, in JSON, in HTML).

    Texts of less than four characters are not masked: they are guessed in no time, and without them every text would
    be garbled.
    """

    __slots__ = ("_longest", "_pattern", "_reversed", "_variants")

    def __init__(self, hidden: Iterable[str]) -> None:
        variants = {variant for text in hidden if len(text) >= _SHORTEST for variant in _variants(text)}
        self._variants = variants
        self._reversed = {text[::-1] for text in variants}
        self._longest = max(map(len, variants), default=0)
        alternatives = "|".join(re.escape(text) for text in sorted(variants, key=len, reverse=True))
        self._pattern = re.compile(alternatives, re.IGNORECASE) if alternatives else None

    def mask(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text

    def mask_quoted(self, text: str) -> str:
        """Masks also what is left of a text that was cut, on either side of an ellipsis."""
        pieces = _CUT.split(self.mask(text))
        for place in range(0, len(pieces) - 2, 2):
            pieces[place] = _without_end(pieces[place], self._variants)
            pieces[place + 2] = _without_end(pieces[place + 2][::-1], self._reversed, MASK[::-1])[::-1]
        return "".join(pieces)

    def excerpt(self, body: bytes | bytearray, *, cut: bool) -> str:
        """The first printable characters of a body, on one line. ``cut``: the body goes on after these bytes."""
        text = self.mask(body.decode("utf-8", "replace"))
        if cut and self._longest:  # a secret may lie across the cut, where it is not recognised
            text = text[: -self._longest]
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f"{text[:EXCERPT]}…" if len(text) > EXCERPT else text

    def __repr__(self) -> str:
        return "Redactor()"


def _without_end(text: str, hidden: Iterable[str], mask: str = MASK) -> str:
    """The text without the longest of its ends that is the beginning of a hidden text."""
    longest = 0
    for known in hidden:
        place = text.find(known[:_SHORTEST], max(0, len(text) - len(known)))
        while place >= 0:
            if known.startswith(text[place:]):
                longest = max(longest, len(text) - place)
                break
            place = text.find(known[:_SHORTEST], place + 1)
    return text[: len(text) - longest] + mask if longest else text


def _variants(text: str) -> Iterable[str]:
    """How an API may write a text, and how that looks where it is quoted."""
    for written in _writings(text):
        yield written
        yield repr(written)[1:-1]
        yield written.replace("\\", "\\\\").replace("'", "\\'")


def _writings(text: str) -> Iterable[str]:
    yield text
    yield quote(text, safe="")
    yield quote(text)
    yield quote(text, safe="/:@!$&'()*+,;=~")
    yield quote_plus(text)
    yield escape(text)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
