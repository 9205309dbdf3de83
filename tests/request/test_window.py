"""Windows: a table of cases and the laws that hold for all of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.clock import DAY, HOUR, MINUTE, SECOND
from timepoint.model import Window
from timepoint.request.spec import WindowSpec
from timepoint.request.window import plan_windows

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z
FIRE = NOON + 7 * MINUTE + 3 * SECOND


def at(minutes: float) -> int:
    """The instant that many minutes after noon."""
    return NOON + round(minutes * MINUTE)


CASES = {
    "first run, one period": (WindowSpec(step=5 * MINUTE), None, [(-25, 5)]),
    "first run, one step, when the step is longer": (WindowSpec(step=HOUR), None, [(-60, 0)]),
    "first run, initial": (WindowSpec(step=5 * MINUTE, initial=2 * HOUR), None, [(-115, 5)]),
    "first run, initial is rounded up to steps": (WindowSpec(step=HOUR, initial=90 * MINUTE), None, [(-120, 0)]),
    "first run, initial may be longer than catch_up": (
        WindowSpec(step=HOUR, initial=2 * DAY, catch_up=DAY),
        None,
        [(-2 * 24 * 60, 0)],
    ),
    "delay moves the end before it is floored": (WindowSpec(step=5 * MINUTE, delay=10 * MINUTE), None, [(-35, -5)]),
    "no step, no alignment": (WindowSpec(delay=MINUTE), None, [(-23.95, 6.05)]),
    "from the watermark": (WindowSpec(step=5 * MINUTE), at(-25), [(-25, 5)]),
    "from the watermark less overlap": (WindowSpec(step=5 * MINUTE, overlap=10 * MINUTE), at(-25), [(-35, 5)]),
    "overlap is rounded up to steps": (WindowSpec(step=5 * MINUTE, overlap=MINUTE), at(-25), [(-30, 5)]),
    "a missed run is asked for by the next": (WindowSpec(step=5 * MINUTE), at(-180), [(-180, 5)]),
    "catch_up bounds the reach": (WindowSpec(step=5 * MINUTE, catch_up=HOUR), at(-180), [(-55, 5)]),
    "catch_up bounds the reach with overlap too": (
        WindowSpec(step=5 * MINUTE, catch_up=HOUR, overlap=10 * MINUTE),
        at(-180),
        [(-55, 5)],
    ),
    "catch_up is widened to steps": (WindowSpec(step=HOUR, catch_up=150 * MINUTE), at(-600), [(-180, 0)]),
    "align moves the grid": (WindowSpec(step=HOUR, align=15 * MINUTE), at(-105), [(-105, -45)]),
    "a watermark off the grid, nothing twice": (WindowSpec(step=5 * MINUTE, asks_once=True), at(-23.5), [(-23.5, 5)]),
    "catch_up never cuts an ordinary run": (
        WindowSpec(step=5 * MINUTE, catch_up=5 * MINUTE, overlap=10 * MINUTE),
        at(-25),
        [(-35, 5)],
    ),
    "nothing new since the watermark": (WindowSpec(step=HOUR, overlap=HOUR), at(0), []),
    "a watermark of the future": (WindowSpec(step=5 * MINUTE), at(60), []),
    "a watermark off the grid": (WindowSpec(step=5 * MINUTE), at(-23.5), [(-25, 5)]),
    "max_span splits, oldest first": (
        WindowSpec(step=5 * MINUTE, max_span=20 * MINUTE),
        at(-45),
        [(-45, -25), (-25, -5), (-5, 5)],
    ),
    "max_span is rounded down to steps": (
        WindowSpec(step=5 * MINUTE, max_span=12 * MINUTE),
        at(-15),
        [(-15, -5), (-5, 5)],
    ),
    "max_span shorter than a step": (WindowSpec(step=5 * MINUTE, max_span=MINUTE), at(-5), [(-5, 0), (0, 5)]),
    "max_span without a step": (WindowSpec(max_span=20 * MINUTE), at(-22.95), [(-22.95, -2.95), (-2.95, 7.05)]),
}


@pytest.mark.parametrize(("spec", "watermark", "expected"), CASES.values(), ids=CASES.keys())
def test_window_cases(spec: WindowSpec, watermark: int | None, expected: list[tuple[float, float]]) -> None:
    """Each case of the table, with a period of 30 minutes and a fire time of 12:07:03, gives the windows it names."""
    windows = plan_windows(spec, 30 * MINUTE, FIRE, watermark)
    assert windows == [Window(at(start), at(end)) for start, end in expected]


FIRST_RUNS = {
    "what was asked for first stays due": (WindowSpec(step=5 * MINUTE), at(-180), [(-180, 5)]),
    "up to catch_up": (WindowSpec(step=5 * MINUTE, catch_up=HOUR), at(-180), [(-55, 5)]),
    "a longer initial is believed": (WindowSpec(step=5 * MINUTE, initial=2 * HOUR), at(-25), [(-115, 5)]),
    "catch_up does not cut initial": (
        WindowSpec(step=5 * MINUTE, initial=2 * HOUR, catch_up=HOUR),
        at(-180),
        [(-115, 5)],
    ),
    "a clock that was set back": (WindowSpec(step=5 * MINUTE), at(60), [(-25, 5)]),
    "first asked for on another grid": (WindowSpec(step=HOUR), at(-175), [(-180, 0)]),
}


@pytest.mark.parametrize(("spec", "asked_from", "expected"), FIRST_RUNS.values(), ids=FIRST_RUNS.keys())
def test_first_runs_that_failed(spec: WindowSpec, asked_from: int, expected: list[tuple[float, float]]) -> None:
    """Without a watermark a run asks for what a first run would, and for what the first run asked for."""
    windows = plan_windows(spec, 30 * MINUTE, FIRE, None, asked_from)
    assert windows == [Window(at(start), at(end)) for start, end in expected]


def test_overlap_does_not_reach_behind_the_first_window() -> None:
    """There is nothing to read again before all that was ever asked for."""
    spec = WindowSpec(step=5 * MINUTE, overlap=2 * HOUR)
    assert plan_windows(spec, 30 * MINUTE, FIRE, at(-25), at(-55)) == [Window(at(-55), at(5))]
    assert plan_windows(spec, 30 * MINUTE, FIRE, at(-25), at(-500)) == [Window(at(-145), at(5))]


def test_catch_up_leaves_the_rest_of_a_long_first_run_alone() -> None:
    """A first run that was interrupted goes on, though initial is longer than catch_up."""
    spec = WindowSpec(step=HOUR, initial=10 * DAY, catch_up=DAY)
    begin = at(-10 * 24 * 60)
    assert plan_windows(spec, HOUR, NOON, begin + DAY, begin)[0].start == begin + DAY
    assert plan_windows(spec, HOUR, NOON, begin + DAY, begin - 10 * DAY)[0].start == NOON - DAY


def test_no_period_and_no_step() -> None:
    """A job that says neither how long nor since when asks for nothing, and does not fail."""
    assert plan_windows(WindowSpec(), 0, FIRE, None) == []


durations = st.integers(0, 3 * DAY)
specs = st.builds(
    WindowSpec,
    step=st.one_of(st.just(0), st.sampled_from([1, SECOND, 5 * MINUTE, HOUR, DAY]), st.integers(MINUTE, DAY)),
    delay=durations,
    overlap=durations,
    catch_up=durations,
    initial=st.one_of(st.just(0), durations),
    max_span=st.one_of(st.just(0), st.integers(HOUR, DAY)),
)
instants = st.integers(NOON - 5 * DAY, NOON + 5 * DAY)
periods = st.integers(SECOND, 2 * DAY)


@settings(max_examples=200)
@given(spec=specs, period=periods, fire_time=instants, watermark=st.one_of(st.none(), instants))
def test_windows_touch_and_are_aligned(spec: WindowSpec, period: int, fire_time: int, watermark: int | None) -> None:
    """Windows are not empty, each touches the next, all borders lie on steps, none is longer than max_span allows."""
    windows = plan_windows(spec, period, fire_time, watermark)
    assert isinstance(spec.step, int)
    assert isinstance(spec.max_span, int)
    for window in windows:
        assert window.start < window.end
        if spec.step:
            assert window.start % spec.step == 0
            assert window.end % spec.step == 0
        if spec.max_span:
            assert window.end - window.start <= max(spec.max_span, spec.step)
    for before, after in pairwise(windows):
        assert before.end == after.start


@settings(max_examples=200)
@given(spec=specs, period=periods, fire_time=instants, watermark=instants)
def test_windows_reach_from_the_watermark_to_the_end(
    spec: WindowSpec, period: int, fire_time: int, watermark: int
) -> None:
    """From a watermark the windows begin no later than it, unless catch_up cuts, and end within a step of the delay."""
    windows = plan_windows(spec, period, fire_time, watermark)
    newest = fire_time - spec.delay
    assert isinstance(spec.step, int)
    if not windows:
        assert newest - (newest % spec.step if spec.step else 0) <= watermark
        return
    assert newest - (spec.step or 1) < windows[-1].end <= newest
    assert windows[-1].end > watermark
    if windows[-1].end - (watermark - spec.overlap) <= spec.catch_up - 2 * spec.step:
        assert windows[0].start <= watermark - spec.overlap


@settings(max_examples=200)
@given(spec=specs, period=periods, first=instants, missed=st.lists(st.booleans(), min_size=1, max_size=12))
def test_runs_lose_nothing_and_move_forward(spec: WindowSpec, period: int, first: int, missed: list[bool]) -> None:
    """Over a series of runs of which some fail the committed windows leave no gap that catch_up would have covered."""
    watermark: int | None = None
    assert isinstance(spec.step, int)
    for count, failed in enumerate(missed):
        windows = plan_windows(spec, period, first + count * period, watermark)
        if failed or not windows:
            continue
        if watermark is not None:
            assert windows[-1].end > watermark
            gap = windows[0].start - watermark
            assert gap <= 0 or windows[-1].end - watermark > spec.catch_up - spec.step
            if not missed[count - 1]:
                assert gap <= 0
        watermark = windows[-1].end
