from __future__ import annotations

from array import array
from dataclasses import replace
from math import nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import HOUR, T0, Ledger, counter, facts, fives, gauge
from timepoint.ledger.budget import Budget, offenders, sum_points
from timepoint.ledger.memory import MemoryStore
from timepoint.model import (
    OVERFLOW,
    FamilySpec,
    MappedRun,
    MetricSpec,
    MetricType,
    Refused,
    Rejects,
    SeriesPoints,
    Temporality,
    Times,
)


def answer(*names: str, value: float = 1) -> dict[str, SeriesPoints]:
    """One point of each pod."""
    return {f'{{pod="{name}"}}': fives(0, value) for name in names}


def pods(offered: dict[str, SeriesPoints]) -> list[str]:
    """The names in an answer."""
    return [text.removeprefix('{pod="').removesuffix('"}') for text in offered]


def fitted(ledger: Ledger, limit: int, *offered: dict[str, SeriesPoints]) -> MappedRun:
    """What of an answer fits into the budget of the job."""
    metrics = {spec.family.name: spec for spec in ledger.metrics}
    mapped = MappedRun({name: dict(points) for name, points in zip(metrics, offered, strict=True)}, Rejects())
    Budget(ledger.lane, metrics, limit).fit(mapped)
    return mapped


def with_budget(spec: MetricSpec, max_series: int = 0, *, sums: bool = False) -> MetricSpec:
    """A metric with a limit of its own, or whose overflow is added up."""
    return replace(spec, max_series=max_series, sums_overflow=sums)


def test_what_fits_is_not_touched(ledger: Ledger) -> None:
    """A run within its budget has no rejects."""
    mapped = fitted(ledger, 3, answer("a", "b", "c"))
    assert pods(mapped.series["x_total"]) == ["a", "b", "c"]
    assert not mapped.rejects.total


def test_new_series_are_admitted_in_the_order_of_the_answer(ledger: Ledger) -> None:
    """Those beyond the budget are rejects, one for each."""
    mapped = fitted(ledger, 2, answer("c", "a", "b"))
    assert pods(mapped.series["x_total"]) == ["c", "a"]
    assert mapped.rejects.counts == {"series_budget": 1}


def test_existing_series_work_on_whatever_comes_beside_them(ledger: Ledger) -> None:
    """A flood of new names before them in the answer costs them nothing."""
    ledger.run(facts(0, 10), answer("a", "b"))
    mapped = fitted(ledger, 3, answer(*(f"flood-{number}" for number in range(50)), "a", "b"))
    assert pods(mapped.series["x_total"]) == ["flood-0", "a", "b"]
    assert mapped.rejects.counts == {"series_budget": 49}


def test_series_that_left_the_page_fill_the_budget_and_may_return(ledger: Ledger) -> None:
    """Their totals are kept, so a lane's state is bounded, not only its page."""
    ledger.run(facts(0, 10), answer("a", "b"))
    ledger.run(facts(10, 20), {'{pod="b"}': fives(10, 1)})
    mapped = fitted(ledger, 2, answer("c", "a"))
    assert pods(mapped.series["x_total"]) == ["a"]
    [example] = mapped.rejects.examples["series_budget"]
    assert "max_series 2 of the job (1 on the page, 1 kept since they left it)" in example


def test_a_budget_below_what_is_there_takes_nothing_away(ledger: Ledger) -> None:
    """A limit that is lowered ends growth; it does not delete."""
    ledger.run(facts(0, 10), answer("a", "b"))
    assert pods(fitted(ledger, 1, answer("a", "b", "c")).series["x_total"]) == ["a", "b"]


def test_the_budget_of_a_job_is_shared_by_its_metrics() -> None:
    """What one metric takes, another cannot have."""
    ledger = Ledger(MemoryStore(), [counter(), gauge()])
    mapped = fitted(ledger, 5, answer("a", "b", "c"), answer("a", "b", "c"))
    assert [len(series) for series in mapped.series.values()] == [3, 2]


def test_a_metric_may_have_a_budget_of_its_own() -> None:
    """Its overflow is its own affair."""
    ledger = Ledger(MemoryStore(), [with_budget(counter(), 1), gauge()])
    mapped = fitted(ledger, 100, answer("a", "b"), answer("a", "b"))
    assert [len(series) for series in mapped.series.values()] == [1, 2]
    assert "x_total: no room within max_series 1 (0 on the page" in mapped.rejects.examples["series_budget"][0]


def test_what_is_beyond_is_added_up_where_it_is_asked_for() -> None:
    """One series holds the sum, interval by interval, and the rest is as before."""
    ledger = Ledger(MemoryStore(), [with_budget(counter(), sums=True)])
    offered = {text: fives(0, 1, 2) for text in answer("a", "b", "c")}
    mapped = fitted(ledger, 1, offered)
    assert list(mapped.series["x_total"]) == ['{pod="a"}', OVERFLOW]
    assert list(mapped.series["x_total"][OVERFLOW].values) == [2, 4]
    assert mapped.rejects.counts == {"series_budget": 2}


def test_the_sum_of_totals_is_the_sum_of_the_api_whoever_is_in_the_overflow() -> None:
    """Over runs that read again, a series that gets its own place is taken from the overflow as a revision."""
    ledger = Ledger(MemoryStore(), [with_budget(counter(), sums=True)])
    mapped = fitted(ledger, 1, answer("a", "b", "c"))
    ledger.run(facts(0, 10, overlap=10), mapped.series["x_total"])
    mapped = fitted(ledger, 3, answer("a", "b", "c"))
    ledger.run(facts(0, 15, overlap=15), mapped.series["x_total"])
    states = ledger.on_page().values()
    assert sum(state.value - state.debt for state in states) == 3


def test_the_lines_of_a_histogram_fit_together_or_not_at_all() -> None:
    """Half a histogram would be worse than none."""
    spec = MetricSpec(FamilySpec("h", MetricType.HISTOGRAM, "Help."), Temporality.DELTA, max_age=HOUR)
    ledger = Ledger(MemoryStore(), [spec])
    parts = ('_bucket{{a="{0}",le="+Inf"}}', '_count{{a="{0}"}}', '_sum{{a="{0}"}}')
    offered = {part.format(name): fives(0, 1) for name in "xy" for part in parts}
    assert list(fitted(ledger, 5, offered).series["h"]) == [part.format("x") for part in parts]


def test_what_the_mapping_refused_is_told_with_the_rest(ledger: Ledger) -> None:
    """One reject of the run names both, whoever stopped first."""
    mapped = MappedRun({"x_total": answer("a", "b")}, refused={"x_total": Refused(70, ['{pod="z1"}'])})
    Budget(ledger.lane, {"x_total": ledger.metrics[0]}, 1).fit(mapped)
    assert mapped.rejects.counts == {"series_budget": 71}
    assert len(mapped.rejects.examples["series_budget"]) == 1


def test_the_mapping_is_told_what_exists_and_how_much_more_may_come(ledger: Ledger) -> None:
    """Twice the room and some more, as rows without values make texts too; what the ledger holds always passes."""
    ledger.run(facts(0, 10), answer("a", "b"))
    ledger.run(facts(10, 20), {'{pod="b"}': fives(10, 1)})
    admission = Budget(ledger.lane, {"x_total": ledger.metrics[0]}, 100).admission()
    assert admission.rooms == {"x_total": 2 * 98 + 10_000}
    assert [admission.is_known("x_total", text) for text in answer("a", "b", "c")] == [True, True, False]


def test_offenders_are_the_label_with_most_values_and_their_beginnings() -> None:
    """A person sees at a glance which label to drop."""
    texts = [f'{{app="shop",pod="cart-{number}",zone="z{number % 3}"}}' for number in range(60)]
    texts += [f'{{app="shop",pod="{number}x"}}' for number in (123, 1234, 1235)]
    assert offenders(texts) == (
        "the label pod has 63 values in 63 of the refused, beginning with 'cart-' 95%, '123' 5%"
    )
    assert offenders([""]) == "they have no labels"


@pytest.mark.parametrize(
    ("values", "total"),
    [([[1.0, 2.0], [10.0, 20.0]], [11, 22]), ([[nan, 2.0], [1.0, nan]], [1, 2])],
)
def test_sums_are_made_interval_by_interval(values: list[list[float]], total: list[float]) -> None:
    """NaN is no value, and takes none away."""
    times = Times((T0, T0 + 1), (T0 + 1, T0 + 2))
    assert list(sum_points([SeriesPoints(times, array("d", column)) for column in values]).values) == total


def test_sums_of_different_grids_are_in_the_order_of_time() -> None:
    """Intervals that only some series have are in the sum as well."""
    summed = sum_points([fives(5, 1.0, 2.0), fives(0, 10.0, 20.0)])
    assert summed.times == fives(0, 1, 1, 1).times
    assert list(summed.values) == [10, 21, 2]


NAMES = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10)


@given(runs=st.lists(NAMES, min_size=1, max_size=6), limit=st.integers(1, 8), sums=st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_comes_the_ledger_stays_within_its_budget(runs: list[list[str]], limit: int, *, sums: bool) -> None:
    """Known series are always taken, new ones up to the limit; with a sum for the rest no amount is lost (A17)."""
    ledger = Ledger(MemoryStore(), [with_budget(counter(), sums=sums)])
    sent = 0
    for number, names in enumerate(runs):
        state = ledger.lane.metric(ledger.metrics[0])
        known = {*state.series, *state.absent} if state else set()
        offered = {f'{{pod="{name}"}}': fives(10 * number, 1) for name in names}
        mapped = fitted(ledger, limit, offered)
        taken = mapped.series["x_total"]
        assert known & offered.keys() <= taken.keys()
        assert mapped.rejects.total == len(offered.keys() - taken.keys())
        ledger.run(facts(10 * number, 10 * number + 10), taken)
        sent += len(offered)
    state = ledger.lane.metric(ledger.metrics[0])
    assert state is not None
    held = {**state.series, **state.absent}
    assert len(held.keys() - {OVERFLOW}) <= limit
    if sums:
        assert sum(one.value for one in held.values()) == sent
