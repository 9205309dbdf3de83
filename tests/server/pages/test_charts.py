"""Where everything of a chart stands."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.server.pages.charts import SPARK, WIDE, Frame, Points, chart, instants, nice

BEGIN = 1_750_000_000_000
NUMBERS = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def intervals(*values: float, step: int = 5 * MINUTE) -> Points:
    """A value for each of some intervals, one after the other."""
    starts = [BEGIN + place * step for place in range(len(values))]
    return Points(starts, [start + step for start in starts], values)


SHAPES = st.lists(
    st.tuples(st.integers(-(10**12), 4 * 10**12), st.sampled_from([0, MINUTE, DAY]), st.floats()),
    min_size=1,
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(told=SHAPES, bars=st.booleans(), frame=st.sampled_from([SPARK, WIDE]))
def test_every_chart_stays_inside_its_frame(told: list[tuple[int, int, float]], *, bars: bool, frame: Frame) -> None:
    """Whatever an API says: no number that is none, and nothing outside of the picture."""
    rows = sorted({end: (end - length, end, value) for end, length, value in told}.values(), key=lambda row: row[1])
    drawn = chart(Points(*map(list, zip(*rows, strict=True))), frame, bars=bars)
    if drawn is None:
        assert not any(abs(value) < 1e300 for _, _, value in rows)
        return
    for path in (drawn.line, drawn.bars):
        assert "nan" not in path
        assert "inf" not in path
        assert all(-1 <= float(number) <= max(frame.width, frame.height) + 1 for number in NUMBERS.findall(path))
    for tick in (*drawn.horizontal, *drawn.vertical):
        assert -1 <= tick.at <= max(frame.width, frame.height) + 1


def test_amounts_are_bars_from_zero() -> None:
    """Each as wide as its interval lasts, one after the other."""
    drawn = chart(intervals(10, 20, 0), WIDE, bars=True)
    assert drawn is not None
    assert drawn.bars.count("M") == 3
    assert drawn.line == ""
    assert drawn.base == WIDE.height - WIDE.bottom


def test_what_stands_is_a_line_with_its_gaps() -> None:
    """Where timepoints are missing for long the line is interrupted; one alone is a dot."""
    points = intervals(1, 2, 3, 4, 5, 6, 7)
    kept = [0, 1, 2, 6]
    few = Points([points.starts[i] for i in kept], [points.ends[i] for i in kept], [points.values[i] for i in kept])
    drawn = chart(few, WIDE, bars=False)
    assert drawn is not None
    assert drawn.line.count("M") == 1
    assert len(drawn.dots) == 1


def test_what_is_no_number_has_no_place() -> None:
    """NaN and infinities are left out; if there is nothing else there is no chart."""
    drawn = chart(intervals(1, math.nan, math.inf, 2), WIDE, bars=True)
    assert drawn is not None
    assert drawn.bars.count("M") == 2
    assert chart(intervals(math.nan), WIDE, bars=True) is None


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 218, [0, 50, 100, 150, 200, 250]),
        (-3, 4, [-4, -2, 0, 2, 4]),
        (5, 5, [2, 3, 4, 5, 6, 7, 8]),
        (0, 0, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_scales_have_round_numbers(low: float, high: float, marks: list[float]) -> None:
    """From at most the lowest to at least the highest value."""
    assert nice(low, high) == pytest.approx(marks)


@settings(max_examples=150, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_every_scale_is_short_and_holds_its_values(low: float, high: float) -> None:
    """Also at the ends of what float64 can say."""
    low, high = sorted((low, high))
    marks = nice(low, high)
    assert 2 <= len(marks) <= 9
    assert all(math.isfinite(mark) for mark in marks) or max(abs(low), abs(high)) > 1e300
    assert marks == sorted(marks)


@pytest.mark.parametrize(
    ("length", "texts"),
    [
        (30 * MINUTE, ["Jan 01 00:00", "00:05", "00:10", "00:15", "00:20", "00:25", "00:30"]),
        (4 * DAY, ["Jan 01", "Jan 02", "Jan 03", "Jan 04", "Jan 05"]),
        (26 * HOUR, ["Jan 01 00:00", "06:00", "12:00", "18:00", "Jan 02 00:00"]),
    ],
)
def test_instants_are_round_and_say_their_day_once(length: int, texts: list[str]) -> None:
    """The date stands where a day begins on the axis."""
    midnight = 1_767_225_600_000
    assert [text for _, text in instants(midnight, midnight + length, 700)] == texts
