"""The sources of all jobs: for each a gate, and a fetcher behind it.

Owns: that all jobs and lanes of a source share both; how what a gate must keep gets into the ledger.
Must not know: runs, metrics, what a gate decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
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


class Sources:
    """The gates and fetchers of a runner. What they have counted outlives a ledger that is opened anew."""

    def __init__(self, jobs: Iterable[Job], timing: Timing) -> None:
        self._specs = sources_of(jobs)
        self._timing = timing
        self._tallies = {source.name: SourceTally(source.name) for source in self._specs}
        self._gates: dict[str, Gate] = {}
        self.fetchers: dict[str, Fetcher] = {}

    async def open(self, store: Notes, worker: Worker, opening: OpenFetcher, stack: AsyncExitStack) -> None:
        """Opens them all; the stack closes what must be closed. Raises StoreError."""
        book = StoreBook(store, worker)
        gates, fetchers = {}, {}
        for source in self._specs:
            gate = Gate(source, self._timing.clock, self._timing.sleep, book=book, tally=self._tallies[source.name])
            await gate.open()
            fetchers[source.name] = await stack.enter_async_context(opening(source, gate))
            gates[source.name] = gate
        self._gates, self.fetchers = gates, fetchers

    def gate_of(self, job: Job) -> Gate | None:
        """The gate that the requests of a job pass; None if it makes none."""
        return self._gates[job.polling.source.name] if isinstance(job.polling, HttpPolling) else None

    def finish(self, store: Notes) -> None:
        """Gives back what was noted and not used. Runs in the worker, once no request is made. Raises StoreError."""
        for name, gate in self._gates.items():
            for period, start, rest in gate.unused():
                store.spend(name, period, start, -rest)

    def facts(self) -> list[GateFacts]:
        """How each gate stands."""
        return [gate.facts() for gate in self._gates.values()]

    def sums(self) -> dict[str, Any]:
        """What adds up, by source, as JSON can hold it."""
        return {name: tally.sums() for name, tally in self._tallies.items()}

    def take_up(self, sums: Mapping[str, Any]) -> None:
        """Goes on from the sums of a process before; those of another release begin at 0."""
        for name, tally in self._tallies.items():
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
