"""How a lane moves: watermark, presence, forgetting, runs in parts, edits of the config."""

from __future__ import annotations

import pytest

from tests.ledger.building import DAY, HOUR, MINUTE, T0, Ledger, counter, facts, fives, gauge
from timepoint.ledger.memory import MemoryStore
from timepoint.model import FamilySpec, MetricSpec, MetricType, Temporality


def test_watermark_is_the_end_of_the_window_even_without_points(ledger: Ledger) -> None:
    """An accepted empty answer moves the watermark; the newest point never does."""
    ledger.run(facts(0, 30), {})
    assert ledger.lane.watermark == T0 + 30 * MINUTE
    ledger.run(facts(30, 60), {"": fives(30, 1)})
    assert ledger.lane.watermark == T0 + 60 * MINUTE


def test_watermark_never_goes_back(ledger: Ledger) -> None:
    """A run with an older window, after the clock was set back, leaves it where it is."""
    ledger.run(facts(30, 60), {})
    ledger.run(facts(0, 30), {})
    assert ledger.lane.watermark == T0 + 60 * MINUTE


def test_decide_leaves_the_lane_as_it_is(ledger: Ledger) -> None:
    """Nothing in memory changes before the commit."""
    ledger.run(facts(0, 10, overlap=10), {"{a}": fives(0, 1, 2), "{b}": fives(0, 1, 2)})
    ledger.decide(facts(0, 20, overlap=10), {"{a}": fives(0, 1, 9, 3, 4), "{c}": fives(0, 1)})
    assert ledger.lane == ledger.store.load("job", "")


def test_change_set_is_not_applied_before_its_commit(ledger: Ledger) -> None:
    """Publishing before the commit would be the bug that a kill shows."""
    change_set = ledger.decide(facts(0, 10), {"": fives(0, 1)})
    with pytest.raises(AssertionError, match="before it was committed"):
        change_set.apply(ledger.lane)


def test_series_absent_from_a_run_leaves_the_page(ledger: Ledger) -> None:
    """What the API no longer names is gone at once; its total is kept."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 1), "{b}": fives(0, 2)})
    change_set = ledger.run(facts(10, 20), {"{b}": fives(10, 2)})
    assert ledger.values() == {"{b}": 4}
    assert change_set.counts.left == 1


def test_series_with_points_outside_the_window_alone_is_absent(ledger: Ledger) -> None:
    """A pod that an API lists with yesterday's values only is not shown."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 1)})
    ledger.run(facts(10, 20), {"{a}": fives(0, 1)})
    assert ledger.values() == {}


def test_series_that_returns_goes_on_from_its_total(ledger: Ledger) -> None:
    """A counter that comes back in time neither starts anew nor shows 0 first."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 1)})
    created = ledger.on_page()["{a}"].created
    ledger.run(facts(10, 20), {})
    change_set = ledger.run(facts(20, 30), {"{a}": fives(20, 5)})
    state = ledger.on_page()["{a}"]
    assert (state.value, state.created) == (6, created)
    assert state.zero_until < change_set.now
    assert (change_set.counts.returned, change_set.counts.born) == (1, 0)


def test_series_absent_too_long_is_forgotten(ledger: Ledger) -> None:
    """After forget_after the total is deleted; the series then begins anew."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 1), "{b}": fives(0, 1)})
    ledger.run(facts(10, 20), {"{b}": fives(10, 1)})
    week = 7 * DAY // MINUTE
    change_set = ledger.run(facts(week, week + 20), {"{b}": fives(week, 1)})
    assert change_set.counts.forgotten == 1
    change_set = ledger.run(facts(week + 20, week + 40), {"{a}": fives(week + 20, 7)})
    assert ledger.value("{a}") == 7
    assert change_set.counts.born == 1


def test_series_that_returns_in_the_run_that_forgets_it_is_new(ledger: Ledger) -> None:
    """The end of forget_after does not depend on whether a run happened to come before."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 1)})
    ledger.run(facts(10, 20), {})
    week = 7 * DAY // MINUTE
    change_set = ledger.run(facts(week, week + 20), {"{a}": fives(week, 7)})
    assert ledger.value("{a}") == 7
    assert (change_set.counts.forgotten, change_set.counts.born) == (1, 1)


def test_series_stays_on_the_page_through_an_outage_of_the_poller(ledger: Ledger) -> None:
    """Only a run in which it was absent takes a series away, not time alone."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 1)})
    month = 30 * DAY // MINUTE
    ledger.run(facts(month, month + 10), {"{a}": fives(month, 1)})
    assert ledger.value("{a}") == 2


def test_part_of_a_run_makes_nobody_leave(ledger: Ledger) -> None:
    """While chunks of a long catch-up are committed, series that only a later chunk has stay."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 1), "{b}": fives(0, 1), "{c}": fives(0, 1)})
    ledger.run(facts(10, 20, fire=60, ends_run=False), {"{a}": fives(10, 1)})
    assert set(ledger.values()) == {"{a}", "{b}", "{c}"}
    ledger.run(facts(20, 30, fire=60), {"{b}": fives(20, 1)})
    assert ledger.values() == {"{a}": 2, "{b}": 2}


def test_run_abandoned_in_the_middle_is_closed_by_the_next(ledger: Ledger) -> None:
    """Presence is settled by the next whole run, whatever became of the one before."""
    ledger.run(facts(0, 10, ends_run=False), {"{a}": fives(0, 1)})
    ledger.run(facts(10, 40), {"{b}": fives(10, 1)})
    assert set(ledger.values()) == {"{b}"}


def test_second_run_of_one_fire_time_settles_presence_again(ledger: Ledger) -> None:
    """Stamps grow even if fire times do not, so a repeated run can take a series away."""
    ledger.run(facts(0, 10, overlap=10), {"{a}": fives(0, 1), "{b}": fives(0, 1)})
    ledger.run(facts(0, 10, overlap=10), {"{a}": fives(0, 1)})
    assert set(ledger.values()) == {"{a}"}


def test_clock_set_back_does_not_confuse_presence(ledger: Ledger) -> None:
    """After a step back of the clock a series that is absent still leaves."""
    ledger.run(facts(60, 70), {"{a}": fives(60, 1), "{b}": fives(60, 1)})
    ledger.run(facts(0, 10), {"{a}": fives(0, 1)})
    assert set(ledger.values()) == {"{a}"}


def test_new_delta_counter_shows_zero_first(ledger: Ledger) -> None:
    """A series new to the page is 0 until zero_first has passed."""
    change_set = ledger.run(facts(0, 10), {"{a}": fives(0, 1)})
    assert ledger.on_page()["{a}"].zero_until == change_set.now + 2 * MINUTE


def shaped(name: str, temporality: Temporality, unit: str = "", forget_after: int = 7 * DAY) -> MetricSpec:
    """A counter of a given shape."""
    return MetricSpec(FamilySpec(name, MetricType.COUNTER, "Help.", unit), temporality, forget_after=forget_after)


def test_metric_declared_differently_starts_anew() -> None:
    """Totals of amounts and of readings are never mixed."""
    ledger = Ledger(MemoryStore(), [shaped("x_total", Temporality.DELTA)])
    ledger.run(facts(0, 10), {"": fives(0, 5)})
    ledger.metrics = [shaped("x_total", Temporality.CUMULATIVE)]
    ledger.run(facts(10, 20), {"": fives(10, 3)})
    assert ledger.value() == 3


def test_edit_that_is_taken_back_loses_nothing() -> None:
    """The state of a declaration that is not in use is kept for forget_after."""
    before = shaped("x_total", Temporality.DELTA)
    ledger = Ledger(MemoryStore(), [before])
    ledger.run(facts(0, 10), {"": fives(0, 5)})
    ledger.metrics = [shaped("y_total", Temporality.DELTA)]
    ledger.run(facts(10, 20), {"": fives(10, 3)})
    assert ledger.value() == 3
    ledger.metrics = [before]
    ledger.run(facts(20, 30), {"": fives(20, 2)})
    assert ledger.value() == 7


def test_metric_taken_from_the_config_is_forgotten() -> None:
    """After its forget_after nothing of it is left."""
    ledger = Ledger(MemoryStore(), [shaped("x_total", Temporality.DELTA, forget_after=HOUR), gauge()])
    ledger.run(facts(0, 10), {"": fives(0, 5)})
    ledger.metrics = [gauge()]
    ledger.run(facts(10, 60), {})
    assert len(ledger.lane.metrics) == 2
    ledger.run(facts(60, 80), {})
    assert list(ledger.lane.metrics) == ["x gauge//"]


def test_examples_of_rejects_are_few(ledger: Ledger) -> None:
    """A thousand bad points are counted and five of them told."""
    change_set = ledger.run(facts(0, 10), {f"{{a{n}}}": fives(0, -1) for n in range(1000)})
    assert change_set.rejects.counts == {"negative": 1000}
    assert len(change_set.rejects.examples["negative"]) == 5


def test_counters_of_two_metrics_are_counted_together() -> None:
    """The counts of a change set are those of its metrics."""
    ledger = Ledger(MemoryStore(), [counter("a_total"), counter("b_total")])
    change_set = ledger.run(facts(0, 10), {"": fives(0, 1, 1)}, {"": fives(0, 1)})
    assert change_set.counts.new == 3
    assert [changes.counts.new for changes in change_set.metrics.values()] == [2, 1]
