"""A fetcher and an API that enforces its limits, over real sockets."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from math import ceil
from typing import Any, Self

import pytest

from tests.request.politeness.api import Dialect, LimitedApi, answering
from tests.request.politeness.gates import rate
from tests.request.wire import START, WINDOW, FakeClock, Wire, reply, serving
from timepoint.errors import HeldBackError, SourceError, StatusError
from timepoint.request.fetch import HttpFetcher
from timepoint.request.politeness.gate import Gate
from timepoint.request.politeness.spec import BreakerSpec
from timepoint.request.spec import RequestSpec, SourceSpec

REQUEST = RequestSpec()


class Client:
    """Two fetchers of jobs that share the gate of a source, on a clock that sleeping moves."""

    def __init__(self, url: str, **limits: Any) -> None:
        self.clock = FakeClock(START)
        self.source = SourceSpec("api", url, **limits)
        self.gate = Gate(self.source, self.clock, self.clock.sleep)
        self.fetcher = HttpFetcher(self.source, self.clock, chance=lambda: 1.0, sleep=self.clock.sleep, gate=self.gate)

    async def __aenter__(self) -> Self:
        await self.fetcher.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.fetcher.__aexit__(None, None, None)

    async def ask(self, within: float = 600.0, request: RequestSpec = REQUEST) -> bytes:
        [answer] = await self.fetcher.fetch(request, WINDOW, self.clock.monotonic() + within)
        return bytes(answer.body)

    async def fail(self, within: float = 600.0) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await self.ask(within)
        return caught.value


DIALECTS: dict[str, Dialect] = {
    "IETF draft 8": lambda left, reset, _: {"RateLimit": f'"default";r={left};t={ceil(reset)}'},
    "IETF draft 7": lambda left, reset, _: {"RateLimit": f"limit=5, remaining={left}, reset={ceil(reset)}"},
    "IETF draft 6": lambda left, reset, _: {"RateLimit-Remaining": str(left), "RateLimit-Reset": str(ceil(reset))},
    "GitHub": lambda left, reset, now: {
        "x-ratelimit-remaining": str(left),
        "x-ratelimit-reset": str(ceil(now + reset)),
        "Date": formatdate(now, usegmt=True),
    },
    "epoch in ms": lambda left, reset, now: {
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(ceil((now + reset) * 1000)),
    },
    "Datadog": lambda left, reset, _: {"X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(ceil(reset))},
    "Okta": lambda left, reset, now: {
        "X-Rate-Limit-Remaining": str(left),
        "X-Rate-Limit-Reset": str(ceil(now + reset)),
    },
    "OpenAI": lambda left, reset, _: {
        "x-ratelimit-remaining-requests": str(left),
        "x-ratelimit-reset-requests": f"{ceil(reset * 1000)}ms",
    },
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_an_api_that_says_what_is_left_never_has_to_refuse(dialect: str) -> None:
    """Twenty requests at an API that allows five a minute take the minutes that it says, without a single 429."""
    async with answering(api := LimitedApi(lambda: 0.0, 5, 60.0, DIALECTS[dialect])) as url, Client(url) as client:
        api.now = lambda: client.clock.wall / 1000
        for _ in range(20):
            await client.ask()
    assert (len(api.asked), api.refused) == (20, 0)
    assert api.asked[-1] - api.asked[0] == pytest.approx(180, abs=1)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_limit_beyond_the_deadline_fails_the_run_in_words(dialect: str) -> None:
    """A run that has no time for the reset fails at once, and says until when the API wants nothing."""
    async with answering(api := LimitedApi(lambda: 0.0, 5, 1800.0, DIALECTS[dialect])) as url, Client(url) as client:
        api.now = lambda: client.clock.wall / 1000
        for _ in range(5):
            await client.ask()
        error = await client.fail(within=300)
    assert isinstance(error, HeldBackError)
    assert (error.reason, error.attempts) == ("rate_limit", 0)
    assert "the API wants no request before 2026-01-01T00:30:0" in str(error)
    assert (len(api.asked), api.refused) == (5, 0)


async def test_a_clock_that_is_wrong_here_does_not_matter() -> None:
    """An epoch in a header is compared with the Date of its answer: two hours of error make no two hours of silence."""
    async with answering(api := LimitedApi(lambda: 0.0, 5, 60.0, DIALECTS["GitHub"])) as url, Client(url) as client:
        api.now = lambda: client.clock.wall / 1000 - 7200
        for _ in range(10):
            await client.ask()
    assert api.refused == 0
    assert client.clock.seconds - 1000 == pytest.approx(60, abs=1)


async def test_a_clock_that_jumps_while_it_waits_does_not_matter() -> None:
    """A wait is on the clock that never jumps: a wall clock that is set a day ahead, or back, moves nothing (K1)."""
    async with serving(reply(429, headers={"Retry-After": "30"}), reply()) as wire, Client(wire.url) as client:

        async def sleep(seconds: float) -> None:
            await FakeClock.sleep(client.clock, seconds)
            client.clock.wall -= 86_400_000

        client.fetcher._sleep = sleep
        assert await client.ask() == b"{}"
    assert client.clock.seconds == 1030


async def test_u2_retry_after_is_honoured_by_all_jobs_of_the_source() -> None:
    """A 429 that one job met holds the other: it waits, or is told that the API wants nothing before then."""
    refused = reply(429, headers={"Retry-After": "120"})
    async with serving(refused, reply()) as wire, Client(wire.url, attempts=1) as client:
        assert isinstance(await client.fail(), StatusError)
        error = await client.fail(within=60)
        assert (error.reason, error.attempts) == ("rate_limit", 0)
        assert "the API wants no request before 2026-01-01T00:02:00Z" in str(error)
        assert await client.ask(within=300) == b"{}"
    assert (len(wire.received), client.clock.slept) == (2, [120])


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("90", 90),
        (formatdate(START / 1000 + 90, usegmt=True), 90),
        ("garbage", 0.5),
        ("1000000000", 300),
    ],
)
async def test_u2_retry_after_in_every_form(text: str, wait: float) -> None:
    """Seconds and dates are waited for, garbage becomes the back-off of one's own, thirty years become five minutes."""
    async with serving(reply(429, headers={"Retry-After": text}), reply()) as wire, Client(wire.url) as client:
        assert await client.ask() == b"{}"
    assert sum(client.clock.slept) == pytest.approx(wait)


async def test_a_storm_of_429_ends_in_one_rhythm() -> None:
    """Without a header all requests back off together: what one has met the next one waits for."""
    async with serving(*[reply(429)] * 4, reply()) as wire, Client(wire.url, attempts=3) as client:
        error = await client.fail()
        assert str(error).endswith("(attempt 3 of 3)")
        assert await client.ask() == b"{}"
    assert client.clock.slept == [0.5, 1.0, 2.0, 0.5]
    assert client.gate.tally.waited == {"told": 2.0}


SECONDARY = {
    "header": {"headers": {"Retry-After": "60"}},
    "nothing left": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(START // 1000 + 60)}},
    "words": {"body": b'{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}'},
}


@pytest.mark.parametrize("form", SECONDARY)
async def test_a_403_that_is_a_limit_is_waited_for(form: str) -> None:
    """GitHub refuses with 403 what is too much; by header, by what is left, or in words alone."""
    refused: Any = reply(403, **SECONDARY[form])  # type: ignore[arg-type] # of one kind each
    async with serving(refused, reply()) as wire, Client(wire.url) as client:
        assert await client.ask() == b"{}"
    assert sum(client.clock.slept) == pytest.approx(60)


async def test_a_403_that_is_none_is_not_tried_again() -> None:
    """Who may not ask is told so once."""
    async with serving(reply(403)) as wire, Client(wire.url) as client:
        assert isinstance(await client.fail(), StatusError)
    assert len(wire.received) == 1


async def test_a_dead_source_is_left_alone_and_tried_again() -> None:
    """After the failures that open the circuit no request goes out until the pause is over; then one tries."""
    limits = {"circuit_breaker": BreakerSpec(6, 60_000), "attempts": 3}
    up = []
    async with serving(*[reply(503)] * 6, reply()) as wire, Client(wire.url, **limits) as client:
        for _ in range(2):
            await client.fail(300)
        refused = await client.fail(100)
        assert (refused.reason, len(wire.received)) == ("circuit_open", 6)
        assert "failed 6 times in a row" in str(refused)
        up.append(client.gate.tally.is_up)
        assert await client.ask(within=400) == b"{}"
        up.append(client.gate.tally.is_up)
    assert (up, client.gate.facts().tally.circuit_openings) == ([False, True], 1)


async def test_a_redirect_is_a_request() -> None:
    """What follows a redirect waits for it, so the rate holds for what the API sees."""
    moved = reply(302, headers={"Location": "/there"})
    async with serving(moved, reply(), reply()) as wire, Client(wire.url, rate=rate(1, 10_000)) as client:
        await client.ask()
        await client.ask()
    assert len(wire.received) == 3
    assert client.clock.slept == [20]
    assert client.gate.tally.requests == 3


async def test_what_went_over_the_wire_is_counted() -> None:
    """Requests, answers by status, failures and bytes are known by source."""
    odd = reply(200, b"<html>", content_type="text/html")
    async with serving(reply(body=b"[1,2]"), reply(404), odd, reply(799)) as wire, Client(wire.url) as client:
        await client.ask()
        for _ in range(3):
            await client.fail()
        tally = client.gate.tally
    assert (tally.requests, tally.response_bytes) == (4, 5)
    assert tally.responses == {"200": 2, "404": 1, "other": 1}
    assert tally.failures == {"status": 2, "content_type": 1}


async def test_connections_are_kept_and_no_more_than_may_be_under_way() -> None:
    """Forty requests with four at once take four connections, by real time and in a crowd."""
    api = LimitedApi(time.monotonic, 1000, 60.0, lambda *_: {}, latency=0.002)
    async with answering(api) as url, HttpFetcher(SourceSpec("api", url)) as fetcher:
        deadline = time.monotonic() + 60
        await asyncio.gather(*(fetcher.fetch(REQUEST, WINDOW, deadline) for _ in range(40)))
    assert (len(api.asked), api.most_busy) == (40, 4)
    assert api.connections <= 4


async def test_jobs_that_ask_at_once_keep_the_rate_over_the_wire() -> None:
    """Fifty requests of several jobs at 200 a second reach the API in no less than their time."""
    api = LimitedApi(time.monotonic, 1000, 60.0, lambda *_: {})
    async with answering(api) as url:
        source = SourceSpec("api", url, rate=rate(200), concurrency=8)
        async with HttpFetcher(source) as fetcher:
            began, deadline = time.monotonic(), time.monotonic() + 60
            await asyncio.gather(*(fetcher.fetch(REQUEST, WINDOW, deadline) for _ in range(50)))
            took = time.monotonic() - began
    assert took >= 49 / 200
    assert len(api.asked) == 50


# Conditional requests

CONDITIONAL = RequestSpec(conditional=True)


def header(wire: Wire, name: str) -> list[str | None]:
    """What each request said in a header."""
    return [request.headers.get(name) for request in wire.received]


async def test_an_answer_that_has_not_changed_is_used_once_more() -> None:
    """304 stands for the answer of before, with the clock of now."""
    date = formatdate(START / 1000 + 60, usegmt=True)
    first = reply(body=b"[1]", headers={"ETag": '"a"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})
    same = reply(304, b"", headers={"Date": date}, content_type=None)
    async with serving(first, same) as wire, Client(wire.url) as client:
        await client.ask(request=CONDITIONAL)
        [again] = await client.fetcher.fetch(CONDITIONAL, WINDOW, client.clock.monotonic() + 60)
    assert (bytes(again.body), again.status, again.content_type) == (b"[1]", 200, "application/json")
    assert (again.said_at, again.wire_bytes) == (START + 60_000, 0)
    assert header(wire, "if-none-match") == [None, '"a"']
    assert header(wire, "if-modified-since") == [None, "Thu, 01 Jan 2026 00:00:00 GMT"]
    assert client.gate.tally.not_modified == 1


async def test_a_changed_answer_takes_the_place_of_the_old_one() -> None:
    """The next request asks about the newest answer."""
    answers = [reply(body=body, headers={"ETag": tag}) for body, tag in ((b"[1]", '"a"'), (b"[2]", 'W/"b"'))]
    async with serving(*answers, reply(304, b"", content_type=None)) as wire, Client(wire.url) as client:
        bodies = [await client.ask(request=CONDITIONAL) for _ in range(3)]
    assert bodies == [b"[1]", b"[2]", b"[2]"]
    assert header(wire, "if-none-match") == [None, '"a"', 'W/"b"']


async def test_another_window_is_another_answer() -> None:
    """What was said of one window is never taken for another."""
    request = RequestSpec(path="/pods", params=(("at", "{window.start}"),), conditional=True)
    async with serving(reply(headers={"ETag": '"a"'})) as wire, Client(wire.url) as client:
        for shift in (0, 1_800_000):
            window = type(WINDOW)(WINDOW.start + shift, WINDOW.end + shift)
            await client.fetcher.fetch(request, window, client.clock.monotonic() + 60)
    assert header(wire, "if-none-match") == [None, None]


@pytest.mark.parametrize(
    "headers", [{}, {"ETag": '"a"', "Cache-Control": "private, No-Store"}, {"ETag": '"a"', "Vary": "*"}]
)
async def test_what_may_not_be_kept_is_not(headers: dict[str, str]) -> None:
    """An answer without a validator, or one that forbids it, is asked for anew."""
    async with serving(reply(headers=headers)) as wire, Client(wire.url) as client:
        for _ in range(2):
            await client.ask(request=CONDITIONAL)
    assert header(wire, "if-none-match") == [None, None]


async def test_without_the_key_nothing_is_asked_conditionally() -> None:
    """304 to a request that set no condition is a failure like any other status."""
    async with serving(reply(headers={"ETag": '"a"'}), reply(304, b"")) as wire, Client(wire.url) as client:
        await client.ask()
        error = await client.fail()
    assert header(wire, "if-none-match") == [None, None]
    assert isinstance(error, StatusError)


async def test_what_is_kept_is_bounded() -> None:
    """Large answers, and those asked for longest ago, are forgotten."""
    paths = ("/a", "/b", "/large", "/b", "/a")
    large = reply(body=b'"' + b"x" * 20_000_000 + b'"', headers={"ETag": '"l"'})
    answers = [reply(body=b"[" + b" " * 9_000_000 + b"]", headers={"ETag": f'"{path}"'}) for path in paths[:2]]
    async with (
        serving(*answers, large, reply(304, b"", content_type=None), reply()) as wire,
        Client(wire.url) as client,
    ):
        for path in paths:
            await client.ask(request=RequestSpec(path=path, conditional=True))
    assert header(wire, "if-none-match") == [None, None, None, '"/b"', None]
