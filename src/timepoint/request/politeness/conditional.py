"""Answers that an API need not send again.

Owns: which answers are kept, the headers that ask whether they still hold, what 304 stands for. Must not know: sockets,
jobs, the mapping.

304 means: the same answer as before. So the kept one is given once more, as if it had come anew: rows, watermark,
freshness and ``expect`` need no rule of their own, and a page of several or a window that is asked for twice is a
request like any other, known by its method, URL and body. Nothing is kept over a restart: then the answer comes whole
once more, and what it stood for cannot be lost with it. An answer whose run failed is given to the next run all the
same. Source: RFC 9110, 8.8 and 13.1.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b

from timepoint.request.answer import Answer
from timepoint.request.prepare import PreparedRequest
from timepoint.secret import Secret

NOT_MODIFIED = 304
MOST_BYTES = 16 * 1024 * 1024
"""What is kept of one source, in bytes; a larger body is asked for anew each time."""

_EACH = 4 * 1024
"""What an answer takes beside its body and headers: 2.2 kB were measured, more with longer secrets to mask in it."""


@dataclass(frozen=True, slots=True)
class _Kept:
    validators: Mapping[str, str]
    answer: Answer


class KeptAnswers:
    """The answers of one source, as far as they fit; those asked for longest ago go first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._kept: OrderedDict[bytes, _Kept] = OrderedDict()

    @property
    def count(self) -> int:
        """How many answers are kept."""
        return len(self._kept)

    def conditions(self, request: PreparedRequest) -> dict[str, Secret]:
        """The headers that ask whether the answer that is kept still holds; none if none is."""
        kept = self._kept.get(_key(request))
        return {} if kept is None else {name: Secret(value) for name, value in kept.validators.items()}

    def again(self, request: PreparedRequest, fresh: Answer) -> Answer | None:
        """The kept answer, as said again by the answer of now, which has no body; None if it is gone."""
        key = _key(request)
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return replace(kept.answer, attempts=fresh.attempts, wire_bytes=0, said_at=fresh.said_at, mask=fresh.mask)

    def keep(self, request: PreparedRequest, answer: Answer) -> None:
        """Keeps an answer that says by what it can be known again, in place of an older one."""
        key = _key(request)
        self._drop(key)
        validators = _validators(answer.headers)
        if not validators or answer.empty or _size(answer) > self._most:
            return
        self._kept[key] = _Kept(validators, replace(answer, body=bytes(answer.body)))
        self._size += _size(answer)
        while self._size > self._most:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: bytes) -> None:
        old = self._kept.pop(key, None)
        if old is not None:
            self._size -= _size(old.answer)


def _size(answer: Answer) -> int:
    return _EACH + len(answer.body) + sum(len(name) + len(value) for name, value in answer.headers.items())


def _validators(headers: Mapping[str, str]) -> dict[str, str]:
    if "no-store" in headers.get("cache-control", "").lower() or headers.get("vary", "").strip() == "*":
        return {}
    found = {"If-None-Match": headers.get("etag", ""), "If-Modified-Since": headers.get("last-modified", "")}
    return {name: value for name, value in found.items() if value and value.isascii() and value.isprintable()}


def _key(request: PreparedRequest) -> bytes:
    """A digest, since a URL may hold an API key. Headers of a file may change and leave the answer the same."""
    digest = blake2b(digest_size=16)
    given = (f"{name}:{value.text.reveal()}" for name, value in request.headers.items() if value.text is not None)
    for part in (request.method, str(request.url), *sorted(given)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    digest.update(request.body or b"")
    return digest.digest()
