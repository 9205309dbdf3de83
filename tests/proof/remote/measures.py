"""How fast, how much and how long: the figures of remote write that can be measured in minutes.

Owns: the settings of each measurement, and what is printed. Must not know: targets beyond their names. Nothing is
asserted but exactness: figures depend on the machine.

    Q4   one bad sample among ten thousand, refused by a real Prometheus
    Q5   one sample over which a real Prometheus fails for ever
    Q6   a day of 1,000 series each minute, from a ledger into a real Prometheus, one sample of a series per request
    Q7   what ten million samples that wait take on the disk, and in memory
    Q8   how fast runs enqueue, and how long their commits take
"""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import psutil

from tests.proof.remote.receivers import KINDS
from timepoint.clock import HOUR, MINUTE, SECOND, SystemClock
from timepoint.ledger.decide import RunFacts, decide
from timepoint.ledger.store import Store, open_store
from timepoint.model import (
    FamilySpec,
    MappedRun,
    MetricSpec,
    MetricType,
    Receiver,
    SeriesPoints,
    Temporality,
    Times,
    Window,
    series_text,
)
from timepoint.poller.worker import ThreadWorker
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import Outbox, OutSeries, Version
from timepoint.remote_write.post import open_post
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec

NAME = "measured"
METRIC = "pod_energy_joules_total"
SERIES = 1000
T = TypeVar("T")
Say = Callable[[str], object]


def _spec(*receivers: Receiver) -> dict[str, MetricSpec]:
    family = FamilySpec(METRIC, MetricType.COUNTER, "Energy consumed by the pod.", "joules")
    return {METRIC: MetricSpec(family, Temporality.DELTA, receivers=receivers)}


def _labels(number: int) -> dict[str, str]:
    return {
        "app": f"app-{number % 37}",
        "cluster": f"cluster-{number % 3}",
        "namespace": f"namespace-{number % 11}",
        "pod": f"pod-{number:06}-7d9f8b6c5",
    }


def enqueue(store: Store, first: int, intervals: int, per_run: int) -> list[float]:
    """Commits runs of a delta counter of 1,000 series, a minute per interval; how long each commit took, in seconds."""
    metrics = _spec(Receiver(NAME, is_strict=True))
    texts = [series_text(_labels(number)) for number in range(SERIES)]
    lane, took = store.load("job", ""), []
    for number in range(0, intervals, per_run):
        starts = [first + (number + step) * MINUTE for step in range(per_run)]
        times = Times(starts, [start + MINUTE for start in starts])
        points = {
            text: SeriesPoints(times, array("d", [1.0 + place % 7 + step for step in range(per_run)]))
            for place, text in enumerate(texts)
        }
        end = times.ends[-1]
        facts = RunFacts(end, Window(starts[0], end), end, window_is_asked=True, settled=end, overlap=0)
        change_set = decide(lane, MappedRun({METRIC: points}), metrics, facts)
        began = time.perf_counter()
        store.commit(change_set)
        took.append(time.perf_counter() - began)
        change_set.apply(lane)
    return took


def q7_q8(directory: Path, say: Say, samples: int = 10_000_000) -> None:
    """Fills a ledger with samples that wait."""
    path, here = directory / "ledger.sqlite", psutil.Process()
    with closing(open_store(path)) as store:
        enqueue(store, 0, 5, 5)  # the series themselves, and what Python loads
        before, began = here.memory_info().rss, time.perf_counter()
        size = path.stat().st_size
        took = enqueue(store, 5 * MINUTE, samples // SERIES, 5)
        seconds = time.perf_counter() - began
        memory = here.memory_info().rss - before
        counts = store.outbox.counts(NAME)
    grown = path.stat().st_size - size
    assert counts.pending == counts.enqueued >= samples, counts
    took.sort()
    say(
        f"Q7: {samples:,} samples that wait: {grown / 1e6:.0f} MB ({grown / samples:.1f} bytes each); "
        f"memory while they were enqueued {memory / 1024**2:+.0f} MiB"
    )
    say(
        f"Q8: {samples / seconds:,.0f} samples/s with decisions, {samples / sum(took):,.0f} in commits alone "
        f"({len(took):,} commits of {5 * SERIES:,}); a commit takes {1000 * took[len(took) // 2]:.1f} ms, "
        f"p99 {1000 * took[len(took) * 99 // 100]:.1f} ms"
    )


def q8_small(directory: Path, say: Say, runs: int = 1000) -> None:
    """Commits of a run with one new interval of each series."""
    with closing(open_store(directory / "ledger.sqlite")) as store:
        enqueue(store, 0, 5, 5)
        took = sorted(enqueue(store, 5 * MINUTE, runs, 1))
    say(
        f"Q8: commits of 1,000 samples and their totals: {SERIES * runs / sum(took):,.0f} samples/s, "
        f"{1000 * took[len(took) // 2]:.1f} ms each, p99 {1000 * took[len(took) * 99 // 100]:.1f} ms"
    )


async def _drain(sender: Sender) -> float:
    """Lets a sender work until nothing is left to do now; the seconds that took."""
    began = time.perf_counter()
    while not await sender.turn():
        pass
    return time.perf_counter() - began


async def q6(directory: Path, say: Say, points: int = 1440) -> None:
    """A day's backlog in a ledger, and a Prometheus that was away."""
    server = KINDS["strict"].server(directory / "receiver")
    server.start()
    clock, worker = SystemClock(), ThreadWorker()
    first = clock.now() // MINUTE * MINUTE - (points + 1) * MINUTE
    try:
        with closing(open_store(directory / "ledger.sqlite")) as store:
            enqueue(store, first, points, 5)
            spec = ReceiverSpec(NAME, SourceSpec(NAME, server.url), max_age=0)
            cpu = time.process_time()
            async with open_post(spec.http, clock) as post:
                sender = Sender(spec, store.outbox, worker, post, clock)
                seconds = await _drain(sender)
            cpu, counts = time.process_time() - cpu, store.outbox.counts(NAME)
        assert (counts.pending, counts.dead) == (0, 0), counts
        stored = server.prometheus_samples(METRIC, "pod", first, clock.now())
        assert len(stored) == counts.acknowledged == SERIES * (points + 1), (len(stored), counts)
    finally:
        server.stop()
        worker.close()
    say(
        f"Q6: {counts.acknowledged:,} samples in {sender.facts.requests:,} requests in {seconds:.0f} s, "
        f"{counts.acknowledged / seconds:,.0f} samples/s, {cpu:.0f} s of CPU here, all stored"
    )


def _series(number: int) -> OutSeries:
    labels = tuple(sorted({"__name__": METRIC, **_labels(number)}.items()))
    return OutSeries(number, labels, MetricType.COUNTER)


async def _one_bad(kind: str, directory: Path, bad_age: int, good: Iterable[int], say: Say) -> None:
    """One sample that a real Prometheus never takes, among others that it does; real time throughout."""
    found = KINDS[kind]
    server = found.server(directory / kind)
    server.start()
    clock, outbox = SystemClock(), MemoryOutbox()
    window = 0 if found.is_strict else HOUR
    spec = ReceiverSpec(NAME, SourceSpec(NAME, server.url), Version.V1, out_of_order=window, max_age=0)
    try:
        async with open_post(spec.http, clock) as post:

            def sender(of: Outbox) -> Sender:
                return Sender(spec, of, _Inline(), post, clock, chance=random.Random(4).random)

            now = clock.now()
            other = MemoryOutbox()
            other.enqueue([NAME], [(_series(4321), now - SECOND, 99.0)])  # somebody else, newer
            await _drain(sender(other))
            outbox.enqueue([NAME], [(_series(number), now - 2 * SECOND, 1.0) for number in good])
            outbox.enqueue([NAME], [(_series(4321), now - bad_age, 1.0)])
            ours = sender(outbox)
            seconds = await _drain(ours)
    finally:
        server.stop()
    counts = outbox.counts(NAME)
    least = -(-counts.enqueued // spec.max_samples)
    say(
        f"{'Q4' if found.is_strict else 'Q5'}: {counts.acknowledged:,} of {counts.enqueued:,} are stored after "
        f"{seconds:.1f} s, {ours.facts.requests - least} requests more than without the bad one, which is "
        f"{'a dead letter' if counts.dead else 'parked'}"
    )
    assert counts.acknowledged == counts.enqueued - 1


class _Inline:
    async def do(self, work: Callable[[], T]) -> T:
        return work()


def run(names: Iterable[str], directory: Path, say: Say) -> None:
    """Measures what is named, each in a directory of its own."""
    others = [number for number in range(10_000) if number != 4321]
    known: dict[str, Callable[[Path], object]] = {
        "q4": lambda place: asyncio.run(_one_bad("strict", place, 2 * SECOND, others, say)),
        "q5": lambda place: asyncio.run(_one_bad("window", place, 7 * HOUR, others, say)),
        "q6": lambda place: asyncio.run(q6(place, say)),
        "q7": lambda place: q7_q8(place, say),
        "q8": lambda place: q8_small(place, say),
    }
    for name in names or known:
        place = directory / name
        place.mkdir(parents=True)
        known[name](place)


NAMES = ("q4", "q5", "q6", "q7", "q8")
