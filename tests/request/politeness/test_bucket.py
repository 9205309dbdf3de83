"""The rate of a source, exact for one and for many at once."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.request.politeness.gates import Passing, limited, rate
from timepoint.request.politeness.bucket import NS, TokenBucket
from timepoint.request.politeness.spec import RateSpec

MILLISECOND = NS // 1000


def exceeded(went: list[tuple[int, int]], spec: RateSpec, slack: int = 0) -> list[tuple[int, int]]:
    """The intervals, from one request to another, in which more went out than the rate allows and the burst.

    Instants in nanoseconds; in whole numbers, so that nothing is forgiven but ``slack``.
    """
    found = []
    for first, (start, _) in enumerate(went):
        tokens = 0
        for end, cost in went[first:]:
            tokens += cost
            if (tokens - spec.burst) * spec.per * MILLISECOND > spec.requests * (end - start + slack):
                found.append((start, end))
    return found


@given(
    st.builds(RateSpec, st.integers(1, 50), st.sampled_from([1000, 7000, 60_000, 333]), st.integers(1, 12)),
    st.lists(st.tuples(st.integers(0, 3 * NS), st.integers(1, 4)), max_size=60),
)
@settings(max_examples=200, deadline=None)
def test_no_interval_has_more_than_the_rate_and_the_burst(spec: RateSpec, asked: list[tuple[int, int]]) -> None:
    """Whenever requests come, and whatever they cost, each waits just long enough."""
    bucket, now, went = TokenBucket(spec), 0, []
    for pause, wanted in asked:
        cost = min(wanted, spec.burst)
        now += pause
        wait = bucket.wait(now, cost)
        assert bucket.wait(now + wait, cost) == 0
        assert wait == 0 or bucket.wait(now + wait - 1, cost) > 0, "and not a nanosecond longer"
        now += wait
        bucket.take(now, cost)
        went.append((now, cost))
    assert exceeded(went, spec) == []


def test_nothing_drifts() -> None:
    """A hundred thousand requests at 3 a second take a third of a second each, to less than a nanosecond."""
    bucket, now = TokenBucket(RateSpec(3)), 0
    for _ in range(100_000):
        now += bucket.wait(now)
        bucket.take(now)
    assert 0 <= now - 99_999 * NS / 3 < 100_000


def test_a_pause_fills_the_bucket_and_no_more() -> None:
    """After any pause a burst goes at once, and then the rate holds."""
    bucket = TokenBucket(RateSpec(10, 1000, 5))
    assert bucket.level(0) == 5
    hour = 3600 * NS
    for _ in range(5):
        assert bucket.wait(hour) == 0
        bucket.take(hour)
    assert (bucket.wait(hour), bucket.level(hour)) == (NS // 10, 0)


def test_a_debt_is_waited_for() -> None:
    """What could not wait for its token is made up for by what follows."""
    bucket = TokenBucket(RateSpec(10))
    bucket.take(0)
    bucket.owe(0)
    assert bucket.wait(0) == 2 * NS // 10


@given(
    st.builds(RateSpec, st.integers(1, 20), st.sampled_from([1000, 5000, 777]), st.integers(1, 5)),
    st.integers(1, 6),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 900), st.integers(1, 3)), min_size=1, max_size=25),
)
@settings(max_examples=40, deadline=None)
def test_the_rate_is_exact_however_many_ask_at_once(
    spec: RateSpec, concurrency: int, requests: list[tuple[int, int, int]]
) -> None:
    """Many tasks with many slots, that come and end when they like, never exceed rate * t + burst in any interval."""
    asyncio.run(_crowd(spec, concurrency, requests))


async def _crowd(spec: RateSpec, concurrency: int, requests: list[tuple[int, int, int]]) -> None:
    passing = Passing(limited(rate=spec, concurrency=concurrency))

    async def one(comes: int, takes: int, cost: int) -> None:
        await passing.clock.sleep(comes / 1000)
        await passing.ask(cost=min(cost, spec.burst), takes=takes / 1000)

    tasks = [asyncio.create_task(one(*request)) for request in requests]
    while not all(task.done() for task in tasks):
        await passing.clock.advance(seconds=20)
    await asyncio.gather(*tasks)
    assert len(passing.went) == len(requests)
    went = [(round(at * 1e6) * 1000, cost) for at, cost in passing.went]
    assert exceeded(went, spec, slack=2000) == [], "beyond the microsecond that a float of seconds may take"
    assert passing.most_in_flight <= concurrency


async def test_requests_are_spread_evenly() -> None:
    """Ten that come at once at 4 a second go out a quarter of a second apart, with a burst of two."""
    passing = Passing(limited(rate=rate(4, burst=2), concurrency=10))
    tasks = [asyncio.create_task(passing.ask()) for _ in range(10)]
    await passing.clock.advance(seconds=10)
    await asyncio.gather(*tasks)
    assert passing.times() == [0, 0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]


async def test_a_loop_that_was_busy_makes_no_crowd() -> None:
    """Turns that came while nothing could run are not made up for: the token is taken when the request goes out."""
    passing = Passing(limited(rate=rate(10), concurrency=10))
    tasks = [asyncio.create_task(passing.ask()) for _ in range(5)]
    await asyncio.sleep(0)
    passing.clock._monotonic += 60  # all of this time something else held the loop
    await passing.clock.advance(seconds=10)
    await asyncio.gather(*tasks)
    gaps = [b - a for a, b in zip(passing.times()[1:], passing.times()[2:], strict=False)]
    assert min(gaps) >= 0.099999
