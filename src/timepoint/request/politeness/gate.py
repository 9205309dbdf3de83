"""The one gate of a source: every request of every job and lane waits here for its turn.

Owns: in which order requests go out, one line for all of them, and who goes when a circuit is open. Must not know: how
long a limit makes wait (``limits``, ``quota``, ``breaker``), HTTP beyond a status, jobs, lanes, metrics.

    a request ──> the circuit ──> the line, first come first served ──> out ──> its answer is heard
                                     a free slot (concurrency)
                                     a quota that has something left, noted durably
                                     what the API said (Retry-After, nothing left until)
                                     min_interval, and a token (rate)

Only the head of the line looks at the clock, and it takes its token in the same step in which it goes out: so the rate
holds for the instants at which requests really leave, whatever the event loop was busy with before. A turn costs 4 us
of CPU, 5 with a rate, 11 with a quota, and 13 out of a line in which 10,000 wait (``bench/politeness.py``).

A request that would come after its deadline is held back: ``HeldBackError`` says for what, and until when. Deadlines
are seconds of the monotonic clock; a wall clock that jumps moves only the periods of quotas.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from timepoint.clock import Clock
from timepoint.errors import HeldBackError, SourceError, StatusError, TransportError
from timepoint.request.politeness.breaker import Breaker, State
from timepoint.request.politeness.limits import Ahead, Limits, Now
from timepoint.request.politeness.quota import Book, Forgetful, QuotaFacts, Quotas, refund
from timepoint.request.politeness.tally import SourceTally
from timepoint.request.politeness.told import Told
from timepoint.request.spec import SourceSpec

_NO_TIME = "the deadline of the run leaves no time for an attempt"
_NOT_SENT = frozenset({"secret", "token"})
_COUNTED_REASONS = frozenset({"connect", "timeout", "transport"})
_COUNTED_STATUSES = frozenset({401, 407, 429, 502, 503, 504})
"""Failures that speak of the source: a 500, 403 or 404 may be about this one request, and other lanes fare better."""


@dataclass(frozen=True, slots=True)
class GateFacts:
    """How the gate of a source stands. Instants in ms of the wall clock.

    ``tokens`` is None without a rate, ``told_remaining`` None unless the API has said how much is left.
    """

    tally: SourceTally
    in_flight: int
    waiting: int
    concurrency: int
    tokens: float | None
    circuit: State
    held_until: int | None
    quotas: tuple[QuotaFacts, ...]
    told_remaining: int | None
    told_reset: int | None


class Gate:
    """The gate of one source. Everything here runs on one event loop.

    ``book`` keeps what must survive a restart, ``tally`` what is counted; ``sleep`` takes seconds.
    """

    def __init__(
        self,
        source: SourceSpec,
        clock: Clock,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        *,
        book: Book | None = None,
        tally: SourceTally | None = None,
    ) -> None:
        self.source = source
        self.tally = tally or SourceTally(source.name)
        self._clock = clock
        self._sleep = sleep
        self._book = book or Forgetful()
        self._limits = Limits(source)
        self._quotas = Quotas(source.name, source.quotas, self._book)
        self._has_book = bool(source.min_interval or source.quotas)
        self._breaker = Breaker(source.circuit_breaker)
        self._line = asyncio.Lock()
        self._waiting = 0
        self._cost_waiting = 0
        self._in_flight = 0
        self._changed = asyncio.Event()
        self._is_remembered = False

    async def open(self) -> None:
        """Takes up what the book holds. Raises StoreError."""
        if self.source.min_interval:
            last = await self._book.last_request(self.source.name)
            if last is not None:
                self.remember(last)
                self._is_remembered = True
        await self._quotas.open(self._clock.now())

    def unused(self) -> list[tuple[str, int, int]]:
        """What was noted for quotas and not used, at an orderly end: period, its start, how many to give back."""
        return self._quotas.unused()

    def remember(self, last_request: int) -> None:
        """Brings in a request (ms) of before the start, so that a crash loop does not burn what an API allows.

        The wall clock is believed for that, but never for more than one whole interval. What the book said is exact,
        and anything else is not listened to then.
        """
        if self._is_remembered:
            return
        self._limits.remember(self._clock.monotonic(), max(0, self._clock.now() - last_request))

    def take_over(self, before: Gate) -> None:
        """What the API has told an earlier gate of the same source holds for this one, too."""
        if before.source.url == self.source.url:
            self._limits.take_over(before._limits)

    def ticket(self, deadline: float, cost: int = 1) -> Ticket:
        """For one request with all its attempts."""
        return Ticket(self, deadline, cost)

    def refusal(self, deadline: float, cost: int = 1) -> HeldBackError | None:
        """Why a request that comes now would be held back, as far as can be told without waiting; else None."""
        now, breaker = self._clock.monotonic(), self._breaker
        try:
            if not breaker.would_go(now) and not breaker.may_wait(deadline):
                raise self._circuit_refusal()
            self._foresee(now, deadline, cost)
        except HeldBackError as refused:
            self.tally.note_held_back(refused.reason)
            return refused
        except TransportError:
            pass  # the deadline has passed: whoever asks finds that out, and says it in its own words
        return None

    def hold(self, seconds: float, why: str) -> None:
        """Nothing goes out for so long: the API has said so, or it is given time."""
        if self._limits.hold(self._clock.monotonic() + seconds, why):
            self._notify()

    def hear(self, status: int, told: Told) -> None:
        """Takes what an answer said. Call it before its ticket leaves."""
        self.tally.note_status(status)
        if self._limits.hear(self._clock.monotonic(), told, self._in_flight):
            self._notify()
        if told.wait:
            self.hold(told.wait, told.words)

    def facts(self) -> GateFacts:
        now, wall = self._clock.monotonic(), self._clock.now()
        left, left_until = self._limits.left(now) or (None, now)

        def at(instant: float) -> int | None:
            return wall + round((instant - now) * 1000) if instant > now else None

        self.tally.circuit_openings = max(self.tally.circuit_openings, self._breaker.opened)
        return GateFacts(
            self.tally,
            self._in_flight,
            self._waiting,
            self.source.concurrency,
            self._limits.tokens(now),
            self._breaker.state(now),
            at(self._limits.held_until),
            self._quotas.facts(wall),
            left,
            at(left_until),
        )

    # ------------------------------------------------------------------ what a ticket does

    async def enter(self, ticket: Ticket) -> None:
        """Waits for a turn and takes it. Raises HeldBackError, TransportError, StoreError."""
        cost, deadline = ticket.cost, ticket.deadline
        while True:
            if ticket.is_first:
                await self._pass_circuit(deadline)
            self._foresee(self._clock.monotonic(), deadline, cost)
            self._waiting += 1
            self._cost_waiting += cost
            try:
                async with self._line:
                    await self._be_head(ticket)
                    now = self._clock.monotonic()
                    if ticket.is_first:
                        if not self._breaker.may_go(now):
                            continue  # it opened meanwhile, or somebody else tries
                        ticket.trial = self._breaker.trial if self._breaker.open_until is not None else None
                    self._take(now, cost)
                    return
            finally:
                self._waiting -= 1
                self._cost_waiting -= cost

    async def count_hop(self, cost: int) -> None:
        """Counts a redirect, which goes out within its request: it does not wait, but what comes later waits for it.

        Raises HeldBackError, StoreError.
        """
        await self._quotas.take(self._clock.now, cost)
        self._limits.owe(self._clock.monotonic(), cost)
        self.tally.requests += 1
        self.tally.cost += cost

    def wait(self, cost: int = 1) -> float:
        """How many seconds nothing may go out."""
        return max(0.0, self._limits.wait(self._clock.monotonic(), cost)[0])

    def leave(self) -> None:
        """A request is over."""
        self._in_flight -= 1
        self._notify()

    def judge(self, failure: SourceError | None, deadline: float) -> None:
        """Notes what an exchange came to, None for an answer."""
        if failure is None:
            self._succeed()
            return
        self.tally.note_failure(failure.reason)
        if failure.reason in _NOT_SENT:
            return
        is_of_source = (
            failure.status in _COUNTED_STATUSES
            if isinstance(failure, StatusError)
            else failure.reason in _COUNTED_REASONS
        )
        if not is_of_source:
            self._succeed(is_up=not (isinstance(failure, StatusError) and failure.status >= 500))  # noqa: PLR2004 - class
            return
        self.tally.is_up = False
        self._breaker.failed(self._clock.monotonic(), deadline)
        self._notify()

    def end(self, ticket: Ticket) -> None:
        """A request has ended with its last attempt, or was given up."""
        if ticket.trial is not None:
            self._breaker.ended(ticket.trial)
            self._notify()

    # ------------------------------------------------------------------ within

    def _succeed(self, *, is_up: bool = True) -> None:
        self.tally.is_up = is_up
        if self._breaker.failures:
            self._breaker.succeeded()
            self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _be_head(self, ticket: Ticket) -> None:
        """Waits, at the head of the line, until a request may go out, or the circuit has opened."""
        cost, deadline = ticket.cost, ticket.deadline
        while True:
            now = self._clock.monotonic()
            if ticket.is_first and not self._breaker.would_go(now):
                return
            if now >= deadline:
                raise TransportError("timeout", _NO_TIME)
            if self._in_flight >= self.source.concurrency:
                await self._changed.wait()
                self.tally.note_wait("concurrency", self._clock.monotonic() - now)
                continue
            seconds, reason = self._limits.wait(now, cost)
            if seconds > 0:
                self._foresee(now, deadline, cost, behind=False)
                await self._sleep_unless_changed(seconds, reason)
                self.tally.note_wait(reason, self._clock.monotonic() - now)
            elif not self._has_book or await self._note(cost):
                return

    async def _note(self, cost: int) -> bool:
        """Notes a request durably; False if it must wait nevertheless, since that took a while."""
        taken = await self._quotas.take(self._clock.now, cost)
        try:
            if self.source.min_interval:
                await self._book.note_request(self.source.name, self._clock.now())
            may_go = self._limits.wait(self._clock.monotonic(), cost)[0] <= 0
        except BaseException:
            refund(taken, cost)
            raise
        if not may_go:
            refund(taken, cost)
        return may_go

    def _take(self, now: float, cost: int) -> None:
        self._limits.take(now, cost)
        self._in_flight += 1
        self.tally.requests += 1
        self.tally.cost += cost

    async def _sleep_unless_changed(self, seconds: float, reason: str) -> None:
        """Sleeps; what the API has told may be taken back by an answer that is still on its way."""
        if reason != "told" or not self._in_flight:
            await self._sleep(seconds)
            return
        changed = asyncio.ensure_future(self._changed.wait())
        slept = asyncio.ensure_future(self._sleep(seconds))
        try:
            await asyncio.wait((changed, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (changed, slept):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    # ------------------------------------------------------------------ what would come too late

    def _foresee(self, now: float, deadline: float, cost: int, *, behind: bool = True) -> None:
        """Raises HeldBackError if a turn can only come after the deadline. ``behind``: as the last of the line."""
        if now >= deadline:
            raise TransportError("timeout", _NO_TIME)
        ahead = Ahead(self._waiting, self._cost_waiting, self._in_flight) if behind else Ahead(0, 0, self._in_flight)
        wall = self._clock.now()
        self._limits.check(Now(now, wall), deadline, cost, ahead)
        self._quotas.check(wall, cost)

    def _circuit_refusal(self) -> HeldBackError:
        breaker = self._breaker
        now = Now(self._clock.monotonic(), self._clock.now())
        again = "now, by another request" if breaker.open_until is None else f"at {now.shown(breaker.open_until)}"
        if breaker.state(now.monotonic) is State.HALF_OPEN:
            again = "now, by one request"
        return HeldBackError(
            "circuit_open",
            f"the source failed {breaker.failures} times in a row: it is left alone, and tried again {again}",
        )

    async def _pass_circuit(self, deadline: float) -> None:
        """Waits while the circuit is open, if there is something to wait for. Raises HeldBackError."""
        while True:
            now = self._clock.monotonic()
            if self._breaker.would_go(now):
                return
            if not self._breaker.may_wait(deadline):
                raise self._circuit_refusal()
            until = self._breaker.open_until
            if self._breaker.is_tried or until is None:
                await self._changed.wait()
            else:
                await self._sleep(until - now)
            self.tally.note_wait("circuit", self._clock.monotonic() - now)


class Ticket:
    """One request: ``turn`` before each attempt, ``leave`` or ``abandon`` after it, and ``end`` after all."""

    __slots__ = ("_gate", "cost", "deadline", "is_first", "trial")

    def __init__(self, gate: Gate, deadline: float, cost: int) -> None:
        self._gate = gate
        self.deadline = deadline
        self.cost = cost
        self.is_first = True
        self.trial: int | None = None

    async def turn(self) -> None:
        """Waits for a turn at the source. Raises HeldBackError, TransportError, StoreError."""
        try:
            await self._gate.enter(self)
        except HeldBackError as refused:
            self._gate.tally.note_held_back(refused.reason)
            raise
        self.is_first = False

    async def hop(self) -> None:
        """Counts a redirect. Raises HeldBackError, StoreError."""
        await self._gate.count_hop(self.cost)

    def leave(self, failure: SourceError | None = None) -> None:
        """Tells what the attempt came to, None for an answer."""
        self._gate.judge(failure, self.deadline)
        self._gate.leave()

    def abandon(self) -> None:
        """The attempt was cancelled: it says nothing about the source."""
        self._gate.leave()

    def end(self) -> None:
        self._gate.end(self)
