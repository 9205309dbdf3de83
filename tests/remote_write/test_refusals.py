"""Receivers that refuse whatever they are sent, and those that refuse most of it: what is given up, what is held."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.remote_write.building import NAME, NOW, Scene, backlog, series, spec
from tests.remote_write.receiver import Answer, Labels, Receiver
from tests.remote_write.test_rules import pod, sends
from timepoint.clock import HOUR, MINUTE, SECOND
from timepoint.remote_write.facts import State
from timepoint.remote_write.outbox import Version
from timepoint.remote_write.refusals import ASKED, BELIEVED, ENOUGH
from timepoint.remote_write.reply import Reply

WIDE = {"out_of_order": 6 * HOUR}


def refuse_all(scene: Scene, status: int, until: int, *, empty: bool = True) -> None:
    """Until an instant everything but the first request is answered so; also what is empty, or not."""
    hear = scene.receiver.hear

    def fault(number: int) -> Reply | None:
        is_refusing = number > 1 and scene.clock.now() < until
        if is_refusing and not empty:
            scene.receiver.hear = refusing  # type: ignore[method-assign] # for this request
            return None
        scene.receiver.hear = hear  # type: ignore[method-assign] # as it was
        return Reply(status, "wrong door", said_at=scene.clock.now()) if is_refusing else None

    def refusing(body: bytes, headers: Mapping[str, str]) -> Answer:
        answer = Receiver(refuses=lambda labels, at: True).hear(body, {**headers, "Content-Type": "1.0"})
        answer.status = status if answer.status == 400 else answer.status
        return answer

    scene.post.fault = fault


@pytest.mark.parametrize("status", [400, 409, 413, 422])
@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("is_strict", [True, False])
async def test_a_receiver_that_refuses_everything_is_held(status: int, *, empty: bool, is_strict: bool) -> None:
    """A31: nothing of many series becomes a letter, few requests are made meanwhile, and in the end all arrives."""
    scene = Scene(spec(protocol=Version.V1) if is_strict else spec(protocol=Version.V1, **WIDE))
    scene.receiver.window = 0 if is_strict else 6 * HOUR
    refuse_all(scene, status, NOW + 30 * MINUTE, empty=empty)
    expected = backlog(scene, 75, 4)
    seen = []
    scene.each_wait = lambda: seen.append((scene.sender.facts.state, scene.counts, scene.post.count))
    await scene.turns()
    assert scene.stored() == expected
    assert scene.counts == (300, 300, 0, 0)
    assert {(state, counts) for state, counts, _ in seen} == {(State.HELD, (300, 0, 0, 300))}
    assert max(later - before for (*_, before), (*_, later) in pairwise(seen)) < 75
    assert scene.clock.waits[:4] == [30, 60, 120, 240]
    assert scene.sender.facts.limit == 2000
    held = [why for state, why in scene.told if state is State.HELD]
    assert len(held) == 1
    assert held[0].startswith("it refuses whatever it is sent (")
    assert held[0].endswith(f"status {status}: wrong door" if empty else f"status {status}")


async def test_a_queue_of_one_series_is_held_likewise() -> None:
    """A newer sample of the series is asked where there is no other; if that is refused, too, nothing is given up."""
    scene = Scene(spec(protocol=Version.V1))
    refuse_all(scene, 400, NOW + 20 * MINUTE, empty=False)
    expected = backlog(scene, 1, 6, last=SECOND)
    await scene.turns()
    assert (scene.stored(), scene.letters) == (expected, {})


async def test_one_bad_sample_of_a_single_series_does_not_hold_the_others() -> None:
    """The next one of the series is taken, so it was the sample; it is told at once."""
    scene = Scene(spec(protocol=Version.V1))
    scene.receiver.refuses = lambda labels, at: at == NOW - 10 * MINUTE
    backlog(scene, 1, 6)
    await scene.turns()
    assert scene.counts == (6, 5, 1, 0)
    assert scene.clock.waits == []


async def test_a_sample_that_is_alone_is_given_up_if_a_request_without_any_is_taken() -> None:
    """There is nothing else by which the receiver could show that it is well."""
    scene = Scene(spec(protocol=Version.V1))
    scene.receiver.put(series(1).labels, NOW, 99.0)
    scene.enqueue((1, 0, 1.0))
    await scene.turns()
    assert scene.letters == {1: ("conflict", 400)}
    assert sends(scene) == [1]


async def test_a_sample_that_is_alone_is_kept_where_no_request_is_taken() -> None:
    """A wrong address refuses what is empty, too: nothing is wrong with the sample."""
    scene = Scene(spec(protocol=Version.V1))
    refuse_all(scene, 400, NOW + 10 * MINUTE)
    scene.enqueue((1, 0, 1.0))
    await scene.turns()
    assert scene.counts == (1, 1, 0, 0)


async def test_of_samples_that_come_one_by_one_only_a_few_are_believed_in_a_row() -> None:
    """Also of a receiver that takes what is empty: the others wait until it has taken one."""
    scene = Scene(spec(protocol=Version.V1))
    until = NOW + 20 * MINUTE
    refuse_all(scene, 400, until, empty=False)
    for _ in range(14):
        scene.enqueue((1, 0, 1.0))
        await scene.turns()
        scene.clock.move(60)
    assert scene.counts == (14, 6, BELIEVED, 0)
    assert len(scene.clock.waits) > 2


async def test_a_window_that_is_not_there_does_not_hold_up_what_is_young() -> None:
    """A receiver refuses all of an old backlog: that is given up, and what it takes arrives within minutes."""
    scene = Scene(spec(protocol=Version.V1, **WIDE))
    scene.receiver.refuses = lambda labels, at: at < scene.clock.now() - HOUR
    scene.receiver.window = 6 * HOUR
    for number in range(20):
        scene.enqueue(*((number, age * MINUTE, 1.0) for age in range(0, 300, 2)))
    await scene.turns()
    assert scene.clock.now() - NOW < 5 * MINUTE
    enqueued, acknowledged, dead, pending = scene.counts
    assert (enqueued, pending) == (3000, 0)
    assert acknowledged >= 20 * 28
    assert {letter.row.at < NOW - HOUR + 5 * MINUTE for letter in scene.outbox.dead(NAME, 9999)} == {True}
    assert dead == 3000 - acknowledged


@pytest.mark.parametrize("good", [0, 57, 99])
async def test_one_good_series_among_a_hundred_goes_on(good: int) -> None:
    """Somebody else writes all the others: whichever it is, its samples arrive in order, all of them."""
    scene = Scene(spec(protocol=Version.V1))
    scene.receiver.refuses = lambda labels, at: pod(labels) != good
    ends = NOW + 3 * HOUR

    def enqueue() -> None:
        """What a job of each ten minutes brings, while time passes by waiting."""
        while scene.clock.now() >= due[0] and due[0] < ends:
            scene.outbox.enqueue([NAME], [(series(number), due[0], 1.0) for number in range(100)])
            due[0] += 10 * MINUTE

    due = [NOW]
    scene.each_wait = enqueue
    while due[0] < ends or scene.outbox.counts(NAME).pending:
        enqueue()
        await scene.turns()
        scene.clock.move(60)
    assert scene.stored() == {(good, NOW + place * 10 * MINUTE): 1.0 for place in range(18)}
    assert scene.counts == (1800, 18, 1782, 0)


async def test_a_metric_that_is_refused_whole_does_not_hold_the_others() -> None:
    """Those of other metrics are asked first, so two hundred series that somebody else writes cost no pause."""
    scene = Scene(spec(protocol=Version.V1))
    scene.receiver.refuses = lambda labels, at: pod(labels) < 200
    scene.enqueue(*((number, 10, 1.0) for number in range(200)))
    others = [series(number, __name__="water_litres_total") for number in range(200, 203)]
    scene.outbox.enqueue([NAME], [(other, NOW - 10, 1.0) for other in others])
    await scene.turns()
    assert (scene.counts, scene.clock.waits) == ((203, 3, 200, 0), [])


async def test_nothing_is_settled_while_it_is_in_doubt() -> None:
    """A crash while the receiver refuses everything costs nothing: all of it still waits."""
    scene = Scene(spec(protocol=Version.V1))
    refuse_all(scene, 400, NOW + HOUR)
    backlog(scene, 20, 2)
    scene.each_wait = asyncio.current_task().cancel  # type: ignore[union-attr] # there is one
    with pytest.raises(asyncio.CancelledError):
        await scene.turns()
    assert scene.counts == (40, 0, 0, 40)


async def test_the_version_is_sought_anew_after_a_hold() -> None:
    """A proxy that refuses everything says nothing about the protocol: in the end 2.0 is spoken."""
    scene = Scene(receiver=Receiver(speaks_2=True))
    refuse_all(scene, 400, NOW + 10 * MINUTE)
    expected = backlog(scene, 10, 2)
    await scene.turns()
    assert scene.stored() == expected
    assert scene.outbox.version(NAME) == Version.V2


async def test_what_was_written_of_a_refused_request_is_a_proof() -> None:
    """2.0: a receiver that has stored some of what it refuses takes others, so the refused ones are at fault."""
    scene = Scene(spec(protocol=Version.V2), Receiver(speaks_2=True, refuses=lambda labels, at: pod(labels) < 12))
    scene.enqueue(*((number, 10, 1.0) for number in range(14)))
    await scene.turns()
    assert (scene.counts, scene.clock.waits) == ((14, 2, 12, 0), [])


async def test_a_refusal_among_failures_is_a_letter_once_others_are_taken() -> None:
    """One sample is refused, the receiver fails over another; both are found."""

    def poison(labels: Labels, at: int) -> bool:
        return pod(labels) == 3

    receiver = Receiver(window=6 * HOUR, poison=poison, refuses=lambda labels, at: pod(labels) == 5)
    scene = Scene(spec(protocol=Version.V1, **WIDE), receiver)
    scene.enqueue(*((number, 10, 1.0) for number in range(8)))
    await scene.turns()
    counts = scene.outbox.counts(NAME)
    assert (counts.acknowledged, counts.parked, scene.letters) == (6, 1, {5: ("conflict", 400)})


async def test_a_receiver_that_is_gone_while_others_are_tried_is_waited_for() -> None:
    """No answer proves nothing: it is asked again, as often as it takes, and nothing is given up meanwhile."""
    scene = Scene(spec(protocol=Version.V1))
    expected = backlog(scene, 40, 1)

    def fault(number: int) -> Reply | None:
        if scene.clock.now() >= NOW + 20 * MINUTE or number == 1:
            return None
        return Reply(400, said_at=scene.clock.now()) if number < 25 else Reply(None, "reset")

    scene.post.fault = fault
    states = set()
    scene.each_wait = lambda: states.add((scene.sender.facts.state, scene.counts))
    await scene.turns()
    assert states == {(State.RETRYING, (40, 0, 0, 40))}
    assert set(scene.stored()) | {(of, NOW) for of in scene.letters} == set(expected)
    assert len(scene.letters) <= ENOUGH + ASKED


async def test_one_over_which_the_receiver_fails_is_no_proof_and_no_obstacle() -> None:
    """Where it is the first that is tried, the next one is."""
    poisoned = series(500, __name__="water_litres_total")

    def poison(labels: Labels, at: int) -> bool:
        return labels == poisoned.labels

    receiver = Receiver(window=6 * HOUR, poison=poison, refuses=lambda labels, at: pod(labels) < 30)
    scene = Scene(spec(protocol=Version.V1, max_samples=30, **WIDE), receiver)
    scene.enqueue(*((number, 20, 1.0) for number in range(30)))
    scene.outbox.enqueue([NAME], [(poisoned, NOW - 10, 1.0)])
    scene.enqueue((600, 10, 1.0))
    await scene.turns()
    reasons = Counter(letter.reason for letter in scene.outbox.dead(NAME, 100))
    assert reasons == {"conflict": 30, "receiver_window": 1}  # that one in the end, since nobody else is left
    assert scene.sender.facts.last_success is not None
    assert scene.sender.facts.last_success - NOW < SECOND


@given(begins=st.integers(2, 40), requests=st.integers(1, 120), pods=st.integers(1, 40), is_strict=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_receiver_that_refuses_everything_for_a_while_costs_few_samples(
    begins: int, requests: int, pods: int, *, is_strict: bool
) -> None:
    """Whenever it begins and ends, also between two requests of one search: those that were then accused, and no more.

    What else is lost was too old before it ended.
    """
    scene = Scene(spec(protocol=Version.V1) if is_strict else spec(protocol=Version.V1, **WIDE))
    scene.receiver.window = 0 if is_strict else 6 * HOUR
    scene.post.fault = lambda number: (
        Reply(400, said_at=scene.clock.now()) if begins <= number < begins + requests else None
    )
    expected = backlog(scene, pods, 5, MINUTE)
    asyncio.run(scene.turns())
    lost = {(letter.row.series.id, letter.row.at): letter.reason for letter in scene.outbox.dead(NAME, 9999)}
    assert set(scene.stored()) | set(lost) == set(expected)
    assert not set(lost) & set(scene.stored())
    assert sum(reason != "receiver_window" for reason in lost.values()) <= ENOUGH + ASKED
    assert scene.outbox.counts(NAME).pending == 0
