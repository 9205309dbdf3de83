"""The sender against real receivers: Prometheus 2.42 with and without an out-of-order window, 3.x, VictoriaMetrics.

Samples are minutes old, the machine's clock is the real one, and pauses are shortened. Chance loses requests and
answers, the sender is ended in the middle of its work and begins anew on the same queue, and the receiver is killed.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.remote_write.building import NAME, Inline, WaitingClock, series
from tests.remote_write.servers import Server, prometheus_server, running, victoria_server
from tests.system.support import wait_for
from timepoint.clock import HOUR, MINUTE, SECOND, Clock, SystemClock
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import Version
from timepoint.remote_write.post import HttpPost, open_post
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec

pytestmark = pytest.mark.system

METRIC = "energy_joules_total"
Key = tuple[str, int]


@dataclass
class Lossy:
    """A way on which requests and answers get lost, and the statuses that came through it."""

    post: HttpPost
    chance: random.Random
    rate: float = 0.0
    lost_requests: int = 0
    lost_answers: int = 0
    statuses: list[int | None] = field(default_factory=list)

    async def send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        if self.chance.random() < self.rate:
            self.lost_requests += 1
            return Reply(None, "the request was lost")
        reply = await self.post.send(body, headers)
        self.statuses.append(reply.status)
        if self.chance.random() < self.rate and reply.status is not None:
            self.lost_answers += 1
            return Reply(None, "the answer was lost")
        return reply


@dataclass
class Story:
    """One receiver and what it was to get."""

    server: Server
    spec: ReceiverSpec
    clock: Clock
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    expected: dict[Key, float] = field(default_factory=dict)
    starts: int = 0

    def enqueue(self, pods: int, steps: int, step: int, newest: int = SECOND) -> None:
        """A grid of counters, the newest sample ``newest`` ms old, each begun an hour before its first."""
        now = self.clock.now()
        first = now - newest - (steps - 1) * step
        for place in range(steps):
            at = first + place * step
            rows = [(series(pod), at, float(place * 1000 + pod), first - HOUR) for pod in range(pods)]
            self.outbox.enqueue([NAME], rows)
            self.expected |= {(f"pod-{pod}", at): float(place * 1000 + pod) for pod in range(pods)}

    @asynccontextmanager
    async def way(self, rate: float = 0.0) -> AsyncIterator[Lossy]:
        async with open_post(self.spec.http, self.clock) as post:
            yield Lossy(post, random.Random(11), rate)

    def sender(self, lossy: Lossy) -> Sender:
        self.starts += 1
        return Sender(self.spec, self.outbox, Inline(), lossy, self.clock, chance=random.Random(3).random, sleep=_short)

    async def drain(self, lossy: Lossy) -> Sender:
        """Lets a sender work until nothing is left."""
        sender = self.sender(lossy)
        async with asyncio.timeout(120):
            while not await sender.turn():
                pass
        return sender

    def stored(self) -> dict[Key, float]:
        instants = [at for _, at in self.expected]
        return self.server.prometheus_samples(METRIC, "pod", min(instants), max(instants))


async def _short(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.02))


def told(server: Server, clock: Clock | None = None, **changes: object) -> Story:
    """A story that begins."""
    spec = ReceiverSpec(NAME, SourceSpec(NAME, server.url, timeout=10 * SECOND))
    return Story(server, replace(spec, **changes), clock or SystemClock())  # type: ignore[arg-type] # keywords


@pytest.fixture
def prometheus_3() -> str:
    """The path of a Prometheus 3."""
    path = os.environ.get("TIMEPOINT_PROMETHEUS_3", "")
    if not path:
        pytest.skip("no Prometheus 3 is here (set TIMEPOINT_PROMETHEUS_3 to its path)")
    return path


@pytest.fixture
def victoria() -> str:
    """The path of a VictoriaMetrics."""
    path = shutil.which("victoria-metrics")
    if path is None:
        pytest.skip("victoria-metrics is not installed (apt-get install victoria-metrics)")
    return path


@pytest.mark.parametrize("window", ["", "6h"])
async def test_w1_w2_w3_everything_arrives_through_kills(prometheus: str, tmp_path: Path, window: str) -> None:
    """O2 to O5, O8, O10: lost requests and answers, ends of the sender, kills of the receiver; no 400, all exact."""
    chance = random.Random(7)
    with running(prometheus_server(prometheus, tmp_path, window)) as server:
        story = told(server, out_of_order=6 * HOUR if window else 0, max_samples=300)
        async with story.way(0.25) as lossy:
            for kill in range(6):
                story.enqueue(60, 8, MINUTE, newest=(44 - 8 * kill) * MINUTE)
                for _ in range(6):
                    await _end_soon(story.sender(lossy), chance)
                server.kill()
                await _end_soon(story.sender(lossy), chance)
                await asyncio.to_thread(server.start)
            lossy.rate = 0.0
            await story.drain(lossy)
        assert story.stored() == story.expected
        counts = story.outbox.counts(NAME)
        assert (counts.acknowledged, counts.dead, counts.pending) == (len(story.expected), 0, 0)
        assert lossy.lost_answers > 5
        assert 400 not in lossy.statuses
        assert (server.kills, story.starts) == (6, 43)


async def _end_soon(sender: Sender, chance: random.Random) -> None:
    """Lets a sender run for some milliseconds, and ends it wherever it then is."""
    task = asyncio.create_task(sender.run())
    await asyncio.sleep(chance.random() * 0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_w18_a_backlog_of_ten_hours_arrives_at_an_idle_receiver(prometheus: str, tmp_path: Path) -> None:
    """R10: in order, over all series, without a single 400; newer series go last."""
    with running(prometheus_server(prometheus, tmp_path)) as server:
        story = told(server, max_age=0)
        story.enqueue(20, 120, 5 * MINUTE)
        async with story.way() as lossy:
            await story.drain(lossy)
        assert story.stored() == story.expected
        assert set(lossy.statuses) == {204}


async def test_w4_a_receiver_that_scrapes_itself_refuses_an_old_backlog(prometheus: str, tmp_path: Path) -> None:
    """R11: without a window all that is older than 55 minutes is a dead letter before it is sent."""
    with running(prometheus_server(prometheus, tmp_path)) as server:
        story = told(server)
        story.enqueue(1, 1, MINUTE)
        async with story.way() as lossy:
            await story.drain(lossy)
            story.enqueue(10, 72, 5 * MINUTE, newest=10 * SECOND)
            await story.drain(lossy)
        counts = story.outbox.counts(NAME)
        # The first series has a newer sample there already: of it, all of the backlog is late or too old.
        assert counts.is_balanced
        assert {letter.reason for letter in story.outbox.dead(NAME, 1000)} == {"receiver_window", "late"}
        assert counts.acknowledged == 1 + 9 * 11
        assert set(lossy.statuses) == {204}


async def test_w4_with_a_window_all_of_it_arrives(prometheus: str, tmp_path: Path) -> None:
    """Six hours behind a receiver that is ahead: everything is stored."""
    with running(prometheus_server(prometheus, tmp_path, "7h")) as server:
        story = told(server, out_of_order=7 * HOUR)
        story.enqueue(5, 1, MINUTE)
        async with story.way() as lossy:
            await story.drain(lossy)
            story.enqueue(10, 72, 5 * MINUTE, newest=10 * SECOND)
            await story.drain(lossy)
        assert story.stored() == story.expected
        assert set(lossy.statuses) == {204}


async def test_w5_w15_somebody_else_wrote_a_series(prometheus: str, tmp_path: Path) -> None:
    """One conflict among two thousand: all others are there, one letter names the series."""
    with running(prometheus_server(prometheus, tmp_path)) as server:
        other, story = told(server), told(server)
        at = story.clock.now() - MINUTE
        other.outbox.enqueue([NAME], [(series(1234), at + 1, 99.0)])
        story.outbox.enqueue([NAME], [(series(pod), at, float(pod)) for pod in range(2000)])
        async with story.way() as lossy:
            await other.drain(lossy)
            await story.drain(lossy)
        (letter,) = story.outbox.dead(NAME, 10)
        assert (letter.row.series.id, letter.reason, letter.status) == (1234, "conflict", 400)
        assert story.outbox.counts(NAME).acknowledged == 1999
        assert len(lossy.statuses) <= 64


async def test_a31_a_wrong_address_that_answers_400_to_everything(prometheus: str, tmp_path: Path) -> None:
    """Another path of the same server refuses all of it, for long: nothing is given up, and the right one gets all."""
    with running(prometheus_server(prometheus, tmp_path)) as server:
        story = told(server)
        right = story.spec
        story.spec = replace(right, http=replace(right.http, url=server.url.replace("/write", "/query")))
        story.enqueue(20, 3, MINUTE)
        async with story.way() as lossy:
            task = asyncio.create_task(story.sender(lossy).turn())
            async with asyncio.timeout(600):
                while len(lossy.statuses) <= 100:
                    assert not task.done()
                    await asyncio.sleep(0.01)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert set(lossy.statuses) == {400}
        assert story.outbox.counts(NAME).pending == 60
        story.spec = right
        async with story.way() as lossy:
            await story.drain(lossy)
        assert story.stored() == story.expected
        assert set(lossy.statuses) == {204}


async def test_a_window_that_is_said_and_not_there_costs_what_is_old(prometheus: str, tmp_path: Path) -> None:
    """A strict server refuses five hours of a backlog: that becomes letters, and the newest hour arrives.

    But for what lies before the newest sample of a series that was asked, since the server is strict indeed.
    """
    with running(prometheus_server(prometheus, tmp_path)) as server:
        story = told(server, out_of_order=6 * HOUR)
        story.outbox.enqueue([NAME], [(series(99), story.clock.now() - SECOND, 1.0)])
        story.enqueue(10, 60, 5 * MINUTE, newest=10 * SECOND)
        ahead = told(server)
        ahead.outbox.enqueue([NAME], [(series(999), ahead.clock.now() - SECOND, 1.0)])
        async with story.way() as lossy:
            await ahead.drain(lossy)
            await story.drain(lossy)
        counts = story.outbox.counts(NAME)
        young = {key: value for key, value in story.expected.items() if key[1] > story.clock.now() - HOUR + 5 * MINUTE}
        letters = {(f"pod-{letter.row.series.id}", letter.row.at) for letter in story.outbox.dead(NAME, 9999)}
        assert (counts.pending, counts.is_balanced) == (0, True)
        assert story.stored().keys() | letters == story.expected.keys()
        assert len({pod for pod, _ in letters & young.keys()}) <= 2
        assert len(young.keys() - letters) >= 80


async def test_w6_a_sample_that_gets_500_for_ever(prometheus: str, tmp_path: Path) -> None:
    """R14: older than the window is 500 for 2.42; the others are there within five minutes, the one is parked."""
    clock = WaitingClock(SystemClock().now())
    with running(prometheus_server(prometheus, tmp_path, "6h")) as server:
        story = told(server, clock, out_of_order=6 * HOUR, max_age=0)
        story.enqueue(200, 2, MINUTE)
        began = clock.now()
        async with story.way() as lossy:
            await story.drain(lossy)
            story.outbox.enqueue([NAME], [(series(999), began - 7 * HOUR, 1.0)])
            story.enqueue(200, 1, MINUTE, newest=0)
            sender = Sender(story.spec, story.outbox, Inline(), lossy, clock, chance=lambda: 0.9, sleep=clock.sleep)
            while not await sender.turn():
                pass
        counts = story.outbox.counts(NAME)
        assert (counts.acknowledged, counts.parked, counts.dead) == (600, 1, 0)
        assert clock.now() - began < 5 * MINUTE
        assert story.stored() == story.expected


async def test_w17_a_receiver_that_loses_what_it_had_acknowledged(prometheus: str, tmp_path: Path) -> None:
    """The documented limit: it acknowledges without a sync, and what its power loss takes is not sent again."""
    with running(prometheus_server(prometheus, tmp_path)) as server:
        story = told(server)
        story.enqueue(10, 3, MINUTE, newest=20 * MINUTE)
        async with story.way() as lossy:
            await story.drain(lossy)
            before = dict(story.expected)
            server.stop()
            shutil.copytree(tmp_path / "receiver", tmp_path / "older")
            server.start()
            story.enqueue(10, 3, MINUTE, newest=10 * MINUTE)
            lost = story.expected.keys() - before.keys()
            await story.drain(lossy)
            server.kill()
            shutil.rmtree(tmp_path / "receiver")
            shutil.move(tmp_path / "older", tmp_path / "receiver")
            server.start()
            story.enqueue(10, 3, MINUTE, newest=MINUTE)
            await story.drain(lossy)
        assert story.stored().keys() == story.expected.keys() - lost
        assert 400 not in lossy.statuses


async def test_a_prometheus_3_gets_2_0(prometheus_3: str, tmp_path: Path) -> None:
    """It says what it has written, so 2.0 stays; lost requests and answers cost nothing."""
    with running(prometheus_server(prometheus_3, tmp_path)) as server:
        story = told(server)
        story.enqueue(100, 20, MINUTE)
        async with story.way(0.25) as lossy:
            sender = await story.drain(lossy)
        assert story.stored() == story.expected
        assert story.outbox.version(NAME) == Version.V2
        assert sender.facts.unwritten == 0
        assert lossy.lost_answers > 0
        assert set(lossy.statuses) <= {200, 204}


async def test_a_prometheus_3_refuses_one_of_many(prometheus_3: str, tmp_path: Path) -> None:
    """2.0 stores what fits and answers 400: the halves find the one, the others are stored once."""
    with running(prometheus_server(prometheus_3, tmp_path)) as server:
        other, story = told(server), told(server)
        at = story.clock.now() - MINUTE
        other.outbox.enqueue([NAME], [(series(7), at + 1, 99.0)])
        story.outbox.enqueue([NAME], [(series(pod), at, float(pod)) for pod in range(100)])
        async with story.way() as lossy:
            await other.drain(lossy)
            await story.drain(lossy)
        (letter,) = story.outbox.dead(NAME, 10)
        assert (letter.row.series.id, letter.status) == (7, 400)
        assert story.outbox.counts(NAME).acknowledged == 99
        assert story.outbox.version(NAME) == Version.V2


async def test_a_victoria_metrics_gets_1_0_in_any_order(victoria: str, tmp_path: Path) -> None:
    """It swallows 2.0, which is noticed; out-of-order batches with lost answers are stored once."""
    with running(victoria_server(victoria, tmp_path)) as server:
        story = told(server, out_of_order=24 * HOUR, max_samples=100)
        story.enqueue(50, 40, 5 * MINUTE)
        async with story.way(0.25) as lossy:
            await story.drain(lossy)
        expected = story.expected
        wait_for("all samples", lambda: len(server.victoria_samples(METRIC, "pod")) >= len(expected))
        assert server.victoria_samples(METRIC, "pod") == expected
        assert story.outbox.version(NAME) == Version.V1
        assert lossy.lost_answers > 0


async def test_a_stale_marker_ends_a_series(prometheus: str, tmp_path: Path) -> None:
    """A millisecond behind its last sample, and an instant query finds the series no more."""
    from timepoint.remote_write.encode import STALE

    with running(prometheus_server(prometheus, tmp_path)) as server:
        story = told(server)
        now = story.clock.now()
        story.outbox.enqueue(
            [NAME], [(series(1), now - 2000, 1.0), (series(1), now - 1999, STALE), (series(2), now - 2000, 1.0)]
        )
        async with story.way() as lossy:
            await story.drain(lossy)
        assert found(server, now) == {"pod-2"}


def found(server: Server, at: int) -> set[str]:
    """The pods that an instant query gives."""
    import json

    from tests.system.support import get

    status, body = get(f"http://127.0.0.1:{server.port}/api/v1/query?query={METRIC}&time={at / 1000}")
    assert status == 200
    return {result["metric"]["pod"] for result in json.loads(body)["data"]["result"]}
