"""A sender on a receiver that both live in memory, with a clock that only waiting moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from tests.remote_write.receiver import Receiver
from timepoint.clock import MINUTE, SECOND
from timepoint.model import MetricType
from timepoint.remote_write.facts import State
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import Labels, Outbox, OutSeries
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec

T = TypeVar("T")

NOW = 1_767_261_600_000  # 2026-01-01T10:00:00Z
NAME = "central"

Fault = Callable[[int], Reply | None]


class WaitingClock:
    """Both clocks; ``sleep`` moves them and gives way. ``waits`` are the seconds that were slept."""

    def __init__(self, now: int = NOW) -> None:
        self._now = now
        self._monotonic = 1000.0
        self.waits: list[float] = []

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def jump(self, milliseconds: int) -> None:
        self._now += milliseconds

    def move(self, seconds: float) -> None:
        self._now += round(seconds * SECOND)
        self._monotonic += seconds

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.move(seconds)
        await asyncio.sleep(0)


class Inline:
    """A worker that does each piece at once."""

    async def do(self, work: Callable[[], T]) -> T:
        return work()


@dataclass
class Post:
    """The way to a receiver. ``fault`` gets the number of the request and may answer in the receiver's place.

    ``loses`` are the numbers of requests whose answer is lost after the receiver has stored. ``date_off`` is how far
    the receiver's clock is ahead of the right time, which is not that of the sender's machine; None: it tells no time.
    """

    receiver: Receiver
    clock: WaitingClock
    fault: Fault = lambda number: None
    loses: Callable[[int], bool] = lambda number: False
    date: Callable[[], int | None] = lambda: None
    takes: float = 0.001
    count: int = 0

    async def send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.count += 1
        self.clock.move(self.takes)
        instead = self.fault(self.count)
        if instead is None:
            answer = self.receiver.hear(body, headers)
            written = answer.headers.get("X-Prometheus-Remote-Write-Samples-Written")
            instead = Reply(
                answer.status,
                written=int(written) if written is not None else None,
                said_at=self.date() if self.date() is not None else self.clock.now(),
            )
            if self.loses(self.count):
                instead = Reply(None, "the answer was lost")
        return Reply(
            instead.status,
            instead.problem,
            instead.written,
            instead.retry_after,
            instead.said_at,
            instead.is_ours,
            self.clock.monotonic(),
        )


def spec(**changes: object) -> ReceiverSpec:
    """A strict receiver, named ``central``."""
    return replace(ReceiverSpec(NAME, SourceSpec(NAME, "http://receiver.example/api/v1/write")), **changes)  # type: ignore[arg-type] # keywords


def series(number: int, **labels: str) -> OutSeries:
    """A counter; ``number`` is its id and stands in its labels."""
    pairs: Labels = tuple(sorted({"__name__": "energy_joules_total", "pod": f"pod-{number}", **labels}.items()))
    return OutSeries(number, pairs, MetricType.COUNTER, "Energy.", "joules")


def _nothing() -> None:
    """What happens after most waits."""


@dataclass
class Scene:
    """A sender, its outbox and its receiver. ``restart`` is what a crash and a start are.

    ``after_waits`` says what happens after so many waits, ``each_wait`` after each.
    """

    spec: ReceiverSpec = field(default_factory=spec)
    receiver: Receiver = field(default_factory=Receiver)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    clock: WaitingClock = field(default_factory=WaitingClock)
    told: list[tuple[State, str]] = field(default_factory=list)
    after_waits: dict[int, Callable[[], object]] = field(default_factory=dict)
    each_wait: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.post = Post(self.receiver, self.clock)
        self.used: Outbox = self.outbox
        self.restart()

    def restart(self) -> None:
        self.sender = Sender(
            self.spec,
            self.used,
            Inline(),
            self.post,
            self.clock,
            chance=lambda: 0.5,
            sleep=self._sleep,
            tell=lambda state, why: self.told.append((state, why)),
        )

    async def _sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        self.each_wait()
        self.after_waits.pop(len(self.clock.waits), _nothing)()

    def enqueue(self, *samples: tuple[int, int, float]) -> None:
        """Samples as (number of the series, milliseconds before now, value)."""
        rows = [(series(number), self.clock.now() - age, value) for number, age, value in samples]
        self.outbox.enqueue([self.spec.name], rows)

    async def turns(self, most: int = 1000) -> int:
        """Lets the sender work until it has nothing more to do now; how many turns that took."""
        for turn in range(most):
            if await self.sender.turn():
                return turn
        raise AssertionError(f"not done after {most} turns")

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Enqueued, acknowledged, dead, pending."""
        found = self.outbox.counts(self.spec.name)
        assert found.is_balanced
        return found.enqueued, found.acknowledged, found.dead, found.pending

    @property
    def letters(self) -> dict[int, tuple[str, int | None]]:
        """Reason and status of the dead letters, by the id of the series."""
        return {letter.row.series.id: (letter.reason, letter.status) for letter in self.outbox.dead(NAME, 1_000_000)}

    def stored(self) -> dict[tuple[int, int], float]:
        """What the receiver has, by the number of the pod and the instant."""
        found = {}
        for (labels, at), value in self.receiver.stored.items():
            pod = dict(labels)["pod"]
            found[int(pod.removeprefix("pod-")), at] = value
        return found


def backlog(scene: Scene, pods: int, steps: int, step: int = 5 * MINUTE, last: int = 0) -> dict[tuple[int, int], float]:
    """Enqueues a grid: each pod at each of ``steps`` instants, the newest ``last`` ms ago; gives what must arrive."""
    expected = {}
    now = scene.clock.now()
    for place in range(steps):
        age = last + (steps - 1 - place) * step
        for pod in range(pods):
            expected[pod, now - age] = float(place * 1000 + pod)
        scene.enqueue(*((pod, age, float(place * 1000 + pod)) for pod in range(pods)))
    return expected
