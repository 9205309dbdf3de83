"""An answer becomes a document.

Owns: which decoder an answer needs, what is no answer at all. Pure. Must not know: how the answer was fetched, the
formats themselves (``decoders``), the mapping.

JSON is not parsed here: the document is ``msgspec.Raw``, which the mapping decodes entity by entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from timepoint.errors import ContentError
from timepoint.request.answer import Answer
from timepoint.request.charsets import as_utf8, check_charset
from timepoint.request.decoders.base import Buffer
from timepoint.request.decoders.registry import DECODERS, by_type
from timepoint.request.spec import RequestSpec
from timepoint.request.unpack import MOST, is_archive, is_packed, unpack

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_MEDIA_TYPE = re.compile(r"(application|audio|font|image|message|model|multipart|text|video)/[a-z0-9!#$&^_.+-]{1,60}")


def decoder_name(content_type: str, asked: str | None) -> str:
    """The name of a decoder; what the request asks for counts more than the header.

    Raises ContentError("content_type", ...) for what cannot be decoded.
    """
    kind = media_type(content_type)
    decoder = DECODERS.get(asked) if asked is not None else None if kind in _HTML else by_type(kind)
    if decoder is not None:
        return decoder.name
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


def media_type(content_type: str) -> str:
    """The type of a Content-Type header in lower case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def check_type(content_type: str, asked: str | None, charset: str | None = None) -> None:
    """Raises ContentError if a body of this type could not be decoded, so that it need not be fetched."""
    if not is_archive(media_type(content_type)):
        decoder_name(content_type, asked)
    if charset is None:
        check_charset(content_type)


def decode(answer: Answer, request: RequestSpec) -> Any:
    """The one document of an answer: a JSON-like value, or ``msgspec.Raw`` for JSON that is not decoded yet.

    Raises ContentError, whose text begins with the answer's URL; also if it is an archive of several.
    """
    found = list(documents(answer, request))
    if len(found) != 1:
        message = f"{answer.url}: the archive holds {len(found)} files, and one document is needed here"
        raise ContentError("not_a_document", message)
    return found[0]


def documents(answer: Answer, request: RequestSpec, most: int = MOST) -> Iterator[Any]:
    """The documents of an answer: those in an archive, in the order of their names, or the one that it is.

    ``most`` bounds what an archive may hold, in bytes. Raises ContentError, whose text begins with the answer's URL.
    """
    try:
        if not is_packed(answer.body):
            yield _decode(answer.body, answer.content_type, request)
            return
        for body, content_type in unpack(answer.body, media_type(answer.content_type), request.member, most):
            yield _decode(body, content_type, request)
    except ContentError as error:
        raise ContentError(error.reason, f"{answer.url}: {error}") from error.__cause__


def _decode(body: bytes | bytearray, content_type: str, request: RequestSpec) -> Any:
    name = decoder_name(content_type, request.decode)
    text = as_utf8(body, content_type, request.charset)
    _refuse_markup(text, name)
    return DECODERS[name].decode(text, request)


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
