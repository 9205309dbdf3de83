"""An answer becomes a document.

Owns: which decoder an answer needs, charsets, the framing of NDJSON and JSONP. Pure. Must not know: how the answer was
fetched, the mapping.

JSON is not parsed here: the document is ``msgspec.Raw``, which the mapping decodes entity by entity. CSV and XML
(``tables``, ``elements``) are.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any

import msgspec

from timepoint.errors import ContentError
from timepoint.request.answer import Answer
from timepoint.request.elements import decode_xml
from timepoint.request.spec import RequestSpec
from timepoint.request.tables import decode_csv

_JSON = frozenset(
    {"", "application/json", "text/json", "text/plain", "application/octet-stream", "binary/octet-stream"}
)
_NDJSON = frozenset(
    f"application/{name}"
    for name in ("x-ndjson", "ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines", "stream+json", "x-json-stream")
)
_JSONP = frozenset({"application/javascript", "text/javascript", "application/x-javascript", "application/ecmascript"})
_CSV = frozenset({"text/csv", "application/csv", "text/tab-separated-values"})
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_XML = frozenset({"application/xml", "text/xml"})
_BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NULLS = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False): "utf-16-be",
    (False, True): "utf-16-le",
}
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"(application|audio|font|image|message|model|multipart|text|video)/[a-z0-9!#$&^_.+-]{1,60}")
_KNOWN_CHARSET = re.compile(r"utf-(8|16|32)(-[bl]e)?|ascii|iso8859-\d+|cp125\d")
_CALLBACK = re.compile(rb"\s*(?:/\*.*?\*/\s*)*(?:typeof\s[^;&]*&&\s*)?[\w$.\[\]'\"]+\s*\(", re.DOTALL)
_CALLBACK_LENGTH = 512
_BLANK = 64  # bytes that are looked at to tell an empty body

Buffer = bytes | bytearray | memoryview


def decoder_name(content_type: str, asked: str | None) -> str:
    """The name of a decoder; what the request asks for counts more than the header.

    Raises ContentError("content_type", ...) for what cannot be decoded.
    """
    kind = content_type.partition(";")[0].strip().lower()
    name = asked or _by_type(kind)
    if name in _DECODERS:
        return name
    if kind in _HTML:
        raise ContentError(
            "content_type",
            "the answer is an HTML page, perhaps a login page: check URL and credentials (if the API only labels its "
            "JSON wrongly, set decode: json)",
        )
    shown = kind if _MEDIA_TYPE.fullmatch(kind) else "that is no media type"
    raise ContentError(
        "content_type", f"the answer has a Content-Type {shown}, which is not known; if it is JSON, set decode: json"
    )


def check_type(content_type: str, asked: str | None) -> None:
    """Raises ContentError if a body of this type could not be decoded, so that it need not be fetched."""
    decoder_name(content_type, asked)
    _charset(content_type)


def _by_type(kind: str) -> str | None:
    if kind in _NDJSON:
        return "ndjson"
    if kind in _JSON or kind.endswith("+json"):
        return "json"
    if kind in _JSONP:
        return "jsonp"
    if kind in _CSV:
        return "csv"
    return "xml" if kind in _XML or (kind.endswith("+xml") and kind not in _HTML) else None


def decode(answer: Answer, request: RequestSpec) -> Any:
    """The document of an answer: a JSON-like value, or ``msgspec.Raw`` for JSON that is not decoded yet.

    Raises ContentError, whose text begins with the answer's URL.
    """
    try:
        name = decoder_name(answer.content_type, request.decode)
        body = _as_utf8(answer.body, answer.content_type)
        _refuse_markup(body, name)
        return _DECODERS[name](body, request)
    except ContentError as error:
        raise ContentError(error.reason, f"{answer.url}: {error}") from error.__cause__


def _as_utf8(body: bytes | bytearray, content_type: str) -> Buffer:
    """The body in UTF-8 without a mark. A mark counts more than the header, NULs more than a header that is silent."""
    for mark, encoding in _BOMS:
        if body.startswith(mark):
            rest = memoryview(body)[len(mark) :]
            return rest if encoding == "utf-8" else _transcode(rest, encoding)
    charset = _charset(content_type)
    if charset == "utf-8":
        return _transcode(body, encoding) if (encoding := _wide(body)) else body
    if charset in ("utf-16", "utf-32"):
        return _transcode(body, _wide(body) or f"{charset}-be")  # RFC 2781, 4.3
    if charset.startswith("utf-"):
        return _transcode(body, charset)
    try:  # a server's default charset is often put on bodies that are UTF-8 after all
        return bytes(body).decode().encode()
    except UnicodeDecodeError:
        return _transcode(body, charset)


def _charset(content_type: str) -> str:
    match = _CHARSET.search(content_type)
    if match is None:
        return "utf-8"
    try:
        name = codecs.lookup(match[1]).name
    except LookupError:
        name = ""
    if not _KNOWN_CHARSET.fullmatch(name):
        raise ContentError("encoding", f"the answer has a charset that is not known{name and f': {name}'}")
    return name


def _wide(body: Buffer) -> str:
    """UTF-16 or UTF-32 by the NULs around the first, always ASCII, characters. Source: RFC 4627, 3."""
    nulls = tuple(byte == 0 for byte in bytes(body[:4]))
    return _NULLS.get(nulls) or _NULLS.get(nulls[:2], "")


def _transcode(body: Buffer, encoding: str) -> bytes:
    try:
        return codecs.decode(bytes(body), encoding).encode()
    except UnicodeDecodeError as error:
        raise ContentError("encoding", f"the body is not {encoding.upper()} at byte {error.start}") from None


def _refuse_markup(body: Buffer, decoder: str) -> None:
    start = bytes(body[:256]).lstrip()
    if not start.startswith(b"<"):
        return
    if _is_html(start):
        message = "the body is an HTML page, perhaps a login page: check URL and credentials"
        raise ContentError("not_a_document", message)
    if decoder != "xml":
        raise ContentError("not_a_document", "the body is XML: set decode: xml if that is what the API means")


def _is_html(start: bytes) -> bool:
    return start[:14].lower() == b"<!doctype html" or start[:5].lower() in (b"<html", b"<head", b"<body")


def _json(body: Buffer, _request: RequestSpec) -> msgspec.Raw:
    if not bytes(body[:_BLANK]).strip() and len(body) <= _BLANK:
        raise ContentError("not_a_document", "the body is empty")
    return msgspec.Raw(body)


def _ndjson(body: Buffer, _request: RequestSpec) -> msgspec.Raw:
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


def _jsonp(body: Buffer, _request: RequestSpec) -> msgspec.Raw:
    """What stands in the call's brackets. A body without a call is taken as JSON: that is how some servers label it."""
    head = bytes(body[:_CALLBACK_LENGTH])
    if head.lstrip()[:1] in (b"{", b"["):
        return msgspec.Raw(body)
    call = _CALLBACK.match(head)
    text = bytes(body)
    end = text.rfind(b")")
    if call is None or end < call.end() or text[end + 1 :].strip(b" \t\r\n;"):
        raise ContentError("not_a_document", "the body is not JSONP: there is no call around the data")
    return msgspec.Raw(memoryview(text)[call.end() : end])


def _csv(body: Buffer, request: RequestSpec) -> list[dict[str, str]]:
    try:
        text = bytes(body).decode()
    except UnicodeDecodeError as error:
        raise ContentError("encoding", f"the body is not UTF-8 at byte {error.start}") from None
    return decode_csv(text, request.csv)


def _xml(body: Buffer, _request: RequestSpec) -> dict[str, Any]:
    return decode_xml(bytes(body))


_DECODERS: dict[str, Callable[[Buffer, RequestSpec], Any]] = {
    "json": _json,
    "ndjson": _ndjson,
    "jsonp": _jsonp,
    "csv": _csv,
    "xml": _xml,
}
