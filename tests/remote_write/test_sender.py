"""One receiver is served: steps in their order, rests, ends, errors of the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.remote_write.building import NAME, NOW, Inline, Post, Scene, WaitingClock, backlog, series, spec
from tests.remote_write.receiver import Receiver
from tests.remote_write.test_rules import pod
from timepoint.clock import DAY, MINUTE
from timepoint.errors import StoreError
from timepoint.remote_write.facts import State
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import Pending
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.sender import IDLE, Sender
from timepoint.testing import FakeClock


def running(clock: FakeClock, outbox: Any, receiver: Receiver) -> tuple[Sender, asyncio.Task[None], Post]:
    """A sender at work, on a clock that moves when told."""
    post = Post(receiver, WaitingClock(clock.now()))

    class Here:
        async def send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
            reply = await post.send(body, headers)
            return Reply(reply.status, written=reply.written, said_at=clock.now(), came_at=clock.monotonic())

    sender = Sender(spec(), outbox, Inline(), Here(), clock, chance=lambda: 0.5, sleep=clock.sleep)
    return sender, asyncio.create_task(sender.run()), post


async def ended(task: asyncio.Task[None]) -> None:
    """Ends a sender."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_waking_ends_a_rest() -> None:
    """What is enqueued leaves when somebody says so, not a minute later."""
    clock, outbox, receiver = FakeClock(), MemoryOutbox(), Receiver()
    sender, task, _ = running(clock, outbox, receiver)
    await clock.advance(seconds=1)
    outbox.enqueue([NAME], [(series(1), clock.now(), 1.0)])
    await clock.advance(seconds=1)
    assert receiver.stored == {}
    sender.wake()
    await clock.advance(seconds=0)
    assert len(receiver.stored) == 1
    await ended(task)


async def test_without_a_word_the_queue_is_looked_at_each_minute() -> None:
    """A call of ``wake`` that was missed costs a minute, not for ever."""
    clock, outbox, receiver = FakeClock(), MemoryOutbox(), Receiver()
    _, task, _ = running(clock, outbox, receiver)
    await clock.advance(seconds=1)
    outbox.enqueue([NAME], [(series(1), clock.now(), 1.0)])
    await clock.advance(seconds=IDLE)
    assert len(receiver.stored) == 1
    await ended(task)


async def test_a_sample_of_the_future_leaves_at_its_time() -> None:
    """Neither before, nor up to a minute after."""
    clock, outbox, receiver = FakeClock(), MemoryOutbox(), Receiver()
    outbox.enqueue([NAME], [(series(1), clock.now() + 7_000, 1.0)])
    _, task, _ = running(clock, outbox, receiver)
    await clock.advance(seconds=6.9)
    assert receiver.stored == {}
    await clock.advance(seconds=0.2)
    assert len(receiver.stored) == 1
    await ended(task)


async def test_an_idle_sender_asks_nobody() -> None:
    """Where nothing waits, no request is made, not even one without samples."""
    clock, outbox, receiver = FakeClock(), MemoryOutbox(), Receiver()
    _, task, post = running(clock, outbox, receiver)
    await clock.advance(hours=2)
    assert post.count == 0
    await ended(task)


class Failing:
    """An outbox of which some calls fail."""

    def __init__(self, outbox: MemoryOutbox, method: str, times: int) -> None:
        self._outbox = outbox
        self._method = method
        self._times = times

    def __getattr__(self, name: str) -> Any:
        if name == self._method and self._times:
            self._times -= 1
            raise StoreError(f"ledger: {name} failed")
        return getattr(self._outbox, name)


@pytest.mark.parametrize("method", ["counts", "oldest", "settle", "version", "remember"])
async def test_an_error_of_the_ledger_is_told_and_passes(method: str) -> None:
    """The sender goes on when the ledger does; what was in doubt is sent again, and nothing is lost or wrong."""
    clock, outbox, receiver = FakeClock(), MemoryOutbox(), Receiver()
    outbox.enqueue([NAME], [(series(number), clock.now(), 1.0) for number in range(3)])
    sender, task, _ = running(clock, Failing(outbox, method, 2), receiver)
    await clock.advance(seconds=1)
    assert (sender.facts.state, sender.facts.why) == (State.LEDGER, f"ledger: {method} failed")
    await clock.advance(seconds=30)
    counts = outbox.counts(NAME)
    assert (counts.acknowledged, counts.pending) == (3, 0)
    assert len(receiver.stored) == 3
    assert 400 not in receiver.statuses()
    await ended(task)


async def test_there_is_one_request_at_a_time() -> None:
    """The next slice leaves when the acknowledgement of the one before is durable."""
    scene = Scene()
    order: list[str] = []

    class Noting:
        def __getattr__(self, name: str) -> Any:
            if name == "settle":
                order.append("settle")
            return getattr(scene.outbox, name)

    scene.used = Noting()
    scene.restart()
    scene.post.fault = lambda number: order.append("send")
    backlog(scene, 4, 5)
    await scene.turns()
    # Two requests are answered without anything to settle: the one without samples, and the one in 2.0.
    assert order == ["send", "send", *["send", "settle"] * 5]


async def test_a_sender_that_is_ended_in_a_request_leaves_the_queue_as_it_was() -> None:
    """Nothing is settled without an answer."""
    scene = Scene()
    backlog(scene, 4, 5)

    class Hanging:
        async def send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
            await asyncio.Event().wait()
            raise AssertionError

    before = scene.outbox.counts(NAME)
    sender = Sender(scene.spec, scene.outbox, Inline(), Hanging(), scene.clock)
    task = asyncio.create_task(sender.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await ended(task)
    assert scene.outbox.counts(NAME) == before


async def test_a_wrong_clock_gives_up_nothing() -> None:
    """By a clock that is a day ahead all samples are too old; none is buried, since the receiver's clock was seen."""
    scene = Scene()
    expected = backlog(scene, 3, 3)
    scene.clock.jump(DAY)
    scene.post.date = lambda: scene.clock.now() - off["ms"]
    off = {"ms": DAY}

    def mend() -> None:
        scene.clock.jump(-DAY)
        off["ms"] = 0

    scene.after_waits[5] = mend
    await scene.turns()
    assert scene.stored() == expected
    assert scene.letters == {}


async def test_a_clock_of_1970_gives_up_nothing() -> None:
    """All samples lie in the future; they wait, and leave when the clock was set."""
    scene = Scene()
    expected = backlog(scene, 3, 3)
    away = scene.clock.now() - 1000
    scene.clock.jump(-away)
    await scene.turns()
    assert scene.counts == (9, 0, 0, 9)
    scene.clock.jump(away)
    await scene.turns()
    assert scene.stored() == expected


PODS = st.sets(st.integers(0, 39), max_size=12)


@given(poison=PODS, refused=PODS, most=st.sampled_from([1_000_000, 16]), limit=st.sampled_from([2000, 25]))
@example(poison={32, 33, 34, 35}, refused=set(), most=16, limit=25)  # a whole slice of them
@settings(max_examples=30)
def test_any_bad_samples_cost_themselves_alone(poison: set[int], refused: set[int], most: int, limit: int) -> None:
    """W5, W6: whichever samples are refused or make the receiver fail, all others arrive, each bad one is accounted."""
    bad = poison | refused
    receiver = Receiver(
        poison=lambda labels, at: pod(labels) in poison, refuses=lambda labels, at: pod(labels) in refused, most=most
    )
    scene = Scene(spec(max_samples=limit), receiver)
    scene.enqueue(*((number, 10, 1.0) for number in range(50)))
    asyncio.run(_work(scene))
    assert {of for of, _ in scene.stored()} == set(range(50)) - bad
    parked = {found.row.series.id for found in scene.outbox.due(NAME, NOW + DAY, 100)}
    assert parked | set(scene.letters) == bad
    assert set(scene.letters) <= bad
    assert {scene.letters[number][0] for number in scene.letters} <= {"conflict", "poison_5xx", "receiver_window"}
    assert scene.post.count < 1000
    assert scene.sender.facts.last_success is None or scene.sender.facts.last_success - NOW < 30 * MINUTE


async def _work(scene: Scene) -> None:
    await scene.turns()


@pytest.mark.parametrize("pods", [3, 100, 1500])
async def test_a_strict_slice_reads_little_more_than_it_sends(pods: int) -> None:
    """A backlog of few series is not read again and again: each sample is read about twice."""
    scene = Scene(spec(max_age=0))
    backlog(scene, pods, 6000 // pods)
    read = 0
    oldest = scene.outbox.oldest

    def counting(receiver: str, limit: int, after: Pending | None = None) -> list[Pending]:
        nonlocal read
        rows = oldest(receiver, limit, after)
        read += len(rows)
        return rows

    scene.outbox.oldest = counting  # type: ignore[method-assign] # only counts
    await scene.turns(5000)
    assert scene.counts == (6000, 6000, 0, 0)
    assert read <= (3 if pods > 64 else 25) * 6000
    assert len(scene.receiver.heard) <= 6000 // pods + 8
