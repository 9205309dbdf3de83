"""What every store promises: the same tests over SQLite and memory."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.ledger.building import DAY, MINUTE, T0, Ledger, counter, facts, fives, gauge, instants, series
from timepoint.errors import StoreError
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import Store
from timepoint.model import Temporality


def test_unknown_lane_is_empty(store: Store) -> None:
    """A lane that was never committed loads as a new one."""
    assert store.load("job", "DE") == LaneState("job", "DE")
    assert store.lanes("job") == []
    assert store.jobs() == []


def test_lane_loads_as_it_was_applied(store: Store) -> None:
    """What is read back is what memory holds after the same commits: totals, points, presence."""
    ledger = Ledger(store, [counter(), gauge(), counter("m_total", Temporality.CUMULATIVE)])
    ledger.run(
        facts(0, 30, overlap=15),
        {"{a}": fives(0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6), "{b}": fives(0, 1)},
        {"{a}": fives(0, 7), "{b}": instants((40, math.inf))},
        {"": instants((0, 3.3), (5, 1.1))},
    )
    ledger.run(
        facts(15, 40, overlap=15),
        {"{a}": series((15, 20, 0.1), (20, 25, 0.5), (35, 40, 0.7)), "{c}": fives(30, 0.1)},
        {"{a}": fives(30, 8)},
    )
    assert store.load("job", "") == ledger.lane
    assert ledger.lane.series_count() == 3


def test_nan_survives(store: Store) -> None:
    """A gauge that shows NaN shows it again after a restart."""
    ledger = Ledger(store, [gauge()])
    ledger.run(facts(0, 30), {"": fives(0, math.nan)})
    ledger.restart()
    assert math.isnan(ledger.value())


def test_totals_are_read_back_to_the_last_bit(store: Store) -> None:
    """After a restart the counter goes on from exactly what was shown, and from what rounding kept aside."""
    ledger = Ledger(store, [counter()])
    for run in range(50):
        ledger.run(facts(run * 5, run * 5 + 5), {"": fives(run * 5, 0.1 * (run + 1))})
        shown = ledger.value()
        ledger.restart()
        assert ledger.value() == shown
    assert ledger.value() == math.fsum(0.1 * (run + 1) for run in range(50))


def test_commit_numbers_grow_by_one_over_all_lanes(store: Store) -> None:
    """The number of a commit names a state of the whole ledger."""
    lanes = [Ledger(store, [gauge()]) for _ in range(2)]
    lanes[1].lane = store.load("other", "x")
    numbers = [ledger.run(facts(at, at + 5), {}).commit for at in (0, 5, 10) for ledger in lanes]
    assert numbers == [1, 2, 3, 4, 5, 6]
    assert store.newest_commit() == 6


def test_lanes_of_a_job_are_listed(store: Store) -> None:
    """A job's lanes are known by name, sorted; other jobs' lanes are not among them."""
    for job, lane in [("job", "FR"), ("job", "DE"), ("other", "UK")]:
        ledger = Ledger(store, [gauge()])
        ledger.lane = store.load(job, lane)
        ledger.run(facts(0, 5), {})
    assert store.lanes("job") == ["DE", "FR"]
    assert store.jobs() == ["job", "other"]


def test_lanes_do_not_mix(store: Store) -> None:
    """Equal series texts in two lanes are two series."""
    values = {}
    for lane, amount in [("DE", 1), ("FR", 2)]:
        ledger = Ledger(store, [counter()])
        ledger.lane = store.load("job", lane)
        ledger.run(facts(0, 5), {"{a}": fives(0, amount)})
    for lane in ("DE", "FR"):
        metric = store.load("job", lane).metric(counter())
        assert metric is not None
        values[lane] = metric.series["{a}"].value
    assert values == {"DE": 1, "FR": 2}


def test_attempt_is_kept_apart_from_commits(store: Store) -> None:
    """An attempt that led to nothing is known after a restart and moves nothing else."""
    ledger = Ledger(store, [counter()])
    store.note_attempt("job", "", T0)
    assert store.load("job", "") == LaneState("job", "", last_attempt=T0)
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    store.note_attempt("job", "", T0 + MINUTE)
    assert store.load("job", "") == replace(ledger.lane, last_attempt=T0 + MINUTE)


def test_earliest_window_ever_asked_for_is_kept(store: Store) -> None:
    """The first window stays known, a later one changes nothing, an earlier one takes its place."""
    store.note_attempt("job", "", T0)
    for asked_from, kept in ((50, 50), (80, 50), (None, 50), (20, 20)):
        store.note_attempt("job", "", T0, asked_from)
        assert store.load("job", "").asked_from == kept


def test_run_decided_on_another_watermark_is_refused(store: Store) -> None:
    """Two runs decided on one state cannot both be committed: the second changes nothing."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    first = ledger.decide(facts(5, 10), {"": fives(5, 2)})
    second = ledger.decide(facts(5, 15), {"": fives(5, 2, 4)})
    store.commit(first)
    with pytest.raises(StoreError, match=r"job job, lane '': the run began at the watermark 2023-11-14T22:25:00Z"):
        store.commit(second)
    ledger.restart()
    assert ledger.value() == 3
    assert store.newest_commit() == 2


def test_run_decided_on_another_version_is_refused(store: Store) -> None:
    """A run that leaves the watermark in its place outdates the state all the same."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5, overlap=5), {"": fives(0, 1)})
    first = ledger.decide(facts(0, 5, overlap=5), {"": fives(0, 3)})
    second = ledger.decide(facts(0, 5, overlap=5), {"": fives(0, 2)})
    store.commit(first)
    with pytest.raises(StoreError, match="something else has committed in between"):
        store.commit(second)


def test_lane_that_is_changed_without_a_commit_changes_nothing(store: Store) -> None:
    """What was loaded is a copy."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    ledger.on_page()[""].value = 99
    store.load("job", "").watermark = 0
    ledger.restart()
    assert ledger.value() == 1
    assert ledger.lane.watermark == T0 + 5 * MINUTE


def test_absent_and_forgotten_series_are_read_back(store: Store) -> None:
    """Presence, the order of leaving and forgetting survive a restart."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {"{a}": fives(0, 1), "{b}": fives(0, 1), "{c}": fives(0, 1)})
    ledger.run(facts(5, 10), {"{a}": fives(5, 1), "{c}": fives(5, 1)})
    ledger.run(facts(10, 15), {"{c}": fives(10, 1)})
    ledger.restart()
    metric = ledger.lane.metric(ledger.metrics[0])
    assert metric is not None
    assert (list(metric.series), list(metric.absent)) == (["{c}"], ["{b}", "{a}"])
    at = (7 * DAY) // MINUTE + 18
    ledger.run(facts(at - 18, at - 10, fire=at), {})
    assert store.load("job", "") == ledger.lane
    metric = ledger.lane.metric(ledger.metrics[0])
    assert metric is not None
    assert list(metric.absent) == ["{a}", "{c}"]


def test_metric_that_is_forgotten_is_gone_from_the_store(store: Store) -> None:
    """A metric taken from the config leaves nothing behind."""
    ledger = Ledger(store, [counter(), gauge()])
    ledger.run(facts(0, 5), {"": fives(0, 1)}, {"": fives(0, 1)})
    ledger.metrics = [gauge()]
    week = 8 * DAY // MINUTE
    ledger.run(facts(week, week + 5), {})
    assert list(store.load("job", "").metrics) == ["x gauge//"]
    assert store.load("job", "") == ledger.lane


def test_text_of_any_kind_survives(store: Store) -> None:
    """Quotes, line feeds, NUL and letters of all scripts come back as they were."""
    texts = ['{a="\\"\\\\ \\n"}', '{a="\x00"}', '{a="Zürich ✓ 電力 \U0001f50b"}', "", "_sum"]
    ledger = Ledger(store, [gauge()])
    ledger.run(facts(0, 5), {text: fives(0, n) for n, text in enumerate(texts)})
    ledger.restart()
    assert ledger.values() == {text: n for n, text in enumerate(texts)}


def test_many_series_come_and_go_at_once(store: Store) -> None:
    """Thousands of new, changed and forgotten series in one commit are read back as they were applied."""
    ledger = Ledger(store, [counter()])
    for run in range(4):
        at = run * 8 * DAY // MINUTE
        ledger.run(facts(at, at + 10, overlap=5), {f"{{n{n}}}": fives(at, n, run) for n in range(run * 500, 3000)})
        ledger.run(
            facts(at + 10, at + 20, overlap=5), {f"{{n{n}}}": fives(at + 10, n) for n in range(run * 500 + 9, 3000)}
        )
        assert store.load("job", "") == ledger.lane


def test_close_may_be_called_twice(store: Store) -> None:
    """Closing what is closed does nothing."""
    store.close()
    store.close()


def test_a_lane_that_left_the_config_is_kept_as_long_as_its_metrics(store: Store) -> None:
    """Up to forget_after since the last run nothing is lost; a moment later all of it is gone, and is said."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 30), {"{a}": fives(0, 1)})
    last_run = ledger.lane.page_since
    assert store.prune([], last_run + 7 * DAY) == []
    assert store.load("job", "") == ledger.lane
    assert store.prune([], last_run + 7 * DAY + 1) == [("job", "")]
    assert store.load("job", "") == LaneState("job", "")
    assert store.lanes("job") == []


def test_a_lane_of_the_config_is_never_pruned(store: Store) -> None:
    """A source that fails for months costs no total, as long as its job is configured."""
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 30), {"{a}": fives(0, 1)})
    assert store.prune([("job", "")], T0 + 1000 * DAY) == []
    assert store.load("job", "") == ledger.lane


def test_the_longest_kept_metric_keeps_the_lane(store: Store) -> None:
    """Watermark and totals belong together: a lane is forgotten whole or not at all."""
    short = replace(counter("y_total"), forget_after=DAY)
    ledger = Ledger(store, [counter(), short])
    ledger.run(facts(0, 30), {"{a}": fives(0, 1)}, {"{a}": fives(0, 2)})
    assert store.prune([], ledger.lane.page_since + 6 * DAY) == []
    assert store.load("job", "") == ledger.lane


def test_a_lane_that_was_only_attempted_is_forgotten_a_week_later(store: Store) -> None:
    """What a job leaves that never worked is no more than when it was tried."""
    store.note_attempt("job", "", T0)
    assert store.prune([], T0 + 7 * DAY) == []
    assert store.prune([], T0 + 7 * DAY + 1) == [("job", "")]


def test_pruning_one_lane_leaves_the_others(store: Store) -> None:
    """The lanes are named one by one, by job and lane."""
    for job in ("a", "b"):
        store.note_attempt(job, "", T0)
    assert store.prune([("b", "")], T0 + 8 * DAY) == [("a", "")]
    assert store.lanes("b") == [""]
