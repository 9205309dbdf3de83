"""The poller over time: runs, restarts, heartbeats, functions."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.poller.jobs import TOTAL, function_job, http_job, ones
from tests.poller.stage import Stage
from timepoint.clock import MINUTE
from timepoint.errors import TransportError
from timepoint.exposition.formats import TEXT
from timepoint.exposition.render import render_families
from timepoint.job import Job
from timepoint.model import Outcome, Window, split_series_text
from timepoint.poller.cost_metrics import ProcessCost
from timepoint.poller.freshness import Rhythm
from timepoint.poller.function_points import Point
from timepoint.poller.report import LanesStanding, MetricStanding, RunReport
from timepoint.poller.runner import HEARTBEAT
from timepoint.poller.self_facts import PollerFacts
from timepoint.poller.selfmetrics import families
from timepoint.poller.sending import ReceiverStanding
from timepoint.poller.tally import JobTally
from timepoint.remote_write.facts import SenderFacts
from timepoint.remote_write.outbox import Counts
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.politeness.breaker import State
from timepoint.request.politeness.gate import GateFacts
from timepoint.request.politeness.quota import QuotaFacts
from timepoint.request.politeness.tally import SourceTally
from timepoint.request.spec import SourceSpec
from timepoint.testing import (
    FakeSource,
    settle,
)


async def test_a_new_job_runs_at_once_and_then_on_its_grid(stage: Stage, job: Job) -> None:
    """Without an earlier attempt the newest fire time runs at the start; later runs begin on the half hour."""
    async with stage.running(job) as runner:
        assert runner.tallies["pods"].runs == 1
        assert stage.source.windows[-1].end == stage.clock.now() - 17 * MINUTE
        await stage.clock.advance(minutes=22, seconds=59)
        assert runner.tallies["pods"].runs == 1
        await stage.clock.advance(seconds=1)
        assert runner.tallies["pods"].runs == 2
    assert stage.samples()[TOTAL] == 12


async def test_a_restart_shows_the_state_and_asks_nothing_before_its_time(stage: Stage, job: Job) -> None:
    """The ledger's last attempt counts: a crash loop does not ask again, and the counter goes on where it was (X7)."""
    async with stage.running(job):
        pass
    await stage.clock.advance(minutes=1)
    async with stage.running(job) as runner:
        assert runner.tallies["pods"].runs == 0
        assert stage.status()["ready"]
        assert stage.samples()[TOTAL] == 6
        await stage.clock.advance(minutes=22)
        assert runner.tallies["pods"].runs == 1
    assert stage.samples()[TOTAL] == 12


async def test_a_restart_runs_what_fell_due_meanwhile_once(stage: Stage, job: Job) -> None:
    """After two hours of absence one run asks for all of it."""
    async with stage.running(job):
        pass
    await stage.clock.advance(hours=2)
    async with stage.running(job) as runner:
        assert runner.tallies["pods"].runs == 1
        assert runner.tallies["pods"].failures == {}
    assert stage.samples()[TOTAL] == 6 + 4 * 6


async def test_a_machine_that_slept_runs_each_job_once(stage: Stage, job: Job) -> None:
    """After a jump of the wall clock the newest fire time runs within a minute, the others are skipped as late (K4)."""
    async with stage.running(job) as runner:
        stage.clock.jump(2 * 3600)
        await stage.clock.advance(minutes=1)
        tally = runner.tallies["pods"]
        assert tally.failures == {Outcome.SKIPPED: 1}
        assert tally.runs == 3  # at the start, the skipped ones as one, the newest
        assert len(stage.source.windows) == 2


async def test_a_clock_that_was_never_set_moves_nothing(stage: Stage, job: Job) -> None:
    """In 1970 nothing is asked; within a minute after the clock is set the job runs (K7)."""
    stage.clock.jump(-stage.clock.now() / 1000 + 3600)
    async with stage.running(job) as runner:
        assert stage.source.windows == []
        assert runner.tallies["pods"].skip is not None
        assert runner.tallies["pods"].skip.reason == "clock"
        stage.clock.jump(1_767_261_600)
        await stage.clock.advance(minutes=1)
        assert len(stage.source.windows) == 1


async def test_a_hanging_job_delays_no_other_and_is_not_doubled(stage: Stage, tmp_path: Path) -> None:
    """While one job waits for its source the others run, and its own next fire time is skipped."""
    slow = replace(http_job(tmp_path, "slow"), timeout=45 * MINUTE)
    fast = function_job(lambda window: [], "fast")
    forever = asyncio.Event()
    stage.source.answer = lambda _: forever.wait()
    async with stage.running(slow, fast) as runner:
        assert stage.status("slow")["running"]
        await stage.clock.advance(minutes=23)
        await _until(lambda: runner.tallies["fast"].runs == 2)
        assert runner.tallies["slow"].failures == {Outcome.SKIPPED: 1}
        assert runner.tallies["slow"].skip is not None
        assert runner.tallies["slow"].skip.reason == "still_running"
        assert (stage.status("slow")["ready"], stage.status("fast")["ready"]) == (False, True)
        await stage.clock.advance(minutes=22, seconds=1)
        assert runner.tallies["slow"].failures == {Outcome.SKIPPED: 1, Outcome.SOURCE_ERROR: 1}


async def test_one_bad_job_costs_one_job(stage: Stage, tmp_path: Path) -> None:
    """A job whose source fails leaves its neighbour alone; both say how they stand."""
    good, bad = http_job(tmp_path, "good"), http_job(tmp_path, "bad")
    stage.source.answer = lambda window: (
        ones(window) if len(stage.source.windows) == 1 else TransportError("connect", "connection refused")
    )
    async with stage.running(good, bad):
        await stage.clock.advance(seconds=1)
        outcomes = {name: stage.status(name)["outcome"] for name in ("good", "bad")}
        assert outcomes == {"good": "ok", "bad": "source_error"}
        assert stage.status("bad")["reason"] == "connect: connection refused"
        assert stage.status("bad")["ready"]


async def test_heartbeats_come(stage: Stage, job: Job) -> None:
    """The heartbeat is published at least every three seconds, run or no run."""
    stage.heartbeat, heartbeat = HEARTBEAT, "timepoint_poller_heartbeat_timestamp_seconds"
    async with stage.running(job):
        await stage.clock.advance(seconds=1)
        for _ in range(5):
            await stage.clock.advance(seconds=5)
            assert stage.clock.now() / 1000 - stage.samples()[heartbeat] <= 3.5


async def _until(condition: Callable[[], bool]) -> None:
    """Waits for what happens in the thread of a function, which no event of the loop announces."""
    while not condition():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


async def test_the_poller_tells_about_itself(stage: Stage, job: Job) -> None:
    """Failure counters exist from the start at zero; promtool finds nothing to say about any of the metrics."""
    stage.source.answer = lambda window: [*ones(window), {"pod": "a", "t": window.start, "v": "n/a"}]
    async with stage.running(job):
        await stage.clock.advance(seconds=5)
        samples = stage.samples()
    of = '{job_name="pods"}'
    assert samples[f"timepoint_job_runs_total{of}"] == 1
    assert samples[f"timepoint_job_points_total{of}"] == 6
    assert samples[f"timepoint_job_new_points_total{of}"] == 6
    assert samples[f"timepoint_job_consecutive_failures{of}"] == 0
    assert samples['timepoint_job_rejects_total{job_name="pods",reason="not_a_number"}'] == 1
    assert samples['timepoint_job_series{job_name="pods",metric="energy_joules_total"}'] == 1
    assert samples['timepoint_job_last_run_outcome{job_name="pods",outcome="ok"}'] == 1
    for outcome in ("partial", "source_error", "mapping_error", "store_error", "skipped"):
        assert samples[f'timepoint_job_run_failures_total{{job_name="pods",outcome="{outcome}"}}'] == 0


def test_promtool_finds_nothing_to_say(promtool: str) -> None:
    """All of the poller's own metrics are as Prometheus' own lint wants them."""
    tally = JobTally("pods", Rhythm(1, 1), 5, last_success=1, next_begin=1, accepted=1)
    tally.lanes = LanesStanding(3, 1, {1: (2, 1)}, watermark=1, listed_at=1)
    report = RunReport("pods", 1, 1, standing={"x_total": MetricStanding(1, 1, 0.0)})
    report.rejects.add("not_a_number", "$")
    report.stages["fetch"] = 1.0
    tally.add(report)
    asked = SourceTally("api", is_up=True, waited={"rate": 0.5}, held_back={"quota": 1})
    asked.note_status(200)
    asked.note_failure("timeout")
    quota = QuotaFacts("day", 100, 17, 1)
    gate = GateFacts(asked, 1, 0, 4, 2.5, State.CLOSED, 1, (quota,), told_remaining=7, told_reset=1)
    sent = SenderFacts(newest_sent=1, last_success=1, skew=1, counts=Counts(oldest=1))
    receiver = ReceiverStanding(ReceiverSpec("central", SourceSpec("central", "http://central.example/")), sent, {})
    facts = PollerFacts([tally], ProcessCost(1.0, 1, 1, 0.1, 1, 1), 1, 1, sources=[gate], receivers=[receiver])
    page = render_families(families(facts), TEXT)
    assert all(len(family.batches[0].texts) for family in families(facts))
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_an_empty_answer_is_believed_when_it_comes_again(stage: Stage, job: Job) -> None:
    """The first is refused, and the page stays; the second is asked for the windows of both, and empties the page."""
    stage.source.answer = lambda window: [{**row, "pod": str(pod)} for pod in range(12) for row in ones(window)]
    async with stage.running(job) as runner:
        stage.source.answer = lambda _: []
        await stage.clock.advance(minutes=23, seconds=1)
        assert runner.tallies["pods"].failures == {Outcome.SOURCE_ERROR: 1}
        assert len([name for name in stage.samples() if name.startswith("energy")]) == 12
        await stage.clock.advance(minutes=30)
        assert runner.tallies["pods"].failures == {Outcome.SOURCE_ERROR: 1}
        assert stage.source.windows[-1].end - stage.source.windows[-1].start == 60 * MINUTE
        assert not [name for name in stage.samples() if name.startswith("energy")]


def freshness(stage: Stage) -> str:
    """The word that a scrape would see now."""
    [word] = [
        split_series_text(name)[1]["state"]
        for name, value in stage.samples().items()
        if name.startswith("timepoint_job_freshness") and value == 1
    ]
    return word


async def test_values_of_a_dead_poller_are_late_and_then_expire(stage: Stage, job: Job) -> None:
    """The page itself says how old it gets; the word expired comes in the instant in which the values leave."""
    async with stage.running(job):
        await stage.clock.advance(seconds=1)
    assert freshness(stage) == "fresh"
    await stage.clock.advance(minutes=28)
    assert freshness(stage) == "late"
    await stage.clock.advance(minutes=64, seconds=58)
    assert (freshness(stage), stage.samples()[TOTAL]) == ("late", 6)
    await stage.clock.advance(seconds=1)
    assert (freshness(stage), TOTAL in stage.samples()) == ("expired", False)


async def test_a_job_that_never_worked_is_not_fresh(stage: Stage, job: Job) -> None:
    """Its four words are there, and 0: an alert on what is not fresh sees it."""
    stage.source.answer = lambda _: TransportError("status", "503")
    async with stage.running(job):
        await stage.clock.advance(seconds=1)
    words = [value for name, value in stage.samples().items() if name.startswith("timepoint_job_freshness")]
    assert words == [0, 0, 0, 0]


async def test_values_of_a_failing_source_are_stale_and_then_expire(stage: Stage, job: Job) -> None:
    """The last state stays up to max_age, and the page says that it is old; one good run makes it fresh."""
    async with stage.running(job) as runner:
        stage.source.answer = lambda _: TransportError("status", "503")
        await stage.clock.advance(minutes=23, seconds=1)
        assert (freshness(stage), stage.samples()[TOTAL]) == ("stale", 6)
        await stage.clock.advance(minutes=70)
        assert (freshness(stage), TOTAL in stage.samples()) == ("expired", False)
        assert runner.tallies["pods"].consecutive_failures == 3
        stage.source.answer = ones
        await stage.clock.advance(minutes=30)
        assert (freshness(stage), stage.samples()[TOTAL]) == ("fresh", 6 + 4 * 6)


async def test_a_restart_knows_that_the_newest_run_was_not_accepted(stage: Stage, job: Job) -> None:
    """Before its next run a restarted poller does not take for fresh what was stale."""
    async with stage.running(job):
        stage.source.answer = lambda _: TransportError("status", "503")
        await stage.clock.advance(minutes=23)
    async with stage.running(job) as runner:
        await stage.clock.advance(seconds=1)
        assert runner.tallies["pods"].runs == 0
        assert freshness(stage) == "late"


async def test_the_status_names_what_a_person_wants_to_know(stage: Stage, job: Job) -> None:
    """Outcome, last and next run, age of the data, series, and rejects with an example."""
    stage.source.answer = lambda window: [*ones(window), {"pod": "a", "t": window.start, "v": "n/a"}]
    async with stage.running(job):
        await stage.clock.advance(seconds=1)
        status = stage.status()
    start = stage.clock.now() - 1000
    assert status["outcome"] == "ok"
    assert (status["last_run"], status["next_run"]) == (start, start + 23 * MINUTE)
    assert (status["data_timestamp"], status["series"]) == (start - 17 * MINUTE, 1)
    assert status["rejects"]["counts"] == {"not_a_number": 1}
    assert "n/a" in status["rejects"]["examples"]["not_a_number"][0]


async def test_stopping_cancels_what_hangs(stage: Stage, job: Job) -> None:
    """The end does not wait for a source."""
    stage.source.answer = lambda _: asyncio.Event().wait()
    async with stage.running(job):
        assert stage.status()["running"]


class OneAtATime(FakeSource):
    """Counts how many requests run at the same time."""

    def __init__(self, answer: Callable[[Window], Any]) -> None:
        super().__init__(answer)
        self.opened = 0

    def open(self, source: Any, gate: Any) -> AbstractAsyncContextManager[Any]:
        self.opened += 1
        return super().open(source, gate)


async def test_jobs_of_one_source_share_its_fetcher(stage: Stage, tmp_path: Path) -> None:
    """Connections, and the pace of a source, are shared by its jobs."""
    stage.source = OneAtATime(ones)
    async with stage.running(http_job(tmp_path, "one"), http_job(tmp_path, "two")):
        assert stage.source.opened == 1


async def test_a_function_is_a_job_like_any_other(stage: Stage) -> None:
    """What a function yields is counted, kept and shown."""

    def function(window: Window) -> Iterable[Point]:
        for start in range(window.start, window.end, 5 * MINUTE):
            yield Point("energy_joules_total", 1, {"pod": "a"}, start=start / 1000, end=start / 1000 + 300)

    async with stage.running(function_job(function)) as runner:
        await _until(lambda: runner.tallies["function"].runs == 1)
        await settle()
        assert stage.samples()[TOTAL] == 6


async def test_a_function_that_hangs_is_left_behind_until_it_ends(stage: Stage) -> None:
    """The run ends at its timeout; while the thread lives the job's runs are skipped; then it runs again."""
    release, calls = threading.Event(), []

    def function(window: Window) -> Iterable[Point]:
        calls.append(threading.current_thread())
        release.wait()
        return ()

    async with stage.running(function_job(function)) as runner:
        tally = runner.tallies["function"]
        await stage.clock.advance(minutes=1, seconds=1)
        assert tally.failures == {Outcome.SOURCE_ERROR: 1}
        await stage.clock.advance(minutes=22)
        assert tally.failures == {Outcome.SOURCE_ERROR: 1, Outcome.SKIPPED: 1}
        assert tally.skip is not None
        assert tally.skip.reason == "busy"
        release.set()
        calls[0].join()
        await stage.clock.advance(minutes=30)
        await _until(lambda: tally.runs == 3)
        assert tally.last is not None
        assert tally.last.outcome is Outcome.EMPTY
