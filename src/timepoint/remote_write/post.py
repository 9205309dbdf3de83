"""One exchange with a receiver.

Owns: a request as it goes over the wire, its total timeout, what is read of an answer. Must not know: what is in the
body, what follows from an answer, the outbox. Credentials are read anew for each request; redirects are not followed.
The body of a success is not read at all, that of a failure up to a few KiB, to show it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Protocol

from timepoint.clock import Clock, format_duration
from timepoint.errors import SourceError, StatusError, TokenError
from timepoint.model import Window
from timepoint.remote_write.reply import Reply
from timepoint.request.auth.base import Around
from timepoint.request.auth.source import Credentials, SourceAuthenticator
from timepoint.request.prepare import PreparedRequest, prepare
from timepoint.request.redact import Redactor
from timepoint.request.resolve import Lookup, system_lookup
from timepoint.request.retry import parse_http_date, parse_retry_after
from timepoint.request.spec import RequestSpec, SecretSource, SourceSpec
from timepoint.request.template import Moment
from timepoint.request.transport import Exchange, ExchangeError, Response, Transport
from timepoint.secret import Secret

_WRITTEN = tuple(f"X-Prometheus-Remote-Write-{kind}-Written" for kind in ("Samples", "Histograms", "Exemplars"))
_COUNT = re.compile(r"[0-9]{1,18}")
_OURS = frozenset({"secret", "token"})  # reasons for which a request was not sent


class Post(Protocol):
    """What brings a body to a receiver."""

    async def send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """What the receiver answered; never an exception of the exchange."""
        ...


class HttpPost:
    """The way to one receiver, with its credentials and connections. Made by ``open_post``."""

    def __init__(self, receiver: SourceSpec, clock: Clock, transport: Transport, auth: SourceAuthenticator) -> None:
        self._receiver = receiver
        self._clock = clock
        self._transport = transport
        self._auth = auth
        self._request = prepare(receiver, RequestSpec(method="POST"), Moment(Window(0, 0), 0, {}))

    async def send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        said = {name: SecretSource(text=Secret(value)) for name, value in headers.items()}
        request = replace(self._request, headers=said, body=body)
        deadline = self._clock.monotonic() + self._receiver.timeout / 1000
        reply, is_stale = await self._once(request, deadline)
        if is_stale:  # a token that was revoked: there is another one now
            reply, _ = await self._once(request, deadline)
        return replace(reply, came_at=self._clock.monotonic())

    async def _once(self, request: PreparedRequest, deadline: float) -> tuple[Reply, bool]:
        """The reply, and whether other credentials than those that were refused are there now."""
        redactor = Redactor(secret.reveal() for secret in request.hidden)
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic())):
                credentials = await self._auth.credentials(request, deadline)
                redactor = Redactor(secret.reveal() for secret in (*request.hidden, *credentials.hidden))
                return await self._exchange(request, credentials, redactor)
        except TimeoutError as error:
            failure = self._transport.explain(error) if isinstance(error, ExchangeError) else None
        except (ExchangeError, OSError, SourceError) as error:
            failure = self._transport.explain(error)
        if failure is None:
            return Reply(None, f"no answer within {format_duration(self._receiver.timeout)} (timeout)"), False
        status = failure.status if isinstance(failure, StatusError) else None
        retry_after = failure.retry_after if isinstance(failure, TokenError) else None
        is_ours = failure.reason in _OURS
        return Reply(status, redactor.mask_quoted(str(failure)), retry_after=retry_after, is_ours=is_ours), False

    async def _exchange(
        self, request: PreparedRequest, credentials: Credentials, redactor: Redactor
    ) -> tuple[Reply, bool]:
        exchange = Exchange(request.method, credentials.url, credentials.headers, request.body)
        async with self._transport.open(exchange) as response:
            said_at = parse_http_date(response.headers.get("Date"))
            if 200 <= response.status <= 299:  # noqa: PLR2004 - RFC 9110, 15.3
                return Reply(response.status, written=_written(response), said_at=said_at), False
            start, cut = await response.read_some()
            reply = Reply(
                response.status,
                redactor.excerpt(start, cut=cut),
                written=_written(response),
                retry_after=parse_retry_after(response.headers.get("Retry-After"), self._clock.now()),
                said_at=said_at,
            )
            return reply, self._auth.refused(credentials, response.status)


def _written(response: Response) -> int | None:
    """How many samples the receiver says that it stored; None without any of the headers that 2.0 has for it.

    Source: Remote Write 2.0, "Required Written Response Headers": one without the others means 0 of these.
    """
    texts = [response.headers.get(name) for name in _WRITTEN]
    if texts == [None] * len(texts):
        return None
    return int(texts[0]) if texts[0] is not None and _COUNT.fullmatch(texts[0]) else 0


@asynccontextmanager
async def open_post(receiver: SourceSpec, clock: Clock, lookup: Lookup = system_lookup) -> AsyncIterator[HttpPost]:
    """The way to a receiver, and its end. Raises ValueError for a URL that ``check_receiver`` would have refused."""
    auth = SourceAuthenticator(Around(receiver, clock, lambda other: Transport(other, lookup)))
    try:
        async with Transport(receiver, lookup) as transport:
            yield HttpPost(receiver, clock, transport, auth)
    finally:
        await auth.close()
