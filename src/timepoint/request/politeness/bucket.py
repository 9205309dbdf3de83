"""A rate, kept exactly: the token bucket, as the generic cell rate algorithm.

Owns: when a request may go out by a rate. Must not know: clocks, waiting. Pure.

In any interval of length t no more than ``rate * t + burst`` tokens are given. One integer holds the state: the instant
at which the bucket would be full again. It is counted in nanoseconds times ``requests``, so that the time between two
tokens (``per / requests``) is a whole number whatever the rate is, and nothing drifts.
Source: ITU-T I.371, "Traffic control and congestion control in B-ISDN", annex A (GCRA, virtual scheduling).
"""

from __future__ import annotations

from timepoint.request.politeness.spec import RateSpec

_NS_OF_MS = 1_000_000
NS = 1_000_000_000


class TokenBucket:
    """Begins full. Instants are integer nanoseconds of the monotonic clock."""

    __slots__ = ("_depth", "_full_at", "_scale", "_token")

    def __init__(self, spec: RateSpec) -> None:
        self._scale = spec.requests
        self._token = spec.per * _NS_OF_MS
        self._depth = self._token * spec.burst
        self._full_at: int | None = None

    def wait(self, now: int, tokens: int = 1) -> int:
        """Nanoseconds until so many tokens are there, 0 if they are there now. More than ``burst`` never are."""
        if self._full_at is None:
            return 0
        missing = max(self._full_at, now * self._scale) + tokens * self._token - self._depth - now * self._scale
        return max(0, -(-missing // self._scale))

    def take(self, now: int, tokens: int = 1) -> None:
        """Takes tokens that are there."""
        scaled = now * self._scale
        begin = scaled if self._full_at is None else max(self._full_at, scaled)
        assert begin + tokens * self._token - self._depth <= scaled, "BUG: tokens are taken that are not there"
        self._full_at = begin + tokens * self._token

    def owe(self, now: int, tokens: int = 1) -> None:
        """Takes tokens whether they are there or not: later ones come later by that."""
        self._full_at = max(self._full_at or 0, now * self._scale) + tokens * self._token

    def wait_behind(self, now: int, ahead: int, tokens: int = 1) -> int:
        """Nanoseconds until ``tokens`` can be taken after ``ahead`` others were: no less, whoever comes when."""
        full_at = now * self._scale if self._full_at is None else max(self._full_at, now * self._scale)
        missing = full_at + (ahead + tokens) * self._token - self._depth - now * self._scale
        return max(0, -(-missing // self._scale))

    def level(self, now: int) -> float:
        """How many tokens are there."""
        short = 0 if self._full_at is None else max(0, self._full_at - now * self._scale)
        return (self._depth - short) / self._token
