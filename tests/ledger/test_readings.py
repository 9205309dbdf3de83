from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import Ledger, counter, facts, instants, series
from timepoint.ledger.memory import MemoryStore
from timepoint.model import OnRevision, Temporality


@pytest.fixture
def meter() -> Ledger:
    """A lane in memory with one cumulative counter."""
    return Ledger(MemoryStore(), [counter(temporality=Temporality.CUMULATIVE)])


def test_first_reading_is_shown_as_it_is(meter: Ledger) -> None:
    """A meter that stands at 5,000 shows 5,000."""
    meter.run(facts(0, 10), {"": instants((0, 5000.1), (5, 5000.3))})
    assert meter.value() == 5000.3


def test_total_follows_the_readings_to_the_last_bit(meter: Ledger) -> None:
    """Without a new start of the source the total is the reading, not a sum of rounded differences."""
    readings = [0.1, 0.3, 0.7, 1.1, 123456.7]
    for run, reading in enumerate(readings):
        meter.run(facts(run * 5, run * 5 + 5), {"": instants((run * 5, reading))})
        assert meter.value() == reading


def test_fall_of_a_reading_is_a_new_start_of_the_source(meter: Ledger) -> None:
    """After a reset the new reading counts from 0 on top of the last one before (U10)."""
    meter.run(facts(0, 10), {"": instants((0, 100), (5, 110))})
    change_set = meter.run(facts(10, 20), {"": instants((10, 4), (15, 6))})
    assert meter.value() == 116
    assert change_set.counts.resets == 1


def test_several_new_starts_in_one_run(meter: Ledger) -> None:
    """Each fall inside one answer is a start of its own."""
    change_set = meter.run(facts(0, 30), {"": instants((0, 5), (5, 1), (10, 2), (15, 0), (20, 7))})
    assert meter.value() == 5 + 2 + 7
    assert change_set.counts.resets == 2


def test_readings_seen_again_change_nothing(meter: Ledger) -> None:
    """An overlap reads old readings again, which is no new start."""
    meter.run(facts(0, 15, overlap=15), {"": instants((0, 10), (5, 20), (10, 30))})
    change_set = meter.run(facts(0, 20, overlap=15), {"": instants((0, 10), (5, 20), (10, 30), (15, 31))})
    assert meter.value() == 31
    assert (change_set.counts.seen, change_set.counts.new, change_set.counts.resets) == (3, 1, 0)


def test_reading_at_the_end_of_the_last_window_is_not_late(meter: Ledger) -> None:
    """Windows are half-open: an instant at their border is the first of the next one, in each run anew."""
    meter.run(facts(0, 30), {"": instants((0, 1), (15, 2))})
    counts = meter.run(facts(30, 60), {"": instants((30, 3), (45, 4))}).counts
    assert (counts.new, counts.late) == (2, 0)


def test_reading_behind_the_newest_is_stale(meter: Ledger) -> None:
    """A reading that comes after a newer one says nothing, and is no new start."""
    meter.run(facts(0, 15, overlap=15), {"": instants((0, 10), (10, 30))})
    change_set = meter.run(facts(0, 20, overlap=15), {"": instants((0, 10), (5, 20), (10, 30), (15, 31))})
    assert meter.value() == 31
    assert (change_set.counts.stale, change_set.counts.resets) == (1, 0)


def test_newest_reading_is_remembered_without_any_overlap(meter: Ledger) -> None:
    """The base of the next difference is kept however old it is."""
    meter.run(facts(0, 5), {"": instants((0, 10))})
    meter.run(facts(5, 500), {})
    meter.run(facts(500, 505), {"": instants((500, 12))})
    assert meter.value() == 12


def test_newest_reading_revised_down_is_owed(meter: Ledger) -> None:
    """A correction of the newest reading is no new start: the total waits until the readings have caught up."""
    meter.run(facts(0, 5, overlap=5), {"": instants((0, 100))})
    change_set = meter.run(facts(0, 5, overlap=5), {"": instants((0, 95))})
    assert (meter.value(), meter.debt()) == (100, 5)
    assert (change_set.counts.revised, change_set.counts.resets) == (1, 0)
    meter.run(facts(0, 10, overlap=5), {"": instants((0, 95), (5, 97))})
    assert (meter.value(), meter.debt()) == (100, 3)
    meter.run(facts(5, 15, overlap=5), {"": instants((5, 97), (10, 104))})
    assert (meter.value(), meter.debt()) == (104, 0)


def test_newest_reading_revised_up_is_added(meter: Ledger) -> None:
    """A correction upwards raises the total at once."""
    meter.run(facts(0, 5, overlap=5), {"": instants((0, 100))})
    meter.run(facts(0, 5, overlap=5), {"": instants((0, 103))})
    assert meter.value() == 103


def test_ignored_revision_moves_only_the_base() -> None:
    """With on_revision ignore the total stays as it was counted, and later differences count from the new reading."""
    spec = counter(temporality=Temporality.CUMULATIVE, on_revision=OnRevision.IGNORE)
    meter = Ledger(MemoryStore(), [spec])
    meter.run(facts(0, 5, overlap=5), {"": instants((0, 100))})
    meter.run(facts(0, 5, overlap=5), {"": instants((0, 95))})
    assert (meter.value(), meter.debt()) == (100, 0)
    change_set = meter.run(facts(0, 10, overlap=5), {"": instants((0, 95), (5, 97))})
    assert meter.value() == 102
    assert change_set.counts.resets == 0


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_total_is_the_sum_of_all_rises(data: st.DataObject) -> None:
    """However readings are cut into runs and read again, the total is what a person would add up."""
    readings = data.draw(st.lists(st.integers(0, 9), min_size=1, max_size=30))
    meter = Ledger(MemoryStore(), [counter(temporality=Temporality.CUMULATIVE)])
    end = 0
    while end < len(readings):
        overlap = data.draw(st.integers(0, 4))
        begin, end = max(0, end - overlap), min(len(readings), end + data.draw(st.integers(1, 6)))
        answer = instants(*((n * 5, readings[n]) for n in range(begin, end)))
        meter.run(facts(begin * 5, end * 5, overlap=data.draw(st.integers(0, 25))), {"": answer})
        if data.draw(st.booleans()):
            meter.restart()
    rises = (new - old if new >= old else new for old, new in itertools.pairwise([0, *readings]))
    assert (meter.value(), meter.debt()) == (sum(rises), 0)


@pytest.mark.parametrize(("value", "reason"), [(-1.0, "negative"), (math.nan, "not_finite"), (math.inf, "not_finite")])
def test_reading_that_cannot_be_is_refused(meter: Ledger, value: float, reason: str) -> None:
    """A negative or not finite reading costs one point."""
    change_set = meter.run(facts(0, 15), {"": instants((0, 1), (5, value), (10, 3))})
    assert meter.value() == 3
    assert change_set.rejects.counts == {reason: 1}
    assert change_set.counts.resets == 0


def test_reading_of_an_interval_counts_at_its_end(meter: Ledger) -> None:
    """A meter read per interval is followed like one read at instants."""
    meter.run(facts(0, 15), {"": series((0, 5, 1), (5, 10, 4), (10, 15, 9))})
    assert meter.value() == 9


def test_cumulative_series_does_not_show_zero_first(meter: Ledger) -> None:
    """The first reading is no increment, so the page does not make one of it."""
    change_set = meter.run(facts(0, 5), {"": instants((0, 5000))})
    assert meter.on_page()[""].zero_until <= change_set.now


def test_new_start_that_is_taken_back_was_none(meter: Ledger) -> None:
    """A newest reading that was shown before it was complete does not leave the meter counted twice."""
    meter.run(facts(0, 10, overlap=10), {"": instants((0, 5000), (5, 0))})
    assert meter.value() == 5000
    change_set = meter.run(facts(0, 20, overlap=10), {"": instants((0, 5000), (5, 5010), (10, 5020))})
    assert (meter.value(), meter.debt()) == (5020, 0)
    assert (change_set.counts.revised, change_set.counts.resets) == (1, 0)


def test_reading_before_a_new_start_may_be_revised(meter: Ledger) -> None:
    """It is all that is left of what the source counted before."""
    meter.run(facts(0, 10, overlap=10), {"": instants((0, 100), (5, 10))})
    meter.run(facts(0, 15, overlap=10), {"": instants((0, 120), (5, 10), (10, 12))})
    assert (meter.value(), meter.debt()) == (132, 0)


def test_reading_that_is_revised_below_the_one_before_is_no_new_start(meter: Ledger) -> None:
    """It is a debt, also when both are read again, and when the next reading is higher."""
    meter.run(facts(0, 10, overlap=20), {"": instants((0, 100), (5, 105))})
    for overlapping in range(2):
        meter.run(facts(0, 15 + overlapping, overlap=20), {"": instants((0, 100), (5, 99))})
        assert (meter.value(), meter.debt()) == (105, 6)
    meter.run(facts(0, 25, overlap=20), {"": instants((0, 100), (5, 101), (20, 107))})
    assert (meter.value(), meter.debt()) == (107, 0)


class Meter:
    """Readings by the book: which of them was a new start when it came, and how far back they may be revised."""

    def __init__(self) -> None:
        self.readings: list[float] = []
        self.starts: list[bool] = []
        self.first = 0
        self.page = 0.0

    def read(self, offered: dict[int, float], keep_from: int) -> None:
        """``offered`` by number, five minutes apart."""
        for number in range(self.first, len(self.readings)):
            self.readings[number] = offered.get(number, self.readings[number])
        for number in range(self.first + 1, len(self.readings)):
            falls = self.readings[number] < self.readings[number - 1]
            self.starts[number] &= falls
            if falls and not self.starts[number]:
                self.first = number
        for number in range(len(self.readings), max(offered, default=-1) + 1):
            self.starts.append(bool(self.readings) and offered[number] < self.readings[-1])
            self.readings.append(offered[number])
        self.first = max(self.first, min(-(-keep_from // 5), len(self.readings)) - 1)
        self.page = max(self.page, self.current)

    @property
    def current(self) -> float:
        before = [self.readings[n - 1] for n, is_start in enumerate(self.starts) if is_start]
        return self.readings[-1] + sum(before) if self.readings else 0.0


@settings(max_examples=200, deadline=None)
@given(
    story=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2**30)), min_size=1, max_size=12),
    overlap=st.sampled_from([0, 5, 15, 40]),
)
def test_readings_that_are_revised_come_to_what_a_person_notes(story: list[tuple[int, int]], overlap: int) -> None:
    """Meters that rise, fall, start anew and are corrected: total less debt is what the readings come to."""
    meter = Ledger(MemoryStore(), [counter(temporality=Temporality.CUMULATIVE)])
    book, end = Meter(), 0
    for more, seed in story:
        start = max(0, end - overlap)
        end += 5 * more + 5
        offered = {
            n: float((seed >> n % 7) * 2654435761 % 13 + (n if seed % 3 else 0)) for n in range(start // 5, end // 5)
        }
        meter.run(facts(start, end, overlap=overlap), {"": instants(*((5 * n, v) for n, v in offered.items()))})
        book.read(offered, end - overlap)
        meter.restart()
        assert (meter.value(), meter.value() - meter.debt()) == (book.page, book.current)


def test_a_reading_may_run_since_long_before_the_lane(meter: Ledger) -> None:
    """A reading belongs to the window that it ends in, whenever its source began to count."""
    meter.run(facts(0, 10), {"": series((-10_000, 5, 70))})
    meter.run(facts(10, 20), {"": series((-10_000, 15, 75))})
    assert meter.value() == 75


def test_of_older_readings_the_newest_counts(meter: Ledger) -> None:
    """Where a request does not name its window, and nothing of the answer lies in it, its newest reading counts."""
    change_set = meter.run(facts(0, 10, window_is_asked=False), {"": instants((-30, 9), (-20, 4), (25, 8))})
    assert meter.value() == 4
    assert change_set.counts.new == 1
