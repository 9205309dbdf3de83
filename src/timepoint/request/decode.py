"""An answer becomes a document.

Owns: which decoder an answer needs, what is no answer at all. Pure. Must not know: how the answer was fetched, the
formats themselves (``decoders``), the mapping.

JSON is not parsed here: the document is ``msgspec.Raw``, which the mapping decodes entity by entity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from timepoint.errors import ContentError
from timepoint.mapping.weight import DEFAULT_MEMORY, Allowance, count_signs, weigh, width
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


def decode(answer: Answer, request: RequestSpec, memory: int = DEFAULT_MEMORY) -> Any:
    """The one document of an answer: a JSON-like value, or ``msgspec.Raw`` for JSON that is not decoded yet.

    ``memory`` is what it may take decoded whole, in bytes. Raises ContentError, whose text begins with the answer's
    URL; also if it is an archive of several.
    """
    allowance = Allowance(memory)
    found = list(documents(answer, request, allowance=allowance))
    if len(found) != 1:
        message = f"{answer.url}: the archive holds {len(found)} files, and one document is needed here"
        raise ContentError("not_a_document", message)
    if isinstance(found[0], msgspec.Raw):
        try:
            allowance.take(weigh(memoryview(found[0])).whole)
        except ContentError as error:
            raise ContentError(error.reason, f"{answer.url}: {error}") from None
    return found[0]


def documents(
    answer: Answer, request: RequestSpec, most: int = MOST, allowance: Allowance | None = None
) -> Iterator[Any]:
    """The documents of an answer: those in an archive, in the order of their names, or the one that it is.

    ``most`` bounds what an archive may hold, in bytes. ``allowance`` is what they may weigh; those that are
    ``msgspec.Raw`` have not been weighed yet. Raises ContentError, whose text begins with the answer's URL.
    """
    allowance = allowance or Allowance()
    try:
        if not is_packed(answer.body):
            yield _decode(answer.body, answer.content_type, request, allowance)
            return
        for body, content_type in unpack(answer.body, media_type(answer.content_type), request.member, most):
            yield _decode(body, content_type, request, allowance)
    except ContentError as error:
        raise ContentError(error.reason, f"{answer.url}: {error}") from error.__cause__


def _decode(body: bytes | bytearray, content_type: str, request: RequestSpec, allowance: Allowance) -> Any:
    decoder = DECODERS[decoder_name(content_type, request.decode)]
    text = as_utf8(body, content_type, request.charset)
    _refuse_markup(text, decoder.name)
    if signs := decoder.signs(request):
        short = sum(count_signs(text, sign) * weight for sign, weight in signs) + len(text)
        plain, copies = decoder.held
        allowance.take(max(short, (plain + copies * width(text)) * len(text)))
    return decoder.decode(text, request)


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
