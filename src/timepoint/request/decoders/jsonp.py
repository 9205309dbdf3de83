"""JSONP: JSON in the brackets of a call, or given to a variable.

Owns: its framing. Must not know: what stands in the brackets.
"""

from __future__ import annotations

import re

import msgspec

from timepoint.errors import ContentError
from timepoint.request.decoders.base import Buffer, Decoder
from timepoint.request.spec import RequestSpec

# A comment ends at its first end: where one might go on over it there were 2^n ways to read n comments, and 512 bytes
# were not read to their end.
_CALLBACK = re.compile(rb"\s*+(?:/\*(?:[^*]|\*(?!/))*+\*/\s*+)*+(?:typeof\s[^;&]*&&\s*)?[\w$.\[\]'\"]+\s*\(", re.DOTALL)
_VARIABLE = re.compile(
    rb"\s*+(?:/\*(?:[^*]|\*(?!/))*+\*/\s*+)*+(?:(?:var|let|const)\s++)?[\w$.\[\]'\"]++\s*+=\s*+(?=[{\[])", re.DOTALL
)
_CALLBACK_LENGTH = 512


def decode_jsonp(body: Buffer, _request: RequestSpec) -> msgspec.Raw:
    """What stands in the call's brackets, or after ``var x =``.

    A body that begins with data is taken as JSON: that is how some servers label it.
    """
    head = bytes(body[:_CALLBACK_LENGTH])
    if head.lstrip()[:1] in (b"{", b"["):
        return msgspec.Raw(body)
    call = _CALLBACK.match(head)
    text = bytes(body)
    variable = _VARIABLE.match(head)
    if variable is not None:
        return msgspec.Raw(text[variable.end() :].rstrip(b" \t\r\n;"))
    end = text.rfind(b")")
    if call is None or end < call.end() or text[end + 1 :].strip(b" \t\r\n;"):
        raise ContentError(
            "not_a_document", "the body is not JSONP: there is neither a call around the data nor a variable"
        )
    return msgspec.Raw(memoryview(text)[call.end() : end])


DECODER = Decoder(
    "jsonp",
    decode_jsonp,
    types=frozenset(
        {"application/javascript", "text/javascript", "application/x-javascript", "application/ecmascript"}
    ),
    endings=(".js", ".jsonp"),
)
