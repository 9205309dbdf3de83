"""Which failures are tried again, when, and when it is given up."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

import pytest

from tests.request.test_fetch_faults import free_port, hang, reset
from tests.request.wire import START, WINDOW, Client, FakeClock, Wire, reply, serving
from timepoint.errors import SourceError, StatusError
from timepoint.request.fetch import HttpFetcher
from timepoint.request.spec import Authorization, RequestSpec, SecretSource, SourceSpec

POST = RequestSpec(method="POST", body={"a": 1})


def client(wire: Wire, attempts: int = 3, **more: int) -> Client:
    """A client of that server."""
    return Client(SourceSpec("s", wire.url, attempts=attempts, **more))  # type: ignore[arg-type] # sizes and durations


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_status_that_may_pass(status: int) -> None:
    """A status that may pass is asked again, and the answer tells how many attempts it took."""
    async with serving(reply(status), reply(status), reply(body=b"[1]")) as wire:
        it = client(wire)
        answer = await it.fetch()
    assert (answer.body, answer.attempts) == (b"[1]", 3)
    assert it.clock.slept == [0.5, 1.0]


async def test_u1_back_off_doubles_to_a_limit() -> None:
    """The longest pause doubles from half a second to 30 seconds."""
    async with serving(reply(500)) as wire:
        it = client(wire, attempts=9)
        await it.fail()
    assert it.clock.slept == [0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_u1_back_off_has_full_jitter() -> None:
    """A pause is the share of the longest one that chance gives, down to none."""
    async with serving(reply(500)) as wire:
        it = client(wire)
        it.chance = 0.25
        await it.fail()
    assert it.clock.slept == [0.125, 0.25]


async def test_attempts_are_bounded() -> None:
    """After the last attempt its error is raised, with the number of attempts in its text."""
    async with serving(reply(500)) as wire:
        error = await client(wire).fail()
    assert isinstance(error, StatusError)
    assert (error.status, error.attempts) == (500, 3)
    assert str(error).endswith("status 500 Some Reason (attempt 3 of 3)")
    assert len(wire.received) == 3


async def test_the_deadline_bounds_all_attempts() -> None:
    """An API that answers 500 for ever is given up at once when the next attempt would come after the deadline."""
    async with serving(reply(500)) as wire:
        it = client(wire, attempts=1000)
        error = await it.fail(within=60)
    assert error.reason == "status"
    assert it.clock.slept == [0.5, 1, 2, 4, 8, 16]
    assert len(wire.received) == 7


async def test_no_attempt_after_the_deadline() -> None:
    """A run whose deadline has passed sends nothing."""
    async with serving(reply()) as wire:
        error = await client(wire).fail(within=0)
    assert error.reason == "timeout"
    assert wire.received == []


async def test_retry_after_in_seconds() -> None:
    """The answer's Retry-After is waited for, if it is longer than the pause would be."""
    async with serving(reply(429, headers={"Retry-After": "7"}), reply()) as wire:
        it = client(wire)
        await it.fetch()
    assert it.clock.slept == [7]


async def test_retry_after_as_a_date() -> None:
    """A Retry-After that is a date is counted from the clock's now."""
    clock = FakeClock(now=START)
    date = formatdate(START / 1000 + 20, usegmt=True)
    async with serving(reply(503, headers={"Retry-After": date}), reply()) as wire:
        it = Client(SourceSpec("s", wire.url), clock)
        await it.fetch()
    assert clock.slept == [20]


@pytest.mark.parametrize("text", ["soon", "-5", "1.5s or so", "", "٣", "Mon, 99 Foo 2026", "0x10", "1" * 400])
async def test_garbage_in_retry_after(text: str) -> None:
    """A Retry-After that says nothing is ignored."""
    answer = reply(429).replace(b"\r\n", b"\r\nRetry-After: " + text.encode() + b"\r\n", 1)
    async with serving(answer, reply()) as wire:
        it = client(wire)
        await it.fetch()
    assert it.clock.slept == [0.5]


async def test_retry_after_is_capped() -> None:
    """No answer can make a source wait for more than five minutes."""
    async with serving(reply(429, headers={"Retry-After": "1000000000"}), reply()) as wire:
        it = client(wire)
        await it.fetch()
    assert it.clock.slept == [300]


async def test_retry_after_beyond_the_deadline() -> None:
    """A Retry-After that does not fit the deadline fails the fetch at once and is told in the error."""
    async with serving(reply(429, headers={"Retry-After": "120"})) as wire:
        it = client(wire)
        error = await it.fail(within=60)
    assert isinstance(error, StatusError)
    assert (error.retry_after, it.clock.slept, len(wire.received)) == (120, [], 1)


async def test_a_reset_may_pass() -> None:
    """A GET whose answer was reset is asked again, and nothing of the first answer is used."""
    async with serving(reset, reply(body=b"[2]")) as wire:
        answer = await client(wire).fetch()
    assert (answer.body, answer.attempts) == (b"[2]", 2)


async def test_a_timeout_may_pass() -> None:
    """A GET that was not answered in time is asked again."""
    async with serving(hang, reply()) as wire:
        answer = await client(wire, timeout=1000).fetch()
    assert answer.attempts == 2


@pytest.mark.parametrize("status", [429, 503])
async def test_a_post_that_was_not_processed(status: int) -> None:
    """A POST is sent again with its body after an answer that says it was not processed."""
    async with serving(reply(status), reply()) as wire:
        answer = await client(wire).fetch(POST)
    assert answer.attempts == 2
    assert [received.body for received in wire.received] == [b'{"a":1}'] * 2


@pytest.mark.parametrize("first", [reply(500), reply(502), reply(504), reset, b"", reply(length=99)])
async def test_a_post_that_may_have_been_processed(first: object) -> None:
    """A POST is not sent again where the API may have acted on it."""
    async with serving(first) as wire:  # type: ignore[arg-type] # parametrised values lose their type
        error = await client(wire).fail(POST)
    assert error.attempts == 1
    assert len(wire.received) == 1


async def test_a_post_that_never_left() -> None:
    """A POST without a connection is tried again."""
    it = Client(SourceSpec("s", f"http://127.0.0.1:{free_port()}"))
    error = await it.fail(POST)
    assert (error.reason, error.attempts) == ("connect", 3)


async def test_secret_files_are_read_for_every_attempt(tmp_path: Path) -> None:
    """A token that is rotated between two attempts is the one that the second attempt sends."""
    file = tmp_path / "token"
    file.write_text("old\n")

    async def rotate(seconds: float) -> None:
        file.write_text("new\n")

    async with serving(reply(500), reply()) as wire:
        source = SourceSpec("s", wire.url, authorization=Authorization(SecretSource(file=file)))
        async with HttpFetcher(source, FakeClock(), sleep=rotate) as fetcher:
            await fetcher.fetch(RequestSpec(), WINDOW, 2000.0)
    assert [received.headers["authorization"] for received in wire.received] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_not_tried_again(status: int) -> None:
    """Refused credentials are no reason for a storm of attempts (U3)."""
    async with serving(reply(status)) as wire:
        await client(wire).fail()
    assert len(wire.received) == 1


async def test_a_missing_secret_file(tmp_path: Path) -> None:
    """A missing secret file is named, nothing is sent, and it is not tried again (C4)."""
    async with serving(reply()) as wire:
        source = SourceSpec("s", wire.url, authorization=Authorization(SecretSource(file=tmp_path / "token")))
        error = await Client(source).fail()
    assert error.reason == "secret"
    assert f"the secret file {tmp_path / 'token'} cannot be read: No such file" in str(error)
    assert wire.received == []


async def test_min_interval_between_attempts() -> None:
    """Attempts at a source begin at least min_interval apart, retries included."""
    async with serving(reply(500)) as wire:
        it = client(wire, min_interval=10_000)
        await it.fail()
    assert it.clock.seconds == 1020


async def test_min_interval_beyond_the_deadline() -> None:
    """Where min_interval allows no further attempt before the deadline, the error of the last one is raised."""
    async with serving(reply(500)) as wire:
        error = await client(wire, min_interval=90_000).fail(within=60)
    assert (error.reason, len(wire.received)) == ("status", 1)


async def test_min_interval_between_fetches() -> None:
    """Two fetches of one source begin at least min_interval apart; who cannot wait that long fails without sending."""
    async with serving(reply()) as wire:
        clock = FakeClock()
        source = SourceSpec("s", wire.url, min_interval=10_000)
        async with HttpFetcher(source, clock, sleep=clock.sleep) as fetcher:
            await fetcher.fetch(RequestSpec(), WINDOW, 1060)
            await fetcher.fetch(RequestSpec(), WINDOW, 1060)
            assert clock.slept == [10]
            with pytest.raises(SourceError, match=r"may be asked only once in 10s \(min_interval\)") as caught:
                await fetcher.fetch(RequestSpec(), WINDOW, 1015)
    assert (caught.value.reason, caught.value.attempts) == ("min_interval", 0)
    assert len(wire.received) == 2
