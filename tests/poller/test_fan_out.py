"""A run of a job over its lanes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.poller.fanned import fan_bench, total
from tests.poller.jobs import ones
from timepoint.clock import MINUTE
from timepoint.errors import HeldBackError, StatusError
from timepoint.model import Outcome, Window
from timepoint.poller.owners import part
from timepoint.poller.page import render


async def test_each_lane_counts_by_itself(tmp_path: Path) -> None:
    """Each value is asked for, becomes a label, and has a total of its own."""
    b, zones = fan_bench(tmp_path)
    report = await b.run()
    assert (report.outcome, report.points, report.committed) == (Outcome.OK, 18, 3)
    assert b.samples() == {total("DE"): 6, total("FR"): 6, total("AT"): 6}
    assert sorted(zones.asked) == ["AT", "DE", "FR"]
    assert report.lanes is not None
    assert (report.lanes.listed, report.lanes.ok, report.lanes.failed) == (3, 3, 0)


async def test_one_failing_lane_does_not_fail_the_others(tmp_path: Path) -> None:
    """The run is partial, and the next one asks for both windows of the lane that failed."""
    b, zones = fan_bench(tmp_path)
    await b.run()
    zones.broken = {"FR"}
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.PARTIAL, "status")
    assert report.error == "1 of 3 lanes failed: zone=FR (status: FR is broken)"
    assert b.samples() == {total("DE"): 12, total("FR"): 6, total("AT"): 12}
    zones.broken = set()
    await b.clock.advance(minutes=30)
    assert (await b.run()).outcome is Outcome.OK
    assert set(b.samples().values()) == {18}
    assert [window.end - window.start for window in zones.windows["FR"]] == [30 * MINUTE, 30 * MINUTE, 60 * MINUTE]


async def test_a_run_of_which_all_lanes_fail_is_what_they_are(tmp_path: Path) -> None:
    """Nothing was committed, so it is no partial run; the page stays."""
    b, zones = fan_bench(tmp_path)
    await b.run()
    zones.broken = {"DE", "FR", "AT"}
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "status")
    assert set(b.samples().values()) == {6}


async def test_of_many_failures_the_first_few_are_told(tmp_path: Path) -> None:
    """One line for a run, however many lanes it has."""
    names = [f"Z{number}" for number in range(40)]
    b, zones = fan_bench(tmp_path, f"{{zone: [{', '.join(names)}]}}")
    zones.broken = set(names)
    report = await b.run()
    assert report.error.startswith("40 of 40 lanes failed: zone=Z0 (status: Z0 is broken); ")
    assert report.error.endswith("; and 35 more")


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_what_was_not_reached_comes_first_in_the_next_run(tmp_path: Path, *, is_restarted: bool) -> None:
    """A run whose time is over keeps what it has, and the next goes on with the lanes that had no turn."""
    b, zones = fan_bench(tmp_path, "{zone: [A, B, C, D]}", more="timeout: 25s", concurrency=1)
    answer = b.source.answer

    async def slow(window: Window, **values: str) -> object:
        await b.clock.sleep(10)
        return answer(window, **values)

    b.source.answer = slow
    reports = []
    for _ in range(2):
        running = asyncio.create_task(b.run())
        await b.clock.advance(minutes=30)
        reports.append(await running)
        if is_restarted:  # as with each call of poll --once
            b.restart()
    assert [report.outcome for report in reports] == [Outcome.PARTIAL, Outcome.PARTIAL]
    assert reports[0].reason == "timeout"
    assert "1 of 4 lanes were not reached: the next run begins with them" in reports[0].error
    assert zones.asked[:2] == ["A", "B"]
    assert zones.asked[2] == "D"


async def test_a_backlog_of_one_lane_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """Lanes take turns, window by window."""
    b, zones = fan_bench(tmp_path, "{zone: [A, B]}", max_span="30m", concurrency=1)
    zones.broken = {"A"}
    for _ in range(4):
        await b.run()
        await b.clock.advance(minutes=30)
    zones.broken, zones.asked = set(), []
    report = await b.run()
    assert zones.asked == ["A", "B", "A", "A", "A", "A"]
    assert report.outcome is Outcome.OK
    assert set(b.samples().values()) == {30}


async def test_a_restart_goes_on_lane_by_lane(tmp_path: Path) -> None:
    """Each lane has its watermark in the ledger."""
    b, zones = fan_bench(tmp_path)
    zones.broken = {"FR"}
    await b.run()
    b.restart()
    zones.broken = set()
    await b.clock.advance(minutes=30)
    await b.run()
    assert b.samples() == {total("DE"): 12, total("FR"): 12, total("AT"): 12}


async def test_lanes_are_committed_together_when_they_come_together(tmp_path: Path) -> None:
    """A group is what came while the worker was busy; a failing group costs none of its lanes more than itself."""
    b, _ = fan_bench(tmp_path)
    b.store.failing = "commit"
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.PARTIAL, "commit") or report.outcome is Outcome.STORE_ERROR
    b.restart()
    await b.clock.advance(minutes=30)
    await b.run()
    assert set(b.samples().values()) == {12}


async def test_answers_without_series_of_all_lanes_are_not_believed_at_once(tmp_path: Path) -> None:
    """An API that has just been started answers with nothing for each lane: the page stays, and it must come twice."""
    names = [f"Z{number}" for number in range(12)]
    b, _ = fan_bench(tmp_path, f"{{zone: [{', '.join(names)}]}}")
    await b.run()
    b.source.answer = lambda _window, **_values: []
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert (report.outcome, report.reason, report.refusals) == (Outcome.SOURCE_ERROR, "expect", {"": 1})
    assert len(b.samples()) == 12
    await b.clock.advance(minutes=30)
    report = await b.pipeline.run(b.clock.now(), refused=report.refusals)
    assert (report.outcome, report.refusals) == (Outcome.EMPTY, {})
    assert b.samples() == {}


async def test_a_lane_that_ends_alone_is_believed(tmp_path: Path) -> None:
    """Where the others have their series, a lane without any is a fact."""
    names = [f"Z{number}" for number in range(12)]
    b, zones = fan_bench(tmp_path, f"{{zone: [{', '.join(names)}]}}")
    await b.run()
    b.source.answer = lambda window, zone: [] if zone == "Z3" else zones(window, zone)
    await b.clock.advance(minutes=30)
    assert (await b.run()).outcome is Outcome.OK
    assert len(b.samples()) == 11


async def test_a_series_of_two_lanes_is_a_reject(tmp_path: Path) -> None:
    """Without its label two lanes have one series: the first keeps it, and the points of the other are rejects."""
    b, _ = fan_bench(tmp_path, "{zone: {values: [DE, FR], label: null}}")
    report = await b.run()
    assert report.rejects.counts == {"other_lane": 6}
    assert b.samples() == {'energy_joules_total{pod="a"}': 6}
    b.restart()
    await b.clock.advance(minutes=30)
    await b.run()
    assert b.samples() == {'energy_joules_total{pod="a"}': 12}


async def test_a_series_that_left_one_lane_may_go_on_in_another(tmp_path: Path) -> None:
    """A pod that has moved begins anew where it is now; nothing of it is refused."""
    b, _ = fan_bench(tmp_path, "{zone: {values: [DE, FR], label: null}}", concurrency=1)
    pods = {"DE": ["a", "b"], "FR": ["c"]}
    b.source.answer = lambda window, zone: [{**row, "pod": pod} for pod in pods[zone] for row in ones(window)]
    await b.run()
    pods = {"DE": ["b"], "FR": ["a", "c"]}
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert report.rejects.counts == {}
    samples = {name.split('"')[1]: value for name, value in b.samples().items()}
    assert samples == {"a": 6, "b": 12, "c": 12}


async def test_the_budget_of_series_is_that_of_the_job(tmp_path: Path) -> None:
    """What all lanes hold together counts against max_series."""
    b, _ = fan_bench(tmp_path, more="max_series: 2", concurrency=1)
    report = await b.run()
    assert report.rejects.counts == {"series_budget": 1}
    assert "2 in other lanes" in report.rejects.examples["series_budget"][0]
    assert len(b.samples()) == 2


async def test_a_source_that_must_wait_ends_the_run(tmp_path: Path) -> None:
    """What holds for the source holds for all its lanes: the others are not tried, and have done nothing wrong."""
    b, zones = fan_bench(tmp_path, concurrency=1)
    b.source.answer = lambda window, zone: (
        HeldBackError("quota", "the quota is used up") if zone == "FR" else zones(window, zone)
    )
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.PARTIAL, "quota")
    assert report.lanes is not None
    assert (report.lanes.ok, report.lanes.failed, report.lanes.unreached) == (1, 0, 2)


async def test_a_status_error_is_told_with_its_lane(tmp_path: Path) -> None:
    """How the lanes stand is known after each run: who fails, how far the last one is."""
    b, zones = fan_bench(tmp_path)
    await b.run()
    first = b.clock.now()
    zones.broken = {"DE"}
    b.source.answer = lambda window, zone: StatusError(404, "no such zone") if zone == "DE" else zones(window, zone)
    await b.clock.advance(minutes=30)
    report = await b.run()
    standing = report.lanes_standing
    assert standing is not None
    assert (standing.listed, standing.failing, standing.watermark) == (3, 1, first - 10 * MINUTE)
    assert standing.accepted == {first: (1, 1), b.clock.now(): (2, 0)}


async def test_a_long_run_shows_what_it_has_now_and_then(tmp_path: Path) -> None:
    """Nobody waits for the last of many lanes to see the first."""
    names = [f"Z{number}" for number in range(12)]
    b, zones = fan_bench(tmp_path, f"{{zone: [{', '.join(names)}]}}", concurrency=1)

    async def slow(window: Window, zone: str) -> object:
        await b.clock.sleep(5)
        return zones(window, zone)

    b.source.answer = slow
    running = asyncio.create_task(b.run())
    await b.clock.advance(seconds=33)
    assert len(b.samples()) == 6
    await b.clock.advance(seconds=30)
    assert running.done()
    assert len(b.samples()) == 12


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_lane_that_comes_back_does_not_hide_who_took_its_series(tmp_path: Path, *, is_restarted: bool) -> None:
    """The larger total of before would stand in the other's place, and the way back would look like a reset."""
    each = '{zone: {request: {get: /zones}, values: "$[*]", every: 10m, label: null}}'
    b, zones = fan_bench(tmp_path, each)
    values = []
    for listed in (["A"], ["A"], ["A"], ["B"], ["A", "B"], ["A", "B"], ["A", "B"]):
        zones.listed = listed
        await b.run()
        values.append(b.samples())
        if is_restarted:
            b.restart()
        await b.clock.advance(minutes=30)
    series = 'energy_joules_total{pod="a"}'
    assert values == [{series: value} for value in (6, 12, 18, 6, 12, 18, 24)]
    lanes = [b.store.load("pods", lane) for lane in ("zone=A", "zone=B")]
    part(b.job.metrics, lanes)  # as whoever renders the page from the ledger does
    texts = [batch.texts for family in render(b.job, lanes, b.clock.now()).families for batch in family.batches]
    assert texts == [['{pod="a"}']]
    assert lanes[0].series_count() == 0


@pytest.mark.parametrize("is_restarted", [False, True])
async def test_no_lane_waits_for_ever_where_a_run_reaches_some(tmp_path: Path, *, is_restarted: bool) -> None:
    """With a quota of two requests for each run and five lanes all of them come to their turn, one after the other."""
    b, zones = fan_bench(tmp_path, "{zone: [A, B, C, D, E]}", concurrency=1)
    left = 0

    def some(window: Window, **values: str) -> object:
        nonlocal left
        left -= 1
        return HeldBackError("quota", "it is used up") if left < 0 else zones(window, **values)

    b.source.answer = some
    for _ in range(10):
        left = 2
        await b.run()
        if is_restarted:
            b.restart()
        await b.clock.advance(minutes=30)
    assert min(zones.asked.count(zone) for zone in "ABCDE") >= 3
    assert len(set(zones.asked[:5])) == 5
