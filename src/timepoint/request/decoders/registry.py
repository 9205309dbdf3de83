"""All decoders.

Owns: the list of them, and which one a media type or the name of a file asks for. Must not know: how any of them works.
"""

from __future__ import annotations

from types import MappingProxyType

from timepoint.request.decoders import elements, jsonp, lines, ndjson, plain, tables
from timepoint.request.decoders.base import Decoder

DECODERS = MappingProxyType(
    {
        decoder.name: decoder
        for decoder in (
            plain.DECODER,
            ndjson.DECODER,
            jsonp.DECODER,
            tables.DECODER,
            elements.DECODER,
            lines.DECODER,
        )
    }
)
"""By name, in the order in which the documentation lists them."""


def by_type(media_type: str) -> Decoder | None:
    """The decoder of a media type in lower case, without parameters."""
    for decoder in DECODERS.values():
        if media_type in decoder.types:
            return decoder
    return next((d for d in DECODERS.values() if d.suffix and media_type.endswith(d.suffix)), None)


def by_file(name: str) -> Decoder | None:
    """The decoder of a file by the ending of its name."""
    return next((d for d in DECODERS.values() if d.endings and name.lower().endswith(d.endings)), None)
