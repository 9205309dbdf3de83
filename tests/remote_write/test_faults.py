"""The fault catalogue of remote write, W1 to W18, each by its id.

W3 (a receiver that is killed) and W17 (its loss of power) need a real one: ``test_real_receivers``. That W12's queue is
bounded on disk, and that W13's queues share a file, are claims about the ledger; their rules are here.
"""

from __future__ import annotations

import random

import pytest

from tests.remote_write.building import NAME, NOW, Scene, backlog, series, spec
from tests.remote_write.receiver import Receiver
from tests.remote_write.test_rules import pod, sends
from timepoint.clock import DAY, HOUR, MINUTE, SECOND
from timepoint.remote_write.facts import State
from timepoint.remote_write.outbox import Version
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.rules import MAX_RETRY_AFTER
from timepoint.remote_write.spec import Caps


async def test_w1_an_answer_that_is_lost_after_storing(scene: Scene) -> None:
    """The same samples again, 204, stored once, no 400."""
    lost = random.Random(1)
    scene.post.loses = lambda number: lost.random() < 0.4
    expected = backlog(scene, 20, 10)
    await scene.turns()
    assert scene.stored() == expected
    assert len(sends(scene)) > 12
    assert set(scene.receiver.statuses()) == {204}


async def test_w2_a_request_that_is_lost(scene: Scene) -> None:
    """It is sent again until it arrives."""
    lost = random.Random(2)
    scene.post.fault = lambda number: Reply(None, "reset") if lost.random() < 0.4 else None
    expected = backlog(scene, 20, 10)
    await scene.turns()
    assert scene.stored() == expected


async def test_w3_bursts_of_503(scene: Scene) -> None:
    """Everything is delivered, in order."""
    scene.post.fault = lambda number: Reply(503, said_at=scene.clock.now()) if number % 7 < 4 else None
    expected = backlog(scene, 20, 10)
    await scene.turns()
    assert scene.stored() == expected
    assert scene.letters == {}


async def test_w4_a_receiver_that_was_down_for_six_hours_with_a_window() -> None:
    """Where it has an out-of-order window and is ahead of us already, all of the backlog arrives."""
    scene = Scene(spec(out_of_order=7 * HOUR), Receiver(window=7 * HOUR))
    expected = backlog(scene, 10, 72)
    scene.receiver.put(series(999).labels, NOW, 1.0)
    await scene.turns()
    assert {key: value for key, value in scene.stored().items() if key[0] != 999} == expected


async def test_w4_a_receiver_that_was_down_for_six_hours_without_one() -> None:
    """What is older than it takes is a dead letter, nothing gets 400, and the number is known before."""
    scene = Scene(spec())
    backlog(scene, 10, 72, last=SECOND)
    scene.receiver.put(series(999).labels, NOW, 1.0)
    facts = scene.sender.facts
    facts.counts = scene.outbox.counts(NAME)
    assert facts.oldest_age(NOW) == 71 * 5 * MINUTE + SECOND
    assert "becomes a dead letter" in facts.warnings(scene.spec, NOW)[0]
    await scene.turns()
    assert scene.counts == (720, 110, 610, 0)
    assert {letter.reason for letter in scene.outbox.dead(NAME, 1000)} == {"receiver_window"}
    assert set(scene.receiver.statuses()) == {204}


async def test_w5_one_bad_sample_among_ten_thousand(scene: Scene) -> None:
    """All others arrive, by at most 64 requests more, and one dead letter says why (A31)."""
    scene.outbox.remember(NAME, Version.V1)
    scene.receiver.put(series(4321).labels, NOW - 5, 99.0)
    scene.enqueue(*((number, 10, 1.0) for number in range(10_000)))
    await scene.turns()
    assert scene.counts == (10_000, 9_999, 1, 0)
    assert scene.letters == {4321: ("conflict", 400)}
    assert len(sends(scene)) - 5 <= 64


async def test_w6_a_sample_over_which_the_receiver_fails_for_ever() -> None:
    """All others are there within five minutes; the one is parked."""
    scene = Scene(receiver=Receiver(poison=lambda labels, at: pod(labels) == 777))
    scene.enqueue(*((number, 10, 1.0) for number in range(2_000)))
    await scene.turns()
    assert scene.counts == (2000, 1999, 0, 1)
    assert scene.outbox.counts(NAME).parked == 1
    assert scene.sender.facts.last_success is not None
    assert scene.sender.facts.last_success - NOW <= 5 * MINUTE


@pytest.mark.parametrize("status", [301, 308, 401, 403, 404, 405, 407, 415])
async def test_w7_what_an_operator_must_mend_loses_nothing(scene: Scene, status: int) -> None:
    """Held, tried seldom, told once with words, and all is delivered when it is mended (A31)."""
    scene.outbox.remember(NAME, Version.V1)
    until = NOW + 30 * MINUTE
    scene.post.fault = lambda number: (
        Reply(status, "go away", said_at=scene.clock.now()) if number > 1 and scene.clock.now() < until else None
    )
    expected = backlog(scene, 3, 3)
    await scene.turns()
    assert scene.stored() == expected
    assert len(scene.clock.waits) < 20
    held = [why for state, why in scene.told if state is State.HELD]
    assert held == [f"status {status}: go away"]


async def test_w8_a_request_that_is_too_large(scene: Scene) -> None:
    """Halves until it fits; a single sample that is still too large is a dead letter."""
    scene.receiver.most = 3
    scene.enqueue(*((number, 10, 1.0) for number in range(10)))
    await scene.turns()
    assert scene.counts == (10, 10, 0, 0)
    scene.receiver.most = 0
    scene.enqueue((1, 5, 1.0))
    await scene.turns()
    assert scene.letters == {1: ("too_large", 413)}


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.25), (10.0, 10.0), (1e9, MAX_RETRY_AFTER)])
async def test_w9_429_with_any_retry_after(scene: Scene, asked: float, waited: float) -> None:
    """The wait is bounded; a date in the past is read as 0 where the header is read (A30)."""
    scene.post.fault = lambda number: Reply(429, retry_after=asked, said_at=scene.clock.now()) if number == 2 else None
    expected = backlog(scene, 3, 1)
    await scene.turns()
    assert scene.clock.waits == [waited]
    assert scene.stored() == expected


async def test_w11_an_answer_that_comes_too_late(scene: Scene) -> None:
    """The same samples again, one request at a time, and the copy that arrives late does no harm (A32)."""
    scene.outbox.remember(NAME, Version.V1)
    scene.post.loses = lambda number: number in (2, 3)
    expected = backlog(scene, 10, 3)
    await scene.turns()
    late = scene.receiver.heard[1].request
    assert scene.receiver._answer_1(late).status == 400  # nobody waits for it
    assert scene.stored() == expected
    asked = [heard.request.samples for heard in scene.receiver.heard if heard.request.samples]
    assert asked[0] == asked[1] == asked[2]


@pytest.mark.parametrize("keeps", [True, False])
async def test_w12_a_queue_that_is_full(*, keeps: bool) -> None:
    """The oldest leave, as letters or as a number, and an alarm is there at 80 %."""
    scene = Scene(spec(caps=Caps(rows=100, keeps=keeps)))
    scene.enqueue(*((1, 1000 - place, float(place)) for place in range(80)))
    facts = scene.sender.facts
    facts.counts = scene.outbox.counts(NAME)
    assert "80% full" in facts.warnings(scene.spec, NOW)[0]
    scene.enqueue(*((2, 900 - place, float(place)) for place in range(50)))
    await scene.turns()
    assert scene.counts == (130, 100, 30, 0)
    assert scene.sender.facts.dropped == {"full": 30}
    letters = scene.outbox.dead(NAME, 100)
    assert [letter.row.at for letter in letters] == ([NOW - 1000 + place for place in range(30)] if keeps else [])


async def test_w12_a_queue_that_is_full_in_bytes() -> None:
    """The cap in bytes holds as well."""
    scene = Scene(spec(caps=Caps(rows=0, size=3200)))
    scene.enqueue(*((1, 1000 - place, float(place)) for place in range(130)))
    await scene.turns()
    assert scene.counts == (130, 100, 30, 0)


async def test_w13_two_receivers_one_of_them_dead(scene: Scene) -> None:
    """The live one has all of it at once; the other's queue is as long as ever."""
    scene.outbox.enqueue([NAME, "dead"], [(series(1), NOW - age, 1.0) for age in (30, 20, 10)])
    await scene.turns()
    assert scene.counts == (3, 3, 0, 0)
    assert scene.outbox.counts("dead").pending == 3
    assert scene.clock.now() - NOW < SECOND


async def test_w15_somebody_else_writes_the_same_series(scene: Scene) -> None:
    """A dead letter ``conflict`` that names the series; its neighbours and its later samples go on."""
    scene.receiver.put(series(1).labels, NOW - 10, 99.0)
    scene.enqueue((1, 10, 1.0), (2, 10, 1.0), (1, 5, 2.0))
    await scene.turns()
    (letter,) = scene.outbox.dead(NAME, 10)
    assert (letter.reason, letter.row.series.labels) == ("conflict", series(1).labels)
    assert scene.counts == (3, 2, 1, 0)


async def test_w16_our_clock_is_three_hours_ahead(scene: Scene) -> None:
    """Nothing leaves; the reason is told; once the clock is right, what is not in the future leaves (A32)."""
    right = scene.clock.now
    offset = {"ms": 3 * HOUR}
    scene.post.date = lambda: right() - offset["ms"]
    scene.enqueue((1, 10, 1.0), (2, 3 * HOUR + 10, 1.0))

    def mend() -> None:
        scene.clock.jump(-3 * HOUR)
        offset["ms"] = 0

    seen = []
    scene.each_wait = lambda: seen.append((len(scene.receiver.stored), scene.sender.facts.state))
    scene.after_waits[4] = mend
    await scene.turns()
    assert seen[:4] == [(0, State.CLOCK)] * 4
    assert "3h ahead of the receiver's" in dict(scene.told)[State.CLOCK]
    assert all(at <= scene.clock.now() for _, at in scene.receiver.stored)
    assert scene.counts == (2, 1, 0, 1)
    assert scene.letters == {}


@pytest.mark.parametrize("jump", [DAY, -DAY, 6 * MINUTE, -6 * MINUTE])
async def test_q17_a_clock_that_jumps_while_sending(scene: Scene, jump: int) -> None:
    """After a jump by a day nothing leaves before the receiver's clock was seen again; then all goes on (K1, K2)."""
    backlog(scene, 3, 2)
    await scene.turns()
    offset = {"ms": jump}
    scene.clock.jump(jump)
    scene.post.date = lambda: scene.clock.now() - offset["ms"]
    scene.enqueue((7, 0, 7.0))
    before = len(scene.receiver.stored)

    def mend() -> None:
        scene.clock.jump(-jump)
        offset["ms"] = 0

    scene.each_wait = lambda: None if len(scene.clock.waits) > 2 else _same(scene, before)
    scene.after_waits[3] = mend
    await scene.turns()
    assert all(at <= scene.clock.now() for _, at in scene.receiver.stored)
    assert scene.sender.facts.skew is not None
    assert abs(scene.sender.facts.skew) < SECOND


def _same(scene: Scene, stored: int) -> None:
    assert len(scene.receiver.stored) == stored


async def test_w18_nothing_newer_goes_before_an_older_backlog() -> None:
    """Ten hours into an idle receiver, other series beside them that have only new samples: all arrives, no 400."""
    scene = Scene(spec(max_age=0))
    expected = backlog(scene, 5, 120)
    now = scene.clock.now()
    scene.enqueue(*((number, 0, 1.0) for number in range(100, 140)))
    expected |= {(number, now): 1.0 for number in range(100, 140)}
    await scene.turns()
    assert scene.stored() == expected
    assert set(scene.receiver.statuses()) == {204}
