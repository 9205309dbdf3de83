"""Which format and encoding a client gets.

Owns: reading Accept and Accept-Encoding. Must not know: how a page is made.
Sources: RFC 9110 section 12.5, Prometheus, "Content negotiation". No header, however odd, is an error: what cannot be
read is ignored, and if nothing is left the answer is text 0.0.4, which every scraper reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from timepoint.exposition.formats import ESCAPINGS, OPENMETRICS, OPENMETRICS_0_0_1, TEXT, TEXT_1_0_0, Format

__all__ = ["Format", "Negotiated", "negotiate"]

# The order is ours, for ranges that match several: the plainest that is meant by the range.
_ALL = (TEXT, OPENMETRICS, OPENMETRICS_0_0_1, TEXT_1_0_0)

_ITEM = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+')
_PARAMETER = re.compile(r'(?:[^;"]|"(?:[^"\\]|\\.)*"?)+')
_QUALITY = re.compile(r"(?:0(?:\.[0-9]*)?|1(?:\.0*)?|\.[0-9]+)")


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What the client gets."""

    format: Format
    gzip: bool


@dataclass(frozen=True, slots=True)
class _Item:
    """One element of an Accept header: value in lower case, q-value and the other parameters."""

    value: str
    quality: float
    parameters: dict[str, str]

    def matches(self, candidate: Format) -> int:
        """How specific the range is for a format: 0 no match, 1 ``*/*``, 2 ``text/*``, 3 the type, 4 with version."""
        kind = candidate.media_type.partition("/")[0]
        if self.value == candidate.media_type:
            version = self.parameters.get("version")
            if version is None:
                return 3
            return 4 if version == candidate.version else 0
        return {"*/*": 1, f"{kind}/*": 2}.get(self.value, 0)


def negotiate(accept: str | None, accept_encoding: str | None) -> Negotiated:
    """The format and encoding for the two request headers (None if absent; several lines joined by a comma).

    The range with the highest q wins, the first of equals. ``q=0`` refuses. A range that matches several formats takes
    the one that it most plainly means: ``*/*`` text 0.0.4, a type without version the oldest.
    """
    return Negotiated(_format(accept or ""), _wants_gzip(accept_encoding or ""))


def _format(accept: str) -> Format:
    items = list(_items(accept))
    if not items:
        return TEXT
    allowed = [candidate for candidate in _ALL if not _refused(candidate, items)]
    for item in sorted(items, key=lambda item: -item.quality):
        for candidate in allowed:
            if item.quality and item.matches(candidate):
                return _with_escaping(candidate, item)
    return TEXT


def _refused(candidate: Format, items: list[_Item]) -> bool:
    """Whether the most specific range that matches the format says ``q=0``."""
    closest = max(items, key=lambda item: (item.matches(candidate), item.quality))
    return closest.quality == 0 and closest.matches(candidate) > 0


def _with_escaping(chosen: Format, item: _Item) -> Format:
    escaping = item.parameters.get("escaping", "").lower()
    return replace(chosen, escaping=escaping) if chosen.has_escaping and escaping in ESCAPINGS else chosen


def _wants_gzip(accept_encoding: str) -> bool:
    qualities = {item.value: item.quality for item in _items(accept_encoding)}
    return next((qualities[name] > 0 for name in ("gzip", "x-gzip", "*") if name in qualities), False)


def _items(header: str) -> Iterator[_Item]:
    for element in _ITEM.findall(header):
        value, *parameters = (part.strip() for part in _PARAMETER.findall(element) or [""])
        pairs = dict(_parameter(text) for text in parameters)
        quality = pairs.pop("q", "1")
        if _QUALITY.fullmatch(quality):
            yield _Item(value.lower(), float(quality), pairs)


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = (part.strip() for part in text.partition("="))
    if value.startswith('"'):
        value = re.sub(r"\\(.)", r"\1", value.removeprefix('"').removesuffix('"'))
    return name.lower(), value
