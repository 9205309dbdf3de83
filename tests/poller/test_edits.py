"""What a change of the config does to totals, from one start to the next: each by its rule, and none in silence."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.poller.bench import Bench
from tests.poller.stage import Stage
from timepoint.clock import HOUR, MINUTE
from timepoint.config import load_config
from timepoint.errors import StatusError
from timepoint.job import Job
from timepoint.ledger.state import metric_shape
from timepoint.log import _FIELDS
from timepoint.model import Window
from timepoint.poller.edits import changed_lanes
from timepoint.request.each.spec import EachSpec

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  JOB:
    source: api
    every: 30m
    jitter: 0s
    request: {get: /pods, params: {start: "{window.start}", end: "{window.end}"}}
    window: {step: STEP}
    rows: {r: "$[*]"}
    time: {at: $r.t, interval: STEP, format: unix_ms}
    labels: LABELS
    metrics:
      NAME: {type: counter, temporality: TEMPORALITY, help: Energy., value: $r.v, zero_first: 0s UNIT}
"""
BEFORE = {
    "JOB": "pods",
    "STEP": "5m",
    "LABELS": "{pod: $r.pod}",
    "NAME": "energy_joules_total",
    "TEMPORALITY": "delta",
    "UNIT": ", unit: {from: J, to: joules}",
}
TOTAL = 'energy_joules_total{pod="a"}'


def job(directory: Path, **changes: str) -> Job:
    """A half-hourly job on intervals of 1 for each five minutes, with changes."""
    text = CONFIG
    for word, value in (changes | BEFORE | changes).items():
        text = text.replace(word, value)
    path = directory / "config.yaml"
    path.write_text(text)
    [built] = load_config(path, {}).jobs
    return built


def answer(step: int) -> Any:
    """Amounts of 1 for each five minutes, in intervals of this length."""

    def rows(window: Window) -> list[dict[str, Any]]:
        return [
            {"pod": "a", "app": "x", "t": t, "v": step // (5 * MINUTE)} for t in range(window.start, window.end, step)
        ]

    return rows


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str | None, Any]]:
    """What was said to begin anew since it was last asked: metric and reason."""
    found = [vars(record)[_FIELDS] for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return [(entry.get("metric"), entry["reason"]) for entry in found if "reason" in entry]


async def run(stage: Stage, *jobs: Job, minutes: int = 30) -> dict[str, float]:
    """A start, half an hour of it, and what is shown at the end."""
    async with stage.running(*jobs):
        await stage.clock.advance(minutes=minutes)
        return {text: value for text, value in stage.samples().items() if not text.startswith("timepoint_")}


@pytest.fixture
def warned(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged as a warning."""
    caplog.set_level(logging.WARNING)
    return caplog


async def test_an_unchanged_config_goes_on_and_says_nothing(
    stage: Stage, tmp_path: Path, warned: pytest.LogCaptureFixture
) -> None:
    """A restart is no change."""
    assert await run(stage, job(tmp_path)) == {TOTAL: 12}
    assert await run(stage, job(tmp_path)) == {TOTAL: 18}
    assert told(warned) == []


async def test_a_renamed_metric_begins_anew_and_goes_on_when_it_is_named_back(
    stage: Stage, tmp_path: Path, warned: pytest.LogCaptureFixture
) -> None:
    """What came under the other name is in the other total (C5)."""
    await run(stage, job(tmp_path))
    assert await run(stage, job(tmp_path, NAME="used_joules_total")) == {'used_joules_total{pod="a"}': 6}
    [(metric, reason)] = told(warned)
    assert metric == "used_joules_total"
    assert "energy_joules_total, which the job no longer has" in reason
    assert await run(stage, job(tmp_path, NAME="used_joules_total")) == {'used_joules_total{pod="a"}': 12}
    assert told(warned) == []
    assert await run(stage, job(tmp_path)) == {TOTAL: 18}
    assert told(warned) == []


@pytest.mark.parametrize(("word", "value"), [("TEMPORALITY", "cumulative"), ("UNIT", "")])
async def test_a_metric_that_is_declared_otherwise_begins_anew(
    stage: Stage, tmp_path: Path, warned: pytest.LogCaptureFixture, word: str, value: str
) -> None:
    """Amounts and readings do not add up, nor do two units; taken back, the old total begins behind the other (C5)."""
    await run(stage, job(tmp_path))
    samples = await run(stage, job(tmp_path, **{word: value}))
    assert samples == {TOTAL: 1 if word == "TEMPORALITY" else 6}
    [(metric, reason)] = told(warned)
    assert metric == "energy_joules_total"
    assert "delta, unit joules" in reason
    assert await run(stage, job(tmp_path)) == {TOTAL: 6}
    [(metric, reason)] = told(warned)
    assert metric == "energy_joules_total"
    assert "1 of its series have been counted by the metric declared as" in reason


@pytest.mark.parametrize("labels", ["{pod_name: $r.pod}", "{pod: $r.pod, app: $r.app}", "{}"])
async def test_changed_labels_are_other_totals(
    stage: Stage, tmp_path: Path, warned: pytest.LogCaptureFixture, labels: str
) -> None:
    """The first run says so; taken back, the old totals go on."""
    stage.source.answer = answer(5 * MINUTE)
    await run(stage, job(tmp_path))
    samples = await run(stage, job(tmp_path, LABELS=labels))
    assert list(samples.values()) == [6]
    assert TOTAL not in samples
    [(metric, reason)] = told(warned)
    assert metric == "energy_joules_total"
    assert "all of its 1 series had the labels pod, and now have" in reason
    assert await run(stage, job(tmp_path)) == {TOTAL: 18}


async def test_series_that_come_and_go_are_no_change(
    stage: Stage, tmp_path: Path, warned: pytest.LogCaptureFixture
) -> None:
    """Pods whose labels have the same names may all be replaced at once."""
    await run(stage, job(tmp_path))
    good = stage.source.answer
    stage.source.answer = lambda window: [{**row, "pod": "b"} for row in good(window)]
    assert await run(stage, job(tmp_path)) == {TOTAL.replace('"a"', '"b"'): 6}
    assert told(warned) == []


async def test_a_renamed_job_begins_anew(stage: Stage, tmp_path: Path, warned: pytest.LogCaptureFixture) -> None:
    """What was counted is not counted again, and with its old name it begins behind the other (C5)."""
    await run(stage, job(tmp_path))
    assert await run(stage, job(tmp_path, JOB="shop")) == {TOTAL: 6}
    [(metric, reason)] = told(warned)
    assert metric is None
    assert "knows pods, which the config no longer has" in reason
    assert await run(stage, job(tmp_path)) == {TOTAL: 6}
    [(metric, reason)] = told(warned)
    assert "1 of its series have been counted by job shop since" in reason


async def test_a_job_that_is_removed_and_returns_catches_up(
    stage: Stage, tmp_path: Path, warned: pytest.LogCaptureFixture
) -> None:
    """Its state is kept meanwhile, and nothing is counted twice or lost; beside other jobs, too (C6)."""
    other = job(tmp_path, JOB="other", NAME="other_joules_total")
    await run(stage, job(tmp_path), other)
    assert list(await run(stage, other, minutes=120)) == ['other_joules_total{pod="a"}']
    assert (await run(stage, job(tmp_path), other))[TOTAL] == 12 + 24 + 6
    assert told(warned) == []


async def test_a_job_that_comes_back_too_late_begins_anew(stage: Stage, tmp_path: Path) -> None:
    """After forget_after its totals are gone, by declaration (C6)."""
    other = job(tmp_path, JOB="other", NAME="other_joules_total")
    await run(stage, job(tmp_path), other)
    stage.clock.jump(8 * 24 * 3600)
    await run(stage, other)
    assert (await run(stage, job(tmp_path), other))[TOTAL] == 12


@pytest.mark.parametrize(("before", "after", "total"), [("5m", "30m", 18), ("30m", "5m", 18), ("10m", "15m", 18)])
async def test_a_changed_step_goes_on_with_its_total(
    stage: Stage, tmp_path: Path, before: str, after: str, total: float
) -> None:
    """The next window begins at the watermark; intervals of both lengths add up."""
    lengths = {"5m": 5 * MINUTE, "10m": 10 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE}
    stage.source.answer = answer(lengths[before])
    await run(stage, job(tmp_path, STEP=before))
    stage.source.answer = answer(lengths[after])
    assert await run(stage, job(tmp_path, STEP=after)) == {TOTAL: total}


async def test_an_interval_of_a_new_step_that_was_counted_in_part_is_refused(stage: Stage, tmp_path: Path) -> None:
    """At the seam one interval of the new length may overlap what was counted, and what it adds is not known."""
    await run(stage, job(tmp_path))
    stage.source.answer = answer(HOUR)
    assert stage.store.load("pods", "").watermark % HOUR == 30 * MINUTE  # type: ignore[operator]  # it ran
    assert await run(stage, job(tmp_path, STEP="1h"), minutes=120) == {TOTAL: 12 + 12}
    assert set(stage.runner.tallies["pods"].rejects.counts) == {"overlap"}


def test_a_fan_out_that_is_added_or_taken_away_is_told(tmp_path: Path) -> None:
    """Totals belong to lanes; lanes that come and go among others are no change of the config."""
    alone = job(tmp_path)
    spread = replace(alone, each=EachSpec(()))
    assert [len(changed_lanes(alone, known)) for known in ([], [""], ["DE", "FR"], ["", "DE"])] == [0, 0, 1, 0]
    assert [len(changed_lanes(spread, known)) for known in ([], [""], ["DE", "FR"], ["", "DE"])] == [0, 1, 0, 0]


NAMES = st.sampled_from(["energy_joules_total", "used_joules_total"])
LABELS = st.sampled_from(["{pod: $r.pod}", "{pod: $r.pod, app: $r.app}", "{}"])
DECLARED = st.sampled_from([("delta", BEFORE["UNIT"]), ("delta", ""), ("cumulative", "")])


@settings(max_examples=15, deadline=None)
@given(
    story=st.lists(st.tuples(NAMES, LABELS, DECLARED, st.sampled_from([30, 30, 60, 300]), st.booleans()), max_size=9),
    window=st.sampled_from(["5m", "5m, overlap: 30m", "5m, max_span: 20m", "5m, overlap: 1h, delay: 10m"]),
)
async def test_no_edit_mixes_totals(
    tmp_path_factory: pytest.TempPathFactory, story: list[tuple[str, str, tuple[str, str], int, bool]], window: str
) -> None:
    """Whatever is renamed, declared or labelled otherwise, and taken back: each total has what came in its own time.

    An interval that one declaration of amounts has counted as a series no other one counts as the same.

    Faults: C5.
    """
    directory = tmp_path_factory.mktemp("edits")
    book: dict[tuple[str, str, str], dict[int, float]] = {}
    b: Bench | None = None
    for name, labels, (temporality, unit), pause, fails in story:
        changes = {"NAME": name, "LABELS": labels, "TEMPORALITY": temporality, "UNIT": unit}
        one = job(directory, **changes, **{"step: STEP": f"step: {window}", "STEP": "5m"})
        if b is None:
            b = Bench(directory, one, answer(5 * MINUTE))
        b.job = one
        b.restart()
        good = b.source.answer
        if fails:
            b.source.answer = lambda _: StatusError(500, "the API is broken")
        report = await b.run()
        b.source.answer = good
        if report.committed:
            labelled = {"{pod: $r.pod}": '{pod="a"}', "{}": ""}.get(labels, '{app="x",pod="a"}')
            shape = metric_shape(one.metrics[name])
            counted = book.setdefault((name, shape, labelled), {})
            others = [
                book[key]
                for key in book
                if "delta" in key[1] and key != (name, shape, labelled) and key[2] == labelled and key[0] == name
            ]
            for asked in report.windows[: report.committed]:
                for t in range(asked.start, asked.end, 5 * MINUTE):
                    if temporality != "delta" or not any(t in other for other in others):
                        counted[t] = 1.0
        lane = b.store.load("pods", "")
        held = {
            (metric.name, metric.shape, text): state.value
            for metric in lane.metrics.values()
            for text, state in {**metric.series, **metric.absent}.items()
        }
        assert held == {
            key: 1.0 if "cumulative" in key[1] else sum(counted.values()) for key, counted in book.items() if counted
        }
        await b.clock.advance(minutes=pause)
