"""The gate of a source: who waits for what, and who is sent away."""

from __future__ import annotations

import asyncio

import pytest

from tests.request.politeness.gates import Passing, limited, rate
from timepoint.clock import MINUTE, SECOND
from timepoint.errors import HeldBackError, StatusError, TransportError
from timepoint.request.politeness.breaker import State
from timepoint.request.politeness.quota import Forgetful
from timepoint.request.politeness.spec import BreakerSpec, QuotaSpec
from timepoint.request.politeness.told import Told


async def test_a_source_without_limits_is_always_free() -> None:
    """Most sources have none but the number of requests at once."""
    passing = Passing(limited())
    for _ in range(50):
        await passing.ask()
    assert set(passing.times()) == {0}


async def test_no_more_are_under_way_than_is_allowed() -> None:
    """The fifth request waits until one of the four before it has ended, in the order in which they came (C9)."""
    passing = Passing(limited(concurrency=4))
    tasks = [asyncio.create_task(passing.ask(takes=10)) for _ in range(9)]
    await passing.clock.advance(seconds=30)
    await asyncio.gather(*tasks)
    assert passing.times() == [0] * 4 + [10] * 4 + [20]
    assert passing.most_in_flight == 4
    assert passing.gate.facts().tally.waited["concurrency"] == pytest.approx(20)


async def test_a_request_that_is_cancelled_leaves_its_place_to_others() -> None:
    """Whoever gives up in the line, or under way, blocks nobody."""
    passing = Passing(limited(concurrency=1))
    tasks = [asyncio.create_task(passing.ask(takes=10)) for _ in range(3)]
    await passing.clock.advance(seconds=1)
    tasks[1].cancel()
    await passing.clock.advance(seconds=20)
    await asyncio.gather(tasks[0], tasks[2])
    assert passing.times() == [0, 10]
    facts = passing.gate.facts()
    assert (facts.in_flight, facts.waiting) == (0, 0)


async def test_turns_are_a_whole_interval_apart() -> None:
    """Two that ask at once get their turns one after the other; a third is sent away, since it would come too late."""
    passing = Passing(limited(min_interval=MINUTE))
    deadline = passing.in_seconds(90)
    await passing.ask(deadline=deadline)
    second = asyncio.create_task(passing.ask(deadline=deadline))
    await passing.clock.advance(seconds=59)
    assert not second.done()
    with pytest.raises(HeldBackError, match="only once in 1m") as caught:
        await passing.ask(deadline=deadline)
    assert caught.value.is_skip
    await passing.clock.advance(seconds=1)
    await second
    assert passing.times() == [0, 60]


@pytest.mark.parametrize(("ago", "wait"), [(0, 60), (45, 15), (60, 0), (-3600, 60)])
async def test_a_restart_keeps_the_interval(ago: int, wait: int) -> None:
    """A request before the start counts; one in the future, of a clock set back, for no more than one interval."""
    book = Forgetful()
    passing = Passing(limited(min_interval=MINUTE), book=book)
    await book.note_request("api", passing.clock.now() - ago * SECOND)
    await passing.gate.open()
    passing.gate.remember(passing.clock.now())  # what the ledger says exactly is not made worse by what others say
    with pytest.raises(HeldBackError) if wait else pytest.raises(TransportError):
        await passing.ask(deadline=passing.in_seconds(wait))
    task = asyncio.create_task(passing.ask())
    await passing.clock.advance(seconds=wait)
    await task
    assert passing.times() == [wait]


async def test_a_turn_after_the_deadline_is_refused_at_once() -> None:
    """With a hundred in the line at 1 a second, the next one knows that it will not come to its turn within 50."""
    passing = Passing(limited(rate=rate(1)))
    tasks = [asyncio.create_task(passing.ask()) for _ in range(100)]
    await asyncio.sleep(0)
    refusal = passing.gate.refusal(passing.in_seconds(50))
    assert refusal is not None
    assert (refusal.reason, refusal.is_skip) == ("rate", True)
    assert passing.gate.refusal(passing.in_seconds(150)) is None
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_nothing_goes_out_after_the_deadline() -> None:
    """A request whose time is over while it waits in the line is not made."""
    passing = Passing(limited(concurrency=1))
    first = asyncio.create_task(passing.ask(takes=10))
    second = asyncio.create_task(passing.ask(deadline=passing.in_seconds(5)))
    await passing.clock.advance(seconds=10)
    await first
    with pytest.raises(TransportError, match="no time for an attempt"):
        await second
    assert passing.times() == [0]


async def test_what_an_answer_asks_for_holds_everybody() -> None:
    """A Retry-After of one request keeps all others back, those in the line and those that come later."""
    passing = Passing(limited())
    passing.gate.hear(429, Told(30.0, words="retry-after: 30"))
    waiting = [asyncio.create_task(passing.ask()) for _ in range(3)]
    with pytest.raises(
        HeldBackError, match=r"wants no request before 2026-01-01T10:00:30Z \(retry-after: 30\)"
    ) as caught:
        await passing.ask(deadline=passing.in_seconds(20))
    assert (caught.value.reason, caught.value.is_skip) == ("rate_limit", False)
    await passing.clock.advance(seconds=30)
    await asyncio.gather(*waiting)
    assert passing.times() == [30, 30, 30]


async def test_what_is_left_is_shared_until_the_reset() -> None:
    """With two left for ten seconds, two go out and the third waits for the reset."""
    passing = Passing(limited())
    passing.gate.hear(200, Told(0.0, 2, 10.0))
    tasks = [asyncio.create_task(passing.ask(takes=1)) for _ in range(3)]
    await passing.clock.advance(seconds=11)
    await asyncio.gather(*tasks)
    assert passing.times() == [0, 0, 10]


async def test_what_is_under_way_may_be_counted_already_or_not() -> None:
    """What the API may not have seen when it said how much is left is taken from that, until its next answer."""
    passing = Passing(limited())
    gate = passing.gate
    tickets = [gate.ticket(1e9) for _ in range(3)]
    for ticket in tickets:
        await ticket.turn()
    gate.hear(200, Told(0.0, 3, 60.0))
    assert gate.facts().told_remaining == 1, "two others are under way"
    tickets[0].leave()
    gate.hear(200, Told(0.0, 3, 60.0))
    tickets[1].leave()
    gate.hear(200, Told(0.0, 3, 60.0))
    tickets[2].leave()
    assert gate.facts().told_remaining == 3


async def test_a_wait_ends_when_an_answer_says_that_there_is_more() -> None:
    """Who waits for a reset an hour away goes on when a request that was under way brings better news."""
    passing = Passing(limited())
    first = passing.gate.ticket(1e9)
    await first.turn()
    passing.gate.hear(200, Told(0.0, 1, 3600.0))
    await passing.ask()
    waiting = asyncio.create_task(passing.ask())
    await passing.clock.advance(seconds=5)
    assert not waiting.done()
    passing.gate.hear(200, Told(0.0, 50, 3600.0))
    first.leave()
    await asyncio.wait_for(waiting, 5)
    assert passing.times() == [0, 5]


# The circuit breaker


async def opened(failures: int = 3, pause: int = MINUTE) -> Passing:
    """A gate whose circuit has just opened, at second 0, by requests with a deadline of 100 s."""
    passing = Passing(limited(circuit_breaker=BreakerSpec(failures, pause)))
    for _ in range(failures):
        await passing.fail(passing.in_seconds(100))
    return passing


async def test_the_circuit_opens_after_failures_in_a_row() -> None:
    """The runs that saw it fail are told so at once, with the moment of the next try."""
    passing = await opened()
    assert passing.gate.facts().circuit is State.OPEN
    with pytest.raises(
        HeldBackError, match=r"failed 3 times in a row: it is left alone, and tried again at 2026-01-01T10:01:00Z"
    ) as caught:
        await passing.ask(deadline=passing.in_seconds(100))
    assert (caught.value.reason, caught.value.is_skip) == ("circuit_open", False)
    assert len(passing.went) == 3
    assert passing.gate.tally.held_back == {"circuit_open": 1}


async def test_one_answer_in_between_keeps_it_closed() -> None:
    """Failures count only if they follow each other."""
    passing = Passing(limited(circuit_breaker=BreakerSpec(3)))
    for _ in range(10):
        await passing.fail()
        await passing.fail()
        await passing.ask()
    assert passing.gate.facts().circuit is State.CLOSED


async def test_a_later_run_waits_for_the_next_try() -> None:
    """A poll that begins while the circuit is open is not lost: it is the one that tries, once the pause is over."""
    passing = await opened()
    await passing.clock.advance(seconds=10)
    poll = asyncio.create_task(passing.ask(deadline=passing.in_seconds(300)))
    await passing.clock.advance(seconds=50)
    await poll
    assert passing.times()[-1] == 60
    assert passing.gate.facts().circuit is State.CLOSED


async def test_one_request_tries_and_the_others_wait_for_it() -> None:
    """After the pause one goes, and its answer lets all others go."""
    passing = await opened()
    await passing.clock.advance(seconds=61)
    tasks = [asyncio.create_task(passing.ask(takes=10, deadline=passing.in_seconds(300))) for _ in range(3)]
    await passing.clock.advance(seconds=9)
    assert len(passing.went) == 4
    assert passing.gate.facts().circuit is State.HALF_OPEN
    await passing.clock.advance(seconds=20)
    await asyncio.gather(*tasks)
    assert passing.times()[3:] == [61, 71, 71]


async def test_a_try_that_fails_sends_its_run_away() -> None:
    """The circuit opens anew, those who waited for the outcome fail, and a run that begins later may try again."""
    passing = await opened()
    await passing.clock.advance(seconds=61)
    deadline = passing.in_seconds(300)
    trying = asyncio.create_task(passing.ask(takes=10, deadline=deadline, failure=StatusError(503, "status 503")))
    others = [asyncio.create_task(passing.ask(deadline=deadline)) for _ in range(3)]
    await passing.clock.advance(seconds=10)
    await trying
    refused = await asyncio.gather(*others, return_exceptions=True)
    assert [type(error) for error in refused] == [HeldBackError] * 3
    later = asyncio.create_task(passing.ask(deadline=passing.in_seconds(301)))
    await passing.clock.advance(seconds=60)
    await later
    assert passing.gate.facts().circuit is State.CLOSED


async def test_a_request_keeps_its_attempts() -> None:
    """The one that tries may try as often as the source allows, and so may one that was under way."""
    passing = await opened(failures=1)
    await passing.clock.advance(seconds=61)
    ticket = passing.gate.ticket(passing.in_seconds(100))
    for failure in (TransportError("timeout", "slow"), TransportError("connect", "refused"), None):
        await ticket.turn()
        ticket.leave(failure)
    ticket.end()
    assert passing.gate.facts().circuit is State.CLOSED


async def test_a_try_that_is_cancelled_lets_another_try() -> None:
    """Nobody waits for ever for the outcome of a request that was given up."""
    passing = await opened()
    await passing.clock.advance(seconds=61)
    trying = asyncio.create_task(passing.ask(takes=1000, deadline=passing.in_seconds(300)))
    await passing.clock.advance(seconds=1)
    waiting = asyncio.create_task(passing.ask(deadline=passing.in_seconds(300)))
    await passing.clock.advance(seconds=1)
    trying.cancel()
    await passing.clock.advance(seconds=1)
    await waiting
    assert passing.gate.facts().circuit is State.CLOSED


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_a_failure_of_one_request_says_nothing_about_the_source(status: int) -> None:
    """Fifty zones that do not exist, or for which the API has a bug, cost the other zones nothing."""
    passing = Passing(limited(circuit_breaker=BreakerSpec(3)))
    for _ in range(50):
        await passing.ask(failure=StatusError(status, "no"))
    assert passing.gate.facts().circuit is State.CLOSED


async def test_the_breaker_can_be_turned_off() -> None:
    """With no number of failures it never opens."""
    passing = Passing(limited(circuit_breaker=BreakerSpec(0)))
    for _ in range(100):
        await passing.fail()
    assert passing.gate.facts().circuit is State.CLOSED


async def test_a_half_hourly_job_loses_no_poll_by_default() -> None:
    """However long a source is away, each run of a lone job has all its attempts, and the next gets through."""
    passing = Passing(limited())
    for _ in range(48):
        deadline = passing.in_seconds(300)
        ticket = passing.gate.ticket(deadline)
        for _ in range(3):
            await ticket.turn()
            ticket.leave(TransportError("connect", "refused"))
            await passing.clock.advance(seconds=1)
        ticket.end()
        await passing.clock.advance(minutes=30, seconds=-3)
    await passing.ask(deadline=passing.in_seconds(300))
    assert passing.gate.tally.requests == 48 * 3 + 1


# Quotas


async def test_a_quota_that_is_used_up_says_when_it_begins_anew() -> None:
    """The eleventh request of a day is refused, and the first of the next day goes."""
    passing = Passing(limited(quotas=(QuotaSpec(10, "day", "Europe/Berlin"),)))
    for _ in range(10):
        await passing.ask()
    for refused in (passing.gate.refusal(1e9), await _refusal(passing)):
        assert refused is not None
        assert (refused.reason, refused.is_skip) == ("quota", True)
        assert str(refused) == "the quota of 10 requests per day is used up until 2026-01-01T23:00:00Z"
    facts = passing.gate.facts().quotas[0]
    assert (facts.used, facts.left, facts.is_low) == (10, 0, True)
    await passing.clock.advance(hours=13)
    await passing.ask()
    assert passing.gate.facts().quotas[0].used == 1


async def _refusal(passing: Passing) -> HeldBackError:
    with pytest.raises(HeldBackError) as caught:
        await passing.ask()
    return caught.value


async def test_a_request_is_taken_of_every_quota_or_of_none() -> None:
    """Where the month has nothing left, the day is not charged."""
    passing = Passing(limited(quotas=(QuotaSpec(10, "day"), QuotaSpec(3, "month"))))
    for _ in range(3):
        await passing.ask()
    await _refusal(passing)
    assert [quota.used for quota in passing.gate.facts().quotas] == [3, 3]


async def test_a_request_may_cost_more_than_one() -> None:
    """What an API weighs is weighed, in the quota and in the rate."""
    passing = Passing(limited(quotas=(QuotaSpec(10, "hour"),), rate=rate(4, burst=4)))
    tasks = [asyncio.create_task(passing.ask(cost=4)) for _ in range(2)]
    await passing.clock.advance(seconds=5)
    await asyncio.gather(*tasks)
    assert passing.times() == [0, 1]
    with pytest.raises(HeldBackError, match="per hour"):
        await passing.ask(cost=4)
    assert passing.gate.tally.cost == 8


async def test_a_reserve_is_left_to_others() -> None:
    """With forty of fifty in reserve, ten are made."""
    passing = Passing(limited(quotas=(QuotaSpec(50, "day", reserve=40),)))
    for _ in range(10):
        await passing.ask()
    assert "50 requests per day (40 of them in reserve) is used up" in str(await _refusal(passing))
