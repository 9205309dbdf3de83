"""What the poller's own metrics are read from, and how.

Owns: the facts of one moment, and the ways from facts to samples. Must not know: what metrics are called and mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from timepoint.model import FamilySpec, Outcome
from timepoint.poller.cost_metrics import ProcessCost
from timepoint.poller.report import LanesStanding
from timepoint.poller.sending import ReceiverStanding
from timepoint.poller.source_metrics import Read
from timepoint.poller.tally import JobTally
from timepoint.reload import ReloadFacts
from timepoint.remote_write.facts import Read as ReadReceiver
from timepoint.request.politeness.gate import GateFacts

_NOT_THE_LEDGER = frozenset({"publish", "bug"})
"""Reasons of a store_error that say nothing of the ledger."""


class Sample(NamedTuple):
    """The label values, in the order of the declaration, and the value; and when it is seen, if not always (ms)."""

    labels: tuple[str, ...]
    value: float
    visible_from: int | None = None
    visible_until: int | None = None


@dataclass(frozen=True, slots=True)
class PollerFacts:
    """What the families of one moment are made of. ``now`` and ``started`` in milliseconds.

    ``is_open`` says that the ledger could be opened and its lanes be loaded. ``sources`` are how their gates stand,
    ``receivers`` how their senders do, ``config`` says which config is in force.
    """

    tallies: Sequence[JobTally]
    process: ProcessCost
    now: int
    started: int
    is_open: bool = True
    sources: Sequence[GateFacts] = ()
    receivers: Sequence[ReceiverStanding] = ()
    config: ReloadFacts = field(default_factory=lambda: ReloadFacts(0))

    @property
    def ledger_ok(self) -> bool:
        """Whether runs can be kept: the ledger is open, and no job's newest run failed at it."""
        newest = [tally.last for tally in self.tallies if tally.last is not None]
        return self.is_open and not any(
            run.outcome is Outcome.STORE_ERROR and run.reason not in _NOT_THE_LEDGER for run in newest
        )


@dataclass(frozen=True, slots=True)
class SelfMetric:
    """One declared metric: its family, the names of its labels, and how its samples are read from the facts."""

    spec: FamilySpec
    labels: tuple[str, ...]
    read: Callable[[PollerFacts], Iterable[Sample]]


def of_poller(value: Callable[[PollerFacts], float | None]) -> Callable[[PollerFacts], Iterable[Sample]]:
    """One sample, if there is a value."""

    def read(facts: PollerFacts) -> Iterable[Sample]:
        found = value(facts)
        if found is not None:
            yield Sample((), found)

    return read


def of_process(value: Callable[[ProcessCost], float | None]) -> Callable[[PollerFacts], Iterable[Sample]]:
    """One sample of what the process costs, if there is a value."""
    return of_poller(lambda facts: value(facts.process))


def of_jobs(value: Callable[[JobTally], float | None]) -> Callable[[PollerFacts], Iterable[Sample]]:
    """One sample for each job that has the value."""

    def read(facts: PollerFacts) -> Iterable[Sample]:
        for tally in facts.tallies:
            found = value(tally)
            if found is not None:
                yield Sample((tally.name,), found)

    return read


def of_lanes(value: Callable[[LanesStanding], float | None]) -> Callable[[PollerFacts], Iterable[Sample]]:
    """One sample for each job with a fan-out that has the value."""
    return of_jobs(lambda tally: None if tally.lanes is None else value(tally.lanes))


def by_word(words: Callable[[JobTally], Mapping[str, float]]) -> Callable[[PollerFacts], Iterable[Sample]]:
    """One sample for each job and word: an outcome, a reason, a metric."""

    def read(facts: PollerFacts) -> Iterable[Sample]:
        for tally in facts.tallies:
            for word, found in words(tally).items():
                yield Sample((tally.name, word), found)

    return read


def seconds(milliseconds: int | None) -> float | None:
    """Milliseconds as seconds."""
    return None if milliseconds is None else milliseconds / 1000


def of_sources(read: Read) -> Callable[[PollerFacts], Iterable[Sample]]:
    """The samples of each source."""

    def samples(facts: PollerFacts) -> Iterable[Sample]:
        for source in facts.sources:
            for labels, value in read(source):
                yield Sample((source.tally.name, *labels), value)

    return samples


def of_receivers(read: ReadReceiver) -> Callable[[PollerFacts], Iterable[Sample]]:
    """The samples of each receiver."""

    def samples(facts: PollerFacts) -> Iterable[Sample]:
        for receiver in facts.receivers:
            for labels, value in read(receiver.facts, receiver.spec):
                yield Sample((receiver.spec.name, *labels), value)

    return samples
