"""What of a run goes out by remote write: the same on both stores."""

from __future__ import annotations

import math
import struct
from array import array
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import MINUTE, T0, Ledger, counter, facts, fives, gauge, instants, series
from timepoint.errors import StoreError
from timepoint.ledger import outbox_rows
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.outgoing import ENDED
from timepoint.ledger.store import Store, open_store
from timepoint.model import MetricSpec, MetricType, Receiver, SeriesPoints, Temporality, Times

STRICT, LENIENT = Receiver("strict"), Receiver("lenient", is_strict=False)

Sent = tuple[float, float]
"""Minutes after T0, and the value; ``GONE`` for a stale marker."""

GONE = -1e99


def to(spec: MetricSpec, *receivers: Receiver) -> MetricSpec:
    """The metric, to be sent."""
    return replace(spec, receivers=receivers or (STRICT,))


def queue(store: Store, name: str = "strict") -> dict[str, list[Sent]]:
    """What waits for a receiver, by the labels beside the name."""
    found: dict[str, list[Sent]] = {}
    for row in store.outbox.oldest(name, 10_000):
        text = ",".join(f"{label}={value}" for label, value in row.series.labels if label != "__name__")
        found.setdefault(text, []).append(((row.at - T0) / MINUTE, told(row.value)))
    return found


def told(value: float) -> float:
    """A value that can be compared."""
    return GONE if struct.pack("<d", value) == struct.pack("<d", ENDED) else value


def letters(store: Store, name: str = "strict") -> list[tuple[str, float, float]]:
    """Reason, minutes after T0 and value of the dead letters of a receiver."""
    return [
        (letter.reason, (letter.row.at - T0) / MINUTE, letter.row.value) for letter in store.outbox.dead(name, 1000)
    ]


def late_amounts(store: Store, name: str = "strict") -> list[tuple[float, float]]:
    """Minutes after T0 and amount of what came late for a receiver."""
    return [((late.row.at - T0) / MINUTE, late.row.value) for late in store.outbox.late_amounts(name, 1000)]


# Counters of amounts


def test_a_counter_begins_with_0_and_goes_on_with_its_total_at_each_interval(store: Store) -> None:
    """0 stands where the first interval begins, each total where its interval ends."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 15), {'{a="1"}': fives(0, 1, 2, 4)})
    ledger.run(facts(15, 25), {'{a="1"}': fives(15, 8, 16)})
    assert queue(store) == {"a=1": [(0, 0), (5, 1), (10, 3), (15, 7), (20, 15), (25, 31)]}


def test_each_sample_says_when_its_count_began(store: Store) -> None:
    """It is the start of the first interval, also in later runs and after a restart."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    ledger.restart()
    ledger.run(facts(5, 10), {"": fives(5, 1)})
    assert [row.start for row in store.outbox.oldest("strict", 9)] == [T0, T0, T0]


def test_a_series_leaves_with_its_name_its_labels_and_its_metadata(store: Store) -> None:
    """Labels are sorted and hold the name of the sample; type, help and unit are those of the family."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 5), {r'{B="x",a="\"ä\\"}': fives(0, 1)})
    out = store.outbox.oldest("strict", 1)[0].series
    assert out.labels == (("B", "x"), ("__name__", "x_total"), ("a", '"ä\\'))
    assert (out.type, out.help, out.unit) == (MetricType.COUNTER, "Help.", "")


def test_metadata_follow_the_config(store: Store) -> None:
    """A help that was edited goes out with what is sent from then on."""
    Ledger(store, [to(counter())]).run(facts(0, 5), {"": fives(0, 1)})
    assert store.outbox.oldest("strict", 1)[0].series.help == "Help."
    spec = to(counter())
    edited = Ledger(store, [replace(spec, family=replace(spec.family, help="Other."))])
    edited.run(facts(5, 10), {"": fives(5, 1), '{b=""}': fives(5, 1)})
    assert {row.series.help for row in store.outbox.oldest("strict", 9) if row.at > T0 + 5 * MINUTE} == {"Other."}


def test_what_was_counted_is_not_sent_again(store: Store) -> None:
    """Intervals that are read again with the same value add nothing and say nothing."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 15, overlap=10), {"": fives(0, 1, 2, 4)})
    change_set = ledger.run(facts(5, 20, overlap=10), {"": fives(5, 2, 4, 8)})
    assert queue(store)[""] == [(0, 0), (5, 1), (10, 3), (15, 7), (20, 15)]
    assert change_set.counts.enqueued == 1


def test_a_revision_is_contained_in_the_next_total(store: Store) -> None:
    """A rise is added there; nothing that was sent is sent with another value."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 10, overlap=5), {"": fives(0, 1, 2)})
    ledger.run(facts(5, 15, overlap=5), {"": fives(5, 12, 4)})
    assert queue(store)[""] == [(0, 0), (5, 1), (10, 3), (15, 17)]


def test_a_debt_is_paid_before_a_total_rises(store: Store) -> None:
    """After a downward revision the totals stand still until later amounts have paid it."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 10, overlap=5), {"": fives(0, 1, 9)})
    ledger.run(facts(5, 25, overlap=5), {"": fives(5, 2, 4, 4, 5)})
    assert queue(store)[""] == [(0, 0), (5, 1), (10, 10), (15, 10), (20, 11), (25, 16)]
    assert ledger.value() == 16


def test_a_revision_alone_waits_for_the_next_interval(store: Store) -> None:
    """Without a new interval there is no instant at which the new total could stand."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 10, overlap=10), {"": fives(0, 1, 2)})
    assert ledger.run(facts(0, 10, overlap=10), {"": fives(0, 1, 7)}).counts.enqueued == 0
    ledger.run(facts(0, 15, overlap=10), {"": fives(0, 1, 7, 1)})
    assert queue(store)[""][-1] == (15, 9)


@pytest.mark.parametrize("receiver", [STRICT, LENIENT])
def test_a_late_amount_is_in_the_next_total_and_no_loss(store: Store, receiver: Receiver) -> None:
    """No receiver gets a total between two that it has: it would have to be higher than the later one."""
    ledger = Ledger(store, [to(counter(), receiver)])
    ledger.run(facts(0, 15, overlap=15), {"": series((0, 5, 1.0), (10, 15, 4.0))})
    ledger.run(facts(0, 20, overlap=15), {"": fives(0, 1, 2, 4, 8)})
    assert queue(store, receiver.name)[""] == [(0, 0), (5, 1), (15, 5), (20, 15)]
    assert (letters(store, receiver.name), late_amounts(store, receiver.name)) == ([], [(10, 2)])
    counts = store.outbox.counts(receiver.name)
    assert (counts.enqueued, counts.dead, counts.pending, counts.late_amounts) == (5, 0, 4, 1)
    assert counts.is_balanced


def test_a_late_amount_is_neither_revived_nor_dismissed(store: Store) -> None:
    """It is in a later total; as a total of its own it would be wrong, and there is nothing to deal with."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 15, overlap=15), {"": series((0, 5, 1.0), (10, 15, 4.0))})
    ledger.run(facts(0, 15, overlap=15), {"": fives(0, 1, 2, 4)})
    (late,) = store.outbox.late_amounts("strict", 9)
    assert late.came == facts(0, 15).now
    for do in (store.outbox.revive, store.outbox.dismiss):
        assert do("strict", [late.row.number]) == 0
    assert store.outbox.dismiss_unkept("strict") == 0
    assert late_amounts(store) == [(10, 2)]


def test_of_too_many_late_amounts_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted, those beyond the most that are kept as a number alone."""
    monkeypatch.setattr(outbox_rows, "MAX_LATE_AMOUNTS", 2)
    store = open_store(tmp_path / "ledger.sqlite")
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 30, overlap=30), {"": series((0, 5, 1.0), (25, 30, 4.0))})
    for known in (1, 4):
        ledger.run(facts(0, 30, overlap=30), {"": fives(0, 1, *([2] * known))})
    assert (late_amounts(store), store.outbox.counts("strict").late_amounts) == ([(20, 2), (25, 2)], 4)
    store.close()


def test_a_count_of_instants_begins_a_moment_before_the_first(store: Store) -> None:
    """An instant has no beginning, and two samples of one instant cannot be."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 5), {"": instants((2, 3.0), (4, 1.0))})
    assert queue(store)[""] == [(2 - 1 / MINUTE, 0), (2, 3), (4, 4)]


def test_an_instant_at_the_end_of_an_interval_gives_one_sample(store: Store) -> None:
    """Both count, and the total after both stands there."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 10), {"": series((0, 5, 1.0), (5, 5, 2.0))})
    assert queue(store)[""] == [(0, 0), (5, 3)]


def test_decimal_amounts_end_at_the_committed_total(store: Store) -> None:
    """Totals never fall, and the last one is that of the ledger to the last bit."""
    ledger = Ledger(store, [to(counter())])
    for start in (0, 50, 100):
        ledger.run(facts(start, start + 50), {"": fives(start, *(0.1 * n for n in range(10)))})
        values = [value for _, value in queue(store)[""]]
        assert values == sorted(values)
        assert values[-1] == ledger.value()


def test_a_bad_value_costs_its_interval_alone(store: Store) -> None:
    """A negative amount is no amount: the totals go on around it."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 15), {"": fives(0, 1, -2, 4)})
    assert queue(store)[""] == [(0, 0), (5, 1), (15, 5)]


def test_histogram_parts_leave_each_for_itself(store: Store) -> None:
    """Buckets, sum and count have a 0 and totals of their own."""
    spec = replace(counter("h"), family=replace(counter("h").family, type=MetricType.HISTOGRAM))
    ledger = Ledger(store, [to(spec)])
    ledger.run(facts(0, 5), {'_bucket{le="1"}': fives(0, 2), "_sum": fives(0, 1.5), "_count": fives(0, 3)})
    names = {dict(row.series.labels)["__name__"] for row in store.outbox.oldest("strict", 9)}
    assert names == {"h_bucket", "h_sum", "h_count"}
    assert queue(store)["le=1"] == [(0, 0), (5, 2)]


# Counters of readings


def test_a_running_reading_leaves_as_the_total_that_follows_it(store: Store) -> None:
    """There is no 0 first and no start, since nobody knows when it began; a fall is a new start of the source."""
    ledger = Ledger(store, [to(counter(temporality=Temporality.CUMULATIVE))])
    ledger.run(facts(0, 15), {"": instants((1, 10.0), (6, 12.0), (11, 3.0))})
    ledger.run(facts(15, 20), {"": instants((16, 5.0))})
    assert queue(store)[""] == [(1, 10), (6, 12), (11, 15), (16, 17)]
    assert {row.start for row in store.outbox.oldest("strict", 9)} == {None}


def test_a_corrected_reading_shows_in_the_next_one(store: Store) -> None:
    """What a lower newest reading takes back is owed, so the totals that follow do not fall."""
    ledger = Ledger(store, [to(counter(temporality=Temporality.CUMULATIVE))])
    ledger.run(facts(0, 10, overlap=10), {"": instants((1, 10.0), (6, 20.0))})
    ledger.run(facts(0, 20, overlap=10), {"": instants((1, 10.0), (6, 15.0), (11, 18.0), (16, 30.0))})
    assert queue(store)[""] == [(1, 10), (6, 20), (11, 20), (16, 30)]


# Gauges


def test_each_point_of_a_gauge_leaves(store: Store) -> None:
    """An interval stands at its end, an instant at itself, whatever ``points`` would show on a page."""
    ledger = Ledger(store, [to(gauge())])
    ledger.run(facts(0, 15), {"": fives(0, 3, -1, math.nan)})
    ledger.run(facts(15, 20), {"": instants((16, 7.0), (18, -0.0))})
    values = queue(store)[""]
    assert [at for at, _ in values] == [5, 10, 15, 16, 18]
    assert str([value for _, value in values]) == "[3.0, -1.0, nan, 7.0, -0.0]"


def test_a_gauge_that_is_read_again_is_not_sent_again(store: Store) -> None:
    """A point of the overlap is known; with another value it is a revision, which is counted and not sent."""
    ledger = Ledger(store, [to(gauge())])
    ledger.run(facts(0, 15, overlap=10), {"": fives(0, 1, 2, 3)})
    ledger.restart()
    counts = ledger.run(facts(5, 20, overlap=10), {"": fives(5, 2, 9, 4)}).counts
    assert queue(store)[""] == [(5, 1), (10, 2), (15, 3), (20, 4)]
    assert (counts.new, counts.seen, counts.revised, counts.enqueued) == (1, 1, 1, 1)
    again = ledger.run(facts(10, 20, overlap=10), {"": fives(10, 9, 4)}).counts
    assert (again.new, again.seen, again.revised) == (0, 2, 0)


def test_a_late_point_goes_only_where_there_is_a_window(store: Store) -> None:
    """To a strict receiver it is a dead letter from the start, to one with an out-of-order window it leaves."""
    ledger = Ledger(store, [to(gauge(), STRICT, LENIENT)])
    ledger.run(facts(0, 15, overlap=15), {"": series((0, 5, 1.0), (10, 15, 3.0))})
    counts = ledger.run(facts(0, 20, overlap=15), {"": fives(0, 1, 2, 3, 4)}).counts
    assert queue(store)[""] == [(5, 1), (15, 3), (20, 4)]
    assert letters(store) == [("late", 10, 2)]
    assert queue(store, "lenient")[""] == [(5, 1), (10, 2), (15, 3), (20, 4)]
    assert letters(store, "lenient") == []
    assert (counts.late, counts.enqueued) == (1, 4)


def test_two_points_of_one_instant_are_one_sample(store: Store) -> None:
    """Intervals of a gauge may overlap; where two end at the same instant the second is a reject."""
    ledger = Ledger(store, [to(gauge())])
    change_set = ledger.run(facts(0, 15), {"": series((0, 10, 1.0), (5, 10, 2.0), (5, 15, 3.0))})
    assert queue(store)[""] == [(10, 1), (15, 3)]
    assert change_set.rejects.counts == {"overlap": 1}


def test_infos_and_states_leave_as_1_and_0(store: Store) -> None:
    """As they would stand on the page."""
    info, state = to(gauge("x_info", metric_type=MetricType.INFO)), to(gauge("s", metric_type=MetricType.STATESET))
    ledger = Ledger(store, [info, state])
    ledger.run(facts(0, 5), {'{v="1"}': instants((1, 42.0))}, {'{s="up"}': instants((1, 7.0))})
    assert queue(store) == {"v=1": [(1, 1)], "s=up": [(1, 1)]}


def test_a_summary_leaves_with_quantiles_and_totals(store: Store) -> None:
    """A quantile is a value, sum and count are totals."""
    spec = replace(counter("d"), family=replace(counter("d").family, type=MetricType.SUMMARY))
    ledger = Ledger(store, [to(spec)])
    ledger.run(facts(0, 5), {'{quantile="0.5"}': fives(0, 0.2), "_sum": fives(0, 4), "_count": fives(0, 9)})
    found = {dict(row.series.labels)["__name__"]: row.value for row in store.outbox.oldest("strict", 9)}
    assert found == {"d": 0.2, "d_sum": 4, "d_count": 9}


def test_an_answer_to_no_window_leaves_from_the_window_on(store: Store) -> None:
    """Where the request does not name its window, older points that the API goes on showing are not sent."""
    ledger = Ledger(store, [to(gauge())])
    ledger.run(facts(10, 15, window_is_asked=False), {"": instants((1, 1.0), (11, 2.0))})
    ledger.run(facts(15, 20, window_is_asked=False), {"": instants((1, 1.0), (11, 2.0), (16, 3.0))})
    assert queue(store)[""] == [(11, 2), (16, 3)]


def test_a_slow_source_that_shows_the_same_point_sends_it_once(store: Store) -> None:
    """The newest point of a request without a window is there, and new only once."""
    ledger = Ledger(store, [to(gauge())])
    for start in (10, 15, 20):
        ledger.run(facts(start, start + 5, window_is_asked=False), {"": instants((3, 1.0))})
    assert queue(store)[""] == [(3, 1)]
    assert set(ledger.values()) == {""}


# With the commit


def test_a_run_that_is_refused_enqueues_nothing(store: Store) -> None:
    """Samples join the queues in the transaction of their run or not at all."""
    ledger = Ledger(store, [to(counter())])
    stale = ledger.decide(facts(0, 5), {"": fives(0, 1)})
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    before = queue(store)
    with pytest.raises(StoreError):
        store.commit(stale)
    assert queue(store) == before


def test_the_queue_outlives_a_restart_in_the_order_of_time(store: Store) -> None:
    """Series on grids of their own are merged by their instants."""
    ledger = Ledger(store, [to(gauge())])
    ledger.run(
        facts(0, 20), {'{a="1"}': instants((3, 1.0), (9, 1.0)), '{a="2"}': instants((1, 1.0), (9, 1.0), (19, 1.0))}
    )
    rows = store.outbox.oldest("strict", 99)
    assert [(row.at - T0) // MINUTE for row in rows] == [1, 3, 9, 9, 19]
    assert [row.number for row in rows] == sorted(row.number for row in rows)


Window = tuple[int, dict[int, int], bool]
"""How many new intervals, which of the window are there with which value, and whether the run ends."""

windows = st.lists(
    st.tuples(st.integers(1, 3), st.dictionaries(st.integers(0, 5), st.integers(0, 9), max_size=6), st.booleans()),
    min_size=1,
    max_size=8,
)


@given(runs=windows, is_counter=st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_timepoint_is_a_sample_or_a_letter_once(runs: list[Window], is_counter: bool) -> None:  # noqa: FBT001 - Hypothesis gives it
    """Whatever comes late, twice or revised: instants of a series ascend, totals never fall, and nothing is missing."""
    spec = to(counter() if is_counter else gauge())
    ledger = Ledger(MemoryStore(), [spec])
    end, told_at = 0, set()
    for fresh, values, ends_run in runs:
        end += fresh
        first = end - 6
        points = [(n, value) for n, value in sorted((first + k, v) for k, v in values.items()) if n >= 0]
        times = Times([T0 + 5 * n * MINUTE for n, _ in points], [T0 + 5 * (n + 1) * MINUTE for n, _ in points])
        offered = {"": SeriesPoints(times, array("d", [value for _, value in points]))} if points else {}
        overlap = 5 * (6 - fresh)
        change_set = ledger.run(facts(max(0, 5 * first), 5 * end, overlap=overlap, ends_run=ends_run), offered)
        refused = change_set.rejects.total
        if not refused:
            told_at |= {5 * (n + 1) for n, _ in points}
    rows = [(at, value) for at, value in queue(ledger.store).get("", []) if value != GONE]
    ats = [at for at, _ in rows]
    assert ats == sorted(set(ats))
    late = [at for _, at, _ in letters(ledger.store)] + [at for at, _ in late_amounts(ledger.store)]
    counted = set(ats[is_counter:])  # without the 0 where a count begins
    assert len(late) == len(set(late))
    assert not set(late) & counted
    assert told_at <= set(late) | counted
    if is_counter and rows:
        assert [value for _, value in rows] == sorted(value for _, value in rows)
        state = {**ledger.lane.metrics[next(iter(ledger.lane.metrics))].series}
        state |= ledger.lane.metrics[next(iter(ledger.lane.metrics))].absent
        assert rows[-1][1] <= state[""].value
    assert ledger.store.outbox.counts("strict").is_balanced
