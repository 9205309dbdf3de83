"""The fakes that are shipped to users."""

from __future__ import annotations

import asyncio

import pytest

from timepoint.errors import TransportError
from timepoint.model import Window
from timepoint.request.spec import RequestSpec
from timepoint.testing import FakeClock, FakeSource, read_samples, settle


async def test_sleepers_wake_in_the_order_of_time() -> None:
    """Time goes by step by step: who wakes first acts first, and sees the time at which it woke."""
    clock, woken = FakeClock("2026-01-01T10:00:00Z"), []

    async def sleeper(seconds: float) -> None:
        begin = clock.now()
        await clock.sleep(seconds)
        woken.append((seconds, clock.now() - begin))
        if seconds == 2:
            await clock.sleep(1.5)
            woken.append((3.5, clock.now() - begin))

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2, 10)]
    await clock.advance(seconds=5)
    assert woken == [(1, 1000), (2, 2000), (3, 3000), (3.5, 3500)]
    tasks[-1].cancel()
    await settle()
    await clock.advance(minutes=1)
    assert clock.now() - 65_000 == 1_767_261_600_000


async def test_a_jump_moves_the_wall_clock_alone() -> None:
    """Nobody wakes up because somebody set the clock."""
    clock = FakeClock()
    before = clock.now(), clock.monotonic()
    sleeper = asyncio.create_task(clock.sleep(10))
    clock.jump(-3600)
    await settle()
    assert (clock.now() - before[0], clock.monotonic() - before[1]) == (-3_600_000, 0)
    assert not sleeper.done()
    await clock.advance(seconds=10)
    assert sleeper.done()


@pytest.mark.parametrize(
    ("given", "body"), [({"a": 1}, b'{"a": 1}'), ("text", b"text"), (b"bytes", b"bytes"), (bytearray(b"x"), b"x")]
)
async def test_a_source_answers_as_it_is_told(given: object, body: bytes) -> None:
    """Whatever a test gives becomes the body of an answer, and the window is remembered."""
    source = FakeSource(lambda _: given)
    (answer,) = await source.fetch(RequestSpec(), Window(1, 2), 0.0)
    assert (bytes(answer.body), answer.status, source.windows) == (body, 200, [Window(1, 2)])


async def test_a_source_raises_as_it_is_told() -> None:
    """An exception that is given is raised, as one attempt."""
    source = FakeSource(lambda _: TransportError("connect", "refused"))
    with pytest.raises(TransportError, match="refused") as caught:
        await source.fetch(RequestSpec(), Window(1, 2), 0.0)
    assert caught.value.attempts == 1


def test_samples_are_read_by_name_and_labels() -> None:
    """Comments and blank lines are no samples; label values may hold anything that the format can."""
    page = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1 } 2",y="\\"\\\\"} 3.5\n\nb NaN\nc{} +Inf\n'
    samples = read_samples(page)
    assert samples['a_total{x="1 } 2",y="\\"\\\\"}'] == 3.5
    assert samples["b"] != samples["b"]  # NaN
    assert samples["c{}"] == float("inf")


@pytest.mark.parametrize("page", ["a 1\na 1\n", "a\n", "1a 1\n", "a one\n"])
def test_a_page_that_cannot_be_is_refused(page: str) -> None:
    """A repeated sample or a line that is none fails the test that looks at it."""
    with pytest.raises(ValueError, match=r"not a sample|could not convert"):
        read_samples(page)


async def test_a_source_gives_pages() -> None:
    """A tuple is the pages of a window."""
    pages = await FakeSource(lambda _: ([1], b"[2]")).fetch(RequestSpec(), Window(1, 2), 0.0)
    assert [bytes(page.body) for page in pages] == [b"[1]", b"[2]"]
