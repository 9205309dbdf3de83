"""prometheus/compliance for senders of 2.0: batches, edges, and features together. And that no case is forgotten."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import pytest

from tests.remote_write import sender_cases, test_compliance_2_answers, test_compliance_2_messages
from tests.remote_write.building import NAME, NOW
from tests.remote_write.hearing import (
    SCRAPED,
    Row,
    by_name,
    fields_of_series,
    heard,
    histogram,
    made,
    scene_of,
    sent,
)
from tests.remote_write.sender_cases import cases
from timepoint.clock import DAY
from timepoint.model import MetricType
from timepoint.remote_write.encode import STALE
from timepoint.remote_write.reply import Reply

COUNTER, GAUGE, SUMMARY = MetricType.COUNTER, MetricType.GAUGE, MetricType.SUMMARY


def requests_total(count: int) -> list[Row]:
    """Series of one counter that differ in a label."""
    return [
        (made("http_requests_total", COUNTER, help="Requests.", path=f"/api/{n}", method="GET"), NOW, float(n))
        for n in range(count)
    ]


def summary() -> list[Row]:
    """A summary at one instant."""
    rows: list[Row] = [(made("rpc", SUMMARY, quantile=q), NOW, float(q)) for q in ("0.5", "0.9")]
    return [*rows, (made("rpc_sum", SUMMARY), NOW, 50.0), (made("rpc_count", SUMMARY), NOW, 1000.0)]


# -- batches


@cases("multiple_series_per_request", "batch_size_reasonable", "many_timeseries", "robustness_under_load")
@pytest.mark.parametrize("count", [20, 200, 4500])
async def test_series_of_one_instant_leave_together(case: str, count: int) -> None:
    """As many as ``max_samples`` says, 2,000, in each request but the last; all of them arrive once."""
    scene = scene_of()
    scene.outbox.enqueue([NAME], requests_total(count))
    await scene.turns()
    sizes = [len(one.request.series) for one in heard(scene)]
    assert sizes == [2000] * (count // 2000) + [count % 2000], case
    assert len(scene.receiver.stored) == count


@cases("time_based_flushing")
async def test_a_single_sample_does_not_wait_for_others() -> None:
    """A request leaves as soon as there is anything to send."""
    request, _ = await sent((made(), NOW, 42.0))
    assert len(request.request.series) == 1


@cases(
    "handles_varying_cardinality",
    "efficient_symbol_reuse",
    "high_cardinality",
    "high_cardinality_labels",
    "metadata_batching",
)
async def test_what_series_share_is_written_once_in_a_request(case: str) -> None:
    """Fifty series of one metric and one of another: their own fifty paths, and the eleven texts that they share."""
    request, _ = await sent(*requests_total(50), (made("memory_usage_bytes", help="Memory."), NOW, 1.0))
    symbols = request.request.symbols
    assert len(set(symbols)) == len(symbols), case
    shared = {"", "__name__", "http_requests_total", "method", "GET", "path", "Requests.", "memory_usage_bytes"}
    shared |= {"Memory.", *SCRAPED, *SCRAPED.values()}
    assert set(symbols) == shared | {f"/api/{number}" for number in range(50)}
    assert [series.help for series in request.request.series] == ["Requests."] * 50 + ["Memory."]


@cases("concurrent_requests")
async def test_one_request_is_under_way_at_a_time() -> None:
    """Several at once are allowed and not used: only one may ever be in doubt."""
    scene, under_way, most = scene_of(max_samples=1), 0, 0
    send = scene.post.send

    async def counting(body: bytes, headers: Mapping[str, str]) -> Reply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        reply = await send(body, headers)
        under_way -= 1
        return reply

    scene.post.send = counting  # type: ignore[method-assign] # only counts
    scene.outbox.enqueue([NAME], requests_total(20))
    await scene.turns()
    assert (most, len(heard(scene))) == (1, 20)


# -- edges


@cases("empty_scrape")
async def test_where_nothing_waits_nothing_is_sent() -> None:
    """Not even an empty request."""
    scene = scene_of()
    await scene.turns()
    assert scene.receiver.heard == []


@cases("huge_label_values")
async def test_a_value_of_ten_kilobytes_stays_here() -> None:
    """Longer than receivers take: a dead letter that says so, and what stands beside it leaves."""
    scene = scene_of()
    scene.outbox.enqueue([NAME], [(made(large_label="x" * 10_000), NOW, 1.0), (made(), NOW, 42.0)])
    await scene.turns()
    assert [value for one in heard(scene) for _, _, value in one.request.samples] == [42.0]
    assert [letter.reason for letter in scene.outbox.dead(NAME, 10)] == ["too_long"]


@cases("unicode_in_labels")
async def test_every_script_arrives_as_it_is() -> None:
    """As UTF-8, nothing normalised."""
    labels = {"emoji": "🚀", "chinese": "测试", "arabic": "مرحبا", "combined": "e\u0301"}
    request, _ = await sent((made(**labels), NOW, 42.0))
    assert dict(request.request.series[0].labels) == {"__name__": "test_metric", **SCRAPED, **labels}


@cases("very_long_metric_name", "metric_name_with_colons")
async def test_a_metric_name_arrives_as_it_is(case: str) -> None:
    """757 characters, and colons."""
    name = "metric_" + "very_long_name_" * 50 if case.startswith("very") else "http:request:duration:seconds"
    request, _ = await sent((made(name), NOW, 0.5))
    assert dict(request.request.series[0].labels)["__name__"] == name


@cases("special_float_combinations")
async def test_odd_numbers_arrive_together() -> None:
    """Each under its own label: no number, both infinities, nothing, below nothing."""
    numbers = {"nan": math.nan, "inf": math.inf, "ninf": -math.inf, "zero": 0.0, "negative": -123.45}
    request, _ = await sent(*((made("special", type=name), NOW, value) for name, value in numbers.items()))
    found = {dict(series.labels)["type"]: series.samples[0].value for series in request.request.series}
    assert math.isnan(found.pop("nan"))
    assert found == {name: value for name, value in numbers.items() if name != "nan"}


@cases("zero_timestamp")
async def test_a_sample_of_the_epoch_is_one_like_others() -> None:
    """Where no age is too old it leaves with timestamp 0; else it is a dead letter, and nothing stops."""
    request, _ = await sent((made(), 0, 42.0), max_age=0)
    assert request.request.series[0].samples[0].at == 0
    scene = scene_of()
    scene.outbox.enqueue([NAME], [(made(), 0, 42.0)])
    await scene.turns()
    assert [letter.reason for letter in scene.outbox.dead(NAME, 10)] == ["receiver_window"]


@cases("future_timestamp")
async def test_a_sample_of_tomorrow_waits_and_stops_nothing() -> None:
    """It is kept until its time; what is of now leaves."""
    scene = scene_of()
    scene.outbox.enqueue([NAME], [(made("tomorrow"), NOW + DAY, 1.0), (made(), NOW, 42.0)])
    await scene.turns()
    assert [value for one in heard(scene) for _, _, value in one.request.samples] == [42.0]
    assert scene.counts == (2, 1, 0, 1)


@cases("stale_marker")
async def test_a_stale_marker_arrives_bit_by_bit() -> None:
    """Signalling bits and all."""
    request, _ = await sent((made(), NOW, STALE))
    assert request.request.series[0].samples[0].bits == 0x7FF0000000000002


# -- features together


@cases(
    "mixed_sample_and_histogram_families", "multiple_metric_types", "real_world_scenario", "mixed_labels_and_metadata"
)
async def test_all_types_go_in_one_request(case: str) -> None:
    """Counter, gauge, histogram and summary: each series with its type, each part with its value."""
    rows = [*requests_total(3), (made("up"), NOW, 1.0), *histogram(), *summary()]
    request, _ = await sent(*rows)
    types = {name: {series.type for series in found} for name, found in by_name(request.request).items()}
    assert types == {
        "http_requests_total": {1},
        "up": {2},
        "h_bucket": {3},
        "h_sum": {3},
        "h_count": {3},
        "rpc": {5},
        "rpc_sum": {5},
        "rpc_count": {5},
    }, case
    assert sorted(value for _, _, value in request.request.samples) == sorted(row[2] for row in rows)


@cases("samples_with_metadata")
async def test_samples_and_their_metadata_stand_in_one_series() -> None:
    """Value, type and help together, for each series."""
    request, _ = await sent(*requests_total(2))
    found = [(series.samples[0].value, series.type, series.help) for series in request.request.series]
    assert found == [(0.0, 1, "Requests."), (1.0, 1, "Requests.")]


@cases("samples_with_exemplars", "histogram_with_metadata_and_exemplars")
async def test_metadata_goes_along_and_no_exemplars(case: str) -> None:
    """Exemplars are optional, and APIs have none: labels, samples, metadata."""
    request, data = await sent(*histogram(), *requests_total(1))
    assert fields_of_series(data) == {1, 2, 5}, case
    assert all(series.help for series in request.request.series)


@cases("complete_metric_family")
async def test_a_family_is_not_torn_apart() -> None:
    """All parts of a histogram leave in one request."""
    request, _ = await sent(*histogram("api_request_duration_seconds"))
    assert {name: len(found) for name, found in by_name(request.request).items()} == {
        "api_request_duration_seconds_bucket": 3,
        "api_request_duration_seconds_sum": 1,
        "api_request_duration_seconds_count": 1,
    }


# -- the list


def test_each_case_of_the_suite_has_its_test() -> None:
    """160 cases, none twice, none without a test that exists."""
    assert len(sender_cases.NAMES) == len(set(sender_cases.NAMES)) == 160
    assert set(sender_cases.STOOD_FOR) == set(sender_cases.NAMES)
    tests = {name for module in (test_compliance_2_answers, test_compliance_2_messages) for name in vars(module)}
    assert set(sender_cases.STOOD_FOR.values()) <= tests | set(globals())
