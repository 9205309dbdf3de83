"""Requests per hour, day, week or month, counted before they go out.

Owns: which period an instant is in, how many requests are left of it, in which blocks they are noted down, what is said
of one that is used up. Must not know: clocks, SQL, waiting for turns.

What is noted durably is never less than what went out: a block of requests is noted before its first one is made. After
a crash the rest of the block is lost, which is at most a thousandth of the quota; an orderly end gives it back. So a
quota is never exceeded, over ``kill -9`` and power loss, and does not cost a sync of the disk per request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

from timepoint.clock import HOUR, format_instant
from timepoint.errors import HeldBackError
from timepoint.mapping.stamps import parse_length
from timepoint.request.borders import CalendarGrid, EvenGrid, Grid
from timepoint.request.politeness.spec import QuotaSpec

_BLOCKS = 1000  # of a quota: what a crash may cost
_LARGEST_BLOCK = 100


class Book(Protocol):
    """Where requests are noted durably, over restarts. Every method raises StoreError."""

    async def last_request(self, source: str) -> int | None:
        """When the newest request to a source was noted, in ms."""
        ...

    async def note_request(self, source: str, at: int) -> None:
        """Notes that a request goes out now."""
        ...

    async def spend(self, source: str, period: str, start: int, count: int) -> int:
        """Notes ``count`` requests, or gives back some; how many it are in the period that began at ``start``.

        What was noted for later periods belongs to this one: the clock had been ahead.
        """
        ...


class Forgetful:
    """A book in memory, where nothing durable is at hand: for a preview."""

    def __init__(self) -> None:
        self._spent: dict[tuple[str, str], dict[int, int]] = {}
        self._last: dict[str, int] = {}

    async def last_request(self, source: str) -> int | None:
        return self._last.get(source)

    async def note_request(self, source: str, at: int) -> None:
        self._last[source] = at

    async def spend(self, source: str, period: str, start: int, count: int) -> int:
        periods = self._spent.setdefault((source, period), {})
        later = [at for at in periods if at > start]
        periods[start] = max(0, periods.get(start, 0) + sum(periods.pop(at) for at in later) + count)
        return periods[start]


@dataclass(frozen=True, slots=True)
class QuotaFacts:
    """How a quota stands: of ``limit`` requests in ``period`` so many are ``used``; a new one begins at ``resets``."""

    period: str
    limit: int
    used: int
    resets: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def is_low(self) -> bool:
        """Whether less than a tenth is left."""
        return self.left * 10 < self.limit


class Quota:
    """One quota of one source."""

    def __init__(self, source: str, spec: QuotaSpec, book: Book) -> None:
        self.spec = spec
        self._source = source
        self._book = book
        zone = ZoneInfo(spec.timezone)
        self._grid: Grid = EvenGrid(HOUR) if spec.per == "hour" else CalendarGrid(parse_length(spec.per), zone)
        self._block = min(_LARGEST_BLOCK, max(1, spec.usable // _BLOCKS))
        self._start: int | None = None
        self._end = 0
        self._noted = self._made = 0
        self._alone = asyncio.Lock()

    def resets(self, now: int) -> int:
        """When the period that holds an instant ends, in ms."""
        return self._end if self._is_known(now) else self._grid.after(now)

    def has_left(self, now: int, cost: int) -> bool:
        """Whether a request may be made, as far as is known without asking the book."""
        return not self._is_known(now) or self._made + cost <= self.spec.usable

    async def open(self, now: int) -> None:
        """Takes up what the book holds. Raises StoreError."""
        async with self._alone:
            await self._look_up(now)

    async def take(self, now: int, cost: int) -> int | None:
        """Counts a request that is about to go out, once it is noted; None if nothing is left, else its period.

        Raises StoreError; the request must not go out then.
        """
        async with self._alone:
            start = await self._look_up(now)
            if self._made + cost > self.spec.usable:
                return None
            missing = self._made + cost - self._noted
            if missing > 0:
                block = min(max(missing, self._block), self.spec.usable - self._noted)
                self._noted = await self._book.spend(self._source, self.spec.key, start, block)
            self._made += cost
            return start

    def refund(self, start: int, cost: int) -> None:
        """Takes a request back that was counted in the period that began at ``start`` and did not go out."""
        if start == self._start:
            self._made -= cost

    async def _look_up(self, now: int) -> int:
        """Sees to it that the period of now is known; when it began."""
        if self._start is None or not self._is_known(now):
            start = self._grid.floor(now)
            self._noted = self._made = await self._book.spend(self._source, self.spec.key, start, 0)
            self._start, self._end = start, self._grid.after(now)
        return self._start

    def refusal(self, now: int) -> HeldBackError:
        """What is said when nothing is left."""
        spec, resets = self.spec, format_instant(self.resets(now))
        reserve = f" ({spec.reserve} of them in reserve)" if spec.reserve else ""
        return HeldBackError(
            "quota", f"the quota of {spec.requests} requests per {spec.per}{reserve} is used up until {resets}"
        )

    def unused(self) -> tuple[str, int, int] | None:
        """What was noted and not made: the period by its key and its start, and how many. To be given back at the end.

        No request may follow.
        """
        rest, self._noted = self._noted - self._made, self._made
        return (self.spec.key, self._start, rest) if rest and self._start is not None else None

    def facts(self, now: int) -> QuotaFacts:
        used = self._made if self._is_known(now) else 0
        return QuotaFacts(self.spec.per, self.spec.usable, used, self.resets(now))

    def _is_known(self, now: int) -> bool:
        """Whether the period of an instant is the one that was last asked about."""
        return self._start is not None and self._start <= now < self._end


Taken = list[tuple[Quota, int]]
"""Of which quotas a request was taken, each with the start of its period."""


class Quotas:
    """All quotas of one source: a request is one of each of them, or goes out by none."""

    def __init__(self, source: str, specs: Sequence[QuotaSpec], book: Book) -> None:
        self._quotas = [Quota(source, spec, book) for spec in specs]

    async def open(self, now: int) -> None:
        """Takes up what the book holds. Raises StoreError."""
        for quota in self._quotas:
            await quota.open(now)

    def check(self, now: int, cost: int) -> None:
        """Raises HeldBackError if one of them has nothing left, as far as is known without asking the book."""
        for quota in self._quotas:
            if not quota.has_left(now, cost):
                raise quota.refusal(now)

    async def take(self, now: Callable[[], int], cost: int) -> Taken:
        """Takes a request of every quota or of none; ``now`` is read for each, since noting takes time.

        Raises HeldBackError, StoreError.
        """
        taken: Taken = []
        try:
            for quota in self._quotas:
                taken.append((quota, await _taken(quota, now, cost)))
        except BaseException:
            refund(taken, cost)
            raise
        return taken

    def unused(self) -> list[tuple[str, int, int]]:
        """What was noted and not made, to be given back: period, its start, how many."""
        return [rest for quota in self._quotas if (rest := quota.unused()) is not None]

    def facts(self, now: int) -> tuple[QuotaFacts, ...]:
        return tuple(quota.facts(now) for quota in self._quotas)


async def _taken(quota: Quota, now: Callable[[], int], cost: int) -> int:
    start = await quota.take(now(), cost)
    if start is None:
        raise quota.refusal(now())
    return start


def refund(taken: Taken, cost: int) -> None:
    """Gives back a request that did not go out."""
    for quota, start in taken:
        quota.refund(start, cost)
