from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ledger.building import DAY, MINUTE, T0, Ledger, counter, facts, fives, gauge, instants
from timepoint.errors import ClockError, StoreError
from timepoint.ledger.rewind import is_ahead, rewind
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import Store
from timepoint.model import Temporality

YEAR = 365 * 24 * 60  # minutes
NOW = T0 + 45 * MINUTE
LATEST = NOW + 5 * MINUTE
METRICS = [counter(), gauge(), counter("m_total", Temporality.CUMULATIVE)]
SPECS = {spec.family.name: spec for spec in METRICS}


@pytest.fixture
def ahead(store: Store) -> Ledger:
    """A lane with series, whose run of a year later was accepted, too: it took them from the page."""
    ledger = Ledger(store, METRICS)
    ledger.run(facts(0, 30), {"{a}": fives(0, 1, 2, 3), "{b}": fives(0, 1)}, {"{a}": fives(0, 7)}, {"": fives(0, 9)})
    ledger.run(facts(YEAR, YEAR + 30), {}, {"{new}": instants((YEAR + 40, 5.0))})
    return ledger


def test_a_lane_of_the_present_is_believed(store: Store) -> None:
    """What was noted up to now is not ahead of anything."""
    ledger = Ledger(store, [counter()])
    assert not is_ahead(LaneState("job", ""), NOW)
    ledger.run(facts(0, 30), {"{a}": fives(0, 1)})
    assert not is_ahead(ledger.lane, LATEST)


def test_a_lane_goes_on_from_the_newest_interval_that_it_counted(ahead: Ledger) -> None:
    """Nothing later was counted, so nothing later is passed over and nothing earlier counted again."""
    assert is_ahead(ahead.lane, LATEST)
    done = rewind(ahead.lane, SPECS, NOW, LATEST)
    assert ahead.lane.watermark == ahead.lane.kept_from == T0 + 15 * MINUTE
    assert not is_ahead(ahead.lane, NOW)
    assert "2023-11-14T22:35:00Z" in done


def test_a_lane_that_was_brought_back_is_stored_whole(ahead: Ledger, store: Store) -> None:
    """A restart reads what memory holds: totals, who is on the page, who left it, all instants."""
    ahead.lane.note_attempt(T0 + YEAR * MINUTE, T0)
    rewind(ahead.lane, SPECS, NOW, LATEST)
    before = ahead.lane.version
    assert store.rewrite(ahead.lane) == before + 1 == store.newest_commit()
    assert store.load("job", "") == ahead.lane
    [total, *_] = ahead.lane.metrics.values()
    assert list(total.absent) == ["{a}", "{b}"]


def test_totals_go_on_after_a_lane_was_brought_back(ahead: Ledger, store: Store) -> None:
    """A series that the false time took from the page comes back with its total, and is not forgotten for its age."""
    rewind(ahead.lane, SPECS, NOW, LATEST)
    store.rewrite(ahead.lane)
    ahead.restart()
    ahead.run(facts(15, 60), {"{a}": fives(15, 10)}, {}, {})
    [total, *_] = ahead.lane.metrics.values()
    assert total.series["{a}"].value == 16
    assert "{b}" in total.absent


def test_a_series_born_in_the_false_time_shows_its_total(store: Store) -> None:
    """It does not stay at 0 until the false time comes, and does not fall to 0 once more."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 30, now=T0 + YEAR * MINUTE, fire=YEAR), {"{a}": fives(0, 1)})
    rewind(ledger.lane, {"x_total": counter()}, NOW, LATEST)
    [metric] = ledger.lane.metrics.values()
    assert (metric.series["{a}"].created, metric.series["{a}"].zero_until) == (NOW, NOW)


def test_a_lane_that_counted_the_future_is_left_alone(store: Store) -> None:
    """Whether then or now is wrong cannot be known, and a guess could count twice: somebody must say it."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(YEAR, YEAR + 30), {"{a}": fives(YEAR, 1)})
    lane = store.load("job", "")
    with pytest.raises(ClockError, match="set the clock"):
        rewind(lane, {"x_total": counter()}, NOW, LATEST)
    assert lane == ledger.lane


def test_gauges_alone_go_on_with_an_ordinary_window(store: Store) -> None:
    """They count nothing, so what lies between is not asked for."""
    ledger = Ledger(store, [gauge()])
    ledger.lane.note_attempt(NOW, T0 - 30 * DAY)
    ledger.run(facts(YEAR, YEAR + 30), {})
    rewind(ledger.lane, {"x": gauge()}, NOW, LATEST)
    assert (ledger.lane.watermark, ledger.lane.asked_from) == (None, None)


def test_a_lane_that_moved_on_is_not_rewritten(ahead: Ledger, store: Store) -> None:
    """As for a change set, another commit in between is refused."""
    stale = replace(ahead.lane, version=ahead.lane.version - 1)
    with pytest.raises(StoreError, match="in between"):
        store.rewrite(stale)


def test_lanes_are_rewritten_together_or_not_at_all(store: Store) -> None:
    """One that has moved on keeps the others as they were; without it each gets a version of its own."""
    jobs = ("one", "two", "three")
    for job in jobs:
        Ledger(store, [counter()], job).run(facts(0, 5), {"{a}": fives(0, 1)})
    lanes = [store.load(job, "") for job in jobs]
    for lane in lanes:
        lane.metrics["x_total counter/delta/"].series["{a}"].value = 7
    before = store.newest_commit()
    with pytest.raises(StoreError, match="in between"):
        store.rewrite_all([*lanes[:2], replace(lanes[2], version=0)])
    assert [store.load(job, "").metrics["x_total counter/delta/"].series["{a}"].value for job in jobs] == [1, 1, 1]
    store.rewrite_all(lanes)
    assert [store.load(job, "") for job in jobs] == lanes
    assert [lane.version for lane in lanes] == [before + 1, before + 2, before + 3]
