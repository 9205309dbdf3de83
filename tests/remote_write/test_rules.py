"""What follows from an answer, seen at a sender with a receiver in memory."""

from __future__ import annotations

import pytest

from tests.remote_write.building import NAME, NOW, Scene, backlog, series, spec
from tests.remote_write.receiver import Receiver
from timepoint.clock import HOUR, MINUTE
from timepoint.remote_write.facts import State
from timepoint.remote_write.outbox import Version
from timepoint.remote_write.reply import Meaning, Reply, meaning
from timepoint.remote_write.rules import MAX_BACKOFF, MAX_HOLD, MAX_RETRY_AFTER
from timepoint.remote_write.spec import Caps


def pod(labels: tuple[tuple[str, str], ...]) -> int:
    """The number of the pod of a series."""
    return int(dict(labels)["pod"].removeprefix("pod-"))


def sends(scene: Scene) -> list[int]:
    """How many samples each request had, those without any left out."""
    return [count for heard in scene.receiver.heard if (count := len(heard.request.samples))]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, Meaning.FAILED),
        (100, Meaning.HELD),
        (200, Meaning.STORED),
        (204, Meaning.STORED),
        (301, Meaning.HELD),
        (307, Meaning.HELD),
        (400, Meaning.REFUSED),
        (401, Meaning.HELD),
        (403, Meaning.HELD),
        (404, Meaning.HELD),
        (405, Meaning.HELD),
        (407, Meaning.HELD),
        (408, Meaning.FAILED),
        (409, Meaning.REFUSED),
        (413, Meaning.TOO_LARGE),
        (415, Meaning.OTHER_VERSION),
        (418, Meaning.HELD),
        (422, Meaning.REFUSED),
        (425, Meaning.FAILED),
        (429, Meaning.SLOWER),
        (500, Meaning.FAILED),
        (503, Meaning.FAILED),
        (599, Meaning.FAILED),
    ],
)
def test_what_a_status_means(status: int | None, expected: Meaning) -> None:
    """The table of statuses; what nobody thought of holds, and loses nothing."""
    assert meaning(Reply(status)) is expected


def test_what_was_not_sent_for_want_of_a_credential_is_held() -> None:
    """No answer, since we have no credential, is nothing that passes by itself."""
    assert meaning(Reply(None, is_ours=True)) is Meaning.HELD


async def test_auto_finds_a_receiver_of_1_0(scene: Scene) -> None:
    """F17: 2xx without the headers of 2.0 means that nothing was stored: 1.0, and the same samples again."""
    expected = backlog(scene, 3, 2)
    await scene.turns()
    assert scene.stored() == expected
    assert [heard.headers["X-Prometheus-Remote-Write-Version"] for heard in scene.receiver.heard[1:]] == [
        "2.0.0",
        "0.1.0",
        "0.1.0",
    ]
    assert scene.outbox.version(NAME) == Version.V1


async def test_what_was_learnt_outlives_a_restart(scene: Scene) -> None:
    """After a restart no sample goes out in the version that the receiver swallows."""
    backlog(scene, 3, 1)
    await scene.turns()
    before = len(scene.receiver.heard)
    scene.restart()
    scene.clock.move(60)
    backlog(scene, 3, 1)
    await scene.turns()
    versions = {heard.headers["X-Prometheus-Remote-Write-Version"] for heard in scene.receiver.heard[before:]}
    assert versions == {"0.1.0"}


async def test_auto_stays_with_2_0_where_it_is_spoken() -> None:
    """A receiver that says how much it has written gets 2.0."""
    scene = Scene(receiver=Receiver(speaks_2=True))
    expected = backlog(scene, 3, 2)
    await scene.turns()
    assert scene.stored() == expected
    assert scene.outbox.version(NAME) == Version.V2


async def test_a_receiver_that_is_replaced_by_an_older_one_is_noticed() -> None:
    """Each answer to 2.0 is looked at: when the headers are gone, nothing is lost."""
    scene = Scene(receiver=Receiver(speaks_2=True))
    expected = backlog(scene, 3, 2)
    await scene.turns()
    scene.receiver.speaks_2 = False
    scene.clock.move(600)
    expected |= backlog(scene, 3, 2)
    await scene.turns()
    assert scene.stored() == expected
    assert scene.outbox.version(NAME) == Version.V1


async def test_a_version_that_is_set_is_not_left() -> None:
    """``protocol: 2.0`` with a receiver that does not speak it holds, and says why."""
    scene = Scene(spec(protocol=Version.V2))
    backlog(scene, 1, 1)
    seen = []
    scene.each_wait = lambda: seen.append((scene.sender.facts.state, scene.sender.facts.why, scene.counts))
    scene.after_waits[3] = lambda: setattr(scene.receiver, "speaks_2", True)
    await scene.turns()
    assert {(state, counts) for state, _, counts in seen} == {(State.HELD, (1, 0, 0, 1))}
    assert all("does not know 2.0" in why for _, why, _ in seen)
    assert scene.counts == (1, 1, 0, 0)


async def test_400_to_the_very_first_request_of_2_0_tries_1_0() -> None:
    """A receiver of 1.0 may refuse what it cannot read; that refusal is not about the samples."""
    scene = Scene()
    scene.post.fault = lambda number: Reply(400, said_at=scene.clock.now()) if number == 2 else None
    expected = backlog(scene, 3, 1)
    await scene.turns()
    assert (scene.stored(), scene.letters) == (expected, {})


async def test_415_chooses_the_other_version() -> None:
    """Either way: also a receiver that once spoke 1.0 and now speaks only 2.0."""
    scene = Scene(receiver=Receiver(speaks_2=True))
    scene.outbox.remember(NAME, Version.V1)
    scene.post.fault = lambda number: Reply(415, said_at=scene.clock.now()) if number == 2 else None
    expected = backlog(scene, 3, 1)
    await scene.turns()
    assert scene.stored() == expected
    assert scene.outbox.version(NAME) == Version.V2


async def test_samples_that_2_0_did_not_store_are_counted() -> None:
    """An acknowledgement that names fewer is believed, and told."""
    scene = Scene(receiver=Receiver(speaks_2=True))
    scene.post.fault = lambda number: Reply(204, written=1, said_at=scene.clock.now()) if number == 2 else None
    backlog(scene, 3, 1)
    await scene.turns()
    assert scene.sender.facts.unwritten == 2
    assert scene.counts == (3, 3, 0, 0)


async def test_back_off_is_jittered_and_bounded(scene: Scene) -> None:
    """Half of 0.5 s, 1 s, 2 s ... 60 s, with a chance of a half, and then for ever so."""
    scene.post.fault = lambda number: Reply(None, "reset") if 2 <= number < 15 else None
    backlog(scene, 3, 1)
    await scene.turns()
    assert scene.clock.waits[:8] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, MAX_BACKOFF / 2]
    assert set(scene.clock.waits[8:]) == {MAX_BACKOFF / 2}
    assert scene.counts == (3, 3, 0, 0)


async def test_repetitions_say_so(scene: Scene) -> None:
    """``Retry-Attempt`` counts them, as Prometheus' own sender does."""
    scene.outbox.remember(NAME, Version.V1)
    scene.receiver.down = 503
    backlog(scene, 2, 1)
    scene.after_waits[2] = lambda: setattr(scene.receiver, "down", 0)
    await scene.turns()
    found = [heard.headers.get("Retry-Attempt") for heard in scene.receiver.heard if heard.request.samples]
    assert found == [None, "1", "2"]
    assert scene.sender.facts.retried == 4


async def test_one_conflict_costs_one_sample(scene: Scene) -> None:
    """Halves of halves find it; the letter holds reason and status."""
    scene.receiver.put(series(37).labels, NOW - 5, 99.0)
    scene.enqueue(*((pod, 10, 1.0) for pod in range(100)))
    await scene.turns()
    assert scene.counts == (100, 99, 1, 0)
    assert scene.letters == {37: ("conflict", 400)}


async def test_an_old_sample_that_is_refused_was_outside_the_window() -> None:
    """Where the operator allows any age, an old one that gets 400 is called what it is."""
    scene = Scene(spec(max_age=0))
    scene.receiver.put(series(99).labels, NOW, 1.0)
    scene.enqueue((1, 2 * HOUR, 1.0), (2, 0, 1.0))
    await scene.turns()
    assert scene.letters == {1: ("receiver_window", 400)}


async def test_a_refusal_by_2_0_resends_only_what_fits() -> None:
    """400 with what was written: the halves are repeated, and what is stored already is stored once."""
    scene = Scene(spec(protocol=Version.V2), Receiver(speaks_2=True))
    scene.receiver.put(series(2).labels, NOW - 5, 99.0)
    scene.enqueue(*((pod, 10, 1.0) for pod in range(8)))
    await scene.turns()
    assert scene.counts == (8, 7, 1, 0)
    assert scene.letters == {2: ("conflict", 400)}


async def test_of_many_poisoned_samples_none_keeps_the_others() -> None:
    """Five samples side by side over which the receiver fails are parked, and all others arrive."""
    scene = Scene(receiver=Receiver(poison=lambda labels, at: pod(labels) in range(10, 15)))
    scene.enqueue(*((number, 10, 1.0) for number in range(64)))
    await scene.turns()
    counts = scene.outbox.counts(NAME)
    assert (counts.acknowledged, counts.parked, counts.dead) == (59, 5, 0)


async def test_a_receiver_that_fails_over_everything_gets_no_blame_on_samples() -> None:
    """An empty request succeeds, every sample fails, as with a full disk: nothing is parked or given up."""
    scene = Scene(receiver=Receiver(poison=lambda labels, at: True))
    scene.enqueue(*((number, 10, 1.0) for number in range(16)))
    scene.after_waits[40] = lambda: setattr(scene.receiver, "poison", lambda labels, at: False)
    await scene.turns()
    assert scene.counts == (16, 16, 0, 0)
    assert scene.outbox.counts(NAME).parked == 0


async def test_a_poisoned_sample_alone_finds_its_witness_behind_it() -> None:
    """Where the slice has no other series, a sample of another one behind it shows that the receiver is well."""
    scene = Scene(receiver=Receiver(poison=lambda labels, at: pod(labels) == 1))
    scene.enqueue((1, 60, 1.0), (1, 50, 1.0), (2, 40, 1.0), (1, 30, 1.0), (2, 20, 1.0))
    await scene.turns()
    assert sorted(of for of, _ in scene.stored()) == [2, 2]
    assert scene.sender.facts.last_success is not None
    assert scene.sender.facts.last_success - NOW <= 5 * MINUTE
    assert {reason for reason, _ in scene.letters.values()} <= {"poison_5xx", "receiver_window"}


async def test_a_parked_sample_is_tried_again() -> None:
    """After ten minutes, and it arrives once the receiver can take it."""
    scene = Scene(spec(out_of_order=6 * HOUR), Receiver(window=6 * HOUR, poison=lambda labels, at: pod(labels) == 1))
    scene.enqueue(*((number, 10, 1.0) for number in range(4)))
    await scene.turns()
    assert scene.outbox.counts(NAME).parked == 1
    scene.clock.move(11 * 60)
    await scene.turns()
    assert scene.outbox.counts(NAME).parked == 1
    scene.receiver.poison = lambda labels, at: False
    scene.clock.move(11 * 60)
    await scene.turns()
    assert scene.counts == (4, 4, 0, 0)


async def test_a_parked_sample_ends_as_a_dead_letter() -> None:
    """When it is too old, with the status that it always got."""
    scene = Scene(spec(out_of_order=6 * HOUR), Receiver(window=6 * HOUR, poison=lambda labels, at: pod(labels) == 1))
    scene.enqueue(*((number, 10, 1.0) for number in range(4)))
    await scene.turns()
    for _ in range(40):
        scene.clock.move(10 * 60)
        await scene.turns()
    assert scene.letters == {1: ("poison_5xx", 500)}
    assert scene.counts == (4, 3, 1, 0)


async def test_a_strict_series_does_not_go_back_for_a_parked_sample() -> None:
    """If newer ones of its series were stored meanwhile, it would be refused, so it is given up without a request."""
    scene = Scene(receiver=Receiver(poison=lambda labels, at: pod(labels) == 1 and at < NOW))
    scene.enqueue(*((number, 10, 1.0) for number in range(4)))
    await scene.turns()
    scene.enqueue((1, 0, 2.0))
    scene.clock.move(15 * 60)
    await scene.turns()
    await scene.turns()
    assert scene.letters == {1: ("poison_5xx", 500)}
    assert 400 not in scene.receiver.statuses()


async def test_413_halves_the_slices_for_good(scene: Scene) -> None:
    """The receiver's limit is learnt by halves, and no slice is larger again."""
    scene.receiver.most = 30
    scene.enqueue(*((number, 20, 1.0) for number in range(100)))
    await scene.turns()
    scene.enqueue(*((number, 10, 1.0) for number in range(100)))
    before = len(sends(scene))
    await scene.turns()
    assert scene.counts == (200, 200, 0, 0)
    assert max(sends(scene)[before:]) <= 30
    assert scene.sender.facts.limit == 25


async def test_spec_strict_gives_up_what_is_refused() -> None:
    """No request is ever made again with samples that got a 4xx, nor with halves of them."""
    scene = Scene(spec(spec_strict=True, protocol=Version.V1))
    scene.receiver.put(series(3).labels, NOW - 5, 99.0)
    scene.enqueue(*((number, 10, 1.0) for number in range(8)))
    await scene.turns()
    assert sends(scene) == [8]
    assert set(scene.letters.values()) == {("refused", 400)}
    assert scene.counts == (8, 0, 8, 0)


async def test_spec_strict_repeats_what_failed_without_end() -> None:
    """5xx is repeated as it is, also where one sample is the cause, until it is stored or too old."""
    scene = Scene(spec(spec_strict=True), Receiver(poison=lambda labels, at: pod(labels) == 1))
    scene.enqueue(*((number, 10, 1.0) for number in range(4)))
    await scene.turns()
    assert set(sends(scene)) == {4}
    assert {reason for reason, _ in scene.letters.values()} == {"receiver_window"}


async def test_age_is_looked_at_before_each_repetition(scene: Scene) -> None:
    """What becomes too old while the receiver fails is given up, and the rest goes on."""
    scene.receiver.down = 503
    scene.enqueue((1, 54 * MINUTE, 1.0), (2, 0, 1.0))
    scene.after_waits[12] = lambda: setattr(scene.receiver, "down", 0)
    await scene.turns()
    assert scene.letters == {1: ("receiver_window", None)}
    assert scene.counts == (2, 1, 1, 0)


@pytest.mark.parametrize(("asked", "waited"), [(0.0, 0.25), (10.0, 10.0), (1e9, MAX_RETRY_AFTER), (-5.0, 0.25)])
async def test_retry_after_is_bounded(scene: Scene, asked: float, waited: float) -> None:
    """A wait that is asked for is kept, up to five minutes."""
    scene.post.fault = lambda number: Reply(503, retry_after=asked, said_at=scene.clock.now()) if number == 2 else None
    backlog(scene, 1, 1)
    await scene.turns()
    assert scene.clock.waits == [waited]


async def test_a_hold_is_tried_more_and_more_seldom(scene: Scene) -> None:
    """30 s, 1 min, 2 min, then every five."""
    scene.post.fault = lambda number: Reply(403, "no", said_at=scene.clock.now()) if 2 <= number < 9 else None
    backlog(scene, 1, 1)
    await scene.turns()
    assert scene.clock.waits == [30.0, 60.0, 120.0, 240.0, MAX_HOLD, MAX_HOLD, MAX_HOLD]
    assert scene.counts == (1, 1, 0, 0)


async def test_caps_hold_while_the_receiver_is_down() -> None:
    """Each wait looks at them, so a queue does not grow without end behind a receiver that is gone."""
    scene = Scene(spec(caps=Caps(rows=10)))
    scene.post.fault = lambda number: Reply(None, "refused") if number < 6 else None
    scene.enqueue(*((1, 100 - age, 1.0) for age in range(8)))

    def enqueue() -> None:
        scene.outbox.enqueue([NAME], [(series(2), scene.clock.now() - place, 1.0) for place in range(5)])

    scene.each_wait = enqueue
    await scene.turns()
    assert scene.outbox.counts(NAME).dead > 0
    assert {reason for reason, _ in scene.letters.values()} == {"full"}
    dead = {(letter.row.series.id, letter.row.at) for letter in scene.outbox.dead(NAME, 1000)}
    assert not dead & set(scene.stored())
