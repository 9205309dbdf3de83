"""Stamps of several parts: a date here and a time of day there (R6a)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mapping.build import points, problems_of, run, run_both
from timepoint.clock import HOUR, MINUTE
from timepoint.model import Window


def parse_instant(text: str) -> int:
    """The milliseconds of an instant, in UTC without an offset."""
    moment = datetime.fromisoformat(text)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def starts(mapped: Any) -> list[int]:
    """The starts of all points, in ascending order."""
    return [start for found in points(mapped).values() for start, _, _ in found]


def metric(time: str, rows: str = "$.rows[*]") -> str:
    """A mapping of one gauge whose rows have this time."""
    return f"{{rows: {{r: '{rows}'}}, metrics: {{x: {{value: $r.v, time: {time}}}}}}}"


@pytest.mark.parametrize(
    ("time", "document", "expected"),
    [
        ("[$r.d, $r.t]", {"rows": [{"d": "2024-05-01", "t": "10:15", "v": 1}]}, "2024-05-01T10:15:00Z"),
        ("[$.date, $r.t]", {"date": "2024-05-01", "rows": [{"t": "24:00", "v": 1}]}, "2024-05-02T00:00:00Z"),
        ("[$r.d, $r.t, $.zone]", {"zone": "+02:00", "rows": [{"d": "2024-05-01", "t": "02:00", "v": 1}]}, "2024-05-01"),
        ("{at: [$r.y, $r.m], format: '%Y %m'}", {"rows": [{"y": 2024, "m": 5.0, "v": 1}]}, "2024-05-01"),
        ("{at: [$r.y, $r.p], format: '%Y M%m'}", {"rows": [{"y": "2024", "p": "M05", "v": 1}]}, "2024-05-01"),
        ("{at: ['2024', $r.p], format: '%Y M%m'}", {"rows": [{"p": "M05", "v": 1}]}, "2024-05-01"),
    ],
)
def test_parts_are_one_stamp(time: str, document: Any, expected: str) -> None:
    """Paths and texts in a list are read as one stamp, with blanks between them."""
    assert starts(run_both(metric(time), document)) == [parse_instant(expected)]


def test_parts_may_be_keys() -> None:
    """A day and an hour that are keys above one another are a time, and no labels."""
    mapping = metric("[$day, $hour]", "$.{day}.{hour}")
    document = {"2024-05-01": {"00:00": {"v": 1}, "01:00": {"v": 2}}}
    assert points(run_both(mapping, document)) == {
        "x": [
            (start, start, value)
            for value, start in enumerate(map(parse_instant, ("2024-05-01T00:00:00Z", "2024-05-01T01:00:00Z")), 1)
        ]
    }


def test_parts_may_be_lists() -> None:
    """Parts that are lists go together by position, and one that is not stands beside each of them."""
    mapping = "{metrics: {x: {value: $.v, time: [$.day, $.hours]}}}"
    document = {"day": "2024-05-01", "hours": ["00:00", "01:00"], "v": [1, 2]}
    first = parse_instant("2024-05-01T00:00:00Z")
    assert starts(run_both(mapping, document)) == [first, first + HOUR]


def test_the_date_may_be_that_of_the_window() -> None:
    """A template with a pattern gives the date, in the zone of the time, for a body that only knows hours."""
    mapping = metric("{at: ['{window.start:%Y-%m-%d}', $r.h], timezone: Europe/Berlin}")
    midnight = parse_instant("2024-04-30T22:00:00Z")
    window = Window(midnight, midnight + 24 * HOUR)
    assert starts(run_both(mapping, {"rows": [{"h": "01:00", "v": 1}]}, window)) == [midnight + HOUR]


def test_parts_begin_and_end_an_interval() -> None:
    """Start and end of an interval may each be of parts."""
    mapping = metric("{start: [$r.d, $r.a], end: [$r.d, $r.b]}")
    mapped = run_both(mapping, {"rows": [{"d": "2024-05-01", "a": "23:30", "b": "24:00", "v": 1}]})
    end = parse_instant("2024-05-02T00:00:00Z")
    assert points(mapped) == {"x": [(end - 30 * MINUTE, end, 1.0)]}


@pytest.mark.parametrize("part", ["", " ", None, [], {}, pytest.param(10**5000, id="huge")])
def test_each_part_must_be_there(part: Any) -> None:
    """A part that is missing or empty is a reject with its path, and never midnight."""
    mapped = run(metric("[$r.d, $r.t]"), {"rows": [{"d": "2024-05-01", "t": part, "v": 1}]})
    if part == []:  # a list of no times beside one value
        assert not starts(mapped)
        return
    assert mapped.rejects.counts == {"not_a_time": 1}
    assert mapped.rejects.examples["not_a_time"][0].startswith("$['rows'][0].t: ")


def test_a_stamp_that_cannot_be_read_is_shown_whole() -> None:
    """The reject shows the parts as they were joined."""
    mapped = run_both(metric("[$r.d, $r.t]"), {"rows": [{"d": "2024-05-01", "t": "noon", "v": 1}]})
    assert "'2024-05-01 noon' is not a time" in mapped.rejects.examples["not_a_time"][0]


def test_a_number_of_minutes_is_a_length() -> None:
    """length_unit says what a number counts that an interval's path finds."""
    mapping = metric("{at: $r.t, interval: $r.n, length_unit: minutes, labelled: end}")
    mapped = run_both(mapping, {"rows": [{"t": "2024-05-01T10:30Z", "n": 30, "v": 1}]})
    end = parse_instant("2024-05-01T10:30:00Z")
    assert points(mapped) == {"x": [(end - 30 * MINUTE, end, 1.0)]}


@pytest.mark.parametrize(
    ("span", "start", "end"),
    [
        ("2024-05-01T06:00:00+00:00/PT1H", "2024-05-01T06:00Z", "2024-05-01T07:00Z"),
        ("2024-05-01T06:00Z/2024-05-01T06:15Z", "2024-05-01T06:00Z", "2024-05-01T06:15Z"),
        ("2024-03-31/P1D", "2024-03-30T23:00Z", "2024-03-31T22:00Z"),
        ("2024-10-27T02:30/2024-10-27T02:45", "2024-10-27T00:30Z", "2024-10-27T00:45Z"),
    ],
)
def test_one_text_may_be_an_interval(span: str, start: str, end: str) -> None:
    """A time interval of ISO 8601 is that interval, on the calendar of the time zone."""
    mapped = run_both(metric("{at: $r.t, timezone: Europe/Berlin}"), {"rows": [{"t": span, "v": 1}]})
    assert points(mapped) == {"x": [(parse_instant(start), parse_instant(end), 1.0)]}


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ("2024-05-01T06:00Z/2024-05-01T05:00Z", "not_an_interval"),
        ("2024-05-01T06:00Z/PT0S", "not_a_length"),
        ("9999-12-31T06:00Z/P1Y", "not_a_time"),
        ("2024-05-01T06:00Z/later", "not_a_time"),
        ("2024-05-01/02", "not_a_time"),
        ("/", "not_a_time"),
    ],
)
def test_what_is_no_interval_is_a_reject(span: str, reason: str) -> None:
    """An interval that cannot be one costs its row."""
    mapped = run_both(metric("$r.t"), {"rows": [{"t": span, "v": 1}]})
    assert (points(mapped), mapped.rejects.counts) == ({}, {reason: 1})


def test_an_interval_of_its_own_wins_no_stamp() -> None:
    """Where the config says the interval, a text that says one too is no stamp."""
    mapped = run_both(metric("{at: $r.t, interval: 1h}"), {"rows": [{"t": "2024-05-01T06:00Z/PT1H", "v": 1}]})
    assert mapped.rejects.counts == {"not_a_time": 1}


def test_a_template_in_a_stamp_says_its_form() -> None:
    """A template without a pattern is a whole time, and no part of one."""
    assert problems_of(metric("{at: ['{fire_time}', $r.t]}")) == {
        "metrics.x.time.at.0": "'{fire_time}' is no part of a time: say its form, as in {window.start:%Y-%m-%d}"
    }


def test_an_hour_that_occurs_twice_is_two_hours() -> None:
    """Parts are read as any local time: the second one of an hour that the clocks repeat is the later one."""
    mapping = metric("{at: [$r.d, $r.h], interval: 1h, timezone: Europe/Berlin}")
    rows = [
        {"d": "2024-10-27", "h": hour, "v": value} for value, hour in enumerate(("01:00", "02:00", "02:00", "03:00"))
    ]
    midnight = parse_instant("2024-10-26T22:00Z")
    assert starts(run_both(mapping, {"rows": rows})) == [midnight + n * HOUR for n in (1, 2, 3, 4)]


scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12) | st.just("2024-05-01")
values = scalars | st.lists(scalars, max_size=2) | st.dictionaries(st.text(max_size=2), scalars, max_size=1)


@settings(max_examples=150)
@given(first=values, second=values, span=values)
def test_whatever_stands_there_costs_its_row_at_most(first: Any, second: Any, span: Any) -> None:
    """No value of a part, or of a text that may be an interval, ends a run."""
    document = {"rows": [{"a": first, "b": second, "v": 1}, {"s": span, "v": 1}]}
    mapping = "{rows: {r: '$.rows[*]'}, metrics: {x: {value: $r.v, time: [$r.a, $r.b]}, y: {value: $r.v, time: $r.s}}}"
    mapped = run(mapping, document)
    assert len(points(mapped).get("x", ())) + len(points(mapped).get("y", ())) + mapped.rejects.total >= 1
