"""When a request may go out, by what limits a source beside its quotas and its circuit.

Owns: the pause between requests (min_interval), the rate, what the API itself has said; for which of them a request
waits, and whether its turn comes before its deadline. Must not know: clocks, waiting, the line, HTTP. Pure.

Instants are seconds of the monotonic clock.
"""

from __future__ import annotations

from typing import NamedTuple

from timepoint.clock import format_duration, format_instant
from timepoint.errors import HeldBackError
from timepoint.request.politeness.bucket import NS, TokenBucket
from timepoint.request.politeness.told import Told
from timepoint.request.spec import SourceSpec

_NEVER = float("-inf")


class Now(NamedTuple):
    """One moment by both clocks: seconds of the monotonic one, ms of the wall."""

    monotonic: float
    wall: int

    def shown(self, instant: float) -> str:
        """An instant of the monotonic clock, by the clock on the wall; whole seconds, rounded up."""
        wall = self.wall + round((instant - self.monotonic) * 1000)
        return format_instant(-(-wall // 1000) * 1000)


class Ahead(NamedTuple):
    """What is before a request: so many in the line, which cost so much together, and so many on their way."""

    waiting: int
    cost: int
    in_flight: int


class Limits:
    """What limits one source. It changes when a request goes out, and when an answer says something."""

    def __init__(self, source: SourceSpec) -> None:
        self._min_interval = source.min_interval
        self._bucket = TokenBucket(source.rate) if source.rate is not None else None
        self._free_at = _NEVER  # by min_interval
        self._held_until, self._held_why = _NEVER, ""
        self._left: int | None = None  # of what the API said, until _left_until
        self._left_until = _NEVER

    # ------------------------------------------------------------------ what is learnt

    def remember(self, now: float, ago: int) -> None:
        """Brings in a request that went out so many ms ago."""
        self._free_at = max(self._free_at, now + (self._min_interval - ago) / 1000)

    def take_over(self, before: Limits) -> None:
        """What the API has said before holds on."""
        self._held_until, self._held_why = before._held_until, before._held_why
        self._left, self._left_until = before._left, before._left_until

    def hold(self, until: float, why: str) -> bool:
        """Nothing goes out before an instant; False if that is known."""
        if until <= self._held_until:
            return False
        self._held_until, self._held_why = until, why
        return True

    def hear(self, now: float, told: Told, in_flight: int) -> bool:
        """Takes what an answer says is left; whether it does. ``in_flight`` counts that request, too."""
        if told.remaining is None or told.reset is None:
            return False
        self._left = max(0, told.remaining - max(0, in_flight - 1))  # others on their way may not have been counted
        self._left_until = now + told.reset
        return True

    # ------------------------------------------------------------------ what goes out

    def take(self, now: float, cost: int) -> None:
        """A request goes out, when nothing is left to wait for."""
        if self._bucket is not None:
            self._bucket.take(_ns(now), cost)
        if self._left is not None:
            self._left = self._left - cost if now < self._left_until else None
        self._free_at = now + self._min_interval / 1000

    def owe(self, now: float, cost: int) -> None:
        """A request went out without a turn: what comes later waits for it."""
        if self._bucket is not None:
            self._bucket.owe(_ns(now), cost)

    # ------------------------------------------------------------------ what follows

    def wait(self, now: float, cost: int) -> tuple[float, str]:
        """How many seconds nothing may go out, and for what; not above 0 if it may."""
        waits = [(self._held_until - now, "told"), (self._free_at - now, "min_interval")]
        if self._left is not None and self._left < cost:
            waits.append((self._left_until - now, "told"))
        if self._bucket is not None:
            waits.append((self._bucket.wait(_ns(now), cost) / NS, "rate"))
        return max(waits)

    def check(self, now: Now, deadline: float, cost: int, ahead: Ahead) -> None:
        """Raises HeldBackError if a turn can only come after the deadline, as far as can be told now."""
        if self._held_until >= deadline:
            raise _told(now.shown(self._held_until), self._held_why)
        # What is on its way may bring the word that there is more.
        if self._left is not None and self._left < cost and not ahead.in_flight and self._left_until >= deadline:
            raise _told(now.shown(self._left_until), "nothing is left")
        if max(now.monotonic, self._free_at) + ahead.waiting * self._min_interval / 1000 >= deadline:
            pause = format_duration(self._min_interval)
            raise HeldBackError("min_interval", f"the source may be asked only once in {pause} (min_interval)")
        if self._bucket is not None:
            wait = self._bucket.wait_behind(_ns(now.monotonic), ahead.cost, cost) / NS
            if now.monotonic + wait >= deadline:
                raise HeldBackError(
                    "rate", f"the rate of the source leaves no turn before the deadline: {ahead.waiting} wait before it"
                )

    @property
    def held_until(self) -> float:
        """Before that nothing goes out, since the API said so or is given time."""
        return self._held_until

    def left(self, now: float) -> tuple[int, float] | None:
        """How much the API has said is left, and until when that holds; None if it has not, or does not any more."""
        return (self._left, self._left_until) if self._left is not None and now < self._left_until else None

    def tokens(self, now: float) -> float | None:
        """How many requests the rate would let go now; None without one."""
        return None if self._bucket is None else self._bucket.level(_ns(now))


def _told(until: str, why: str) -> HeldBackError:
    return HeldBackError("rate_limit", f"the API wants no request before {until} ({why})")


def _ns(seconds: float) -> int:
    return int(seconds * NS)
