"""A token that is asked for, kept, and renewed.

Owns: when a token is asked for: when there is none, ahead of the end of the last one, and once when the API refuses it;
never twice at a time, however many requests wait for it. Must not know: how it is asked for, HTTP.

All instants are of the monotonic clock, in seconds, so that a wall clock that jumps ends no token. A machine that slept
finds that a token ended while it did by being refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from timepoint import log
from timepoint.clock import Clock
from timepoint.errors import SourceError, TokenError
from timepoint.secret import Secret

LOGGER = logging.getLogger(__name__)

AHEAD = 60.0  # seconds before its end in which a token is not used, or a tenth of its life if that is less
QUIET = 30.0  # seconds between two tokens that are asked for since the one before was refused, or after a flat no
FIRST_PAUSE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Token:
    """What was given. ``lifetime`` is in seconds from when it was asked for, None if nobody knows.

    ``hidden`` are the secrets that it was asked for with: an API may echo those, too.
    """

    text: Secret
    lifetime: float | None = None
    hidden: tuple[Secret, ...] = ()


class TokenKeeper:
    """The token of a source, shared by all its requests. ``ask`` gives a new one or raises SourceError."""

    def __init__(self, source: str, clock: Clock, ask: Callable[[], Awaitable[Token]]) -> None:
        self._source = source
        self._clock = clock
        self._ask = ask
        self._token: Token | None = None
        self._renew_at = self._ends_at = float("inf")
        self._asking: asyncio.Task[None] | None = None
        self._failure: TokenError | None = None
        self._failures = 0
        self._ask_again_at = float("-inf")
        self._refused_at = float("-inf")

    async def current(self, deadline: float) -> Token:
        """A token that is good now, asked for if need be. Raises TokenError."""
        now = self._clock.monotonic()
        if self._token is not None and now < self._renew_at:
            return self._token
        if now >= self._ask_again_at:
            await self._renewed(deadline - now)
            now = self._clock.monotonic()
        if self._token is not None and now < self._ends_at:
            return self._token
        assert self._failure is not None, "BUG: there is neither a token nor a reason why"
        # A new error for each who waits: it is told on with the request that it belongs to.
        raise TokenError(str(self._failure), max(0.0, self._ask_again_at - now), may_pass=self._failure.may_pass)

    def refused(self, token: Token) -> bool:
        """Whether there is a reason to try again after the API refused this token: another one is there, or can be."""
        if token is not self._token:
            return True
        now = self._clock.monotonic()
        if now < self._refused_at + QUIET:
            return False  # it was asked for since the one before was refused: it is not the token
        self._refused_at = now
        self._token = None
        return True

    def accepted(self, token: Token) -> None:
        """The API took this token: if it refuses it later, that is another story than the refusal before it."""
        if token is self._token:
            self._refused_at = float("-inf")

    async def close(self, patience: float = 0.0) -> None:
        """Ends a request that is under way, after it had so many seconds to end well."""
        if self._asking is not None and not self._asking.done():
            await asyncio.wait((self._asking,), timeout=patience)
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def _renewed(self, left: float) -> None:
        """Waits until the one request that is under way for all has ended, well or not."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._renew())
        try:
            async with asyncio.timeout(left):
                await asyncio.shield(self._asking)
        except TimeoutError:
            if self._token is None or self._clock.monotonic() >= self._ends_at:
                raise TokenError("the deadline of the run came before a token", 0.0, may_pass=True) from None

    async def _renew(self) -> None:
        begin = self._clock.monotonic()
        try:
            token = await self._ask()
        except SourceError as error:
            self._fail(error)
            return
        self._token, self._failure, self._failures = token, None, 0
        life = float("inf") if token.lifetime is None else token.lifetime
        self._ends_at = begin + life
        self._renew_at = self._ends_at - min(AHEAD, life / 10) if token.lifetime is not None else self._ends_at
        log.event(LOGGER, logging.DEBUG, "token", source=self._source, lifetime=token.lifetime)

    def _fail(self, error: SourceError) -> None:
        self._failures += 1
        passing = isinstance(error, TokenError) and error.may_pass
        asked = error.retry_after if isinstance(error, TokenError) else 0.0
        pause = min(QUIET, FIRST_PAUSE * (1 << min(self._failures - 1, 16))) if passing else QUIET
        self._ask_again_at = self._clock.monotonic() + max(pause, asked)
        self._failure = TokenError(str(error), 0.0, may_pass=passing)
