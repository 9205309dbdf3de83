"""From one config to the next while jobs run: who goes on undisturbed, who begins, who ends, with what state."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.jobs import STEP, TOTAL, http_job, ones
from tests.poller.stage import Stage
from timepoint import log
from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.errors import StoreError
from timepoint.exposition.publish import snapshot_path
from timepoint.job import Job, Workload
from timepoint.model import Window
from timepoint.poller.runner import Runner
from timepoint.request.politeness.told import Told
from timepoint.testing import MemoryStore, settle


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged during a test."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("info", "logfmt", stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = saved


class Held:
    """An API that does not answer until it is told to; ``asked`` counts the requests, ``given_up`` those cancelled."""

    def __init__(self) -> None:
        self.asked = self.given_up = 0
        self.may_answer = asyncio.Event()

    async def __call__(self, window: Window) -> Any:
        self.asked += 1
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return ones(window)


def edited(directory: Path, before: str, after: str, name: str = "pods", **options: str) -> Job:
    """The job of ``http_job`` with another text in its config."""
    http_job(directory, name, **options)
    path = directory / f"{name}.yaml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    [job] = load_config(path, {}).jobs
    return job


async def go_over(runner: Runner, *jobs: Job) -> None:
    """A reload with these jobs, and the first steps of those that begin."""
    await runner.go_over(Workload(jobs))
    await settle()


async def test_a_job_that_did_not_change_is_not_disturbed(stage: Stage, tmp_path: Path) -> None:
    """Its run under way ends as it began, it is not asked once more, and its next run comes on its grid."""
    stage.source.answer = held = Held()
    async with stage.running(http_job(tmp_path)) as runner:
        assert held.asked == 1
        for _ in range(3):
            await go_over(runner, http_job(tmp_path))  # the same text: another object
        held.may_answer.set()
        await stage.clock.advance(seconds=1)
        assert (held.asked, held.given_up) == (1, 0)
        assert stage.samples()[TOTAL] == 6
        await stage.clock.advance(minutes=23)
        assert held.asked == 2
        assert runner.tallies["pods"].runs == 2
    assert stage.samples()[TOTAL] == 12


async def test_a_new_job_begins_and_does_not_make_the_exporter_unready(stage: Stage, tmp_path: Path) -> None:
    """It runs at once, as after a start; readiness does not wait for it."""
    async with stage.running(http_job(tmp_path)) as runner:
        stage.source.answer = held = Held()
        await go_over(runner, http_job(tmp_path), http_job(tmp_path, "new"))
        await stage.clock.advance(seconds=1)
        assert held.asked == 1
        assert (stage.status("new")["ready"], stage.status("new")["awaited"]) == (False, False)
        assert stage.status("pods")["awaited"]
        held.may_answer.set()
        await stage.clock.advance(seconds=1)
        assert stage.status("new")["outcome"] == "ok"


async def test_a_removed_job_leaves_the_page_and_comes_back_where_it_was(stage: Stage, tmp_path: Path) -> None:
    """What is missed meanwhile is caught up, and nothing is counted twice (C6)."""
    other = edited(tmp_path, "energy_joules_total", "other_joules_total", name="other")
    async with stage.running(http_job(tmp_path), other) as runner:
        await stage.clock.advance(hours=1)
        await go_over(runner, other)
        await stage.clock.advance(seconds=1)
        assert not snapshot_path(stage.published, "pods").exists()
        assert "pods" not in runner.tallies
        await stage.clock.advance(hours=2)
        assert not snapshot_path(stage.published, "pods").exists(), "nobody puts it back"
        await go_over(runner, http_job(tmp_path), other)
        await stage.clock.advance(seconds=1)
        tally = runner.tallies["pods"]
        assert (tally.runs, tally.counts.new) == (1, 24)
    assert stage.samples()[TOTAL] == 6 + 12 + 24


async def test_a_run_of_a_removed_job_is_given_up(stage: Stage, tmp_path: Path) -> None:
    """Its request is cancelled; nothing of it is committed later."""
    other = http_job(tmp_path, "other")
    async with stage.running(other) as runner:
        stage.source.answer = held = Held()
        await go_over(runner, http_job(tmp_path), other)
        assert held.asked == 1
        await go_over(runner, other)
        assert held.given_up == 1
        held.may_answer.set()
        await settle()
        assert stage.store.load("pods", "").watermark is None


async def test_the_total_of_a_changed_job_goes_on(stage: Stage, tmp_path: Path) -> None:
    """A longer delay begins at the watermark: no timepoint is left out, and none counts twice (C10)."""
    async with stage.running(http_job(tmp_path)) as runner:
        await stage.clock.advance(hours=1)
        assert stage.samples()[TOTAL] == 18
        await go_over(runner, edited(tmp_path, "delay: 10m", "delay: 20m"))
        await stage.clock.advance(hours=2)
        assert runner.tallies["pods"].failures == {}
    # Watermarks follow the fire times less the delay: 9:50 to 12:40 after the first window of half an hour.
    assert stage.samples()[TOTAL] == 6 + (12 * 60 + 40 - 9 * 60 - 50) // 5


async def test_a_run_of_a_changed_job_begins_again_at_once(stage: Stage, tmp_path: Path) -> None:
    """The run under way is given up, and its fire time runs with the new config; the counters of the job go on."""
    async with stage.running(http_job(tmp_path)) as runner:
        stage.source.answer = held = Held()
        await stage.clock.advance(minutes=23)
        assert held.asked == 1
        await go_over(runner, edited(tmp_path, "help: Energy.", "help: Energy of pods."))
        assert (held.asked, held.given_up) == (2, 1)
        held.may_answer.set()
        await stage.clock.advance(seconds=1)
        assert runner.tallies["pods"].runs == 2
    assert stage.samples()[TOTAL] == 12


async def test_a_changed_job_without_a_run_under_way_waits_for_its_fire_time(stage: Stage, tmp_path: Path) -> None:
    """A reload is no reason to ask an API: the page is rendered anew, and that is all."""
    async with stage.running(http_job(tmp_path)) as runner:
        asked = len(stage.source.windows)
        await go_over(runner, edited(tmp_path, "help: Energy.", "help: Joules of pods."))
        assert len(stage.source.windows) == asked
        assert b"Joules" in snapshot_path(stage.published, "pods").read_bytes()
        await stage.clock.advance(minutes=23)
        assert len(stage.source.windows) == asked + 1


async def test_a_renamed_metric_begins_anew_by_a_reload_as_by_a_restart(
    stage: Stage, tmp_path: Path, written: io.StringIO
) -> None:
    """Totals of two names are never mixed, the log says so, and with its old name it goes on (C5)."""
    async with stage.running(http_job(tmp_path)) as runner:
        await go_over(runner, edited(tmp_path, "energy_joules_total", "used_joules_total"))
        await stage.clock.advance(minutes=23)
        assert stage.samples()['used_joules_total{pod="a"}'] == 6
        assert TOTAL not in stage.samples()
        assert written.getvalue().count("event=begins_anew job=pods metric=used_joules_total") == 1
        await go_over(runner, http_job(tmp_path))
        await stage.clock.advance(seconds=1)
        assert stage.samples()[TOTAL] == 6
        assert 'used_joules_total{pod="a"}' not in stage.samples()


async def test_a_ledger_that_cannot_be_read_changes_nothing(stage: Stage, tmp_path: Path) -> None:
    """The jobs of before go on, also the changed one whose run was given up for it."""
    store = stage.store
    assert isinstance(store, MemoryStore)
    async with stage.running(http_job(tmp_path)) as runner:
        stage.source.answer = held = Held()
        await stage.clock.advance(minutes=23)

        def broken(job: str, lane: str) -> Any:
            raise StoreError("the disk is gone")

        whole, store.load = store.load, broken  # type: ignore[method-assign]
        with pytest.raises(StoreError):
            await runner.go_over(Workload((edited(tmp_path, "delay: 10m", "delay: 15m"), http_job(tmp_path, "new"))))
        store.load = whole  # type: ignore[method-assign]
        await settle()
        assert set(runner.tallies) == {"pods"}
        assert (held.asked, held.given_up) == (2, 1)
        held.may_answer.set()
        await stage.clock.advance(seconds=1)
    assert stage.samples()[TOTAL] == 12


async def test_without_a_ledger_the_new_jobs_are_those_that_begin_with_it(stage: Stage, tmp_path: Path) -> None:
    """A reload does not need the ledger that is in trouble, and may be what ends the trouble."""
    whole = stage.store
    runner = stage.make(http_job(tmp_path))
    opening = runner._around
    state = {"broken": True}

    def open_store() -> Any:
        if state["broken"]:
            raise StoreError("no ledger")
        return whole

    runner._around = replace(opening, open_store=open_store)
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    await settle()
    await go_over(runner, http_job(tmp_path, "new"))
    state["broken"] = False
    await stage.clock.advance(seconds=10)
    assert set(runner.tallies) == {"new"}
    assert stage.status("new")["outcome"] == "ok"
    stop.set()
    await settle()
    assert await task == 0


async def test_what_a_source_wants_outlives_a_change_of_others_and_of_itself(stage: Stage, tmp_path: Path) -> None:
    """The gate of an unchanged source stays; that of a changed one keeps what the API has said."""
    async with stage.running(http_job(tmp_path)) as runner:
        sources = runner._sources
        gate = sources.gate_of(http_job(tmp_path))
        assert gate is not None
        gate.hear(429, Told(wait=3600.0, words="Retry-After"))
        await go_over(runner, http_job(tmp_path), http_job(tmp_path, "new"))
        assert runner._sources.gate_of(http_job(tmp_path)) is gate
        changed = http_job(tmp_path, min_interval="1m")
        await go_over(runner, changed)
        other = runner._sources.gate_of(changed)
        assert other is not None
        assert other is not gate
        assert other.wait() == pytest.approx(3600, abs=1)
        assert other.tally is gate.tally


async def test_min_interval_holds_over_a_change_of_the_source(stage: Stage, tmp_path: Path) -> None:
    """Reloads ask an API no sooner than its ``min_interval`` allows, however often the source is edited."""
    async with stage.running(http_job(tmp_path, min_interval="20m")) as runner:
        stage.source.answer = held = Held()
        await stage.clock.advance(minutes=23)
        for minutes in ("21m", "22m", "23m"):
            await go_over(runner, http_job(tmp_path, min_interval=minutes))
        assert held.asked == 1
        held.may_answer.set()
        await stage.clock.advance(minutes=30)
    assert stage.samples()[TOTAL] == 18


async def test_many_reloads_during_polls_count_each_timepoint_once(stage: Stage, tmp_path: Path) -> None:
    """Between two configs, back and forth for three hours: the total is what the API has (C10)."""
    one, two = http_job(tmp_path), edited(tmp_path, "help: Energy.", "help: Joules.")
    async with stage.running(one) as runner:
        began = stage.clock.now()
        for turn in range(12):
            await go_over(runner, two if turn % 2 else one)
            await stage.clock.advance(minutes=15)
    first = (began - 7 * MINUTE) - 10 * MINUTE - 30 * MINUTE
    end = stage.source.windows[-1].end
    assert stage.samples()[TOTAL] == (end - first) // STEP


async def test_no_reload_follows_the_end(stage: Stage, tmp_path: Path) -> None:
    """A reload that is under way when the poller is told to end neither hangs it nor starts a job."""
    async with stage.running(http_job(tmp_path)) as runner:
        stage.source.answer = Held()
        await stage.clock.advance(minutes=23)
        going = asyncio.create_task(runner.go_over(Workload((http_job(tmp_path, "new"),))))
    await settle()
    assert going.done()
