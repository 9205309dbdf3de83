"""Asking somebody for a token: one exchange under the limits of the source.

Owns: the exchange with a token endpoint or a login, its limits, and errors that name it and hold no secret.
Must not know: what is asked, what an answer means.

Redirects are not followed: what is sent are the credentials themselves.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yarl import URL

from timepoint.clock import format_duration
from timepoint.errors import SourceError, TokenError
from timepoint.request.auth.base import Around
from timepoint.request.redact import Redactor
from timepoint.request.retry import parse_retry_after
from timepoint.request.spec import TlsSpec
from timepoint.secret import Secret

if TYPE_CHECKING:
    from timepoint.request.transport import Response, Transport

MAX_ANSWER = 1024 * 1024  # bytes: tokens have some kilobytes
FORM = Secret("application/x-www-form-urlencoded")
JSON = Secret("application/json")
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """Where tokens come from. ``tls`` None is that of the source if the URL has its origin, else the system's.

    ``hidden`` are texts of the URL that are masked wherever it is shown.
    """

    url: str = field(repr=False)
    tls: TlsSpec | None = None
    hidden: tuple[Secret, ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """What is sent, and every secret in it."""

    method: str
    url: URL
    headers: Mapping[str, Secret]
    body: bytes | None
    hidden: tuple[Secret, ...]

    def __repr__(self) -> str:
        return f"Question({self.method})"


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What came back. ``headers`` may hold a name more than once; ``said`` is a refusal's body as it may be shown."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    said: str
    retry_after: float

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    @property
    def is_good(self) -> bool:
        return 200 <= self.status <= 299  # noqa: PLR2004 - the class of success

    def json(self) -> Any:
        """The body, None if it is no JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Endpoint:
    """A URL that gives tokens. ``kind`` says what it is, for instance "token endpoint"."""

    def __init__(self, kind: str, spec: EndpointSpec, around: Around) -> None:
        source = around.source
        same = _origin(spec.url) == _origin(source.url)
        tls = source.tls if spec.tls is None and same else spec.tls
        self._kind = kind
        self._clock = around.clock
        self._connect = around.connect
        self._source = replace(source, url=spec.url, headers={}, params={}, tls=tls, hidden=spec.hidden)
        self._transport: Transport | None = None

    def fail(self, why: str, *, may_pass: bool = False, retry_after: float = 0.0) -> TokenError:
        """The error that says why there is no token."""
        parts = urlsplit(self._source.url)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        hidden = Redactor(text.reveal() for text in self._source.hidden)
        return TokenError(f"{self._kind} {hidden.mask(shown)}: {why}", retry_after, may_pass=may_pass)

    def refusal(self, reply: Reply) -> TokenError:
        """The error for an answer that is none of success."""
        said = f": {reply.said}" if reply.said else ""
        passing = reply.status in _PASSING
        return self.fail(f"status {reply.status}{said}", may_pass=passing, retry_after=reply.retry_after)

    async def ask(self, question: Question) -> Reply:
        """The answer, whatever its status. Raises TokenError."""
        from timepoint.request.transport import Exchange, ExchangeError

        transport = await self._open()
        redactor = Redactor(text.reveal() for text in question.hidden)
        exchange = Exchange(question.method, question.url, question.headers, question.body)
        limit = self._source.timeout
        try:
            async with asyncio.timeout(limit / 1000), transport.open(exchange) as response:
                return await self._received(response, redactor)
        except (ExchangeError, OSError, SourceError) as error:  # a TimeoutError is an OSError
            if type(error) is TimeoutError:
                explained = SourceError("timeout", f"no complete answer within {format_duration(limit)} (timeout)")
            else:
                explained = transport.explain(error)
        passing = explained.reason in {"connect", "timeout", "transport"}
        # Outside of the handler, so that no error of the HTTP library hangs on it as context.
        raise self.fail(redactor.mask_quoted(str(explained)), may_pass=passing)

    async def _received(self, response: Response, redactor: Redactor) -> Reply:
        body = bytes(await response.read(min(MAX_ANSWER, self._source.max_body)))
        retry_after = parse_retry_after(response.headers.get("Retry-After"), self._clock.now())
        said = "" if 200 <= response.status <= 299 else redactor.excerpt(body, cut=False)  # noqa: PLR2004 - success
        return Reply(response.status, tuple(response.headers.items()), body, said, retry_after or 0.0)

    async def _open(self) -> Transport:
        if self._transport is None:
            self._transport = self._connect(self._source)
            await self._transport.__aenter__()
        return self._transport

    async def close(self) -> None:
        """Closes the connections."""
        if self._transport is not None:
            await self._transport.__aexit__(None, None, None)
            self._transport = None


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = URL(url)
    return parts.scheme, parts.host or "", parts.port


def lifetime_of(value: Any) -> float | None:
    """Seconds from a number or a text that is one; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):  # the latter for a whole number of hundreds of digits
        return None
    return seconds if 0 < seconds < float("inf") else None
