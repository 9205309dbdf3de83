from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.ledger.building import HOUR, MINUTE, T0, Ledger, counter, facts, fives, gauge
from timepoint.exposition.family import FamilySnapshot, is_visible
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.shown import shown
from timepoint.ledger.store import Store
from timepoint.model import FamilySpec, MetricSpec, MetricType, Temporality

FIRE = T0 + 20 * MINUTE  # of facts(0, 10)
NOW = FIRE + 1000


def families(ledger: Ledger, now: int = NOW) -> list[FamilySnapshot]:
    """What the ledger's lane shows."""
    return shown({spec.family.name: spec for spec in ledger.metrics}, [ledger.lane], now)


def visible(family: FamilySnapshot, at: int) -> dict[str, float]:
    """What a server would show of a family at a moment."""
    samples: dict[str, float] = {}
    for batch in family.batches:
        if is_visible(batch.visible_from, batch.visible_until, at):
            assert not samples.keys() & set(batch.texts)
            samples.update(zip(batch.texts, batch.values, strict=True))
    return samples


def test_lane_that_never_ran_shows_families_without_samples() -> None:
    """Every metric has its family from the start."""
    ledger = Ledger(MemoryStore(), [counter(), gauge()])
    assert [(family.spec.name, list(family.batches)) for family in families(ledger)] == [("x_total", []), ("x", [])]


def test_new_counter_is_zero_until_zero_first_has_passed() -> None:
    """The page first shows 0, then the total, and never both."""
    ledger = Ledger(MemoryStore(), [counter()])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5, 6)})
    family = families(ledger)[0]
    assert visible(family, NOW) == {"{a}": 0}
    assert visible(family, NOW + 2 * MINUTE - 1) == {"{a}": 0}
    assert visible(family, NOW + 2 * MINUTE) == {"{a}": 11}


def test_counter_rendered_after_its_zero_time_is_one_batch() -> None:
    """A page rendered later, or after a restart, has no zeros left."""
    ledger = Ledger(MemoryStore(), [counter()])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5, 6)})
    family = families(ledger, NOW + 3 * MINUTE)[0]
    assert len(family.batches) == 1
    assert visible(family, NOW) == {"{a}": 11}


def test_zero_first_off_shows_the_total_at_once() -> None:
    """With zero_first 0s there is no zero batch."""
    ledger = Ledger(MemoryStore(), [counter(zero_first=0)])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5, 6)})
    assert visible(families(ledger)[0], NOW) == {"{a}": 11}


def test_clock_set_back_makes_no_counter_zero_again() -> None:
    """A series that was made in what is now the future may have shown its total: it does not fall to 0 for an hour."""
    ledger = Ledger(MemoryStore(), [counter()])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5, 6)})
    back = NOW - HOUR
    assert visible(families(ledger, back)[0], back) == {"{a}": 11}


def test_old_and_new_counters_stand_side_by_side() -> None:
    """A known counter shows its total while a new one shows 0."""
    ledger = Ledger(MemoryStore(), [counter()])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5)})
    change_set = ledger.run(facts(10, 20), {"{a}": fives(10, 5), "{b}": fives(10, 7)})
    family = families(ledger, change_set.now)[0]
    assert visible(family, change_set.now) == {"{a}": 10, "{b}": 0}


def test_nothing_is_visible_longer_than_max_age() -> None:
    """Every batch ends max_age after the fire time of the last accepted run."""
    ledger = Ledger(MemoryStore(), [counter(), gauge()])
    ledger.run(facts(0, 10), {"": fives(0, 5)}, {"": fives(0, 5)})
    for family in families(ledger):
        assert visible(family, FIRE + HOUR - 1)
        assert not visible(family, FIRE + HOUR)
        assert all(batch.visible_until is not None for batch in family.batches)


def test_zero_time_longer_than_max_age_is_cut() -> None:
    """zero_first does not lengthen what max_age allows."""
    ledger = Ledger(MemoryStore(), [counter(zero_first=10 * HOUR)])
    ledger.run(facts(0, 10), {"": fives(0, 5)})
    assert not visible(families(ledger)[0], FIRE + HOUR)


def test_state_that_is_too_old_is_not_rendered() -> None:
    """After a long stop the restored page is empty rather than old."""
    ledger = Ledger(MemoryStore(), [counter()])
    ledger.run(facts(0, 10), {"": fives(0, 5)})
    assert families(ledger, FIRE + HOUR)[0].batches == []


def test_series_keep_their_order() -> None:
    """The order on the page is the order in which series came, run after run and after a restart."""
    ledger = Ledger(MemoryStore(), [gauge()])
    ledger.run(facts(0, 10), {"{c}": fives(0, 1), "{a}": fives(0, 1)})
    ledger.run(facts(10, 20), {"{b}": fives(10, 1), "{a}": fives(10, 1), "{c}": fives(10, 1)})
    before = [batch.texts for batch in families(ledger)[0].batches]
    ledger.restart()
    assert before == [batch.texts for batch in families(ledger)[0].batches] == [["{c}", "{a}", "{b}"]]


def test_lanes_of_a_job_share_its_families() -> None:
    """Each lane adds its series with its own end."""
    ledger = Ledger(MemoryStore(), [gauge()])
    ledger.run(facts(0, 10), {"{a}": fives(0, 1)})
    others = [Ledger(MemoryStore(), ledger.metrics) for _ in range(2)]
    for text, other in zip(("{b}", "{c}"), others, strict=True):
        other.run(facts(0, 10), {text: fives(0, 2)})
    others[0].lane.last_fire = FIRE + MINUTE
    lanes = [ledger.lane, *(other.lane for other in others)]
    family = shown({"x": ledger.metrics[0]}, lanes, NOW + MINUTE)[0]
    assert [(batch.visible_until, batch.texts) for batch in family.batches] == [
        (FIRE + HOUR, ["{a}", "{c}"]),
        (FIRE + HOUR + MINUTE, ["{b}"]),
    ]


def test_a_series_stands_on_a_page_only_once() -> None:
    """Where two lanes have the same one, that of the first is shown."""
    lanes = []
    for value in (1, 2):
        ledger = Ledger(MemoryStore(), [gauge()])
        ledger.run(facts(0, 10), {"{a}": fives(0, value)})
        lanes.append(ledger.lane)
    lanes[1].last_fire = FIRE + MINUTE
    family = shown({"x": ledger.metrics[0]}, lanes, NOW)[0]
    assert [(batch.texts, list(batch.values)) for batch in family.batches] == [(["{a}"], [1.0])]


def test_parts_of_a_histogram_stand_together_in_order() -> None:
    """Buckets by their bounds, then sum and count, group by group, whenever they came."""
    spec = MetricSpec(FamilySpec("h", MetricType.HISTOGRAM, "Help."), Temporality.DELTA, max_age=HOUR)
    ledger = Ledger(MemoryStore(), [spec])
    parts = ['_count{a="1"}', '_bucket{a="1",le="+Inf"}', '_count{a="2"}', '_bucket{a="1",le="10"}']
    ledger.run(facts(0, 10), {text: fives(0, 1) for text in parts})
    late = ['_bucket{a="2",le="+Inf"}', '_bucket{a="1",le="2.5"}', '_sum{a="1"}', '_sum{a="2"}']
    ledger.run(facts(10, 20), {text: fives(10, 1) for text in [*parts, *late]})
    assert [text for batch in families(ledger)[0].batches for text in batch.texts] == [
        '_bucket{a="1",le="2.5"}',
        '_bucket{a="1",le="10"}',
        '_bucket{a="1",le="+Inf"}',
        '_sum{a="1"}',
        '_count{a="1"}',
        '_bucket{a="2",le="+Inf"}',
        '_sum{a="2"}',
        '_count{a="2"}',
    ]


def test_bucket_that_joins_a_known_histogram_does_not_hide_it() -> None:
    """Only a group that is new as a whole shows 0 first."""
    spec = MetricSpec(
        FamilySpec("h", MetricType.HISTOGRAM, "Help."), Temporality.DELTA, max_age=HOUR, zero_first=MINUTE
    )
    ledger = Ledger(MemoryStore(), [spec])
    ledger.run(facts(0, 10), {'_bucket{le="+Inf"}': fives(0, 1)})
    change_set = ledger.run(facts(10, 20), {'_bucket{le="+Inf"}': fives(10, 1), '_bucket{le="1"}': fives(10, 1)})
    family = families(ledger, change_set.now)[0]
    assert visible(family, change_set.now) == {'_bucket{le="1"}': 1, '_bucket{le="+Inf"}': 2}


def test_new_summary_shows_its_quantiles_beside_zeros() -> None:
    """A quantile is no counter: it is true from the start, while sum and count show 0 first."""
    spec = MetricSpec(FamilySpec("s", MetricType.SUMMARY, "Help."), Temporality.DELTA, max_age=HOUR, zero_first=MINUTE)
    ledger = Ledger(MemoryStore(), [spec])
    ledger.run(facts(0, 10), {"_count": fives(0, 4), '{quantile="0.9"}': fives(0, 7), '{quantile="0.5"}': fives(0, 3)})
    family = families(ledger)[0]
    assert list(visible(family, NOW).items()) == [('{quantile="0.5"}', 3), ('{quantile="0.9"}', 7), ("_count", 0)]
    assert visible(family, NOW + MINUTE)["_count"] == 4


def test_states_of_one_entity_stand_together() -> None:
    """A stateset's lines are grouped by their other labels."""
    spec = MetricSpec(FamilySpec("st", MetricType.STATESET, "Help."), max_age=HOUR)
    ledger = Ledger(MemoryStore(), [spec])
    texts = ['{a="1",st="up"}', '{a="2",st="up"}', '{a="1",st="down"}', '{a="2",st="down"}']
    ledger.run(facts(0, 10), {text: fives(0, 1) for text in texts})
    assert families(ledger)[0].batches[0].texts == [texts[0], texts[2], texts[1], texts[3]]


def _born_and_gone(ledger: Ledger) -> int:
    """A series that is born late in a period and is not in the next run, a minute later; the moment of that run."""
    late = FIRE + 9 * MINUTE
    ledger.run(facts(0, 10, now=late), {"{a}": fives(0, 5, 6), "{b}": fives(0, 1)})
    gone = late + MINUTE
    ledger.run(facts(10, 20, now=gone), {"{b}": fives(10, 1)})
    return gone


@pytest.mark.parametrize("between", [lambda _: None, Ledger.restart], ids=["at_once", "restarted"])
def test_counter_that_left_in_its_zero_time_shows_its_total(store: Store, between: Callable[[Ledger], None]) -> None:
    """Zero until its zero time is over, then its total for as long, then nothing; after a restart too."""
    ledger = Ledger(store, [counter()])
    gone = _born_and_gone(ledger)
    between(ledger)
    family = families(ledger, gone)[0]
    assert [visible(family, gone + after).get("{a}") for after in (0, MINUTE - 1)] == [0, 0]
    assert [visible(family, gone + after).get("{a}") for after in (MINUTE, 3 * MINUTE - 1)] == [11, 11]
    assert visible(family, gone + 3 * MINUTE) == {"{b}": 2}


def test_counter_that_was_shown_long_enough_leaves_at_once(ledger: Ledger) -> None:
    """A series that the API drops does not stay because it was new some minutes ago."""
    ledger.run(facts(0, 10), {"{a}": fives(0, 5), "{b}": fives(0, 1)})
    change_set = ledger.run(facts(10, 20, now=NOW + 4 * MINUTE), {"{b}": fives(10, 1)})
    assert visible(families(ledger, change_set.now)[0], change_set.now) == {"{b}": 2}


def test_counter_that_left_and_returned_stands_once(ledger: Ledger) -> None:
    """A series on the page is no longer one that leaves."""
    gone = _born_and_gone(ledger)
    change_set = ledger.run(facts(20, 30, now=gone + 1000), {"{a}": fives(20, 4), "{b}": fives(20, 1)})
    family = families(ledger, change_set.now)[0]
    assert visible(family, gone + MINUTE) == {"{b}": 3, "{a}": 15}


def test_series_that_leave_do_not_outlive_max_age(ledger: Ledger) -> None:
    """max_age ends them as all others."""
    ledger.metrics = [counter(zero_first=10 * HOUR)]
    _born_and_gone(ledger)
    assert not visible(families(ledger)[0], FIRE + 10 * MINUTE + HOUR)


def test_only_those_that_left_lately_are_looked_at(ledger: Ledger) -> None:
    """What a page costs does not grow with the series that are kept but not shown."""
    gone = _born_and_gone(ledger)
    metric = ledger.lane.metric(ledger.metrics[0])
    assert metric is not None
    assert list(metric.leaving) == ["{a}"]
    ledger.run(facts(20, 30, now=gone + 3 * MINUTE), {"{b}": fives(20, 1)})
    assert not metric.leaving
    assert list(metric.absent) == ["{a}"]


def test_parts_of_a_histogram_leave_together() -> None:
    """A histogram that left in its zero time stays as a whole; a bucket that came later does not stay alone."""
    spec = MetricSpec(
        FamilySpec("h", MetricType.HISTOGRAM, "Help."),
        Temporality.DELTA,
        max_age=HOUR,
        zero_first=2 * MINUTE,
        forget_after=HOUR,
    )
    ledger = Ledger(MemoryStore(), [spec])
    old = {'_bucket{a="1",le="+Inf"}': 1, '_count{a="1"}': 1, '_sum{a="1"}': 3}
    young = {text.replace('"1"', '"2"'): value for text, value in old.items()}
    late = FIRE + 9 * MINUTE
    ledger.run(facts(0, 10), {text: fives(0, value) for text, value in old.items()})
    run = {**old, **young, '_bucket{a="1",le="1"}': 1}
    ledger.run(facts(10, 20, now=late), {text: fives(10, value) for text, value in run.items()})
    change_set = ledger.run(facts(20, 30, now=late + MINUTE))
    family = families(ledger, change_set.now)[0]
    assert visible(family, change_set.now) == dict.fromkeys(young, 0)
    assert visible(family, change_set.now + 2 * MINUTE) == young


def test_summary_that_left_in_its_zero_time_shows_its_count_and_sum(ledger: Ledger) -> None:
    """Its quantiles are no amounts and leave at once."""
    ledger.metrics = [
        MetricSpec(
            FamilySpec("s", MetricType.SUMMARY, "Help."),
            Temporality.DELTA,
            max_age=HOUR,
            zero_first=2 * MINUTE,
            forget_after=HOUR,
        )
    ]
    ledger.run(facts(0, 10), {"_sum": fives(0, 9), "_count": fives(0, 4), '{quantile="0.9"}': fives(0, 7)})
    change_set = ledger.run(facts(10, 20, now=NOW + 1000))
    family = families(ledger, change_set.now)[0]
    assert list(visible(family, NOW + 3 * MINUTE).items()) == [("_sum", 9), ("_count", 4)]


def created(ledger: Ledger, now: int = NOW) -> dict[str, float]:
    """When each total began that is shown, in seconds."""
    [family] = families(ledger, now)
    return {
        text: began
        for batch in family.batches
        if is_visible(batch.visible_from, batch.visible_until, now)
        for text, began in zip(batch.texts, batch.created or (), strict=True)
        if began == began  # noqa: PLR0124 - NaN is not
    }


def test_total_began_with_its_first_commit_and_after_each_reset(store: Store) -> None:
    """Restarts and short absences change nothing; a series that was forgotten begins anew, and says so."""
    ledger = Ledger(store, [replace(counter(), shows_created=True, forget_after=HOUR)])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5, 6), "{b}": fives(0, 1, 1)})
    first = NOW / 1000
    assert created(ledger) == {"{a}": first, "{b}": first}
    for end in (20, 30, 80, 90):
        now = T0 + (end + 10) * MINUTE + 1000
        ledger.run(
            facts(end - 10, end), {"{a}": fives(end - 10, 1, 1)} | ({} if end == 20 else {"{c}": fives(end - 10, 1)})
        )
        ledger.restart()
        assert created(ledger, now)["{a}"] == first
        assert created(ledger, now).get("{c}") == (None if end == 20 else (T0 + 40 * MINUTE + 1000) / 1000)
    ledger.run(facts(90, 100), {"{a}": fives(90, 1), "{b}": fives(90, 1)})
    later = T0 + 110 * MINUTE + 1000
    assert created(ledger, later) == {"{a}": first, "{b}": later / 1000}


def test_nothing_says_when_readings_began() -> None:
    """The source began to count them at a moment that nobody knows; and by default nothing is said at all."""
    ledger = Ledger(MemoryStore(), [counter()])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5, 6)})
    assert [batch.created for batch in families(ledger)[0].batches] == [None, None]


def test_the_parts_of_a_histogram_began_together() -> None:
    """A bucket that comes later is part of what began before; its sum carries the moment."""
    family = FamilySpec("h", MetricType.HISTOGRAM, "Help.")
    ledger = Ledger(MemoryStore(), [MetricSpec(family, Temporality.DELTA, max_age=9 * HOUR, shows_created=True)])
    parts = ['_bucket{a="1",le="+Inf"}', '_count{a="1"}', '_sum{a="1"}']
    ledger.run(facts(0, 10), {text: fives(0, 1) for text in parts})
    ledger.run(facts(10, 20), {text: fives(10, 1) for text in (*parts, '_bucket{a="1",le="1"}')})
    assert created(ledger, NOW + 20 * MINUTE) == {'_sum{a="1"}': NOW / 1000}


def test_total_of_a_clock_that_was_ahead_did_not_begin_in_the_future() -> None:
    """Nobody believes a moment that has not come."""
    ledger = Ledger(MemoryStore(), [replace(counter(), shows_created=True)])
    ledger.run(facts(0, 10), {"{a}": fives(0, 5, 6)})
    back = NOW - HOUR
    assert created(ledger, back) == {"{a}": back / 1000}


def test_lanes_keep_the_moments_of_their_totals() -> None:
    """The batches of all lanes become one, with the moment of each series beside it."""
    spec = replace(counter(zero_first=0), shows_created=True)
    lanes = []
    for name, end in (("DE", 10), ("FR", 20)):
        ledger = Ledger(MemoryStore(), [spec])
        ledger.run(facts(end - 10, end, fire=30), {f'{{zone="{name}"}}': fives(end - 10, 1)})
        lanes.append(ledger.lane)
    [family] = shown({spec.family.name: spec}, lanes, T0 + 30 * MINUTE + 1000)
    [batch] = family.batches
    assert list(batch.texts) == ['{zone="DE"}', '{zone="FR"}']
    assert batch.created == [(T0 + 30 * MINUTE + 1000) / 1000] * 2
