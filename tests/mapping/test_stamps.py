# ruff: noqa: DTZ001 (local times without a zone are what these tests are about)
"""Stamps, zones and lengths of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.clock import DAY, HOUR, MINUTE, format_instant
from timepoint.mapping.stamps import Length, StampReader, find_zone, localise, parse_length
from timepoint.mapping.unusable import Unusable

BERLIN = ZoneInfo("Europe/Berlin")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def ms(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    """The instant of a time in UTC."""
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("2022-10-31T12:30:15Z", "2022-10-31T12:30:15Z"),
        ("2018-01-20T12:00Z", "2018-01-20T12:00:00Z"),
        ("2022-10-31T12Z", "2022-10-31T12:00:00Z"),
        ("2022-10-31 12:30:15+0000", "2022-10-31T12:30:15Z"),
        ("2022-10-31 12:30:15 +00:00", "2022-10-31T12:30:15Z"),
        ("2022-10-31t12:30:15z", "2022-10-31T12:30:15Z"),
        ("2022-10-31T12:30:15.250+00:00Z", "2022-10-31T12:30:15.250Z"),
        ("2022-10-31 12:30:15 UTC", "2022-10-31T12:30:15Z"),
        (" 2022-10-31T12:30:15Z\n", "2022-10-31T12:30:15Z"),
        ("20221031T123015Z", "2022-10-31T12:30:15Z"),
        ("2022-10-31T12:30:15+10:00", "2022-10-31T02:30:15Z"),
        ("2022-10-31T12:30:15+00", "2022-10-31T12:30:15Z"),
        ("2022-10-31T12:30:15-09:30", "2022-10-31T22:00:15Z"),
        ("2022-10-31T12:30:15\u221202:00", "2022-10-31T14:30:15Z"),
        ("2022-10-31T12:30:15.5Z", "2022-10-31T12:30:15.500Z"),
        ("2022-10-31T12:30:15,123456789Z", "2022-10-31T12:30:15.123Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"),
        ("2022-10-31T24:00Z", "2022-11-01T00:00:00Z"),
        ("2022-10-30 12:30:15 CEST+0200", "2022-10-30T10:30:15Z"),
        ("2022-10-31T12:30:15GMT+0100", "2022-10-31T11:30:15Z"),
        ("2022-10-31T12:30:15+01:00[Europe/Berlin]", "2022-10-31T11:30:15Z"),
        ("2022-10-31T12:30:15Z[UTC][u-ca=gregory]", "2022-10-31T12:30:15Z"),
        ("/Date(1700000000250)/", "2023-11-14T22:13:20.250Z"),
        ("/Date(1700000000000+0200)/", "2023-11-14T22:13:20Z"),
        (1700000000, "2023-11-14T22:13:20Z"),
        (1700000000.25, "2023-11-14T22:13:20.250Z"),
        (170000000, "1975-05-22T14:13:20Z"),
        ("1700000000", "2023-11-14T22:13:20Z"),
        ("1700000000.1239", "2023-11-14T22:13:20.123Z"),
    ],
)
def test_instants_need_no_format(node: Any, expected: Any) -> None:
    """ISO 8601 with an offset, as APIs write it, and epoch seconds of 9 or 10 digits are known."""
    instant = StampReader().read(node)
    assert isinstance(instant, int)
    assert format_instant(instant) == expected


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("2022-10-31T12", datetime(2022, 10, 31, 12)),
        ("2022-10-31 12:30", datetime(2022, 10, 31, 12, 30)),
        ("20221031", datetime(2022, 10, 31)),
        ("2022-10-31", datetime(2022, 10, 31)),
        ("20221031T1230", datetime(2022, 10, 31, 12, 30)),
        ("2022-10-31T12:30:15.25", datetime(2022, 10, 31, 12, 30, 15, 250_000)),
        ("2022-10", datetime(2022, 10, 1)),
        ("2022M02", datetime(2022, 2, 1)),
        ("2022-Q1", datetime(2022, 1, 1)),
        ("2022Q4", datetime(2022, 10, 1)),
        ("2022 Q2", datetime(2022, 4, 1)),
        ("2022 M12", datetime(2022, 12, 1)),
        ("2022K2", datetime(2022, 4, 1)),
        ("2022-W01", datetime(2022, 1, 3)),
    ],
)
def test_stamps_without_offset_are_local_times(node: Any, expected: Any) -> None:
    """A stamp without offset is left to the zone."""
    assert StampReader().read(node) == expected


@pytest.mark.parametrize(
    "node",
    [
        *(
            "",
            "now",
            "2022",
            "2022-13",
            "2022-10-31T12:30:15+02:00Z",
            "2022-Q5",
            "2022W54",
            "2022M00",
            "0000-01",
            "202210",
            "202210311230",
            "1700000000123",
            "12:30",
            "31.10.2022",
            "10/31/2022",
            "2022-10-31T12:30 CEST",
            "2022-10-31T12:30[Europe/Berlin]",
            "/Date(x)/",
            "2022-10-31/2022-11-01",
        ),
        *("2022-02-30", "0000-01-01", "2022-10-31T25:00Z", "2022-10-31T12:60Z", "2016-12-31T24:01Z", "2022-10-31T"),
        *("2022-10-31T12:00+24:00", "2022-10-31T12:00+99:99", "2022-10-31T12:00-01:60"),
        *("9999-12-31T23:59:59-23:00", "\uff12022-10-31", "x" * 1000, "\x00"),
        *(2022, 1700000000123, -1700000000, 0, float("nan"), float("inf"), 10**400),
        *(None, True, {}, [], ["2022-10-31"]),
    ],
)
def test_all_else_is_not_a_time(node: Any) -> None:
    """A year is never a second of 1970: what is not known for sure is unusable (A27, P12)."""
    with pytest.raises(Unusable) as caught:
        StampReader().read(node)
    assert caught.value.reason == "not_a_time"


@pytest.mark.parametrize("node", ["2022", 2022, 1700000000123, "31.10.2022"])
def test_the_reject_names_the_way_out(node: Any) -> None:
    """A stamp that another format would read says so."""
    with pytest.raises(Unusable, match="say `format`: unix, unix_ms, unix_us, unix_ns or a strptime pattern"):
        StampReader().read(node)


@pytest.mark.parametrize(
    ("stamp_format", "node", "expected"),
    [
        ("unix", 1, 1000),
        ("unix", "-5", -5000),
        ("unix", 1.5, 1500),
        ("unix", "1700000000.9999", 1_700_000_000_999),
        ("unix", "1.714557600E9", 1_714_557_600_000),
        ("unix_ms", "17145576001E+2", 1_714_557_600_100),
        ("unix", "17145576005e-1", 1_714_557_600_500),
        ("unix_ms", 1_700_000_000_123, 1_700_000_000_123),
        ("unix_ms", "1700000000123.9", 1_700_000_000_123),
        ("unix_us", 1_700_000_000_123_999, 1_700_000_000_123),
        ("unix_ns", "1700000000123999999", 1_700_000_000_123),
        ("unix_ns", 1_700_000_000_123_999_999, 1_700_000_000_123),
        ("%Y-%m-%d %H:%M:%S%z", "2022-10-31 12:00:00-0500", ms(2022, 10, 31, 17)),
        ("%d %b %Y %H:%M %z", "31 Oct 2022 12:00 +01:00", ms(2022, 10, 31, 11)),
    ],
)
def test_formats_that_give_instants(stamp_format: Any, node: Any, expected: Any) -> None:
    """Epoch formats take numbers and text of any size, patterns with %z their offset."""
    assert StampReader(stamp_format).read(node) == expected


@pytest.mark.parametrize(
    ("stamp_format", "node", "expected"),
    [
        ("%Y", 2022, datetime(2022, 1, 1)),
        ("%Y%m%d", 20221031, datetime(2022, 10, 31)),
        ("%d.%m.%Y %H:%M", " 31.10.2022 12:30 ", datetime(2022, 10, 31, 12, 30)),
        ("%m/%d/%Y %H:%M", "05/24/2024 24:00", datetime(2024, 5, 25)),
        ("%Y%m%d%H", "2024122424", datetime(2024, 12, 25)),
        ("%H %d.%m.%Y", "24 31.12.2024", datetime(2025, 1, 1)),
    ],
)
def test_patterns_that_give_local_times(stamp_format: Any, node: Any, expected: Any) -> None:
    """A pattern without %z gives a local time, also from a number."""
    assert StampReader(stamp_format).read(node) == expected


@pytest.mark.parametrize(
    ("node", "unit", "expected"),
    [
        (15, MINUTE, Length(15 * MINUTE)),
        ("1.5", HOUR, Length(90 * MINUTE)),
        (3_600_000, 1, Length(HOUR)),
        ("PT5M", HOUR, Length(5 * MINUTE)),
        ("5m", HOUR, Length(5 * MINUTE)),
    ],
)
def test_a_number_counts_its_unit(node: Any, unit: int, expected: Any) -> None:
    """A bare number is so many of the unit; what says its unit itself stays what it is."""
    assert parse_length(node, unit) == expected


@pytest.mark.parametrize(
    ("stamp_format", "node"),
    [
        ("unix", "abc"),
        ("unix", "2022-10-31"),
        ("unix", 1e300),
        ("unix", 1e306),
        ("unix", float("nan")),
        ("unix", "9" * 30),
        ("unix_ms", True),
        ("%Y-%m-%d", "31.10.2022"),
        ("%Y-%m-%dT%H%z", "9999-12-31T23-2300"),
        ("%Y", None),
        ("%Y", 10**4000),
        ("unix", "1e99"),
        ("%d.%m.%Y %H:%M", "31.10.2022 24:01"),
        ("%d.%m.%Y %H:%M", "31.10.2022 25:00"),
        ("%d.%m.%Y", "24.24.2024"),
        ("%d.%m.%Y %H", "31.12.9999 24"),
    ],
)
def test_a_stamp_in_another_format_is_unusable(stamp_format: Any, node: Any) -> None:
    """With a format nothing else is guessed."""
    with pytest.raises(Unusable):
        StampReader(stamp_format).read(node)


@pytest.mark.parametrize(
    ("stamp_format", "message"),
    [
        ("iso8601", "is neither unix"),
        ("", "is neither unix"),
        ("%s", "has %s, which strptime does not know"),
        ("%Y%", "has %, which"),
        ("%H:%M", "has no year"),
        ("%Y-%m-%d %Z", "names of zones are ambiguous"),
        ("%Y %Y", "cannot be used"),
    ],
)
def test_bad_formats_are_told(stamp_format: Any, message: Any) -> None:
    """A format that can never read is refused when it is compiled."""
    with pytest.raises(ValueError, match=message):
        StampReader(stamp_format)


@settings(max_examples=100)
@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from(["T", " "]),
)
def test_every_instant_reads_back(naive: Any, offset: Any, separator: Any) -> None:
    """What ISO 8601 says, by Python's own arithmetic, is what is read, cut to milliseconds."""
    zone_offset = timedelta(minutes=offset)
    sign = "-" if offset < 0 else "+"
    text = naive.isoformat(separator, "microseconds") + f"{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    expected = (naive - zone_offset - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert StampReader().read(text) == expected


@settings(max_examples=200)
@given(
    st.one_of(st.text(max_size=40), st.from_regex(r"[0-9T:+Z .\-]{0,30}", fullmatch=True), st.integers(), st.floats())
)
def test_no_value_raises_anything_but_unusable(node: Any) -> None:
    """Any text or number is a stamp or unusable."""
    for stamp_format in (None, "unix", "unix_ns", "%Y-%m-%d %H:%M"):
        try:
            StampReader(stamp_format).read(node)
        except Unusable as error:
            assert error.reason == "not_a_time"  # noqa: PT017 (both ways out are good)


def test_a_plain_local_time_is_one_instant() -> None:
    """Most local times occur once."""
    assert localise(datetime(2024, 7, 1, 12), BERLIN) == (ms(2024, 7, 1, 10), None)


def test_a_local_time_that_occurs_twice_is_two_instants() -> None:
    """In the hour that the clock repeats there is an earlier and a later instant (P13)."""
    assert localise(datetime(2024, 10, 27, 2, 30), BERLIN) == (ms(2024, 10, 27, 0, 30), ms(2024, 10, 27, 1, 30))


def test_a_local_time_that_is_skipped_is_unusable() -> None:
    """In the hour that the clock leaves out there is no instant (P13)."""
    with pytest.raises(Unusable) as caught:
        localise(datetime(2024, 3, 31, 2, 30), BERLIN)
    assert caught.value.reason == "no_such_local_time"


@settings(max_examples=100)
@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2037, 1, 1)))
def test_localised_times_show_the_same_wall_clock(naive: Any) -> None:
    """Each instant of a local time shows that local time in its zone."""
    try:
        instants = localise(naive, BERLIN)
    except Unusable:
        return
    for instant in instants:
        if instant is not None:
            shown = datetime.fromtimestamp(instant / 1000, BERLIN).replace(tzinfo=None)
            assert abs(shown - naive) < timedelta(milliseconds=1)


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_zones_have_names(name: Any) -> None:
    """A zone of the database is found by its name."""
    assert str(find_zone(name)) == name


def test_zones_may_be_fixed_offsets() -> None:
    """A body that says its offset says a zone."""
    assert find_zone("+10:00").utcoffset(None) == timedelta(hours=10)
    assert find_zone("-0330").utcoffset(None) == timedelta(hours=-3, minutes=-30)


@pytest.mark.parametrize(
    "name", ["", "Mars/Base", "America", "../../etc/passwd", "/etc/localtime", "\x00", "+99:00", "CEST", "é"]
)
def test_other_names_are_no_zones(name: Any) -> None:
    """A name out of a body cannot reach outside the database of zones."""
    with pytest.raises(Unusable) as caught:
        find_zone(name)
    assert caught.value.reason == "not_a_zone"


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("5m", Length(5 * MINUTE)),
        ("1h30m", Length(90 * MINUTE)),
        ("1d", Length(DAY)),
        ("PT5M", Length(5 * MINUTE)),
        ("PT0.5S", Length(500)),
        ("15.1s", Length(15_100)),
        ("1m0.25s", Length(60_250)),
        ("PT24H", Length(DAY)),
        ("P1D", Length(days=1)),
        ("P1W", Length(days=7)),
        ("P1M", Length(months=1)),
        ("P1Y", Length(months=12)),
        ("P1DT12H", Length(12 * HOUR, days=1)),
        (300, Length(5 * MINUTE)),
        (0.25, Length(250)),
        ("300", Length(5 * MINUTE)),
        ("day", Length(days=1)),
        ("week", Length(days=7)),
        ("month", Length(months=1)),
        ("quarter", Length(months=3)),
        ("year", Length(months=12)),
    ],
)
def test_lengths(node: Any, expected: Any) -> None:
    """Prometheus' durations, ISO 8601's, seconds and calendar words are lengths."""
    assert parse_length(node) == expected


@pytest.mark.parametrize(
    "node",
    [
        0,
        -5,
        "0",
        "-5",
        "",
        "P",
        "PT",
        "5M",
        "5 m",
        "fortnight",
        1700000000,
        "1700000000",
        "2022-10-31T00:00Z",
        "9" * 20 + "y",
        None,
        True,
        [],
        {},
        float("nan"),
        float("inf"),
        10**400,
        "9" * 5000 + "s",
    ],
)
def test_all_else_is_no_length(node: Any) -> None:
    """Nothing, negative lengths and the stamps of an end are unusable."""
    with pytest.raises(Unusable) as caught:
        parse_length(node)
    assert caught.value.reason == "not_a_length"


def test_a_day_of_the_calendar_has_23_to_25_hours() -> None:
    """Calendar days follow the zone's clock, exact days do not."""
    start = ms(2024, 3, 29, 23)  # midnight in Berlin
    borders = Length(days=1).borders(start, BERLIN, 3)
    assert [(b - a) // HOUR for a, b in pairwise(borders)] == [24, 23, 24]
    autumn = ms(2024, 10, 26, 22)
    assert Length(days=1).add(autumn, BERLIN) - autumn == 25 * HOUR
    assert Length(DAY).add(autumn, BERLIN) - autumn == 24 * HOUR


def test_borders_of_an_exact_length() -> None:
    """Exact lengths make an even grid with one border more than intervals."""
    assert Length(5).borders(100, UTC, 3) == [100, 105, 110, 115]
    assert Length(5).borders(100, UTC, 0) == [100]


def test_only_lengths_without_calendar_are_exact() -> None:
    """A length knows its milliseconds if no calendar changes them."""
    assert Length(5).exact == 5
    assert Length(days=1).exact is None
    assert Length(months=1).exact is None


def test_months_are_counted_from_the_start() -> None:
    """A month after January 31 is the last of February, and two are March 31."""
    borders = Length(months=1).borders(ms(2024, 1, 31), UTC, 3)
    assert borders[1:] == [ms(2024, 2, 29), ms(2024, 3, 31), ms(2024, 4, 30)]


def test_lengths_go_back() -> None:
    """An interval labelled with its end begins one length before."""
    assert Length(months=1).add(ms(2024, 3, 1), UTC, -1) == ms(2024, 2, 1)
    assert Length(5).add(100, UTC, -2) == 90


def test_a_day_that_begins_late_begins_at_the_change() -> None:
    """Where midnight does not exist the day begins when the clock is put forward."""
    before = localise(datetime(2018, 11, 3), SAO_PAULO)[0]
    start = Length(days=1).add(before, SAO_PAULO)
    assert format_instant(start) == "2018-11-04T03:00:00Z"
    assert format_instant(Length(days=2).add(before, SAO_PAULO)) == "2018-11-05T02:00:00Z"


@pytest.mark.parametrize("n", [10**5, -(10**5), 10**9])
def test_lengths_out_of_the_calendar_are_unusable(n: Any) -> None:
    """Arithmetic that leaves the years 1 to 9999 is a reject and no crash."""
    with pytest.raises(Unusable):
        Length(months=12).add(0, UTC, n)
    with pytest.raises(Unusable):
        Length(days=365).add(0, BERLIN, n)
