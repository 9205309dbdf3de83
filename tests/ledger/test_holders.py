"""Several holders of one series, one after the other, in each kind of store, and what goes out of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import MINUTE, T0, Ledger, counter, facts, fives
from tests.ledger.test_outgoing import GONE, LENIENT, to, told
from timepoint.ledger.examine import examine
from timepoint.ledger.holders import Estate, Estates, Holder, bearing, end_counts, estate_of, over
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.state import SeriesState
from timepoint.ledger.store import Store, open_store
from timepoint.model import FamilySpec, MetricSpec, MetricType, Receiver, SeriesPoints, Temporality
from timepoint.remote_write.outbox import Settlement


def renamed(store: Store, spec: MetricSpec, job: str, *others: str) -> Ledger:
    """A job as it starts where the ledger knows others that the config has no longer."""
    ledger = Ledger(store, [spec], job)
    lanes = [store.load(other, "") for other in others]
    estates = Estates(estate_of(lane, metric) for lane in lanes for metric in lane.metrics.values())
    texts = over(ledger.lane, spec, estates)
    if texts:
        end_counts(ledger.lane, spec, texts)
        store.rewrite(ledger.lane)
        ledger.restart()
    ledger.estates = {spec.family.name: estates}
    return ledger


def test_a_ledger_says_who_has_series_of_a_metric(store: Store) -> None:
    """In any job and however it was declared; the newest series by its id, the newest timepoint in ms."""
    spec = counter()
    Ledger(store, [spec, counter("y_total")], "one").run(facts(0, 10), {"": fives(0, 1, 1)}, {"": fives(0, 1)})
    Ledger(store, [replace(spec, family=replace(spec.family, unit="joules"))], "two").run(facts(0, 5), {})
    first, second = store.holders(["x_total"])
    assert (first.job, first.lane, first.name, first.shape) == ("one", "", "x_total", "counter/delta/")
    assert (first.reach, first.newest_id) == (
        T0 + 10 * MINUTE,
        store.load("one", "").metrics["x_total counter/delta/"].series[""].id,
    )
    assert (second.job, second.shape, second.newest_id, second.reach) == ("two", "counter/delta/joules", 0, 0)


def test_a_total_that_is_over_stays_so_through_a_restart(store: Store) -> None:
    """The series is off the page, at 0, and remembers what it has counted."""
    spec = counter()
    Ledger(store, [spec], "one").run(facts(0, 10, overlap=10), {"": fives(0, 3, 4)})
    renamed(store, spec, "two", "one").run(facts(5, 15, overlap=10), {"": fives(5, 4, 5)})
    back = renamed(store, spec, "one", "two")
    assert back.on_page() == {}
    [state] = back.lane.metric(spec).absent.values()  # type: ignore[union-attr]  # it was counted
    assert (state.value, state.created, len(state.times)) == (0, 0, 2)
    assert repr(store.load("one", "")) == repr(back.lane)


def test_what_another_has_counted_is_neither_counted_nor_revised(store: Store) -> None:
    """Whatever its value is said to be now; from then on a revision is one."""
    spec = counter()
    Ledger(store, [spec], "one").run(facts(0, 10, overlap=10), {"": fives(0, 3, 4)})
    heir = renamed(store, spec, "two", "one")
    change = heir.run(facts(0, 15, overlap=15), {"": fives(0, 1, 9, 5)})
    assert (heir.value(), heir.debt(), change.counts.seen, change.counts.revised) == (5, 0, 2, 0)
    change = heir.run(facts(0, 15, overlap=15), {"": fives(0, 1, 11, 5)})
    assert (heir.value(), change.counts.revised) == (7, 1)


def test_what_a_total_owes_is_paid_when_it_comes_back(store: Store) -> None:
    """It was shown too high, and nobody else knows that."""
    spec = counter()
    one = Ledger(store, [spec], "one")
    one.run(facts(0, 10, overlap=10), {"": fives(0, 3, 4)})
    one.run(facts(0, 10, overlap=10), {"": fives(0, 3, 2)})
    assert one.debt() == 2
    renamed(store, spec, "two", "one").run(facts(10, 15), {"": fives(10, 5)})
    back = renamed(store, spec, "one", "two")
    back.run(facts(15, 20), {"": fives(15, 10)})
    assert (back.value(), back.debt()) == (8, 0)


def test_a_reading_is_shown_as_it_is_whoever_reads_it(store: Store) -> None:
    """Also where the source began anew while another read it."""
    spec = counter(temporality=Temporality.CUMULATIVE)
    Ledger(store, [spec], "one").run(facts(0, 10), {"": fives(0, 100, 200)})
    renamed(store, spec, "two", "one").run(facts(10, 15), {"": fives(10, 3)})
    back = renamed(store, spec, "one", "two")
    assert back.on_page() == {}
    back.run(facts(10, 20), {"": fives(10, 3, 5)})
    assert back.value() == 5


def test_the_parts_of_a_histogram_begin_together(store: Store) -> None:
    """A bucket that the other one did not have would contradict its count."""
    spec = replace(counter("x"), family=FamilySpec("x", MetricType.HISTOGRAM, "Help."))
    parts = {text: fives(0, 2) for text in ('_bucket{le="1"}', '_bucket{le="+Inf"}', "_count", "_sum")}
    Ledger(store, [spec], "one").run(facts(0, 5), parts)
    fewer = {text: fives(5, 3) for text in parts if "1" not in text}
    renamed(store, spec, "two", "one").run(facts(5, 10), fewer)
    back = renamed(store, spec, "one", "two")
    assert [state.value for state in back.lane.metric(spec).absent.values()] == [0] * 4  # type: ignore[union-attr]
    back.run(facts(10, 15), {text: fives(10, 1) for text in parts})
    assert back.values() == dict.fromkeys(parts, 1)


@pytest.mark.parametrize("receivers", [(), (LENIENT,)], ids=["shown", "sent"])
def test_the_quantiles_of_a_summary_pass_from_holder_to_holder(store: Store, receivers: tuple[Receiver, ...]) -> None:
    """They are no amounts: its count goes on behind that of another, and they are those of the answer."""
    family = FamilySpec("x", MetricType.SUMMARY, "Help.")
    spec = replace(counter("x"), family=family, receivers=receivers)

    def parts(first: int, quantile: float) -> dict[str, SeriesPoints]:
        amounts = fives(first, 2, 3)
        return {'{quantile="0.5"}': fives(first, 1, quantile), "_count": amounts, "_sum": amounts}

    Ledger(store, [spec], "one").run(facts(0, 10, overlap=10), parts(0, 7))
    two = renamed(store, spec, "two", "one")
    two.run(facts(5, 15, overlap=10), parts(5, 8))
    assert two.values() == {'{quantile="0.5"}': 8, "_count": 3, "_sum": 3}
    back = renamed(store, spec, "one", "two")
    back.run(facts(10, 20, overlap=10), parts(10, 9))
    assert back.values() == {'{quantile="0.5"}': 9, "_count": 3, "_sum": 3}


def test_who_is_named_is_the_newest_of_those_that_came_after(store: Store) -> None:
    """Of a series that two others have counted since, and one before."""
    spec = counter()
    for job, first in (("one", 0), ("two", 5), ("three", 10), ("four", 15)):
        Ledger(store, [spec], job).run(facts(first, first + 5), {"": fives(first, 1)})
    lanes = {job: store.load(job, "") for job in ("one", "two", "three", "four")}
    mine = lanes.pop("two")
    others = Estates(estate_of(lane, metric) for lane in lanes.values() for metric in lane.metrics.values())
    assert [holder.job for holder in over(mine, spec, others).values()] == ["four"]


@given(st.lists(st.tuples(st.permutations(range(8)), st.integers(0, 8)), max_size=6))
@settings(deadline=None)
def test_who_has_a_series_is_found_oldest_first(owned: list[tuple[list[int], int]]) -> None:
    """As asking each of them would find it."""
    estates = []
    for newest_id, (texts, count) in enumerate(owned):
        series = {str(text): SeriesState(0.0) for text in texts[:count]}
        estates.append(Estate(Holder(f"job {newest_id}", "", "x_total", "", newest_id, 0), 0, 0, series))
    found = Estates(reversed(estates))
    assert list(found) == estates
    for text in map(str, range(9)):
        assert list(found.having(text)) == [estate for estate in estates if text in estate.series]


_HELD = st.tuples(st.sets(st.sampled_from("abc")), st.integers(0, 3), st.booleans(), st.booleans())


@given(st.lists(_HELD, max_size=5))
@settings(deadline=None)
def test_of_those_who_have_a_series_the_near_ones_bear_on_it(held: list[tuple[set[str], int, bool, bool]]) -> None:
    """Whether they are others' or the lane's own of before: amounts beyond what is forgotten, oldest first."""
    others: list[Estate] = []
    own: list[Estate] = []
    near = []
    for newest_id, (texts, reach, is_delta, is_own) in enumerate(held):
        shape = f"counter/{Temporality.DELTA if is_delta else Temporality.CUMULATIVE}/"
        series = {text: SeriesState(0.0) for text in sorted(texts)}
        estate = Estate(Holder("job", "", "x_total", shape, newest_id, reach), 0, 0, series)
        (own if is_own else others).append(estate)
        if is_delta and reach > 1:
            near.append(estate)
    expected = {text: tuple(estate for estate in near if text in estate.series) for text in "abcd"}
    found = bearing(Estates(others), own, "abcd", 1)
    assert found == {text: estates for text, estates in expected.items() if estates}


def test_a_ledger_with_totals_that_are_over_is_sound(tmp_path: Path) -> None:
    """Of amounts and of readings; and it comes back from its rows as it was."""
    store = open_store(tmp_path / "ledger.sqlite")
    amounts, readings = counter(), counter("y_total", temporality=Temporality.CUMULATIVE)
    for spec in (amounts, readings):
        name = spec.family.name
        Ledger(store, [spec], f"one {name}").run(facts(0, 10, overlap=10), {"": fives(0, 3, 4)})
        renamed(store, spec, f"two {name}", f"one {name}").run(facts(5, 15, overlap=10), {"": fives(5, 4, 5)})
        renamed(store, spec, f"one {name}", f"two {name}")
    store.close()
    examination = examine(tmp_path / "ledger.sqlite", in_use=False)
    assert [check.findings for check in examination.checks if not check.is_kept] == []


def amount(number: int) -> float:
    """What the API says of the interval with a number."""
    return float(1 + number * 7919 % 997)


Step = tuple[int, bool, int]
"""Which of the jobs or declarations runs, whether all that waits is sent before it, how many intervals later."""


@given(
    story=st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 5)), min_size=1, max_size=10),
    by_job=st.booleans(),
    overlap=st.sampled_from([0, 2, 6]),
)
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_receivers_add_up_is_the_sum_of_the_api(
    tmp_path_factory: pytest.TempPathFactory, kind: str, *, story: list[Step], by_job: bool, overlap: int
) -> None:
    """Each interval once, whoever has counted it, and though each count begins behind the one before.

    But for late amounts of a count that ends before it has a total that tells them.
    """
    path = tmp_path_factory.mktemp("holders") / "ledger.sqlite"
    store = MemoryStore() if kind == "memory" else open_store(path)
    spec = to(counter(), LENIENT)
    sent: dict[int, float] = {}
    counted: set[int] = set()
    now, newest = 10, 0
    for life, is_sent, ahead in [*story, (story[-1][0], True, 3)]:
        now += ahead
        job = f"job{life}" if by_job else "job"
        one = spec if by_job else replace(spec, family=replace(spec.family, unit=f"unit{life}"))
        others = [f"job{other}" for other in range(3) if other != life] if by_job else []
        lane = store.load(job, "")
        first = min(now - 2, max(counted, default=now) + 1)  # without a gap, which would be late for the others
        if lane.watermark is not None and lane.asked_from is not None:  # before that all is late: in a later total
            first = (max(lane.watermark - overlap * 5 * MINUTE, lane.asked_from) - T0) // (5 * MINUTE)
        store.note_attempt(job, "", T0 + 5 * now * MINUTE, T0 + 5 * first * MINUTE)
        ledger = renamed(store, one, job, *others)
        offered = fives(5 * first, *map(amount, range(first, now)))
        ledger.run(facts(5 * first, 5 * now, overlap=5 * overlap), {"": offered} if now > first else {})
        counted.update(range(first, now))
        rows = store.outbox.oldest("lenient", 999)
        for row in rows:
            if row.number > newest and told(row.value) != GONE:
                assert row.at not in sent
                sent[row.at] = row.value
        newest = max((newest, *(row.number for row in rows)))
        if is_sent:
            store.outbox.settle("lenient", Settlement(tuple(row.number for row in rows)), T0)
    assert store.outbox.counts("lenient").is_balanced
    store.close()
    values = [value for _, value in sorted(sent.items())]
    increase = sum(later - earlier if later >= earlier else later for earlier, later in pairwise(values))
    assert increase == sum(map(amount, counted))
