"""The sources of all jobs: for each a gate, and a fetcher behind it.

Owns: that all jobs and lanes of a source share both; how what a gate must keep gets into the ledger.
Must not know: runs, metrics, what a gate decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from timepoint.job import HttpPolling, Job
from timepoint.poller.origin import Fetcher
from timepoint.poller.timing import Timing
from timepoint.poller.worker import Worker
from timepoint.request.each.spec import Discovery
from timepoint.request.fetch import HttpFetcher
from timepoint.request.politeness.gate import Gate, GateFacts
from timepoint.request.politeness.tally import SourceTally
from timepoint.request.spec import SourceSpec

OpenFetcher = Callable[[SourceSpec, Gate], AbstractAsyncContextManager[Fetcher]]


def open_http(source: SourceSpec, gate: Gate) -> HttpFetcher:
    """A fetcher for a source of the real world."""
    return HttpFetcher(source, gate=gate)


class Notes(Protocol):
    """What a gate must keep, as in ``Store``."""

    def last_request(self, source: str) -> int | None: ...

    def note_request(self, source: str, at: int) -> None: ...

    def spend(self, source: str, period: str, start: int, count: int) -> int: ...


class StoreBook:
    """The book of the gates, in the ledger. Notes are made in the worker, as all that the ledger does."""

    def __init__(self, store: Notes, worker: Worker) -> None:
        self._store = store
        self._worker = worker

    async def last_request(self, source: str) -> int | None:
        return await self._worker.do(partial(self._store.last_request, source))

    async def note_request(self, source: str, at: int) -> None:
        await self._worker.do(partial(self._store.note_request, source, at))

    async def spend(self, source: str, period: str, start: int, count: int) -> int:
        return await self._worker.do(partial(self._store.spend, source, period, start, count))


@dataclass(frozen=True, slots=True)
class Door:
    """A source that is open. ``stack`` closes it."""

    source: SourceSpec
    gate: Gate
    fetcher: Fetcher
    stack: AsyncExitStack


class Sources:
    """The gates and fetchers of a runner. What they have counted outlives a ledger that is opened anew.

    After a change of the config others take their place: ``before`` are those of until now, whose tallies go on, and of
    which what has not changed stays open.
    """

    def __init__(self, jobs: Iterable[Job], timing: Timing, before: Sources | None = None) -> None:
        self.specs = sources_of(jobs)
        self._timing = timing
        known = before.tallies if before is not None else {}
        self.tallies: dict[str, SourceTally] = {
            source.name: known.get(source.name) or SourceTally(source.name) for source in self.specs
        }
        self.doors: dict[str, Door] = {}

    @property
    def fetchers(self) -> dict[str, Fetcher]:
        """By the name of the source."""
        return {name: door.fetcher for name, door in self.doors.items()}

    async def open(self, store: Notes, worker: Worker, opening: OpenFetcher, before: Sources | None = None) -> None:
        """Opens them all, but those that are open ``before`` and have not changed. Raises StoreError: then none is."""
        book = StoreBook(store, worker)
        known = before.doors if before is not None else {}
        self.doors = {}
        try:
            for source in self.specs:
                door = known.get(source.name)
                if door is None or door.source != source:
                    door = await self._open(source, book, opening, door)
                self.doors[source.name] = door
        except BaseException:
            await self.close(before)
            self.doors = {}
            raise

    async def _open(self, source: SourceSpec, book: StoreBook, opening: OpenFetcher, before: Door | None) -> Door:
        tally, stack = self.tallies[source.name], AsyncExitStack()
        gate = Gate(source, self._timing.clock, self._timing.sleep, book=book, tally=tally)
        await gate.open()
        if before is not None:
            gate.take_over(before.gate)
        return Door(source, gate, await stack.enter_async_context(opening(source, gate)), stack)

    async def close(self, besides: Sources | None = None) -> None:
        """Closes all that others do not keep open."""
        kept = set(map(id, besides.doors.values())) if besides is not None else set()
        async with AsyncExitStack() as stack:
            for door in self.doors.values():
                if id(door) not in kept:
                    stack.push_async_callback(door.stack.aclose)

    def gate_of(self, job: Job) -> Gate | None:
        """The gate that the requests of a job pass; None if it makes none."""
        return self.doors[job.polling.source.name].gate if isinstance(job.polling, HttpPolling) else None

    def finish(self, store: Notes, after: Sources | None = None) -> None:
        """Gives back what was noted and not used. Runs in the worker, once no request is made. Raises StoreError.

        With ``after``, those that are to take this place, only of the sources that change.
        """
        kept = after.specs if after is not None else ()
        for name, door in self.doors.items():
            if door.source not in kept:
                for period, start, rest in door.gate.unused():
                    store.spend(name, period, start, -rest)

    def facts(self) -> list[GateFacts]:
        """How each gate stands."""
        return [door.gate.facts() for door in self.doors.values()]

    def sums(self) -> dict[str, Any]:
        """What adds up, by source, as JSON can hold it."""
        return {name: tally.sums() for name, tally in self.tallies.items()}

    def take_up(self, sums: Mapping[str, Any]) -> None:
        """Goes on from the sums of a process before; those of another release begin at 0."""
        for name, tally in self.tallies.items():
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                tally.take_up(sums[name])


def sources_of(jobs: Iterable[Job]) -> list[SourceSpec]:
    """The sources of the jobs and of their discoveries, each once."""
    found: dict[str, SourceSpec] = {}
    for job in jobs:
        if isinstance(job.polling, HttpPolling):
            found[job.polling.source.name] = job.polling.source
        for values in job.each.values if job.each is not None else ():
            if isinstance(values.origin, Discovery):
                found[values.origin.source.name] = values.origin.source
    return list(found.values())
