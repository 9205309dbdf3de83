"""Where windows touch: each point belongs to one of them, whatever an API sends beside what it was asked for."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import MINUTE, T0, Ledger, Point, counter, facts, fives, gauge, instants, series
from timepoint.ledger.memory import MemoryStore


def delta_ledger() -> Ledger:
    """A lane with one delta counter."""
    return Ledger(MemoryStore(), [counter()])


def test_interval_across_a_seam_counts_in_the_window_in_which_it_ends() -> None:
    """The first of two windows leaves it, the second takes it, and neither calls it a reject."""
    ledger = delta_ledger()
    answer = {"": series((0, 8, 1), (8, 12, 2), (12, 20, 4))}
    first = ledger.run(facts(0, 10, ends_run=False), answer)
    assert (ledger.value(), first.counts.unused) == (1, 2)
    second = ledger.run(facts(10, 20), answer)
    assert (ledger.value(), second.counts.new) == (7, 2)
    assert first.rejects.total + second.rejects.total == 1, "0..8 was not asked for again"


def test_interval_across_a_seam_that_overlaps_a_counted_one_is_refused() -> None:
    """What was counted and forgotten still bars an interval that holds it."""
    ledger = delta_ledger()
    ledger.run(facts(0, 10), {"": fives(0, 1, 2)})
    change_set = ledger.run(facts(10, 20), {"": series((0, 15, 8), (15, 20, 4))})
    assert (ledger.value(), change_set.rejects.counts) == (7, {"overlap": 1})


def test_interval_across_a_seam_fills_what_was_missing() -> None:
    """If the part before the seam was never counted, nothing is in its way, over a restart too."""
    ledger = delta_ledger()
    ledger.run(facts(0, 10), {"": fives(0, 1)})
    ledger.restart()
    assert ledger.run(facts(10, 20), {"": series((5, 15, 8))}).rejects.total == 0
    assert ledger.value() == 9


def test_interval_that_begins_before_all_that_was_asked_for_is_left_alone() -> None:
    """The first window of all has nothing before it: an interval into it belongs to nobody, and is no mistake."""
    ledger = delta_ledger()
    ledger.store.note_attempt("job", "", T0, T0)
    ledger.restart()
    answer = {"": series((-5, 5, 1), (5, 10, 2))}
    first = ledger.run(facts(0, 10, overlap=10), answer)
    second = ledger.run(facts(0, 20, overlap=10), answer)
    assert (ledger.value(), first.counts.unused, second.counts.unused) == (2, 1, 1)
    assert first.rejects.total + second.rejects.total == 0


def test_an_inclusive_end_makes_no_noise() -> None:
    """The point at the end of the window is the next run's, as an instant and as the begin of an interval."""
    ledger = delta_ledger()
    change_set = ledger.run(facts(0, 10), {"{a}": instants((0, 1), (5, 2), (10, 4)), "{b}": fives(0, 1, 2, 4)})
    assert ledger.values() == {"{a}": 3, "{b}": 3}
    assert (change_set.rejects.total, change_set.counts.unused) == (0, 2)


def test_an_inclusive_start_makes_no_noise() -> None:
    """Where stamps are ends, the point at the start of the window was the last one's."""
    ledger = delta_ledger()
    ledger.run(facts(0, 10), {"": fives(-5, 1, 2, 4)})
    change_set = ledger.run(facts(10, 20), {"": fives(5, 4, 8, 16)})
    assert (ledger.value(), change_set.rejects.total, change_set.counts.unused) == (30, 0, 1)


def test_points_far_before_the_window_are_rejects() -> None:
    """Nobody asked for them: neither this window nor the overlap of another one."""
    ledger = delta_ledger()
    change_set = ledger.run(facts(30, 40, overlap=10), {"": fives(10, 1, 2, 4, 8, 16, 32)})
    assert (ledger.value(), change_set.counts.unused) == (48, 2)
    assert change_set.rejects.counts == {"outside_window": 2}


def test_points_of_the_future_are_rejects() -> None:
    """What is not settled yet is left for a later run; what has not even begun is a mistake of somebody's."""
    ledger = delta_ledger()
    change_set = ledger.run(facts(0, 10, fire=20), {"": series((12, 14, 1), (20, 25, 2), (21, 26, 4))})
    assert (change_set.counts.unused, change_set.rejects.counts) == (2, {"outside_window": 1})


def test_time_that_is_passed_over_is_counted() -> None:
    """A window that begins after the watermark, or after what a first run asked for, leaves a gap for ever."""
    ledger = delta_ledger()
    ledger.store.note_attempt("job", "", T0, T0)
    ledger.restart()
    gaps = [ledger.run(facts(start, end)).counts.given_up for start, end in ((5, 10), (10, 20), (15, 25), (35, 40))]
    assert gaps == [5 * MINUTE, 0, 0, 10 * MINUTE]


def test_gauges_follow_the_same_borders() -> None:
    """A gauge over the points of a run takes each point in one run."""
    ledger = Ledger(MemoryStore(), [gauge()])
    change_set = ledger.run(facts(0, 10), {"": series((0, 4, 1), (4, 9, 2), (9, 14, 4), (14, 20, 8))})
    assert (ledger.value(), change_set.rejects.total) == (2, 0)
    assert change_set.counts.unused == 2
    assert ledger.run(facts(10, 20), {"": series((4, 9, 2), (9, 14, 4))}).counts.unused == 0
    assert ledger.value() == 4


@st.composite
def timelines(draw: st.DrawFn) -> list[Point]:
    """Intervals of odd lengths, and instants, that do not overlap."""
    gaps = draw(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 13)), min_size=1, max_size=25))
    points: list[Point] = []
    at = -20
    for gap, length in gaps:
        start = at + gap
        points.append((start, start + length, draw(st.integers(0, 9))))
        at = start + max(length, 1)
    return points


@settings(max_examples=150, deadline=None)
@given(
    points=timelines(),
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    overlap=st.integers(0, 15),
    more=st.integers(0, 5),
)
def test_every_point_counts_once_however_time_is_cut(
    points: list[Point], lengths: list[int], overlap: int, more: int
) -> None:
    """An API that sends all that touches the range, and more at its end: the total is the sum of what was asked for."""
    ledger = delta_ledger()
    ledger.store.note_attempt("job", "", T0, T0)
    ledger.restart()
    watermark = 0
    for end in accumulate(lengths):
        start = max(0, watermark - overlap)
        answer = [p for p in points if p[1] >= start and p[0] <= end + more]
        if answer:
            change_set = ledger.run(facts(start, end, overlap=overlap), {"": series(*answer)})
            assert change_set.rejects.total == 0
        else:
            ledger.run(facts(start, end, overlap=overlap))
        watermark = end
    asked = [v for s, e, v in points if s >= 0 and (e <= watermark if s < e else e < watermark)]
    state = ledger.lane.metric(ledger.metrics[0])
    assert state is not None
    everything = {**state.series, **state.absent}
    assert (everything[""].value if everything else 0) == sum(asked)
