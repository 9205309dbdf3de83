"""Lanes that are listed long after another holder has counted their series: they know of it all the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import timepoint.poller.desk
from tests.poller.bench import Bench
from timepoint.clock import DAY, MINUTE
from timepoint.config import load_config
from timepoint.errors import StoreError
from timepoint.job import Job
from timepoint.ledger.state import LaneState
from timepoint.model import Window
from timepoint.poller.edits import Anew, find_estates
from timepoint.poller.run_windows import earliest_asked

STEP = 5 * MINUTE
DISCOVERY = '{zone: {request: {get: /zones}, values: "$[*]", every: 10m}}'
CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    max_age: 30d
    EACH
    request: {get: /pods, params: {start: "{window.start}", end: "{window.end}" PARAM}}
    window: {step: 5m, delay: 10m, initial: 2h}
    rows: {r: "$[*]"}
    time: {at: $r.t, interval: 5m, format: unix_ms}
    labels: {pod: $r.pod LABEL}
    metrics:
      energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 2m}
"""
SERIES = 'energy_joules_total{pod="a",zone="C"}'


def job(directory: Path, **texts: str) -> Job:
    """The job with some texts in their places."""
    text = CONFIG
    for place in ("EACH", "PARAM", "LABEL"):
        text = text.replace(place, texts.get(place, ""))
    path = directory / "config.yaml"
    path.write_text(text)
    [built] = load_config(path, {}).jobs
    return built


def amount(t: int) -> int:
    """What the API says of an interval of zone C."""
    return 1 + t // STEP * 7919 % 9973


class Story:
    """A job without a fan-out, and with one whose list a discovery tells, restarted from one to the other."""

    def __init__(self, directory: Path) -> None:
        self.lone = job(directory, LABEL=", zone: $r.zone")
        self.fan = job(directory, EACH=f"each: {DISCOVERY}", PARAM=", zone: '{each.zone}'")
        self.listed: list[str] = []
        self.asked: set[int] = set()
        self.scraped: list[float] = []
        self.told: list[Anew] = []
        self.told_at_start: list[Anew] = []
        self.bench = Bench(directory, self.lone, self.answer)

    def answer(self, window: Window, zone: str | None = None) -> Any:
        if self.bench.job.each is not None and zone is None:
            return self.listed
        zones = [zone] if zone else ["A", "C"]
        times = range(window.start, window.end, STEP)
        if "C" in zones:
            self.asked.update(times)
        return [{"pod": "a", "zone": one, "t": t, "v": amount(t)} for one in zones for t in times]

    def begin(self, job: Job) -> None:
        self.bench.job = job
        self.bench.restart()
        desk = self.bench.pipeline.desk
        desk.take_up()
        self.told_at_start = desk.take_over([job])
        desk.restore()

    async def run(self, times: int = 1) -> None:
        for _ in range(times):
            report = await self.bench.run()
            self.told += report.begun_anew
            self.scrape()
            await self.bench.clock.advance(minutes=3)
            self.scrape()
            await self.bench.clock.advance(minutes=27)

    def scrape(self) -> None:
        value = self.bench.samples().get(SERIES)
        if value is not None:
            self.scraped.append(value)

    async def change_hands(self) -> None:
        """Two lanes count for two runs, then the job without a fan-out does."""
        self.listed = ["A", "C"]
        self.begin(self.fan)
        await self.run(2)
        self.begin(self.lone)
        await self.run(2)

    @property
    def increase(self) -> float:
        return sum(later - before if later >= before else later for before, later in pairwise(self.scraped))

    @property
    def truth(self) -> float:
        return sum(map(amount, self.asked))


async def test_a_lane_that_returns_to_the_list_late_begins_behind_who_counted_meanwhile(tmp_path: Path) -> None:
    """Its old total would be an increase once more, and it would count again what it catches up."""
    story = Story(tmp_path)
    await story.change_hands()
    story.listed = ["A"]
    story.begin(story.fan)
    await story.run(3)
    story.listed = ["A", "C"]
    await story.run(2)
    assert story.increase == story.truth


async def test_a_total_that_ends_as_its_lane_returns_is_told_by_the_run(tmp_path: Path) -> None:
    """The lane was not on the list when the others were looked for."""
    story = Story(tmp_path)
    for begins, listed, times in (
        (story.fan, ["A", "C"], 2),
        (None, ["A"], 1),
        (story.lone, [], 2),
        (story.fan, ["A"], 3),
        (None, ["A", "C"], 2),
    ):
        story.listed = listed
        if begins is not None:
            story.begin(begins)
        await story.run(times)
    assert story.increase == story.truth
    [told] = story.told
    assert "counted by the job without each since, and begin at 0" in told.reason


async def test_totals_of_all_lanes_that_end_at_a_start_are_told_in_one_sentence(tmp_path: Path) -> None:
    """A fan-out of a thousand lanes would else fill the log at the start that takes its name back."""
    story = Story(tmp_path)
    await story.change_hands()
    story.begin(story.fan)
    [told] = story.told_at_start
    assert told.reason.startswith("2 of its series have been counted by the job without each since")


async def test_a_start_that_fails_between_lanes_ends_the_other_totals_at_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a group of lanes end in one transaction; what was not reached is found again."""
    story = Story(tmp_path)
    await story.change_hands()
    store, groups = story.bench.store, []
    rewrite_all = store.rewrite_all

    def rewrite_first(lanes: Sequence[LaneState]) -> None:
        groups.append([lane.lane for lane in lanes])
        if len(groups) > 1:
            raise StoreError("the disk is full")
        rewrite_all(lanes)

    monkeypatch.setattr(timepoint.poller.desk, "_AT_A_TIME", 1)
    monkeypatch.setattr(store, "rewrite_all", rewrite_first)
    with pytest.raises(StoreError):
        story.begin(story.fan)
    monkeypatch.setattr(store, "rewrite_all", rewrite_all)
    assert groups == [["zone=A"], ["zone=C"]]
    story.begin(story.fan)
    [told] = story.told_at_start
    assert told.reason.startswith("1 of its series")
    await story.run(2)
    assert story.increase == story.truth


async def test_a_lane_that_is_new_to_the_list_counts_nothing_again(tmp_path: Path) -> None:
    """Its first window reaches back to what the job without a fan-out has counted."""
    story = Story(tmp_path)
    story.begin(story.lone)
    await story.run(3)
    story.listed = ["A"]
    story.begin(story.fan)
    await story.run(1)
    story.listed = ["A", "C"]
    await story.run(2)
    assert story.increase == story.truth


async def test_what_was_counted_before_any_window_of_a_new_lane_is_not_read(tmp_path: Path) -> None:
    """A list that changes each hour would else load a whole job of another name each time, for years."""
    story = Story(tmp_path)
    story.begin(story.lone)
    await story.run(2)
    now, lanes, store = story.bench.clock.now(), [LaneState("pods", "C")], story.bench.store
    assert find_estates(story.fan, [story.fan], lanes, store, earliest_asked(story.fan, now))
    assert find_estates(story.fan, [story.fan], lanes, store, earliest_asked(story.fan, now + 6 * DAY))
    assert not find_estates(story.fan, [story.fan], lanes, store, earliest_asked(story.fan, now + 8 * DAY))
