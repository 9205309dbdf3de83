"""prometheus/compliance for senders of 2.0: what follows from an answer, or from none.

With ``spec_strict`` the sender is as literal as the specification. Where our usual way differs, the case says how.
"""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.remote_write.building import NAME, NOW, Inline, Scene, WaitingClock
from tests.remote_write.hearing import heard, made, scene_of
from tests.remote_write.receiver import V1_TYPE, V2_TYPE
from tests.remote_write.sender_cases import cases
from tests.remote_write.test_post import answer
from tests.request.wire import Reply as WireReply
from tests.request.wire import lookup, serving
from timepoint.clock import MINUTE
from timepoint.remote_write.facts import State
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import Counts, DeadLetter, Version
from timepoint.remote_write.post import open_post
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.spec import ReceiverSpec, check_receiver
from timepoint.request.spec import SourceSpec

WRITTEN = "X-Prometheus-Remote-Write-Samples-Written: 1\r\n"
GOOD = answer("204 No Content", WRITTEN)


def failing(scene: Scene, status: int, times: int, retry_after: float | None = None) -> None:
    """The first requests with samples get this status, the others reach the receiver."""
    seen = {"left": times}

    def fault(_number: int) -> Reply | None:
        if scene.post.count == 1 or not seen["left"]:  # the very first asks for the time, and has no samples
            return None
        seen["left"] -= 1
        return Reply(status, "an answer", retry_after=retry_after, said_at=scene.clock.now())

    scene.post.fault = fault


async def retried(
    status: int, times: int, *, chance: float = 1.0, retry_after: float | None = None, **changes: object
) -> Scene:
    """A sample whose requests get a status so many times."""
    scene = scene_of(**changes)
    scene.sender._chance = lambda: chance
    scene.outbox.enqueue([NAME], [(made(), NOW, 42.0)])
    failing(scene, status, times, retry_after)
    await scene.turns()
    return scene


def arrived(scene: Scene) -> list[tuple[int, float]]:
    """The samples that the receiver was sent and did not refuse."""
    return [(at, value) for one in heard(scene) for _, at, value in one.request.samples]


# -- retries ----------------------------------------------------------------------------------------------------------


@cases("retry_on_500", "retry_on_502", "retry_on_503", "retry_on_504", "may_retry_on_429")
async def test_the_very_sample_is_sent_again(case: str) -> None:
    """After each of three such answers, with the number of the repetition; then it is stored, once."""
    scene = await retried(int(case[-3:]), 3)
    assert arrived(scene) == [(NOW, 42.0)]
    assert scene.post.count == 1 + 3 + 1
    assert heard(scene)[0].headers["Retry-Attempt"] == "3"
    assert scene.counts == (1, 1, 0, 0)


@cases("no_retry_on_400", "no_retry_on_401", "no_retry_on_404", "no_retry_on_413")
async def test_a_refused_sample_is_never_sent_again(case: str) -> None:
    """It is a dead letter, and the next sample goes out. Without ``spec_strict`` 401 and 404 hold instead."""
    status = int(case[-3:])
    scene = await retried(status, 1)
    scene.outbox.enqueue([NAME], [(made(), NOW + 1, 43.0)])
    await scene.turns()
    assert scene.post.count == 3
    assert arrived(scene) == [(NOW + 1, 43.0)]
    (letter,) = scene.outbox.dead(NAME, 10)
    assert (letter.row.at, letter.status) == (NOW, status)


@cases("honor_retry_after_header")
async def test_a_wait_that_is_asked_for_is_kept() -> None:
    """Two seconds, though the own back-off would be shorter."""
    scene = await retried(503, 1, chance=0.0, retry_after=2.0)
    assert scene.clock.waits == [2.0]
    assert arrived(scene) == [(NOW, 42.0)]


# -- back-off ---------------------------------------------------------------------------------------------------------


@cases("exponential_backoff_on_retries", "increasing_delays")
async def test_waits_double(case: str) -> None:
    """At the upper end of the jitter each wait is twice the one before."""
    scene = await retried(503, 6)
    assert len(scene.clock.waits) == 6, case
    assert all(later == 2 * before for before, later in pairwise(scene.clock.waits))


@cases("backoff_max_delay")
async def test_no_wait_is_longer_than_a_minute() -> None:
    """However often it fails."""
    scene = await retried(502, 30)
    assert max(scene.clock.waits) == 60.0
    assert len(scene.clock.waits) == 30


@cases("minimum_backoff_delay")
async def test_no_wait_is_shorter_than_a_tenth_of_a_second() -> None:
    """Also at the lower end of the jitter."""
    scene = await retried(500, 8, chance=0.0)
    assert scene.clock.waits == [0.1] * 8


@cases("backoff_with_jitter")
async def test_waits_follow_chance() -> None:
    """So senders that failed together do not come back together."""
    low, high = await retried(503, 4, chance=0.4), await retried(503, 4, chance=0.9)
    assert all(short < long for short, long in zip(low.clock.waits, high.clock.waits, strict=True))


# -- versions ---------------------------------------------------------------------------------------------------------


async def falling_back() -> Scene:
    """A receiver that refuses 2.0 with 415, as one of 1.0 may, and three samples one after the other."""
    scene = scene_of(protocol=None, spec_strict=False)
    scene.receiver.speaks_2 = False
    hear = scene.receiver.hear

    def refusing(body: bytes, headers: dict[str, str]) -> object:
        found = hear(body, headers)
        if headers["Content-Type"] == V2_TYPE and scene.receiver.heard[-1].request.samples:
            found.status = 415
        return found

    scene.receiver.hear = refusing  # type: ignore[assignment, method-assign] # only its answer differs
    for step in range(3):
        scene.outbox.enqueue([NAME], [(made(), NOW - MINUTE * (3 - step), float(step))])
        await scene.turns()
    return scene


@cases(
    "fallback_on_415_unsupported_media_type",
    "retry_with_different_version",
    "fallback_header_changes",
    "accept_success_after_fallback",
    "persistent_fallback_choice",
)
async def test_after_415_the_same_sample_goes_out_in_1_0(case: str) -> None:
    """With the headers of 1.0; it is acknowledged, and 2.0 is not tried again, not even by the next process."""
    scene = await falling_back()
    scene.restart()
    scene.outbox.enqueue([NAME], [(made(), NOW, 3.0)])
    await scene.turns()
    first, *others = heard(scene)
    assert (first.headers["Content-Type"], first.answer.status) == (V2_TYPE, 415)
    assert [one.headers["Content-Type"] for one in others] == [V1_TYPE] * 4, case
    assert {one.headers["X-Prometheus-Remote-Write-Version"] for one in others} == {"0.1.0"}
    assert others[0].request.samples == first.request.samples
    assert scene.counts == (4, 4, 0, 0)
    assert scene.outbox.version(NAME) == Version.V1


@cases("no_fallback_on_2xx")
async def test_a_success_that_says_what_was_written_stays_with_2_0() -> None:
    """All requests are of 2.0."""
    scene = scene_of(protocol=None)
    for step in range(3):
        scene.outbox.enqueue([NAME], [(made(), NOW - MINUTE * (3 - step), float(step))])
        await scene.turns()
    assert [one.headers["Content-Type"] for one in heard(scene)] == [V2_TYPE] * 3


@cases("content_type_negotiation")
async def test_a_success_that_says_nothing_is_read_as_415() -> None:
    """A receiver of before 2.0 swallows it and answers 204: the same samples go out in 1.0."""
    scene = scene_of(protocol=None, spec_strict=False)
    scene.receiver.speaks_2 = False
    scene.outbox.enqueue([NAME], [(made(), NOW, 42.0)])
    await scene.turns()
    assert [one.headers["Content-Type"] for one in heard(scene)] == [V2_TYPE, V1_TYPE]
    assert list(scene.receiver.stored.values()) == [42.0]


# -- answers, over the wire -------------------------------------------------------------------------------------------


class Told:
    """What became of one sample that was sent over the wire, to a server that gives these replies."""

    def __init__(self, sender: Sender, outbox: MemoryOutbox, requests: int, said: list[str]) -> None:
        self.facts = sender.facts
        self.counts: Counts = outbox.counts(NAME)
        self.letters: list[DeadLetter] = outbox.dead(NAME, 10)
        self.requests = requests
        self.said = said


async def told(*replies: WireReply, url: str = "", patience: int = 20_000) -> Told:
    """Sends one sample until nothing is left to do. The first request has no samples, and is answered well."""
    clock, outbox, said = WaitingClock(), MemoryOutbox(), list[str]()
    outbox.enqueue([NAME], [(made(), NOW, 42.0)])
    async with serving(*(() if url else (GOOD,)), *replies) as wire:
        source = SourceSpec(NAME, url or f"{wire.url}/write", timeout=patience)
        spec = ReceiverSpec(NAME, source, Version.V2, spec_strict=True)
        async with open_post(source, clock, lookup) as post:
            waits = clock.sleep

            async def sleep(seconds: float) -> None:
                said.append(sender.facts.why)
                if url and len(said) == 3:
                    raise asyncio.CancelledError
                await waits(seconds)

            sender = Sender(spec, outbox, Inline(), post, clock, sleep=sleep)
            try:
                while not await sender.turn():
                    pass
            except asyncio.CancelledError:
                pass
        return Told(sender, outbox, len(wire.received), said)


@cases("handle_204_no_content", "handle_200_ok", "handle_empty_response", "ignore_response_body_on_success")
async def test_every_2xx_is_a_success(case: str) -> None:
    """Whatever the body holds, and if there is none."""
    bodies = {"handle_200_ok": "OK", "ignore_response_body_on_success": "error: nothing was stored"}
    status = "204 No Content" if case == "handle_204_no_content" else "200 OK"
    found = await told(answer(status, WRITTEN, bodies.get(case, "")))
    assert found.counts.acknowledged == 1
    assert (found.requests, found.said) == (2, [])


@cases("process_written_count_headers")
async def test_fewer_written_than_sent_are_counted() -> None:
    """A success that says 0 of 1 is acknowledged, and stands in a metric of its own."""
    found = await told(answer("204 No Content", "X-Prometheus-Remote-Write-Samples-Written: 0\r\n"))
    assert (found.counts.acknowledged, found.facts.unwritten) == (1, 1)


@cases("handle_partial_write_response")
async def test_what_was_written_of_a_refused_request_is_not_lost() -> None:
    """A receiver that stored two of three and says 400: halves find the one, and the two are stored once."""
    scene = scene_of(spec_strict=False)
    scene.receiver.refuses = lambda labels, at: dict(labels)["place"] == "1"
    scene.outbox.enqueue([NAME], [(made(place=f"{place}"), NOW, float(place)) for place in range(3)])
    await scene.turns()
    assert scene.counts == (3, 2, 1, 0)
    assert sorted(scene.receiver.stored.values()) == [0.0, 2.0]


@cases("handle_missing_written_headers")
async def test_an_error_that_does_not_say_what_was_written_means_nothing() -> None:
    """The sample is counted as dropped, and not as sent."""
    found = await told(answer("400 Bad Request", "", "no"))
    assert (found.facts.sent, found.facts.dropped, found.counts.dead) == (0, {"refused": 1}, 1)


@cases("log_error_messages_verbatim")
async def test_the_words_of_a_receiver_are_kept_as_they_are() -> None:
    """With the dead letter, and as the reason of a wait."""
    words = "Error: Invalid label name '__invalid__'"
    refused, failed = await told(answer("400 No", "", words)), await told(answer("500 No", "", words), GOOD)
    assert refused.letters[0].text == words
    assert failed.said == [f"status 500: {words}"]


@cases("handle_large_error_body", "handle_large_error_response")
async def test_of_a_large_error_the_first_words_are_kept(case: str) -> None:
    """27 KB or a megabyte: a few hundred characters, and the next thing is done."""
    text = "detailed error information; " * (1000 if case.endswith("body") else 40_000)
    found = await told(answer("400 Bad Request", "", text))
    assert found.letters[0].text.startswith("detailed error information; ")
    assert len(found.letters[0].text) < 1000


# -- errors on the way ------------------------------------------------------------------------------------------------


async def _never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


_BROKEN: dict[str, tuple[WireReply, str]] = {
    "handle_timeout": (_never, "(timeout)"),
    "handle_partial_write": (b"HTTP/1.1 20", "no answer"),
    "handle_malformed_response": (b"Not valid response headers\r\n\r\n", "no answer"),
    "sender_continues_after_errors": (answer("500 Internal Server Error", "", "broken"), "status 500: broken"),
}


@cases(*_BROKEN)
async def test_what_is_no_answer_is_asked_again(case: str) -> None:
    """The reason is told in words, and the next answer counts."""
    reply, words = _BROKEN[case]
    found = await told(reply, reply, GOOD, patience=300 if case == "handle_timeout" else 20_000)
    assert found.counts.acknowledged == 1
    assert len(found.said) == 2
    assert all(words in why for why in found.said), found.said


@cases("handle_invalid_status_code")
async def test_a_status_that_nobody_knows_is_an_error_of_the_receiver() -> None:
    """999 is no success: the sample is sent again."""
    found = await told(answer("999 What"), GOOD)
    assert (found.counts.acknowledged, found.requests) == (1, 3)
    assert found.said == ["status 999"]


@cases("handle_connection_refused", "dns_resolution_failure")
async def test_a_receiver_that_cannot_be_reached_is_tried_again(case: str) -> None:
    """Nothing is given up, and the words name what does not work."""
    host = "127.0.0.1:1" if case == "handle_connection_refused" else "nonexistent.invalid:9999"
    found = await told(url=f"http://{host}/api/v1/write")
    assert (found.counts.pending, found.counts.dead, found.facts.state) == (1, 0, State.RETRYING)
    assert len(found.said) == 3
    assert all(why.startswith("no answer: ") for why in found.said)


@cases("invalid_url_scheme")
def test_an_address_that_is_none_is_refused_before_anything_runs() -> None:
    """In words that say how one looks, when the config is read."""
    with pytest.raises(ValueError, match="https://host:port/path"):
        check_receiver(ReceiverSpec(NAME, SourceSpec(NAME, "invalid://localhost:9999")))
