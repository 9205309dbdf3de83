"""JSON.

Owns: the types that mean JSON. Must not know: what stands in it; the mapping decodes it entity by entity.
"""

from __future__ import annotations

import msgspec

from timepoint.errors import ContentError
from timepoint.request.decoders.base import Buffer, Decoder
from timepoint.request.spec import RequestSpec

_BLANK = 64  # bytes that are looked at to tell an empty body


def decode_json(body: Buffer, _request: RequestSpec) -> msgspec.Raw:
    """The body as it is, unless there is nothing in it."""
    if not bytes(body[:_BLANK]).strip() and len(body) <= _BLANK:
        raise ContentError("not_a_document", "the body is empty")
    return msgspec.Raw(body)


DECODER = Decoder(
    "json",
    decode_json,
    types=frozenset(
        {"", "application/json", "text/json", "text/plain", "application/octet-stream", "binary/octet-stream"}
    ),
    suffix="+json",
    endings=(".json",),
)
