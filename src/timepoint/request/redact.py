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
EXCERPT = 200  # characters of a body that an error may show


class Redactor:
    """Masks texts that must not be shown, as they are and as an API may echo them (in a URL, in JSON, in HTML).

    Texts of less than four characters are not masked: they are guessed in no time, and without them every text would
    be garbled.
    """

    __slots__ = ("_longest", "_pattern")

    def __init__(self, hidden: Iterable[str]) -> None:
        variants = {variant for text in hidden if len(text) >= _SHORTEST for variant in _variants(text)}
        self._longest = max(map(len, variants), default=0)
        alternatives = "|".join(re.escape(text) for text in sorted(variants, key=len, reverse=True))
        self._pattern = re.compile(alternatives, re.IGNORECASE) if alternatives else None

    def mask(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text

    def excerpt(self, body: bytes | bytearray, *, cut: bool) -> str:
        """The first printable characters of a body, on one line. ``cut``: the body goes on after these bytes."""
        text = self.mask(body.decode("utf-8", "replace"))
        if cut and self._longest:  # a secret may lie across the cut, where it is not recognised
            text = text[: -self._longest]
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return f"{text[:EXCERPT]}…" if len(text) > EXCERPT else text

    def __repr__(self) -> str:
        return "Redactor()"


def _variants(text: str) -> Iterable[str]:
    yield text
    yield quote(text, safe="")
    yield quote(text)
    yield quote(text, safe="/:@!$&'()*+,;=~")
    yield quote_plus(text)
    yield escape(text)
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
