"""NDJSON: a JSON value on each line.

Owns: its framing. Must not know: what stands in the values. Source: github.com/ndjson/ndjson-spec.
"""

from __future__ import annotations

import msgspec

from timepoint.errors import ContentError
from timepoint.request.decoders.base import Buffer, Decoder
from timepoint.request.spec import RequestSpec


def decode_ndjson(body: Buffer, _request: RequestSpec) -> msgspec.Raw:
    """An array of the lines.

    One line that is not JSON refuses the whole answer: a body that broke off looks the same, and to use the rest would
    move the watermark past what is missing.
    """
    lines = []
    for number, line in enumerate(bytes(body).split(b"\n"), 1):
        text = line.strip()
        if not text:
            continue
        try:
            msgspec.json.decode(text, type=msgspec.Raw)
        except msgspec.DecodeError as error:
            raise ContentError("not_a_document", f"line {number} is not JSON: {error}") from error
        lines.append(text)
    return msgspec.Raw(b"[" + b",".join(lines) + b"]")


DECODER = Decoder(
    "ndjson",
    decode_ndjson,
    signs=lambda _: ((b"\n", 140),),
    types=frozenset(
        f"application/{name}"
        for name in (
            "x-ndjson",
            "ndjson",
            "jsonl",
            "x-jsonl",
            "jsonlines",
            "x-jsonlines",
            "stream+json",
            "x-json-stream",
        )
    ),
    endings=(".ndjson", ".jsonl"),
)
