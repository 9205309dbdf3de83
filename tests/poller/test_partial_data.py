"""Answers that say themselves that something is missing in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.poller.bench import Bench
from timepoint.clock import MINUTE
from timepoint.config import load_config
from timepoint.model import Outcome, Window
from timepoint.request.answer import Answer

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    request: {get: /pods, params: {start: "{window.start}", end: "{window.end}"}}
    window: {step: 5m}
    EXPECT
    rows: {r: "$.data[*]"}
    TIME
    labels: {pod: $r.pod}
    zero_first: 0s
    metrics:
      joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v}
      watts: {type: gauge, help: Power., value: $r.v}
"""
EXPECT = "expect: {partial: {present: [$.warnings]}, partial_status: [416], empty: {present: [$.nothing]}}"
TIME = "time: {at: $r.t, interval: 5m, format: unix_ms}"
STEP = 5 * MINUTE


def bench(directory: Path, time: str = TIME, expect: str = EXPECT) -> Bench:
    """A half-hourly job whose API is to be told what it answers."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.replace("TIME", time).replace("EXPECT", expect))
    [job] = load_config(path, {}).jobs
    return Bench(directory, job, lambda _: None)


def rows(window: Window, *pods: str, value: float = 1) -> list[dict[str, Any]]:
    """A value for each five minutes of each pod."""
    return [{"pod": pod, "t": t, "v": value} for pod in pods for t in range(window.start, window.end, STEP)]


def partly(there: list[bool]) -> Callable[[Window], Any]:
    """An answer that has some of the timepoints, and says so."""

    def answer(window: Window) -> Any:
        kept = [row for place, row in enumerate(rows(window, "a")) if there[place % len(there)]]
        return {"warnings": ["x"], "data": kept}

    return answer


async def test_a_window_with_missing_data_is_asked_for_again(tmp_path: Path) -> None:
    """What is there counts, the run is partial, and the next one asks from the same start and counts the rest once."""
    b = bench(tmp_path)
    b.source.answer = lambda window: {"warnings": ["shard 3"], "data": rows(window, "a")}
    report = await b.run()
    assert (report.outcome, report.reason, report.committed) == (Outcome.PARTIAL, "partial_data", 1)
    assert "something is missing in it ($.warnings is an array)" in report.error
    first = report.windows[0]
    assert b.store.load("pods", "").watermark == first.start
    assert b.samples() == {'joules_total{pod="a"}': 6, 'watts{pod="a"}': 1}

    await b.clock.advance(minutes=30)
    b.source.answer = lambda window: {"data": rows(window, "a", "b")}
    report = await b.run()
    assert report.outcome is Outcome.OK
    assert report.windows == [Window(first.start, first.end + 30 * MINUTE)]
    assert b.samples()['joules_total{pod="a"}'] == b.samples()['joules_total{pod="b"}'] == 12


async def test_nobody_leaves_by_an_answer_that_is_not_whole(tmp_path: Path) -> None:
    """A series that is missing in a partial answer stays on the page."""
    b = bench(tmp_path)
    b.source.answer = lambda window: {"data": rows(window, "a", "b")}
    await b.run()
    await b.clock.advance(minutes=30)
    b.source.answer = lambda window: {"warnings": ["x"], "data": rows(window, "a", value=2)}
    await b.run()
    assert b.samples() == {
        'joules_total{pod="a"}': 18,
        'joules_total{pod="b"}': 6,
        'watts{pod="a"}': 2,
        'watts{pod="b"}': 1,
    }


async def test_a_status_may_say_the_same(tmp_path: Path) -> None:
    """A status that means that something is missing makes the answer partial."""
    b = bench(tmp_path)
    b.source.answer = lambda _: Answer(416, "application/json", b'{"data": []}', "https://api.example/pods")
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.PARTIAL, "partial_data")
    assert "status 416" in report.error


async def test_a_window_that_is_an_interval_is_not_counted_in_part(tmp_path: Path) -> None:
    """A counter without time, whose interval is the window, takes nothing of an answer that is not whole."""
    b = bench(tmp_path, "")
    b.source.answer = lambda _: {"warnings": ["x"], "data": [{"pod": "a", "v": 5}]}
    report = await b.run()
    assert (report.outcome, report.reason, report.committed) == (Outcome.SOURCE_ERROR, "partial_data", 0)
    await b.clock.advance(minutes=30)
    b.source.answer = lambda _: {"data": [{"pod": "a", "v": 9}]}
    await b.run()
    assert b.samples()['joules_total{pod="a"}'] == 9


async def test_a_document_may_say_that_there_is_nothing(tmp_path: Path) -> None:
    """A document that says so is an accepted answer: the watermark moves, and a full page is not defended."""
    b = bench(tmp_path)
    b.source.answer = lambda window: {"data": rows(window, *map(str, range(20)))}
    await b.run()
    await b.clock.advance(minutes=30)
    b.source.answer = lambda _: {"nothing": "999"}
    report = await b.run()
    assert (report.outcome, report.refusals) == (Outcome.EMPTY, {})
    assert b.store.load("pods", "").watermark == report.windows[0].end


async def test_an_error_document_moves_nothing(tmp_path: Path) -> None:
    """A document in which rows have no place is the source's error, in a first run too: nothing is passed over."""
    b = bench(tmp_path, expect="")
    b.source.answer = lambda _: {"error": "over quota"}
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "expect")
    assert "the answer has no place for $.data[*]" in report.error
    assert b.store.load("pods", "").watermark is None


@settings(max_examples=25, deadline=None)
@given(
    answers=st.lists(
        st.tuples(st.booleans(), st.lists(st.booleans(), min_size=60, max_size=60)), min_size=1, max_size=6
    )
)
async def test_every_timepoint_counts_once(answers: list[tuple[bool, list[bool]]]) -> None:
    """Whatever partial answers leave out, after a whole one each timepoint is counted exactly once."""
    with TemporaryDirectory() as directory:
        b = bench(Path(directory))
        asked = []
        for is_partial, there in [*answers, (False, [True] * 60)]:
            b.source.answer = partly(there) if is_partial else lambda window: {"data": rows(window, "a")}
            report = await b.run()
            asked += report.windows
            assert report.outcome in (Outcome.OK, Outcome.PARTIAL)
            await b.clock.advance(minutes=30)
        assert b.samples()['joules_total{pod="a"}'] == (asked[-1].end - asked[0].start) // STEP
