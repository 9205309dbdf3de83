"""A request becomes an accepted answer, or one error that says why not.

Owns: attempts, redirects, which statuses are accepted, the deadline. Must not know: aiohttp, the mapping, the schedule.

``fetch`` prepares one request and exchanges it; a request that takes several exchanges (pages, a fan-out) prepares
several and hands each to ``exchange``.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from yarl import URL

from timepoint.clock import Clock, SystemClock, format_duration
from timepoint.errors import SourceError, StatusError, TransportError
from timepoint.model import Window
from timepoint.request.answer import Answer
from timepoint.request.auth.base import Around
from timepoint.request.auth.source import Credentials, SourceAuthenticator
from timepoint.request.decode import check_type
from timepoint.request.paging.reading import Reading
from timepoint.request.politeness.conditional import NOT_MODIFIED, KeptAnswers
from timepoint.request.politeness.gate import Gate, Ticket
from timepoint.request.politeness.told import Told, read_limits
from timepoint.request.prepare import PreparedRequest, prepare
from timepoint.request.redact import Redactor
from timepoint.request.report.run import Means, Report
from timepoint.request.resolve import Lookup, system_lookup
from timepoint.request.retry import SAFE_METHODS, may_pass, parse_http_date, pause
from timepoint.request.shown import ShownRequest, shown_headers
from timepoint.request.spec import RequestSpec, SourceSpec
from timepoint.request.template import Moment
from timepoint.request.transport import MAX_ERROR_BODY, Exchange, ExchangeError, Response, Transport

MAX_REDIRECTS = 3
_GIVES_WAY = frozenset({429, 503})  # with these a source asks for time, for all that it is asked
_SECONDARY = 60.0  # seconds: GitHub, "Rate limits for the REST API", where no header says how long
_AGE = re.compile(r"[0-9]{1,9}")
_NO_CONTENT = 204
_FORBIDDEN = 403
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})


class HttpFetcher:
    """Fetches from one source; an asynchronous context manager. Jobs of the same source share it, and its connections.

    ``chance`` (uniform in [0, 1)) and ``sleep`` (seconds) are what back-off is made of; ``lookup`` resolves names.
    ``gate`` is where all requests wait for their turn; without one the fetcher has its own, which forgets at its end.
    """

    def __init__(
        self,
        source: SourceSpec,
        clock: Clock | None = None,
        *,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        lookup: Lookup = system_lookup,
        gate: Gate | None = None,
    ) -> None:
        self._source = source
        self._clock = clock or SystemClock()
        self._chance = chance
        self._sleep = sleep
        self._lookup = lookup
        self._auth = SourceAuthenticator(Around(source, self._clock, lambda other: Transport(other, lookup)))
        self._transport = Transport(source, lookup)
        self._gate = gate or Gate(source, self._clock, sleep)
        self._kept = KeptAnswers()

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._auth.close()
        await self._transport.__aexit__(kind, error, trace)

    async def fetch(
        self,
        request: RequestSpec,
        window: Window,
        deadline: float,
        *,
        fire_time: int | None = None,
        values: Mapping[str, str] | None = None,
    ) -> tuple[Answer, ...]:
        """The pages of a window in their order. ``deadline`` is an instant of the monotonic clock in seconds.

        ``fire_time`` None means now; ``values`` are those of a fan-out, by name. Raises SourceError; its text names
        source, method, redacted URL and the attempt. Raises ValueError for a URL or template that the config would have
        refused.
        """
        moment = Moment(window, self._clock.now() if fire_time is None else fire_time, values or {})
        if request.report is not None:
            means = Means(self, self._elsewhere, self._clock, self._sleep, deadline)
            return (await Report(self._source, request, request.report, moment, means).fetch(),)
        if request.paging is None:
            return (await self.exchange(prepare(self._source, request, moment), request, deadline),)
        reading = Reading(
            self._source.name,
            request,
            request.paging,
            window,
            prepare=lambda asked: prepare(self._source, request, replace(moment, window=asked)),
            most=self._source.max_body,
            memory=self._source.max_memory,
        )
        return await reading.read(lambda prepared: self.exchange(prepared, request, deadline))

    def _elsewhere(self, source: SourceSpec) -> HttpFetcher:
        return HttpFetcher(source, self._clock, chance=self._chance, sleep=self._sleep, lookup=self._lookup)

    async def exchange(self, prepared: PreparedRequest, request: RequestSpec, deadline: float) -> Answer:
        """The answer to one prepared request, after as many attempts as it takes and is allowed."""
        ticket = self._gate.ticket(deadline, request.cost)
        try:
            return await self._exchange(prepared, request, ticket)
        finally:
            ticket.end()

    async def _exchange(self, prepared: PreparedRequest, request: RequestSpec, ticket: Ticket) -> Answer:
        attempt = renewed = 0
        failure: SourceError | None = None
        while True:
            try:
                await ticket.turn()
            except SourceError as refused:
                raise self._described(failure or refused, prepared, attempt, refused if failure else None) from None
            attempt += 1
            try:
                answer = await self._attempt(prepared, request, ticket)
            except SourceError as error:
                failure = error
                ticket.leave(failure)
            except BaseException:
                ticket.abandon()
                raise
            else:
                ticket.leave()
                return replace(answer, attempts=attempt, asked=self._shown(prepared))
            if isinstance(failure, StatusError) and failure.is_stale and not renewed:
                renewed = 1  # with another token, once, and beside the attempts of the source
                continue
            delay = pause(failure, attempt, self._chance())
            last = attempt >= self._source.attempts + renewed or not may_pass(failure, prepared.method)
            if isinstance(failure, StatusError) and (failure.is_limit or failure.status in _GIVES_WAY):
                self._gate.hold(delay, f"status {failure.status}")
            if last:
                raise self._described(failure, prepared, attempt)
            if self._clock.monotonic() + max(delay, self._gate.wait(request.cost)) >= ticket.deadline:
                raise self._described(failure, prepared, attempt, self._gate.refusal(ticket.deadline, request.cost))
            await self._sleep(delay)

    def _described(
        self, failure: SourceError, prepared: PreparedRequest, attempt: int, refused: SourceError | None = None
    ) -> SourceError:
        """The failure with its subject in front, and why it was not tried again."""
        tries = f" (attempt {attempt} of {self._source.attempts})" if attempt > 1 else ""
        tries += f"; {refused}" if refused is not None else ""
        failure.args = (f"source {self._source.name}: {prepared.method} {prepared.shown}: {failure}{tries}",)
        failure.attempts, failure.asked = attempt, self._shown(prepared)
        return failure

    def _shown(self, prepared: PreparedRequest) -> ShownRequest:
        headers = shown_headers(self._source, prepared.headers)
        return ShownRequest(prepared.method, prepared.shown, headers, prepared.shown_body)

    async def _attempt(self, prepared: PreparedRequest, request: RequestSpec, ticket: Ticket) -> Answer:
        credentials = await self._auth.credentials(prepared, ticket.deadline)
        left = ticket.deadline - self._clock.monotonic()
        budget = min(self._source.timeout / 1000, left)
        redactor = Redactor(secret.reveal() for secret in (*prepared.hidden, *credentials.hidden))
        try:
            async with asyncio.timeout(budget):
                answer = await self._follow(prepared, request, credentials, redactor, ticket)
                self._auth.accepted(credentials)
                return answer
        except TimeoutError as error:
            failure = self._too_slow(error, at_deadline=budget == left)
        except (ExchangeError, OSError, SourceError) as error:
            failure = self._transport.explain(error)
        if isinstance(failure, StatusError):
            failure.is_stale = self._auth.refused(credentials, failure.status)
        failure.args = (redactor.mask_quoted(str(failure)),)
        raise failure  # outside of the handlers, so that no error of the HTTP library hangs on it as context

    def _too_slow(self, error: TimeoutError, *, at_deadline: bool) -> SourceError:
        if isinstance(error, ExchangeError):  # connect_timeout
            return self._transport.explain(error)
        limit = "the deadline of the run" if at_deadline else f"{format_duration(self._source.timeout)} (timeout)"
        return TransportError("timeout", f"no complete answer within {limit}")

    async def _follow(
        self,
        prepared: PreparedRequest,
        request: RequestSpec,
        credentials: Credentials,
        redactor: Redactor,
        ticket: Ticket,
    ) -> Answer:
        """One attempt, with the redirects inside the origin of the source."""
        url = credentials.url
        conditions = self._kept.conditions(prepared) if request.conditional else {}
        for hop in range(MAX_REDIRECTS + 1):
            if hop:
                await ticket.hop()
            exchange = Exchange(prepared.method, url, {**credentials.headers, **conditions}, prepared.body)
            async with self._transport.open(exchange) as response:
                self._gate.hear(response.status, self._told(response))
                if response.status not in _REDIRECTS or response.status in request.empty_status:
                    try:
                        answer = await self._receive(response, prepared, request, redactor)
                    finally:
                        self._gate.tally.response_bytes += response.wire_bytes
                    return self._dated(answer, response, prepared, request)
                url = credentials.moved(_redirected(url, response, prepared.method, redactor))
            if credentials.bound:
                raise SourceError("redirect", "a signed request was redirected, and its signature is for its URL alone")
        raise SourceError("redirect", f"more than {MAX_REDIRECTS} redirects")

    def _told(self, response: Response) -> Told:
        return read_limits(response.headers.items(), response.status, self._clock.now(), response.headers.get("Date"))

    def _dated(self, answer: Answer, response: Response, prepared: PreparedRequest, request: RequestSpec) -> Answer:
        """The answer with the source's clock; that of before if nothing has changed since."""
        answer = replace(answer, said_at=_clock_of(response))
        if not request.conditional:
            return answer
        if answer.status != NOT_MODIFIED:
            self._kept.keep(prepared, answer)
            return answer
        again = self._kept.again(prepared, answer)
        if again is None:
            raise StatusError(answer.status, "status 304, and the answer that it stands for is no longer kept")
        self._gate.tally.not_modified += 1
        return again

    async def _receive(
        self, response: Response, prepared: PreparedRequest, request: RequestSpec, redactor: Redactor
    ) -> Answer:
        content_type = redactor.mask(response.headers.get("Content-Type", ""))
        if response.status == _NO_CONTENT or response.status in request.empty_status:
            return Answer(response.status, content_type, b"", prepared.shown, empty=True)
        if response.status == NOT_MODIFIED and request.conditional:
            return Answer(response.status, content_type, b"", prepared.shown, mask=redactor.mask_quoted)
        is_accepted = 200 <= response.status <= 299 or response.status in request.partial_status  # noqa: PLR2004
        texts = [text.encode() for status, text in request.empty_bodies if status == response.status]
        if not is_accepted:
            start, cut = await self._beginning(response, is_asked=bool(texts))
            if any(text in start for text in texts):
                return Answer(response.status, content_type, b"", prepared.shown, empty=True)
            raise self._refused(response, redactor, start, cut=cut)
        check_type(content_type, request.decode, request.charset)
        body = await response.read(self._source.max_body if prepared.most is None else prepared.most)
        if any(text in body[:MAX_ERROR_BODY] for text in texts):
            return Answer(response.status, content_type, b"", prepared.shown, empty=True)
        return Answer(
            response.status,
            content_type,
            body,
            prepared.shown,
            wire_bytes=response.wire_bytes,
            headers={name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers},
            mask=redactor.mask_quoted,
        )

    async def _beginning(self, response: Response, *, is_asked: bool) -> tuple[bytes, bool]:
        """The first bytes of a refusal, and whether it goes on; nothing where nobody wants to know."""
        if is_asked or 400 <= response.status <= 499:  # noqa: PLR2004 - the class that says what is wrong with us
            return await response.read_some()
        return b"", False

    def _refused(self, response: Response, redactor: Redactor, start: bytes, *, cut: bool) -> StatusError:
        text = f"status {response.status} {redactor.excerpt(response.reason, cut=False)}".rstrip()
        excerpt = redactor.excerpt(start, cut=cut)
        text += f": {excerpt}" if excerpt else ""
        told = self._told(response)
        failure = StatusError(response.status, text, told.wait or None)
        if response.status == _FORBIDDEN:  # GitHub and others refuse with it what is too much
            failure.is_limit = bool(told.wait) or "rate limit" in text.lower()
            failure.retry_after = failure.retry_after or (_SECONDARY if failure.is_limit else None)
        return failure


def _clock_of(response: Response) -> int | None:
    """What the source's clock showed when the answer came, in ms: its Date, and the Age that a cache adds.

    Source: RFC 9110, 6.6.1; RFC 9111, 5.1.
    """
    said, age = parse_http_date(response.headers.get("Date")), response.headers.get("Age", "")
    return said + int(age) * 1000 if said is not None and _AGE.fullmatch(age) else said


def _redirected(url: URL, response: Response, method: str, redactor: Redactor) -> URL:
    """Where a redirect leads. Raises SourceError where it must not be followed."""
    location = response.headers.get("Location", "")
    try:
        target = url.join(URL(location)).with_user(None).with_fragment(None)
        inside = bool(location) and target.origin() == url.origin()
        host = target.host  # raises for a name that is no IDN
    except (ValueError, IndexError):  # the latter where yarl counts on more behind the brackets of an address
        raise SourceError("redirect", f"status {response.status} with a Location that cannot be read") from None
    if not inside:
        echoed = redactor.mask(location) != location
        where = f"{target.scheme}://{host}:{target.port}" if location and not echoed else "elsewhere"
        raise SourceError(
            "redirect",
            f"status {response.status} redirects to {where}; only redirects to the same scheme, host and port are "
            f"followed, since credentials must not leave them: set the URL of the source to where the API is",
        )
    if method not in SAFE_METHODS and response.status not in _KEEPS_METHOD:
        raise SourceError("redirect", f"status {response.status} would turn {method} into GET")
    return target
