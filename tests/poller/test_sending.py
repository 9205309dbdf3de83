"""Senders beside the job loops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.jobs import http_job
from tests.poller.receiving import Wire
from tests.poller.stage import Stage
from tests.remote_write.building import spec
from tests.remote_write.receiver import Receiver
from timepoint.clock import HOUR, MINUTE, SECOND
from timepoint.exposition.publish import POLLER, read_published, snapshot_path
from timepoint.job import Workload
from timepoint.log import _FIELDS
from timepoint.model import MetricType
from timepoint.poller.runner import Runner
from timepoint.remote_write.outbox import OutSeries, Version
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec
from timepoint.testing import MemoryStore, fake_surroundings, settle


class SendingStage(Stage):
    """A runner with receivers. Samples are put into the queues as a run would."""

    def __init__(self, directory: Path, *receivers: ReceiverSpec, heartbeat: float = 10.0) -> None:
        super().__init__(directory)
        self.heartbeat = heartbeat
        self.memory = MemoryStore()
        self.store = self.memory
        self.receivers = receivers or (spec(protocol=Version.V1),)
        self.wire = Wire(*(receiver.name for receiver in self.receivers))

    def make(self, *jobs: Any) -> Runner:
        around = fake_surroundings(self.published, self.clock, self.source, self.store)
        around = replace(around, heartbeat=self.heartbeat, open_post=self.wire)
        return Runner(Workload(jobs, self.receivers), around)

    def enqueue(self, count: int = 3, *, age: int = 10 * MINUTE, names: tuple[str, ...] = ("central",)) -> None:
        """One series gets ``count`` samples, a second apart."""
        labels = (("__name__", "energy_joules_total"), ("pod", "a"))
        series = OutSeries(1, labels, MetricType.COUNTER)
        at = self.clock.now() - age
        self.memory.outbox.enqueue(names, [(series, at + 1000 * n, float(n)) for n in range(count)])

    def stored(self, name: str = "central") -> int:
        return len(self.wire.receivers[name].stored)

    def told(self) -> list[dict[str, Any]]:
        """The entries of the receivers in the published status."""
        found: list[dict[str, Any]] = read_published(snapshot_path(self.published, POLLER)).status["receivers"]
        return found


def _named(name: str, **changes: object) -> ReceiverSpec:
    return replace(
        spec(protocol=Version.V1, **changes),
        name=name,
        http=SourceSpec(name, f"http://{name}.example/api/v1/write?key=hidden"),
    )


@pytest.fixture
def sending(tmp_path: Path) -> SendingStage:
    """A runner with one strict receiver."""
    return SendingStage(tmp_path)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the log says of receivers: the event, and the state or the samples it tells of."""
    found = [(record.getMessage(), vars(record).get(_FIELDS, {})) for record in caplog.records]
    return [(name, str(of.get("state") or of.get("samples") or "")) for name, of in found if "receiver" in of]


def _down(_number: int) -> Reply | None:
    return Reply(503, "no")


async def test_what_waits_is_sent(sending: SendingStage) -> None:
    """Samples that waited at the start are sent without anybody asking."""
    sending.enqueue(3)
    async with sending.running():
        await sending.clock.advance(seconds=5)
    assert sending.stored() == 3


async def test_a_run_wakes_the_senders(sending: SendingStage, tmp_path: Path) -> None:
    """What joins a queue while the sender sleeps is sent when a run ends, not a minute later."""
    async with sending.running(http_job(tmp_path)):
        await sending.clock.advance(minutes=22, seconds=55)
        sending.enqueue(3, age=0)
        await sending.clock.advance(seconds=7)  # a run of 10:30
    assert sending.stored() == 3


async def test_a_dead_receiver_delays_nobody(tmp_path: Path) -> None:
    """One receiver is down for an hour, and the other has everything meanwhile."""
    stage = SendingStage(tmp_path, _named("dead"), _named("well"))
    stage.wire.receivers["dead"].down = 503
    stage.enqueue(4, names=("dead", "well"))
    async with stage.running():
        await stage.clock.advance(minutes=2)
        assert (stage.stored("dead"), stage.stored("well")) == (0, 4)
        stage.wire.receivers["dead"].down = 0
        await stage.clock.advance(minutes=2)
    assert stage.stored("dead") == 4


async def test_senders_end_with_the_runner(sending: SendingStage) -> None:
    """A sender that waits for its receiver does not keep the poller from ending, and its connections are closed."""
    sending.wire.fault = _down
    sending.enqueue(3)
    async with sending.running():
        await sending.clock.advance(minutes=1)
        assert sending.wire.open == 1
    assert sending.wire.open == 0


async def test_a_restart_goes_on(sending: SendingStage) -> None:
    """What was not sent before the end is sent after the next start, and nothing twice."""
    sending.wire.fault = lambda number: None if number <= 3 else Reply(503, "no")
    sending.enqueue(5)
    async with sending.running():
        await sending.clock.advance(minutes=1)
    before = sending.stored()
    sending.wire.fault = lambda number: None
    async with sending.running():
        await sending.clock.advance(minutes=3)
    assert (0 < before < 5, sending.stored()) == (True, 5)


async def test_a_bug_costs_a_minute(sending: SendingStage, caplog: pytest.LogCaptureFixture) -> None:
    """A sender that meets an error that nobody thought of begins anew, and says that it did."""

    def broken(_number: int) -> Reply | None:
        raise ZeroDivisionError

    sending.wire.fault = broken
    sending.enqueue(3)
    async with sending.running():
        await sending.clock.advance(seconds=10)
        sending.wire.fault = lambda number: None
        await sending.clock.advance(minutes=2)
    assert sending.stored() == 3
    assert any("BUG" in record.getMessage() for record in caplog.records)


async def test_metrics_of_receivers(sending: SendingStage) -> None:
    """The page of the poller has the metrics of each receiver by its name, and counts from 0."""
    async with sending.running():
        await sending.clock.advance(seconds=5)
        of = '{remote_name="central"}'
        assert sending.samples()[f"prometheus_remote_storage_samples_total{of}"] == 0
        sending.enqueue(3)
        await sending.clock.advance(seconds=90)
        samples = sending.samples()
    assert samples[f"prometheus_remote_storage_samples_total{of}"] == 3
    assert samples[f"timepoint_remote_write_acknowledged_total{of}"] == 3
    assert samples[f"timepoint_remote_write_receiver_window_seconds{of}"] == 55 * 60
    assert (
        samples['prometheus_remote_storage_samples_dropped_total{reason="receiver_window",remote_name="central"}'] == 0
    )


async def test_queue_is_seen_while_its_sender_waits(sending: SendingStage) -> None:
    """What joins the queue of a receiver that is held is on the page within seconds, not after the pause."""
    sending.wire.fault = lambda number: Reply(401, "who are you")
    sending.enqueue(3)
    async with sending.running():
        await sending.clock.advance(minutes=20)
        sending.enqueue(2, age=0)
        await sending.clock.advance(seconds=25)
        [told] = sending.told()
    assert (told["pending"], told["state"]) == (5, "held")


async def test_status_tells_no_query(tmp_path: Path) -> None:
    """The status names where a receiver is without the values of its query."""
    stage = SendingStage(tmp_path, _named("central"))
    async with stage.running():
        await stage.clock.advance(seconds=5)
    [told] = stage.told()
    assert told["url"].startswith("http://central.example/api/v1/write")
    assert "hidden" not in str(told)


async def test_status_tells_of_trouble(sending: SendingStage) -> None:
    """The status says what is wrong since when, how much waits and how old it is."""
    sending.wire.fault = _down
    sending.enqueue(3)
    async with sending.running():
        await sending.clock.advance(minutes=5)
        [told] = sending.told()
    assert (told["name"], told["state"], told["pending"], told["why"]) == ("central", "retrying", 3, "status 503: no")
    assert 15 * MINUTE - 15 * SECOND <= told["oldest_age"] <= 15 * MINUTE + SECOND
    assert (told["window"], told["last_success"]) == (55 * MINUTE, None)


async def test_trouble_is_shown_at_once(tmp_path: Path) -> None:
    """The status tells of trouble when it begins, and not with the next heartbeat."""
    stage = SendingStage(tmp_path, heartbeat=120.0)
    stage.wire.fault = lambda number: Reply(404, "not here")
    stage.enqueue(3)
    async with stage.running():
        await stage.clock.advance(seconds=1)
        [told] = stage.told()
    assert (told["state"], told["why"]) == ("held", "status 404: not here")


async def test_dead_are_told_by_reason(sending: SendingStage) -> None:
    """Samples that were given up are in the status by reason, also those of before a restart."""
    sending.enqueue(3, age=2 * HOUR)
    async with sending.running():
        await sending.clock.advance(seconds=20)
    async with sending.running():
        await sending.clock.advance(seconds=5)
        [told] = sending.told()
    assert (told["dead"], told["dead_by_reason"]) == (3, {"receiver_window": 3})


async def test_trouble_is_logged_once(sending: SendingStage, caplog: pytest.LogCaptureFixture) -> None:
    """An outage is one line when it begins and one when all that waited is there."""
    caplog.set_level(logging.INFO)
    sending.wire.fault = _down
    sending.enqueue(3)
    async with sending.running():
        await sending.clock.advance(minutes=15)
        sending.wire.fault = lambda number: None if number % 2 else Reply(503, "no")
        await sending.clock.advance(minutes=10)
    assert said(caplog) == [("receiver_trouble", "retrying"), ("receiver_well", "")]


async def test_given_up_is_logged(sending: SendingStage, caplog: pytest.LogCaptureFixture) -> None:
    """Samples that are given up are one line with the number of each reason."""
    caplog.set_level(logging.INFO)
    sending.enqueue(4, age=2 * HOUR)
    async with sending.running():
        await sending.clock.advance(minutes=2)
    assert said(caplog) == [("given_up", "receiver_window 4")]


async def test_backlog_is_logged_before_it_is_lost(sending: SendingStage, caplog: pytest.LogCaptureFixture) -> None:
    """A backlog that comes near the receiver's window is said once, before anything is given up."""
    caplog.set_level(logging.INFO)
    sending.wire.fault = _down
    sending.enqueue(2)
    async with sending.running():
        await sending.clock.advance(minutes=35)
    assert [name for name, _ in said(caplog)] == ["receiver_trouble", "backlog"]


async def test_ready_without_receivers(sending: SendingStage) -> None:
    """A receiver that is down changes nothing for the jobs."""
    sending.wire.fault = _down
    sending.enqueue(3)
    async with sending.running():
        await sending.clock.advance(minutes=1)
        status = read_published(snapshot_path(sending.published, POLLER)).status
    assert status["ledger_trouble"] == ""


async def test_single_call_sends(sending: SendingStage) -> None:
    """A call that runs each job once sends what waits before it ends."""
    sending.enqueue(5)
    assert await finished(sending, sending.make().run_once()) == 0
    assert sending.stored() == 5


async def test_single_call_waits_for_nobody(sending: SendingStage, caplog: pytest.LogCaptureFixture) -> None:
    """A call ends after half a minute though a receiver is down, says what waits, and fails no run by that."""
    sending.wire.fault = _down
    sending.enqueue(5)
    began = sending.clock.monotonic()
    assert await finished(sending, sending.make().run_once()) == 0
    assert sending.clock.monotonic() - began < 35
    assert said(caplog)[-1] == ("not_sent", "retrying")


async def test_counters_of_single_calls_go_on(sending: SendingStage) -> None:
    """What a call has sent is added to what the calls before it had."""
    for _ in range(2):
        sending.enqueue(2)
        await finished(sending, sending.make().run_once())
        await sending.clock.advance(minutes=1)
    assert sending.samples()['prometheus_remote_storage_samples_total{remote_name="central"}'] == 4


async def finished(stage: SendingStage, work: Coroutine[Any, Any, int]) -> int:
    """The result of a call, for which time passes."""
    task = asyncio.create_task(work)
    for _ in range(100):
        await stage.clock.advance(seconds=1)
        if task.done():
            return task.result()
    raise AssertionError("it does not end")


async def test_a_reload_of_receivers_loses_and_repeats_nothing(tmp_path: Path) -> None:
    """A receiver that stays goes on in its queue and counts on; a new one begins; one that is gone is left alone."""
    stage = SendingStage(tmp_path, _named("stays"), _named("goes"))
    stage.wire.receivers["comes"] = Receiver()
    stage.wire.fault = _down
    stage.enqueue(3, names=("stays", "goes"))
    async with stage.running() as runner:
        await stage.clock.advance(seconds=5)
        await runner.go_over(Workload((), (replace(_named("stays"), max_samples=50_000), _named("comes"))))
        stage.wire.fault = lambda number: None
        stage.enqueue(2, age=5 * MINUTE, names=("stays", "comes"))
        await stage.clock.advance(minutes=2)
        assert (stage.stored("stays"), stage.stored("goes"), stage.stored("comes")) == (5, 0, 2)
        assert [told["name"] for told in stage.told()] == ["stays", "comes"]
        assert stage.told()[0]["sent"] == 5
        assert stage.wire.open == 2
    assert stage.wire.open == 0


async def test_a_reload_that_leaves_receivers_alone_leaves_their_senders_alone(tmp_path: Path) -> None:
    """A job is added: no connection is closed for it, and a receiver that is down is not asked sooner."""
    stage = SendingStage(tmp_path, _named("central"))
    stage.wire.fault = _down
    stage.enqueue(3)
    async with stage.running() as runner:
        await stage.clock.advance(minutes=5)
        asked = stage.wire.count
        for _ in range(5):
            await runner.go_over(Workload((http_job(tmp_path),), stage.receivers))
        await settle()
        assert stage.wire.count == asked
