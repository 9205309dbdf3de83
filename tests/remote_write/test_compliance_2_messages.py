"""prometheus/compliance for senders of 2.0: what a request holds. Each case first makes sure that one arrived."""

from __future__ import annotations

import math
import struct

import pytest

from tests.remote_write.building import NAME, NOW
from tests.remote_write.hearing import (
    SCRAPED,
    by_name,
    fields_of_series,
    heard,
    histogram,
    made,
    scene_of,
    sent,
    values,
)
from tests.remote_write.receiver import V2_TYPE
from tests.remote_write.sender_cases import cases
from tests.remote_write.wire_format import fields, read_v2, unsnap, varint
from tests.request.wire import serving
from timepoint.clock import HOUR, MINUTE, SystemClock
from timepoint.model import LABEL_NAME, METRIC_NAME, MetricType
from timepoint.remote_write.encode import HEADERS, body
from timepoint.remote_write.outbox import OutSeries, Version
from timepoint.remote_write.post import open_post
from timepoint.request.spec import SourceSpec

COUNTER, GAUGE, HISTOGRAM, SUMMARY = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM, MetricType.SUMMARY
SHARED = [
    made("http_requests_total", method=method, status=status, handler=handler)
    for method, status, handler in (
        ("GET", "200", "/api/v1"),
        ("POST", "200", "/api/v1"),
        ("GET", "404", "/api/v1"),
        ("GET", "200", "/api/v2"),
    )
]


# -- the protocol -----------------------------------------------------------------------------------------------------


@cases("content_type_protobuf", "content_type_with_proto_param")
async def test_the_content_type_names_the_message(case: str) -> None:
    """Protobuf, and which message it is."""
    request, _ = await sent((made(), NOW, 42.0))
    kind, _, parameter = request.headers["Content-Type"].partition(";")
    assert {"content_type_protobuf": kind, "content_type_with_proto_param": parameter}[case] in (
        "application/x-protobuf",
        "proto=io.prometheus.write.v2.Request",
    )
    assert request.headers["Content-Type"] == V2_TYPE


@cases("content_encoding_snappy")
async def test_the_content_encoding_is_snappy() -> None:
    """The header says it, in each request."""
    request, _ = await sent((made(), NOW, 42.0))
    assert request.headers["Content-Encoding"] == "snappy"


@cases("version_header_present", "version_header_value")
async def test_the_version_header_says_2_0_0(case: str) -> None:
    """The header is there, and has the value for receivers of 2.x."""
    request, _ = await sent((made(), NOW, 42.0))
    assert request.headers["X-Prometheus-Remote-Write-Version"] == "2.0.0", case


@cases("user_agent_present", "http_method")
async def test_over_the_wire_it_is_a_post_that_says_who_sends(case: str) -> None:
    """POST, and a product with its version as RFC 9110, 10.1.5 wants it."""
    async with serving(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") as wire:
        async with open_post(SourceSpec("central", f"{wire.url}/write", timeout=20_000), SystemClock()) as post:
            await post.send(body([], Version.V2), HEADERS[Version.V2])
        (received,) = wire.received
    found = {"http_method": received.line.split(" ")[0], "user_agent_present": received.headers["user-agent"]}[case]
    assert found == "POST" or found.startswith("timepoint/")


@cases("snappy_block_format")
async def test_snappy_is_in_block_format() -> None:
    """It begins with the length of what it holds, and not with the magic of frames."""
    _, data = await sent((made(), NOW, 42.0))
    size, _ = varint(data, 0)
    assert size == len(unsnap(data))
    assert not data.startswith(b"\xff\x06\x00\x00sNaPpY")


@cases("protobuf_parseable")
async def test_the_message_can_be_parsed_by_others() -> None:
    """A reader that shares nothing with the encoder finds symbols and the sample."""
    _, data = await sent((made(), NOW, 42.0))
    request = read_v2(data)
    assert request.symbols
    assert [value for _, _, value in request.samples] == [42.0]


# -- symbols ----------------------------------------------------------------------------------------------------------


@cases("empty_string_at_index_zero")
async def test_the_first_symbol_is_empty() -> None:
    """And the table is not."""
    request, _ = await sent((made(), NOW, 42.0))
    assert request.request.symbols[0] == ""
    assert len(request.request.symbols) > 1


@cases("string_deduplication", "symbol_table_efficiency")
async def test_each_text_stands_once_in_the_table(case: str) -> None:
    """Names, labels and values that series share are written once: fifteen texts for four series."""
    request, _ = await sent(*((series, NOW, 1.0) for series in SHARED))
    symbols = request.request.symbols
    assert len(set(symbols)) == len(symbols), case
    texts = {text for series in request.request.series for label in series.labels for text in label}
    assert set(symbols) == texts | {""}
    assert len(symbols) == 1 + 15


@cases("labels_refs_valid_indices", "labels_refs_even_length")
async def test_the_references_of_labels_are_pairs_within_the_table(case: str) -> None:
    """An even number of them, none beyond the table."""
    _, data = await sent(*((series, NOW, 1.0) for series in SHARED))
    count = len(read_v2(data).symbols)
    found = 0
    for part in (part for number, part in fields(unsnap(data)) if number == 5):
        for number, packed in fields(part):
            if number != 1:
                continue
            refs, place = [], 0
            while place < len(packed):
                ref, place = varint(packed, place)
                refs.append(ref)
            assert not len(refs) % 2, case
            assert max(refs) < count
            found += len(refs)
    assert found == 4 * 2 * (4 + len(SCRAPED))


# -- labels -----------------------------------------------------------------------------------------------------------


@cases("label_lexicographic_ordering")
async def test_labels_are_sorted_by_the_bytes_of_their_names() -> None:
    """Upper case before lower case, external ones among them."""
    request, _ = await sent((made(zzz="3", aaa="1", Z="2", bbb="2", k="1"), NOW, 42.0))
    names = [name.encode() for name, _ in request.request.series[0].labels]
    assert names == sorted(names)
    assert len(names) == 6 + len(SCRAPED)


@cases("metric_name_label_present")
async def test_each_series_has_a_name() -> None:
    """One without never leaves."""
    nameless = OutSeries(7, (("a", "1"),))
    request, _ = await sent((nameless, NOW, 1.0), (made(), NOW, 42.0))
    assert [dict(series.labels)["__name__"] for series in request.request.series] == ["test_metric"]


@cases("metric_name_format_valid", "label_name_format_valid")
async def test_names_have_the_form_that_all_receivers_take(case: str) -> None:
    """What has another form does not leave, and what stands beside it does."""
    good = made("valid_metric_name:subsystem_total", valid_label="value", another_1="val2")
    bad = made("in-valid") if case == "metric_name_format_valid" else made("other", **{"in-valid": "value"})
    request, _ = await sent((bad, NOW, 1.0), (good, NOW, 42.0))
    (series,) = request.request.series
    assert METRIC_NAME.fullmatch(dict(series.labels)["__name__"])
    assert all(LABEL_NAME.fullmatch(name) for name, _ in series.labels)
    assert dict(series.labels)["another_1"] == "val2"


@cases("no_duplicate_label_names")
async def test_no_series_has_a_label_twice() -> None:
    """Such a one never leaves; an external label gives way to the series' own."""
    twice = OutSeries(7, (("__name__", "m"), ("a", "1"), ("a", "2")))
    request, _ = await sent((twice, NOW, 1.0), (made(job="own"), NOW, 42.0))
    (series,) = request.request.series
    names = [name for name, _ in series.labels]
    assert len(set(names)) == len(names)
    assert dict(series.labels)["job"] == "own"


@cases("label_names_not_empty")
async def test_no_label_has_an_empty_name() -> None:
    """Such a series never leaves."""
    empty = OutSeries(7, (("", "x"), ("__name__", "m")))
    request, _ = await sent((empty, NOW, 1.0), (made(label="value"), NOW, 42.0))
    (series,) = request.request.series
    assert all(name for name, _ in series.labels)


@cases("label_values_may_be_empty")
async def test_no_label_has_an_empty_value() -> None:
    """The suite allows it, the specification forbids it ("labels with empty values MUST NOT"), and it counts."""
    request, _ = await sent((made(empty=""), NOW, 1.0), (made(), NOW, 42.0))
    (series,) = request.request.series
    assert all(value for _, value in series.labels)


@cases("reserved_label_prefix")
async def test_no_label_but_the_name_begins_with_two_underscores() -> None:
    """They are the receiver's own."""
    request, _ = await sent((made(__secret="1"), NOW, 1.0), (made(normal="value"), NOW, 42.0))
    (series,) = request.request.series
    assert [name for name, _ in series.labels if name.startswith("__")] == ["__name__"]


@cases(
    "unicode_in_label_values",
    "special_chars_in_label_values",
    "very_long_label_names",
    "very_long_label_values",
    "many_labels_per_series",
)
async def test_labels_arrive_as_they_are(case: str) -> None:
    """Any text up to what receivers take, any length of name, any number of labels."""
    labels = {
        "unicode_in_label_values": {"emoji": "🚀", "chinese": "测试"},
        "special_chars_in_label_values": {"path": "/api/v1/users", "query": 'foo=bar&baz="qux"\\\n'},
        "very_long_label_names": {"very_long_label_name_that_exceeds_normal_length_but_is_still_valid" * 3: "value"},
        "very_long_label_values": {"description": "long " * 400},
        "many_labels_per_series": {f"l{number}": f"v{number}" for number in range(60)},
    }[case]
    request, _ = await sent((made(**labels), NOW, 42.0))
    (series,) = request.request.series
    assert dict(series.labels) == {"__name__": "test_metric", **SCRAPED, **labels}


# -- samples ----------------------------------------------------------------------------------------------------------

_VALUES = {
    "float_value_encoding": 123.45,
    "integer_value_encoding": 42.0,
    "zero_value_encoding": 0.0,
    "negative_value_encoding": -15.5,
    "positive_infinity_encoding": math.inf,
    "negative_infinity_encoding": -math.inf,
    "large_float_values": 1.7976931348623157e308,
    "small_float_values": 2.2250738585072014e-308,
    "scientific_notation": 1.23e-4,
    "precision_preservation": 0.123456789012345,
}


@cases(*_VALUES)
async def test_a_value_arrives_bit_by_bit(case: str) -> None:
    """The very float64."""
    assert [struct.pack("<d", value) for value in await values(_VALUES[case])] == [struct.pack("<d", _VALUES[case])]


@cases("nan_encoding")
async def test_not_a_number_arrives_as_such() -> None:
    """And it is not the one that ends a series."""
    request, _ = await sent((made(), NOW, math.nan))
    assert request.request.series[0].samples[0].bits == 0x7FF8000000000001


@cases("timestamp_milliseconds_format", "timestamp_int64_milliseconds", "timestamp_precision")
async def test_a_timestamp_is_in_milliseconds(case: str) -> None:
    """An integer of them since the epoch; none is rounded to a second."""
    request, _ = await sent((made(), NOW - 1234, 42.0))
    assert request.request.series[0].samples[0].at == NOW - 1234, case


@cases("timestamp_recent")
async def test_a_fresh_sample_leaves_at_once() -> None:
    """What is enqueued now is with the receiver within the same second."""
    scene = scene_of()
    scene.outbox.enqueue([NAME], [(made(), NOW, 42.0)])
    await scene.turns()
    assert [sample.at for one in heard(scene) for sample in one.request.series[0].samples] == [NOW]
    assert scene.clock.now() - NOW < 1000


@cases("multiple_samples_same_series", "sample_ordering", "timestamp_ordering_within_series")
@pytest.mark.parametrize("window", [0, 6 * HOUR])
async def test_samples_of_a_series_leave_oldest_first(case: str, window: int) -> None:
    """In requests of their own to a strict receiver, in one where there is a window; enqueued in any order."""
    scene = scene_of(out_of_order=window)
    instants = [NOW - MINUTE * step for step in (3, 1, 4, 2)]
    scene.outbox.enqueue([NAME], [(made(), at, float(at)) for at in instants])
    await scene.turns()
    requests = heard(scene)
    assert len(requests) == (1 if window else 4), case
    found = [sample.at for one in requests for series in one.request.series for sample in series.samples]
    assert found == sorted(instants)


@cases("job_instance_labels_present")
async def test_labels_of_the_config_are_on_each_series() -> None:
    """What a scrape would add is added by ``external_labels``."""
    request, _ = await sent((made(), NOW, 42.0), (made("other"), NOW, 1.0))
    assert [{name: dict(series.labels)[name] for name in SCRAPED} for series in request.request.series] == [SCRAPED] * 2


@cases("created_timestamp_for_counters", "created_timestamp_for_histograms")
async def test_a_start_timestamp_goes_with_its_sample(case: str) -> None:
    """Of a counter and of each part of a histogram: field 3 of the sample, in milliseconds."""
    kind = COUNTER if case.endswith("counters") else HISTOGRAM
    request, _ = await sent((made("things_total", kind), NOW, 100.0, NOW - 2 * HOUR))
    assert request.request.series[0].samples[0].start == NOW - 2 * HOUR


@cases("created_timestamp_zero_handling")
async def test_an_unknown_start_is_0_and_a_start_at_the_epoch_is_not() -> None:
    """0 says that nobody knows, so the epoch itself is a millisecond beside it."""
    unknown, _ = await sent((made("a_total", COUNTER), NOW, 1.0))
    epoch, _ = await sent((made("a_total", COUNTER), NOW, 1.0, 0))
    assert [one.request.series[0].samples[0].start for one in (unknown, epoch)] == [0, 1]


@cases("created_timestamp_before_sample_timestamp")
async def test_a_start_is_never_later_than_its_sample() -> None:
    """One that would be is left out."""
    later, _ = await sent((made("a_total", COUNTER), NOW - MINUTE, 1.0, NOW))
    same, _ = await sent((made("a_total", COUNTER), NOW - MINUTE, 1.0, NOW - MINUTE))
    assert [one.request.series[0].samples[0].start for one in (later, same)] == [0, NOW - MINUTE]


@cases("timestamp_future_values")
async def test_a_sample_of_the_future_waits_for_its_time() -> None:
    """The suite takes up to five minutes; an old Prometheus would then refuse all else until that time."""
    scene = scene_of()
    scene.outbox.enqueue([NAME], [(made(), NOW + 2 * MINUTE, 42.0)])
    await scene.turns()
    assert not heard(scene)
    scene.clock.move(121)
    await scene.turns()
    assert [one.request.series[0].samples[0].at for one in heard(scene)] == [NOW + 2 * MINUTE]


# -- metadata ---------------------------------------------------------------------------------------------------------

_TYPES = {
    "metadata_type_counter": (COUNTER, 1),
    "metadata_type_gauge": (GAUGE, 2),
    "metadata_type_histogram": (HISTOGRAM, 3),
    "metadata_type_summary": (SUMMARY, 5),
}


@cases(*_TYPES)
async def test_the_type_goes_with_the_series(case: str) -> None:
    """By the numbers of the enum of 2.0."""
    kind, number = _TYPES[case]
    request, _ = await sent((made("m", kind, help="What it is."), NOW, 1.0))
    assert request.request.series[0].type == number


_HELP = {
    "metadata_help_text": "The total number of HTTP requests",
    "metadata_help_with_newlines": "This is a help text\nthat spans several lines",
    "metadata_help_with_special_chars": 'This help contains "quotes" and \\backslashes\\ and ü',
    "metadata_empty_help_allowed": "",
}


@cases(*_HELP)
async def test_the_help_goes_with_the_series_as_it_is(case: str) -> None:
    """Nothing of it is escaped: that is the affair of text formats."""
    request, _ = await sent((made("m_total", COUNTER, help=_HELP[case]), NOW, 1.0))
    assert request.request.series[0].help == _HELP[case]


@cases("metadata_unit")
async def test_the_unit_goes_with_the_series() -> None:
    """As a symbol like others."""
    request, _ = await sent((made("memory_usage_bytes", unit="bytes"), NOW, 1.0))
    assert request.request.series[0].unit == "bytes"


@cases("metadata_help_refs_valid", "metadata_consistent_across_series")
async def test_series_of_a_family_share_the_symbols_of_its_metadata(case: str) -> None:
    """Help and unit are references within the table, the same ones for each series."""
    rows = [
        (made("http_requests_total", COUNTER, help="Requests.", unit="requests", method=m), NOW, 1.0) for m in "abc"
    ]
    request, data = await sent(*rows)
    refs = set()
    for part in (part for number, part in fields(unsnap(data)) if number == 5):
        about = dict(fields(next(inner for number, inner in fields(part) if number == 5)))
        refs.add((about[1], about[3], about[4]))
    assert len(refs) == 1, case
    ((kind, help_ref, unit_ref),) = refs
    symbols = request.request.symbols
    assert (kind, symbols[help_ref], symbols[unit_ref]) == (1, "Requests.", "requests")


# -- histograms and exemplars -----------------------------------------------------------------------------------------


@cases("native_histogram_structure", "histogram_buckets_ordered")
async def test_a_histogram_is_its_classic_series_in_one_request(case: str) -> None:
    """Buckets, sum and count; the buckets in the order in which they were said."""
    request, _ = await sent(*histogram())
    found = by_name(request.request)
    assert {name: len(series) for name, series in found.items()} == {"h_bucket": 3, "h_sum": 1, "h_count": 1}, case
    assert [dict(series.labels)["le"] for series in found["h_bucket"]] == ["0.1", "1", "+Inf"]


@cases("histogram_count_present", "histogram_sum_present", "histogram_empty_buckets", "histogram_large_counts")
async def test_the_numbers_of_a_histogram_arrive(case: str) -> None:
    """Count and sum, also of none and of a thousand million."""
    numbers = {"histogram_empty_buckets": (0.0, 0.0), "histogram_large_counts": (1e9, 5e9)}.get(case, (100.0, 250.5))
    request, _ = await sent(*histogram("h", *numbers))
    found = by_name(request.request)
    assert (found["h_count"][0].samples[0].value, found["h_sum"][0].samples[0].value) == numbers
    assert found["h_bucket"][-1].samples[0].value == numbers[0]


@cases("histogram_timestamp")
async def test_all_parts_of_a_histogram_have_its_instant() -> None:
    """One timestamp for all."""
    request, _ = await sent(*histogram())
    assert {sample.at for series in request.request.series for sample in series.samples} == {NOW}


@cases(
    "histogram_positive_buckets",
    "histogram_negative_buckets",
    "histogram_zero_bucket",
    "histogram_schema",
    "histogram_no_mixed_with_samples",
    "exemplar_with_trace_id",
    "exemplar_with_span_id",
    "exemplar_value_valid",
    "exemplar_timestamp_valid",
    "exemplar_labels_valid_refs",
    "exemplar_custom_labels",
    "exemplar_on_histogram",
    "exemplar_labels_even_length",
    "multiple_exemplars_per_series",
)
async def test_neither_native_histograms_nor_exemplars_are_sent(case: str) -> None:
    """Both are optional; a series has labels, samples and metadata, and no other field."""
    _, data = await sent(*histogram())
    assert fields_of_series(data) == {1, 2, 5}, case


# -- 1.0 --------------------------------------------------------------------------------------------------------------


@cases("rw1_version_header", "rw1_content_type", "remote_write_1_configuration")
async def test_1_0_can_be_chosen_and_says_so(case: str) -> None:
    """``protocol: "1.0"``: its version, and its content type without a parameter."""
    request, _ = await sent((made(), NOW, 42.0), version=Version.V1)
    assert request.headers["X-Prometheus-Remote-Write-Version"] == "0.1.0", case
    assert request.headers["Content-Type"] == "application/x-protobuf"


@cases("rw1_samples_encoding", "rw1_labels_encoding")
async def test_1_0_carries_labels_and_samples(case: str) -> None:
    """The labels in full with each series."""
    request, _ = await sent((made(label="value"), NOW, 42.0), version=Version.V1)
    ((labels, at, value),) = request.request.samples
    assert dict(labels) == {"__name__": "test_metric", "label": "value", **SCRAPED}, case
    assert (at, value) == (NOW, 42.0)


@cases("rw1_no_native_histograms", "rw1_no_created_timestamp", "rw1_metadata_handling", "rw1_symbol_table_not_used")
async def test_1_0_has_nothing_of_2_0(case: str) -> None:
    """A request is time series, these are labels and samples, these are value and timestamp."""
    rows = [(*row, NOW - HOUR) for row in histogram()]
    _, data = await sent(*rows, version=Version.V1)
    assert {number for number, _ in fields(unsnap(data))} == {1}, case
    assert fields_of_series(data, 1) == {1, 2}
    for part in (part for number, part in fields(unsnap(data)) if number == 1):
        samples = [inner for number, inner in fields(part) if number == 2]
        assert {number for sample in samples for number, _ in fields(sample)} == {1, 2}
