"""What the hostile API says: of each pod and interval the settled amount, and what it claims before that.

Owns: the truth, as a pure function of (seed, pod, interval). Must not know: HTTP, files, the product.

An interval has a number: it begins at ``number * STEP`` milliseconds since the epoch. Ages are milliseconds since the
end of an interval. All amounts are integers, so that sums of float64 are exact.
"""

from __future__ import annotations

from functools import lru_cache

STEP = 50
DELAY = 200
OVERLAP = 1000
SETTLED = 900
"""At this age an interval has its settled amount and is in every answer. A run that reads it for the last time does so
at an age of OVERLAP + DELAY or more, so the API keeps its promise with 300 ms to spare for a skewed clock."""

SKEW = 150
STEADY = range(8)
COMING_AND_GOING = range(8, 12)
SLOTS = 3
LIFETIME = 400
"""Intervals that a short-lived pod lives."""

_MASK = (1 << 64) - 1


def mix(*parts: int) -> int:
    """A number below 2**63 that looks random and depends on the arguments alone (splitmix64)."""
    state = 0
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1


class World:
    """Everything before ``genesis`` (an interval number) does not exist.

    ``unit`` is how many milliseconds of the API's time stand for one of this module: with 1200 an interval is a minute
    long instead of 50 ms. ``slots`` is how many pods are born together.
    """

    def __init__(self, seed: int, genesis: int, unit: int = 1, slots: int = SLOTS) -> None:
        self.seed = seed
        self.genesis = genesis
        self.unit = unit
        self.slots = slots
        self.step = STEP * unit
        self._sums: dict[int, list[int]] = {}
        self.versions = lru_cache(200_000)(self._versions)

    def pods(self, first: int, end: int) -> list[int]:
        """The pods that may have an amount in a half-open range of intervals."""
        first = max(first, self.genesis)
        if first >= end:
            return [*STEADY]
        generations = range(first // LIFETIME, (end - 1) // LIFETIME + 1)
        return [
            *STEADY,
            *COMING_AND_GOING,
            *(1000 + self.slots * g + slot for g in generations for slot in range(self.slots)),
        ]

    def settled(self, pod: int, number: int) -> int | None:
        """The settled amount; None where the pod did not live."""
        if number < self.genesis:
            return None
        if pod in COMING_AND_GOING and not mix(self.seed, 1, pod, number // 60) % 3:
            return None
        if pod >= 1000 and number // LIFETIME != (pod - 1000) // self.slots:
            return None
        return 1 + mix(self.seed, 2, pod, number) % 999

    def end_of(self, pod: int) -> int | None:
        """The first interval after the life of a short-lived pod; None for the others."""
        return ((pod - 1000) // self.slots + 1) * LIFETIME if pod >= 1000 else None

    def total(self, pod: int, end: int) -> int:
        """The sum of all settled amounts before interval ``end``."""
        sums = self._sums.setdefault(pod, [0])
        first = self.genesis if pod < 1000 else max(self.genesis, (pod - 1000) // self.slots * LIFETIME)
        last = end - first if pod < 1000 else min(end - first, LIFETIME)
        while len(sums) <= last:
            sums.append(sums[-1] + (self.settled(pod, first + len(sums) - 1) or 0))
        return sums[max(0, last)]

    def _versions(self, pod: int, number: int) -> tuple[tuple[int, int], ...]:
        """What the API claims, as (from this age on, amount), the settled amount last. Empty if the pod did not live.

        A fifth comes late; a third is revised, up or down, some of these twice.
        """
        amount = self.settled(pod, number)
        if amount is None:
            return ()
        kind = mix(self.seed, 3, pod, number)
        born = 1 + kind % 700 if kind // 1000 % 5 == 0 else -SKEW - DELAY
        claims = []
        if kind // 10_000 % 3 == 0:
            off = 1 + mix(kind, 1) % 50
            until = 1 + mix(kind, 2) % SETTLED
            up = kind // 100_000 % 2 == 0
            if kind // 1_000_000 % 3 == 0:
                claims.append((until // 2, amount + 2 * off if not up else max(0, amount - 2 * off)))
            claims.append((until, amount + off if up else max(0, amount - off)))
        found, since = [], born
        for until, claim in claims:
            if until > since:
                found.append((since, claim))
                since = until
        return (*found, (since, amount))

    def claim(self, pod: int, number: int, age: int) -> int | None:
        """What the API says of an interval at an age; None: not there (yet)."""
        said = None
        for since, amount in self.versions(pod, number):
            if age >= since:
                said = amount
        return said

    def claims(self, pod: int, number: int) -> set[int]:
        """Everything that the API may ever say of an interval."""
        return {amount for _, amount in self.versions(pod, number)}
