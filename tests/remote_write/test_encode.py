"""The bytes of requests, read by a decoder that shares nothing with the encoder."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.remote_write.building import NOW, series
from tests.remote_write.wire_format import read_v1, read_v2, unsnap
from timepoint.model import MetricType
from timepoint.remote_write.encode import HEADERS, STALE, body, compress, is_stale, request_v1
from timepoint.remote_write.outbox import OutSeries, Pending, Version
from timepoint.remote_write.slices import Ready

V1, V2 = Version.V1, Version.V2


def ready(about: OutSeries, at: int, value: float, start: int | None = None) -> Ready:
    """A sample that leaves under its own labels."""
    return Ready(Pending(1, about, at, value, start), about.labels)


def test_a_request_of_1_0_is_these_very_bytes() -> None:
    """One series, one label, one sample, written by hand from the specification of protobuf."""
    about = OutSeries(1, (("__name__", "m"),))
    label = b"\x0a\x08__name__\x12\x01m"
    sample = b"\x09" + struct.pack("<d", 1.5) + b"\x10\xac\x02"
    one = b"\x0a" + bytes([len(label)]) + label + b"\x12" + bytes([len(sample)]) + sample
    assert request_v1([ready(about, 300, 1.5)]) == b"\x0a" + bytes([len(one)]) + one


@pytest.mark.parametrize("version", [V1, V2])
def test_what_is_read_is_what_was_sent(version: Version) -> None:
    """Labels, instants and values of several series, with several samples each."""
    read = read_v1 if version is V1 else read_v2
    rows = [ready(series(pod), NOW + step, pod + step / 7) for pod in range(3) for step in range(2)]
    found = read(body(rows, version))
    assert found.samples == [(row.labels, row.row.at, row.row.value) for row in rows]
    assert len(found.series) == 3


def test_2_0_says_each_text_once() -> None:
    """Symbols begin with the empty one and do not repeat; labels are pairs of them."""
    found = read_v2(body([ready(series(pod), NOW, 1.0) for pod in range(50)], V2))
    assert found.symbols[0] == ""
    assert len(set(found.symbols)) == len(found.symbols)
    assert len(found.symbols) == len({"", "__name__", "pod", "energy_joules_total", "Energy.", "joules"}) + 50


def test_2_0_says_what_a_series_is() -> None:
    """Type, help and unit stand beside each series."""
    (found,) = read_v2(body([ready(series(1), NOW, 1.0)], V2)).series
    assert (found.type, found.help, found.unit) == (1, "Energy.", "joules")


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (MetricType.UNKNOWN, 0),
        (MetricType.COUNTER, 1),
        (MetricType.GAUGE, 2),
        (MetricType.HISTOGRAM, 3),
        (MetricType.SUMMARY, 5),
        (MetricType.INFO, 6),
        (MetricType.STATESET, 7),
    ],
)
def test_types_have_the_numbers_of_2_0(kind: MetricType, number: int) -> None:
    """Source: the enum of io.prometheus.write.v2.Metadata."""
    about = OutSeries(1, (("__name__", "m"),), kind)
    assert read_v2(body([ready(about, NOW, 1.0)], V2)).series[0].type == number


@pytest.mark.parametrize(("start", "sent"), [(None, 0), (5, 5), (0, 1), (NOW, NOW), (NOW + 1, 0)])
def test_2_0_says_when_a_counter_began(start: int | None, sent: int) -> None:
    """In the sample; never after it; the epoch is a millisecond beside 0, which says that nobody knows."""
    (found,) = read_v2(body([ready(series(1), NOW, 1.0, start)], V2)).series
    assert found.samples[0].start == sent


@pytest.mark.parametrize("version", [V1, V2])
def test_a_stale_marker_is_these_very_bits(version: Version) -> None:
    """0x7ff0000000000002, after all that happens to a float on its way."""
    read = read_v1 if version is V1 else read_v2
    assert is_stale(STALE)
    assert read(body([ready(series(1), NOW, STALE)], version)).series[0].samples[0].bits == 0x7FF0000000000002


def test_no_other_nan_can_be_taken_for_it() -> None:
    """Whatever NaN an API gave goes out as Go's own."""
    odd = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000001))[0]
    found = read_v1(body([ready(series(1), NOW, odd), ready(series(2), NOW, math.nan)], V1))
    assert [one.samples[0].bits for one in found.series] == [0x7FF8000000000001] * 2


@pytest.mark.parametrize("value", [0.0, -0.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308])
def test_any_value_goes_through(value: float) -> None:
    """Bit by bit, also where protobuf leaves out what is 0."""
    (found,) = read_v1(body([ready(series(1), NOW, value)], V1)).series
    assert found.samples[0].bits == struct.unpack("<Q", struct.pack("<d", value))[0]


@pytest.mark.parametrize("version", [V1, V2])
def test_a_request_may_be_empty(version: Version) -> None:
    """R1: it asks whether the receiver is well."""
    read = read_v1 if version is V1 else read_v2
    assert read(body([], version)).series == []


def test_help_that_is_no_text_stops_nothing() -> None:
    """A lone surrogate in a help text is replaced, so the request can still be written."""
    about = OutSeries(1, (("__name__", "m"),), help="a\ud800b", unit="é")
    (found,) = read_v2(body([ready(about, NOW, 1.0)], V2)).series
    assert (found.help, found.unit) == ("a?b", "é")


def test_headers_name_the_version() -> None:
    """Source: Remote Write 1.0 and 2.0, "Protocol"."""
    assert HEADERS[V1]["X-Prometheus-Remote-Write-Version"] == "0.1.0"
    assert HEADERS[V2]["X-Prometheus-Remote-Write-Version"] == "2.0.0"
    assert HEADERS[V2]["Content-Type"] == "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    assert {headers["Content-Encoding"] for headers in HEADERS.values()} == {"snappy"}


@given(st.binary(max_size=3000))
@settings(max_examples=50)
def test_snappy_is_the_block_format(data: bytes) -> None:
    """Any bytes are read back by a reader written from the format's description."""
    assert unsnap(compress(data)) == data


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@given(
    st.lists(
        st.tuples(st.dictionaries(TEXTS, TEXTS, max_size=4), st.integers(-(2**62), 2**62), st.floats()), max_size=12
    )
)
@settings(max_examples=60)
def test_both_versions_say_the_same(drawn: list[tuple[dict[str, str], int, float]]) -> None:
    """Any labels, instants and values mean the same series and bits in 1.0 and in 2.0."""
    rows = [ready(OutSeries(0, tuple(sorted(labels.items()))), at, value) for labels, at, value in drawn]
    one, two = read_v1(body(rows, V1)), read_v2(body(rows, V2))
    assert [found.labels for found in one.series] == [found.labels for found in two.series]
    bits = [[(sample.at, sample.bits) for found in read.series for sample in found.samples] for read in (one, two)]
    assert bits[0] == bits[1]
    assert len(bits[0]) == len(drawn)
