"""What every outbox promises: the same tests for each implementation."""

from __future__ import annotations

import math
import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.remote_write.building import NOW, series
from tests.remote_write.conftest import KINDS, LETTERS, Filled
from timepoint.remote_write.encode import STALE, is_stale
from timepoint.remote_write.outbox import Counts, Letter, Parking, Settlement, Version

A, B = "a", "b"


def test_an_unknown_receiver_has_an_empty_queue(filled: Filled) -> None:
    """Nothing waits for a receiver that nobody has heard of."""
    assert filled.outbox.oldest(A, 10) == []
    assert filled.outbox.counts(A) == Counts()
    assert filled.outbox.version(A) is None


def test_the_order_is_by_time_over_all_series(filled: Filled) -> None:
    """What was enqueued later but is older leaves first; among equals the first that came."""
    filled.enqueue([A], [(series(1), NOW + 2, 1.0), (series(2), NOW + 1, 2.0)])
    filled.enqueue([A], [(series(3), NOW, 3.0), (series(4), NOW + 1, 4.0)])
    assert [row.series.id for row in filled.outbox.oldest(A, 10)] == [3, 2, 4, 1]


def test_a_queue_is_read_on_from_a_sample(filled: Filled) -> None:
    """``after`` gives what follows, so a window is walked in pieces."""
    filled.enqueue([A], [(series(number), NOW + number // 2, 0.0) for number in range(7)])
    found = filled.outbox.oldest(A, 3)
    while rest := filled.outbox.oldest(A, 3, after=found[-1]):
        found += rest
    assert [row.series.id for row in found] == list(range(7))


def test_a_sample_comes_back_as_it_went_in(filled: Filled) -> None:
    """Labels, instant, value bit by bit, start and metadata are those that were enqueued."""
    values = [0.1, -0.0, math.inf, math.nan, STALE, 5e-324]
    filled.enqueue([A], [(series(1, zone="Zürich"), NOW + place, value, 7) for place, value in enumerate(values)])
    rows = filled.outbox.oldest(A, 10)
    assert [struct.pack("<d", row.value) for row in rows] == [struct.pack("<d", value) for value in values]
    assert {(row.series, row.start) for row in rows} == {(series(1, zone="Zürich"), 7)}
    assert is_stale(rows[4].value)


def test_receivers_have_queues_of_their_own(filled: Filled) -> None:
    """W13: what one has acknowledged still waits for the other (C7)."""
    filled.enqueue([A, B], [(series(1), NOW, 1.0)])
    (row,) = filled.outbox.oldest(A, 10)
    filled.outbox.settle(A, Settlement(acknowledged=(row.number,)), NOW)
    assert (filled.outbox.counts(A).pending, filled.outbox.counts(B).pending) == (0, 1)


def test_a_settlement_is_one_change(filled: Filled) -> None:
    """Acknowledged, buried and parked ones leave the queue together, and the sum holds."""
    filled.enqueue([A], [(series(number), NOW + number, 1.0) for number in range(4)])
    first, second, third, fourth = (row.number for row in filled.outbox.oldest(A, 10))
    settlement = Settlement((first,), (Letter(second, "late", 400, "too old"),), (Parking(third, NOW + 10, 500),))
    filled.outbox.settle(A, settlement, NOW)
    counts = filled.outbox.counts(A)
    assert (counts.enqueued, counts.acknowledged, counts.dead, counts.pending, counts.parked) == (4, 1, 1, 2, 1)
    assert [row.number for row in filled.outbox.oldest(A, 10)] == [fourth]
    assert counts.oldest == NOW + 3


def test_settling_again_changes_nothing(filled: Filled) -> None:
    """After a commit whose outcome nobody knows it is done once more, and counts once."""
    filled.enqueue([A], [(series(1), NOW, 1.0), (series(2), NOW, 1.0)])
    first, second = (row.number for row in filled.outbox.oldest(A, 10))
    settlement = Settlement((first,), (Letter(second, "late"),))
    filled.outbox.settle(A, settlement, NOW)
    before = filled.outbox.counts(A)
    filled.outbox.settle(A, settlement, NOW)
    filled.outbox.settle(A, Settlement(buried=(Letter(first, "late"),), parked=(Parking(second, NOW),)), NOW)
    assert filled.outbox.counts(A) == before


def test_a_row_knows_what_its_series_was_last_sent(filled: Filled) -> None:
    """``sent_until`` is the newest acknowledged instant of the series at this receiver, and does not fall."""
    filled.enqueue([A, B], [(series(1), NOW, 1.0), (series(1), NOW - 5, 1.0)])
    older, newer = filled.outbox.oldest(A, 10)
    filled.outbox.settle(A, Settlement((newer.number,)), NOW)
    filled.outbox.settle(A, Settlement((older.number,)), NOW)
    filled.enqueue([A, B], [(series(1), NOW + 9, 1.0), (series(2), NOW + 9, 1.0)])
    assert [row.sent_until for row in filled.outbox.oldest(A, 10)] == [NOW, None]
    assert [row.sent_until for row in filled.outbox.oldest(B, 10)] == [None] * 4


def test_a_parked_sample_is_due_at_its_time(filled: Filled) -> None:
    """It is left out of the order, comes back when its time has come, and keeps since when it is parked."""
    filled.enqueue([A], [(series(1), NOW, 1.0), (series(2), NOW, 1.0)])
    first = filled.outbox.oldest(A, 1)[0].number
    filled.outbox.settle(A, Settlement(parked=(Parking(first, NOW + 10, 500),)), NOW)
    assert filled.outbox.due(A, NOW + 9, 5) == []
    filled.outbox.settle(A, Settlement(parked=(Parking(first, NOW + 20, 503),)), NOW + 10)
    assert filled.outbox.due(A, NOW + 19, 5) == []
    (parked,) = filled.outbox.due(A, NOW + 20, 5)
    assert (parked.row.number, parked.since, parked.status) == (first, NOW, 503)
    filled.outbox.settle(A, Settlement(acknowledged=(first,)), NOW + 20)
    assert (filled.outbox.due(A, NOW + 99, 5), filled.outbox.counts(A).parked) == ([], 0)


def test_a_dead_letter_says_why(filled: Filled) -> None:
    """Sample, reason, status, words and instant are kept."""
    filled.enqueue([A], [(series(1), NOW, 1.5)])
    (row,) = filled.outbox.oldest(A, 1)
    filled.outbox.settle(A, Settlement(buried=(Letter(row.number, "conflict", 400, "duplicate"),)), NOW + 3)
    (letter,) = filled.outbox.dead(A, 10)
    assert (letter.row.series, letter.row.at, letter.row.value) == (series(1), NOW, 1.5)
    assert letter[1:] == ("conflict", 400, "duplicate", NOW + 3)
    assert filled.outbox.dead(A, 10, after=letter.row.number) == []


def test_of_too_many_dead_letters_the_number_stays(filled: Filled) -> None:
    """Those beyond the most that are kept, and those that shall not be kept, are counted."""
    filled.enqueue([A], [(series(number), NOW + number, 1.0) for number in range(8)])
    rows = filled.outbox.oldest(A, 10)
    letters = tuple(Letter(row.number, "full", is_kept=row.series.id != 7) for row in rows)
    filled.outbox.settle(A, Settlement(buried=letters), NOW)
    counts = filled.outbox.counts(A)
    assert (counts.dead, counts.letters) == (8, 5)
    assert [letter.row.series.id for letter in filled.outbox.dead(A, 10)] == [2, 3, 4, 5, 6]


def test_a_dead_letter_can_wait_again(filled: Filled) -> None:
    """Reviving takes it from the dead to the pending, once."""
    filled.enqueue([A], [(series(1), NOW, 1.0), (series(2), NOW + 1, 1.0)])
    first, second = (row.number for row in filled.outbox.oldest(A, 10))
    filled.outbox.settle(A, Settlement(buried=(Letter(first, "late"),)), NOW)
    assert filled.outbox.revive(A, [first, first, second, 999]) == 1
    assert filled.outbox.revive(A, [first]) == 0
    assert [row.number for row in filled.outbox.oldest(A, 10)] == [first, second]
    assert filled.outbox.counts(A).dead == 0


def test_a_dead_letter_that_is_dismissed_is_gone_and_still_counted(filled: Filled) -> None:
    """It is dead no more, by no reason, and cannot wait again; the sum holds. What waits is not touched."""
    filled.enqueue([A], [(series(number), NOW + number, 1.0) for number in range(3)])
    first, second, third = (row.number for row in filled.outbox.oldest(A, 10))
    filled.outbox.settle(A, Settlement(buried=(Letter(first, "late"), Letter(second, "conflict"))), NOW)
    assert filled.outbox.dismiss(A, [first, first, third, 999]) == 1
    assert filled.outbox.dismiss(A, [first]) == 0
    assert filled.outbox.revive(A, [first]) == 0
    counts = filled.outbox.counts(A)
    assert (counts.dead, counts.letters, counts.dismissed, counts.pending) == (1, 1, 1, 1)
    assert counts.is_balanced
    assert [letter.reason for letter in filled.outbox.dead(A, 10)] == ["conflict"]


def test_the_dead_without_letters_are_dismissed_by_reason(filled: Filled) -> None:
    """Those of whom only the number is kept; letters stay."""
    filled.enqueue([A], [(series(number), NOW + number, 1.0) for number in range(12)])
    rows = filled.outbox.oldest(A, 12)
    reasons = ("full", "late", "conflict")
    letters = tuple(Letter(row.number, reasons[row.series.id % 3], is_kept=row.series.id < 11) for row in rows)
    filled.outbox.settle(A, Settlement(buried=letters), NOW)
    assert filled.outbox.dismiss_unkept("unknown") == 0
    assert filled.outbox.dismiss_unkept(A, "full") == 2
    counts = filled.outbox.counts(A)
    assert (counts.dead, counts.letters, counts.dismissed, counts.is_balanced) == (10, LETTERS, 2, True)
    assert (filled.outbox.dismiss_unkept(A), filled.outbox.dismiss_unkept(A)) == (5, 0)
    again = filled.reopened()
    assert [letter.row.series.id for letter in again.dead(A, 10)] == [6, 7, 8, 9, 10]
    assert (again.counts(A).dead, again.counts(A).dismissed) == (5, 7)


def test_a_letter_from_the_middle_waits_once_again(filled: Filled) -> None:
    """Revived, it stands at its old place, once, and the older ones before it."""
    filled.enqueue([A], [(series(number), NOW + number, 1.0) for number in range(3)])
    numbers = [row.number for row in filled.outbox.oldest(A, 10)]
    filled.outbox.settle(A, Settlement(buried=(Letter(numbers[1], "late"),)), NOW)
    filled.outbox.revive(A, [numbers[1]])
    assert [row.number for row in filled.outbox.oldest(A, 10)] == numbers


def test_all_of_it_outlives_a_restart(filled: Filled) -> None:
    """Queue, parked ones, letters, counts, high marks and the version are there again."""
    filled.enqueue([A], [(series(number), NOW + number, 1.0) for number in range(4)])
    first, second, third, _ = (row.number for row in filled.outbox.oldest(A, 10))
    settlement = Settlement((first,), (Letter(second, "late"),), (Parking(third, NOW + 10),))
    filled.outbox.settle(A, settlement, NOW)
    filled.outbox.remember(A, Version.V1)
    filled.enqueue([A], [(series(0), NOW + 9, 1.0)])
    before = (
        filled.outbox.counts(A),
        filled.outbox.oldest(A, 9),
        filled.outbox.dead(A, 9),
        filled.outbox.due(A, NOW * 2, 9),
    )
    again = filled.reopened()
    assert (again.counts(A), again.oldest(A, 9), again.dead(A, 9), again.due(A, NOW * 2, 9)) == before
    assert again.version(A) == Version.V1
    assert before[1][-1].sent_until == NOW


@given(data=st.data(), kind=st.sampled_from(sorted(KINDS)))
@settings(max_examples=30)
def test_the_sum_always_holds(data: st.DataObject, kind: str) -> None:
    """O5: enqueued is the sum of all places after any sequence of changes, and nothing is in two places."""
    filled = KINDS[kind]()
    numbers = st.lists(st.integers(1, 30), max_size=6)
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.integers(0, 5)):
            case 0:
                ats = data.draw(st.lists(st.integers(NOW, NOW + 5), max_size=5))
                filled.enqueue([A], [(series(at % 3), at, 1.0) for at in ats])
            case 1:
                buried = tuple(Letter(number, "late", is_kept=number % 3 > 0) for number in data.draw(numbers))
                parked = tuple(Parking(number, NOW) for number in data.draw(numbers))
                filled.outbox.settle(A, Settlement(tuple(data.draw(numbers)), buried, parked), NOW)
            case 2:
                filled.outbox.revive(A, data.draw(numbers))
            case 3:
                filled.outbox.dismiss(A, data.draw(numbers))
            case 4:
                filled.outbox.dismiss_unkept(A, data.draw(st.sampled_from(["", "late", "full"])))
            case _:
                filled.outbox.remember(A, Version.V2)
        counts = filled.outbox.counts(A)
        waiting = filled.outbox.oldest(A, 1000)
        assert counts.is_balanced
        assert len(waiting) + counts.parked == counts.pending
        assert [(row.at, row.number) for row in waiting] == sorted((row.at, row.number) for row in waiting)
        assert counts.oldest == (waiting[0].at if waiting else None)
