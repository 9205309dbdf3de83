"""One series counted by one holder after the other: jobs renamed, fan-outs added, declarations changed, and taken back.

What Prometheus makes of the pages over the whole story is compared with the API's own sum of all that was asked for.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.poller.bench import Bench
from tests.poller.stage import Stage
from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.errors import StatusError
from timepoint.job import Job, Workload
from timepoint.model import Window
from timepoint.poller.edits import Anew, find_estates
from timepoint.poller.restoring import withdraw_strangers

STEP = 5 * MINUTE
NAME = "energy_joules_total"
CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  JOB:
    source: api
    every: 30m
    jitter: 0s
    request: {get: /pods, params: {start: "{window.start}", end: "{window.end}" EACHPARAM}}
    EACHBLOCK
    window: {step: 5m WINDOW}
    rows: {r: "$[*]"}
    time: {at: $r.t, interval: 5m, format: unix_ms}
    labels: {pod: $r.pod}
    metrics:
      energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 2m UNIT}
"""


def job(directory: Path, name: str = "pods", *, unit: str = "", each: bool = False, window: str = "") -> Job:
    """A half-hourly job on amounts of five minutes."""
    text = CONFIG.replace("JOB", name).replace("UNIT", unit).replace("WINDOW", window)
    block = "each: {zone: {values: [DE], label: null}}" if each else ""
    text = text.replace("EACHBLOCK", block).replace("EACHPARAM", ", zone: '{each.zone}'" if each else "")
    path = directory / "config.yaml"
    path.write_text(text)
    [built] = load_config(path, {}).jobs
    return built


def amount(pod: str, t: int) -> int:
    """What the API says of a pod and an interval: a number that no other sum of few of them gives."""
    return 1 + (t // STEP * 7919 + ord(pod) * 104_729) % 9973


def is_there(pod: str, t: int) -> bool:
    """Pod a is always there; the others come and go every few hours."""
    return pod == "a" or (t // STEP // 16 + ord(pod)) % 3 > 0


def answer(window: Window, pods: str = "abc") -> list[dict[str, Any]]:
    """All amounts of a window."""
    return [
        {"pod": pod, "t": t, "v": amount(pod, t)}
        for pod in pods
        for t in range(window.start, window.end, STEP)
        if is_there(pod, t)
    ]


class Life:
    """A config that is edited again and again, under a Prometheus that scrapes often enough."""

    def __init__(self, directory: Path, first: Job) -> None:
        self.bench = Bench(directory, first, answer)
        self.scraped: dict[str, list[float]] = {}
        self.asked: set[int] = set()
        self.told: list[Anew] = []
        self.pods = "abc"

    async def goes_on(self, one: Job, *, runs: int = 1, minutes: int = 30, fails: bool = False) -> None:
        """A restart with a job, and some runs of it."""
        bench = self.bench
        bench.job = one
        bench.restart()
        desk = bench.pipeline.desk
        withdraw_strangers(bench.published, {one.name})
        if one.each is not None:
            desk.list_lanes(["DE"])
        desk.take_up()
        self.told = desk.take_over([one])
        desk.restore()
        self.scrape()
        for _ in range(runs):
            bench.source.answer = (lambda _: StatusError(500, "no")) if fails else partial(answer, pods=self.pods)
            report = await bench.run()
            for window in report.windows[: report.committed]:
                self.asked.update(range(window.start, window.end, STEP))
            self.scrape()
            await bench.clock.advance(minutes=3)
            self.scrape()
            await bench.clock.advance(minutes=minutes - 3)
            self.scrape()

    def scrape(self) -> None:
        for text, value in self.bench.samples().items():
            if not text.startswith("timepoint_"):
                self.scraped.setdefault(text, []).append(value)

    def increase(self) -> dict[str, float]:
        """As PromQL adds it up, by pod."""
        return {
            text: sum(later - before if later >= before else later for before, later in pairwise(values))
            for text, values in self.scraped.items()
        }

    def truth(self) -> dict[str, float]:
        """What the API says of all that was asked for, by pod; a pod without any is not on a page."""
        sums = {
            f'{NAME}{{pod="{pod}"}}': float(sum(amount(pod, t) for t in self.asked if is_there(pod, t)))
            for pod in "abc"
        }
        return {text: total for text, total in sums.items() if total}


async def test_a_job_that_is_renamed_and_named_back_counts_each_interval_once(tmp_path: Path) -> None:
    """Also where the old name reads again what the other has counted, and both overlap (C5, C6)."""
    window = ", overlap: 1h"
    pods, shop = job(tmp_path, window=window), job(tmp_path, "shop", window=window)
    life = Life(tmp_path, pods)
    for one, runs in ((pods, 3), (shop, 4), (pods, 2), (shop, 1), (pods, 1)):
        await life.goes_on(one, runs=runs)
    assert life.increase() == life.truth()


async def test_a_total_that_comes_back_begins_at_0_and_says_so(tmp_path: Path) -> None:
    """The old total would be an increase once more."""
    pods, shop = job(tmp_path), job(tmp_path, "shop")
    life = Life(tmp_path, pods)
    await life.goes_on(pods, runs=3)
    assert not life.told
    await life.goes_on(shop, runs=2)
    await life.goes_on(pods, runs=1)
    [told] = life.told
    assert told.job == "pods"
    assert told.metric == NAME
    assert "have been counted by job shop since, and begin at 0" in told.reason
    assert life.scraped[f'{NAME}{{pod="a"}}'][-3] == 0
    await life.goes_on(pods, runs=1)
    assert not life.told
    assert life.increase() == life.truth()


async def test_a_config_that_is_taken_back_before_it_ran_goes_on(tmp_path: Path) -> None:
    """Nobody has seen another total."""
    pods, shop = job(tmp_path), job(tmp_path, "shop")
    life = Life(tmp_path, pods)
    await life.goes_on(pods, runs=2)
    shown = life.scraped[f'{NAME}{{pod="a"}}'][-1]
    await life.goes_on(shop, runs=1, fails=True)
    await life.goes_on(pods, runs=1)
    assert not life.told
    assert life.scraped[f'{NAME}{{pod="a"}}'][-1] > shown > 0
    assert 0 not in life.scraped[f'{NAME}{{pod="a"}}'][2:]
    assert life.increase() == life.truth()


async def test_a_job_that_missed_runs_goes_on(tmp_path: Path) -> None:
    """A pause is no change, also beside a job that another name was given to long ago."""
    pods, shop = job(tmp_path), job(tmp_path, "shop")
    life = Life(tmp_path, shop)
    await life.goes_on(shop, runs=1)
    await life.goes_on(pods, runs=2)
    await life.goes_on(pods, runs=3, fails=True)
    await life.goes_on(pods, runs=1)
    assert not life.told
    assert life.increase() == life.truth()


async def test_the_series_that_nobody_else_has_counted_go_on(tmp_path: Path) -> None:
    """Only totals of which another has shown lower ones are over."""
    pods, shop = job(tmp_path), job(tmp_path, "shop")
    life = Life(tmp_path, pods)
    await life.goes_on(pods, runs=8)
    before = life.bench.samples()
    assert len(before) == len("abc")
    life.pods = "a"
    await life.goes_on(shop)
    life.pods = "abc"
    await life.goes_on(pods)
    after = life.bench.samples()
    both = before.keys() & after.keys()
    assert len(both) > 1
    assert {text for text in both if after[text] > before[text]} == {text for text in both if '"a"' not in text}


async def test_a_total_that_is_over_and_never_comes_back_asks_for_nobody(tmp_path: Path) -> None:
    """Else each start would read all that a job of another name has ever counted."""
    pods, shop = job(tmp_path), job(tmp_path, "shop")
    life = Life(tmp_path, pods)
    await life.goes_on(pods, runs=8)
    await life.goes_on(shop, runs=8)
    life.pods = "a"
    await life.goes_on(pods, runs=2)
    [lane] = life.bench.pipeline.desk.load_all()
    assert any(not state.created for state in lane.metrics[f"{NAME} counter/delta/"].absent.values())
    assert find_estates(pods, [pods], [lane], life.bench.store) == {}


async def test_a_reload_does_what_a_restart_does(stage: Stage, tmp_path: Path) -> None:
    """A job renamed and named back while the exporter runs: off the page at once, then from 0 (C5)."""
    stage.source.answer = answer
    pods, shop, series = job(tmp_path), job(tmp_path, "shop"), f'{NAME}{{pod="a"}}'
    async with stage.running(pods) as runner:
        await stage.clock.advance(minutes=40)
        before = stage.samples()[series]
        await runner.go_over(Workload((shop,)))
        await stage.clock.advance(minutes=40)
        other = stage.samples()[series]
        await runner.go_over(Workload((pods,)))
        assert series not in stage.samples()
        await stage.clock.advance(minutes=1)
        assert stage.samples()[series] == 0
        await stage.clock.advance(minutes=40)
        asked = [t for window in stage.source.windows for t in range(window.start, window.end, STEP)]
        assert before + other + stage.samples()[series] == sum(amount("a", t) for t in set(asked))
        assert len(set(asked)) < len(asked)


KINDS = st.sampled_from(["pods", "pods", "shop", "cart", "each", "unit"])


@settings(max_examples=10, deadline=None)
@given(
    story=st.lists(
        st.tuples(KINDS, st.integers(1, 3), st.sampled_from([30, 30, 60, 200]), st.booleans()), min_size=2, max_size=7
    ),
    window=st.sampled_from(["", ", overlap: 30m", ", max_span: 20m", ", overlap: 2h, delay: 10m", ", initial: 6h"]),
)
async def test_increase_over_any_story_is_the_sum_of_the_api(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, int, int, bool]], window: str
) -> None:
    """Whoever counted, and whatever failed: PromQL comes to what the API says of all that was asked for.

    Faults: C5, C6.
    """
    directory = tmp_path_factory.mktemp("holders")
    life: Life | None = None
    for kind, runs, minutes, fails in story:
        one = job(
            directory,
            kind if kind in ("shop", "cart") else "pods",
            unit=", unit: {from: J, to: joules}" if kind == "unit" else "",
            each=kind == "each",
            window=window,
        )
        if life is None:
            life = Life(directory, one)
        await life.goes_on(one, runs=runs, minutes=minutes, fails=fails)
    assert life is not None
    assert life.increase() == life.truth()
