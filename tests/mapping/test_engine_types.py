"""Metrics whose sample is several lines: histogram, summary, stateset; and info."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mapping.build import START, STEP, points, run_both, values

HISTOGRAM = """
rows: {r: "$[*]"}
metrics:
  wait_seconds:
    type: histogram
    buckets: $r.buckets
    sum: $r.sum
    count: $r.count
    labels: {path: $r.path}
    unit: {from: ms, to: seconds}
"""
OBSERVED = """
rows: {r: "$[*]"}
metrics:
  wait_seconds: {type: histogram, value: $r, bounds: [0.5, 1]}
"""
SUMMARY = """
rows: {r: "$[*]"}
metrics:
  wait: {type: summary, quantiles: $r.quantiles, sum: $r.sum, count: $r.count}
"""
STATES = """
rows: {r: "$[*]"}
metrics:
  door: {type: stateset, value: $r.state, states: [open, closed], labels: {name: $r.name}}
"""


def _row(**change: Any) -> list[dict[str, Any]]:
    return [{"path": "/", "buckets": {"100": 1, "500": 3}, "sum": 500, "count": 4, **change}]


def test_histogram_of_the_body() -> None:
    """A histogram has its buckets up to +Inf, its sum and its count; the unit converts bounds and sum."""
    assert values(run_both(HISTOGRAM, _row())) == {
        'wait_seconds_bucket{le="0.1",path="/"}': [1.0],
        'wait_seconds_bucket{le="0.5",path="/"}': [3.0],
        'wait_seconds_bucket{le="+Inf",path="/"}': [4.0],
        'wait_seconds_count{path="/"}': [4.0],
        'wait_seconds_sum{path="/"}': [0.5],
    }


def test_buckets_as_pairs() -> None:
    """Buckets may be pairs in any order, with +Inf among them."""
    mapped = run_both(HISTOGRAM, _row(buckets=[["+Inf", 4], [500, 3], [100, 1]]))
    assert values(mapped)['wait_seconds_bucket{le="+Inf",path="/"}'] == [4.0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"buckets": {"100": 3, "500": 1}}, "not_cumulative"),
        ({"buckets": {"100": 5}}, "not_cumulative"),
        ({"buckets": {"+Inf": 3}}, "not_cumulative"),
        ({"buckets": 5}, "not_an_object"),
        ({"buckets": [1, 2]}, "not_an_object"),
        ({"buckets": {"many": 5}}, "not_a_number"),
        ({"sum": "?"}, "not_a_number"),
        ({"count": -1}, "negative"),
        ({"sum": "NaN"}, "not_finite"),
    ],
)
def test_bad_histogram_is_one_reject(change: dict[str, Any], reason: str) -> None:
    """All lines of a histogram stand or fall together."""
    mapped = run_both(HISTOGRAM, _row(**change))
    assert (values(mapped), mapped.rejects.counts) == ({}, {reason: 1})


@pytest.mark.parametrize("key", ["buckets", "sum", "count"])
@pytest.mark.parametrize("is_null", [True, False])
def test_histogram_without_a_part_is_a_reject(key: str, is_null: bool) -> None:  # noqa: FBT001 (a case)
    """A histogram whose buckets, sum or count are null or not there is not quiet about it."""
    (row,) = _row(**{key: None})
    mapped = run_both(HISTOGRAM, [row if is_null else {name: node for name, node in row.items() if name != key}])
    assert (values(mapped), mapped.rejects.counts) == ({}, {"incomplete": 1})


def test_histogram_without_any_part_is_no_sample() -> None:
    """Where no part of a histogram is there, there is no histogram."""
    mapped = run_both(HISTOGRAM, [*_row(), {"path": "/idle", "buckets": None, "sum": None}])
    assert (len(values(mapped)), mapped.rejects.total) == (5, 0)


def test_summary_without_quantiles_has_sum_and_count() -> None:
    """The quantiles of a summary may be missing in a row."""
    rows = [{"quantiles": {"0.5": 1}, "sum": 20, "count": 10}, {"sum": 2, "count": 1}]
    config = SUMMARY.replace("count: $r.count", "count: $r.count, labels: {n: $r.count}")
    assert values(run_both(config, rows))['wait_sum{n="1"}'] == [2.0]


def test_observed_histogram_counts_its_values() -> None:
    """Each value is one observation; those of one interval are added up."""
    assert values(run_both(OBSERVED, [0.2, 0.7, 3])) == {
        'wait_seconds_bucket{le="0.5"}': [1.0],
        'wait_seconds_bucket{le="1.0"}': [2.0],
        'wait_seconds_bucket{le="+Inf"}': [3.0],
        "wait_seconds_count": [3.0],
        "wait_seconds_sum": [3.9],
    }


def test_observed_lists() -> None:
    """A list of observations has the implied times of its list."""
    config = OBSERVED.replace("bounds:", 'time: {start: "{window.start}", step: 5m}, bounds:')
    found = points(run_both(config, [[0.2, None, 3]]))
    assert [start for start, _, _ in found["wait_seconds_count"]] == [START, START + 2 * STEP]


def test_summary() -> None:
    """A summary has its quantiles, its sum and its count."""
    rows = [{"quantiles": {"0.5": 1, "0.99": 9, "1": None}, "sum": 20, "count": 10}]
    assert values(run_both(SUMMARY, rows)) == {
        "wait_count": [10.0],
        "wait_sum": [20.0],
        'wait{quantile="0.5"}': [1.0],
        'wait{quantile="0.99"}': [9.0],
    }


def test_quantile_out_of_range_is_a_reject() -> None:
    """A quantile above 1 costs the row: it may be a percentile."""
    rows = [{"quantiles": {"99": 9}, "sum": 20, "count": 10}]
    assert run_both(SUMMARY, rows).rejects.counts == {"out_of_range": 1}


def test_stateset() -> None:
    """A stateset has one line per declared state, 1 for the one that is."""
    assert values(run_both(STATES, [{"state": "open", "name": "a"}])) == {
        'door{door="open",name="a"}': [1.0],
        'door{door="closed",name="a"}': [0.0],
    }


@pytest.mark.parametrize("state", ["ajar", 1, {}, []])
def test_unknown_state_is_a_reject(state: Any) -> None:
    """A state that was not declared is a reject."""
    mapped = run_both(STATES, [{"state": state, "name": "a"}])
    assert values(mapped) == {}
    assert mapped.rejects.total == 1


@pytest.mark.parametrize("state", [None, "ND"])
def test_no_state_is_no_sample(state: Any) -> None:
    """A null or missing state is no sample and no reject."""
    mapped = run_both("missing: [ND]" + STATES, [{"state": state, "name": "a"}])
    assert (values(mapped), mapped.rejects.total) == ({}, 0)


def test_info() -> None:
    """An info is 1 with the labels of its row."""
    config = '{rows: {r: "$[*]"}, metrics: {build_info: {type: info, labels: {version: $r.version}}}}'
    assert values(run_both(config, [{"version": "1.2"}])) == {'build_info{version="1.2"}': [1.0]}
