"""Fakes and assertions for tests: of timepoint itself, and of what others build on it.

Owns: a clock that moves when told, a source that answers what it is told, the ledger in memory, a reader of pages.
Must not know: pytest.

    async def test_my_job():
        clock = FakeClock()
        source = FakeSource(lambda window: {"rows": [...]})
        runner = Runner(Workload((job,)), fake_surroundings(tmp_path, clock, source))
        stop = asyncio.Event()
        running = asyncio.create_task(runner.run(stop))
        await clock.advance(minutes=30)
        assert read_samples(published_page(tmp_path, clock.now()))['x_total{a="b"}'] == 12
        stop.set()
        await running
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from timepoint.errors import SourceError
from timepoint.exposition.formats import TEXT
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import published_paths, read_published
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.store import Store
from timepoint.model import Window
from timepoint.poller.origin import Fetcher
from timepoint.poller.runner import Surroundings
from timepoint.poller.timing import Timing
from timepoint.poller.worker import InlineWorker
from timepoint.request.answer import Answer
from timepoint.request.politeness.gate import Gate
from timepoint.request.spec import RequestSpec, SourceSpec

__all__ = ["FakeClock", "FakeSource", "MemoryStore", "fake_surroundings", "published_page", "read_samples"]

_SAMPLE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)")
_ROUNDS = 100  # of the event loop, in which everything that can go on without time has gone on


class FakeClock:
    """Both clocks of the machine, moving only when told.

    ``start`` is an ISO 8601 instant. ``advance`` moves both and wakes up sleepers one by one, in order, as time would;
    ``jump`` moves the wall clock alone, as an operator or a time server does.
    """

    def __init__(self, start: str = "2026-01-01T10:00:00Z") -> None:
        self._now = round(datetime.fromisoformat(start).timestamp() * 1000)
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """What ``asyncio.sleep`` is to the machine's clock."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._numbers), future))
        await future

    def jump(self, seconds: float) -> None:
        self._now += round(seconds * 1000)

    async def advance(self, **length: float) -> None:
        """Moves on by a ``timedelta``, given by its words: ``advance(minutes=30)``."""
        await settle()
        target = self._monotonic + timedelta(**length).total_seconds()
        while self._sleepers and self._sleepers[0][0] <= target:
            moment, _, future = heapq.heappop(self._sleepers)
            self._move_to(moment)
            if not future.done():
                future.set_result(None)
                await settle()
        self._move_to(target)
        await settle()

    def _move_to(self, moment: float) -> None:
        if moment > self._monotonic:
            self._now += round((moment - self._monotonic) * 1000)
            self._monotonic = moment


async def settle() -> None:
    """Lets every task go on until it waits for time or for the world."""
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


@dataclass(slots=True)
class FakeSource:
    """An API that answers what a function of the window gives.

    The function gives the body as bytes, text or anything that JSON can say, a whole ``Answer``, a tuple of such, which
    are the pages of the window, or an exception, which is raised; it may be a coroutine function that waits. It is
    called with the window, and with the values of a fan-out by name. ``windows`` are those that were asked for.
    """

    answer: Callable[..., Any]
    windows: list[Window] = field(default_factory=list)

    def open(self, source: SourceSpec, gate: Gate) -> AbstractAsyncContextManager[Fetcher]:  # noqa: ARG002 - one for all
        """A fetcher behind a gate: limits, quotas and the circuit breaker are those of the source."""
        return _Gated(self, gate)

    async def fetch(
        self,
        request: RequestSpec,  # noqa: ARG002 - the protocol's
        window: Window,
        deadline: float,  # noqa: ARG002 - the protocol's
        *,
        fire_time: int | None = None,  # noqa: ARG002 - the protocol's
        values: Mapping[str, str] | None = None,
    ) -> tuple[Answer, ...]:
        self.windows.append(window)
        given = self.answer(window, **(values or {}))
        if asyncio.iscoroutine(given):
            given = await given
        if isinstance(given, BaseException):
            if isinstance(given, SourceError):
                given.attempts = 1
            raise given
        return tuple(map(_answer, given)) if isinstance(given, tuple) else (_answer(given),)


@dataclass(frozen=True, slots=True)
class _Gated:
    """A fake source behind the gate of a real one. One attempt, whatever it comes to."""

    source: FakeSource
    gate: Gate

    async def fetch(
        self,
        request: RequestSpec,
        window: Window,
        deadline: float,
        *,
        fire_time: int | None = None,
        values: Mapping[str, str] | None = None,
    ) -> tuple[Answer, ...]:
        ticket = self.gate.ticket(deadline, request.cost)
        try:
            await ticket.turn()
            try:
                answers = await self.source.fetch(request, window, deadline, fire_time=fire_time, values=values)
            except SourceError as error:
                ticket.leave(error)
                raise
            except BaseException:
                ticket.abandon()
                raise
            ticket.leave()
            return answers
        finally:
            ticket.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was opened."""


def _answer(given: Any) -> Answer:
    """An answer with what a test gives as its body."""
    if isinstance(given, Answer):
        return given
    if isinstance(given, str):
        given = given.encode()
    body = bytes(given) if isinstance(given, bytes | bytearray) else json.dumps(given).encode()
    return Answer(200, "application/json", body, "https://fake.example/", wire_bytes=len(body))


def fake_surroundings(
    published: Path, clock: FakeClock, source: FakeSource | None = None, store: Store | None = None
) -> Surroundings:
    """What a runner needs around it, without network, threads or a file for the ledger; pages go to ``published``."""
    kept = store or MemoryStore()
    asked = source or FakeSource(lambda _: {})
    return Surroundings(
        open_store=lambda: kept,
        published=published,
        timing=Timing(clock, clock.sleep),
        open_fetcher=asked.open,
        make_worker=InlineWorker,
    )


def published_page(published: Path, now: int) -> str:
    """The page that the server would give at an instant (ms) from the snapshots in a directory."""
    pages = Pages([read_published(path) for path in published_paths(published)])
    return b"".join(pages.page(TEXT, gzip=False, now=now).parts).decode()


def read_samples(page: str) -> dict[str, float]:
    """The samples of a page in the text format: name and labels as they stand, to the value.

    Raises ValueError for a line that is neither a comment nor a sample, or for a sample that comes twice.
    """
    samples: dict[str, float] = {}
    for line in page.split("\n"):  # not splitlines(): a label may hold other ends of lines
        if not line or line.startswith("#"):
            continue
        match = _SAMPLE.fullmatch(line)
        if match is None or match[1] in samples:
            raise ValueError(f"not a sample, or one that came before: {line!r}")
        samples[match[1]] = float(match[2])
    return samples
