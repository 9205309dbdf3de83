from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.ledger.building import MINUTE, T0, Ledger, counter, facts, fives, gauge, instants, series
from timepoint.ledger.memory import MemoryStore
from timepoint.model import FamilySpec, MetricSpec, MetricType, Points, SeriesPoints, Temporality


def show(spec: MetricSpec, points: SeriesPoints, **run: object) -> dict[str, float]:
    """What one run of one series shows."""
    ledger = Ledger(MemoryStore(), [spec])
    ledger.run(facts(0, 30, **run), {'{a="b"}': points})  # type: ignore[arg-type]  # names of facts()
    return ledger.values()


@pytest.mark.parametrize(
    ("points", "value"),
    [
        (Points.LAST, 4),
        (Points.SUM, 15),
        (Points.MEAN, 3.75),
        (Points.MIN, 1),
        (Points.MAX, 8),
        (Points.COUNT, 4),
    ],
)
def test_points_says_what_of_a_run_is_shown(points: Points, value: float) -> None:
    """Each choice of points gives its value over the usable timepoints."""
    assert show(gauge(points=points), fives(0, 2, 8, 1, 4)) == {'{a="b"}': value}


def test_last_is_the_newest_by_time(ledger: Ledger) -> None:
    """Only points of the window count, the newest of them is shown."""
    assert show(gauge(), fives(-10, 1, 2, 3, 4, 5, 6, 7, 8, 9)) == {'{a="b"}': 8}


def test_window_that_is_not_asked_does_not_bind_a_gauge() -> None:
    """The newest settled value is shown even if it is older than the window."""
    assert show(gauge(), fives(-20, 1, 2), window_is_asked=False) == {'{a="b"}': 2}


def test_value_that_is_not_settled_is_not_shown() -> None:
    """Points younger than the delay may still change, and points in the future are never latest (A27)."""
    points = instants((25, 1), (30, 2), (31, 3), (90, 4))
    assert show(gauge(), points, window_is_asked=False) == {'{a="b"}': 2}


def test_point_without_time_is_shown() -> None:
    """An instant at the fire time is in, whatever the delay, if the metric has no time of its own."""
    assert show(replace(gauge(), timed=False), instants((40, 7))) == {'{a="b"}': 7}


@pytest.mark.parametrize("window_is_asked", [True, False])
def test_stamp_at_the_fire_time_is_not_settled(window_is_asked: bool) -> None:  # noqa: FBT001  # a case
    """A stamp that an API gives is judged by its time, also where it happens to be the fire time."""
    points = instants((25, 1), (40, 7))
    assert show(gauge(), points, window_is_asked=window_is_asked) == {'{a="b"}': 1}


@pytest.mark.parametrize(
    ("points", "values", "shown"),
    [
        (Points.LAST, (1, math.nan), math.nan),
        (Points.MIN, (math.nan, 3, 2), 2),
        (Points.MAX, (math.nan, 3, 2), 3),
        (Points.MAX, (math.nan, math.nan), math.nan),
        (Points.SUM, (math.inf, -math.inf), math.nan),
        (Points.SUM, (1e308, 1e308), math.inf),
        (Points.MEAN, (1e308, 1e308), 1e308),
    ],
)
def test_odd_numbers_of_a_gauge(points: Points, values: tuple[float, ...], shown: float) -> None:
    """NaN and infinities pass as in PromQL; no sum raises."""
    assert repr(show(gauge(points=points), fives(0, *values))['{a="b"}']) == repr(float(shown))


def test_scattered_usable_points_are_aggregated() -> None:
    """A point outside of the window between usable ones is left out."""
    points = series((0, 5, 1), (-5, 10, 100), (10, 15, 2))
    assert show(gauge(points=Points.SUM), points) == {'{a="b"}': 3}


def test_info_shows_one() -> None:
    """An info is there or not; its value is 1."""
    info = replace(gauge("x_info", metric_type=MetricType.INFO), timed=False)
    assert show(info, instants((40, 0))) == {'{a="b"}': 1}


def test_stateset_shows_one_or_zero_by_its_newest_point() -> None:
    """The newest timepoint says whether a state is on."""
    ledger = Ledger(MemoryStore(), [gauge("x", metric_type=MetricType.STATESET)])
    ledger.run(facts(0, 30), {'{x="up"}': fives(0, 0, 1), '{x="down"}': fives(0, 1, 0)})
    assert ledger.values() == {'{x="up"}': 1, '{x="down"}': 0}


def test_summary_has_gauges_and_counters() -> None:
    """Quantiles show their newest value, sum and count add up."""
    spec = MetricSpec(FamilySpec("s", MetricType.SUMMARY, "Help."), Temporality.DELTA)
    ledger = Ledger(MemoryStore(), [spec])
    for run in range(2):
        at = run * 5
        ledger.run(
            facts(at, at + 5), {'{quantile="0.5"}': fives(at, 3 + run), "_sum": fives(at, 10), "_count": fives(at, 4)}
        )
    assert ledger.values() == {'{quantile="0.5"}': 4, "_sum": 20, "_count": 8}


def test_one_horizon_shows_the_forecast_for_then() -> None:
    """The interval that holds fire time + horizon is shown, without a label."""
    spec = gauge(horizons=(60 * MINUTE,))
    assert show(spec, series((40, 100, 1), (100, 160, 2), (160, 220, 3))) == {'{a="b"}': 2}


def test_several_horizons_get_a_label() -> None:
    """Each horizon is a series of its own; one that the forecast does not reach is absent."""
    spec = gauge(horizons=(0, 60 * MINUTE, 600 * MINUTE))
    shown = show(spec, series((40, 100, 1), (100, 160, 2), (160, 220, 3)))
    assert shown == {'{a="b",horizon="0s"}': 1, '{a="b",horizon="1h"}': 2}


@pytest.mark.parametrize(("fire", "value"), [(39, None), (40, 1), (99, 1), (100, 2), (159, 2), (160, None)])
def test_instant_of_a_forecast_holds_until_the_next(fire: int, value: float | None) -> None:
    """The last instant before is shown; the last of all holds as long as the one before it."""
    shown = show(gauge(horizons=(0,)), instants((40, 1), (100, 2)), fire=fire)
    assert shown == ({} if value is None else {'{a="b"}': value})


def test_newest_timepoint_of_a_gauge_is_kept() -> None:
    """The data timestamp is the end of the newest usable point."""
    ledger = Ledger(MemoryStore(), [gauge()])
    ledger.run(facts(0, 30), {"": fives(0, 1, 2, 3)})
    metric = ledger.lane.metric(ledger.metrics[0])
    assert metric is not None
    assert metric.newest == T0 + 15 * MINUTE


def test_gauges_and_counters_of_one_job_stand_side_by_side() -> None:
    """Metrics of a job are decided apart and committed together."""
    ledger = Ledger(MemoryStore(), [counter(), gauge()])
    change_set = ledger.run(facts(0, 10), {"": fives(0, 1, 2)}, {"": fives(0, 5, 6)})
    assert (ledger.value(index=0), ledger.value(index=1)) == (3, 6)
    assert change_set.counts.born == 2
