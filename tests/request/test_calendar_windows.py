"""Windows on a calendar: days of 23 and 25 hours, months, odd zones, and the laws that hold on every grid."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.clock import DAY, HOUR, MINUTE, format_instant
from timepoint.mapping.stamps import Length, parse_length
from timepoint.model import Window
from timepoint.request.spec import WindowSpec
from timepoint.request.window import grid_of, plan_windows

BERLIN = "Europe/Berlin"


def instant(text: str) -> int:
    """The instant of a stamp; UTC unless it says otherwise."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def every(unit: str, zone: str = "UTC", **more: int | Length) -> WindowSpec:
    """Windows of whole units."""
    return WindowSpec(step=parse_length(unit), timezone=zone, **more)  # type: ignore[arg-type]  # fields of the spec


def shown(windows: list[Window]) -> list[str]:
    """The borders, without what is zero in all of them."""
    return [f"{format_instant(window.start)[:16]}..{format_instant(window.end)[:16]}" for window in windows]


# spec, fire time, watermark -> windows, of a job that runs every hour
CASES = {
    "the day before, on a first run": (
        every("day", BERLIN),
        ("2026-01-15T12:00", None),
        ["2026-01-13T23:00..2026-01-14T23:00"],
    ),
    "nothing new within a day": (every("day", BERLIN), ("2026-01-15T22:59", "2026-01-14T23:00"), []),
    "a new day, at its end": (
        every("day", BERLIN),
        ("2026-01-15T23:00", "2026-01-14T23:00"),
        ["2026-01-14T23:00..2026-01-15T23:00"],
    ),
    "delay comes before the calendar": (
        every("day", BERLIN, delay=2 * HOUR),
        ("2026-01-15T23:30", "2026-01-13T23:00"),
        ["2026-01-13T23:00..2026-01-14T23:00"],
    ),
    "23 hours, clocks forward": (
        every("day", BERLIN),
        ("2026-03-29T22:00", "2026-03-28T23:00"),
        ["2026-03-28T23:00..2026-03-29T22:00"],
    ),
    "25 hours, clocks back": (
        every("day", BERLIN),
        ("2026-10-25T23:00", "2026-10-24T22:00"),
        ["2026-10-24T22:00..2026-10-25T23:00"],
    ),
    "the 25th hour is not over": (every("day", BERLIN), ("2026-10-25T22:30", "2026-10-24T22:00"), []),
    "a week in days, over the change": (
        every("day", BERLIN, max_span=parse_length("day")),
        ("2026-03-31T12:00", "2026-03-27T23:00"),
        [
            "2026-03-27T23:00..2026-03-28T23:00",
            "2026-03-28T23:00..2026-03-29T22:00",
            "2026-03-29T22:00..2026-03-30T22:00",
        ],
    ),
    "gas days begin at six on the wall": (
        every("day", BERLIN, align=6 * HOUR),
        ("2026-03-30T12:00", "2026-03-28T05:00"),
        ["2026-03-28T05:00..2026-03-30T04:00"],
    ),
    "overlap, an hour, is a whole day": (
        every("day", BERLIN, overlap=HOUR),
        ("2026-01-15T23:00", "2026-01-14T23:00"),
        ["2026-01-13T23:00..2026-01-15T23:00"],
    ),
    "initial is widened to days": (
        every("day", BERLIN, initial=25 * HOUR),
        ("2026-01-15T12:00", None),
        ["2026-01-12T23:00..2026-01-14T23:00"],
    ),
    "catch_up is widened to days": (
        every("day", BERLIN, catch_up=36 * HOUR),
        ("2026-01-15T12:00", "2026-01-01T23:00"),
        ["2026-01-12T23:00..2026-01-14T23:00"],
    ),
    "catch_up of an hour is a day": (
        every("day", BERLIN, catch_up=HOUR),
        ("2026-01-15T12:00", "2026-01-01T23:00"),
        ["2026-01-13T23:00..2026-01-14T23:00"],
    ),
    "weeks begin on Monday": (every("week"), ("2026-01-15T12:00", None), ["2026-01-05T00:00..2026-01-12T00:00"]),
    "weeks that begin on Sunday": (
        every("week", align=6 * DAY),
        ("2026-01-15T12:00", None),
        ["2026-01-04T00:00..2026-01-11T00:00"],
    ),
    "February": (every("month"), ("2026-03-01T00:00", None), ["2026-02-01T00:00..2026-03-01T00:00"]),
    "February of a leap year, by days": (
        every("day", max_span=parse_length("month"), catch_up=90 * DAY),
        ("2024-03-02T00:00", "2024-01-31T00:00"),
        ["2024-01-31T00:00..2024-02-29T00:00", "2024-02-29T00:00..2024-03-02T00:00"],
    ),
    "months from the 15th": (
        every("month", align=14 * DAY),
        ("2026-03-14T23:00", None),
        ["2026-01-15T00:00..2026-02-15T00:00"],
    ),
    "months of a zone": (every("month", BERLIN), ("2026-04-15T00:00", None), ["2026-02-28T23:00..2026-03-31T22:00"]),
    "quarters": (every("quarter"), ("2026-03-31T23:59", None), ["2025-10-01T00:00..2026-01-01T00:00"]),
    "years": (
        every("year", catch_up=800 * DAY),
        ("2026-03-31T23:59", "2023-01-01T00:00"),
        ["2023-01-01T00:00..2026-01-01T00:00"],
    ),
    "a zone of odd minutes": (
        every("day", "Asia/Kathmandu"),
        ("2026-01-15T12:00", None),
        ["2026-01-13T18:15..2026-01-14T18:15"],
    ),
    "hours of a zone of odd minutes, by align": (
        WindowSpec(step=HOUR, align=15 * MINUTE),
        ("2026-01-15T12:00", None),
        ["2026-01-15T10:15..2026-01-15T11:15"],
    ),
    "a day without a midnight begins at one": (
        every("day", "America/Sao_Paulo"),
        ("2018-11-05T02:00", "2018-11-03T03:00"),
        ["2018-11-03T03:00..2018-11-05T02:00"],
    ),
    "a day without a midnight, alone": (
        every("day", "America/Sao_Paulo", max_span=parse_length("day")),
        ("2018-11-05T02:00", "2018-11-03T03:00"),
        ["2018-11-03T03:00..2018-11-04T03:00", "2018-11-04T03:00..2018-11-05T02:00"],
    ),
    "an evening that comes twice": (
        every("day", "America/Sao_Paulo", max_span=parse_length("day")),
        ("2018-02-18T12:00", "2018-02-16T02:00"),
        ["2018-02-16T02:00..2018-02-17T02:00", "2018-02-17T02:00..2018-02-18T03:00"],
    ),
    "a midnight that comes twice is the first": (
        every("day", "America/Havana", max_span=parse_length("day")),
        ("2025-11-03T06:00", "2025-11-01T04:00"),
        ["2025-11-01T04:00..2025-11-02T04:00", "2025-11-02T04:00..2025-11-03T05:00"],
    ),
    "clocks put back over midnight": (
        every("day", "America/St_Johns", max_span=parse_length("day")),
        ("2010-11-07T03:00", "2010-11-06T02:30"),
        ["2010-11-06T02:30..2010-11-07T02:30"],
    ),
    "a day that a zone left out": (
        every("day", "Pacific/Apia", max_span=parse_length("day")),
        ("2011-12-31T10:00", "2011-12-29T10:00"),
        ["2011-12-29T10:00..2011-12-30T10:00", "2011-12-30T10:00..2011-12-31T10:00"],
    ),
    "a limit of exact hours holds one day less in autumn": (
        every("day", BERLIN, max_span=2 * DAY),
        ("2026-10-27T00:00", "2026-10-23T22:00"),
        [
            "2026-10-23T22:00..2026-10-24T22:00",
            "2026-10-24T22:00..2026-10-25T23:00",
            "2026-10-25T23:00..2026-10-26T23:00",
        ],
    ),
    "a limit of calendar days holds them all": (
        every("day", BERLIN, max_span=Length(days=2)),
        ("2026-10-27T00:00", "2026-10-23T22:00"),
        ["2026-10-23T22:00..2026-10-25T23:00", "2026-10-25T23:00..2026-10-26T23:00"],
    ),
    "a limit shorter than a step": (
        every("month", max_span=DAY, catch_up=90 * DAY),
        ("2026-03-15T00:00", "2026-01-01T00:00"),
        ["2026-01-01T00:00..2026-02-01T00:00", "2026-02-01T00:00..2026-03-01T00:00"],
    ),
}


@pytest.mark.parametrize(("spec", "run", "expected"), CASES.values(), ids=CASES.keys())
def test_calendar_cases(spec: WindowSpec, run: tuple[str, str | None], expected: list[str]) -> None:
    """Each case of the table: when the run takes place, how far the job has come, what it asks for."""
    fire_time, watermark = run
    assert shown(plan_windows(spec, HOUR, instant(fire_time), instant(watermark) if watermark else None)) == expected


@pytest.mark.parametrize("zone", [BERLIN, "America/St_Johns", "Pacific/Apia", "Africa/Cairo"])
def test_years_of_days_have_no_gap(zone: str) -> None:
    """Over four years of a zone each border is the floor of all that follows it, and days have 22 to 26 hours."""
    grid = grid_of(every("day", zone))
    border = grid.floor(instant("2009-01-01"))
    while border < instant("2013-01-01"):
        following = grid.after(border)
        assert 22 * HOUR <= following - border <= 26 * HOUR
        for inside in (border, border + MINUTE, border + 25 * MINUTE, (border + following) // 2, following - 1):
            assert (grid.floor(inside), grid.after(inside)) == (border, following)
        border = following


ZONES = ["UTC", BERLIN, "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns", "Asia/Gaza"]
steps = st.one_of(
    st.sampled_from([5 * MINUTE, HOUR, DAY]),
    st.sampled_from([parse_length(unit) for unit in ("day", "week", "month", "quarter", "year")]),
)
durations = st.integers(0, 40 * DAY)
specs = st.builds(
    WindowSpec,
    step=steps,
    delay=st.integers(0, 3 * DAY),
    overlap=durations,
    catch_up=durations,
    initial=st.one_of(st.just(0), durations),
    max_span=st.sampled_from([0, DAY, 10 * DAY, Length(days=1), Length(days=7), Length(months=1)]),
    align=st.sampled_from([0, 6 * HOUR, 23 * HOUR, 45 * MINUTE]),
    timezone=st.sampled_from(ZONES),
)
instants = st.integers(instant("2009-01-01"), instant("2027-01-01"))
periods = st.integers(MINUTE, 40 * DAY)


@settings(max_examples=150, deadline=None)
@given(spec=specs, period=periods, fire_time=instants, back=st.integers(0, 100 * DAY), is_first=st.booleans())
def test_windows_are_contiguous_aligned_and_cover_what_is_missing(
    spec: WindowSpec, period: int, fire_time: int, back: int, *, is_first: bool
) -> None:
    """On any grid borders lie on it, windows touch, and all from the watermark (or catch_up) to the end is there."""
    grid = grid_of(spec)
    watermark = None if is_first else grid.floor(fire_time - spec.delay - back)
    windows = plan_windows(spec, period, fire_time, watermark)
    end = grid.floor(fire_time - spec.delay)
    for window in windows:
        assert window.start < window.end
        assert grid.floor(window.start) == window.start
        assert grid.floor(window.end) == window.end
        if isinstance(spec.max_span, int) and 0 < spec.max_span < window.end - window.start:
            assert grid.after(window.start) == window.end
    assert all(before.end == after.start for before, after in pairwise(windows))
    if watermark is None:
        assert windows[-1].end == end
        assert windows[0].start <= end - spec.initial
    elif watermark < end:
        assert windows[-1].end == end
        assert windows[0].start <= max(watermark - spec.overlap, end - spec.catch_up)
        assert windows[0].start >= grid.floor(watermark - spec.overlap)
    else:
        assert windows == []


@settings(max_examples=100, deadline=None)
@given(
    spec=specs, period=periods, first=instants, fates=st.lists(st.integers(0, 4) | st.none(), min_size=1, max_size=12)
)
def test_nothing_is_lost_or_asked_twice_whatever_fails(
    spec: WindowSpec, period: int, first: int, fates: list[int | None]
) -> None:
    """Runs commit all, some or none of their windows: nothing is left out, nor twice beyond overlap, nor goes back."""
    grid = grid_of(spec)
    watermark: int | None = None
    asked_from: int | None = None
    for count, fate in enumerate(fates):
        fire_time = first + count * period
        windows = plan_windows(spec, period, fire_time, watermark, asked_from)
        if not windows:
            continue
        end = windows[-1].end
        due = asked_from if watermark is None else watermark
        if due is not None and end - due <= spec.catch_up:
            assert windows[0].start <= due
        if watermark is not None:
            assert windows[0].start >= grid.floor(watermark - spec.overlap)
        asked_from = windows[0].start if asked_from is None else min(asked_from, windows[0].start)
        for window in windows[:fate]:
            assert watermark is None or window.end > watermark - spec.overlap
            watermark = window.end if watermark is None else max(watermark, window.end)
