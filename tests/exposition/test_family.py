"""Families, their names, and when their samples are seen."""

import pytest

from timepoint.exposition.family import SampleBatch, is_selected, is_visible, occupied_names, openmetrics_name
from timepoint.model import FamilySpec, MetricType


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("a_total", MetricType.COUNTER, "a"),
        ("a_total_total", MetricType.COUNTER, "a_total"),
        ("a_info", MetricType.INFO, "a"),
        ("a_info", MetricType.GAUGE, "a_info"),
        ("a_total", MetricType.UNKNOWN, "a_total"),
        ("a", MetricType.STATESET, "a"),
    ],
)
def test_openmetrics_name_is_without_the_suffix_of_the_type(name: str, kind: MetricType, expected: str) -> None:
    """Only a counter loses _total, and only an info loses _info."""
    assert openmetrics_name(FamilySpec(name, kind, "")) == expected


@pytest.mark.parametrize(
    ("name", "kind"), [("a", MetricType.COUNTER), ("_total", MetricType.COUNTER), ("a_total", MetricType.INFO)]
)
def test_a_name_that_would_make_a_page_invalid_is_refused(name: str, kind: MetricType) -> None:
    """A counter without _total or an info without _info is a bug and never reaches a page."""
    with pytest.raises(ValueError, match="BUG"):
        openmetrics_name(FamilySpec(name, kind, ""))


def test_a_family_occupies_its_samples_and_what_its_type_reserves() -> None:
    """A histogram occupies its bucket, count, sum and created names beside its own."""
    assert occupied_names(FamilySpec("h", MetricType.HISTOGRAM, "")) == {
        "h",
        "h_bucket",
        "h_count",
        "h_sum",
        "h_created",
    }


def test_visibility_is_half_open() -> None:
    """A batch is seen from its first instant on and no longer at its last."""
    assert [is_visible(10, 20, now) for now in (9, 10, 19, 20)] == [False, True, True, False]
    assert is_visible(None, None, 0)


@pytest.mark.parametrize("name", ["a_total", "a"])
def test_a_family_is_selected_by_either_of_its_names(name: str) -> None:
    """A counter is found by its sample's name and by its OpenMetrics name."""
    assert is_selected(FamilySpec("a_total", MetricType.COUNTER, ""), {name})
    assert not is_selected(FamilySpec("a_total", MetricType.COUNTER, ""), {"b"})


def test_a_batch_has_a_value_for_each_series() -> None:
    """Texts and values of different length are a bug that is named where it is made."""
    with pytest.raises(ValueError, match="BUG"):
        SampleBatch(["", "{}"], [1.0])
