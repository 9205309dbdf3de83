"""Gates on a clock that moves when told, and what passes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from timepoint.errors import SourceError, TransportError
from timepoint.request.politeness.gate import Gate
from timepoint.request.politeness.quota import Book
from timepoint.request.politeness.spec import RateSpec
from timepoint.request.spec import SourceSpec
from timepoint.testing import FakeClock

FAR = 1e9


@dataclass
class Passing:
    """A gate and a record of what went out: instants in seconds since the start, and costs."""

    source: SourceSpec
    clock: FakeClock = field(default_factory=FakeClock)
    book: Book | None = None
    went: list[tuple[float, int]] = field(default_factory=list)
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.gate = Gate(self.source, self.clock, self.clock.sleep, book=self.book)
        self._in_flight = 0
        self.start = self.clock.monotonic()

    def in_seconds(self, seconds: float) -> float:
        """A deadline."""
        return self.clock.monotonic() + seconds

    async def ask(
        self, *, cost: int = 1, takes: float = 0.0, deadline: float = FAR, failure: SourceError | None = None
    ) -> None:
        """One request of one attempt."""
        ticket = self.gate.ticket(deadline, cost)
        try:
            await ticket.turn()
            self.went.append((self.clock.monotonic() - self.start, cost))
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            if takes:
                await self.clock.sleep(takes)
            self._in_flight -= 1
            ticket.leave(failure)
        finally:
            ticket.end()

    async def fail(self, deadline: float = FAR) -> None:
        """One exchange that meets no source."""
        await self.ask(deadline=deadline, failure=TransportError("connect", "refused"))

    def times(self) -> list[float]:
        return [round(at, 6) for at, _ in self.went]


def limited(**limits: Any) -> SourceSpec:
    """A source with these limits."""
    return SourceSpec("api", "https://api.example", **limits)


def rate(requests: int, per: int = 1000, burst: int = 1) -> RateSpec:
    """So many requests in so many milliseconds."""
    return RateSpec(requests, per, burst)
