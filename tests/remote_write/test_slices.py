"""What leaves next, and what never may."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.remote_write.building import NOW, series, spec
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.remote_write.outbox import OutSeries, Pending
from timepoint.remote_write.slices import MAX_VALUE, REASONS, Reach, Screen, series_reason


def row(number: int, of: int, age: int, sent_until: int | None = None) -> Pending:
    """A sample of a series, some ms old."""
    return Pending(number, series(of), NOW - age, 1.0, sent_until=sent_until)


def named(*labels: tuple[str, str]) -> OutSeries:
    """A series with these very labels."""
    return OutSeries(1, labels)


def test_a_strict_slice_ends_where_a_series_comes_again() -> None:
    """At most one sample of a series, and nothing newer than what stays."""
    rows = [row(1, 1, 50), row(2, 2, 50), row(3, 1, 40), row(4, 3, 30)]
    cut = Screen(spec()).cut(rows, NOW, 100)
    assert [ready.row.number for ready in cut.rows] == [1, 2]


@pytest.mark.parametrize(("window", "span"), [(0, 55 * MINUTE), (6 * HOUR, 6 * HOUR - 5 * MINUTE)])
def test_a_slice_spans_less_than_the_window(window: int, span: int) -> None:
    """If its answer is lost it is sent again, and its newest samples must not make its oldest too old (R9, R14)."""
    rows = [row(1, 1, DAY), row(2, 2, DAY - span), row(3, 3, DAY - span - 1)]
    cut = Screen(spec(out_of_order=window, max_age=0)).cut(rows, NOW, 100)
    assert [ready.row.number for ready in cut.rows] == [1, 2]


def test_a_slice_has_at_most_so_many() -> None:
    """``limit`` bounds a slice."""
    cut = Screen(spec()).cut([row(number, number, 50) for number in range(10)], NOW, 4)
    assert len(cut.rows) == 4


def test_with_a_window_a_series_may_come_again() -> None:
    """A receiver that takes samples in any order gets several of one series."""
    rows = [row(1, 1, 50), row(2, 1, 40), row(3, 1, 30)]
    assert len(Screen(spec(out_of_order=HOUR)).cut(rows, NOW, 100).rows) == 3


def test_with_a_window_one_instant_goes_once() -> None:
    """R7, R16: of two samples of a series at one instant the receiver would keep the first and say nothing."""
    cut = Screen(spec(out_of_order=HOUR)).cut([row(1, 1, 50), row(2, 1, 50)], NOW, 100)
    assert [ready.row.number for ready in cut.rows] == [1]
    assert [letter[:2] for letter in cut.letters] == [(2, "duplicate")]


def test_the_future_waits_for_its_time() -> None:
    """R12: a sample that lies a millisecond ahead does not leave, is not given up, and the slice says when it may."""
    cut = Screen(spec()).cut([row(1, 1, 0), row(2, 2, -1), row(3, 3, -HOUR)], NOW, 100)
    assert [ready.row.number for ready in cut.rows] == [1]
    assert (cut.letters, cut.next_at) == ((), NOW + 1)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (row(1, 1, 56 * MINUTE), "receiver_window"),
        (row(1, 1, 10, sent_until=NOW - 9), "late"),
        (row(1, 1, 10, sent_until=NOW - 10), "duplicate"),
        (row(1, 1, 10, sent_until=NOW - 11), ""),
        (row(1, 1, 55 * MINUTE), ""),
    ],
)
def test_a_sample_is_judged_before_it_leaves(found: Pending, reason: str) -> None:
    """What a strict receiver would refuse for its time becomes a letter without a request."""
    cut = Screen(spec()).cut([found], NOW, 10)
    assert [letter.reason for letter in cut.letters] == ([reason] if reason else [])
    assert len(cut.rows) == (not reason)


def test_an_older_sample_may_leave_where_there_is_a_window() -> None:
    """Out of order means that a series may be sent what is older than its newest."""
    found = row(1, 1, 10, sent_until=NOW - 5)
    assert Screen(spec(out_of_order=HOUR)).reason(found, NOW) == ""


def test_the_window_bounds_the_age() -> None:
    """Without a word of the operator, a sample leaves up to five minutes before the window's end."""
    screen = Screen(spec(out_of_order=6 * HOUR))
    assert not screen.is_too_old(row(1, 1, 6 * HOUR - 5 * MINUTE), NOW)
    assert screen.is_too_old(row(1, 1, 6 * HOUR - 5 * MINUTE + 1), NOW)
    assert not Screen(spec(max_age=0)).is_too_old(row(1, 1, 1000 * HOUR), NOW)


NAME = ("__name__", "m")


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ((NAME, ("a", "1")), ""),
        ((NAME, ("a", "Zürich\n")), ""),
        ((), "no_name"),
        ((("a", "1"),), "no_name"),
        ((("__name__", ""),), "no_name"),
        ((("__name__", "my.dotted"),), "name"),
        ((("__name__", "1m"),), "name"),
        ((NAME, ("a-b", "1")), "label"),
        ((NAME, ("a", "")), "label"),
        ((("", "1"), NAME), "label"),
        ((NAME, ("a", "\ud800")), "label"),
        ((NAME, ("__tmp", "1")), "label"),
        ((NAME, ("b", "1"), ("a", "1")), "label_order"),
        ((NAME, ("a", "1"), ("a", "2")), "label_order"),
        ((NAME, ("a", "x" * MAX_VALUE)), ""),
        ((NAME, ("a", "x" * (MAX_VALUE + 1))), "too_long"),
        ((NAME, ("a" * 1025, "x")), "too_long"),
    ],
)
def test_a_series_is_judged_by_its_labels(labels: tuple[tuple[str, str], ...], reason: str) -> None:
    """R13, R17: what receivers store though it is wrong, or fail over for ever, does not leave."""
    assert series_reason(labels, utf8_names=False) == reason
    assert reason in ("", *REASONS)


def test_names_in_utf8_where_the_receiver_takes_them() -> None:
    """``utf8_names`` lets any text be a name."""
    assert series_reason((("__name__", "my.dotted"), ("a-b", "1")), utf8_names=True) == ""


def test_external_labels_are_added_in_order() -> None:
    """They stand among the series' own, sorted by bytes, and never replace one."""
    screen = Screen(spec(external_labels={"cluster": "eu", "pod": "other", "zone": "z"}))
    labels = screen.ready(row(1, 1, 10)).labels
    assert labels == (
        ("__name__", "energy_joules_total"),
        ("cluster", "eu"),
        ("pod", "pod-1"),
        ("zone", "z"),
    )


def test_series_that_external_labels_make_equal_are_one() -> None:
    """Two series which differ by a label that both then have do not meet in one request."""
    screen = Screen(spec(external_labels={"a": "1"}))
    rows = [
        Pending(1, OutSeries(1, (NAME,)), NOW - 10, 1.0),
        Pending(2, OutSeries(2, (NAME, ("a", "1"))), NOW - 10, 2.0),
    ]
    assert [ready.row.number for ready in screen.cut(rows, NOW, 10).rows] == [1]


def test_a_series_that_changes_is_judged_anew() -> None:
    """What is remembered by id holds for these very labels."""
    screen = Screen(spec())
    assert screen.reason(Pending(1, named(("a", "1")), NOW, 1.0), NOW) == "no_name"
    assert screen.reason(Pending(1, named(NAME), NOW, 1.0), NOW) == ""


def test_a_witness_is_of_another_series() -> None:
    """The first sample of each other series; nothing that could not leave."""
    screen = Screen(spec())
    rows = [row(1, 1, 60), row(2, 1, 50), row(3, 2, 40, sent_until=NOW), row(4, 3, 30), row(5, 3, 20), row(6, 4, -5)]
    found = screen.witnesses(rows, (screen.ready(rows[0]),), NOW)
    assert [ready.row.number for ready in found] == [4]


def test_a_witness_lies_no_further_away_than_a_slice_spans() -> None:
    """Stored, a newer one would make the samples in doubt too old."""
    screen = Screen(spec(max_age=0))
    rows = [row(1, 1, DAY), row(2, 2, DAY - 55 * MINUTE), row(3, 3, DAY - HOUR)]
    assert [ready.row.number for ready in screen.witnesses(rows, (screen.ready(rows[0]),), NOW)] == [2]


def test_a_witness_of_far_away_is_found_where_it_is_asked_for() -> None:
    """A sample that is too old already has nobody near it."""
    screen = Screen(spec(max_age=0))
    rows = [row(1, 1, DAY), row(3, 3, HOUR)]
    held = (screen.ready(rows[0]),)
    assert [ready.row.number for ready in screen.witnesses(rows, held, NOW, Reach.WIDE)] == [3]


ROWS = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 20)), max_size=40)


@given(drawn=ROWS, limit=st.integers(1, 10), window=st.sampled_from([0, HOUR]))
@settings(max_examples=100)
def test_a_slice_is_the_beginning_of_the_order(drawn: list[tuple[int, int]], limit: int, window: int) -> None:
    """W18: of any queue, what leaves is no newer than what stays; strictly, no series comes twice."""
    ordered = sorted(drawn, key=lambda pair: -pair[1])
    rows = [row(place, of, age) for place, (of, age) in enumerate(ordered)]
    cut = Screen(spec(out_of_order=window)).cut(rows, NOW, limit)
    gone = len(cut.rows) + len(cut.letters)
    assert {ready.row.number for ready in cut.rows} | {letter.number for letter in cut.letters} == set(range(gone))
    assert bool(rows) == bool(cut.rows)
    keys = [ready.labels if not window else (ready.labels, ready.row.at) for ready in cut.rows]
    assert len(set(keys)) == len(keys) <= limit
