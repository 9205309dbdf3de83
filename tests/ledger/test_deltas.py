from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.ledger.building import DAY, MINUTE, T0, Ledger, counter, facts, fives, instants, series
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.store import Store
from timepoint.model import MetricType, OnRevision


def test_first_run_counts_every_interval_in_the_window(ledger: Ledger) -> None:
    """The total of a new series is the sum of its intervals."""
    change_set = ledger.run(facts(0, 30), {"": fives(0, 1, 2, 3, 4, 5, 6)})
    assert ledger.value() == 21
    assert (change_set.counts.new, change_set.counts.born) == (6, 1)


def test_interval_read_again_with_the_same_value_is_seen(ledger: Ledger) -> None:
    """What an overlap reads again adds nothing."""
    ledger.run(facts(0, 30, overlap=15), {"": fives(0, 1, 2, 3, 4, 5, 6)})
    change_set = ledger.run(facts(15, 40, overlap=15), {"": fives(15, 4, 5, 6, 7, 8)})
    assert ledger.value() == 36
    assert (change_set.counts.new, change_set.counts.seen, change_set.counts.late) == (2, 3, 0)


def test_whole_run_repeated_changes_nothing(ledger: Ledger) -> None:
    """The same answer for the same window counts once."""
    for _ in range(3):
        ledger.run(facts(0, 30, overlap=30), {"": fives(0, 1, 2, 3, 4, 5, 6)})
    assert ledger.value() == 21


def test_late_interval_is_counted_when_it_comes(ledger: Ledger) -> None:
    """An interval that was missing is counted by a later overlap, and called late (U8)."""
    ledger.run(facts(0, 30, overlap=30), {"": series((0, 5, 1), (5, 10, 2), (20, 25, 5))})
    change_set = ledger.run(facts(0, 40, overlap=30), {"": fives(0, 1, 2, 3, 4, 5, 6, 7, 8)})
    assert ledger.value() == 36
    assert (change_set.counts.new, change_set.counts.late, change_set.counts.seen) == (5, 3, 3)


def test_rise_of_a_counted_value_is_added(ledger: Ledger) -> None:
    """A revision upwards adds the difference (U9)."""
    ledger.run(facts(0, 10, overlap=10), {"": fives(0, 1, 2)})
    change_set = ledger.run(facts(0, 10, overlap=10), {"": fives(0, 1, 5)})
    assert ledger.value() == 6
    assert (change_set.counts.revised, change_set.counts.seen, change_set.counts.new) == (1, 1, 0)


def test_fall_of_a_counted_value_becomes_a_debt_that_increments_pay(ledger: Ledger) -> None:
    """A revision downwards never lowers the total; later increments pay it back (U9)."""
    ledger.run(facts(0, 10, overlap=10), {"": fives(0, 10, 10)})
    ledger.run(facts(0, 10, overlap=10), {"": fives(0, 10, 4)})
    assert (ledger.value(), ledger.debt()) == (20, 6)
    ledger.run(facts(0, 15, overlap=15), {"": fives(0, 10, 4, 5)})
    assert (ledger.value(), ledger.debt()) == (20, 1)
    ledger.run(facts(0, 20, overlap=20), {"": fives(0, 10, 4, 5, 3)})
    assert (ledger.value(), ledger.debt()) == (22, 0)


def test_debt_of_a_metric_is_the_sum_over_its_page(ledger: Ledger) -> None:
    """What downward revisions owe can be shown."""
    ledger.run(facts(0, 5, overlap=5), {"{a}": fives(0, 10), "{b}": fives(0, 10), "{c}": fives(0, 10)})
    ledger.run(facts(0, 5, overlap=5), {"{a}": fives(0, 9), "{b}": fives(0, 8), "{c}": fives(0, 10)})
    metric = ledger.lane.metric(ledger.metrics[0])
    assert metric is not None
    assert metric.debt() == 3


def test_ignored_revision_is_counted_as_revised_once() -> None:
    """With on_revision ignore the total stays, and the new value is not reported at every later reading."""
    ledger = Ledger(MemoryStore(), [counter(on_revision=OnRevision.IGNORE)])
    ledger.run(facts(0, 10, overlap=10), {"": fives(0, 10, 10)})
    first = ledger.run(facts(0, 10, overlap=10), {"": fives(0, 10, 40)})
    second = ledger.run(facts(0, 10, overlap=10), {"": fives(0, 10, 40)})
    assert (ledger.value(), ledger.debt()) == (20, 0)
    assert (first.counts.revised, second.counts.revised) == (1, 0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(-1.0, "negative"), (math.nan, "not_finite"), (math.inf, "not_finite"), (-math.inf, "not_finite")],
)
def test_value_that_a_counter_cannot_add_costs_one_point(ledger: Ledger, value: float, reason: str) -> None:
    """A negative or not finite amount is a reject; its neighbours count (A26)."""
    change_set = ledger.run(facts(0, 15), {"": fives(0, 1, value, 4)})
    assert ledger.value() == 5
    assert change_set.rejects.counts == {reason: 1}
    assert change_set.rejects.examples[reason] == ["x_total at 2023-11-14T22:30:00Z"]


def test_refused_value_may_come_right_later(ledger: Ledger) -> None:
    """A point whose value was refused was not counted, so its good value is."""
    ledger.run(facts(0, 15, overlap=15), {"": fives(0, 1, math.nan, 4)})
    ledger.run(facts(0, 15, overlap=15), {"": fives(0, 1, 2, 4)})
    assert ledger.value() == 7


def test_bad_value_does_not_take_a_known_counter_from_the_page(ledger: Ledger) -> None:
    """A series whose only value in a run is refused keeps showing its total."""
    ledger.run(facts(0, 5), {"": fives(0, 3)})
    ledger.run(facts(5, 10), {"": fives(5, -1)})
    assert ledger.values() == {"": 3}


def test_series_with_bad_values_alone_is_not_born(ledger: Ledger) -> None:
    """A counter begins with its first countable value."""
    ledger.run(facts(0, 5), {"": fives(0, math.nan)})
    assert ledger.values() == {}


def test_negative_zero_is_zero(ledger: Ledger) -> None:
    """-0.0 is an amount like 0.0, and equal to it when it is read again."""
    ledger.run(facts(0, 5, overlap=5), {"": fives(0, -0.0)})
    change_set = ledger.run(facts(0, 5, overlap=5), {"": fives(0, 0.0)})
    assert math.copysign(1, ledger.value()) == 1
    assert (change_set.counts.seen, change_set.counts.revised) == (1, 0)


def test_interval_that_overlaps_a_counted_one_is_refused(ledger: Ledger) -> None:
    """Hourly sums beside five-minute sums of the same hour would count twice (R15)."""
    ledger.run(facts(0, 30, overlap=30), {"": fives(0, 1, 1, 1, 1, 1, 1)})
    change_set = ledger.run(facts(0, 60, overlap=30), {"": series((0, 30, 6), (20, 40, 4), (30, 60, 6))})
    assert ledger.value() == 12
    assert change_set.rejects.counts == {"overlap": 2}


def test_intervals_of_one_answer_that_overlap_count_once(ledger: Ledger) -> None:
    """Of two overlapping intervals in one body the one that ends first counts."""
    change_set = ledger.run(facts(0, 30), {"": series((0, 10, 1), (5, 15, 10), (10, 20, 100))})
    assert ledger.value() == 101
    assert change_set.rejects.counts == {"overlap": 1}


def test_points_outside_the_asked_window_are_refused(ledger: Ledger) -> None:
    """An answer longer than the question adds only what was asked for (R15) (A27)."""
    change_set = ledger.run(facts(10, 20), {"": fives(0, 1, 2, 4, 8, 16, 32)})
    assert ledger.value() == 12
    assert change_set.rejects.counts == {"outside_window": 1}
    assert change_set.counts.unused == 3


def test_points_outside_a_window_that_was_not_asked_are_left_alone(ledger: Ledger) -> None:
    """An API that always answers its last day makes no rejects of it, and counts only the window."""
    change_set = ledger.run(facts(10, 20, window_is_asked=False), {"": fives(0, 1, 2, 4, 8, 16, 32)})
    assert ledger.value() == 12
    assert (change_set.rejects.total, change_set.counts.unused) == (0, 4)


def test_interval_across_the_edge_of_the_window_is_refused(ledger: Ledger) -> None:
    """An interval counts only if all of it was asked for."""
    ledger.run(facts(0, 10), {"": series((-5, 1, 1), (1, 9, 2), (8, 12, 4))})
    assert ledger.value() == 2


def test_instant_at_the_end_of_the_window_belongs_to_the_next(ledger: Ledger) -> None:
    """Windows are half-open: an instant at the border counts in one run only."""
    ledger.run(facts(0, 10), {"": instants((0, 1), (5, 2), (10, 4))})
    ledger.run(facts(10, 20), {"": instants((10, 4), (15, 8))})
    assert ledger.value() == 15


def test_stamp_at_the_fire_time_waits_for_its_window(ledger: Ledger) -> None:
    """A stamp that happens to be the fire time is not settled yet: it counts with the value of its own window."""
    ledger.run(facts(0, 10, fire=20), {"": instants((5, 1), (20, 7))})
    ledger.run(facts(10, 30, fire=40), {"": instants((20, 8))})
    assert ledger.value() == 9


def test_point_without_time_counts_once_per_fire_time() -> None:
    """A point at the fire time is in, though the window ends before it; a retry of the run does not count it again."""
    ledger = Ledger(MemoryStore(), [replace(counter(), timed=False)])
    ledger.run(facts(0, 10, fire=20), {"": instants((20, 7))})
    ledger.run(facts(0, 10, fire=20), {"": instants((20, 7))})
    ledger.run(facts(10, 40, fire=50), {"": instants((50, 2))})
    assert ledger.value() == 9


def test_wider_overlap_does_not_count_what_is_no_longer_known(ledger: Ledger) -> None:
    """After the overlap was widened in the config, what was forgotten is refused rather than counted twice."""
    ledger.run(facts(0, 30, overlap=5), {"": fives(0, 1, 1, 1, 1, 1, 1)})
    for end in (35, 40):
        change_set = ledger.run(facts(0, end, overlap=35), {"": fives(0, *[1] * (end // 5))})
        assert ledger.value() == end // 5
        assert change_set.rejects.counts == {"too_old": 4}


def test_series_new_to_the_ledger_counts_all_of_a_wide_window(ledger: Ledger) -> None:
    """Nothing of a new series was ever counted, however old its points are."""
    ledger.run(facts(0, 30, overlap=5), {"{old}": fives(0, 1, 1, 1, 1, 1, 1)})
    ledger.run(facts(0, 35, overlap=35), {"{old}": fives(30, 1), "{new}": fives(0, 1, 1, 1, 1, 1, 1, 1)})
    assert ledger.values() == {"{old}": 7, "{new}": 7}


def test_only_what_may_be_read_again_is_remembered(ledger: Ledger) -> None:
    """Memory per series follows the overlap, not the history."""
    for run in range(20):
        ledger.run(facts(run * 30, run * 30 + 30, overlap=10), {"": fives(run * 30, 1, 1, 1, 1, 1, 1)})
    assert len(ledger.on_page()[""].times) == 3, "what overlap reads again, and the newest interval before it"
    assert len(ledger.on_page()[""].recent) == 24


def test_series_on_one_grid_share_it(ledger: Ledger) -> None:
    """Equal grids are one object, also when the answer gives each series its own."""
    ledger.run(facts(0, 10, overlap=10), {"{a}": fives(0, 1, 2), "{b}": fives(0, 3, 4)})
    states = ledger.on_page()
    assert states["{a}"].times is states["{b}"].times


def test_total_of_many_small_amounts_is_exact(ledger: Ledger) -> None:
    """A million additions of 0.1 stay within one rounding of the true sum."""
    ledger.run(facts(0, 5), {"": fives(0, 1e9)})
    for run in range(1, 2001):
        ledger.run(facts(run * 5, run * 5 + 5), {"": fives(run * 5, 0.1)})
    exact = math.fsum([1e9, *[0.1] * 2000])
    assert ledger.value() == exact


def test_sum_beyond_float64_is_refused_and_changes_nothing(ledger: Ledger) -> None:
    """Amounts that together are too big leave the total as it was."""
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    change_set = ledger.run(facts(5, 15), {"": fives(5, 1.7e308, 1.7e308)})
    assert ledger.value() == 1
    assert change_set.rejects.counts == {"not_finite": 2}


def test_total_beyond_float64_is_refused_and_costs_no_commit(store: Store) -> None:
    """An amount that is fine by itself, but too big for the total, is a reject; other series go on."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {"{a}": fives(0, 1.7e308), "{b}": fives(0, 1)})
    change_set = ledger.run(facts(5, 10), {"{a}": fives(5, 1.7e308), "{b}": fives(5, 1)})
    assert ledger.values() == {"{a}": 1.7e308, "{b}": 2}
    assert change_set.rejects.counts == {"not_finite": 1}
    assert store.load("job", "") == ledger.lane


def test_histogram_counts_each_of_its_parts() -> None:
    """The parts of a histogram are counters like any other."""
    spec = counter("h")
    spec = type(spec)(type(spec.family)("h", MetricType.HISTOGRAM, "Help."), spec.temporality)
    ledger = Ledger(MemoryStore(), [spec])
    for run in range(2):
        ledger.run(
            facts(run * 5, run * 5 + 5),
            {
                '_bucket{le="1"}': fives(run * 5, 1),
                '_bucket{le="+Inf"}': fives(run * 5, 3),
                "_count": fives(run * 5, 3),
            },
        )
    assert ledger.values() == {'_bucket{le="1"}': 2, '_bucket{le="+Inf"}': 6, "_count": 6}


def test_label_with_half_a_surrogate_costs_its_series(ledger: Ledger) -> None:
    """A text that cannot be written as UTF-8 is a reject; the others are kept."""
    change_set = ledger.run(facts(0, 5), {'{a="\ud800"}': fives(0, 1), '{a="b"}': fives(0, 2)})
    assert ledger.values() == {'{a="b"}': 2}
    assert change_set.rejects.counts == {"not_unicode": 1}


def test_time_beyond_all_calendars_is_only_a_reject(ledger: Ledger) -> None:
    """A stamp that no calendar holds can still be told in an example."""
    change_set = ledger.run(facts(0, 5), {"": instants((10**15, 1))})
    assert change_set.rejects.counts == {"outside_window": 1}


def test_newest_timepoint_is_kept_per_metric(ledger: Ledger) -> None:
    """The end of the newest used interval is the metric's data timestamp."""
    ledger.run(facts(0, 30), {"{a}": fives(0, 1, 1), "{b}": fives(0, 1, 1, 1)})
    metric = ledger.lane.metric(ledger.metrics[0])
    assert metric is not None
    assert metric.newest == T0 + 15 * MINUTE


def test_catch_up_after_an_outage_counts_what_was_missed(ledger: Ledger) -> None:
    """The first run after a day without runs asks for the day, and all of it counts once."""
    ledger.run(facts(0, 30, overlap=10), {"": fives(0, 1, 1, 1, 1, 1, 1)})
    ledger.run(facts(20, DAY // MINUTE, overlap=10), {"": fives(20, *[1] * (284))})
    assert ledger.value() == 6 + 282


def test_gap_behind_the_newest_of_a_series_is_counted_when_it_is_read_again(ledger: Ledger) -> None:
    """While a series could not be read the lane went on; a wider overlap brings back what it has missed, and once."""
    ledger.run(facts(0, 30, overlap=5), {"": fives(0, 1, 1, 1, 1, 1, 1)})
    for end in (40, 50, 60):
        ledger.run(facts(end - 15, end, overlap=5), {})
    change_set = ledger.run(facts(10, 70, overlap=60), {"": fives(10, *[1] * 12)})
    assert ledger.value() == 14
    assert (change_set.counts.new, change_set.counts.late, change_set.counts.seen) == (8, 6, 2)
    assert change_set.rejects.counts == {"too_old": 2}


def test_gap_between_forgotten_intervals_is_not_counted(ledger: Ledger) -> None:
    """It cannot be told from what was counted there."""
    ledger.run(facts(0, 30), {"": fives(0, 1, 1)})
    ledger.run(facts(30, 60), {"": fives(30, 1, 1)})
    change_set = ledger.run(facts(0, 70, overlap=70), {"": fives(0, *[1] * 14)})
    assert ledger.value() == 4 + 6
    assert change_set.rejects.counts == {"too_old": 7}


def test_what_may_be_read_again_is_not_forgotten(store: Store) -> None:
    """A series that left just before a long outage, and comes back in the overlap behind it, counts once."""
    ledger = Ledger(store, [replace(counter(), forget_after=DAY)])
    ledger.run(facts(0, 30, overlap=60), {"": fives(0, 1, 2, 3, 4, 5, 6), "other": fives(0, 1, 1, 1, 1, 1, 1)})
    ledger.run(facts(30, 60, overlap=60), {"other": fives(30, 1, 1, 1, 1, 1, 1)})
    later = facts(0, 90, overlap=60, fire=3 * 24 * 60)
    change_set = ledger.run(later, {"": fives(0, 1, 2, 3, 4, 5, 6, 7), "other": fives(60, 1)})
    assert change_set.counts.forgotten == 0
    assert ledger.value() == 28


def test_what_can_not_be_read_again_is_forgotten(store: Store) -> None:
    """Once the windows have passed its newest interval, a series is forgotten by its age alone."""
    ledger = Ledger(store, [replace(counter(), forget_after=DAY)])
    ledger.run(facts(0, 30), {"": fives(0, 1, 2, 3, 4, 5, 6), "other": fives(0, 1)})
    ledger.run(facts(30, 60), {"other": fives(30, 1)})
    change_set = ledger.run(facts(60, 90, fire=3 * 24 * 60), {"other": fives(60, 1)})
    assert change_set.counts.forgotten == 1
