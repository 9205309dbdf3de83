"""Series that leave, come back and begin anew, and receivers that come and go: what is sent of them."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import DAY, HOUR, MINUTE, T0, Ledger, counter, facts, fives, gauge, instants
from tests.ledger.test_outgoing import GONE, LENIENT, STRICT, late_amounts, letters, queue, to, told
from timepoint.ledger.examine import examine
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.schema import LEDGER
from timepoint.ledger.shown import shown
from timepoint.ledger.sqlite_store import SqliteStore
from timepoint.ledger.store import Store, open_store
from timepoint.model import MetricSpec, Receiver, Temporality
from timepoint.remote_write.outbox import Settlement

# Series that leave, come back, begin anew


def test_a_series_that_left_has_ended_right_after_its_newest_sample(store: Store) -> None:
    """Absent from a whole run: the marker stands a millisecond behind, so nothing that comes later is late."""
    ledger = Ledger(store, [to(counter(), STRICT, LENIENT)])
    ledger.run(facts(0, 5), {'{a="1"}': fives(0, 1), '{a="2"}': fives(0, 1)})
    ledger.run(facts(5, 10), {'{a="2"}': fives(5, 1)})
    ledger.run(facts(10, 15), {'{a="2"}': fives(10, 1)})
    for receiver in ("strict", "lenient"):
        assert queue(store, receiver)["a=1"] == [(0, 0), (5, 1), (5 + 1 / MINUTE, GONE)]


def test_a_series_that_comes_back_goes_on(store: Store) -> None:
    """Its next total follows the marker, and its overlap brings what its absent run had missed."""
    ledger = Ledger(store, [to(counter())])
    ledger.run(facts(0, 5, overlap=5), {"": fives(0, 1), '{b="1"}': fives(0, 1)})
    ledger.run(facts(0, 10, overlap=5), {'{b="1"}': fives(0, 1, 1)})
    ledger.run(facts(5, 15, overlap=5), {"": fives(5, 2, 4), '{b="1"}': fives(5, 1, 1)})
    assert queue(store)[""] == [(0, 0), (5, 1), (5 + 1 / MINUTE, GONE), (10, 3), (15, 7)]
    assert letters(store) == []


def test_no_series_ends_in_the_middle_of_a_run(store: Store) -> None:
    """A part of a run that is split says nothing about who is gone."""
    ledger = Ledger(store, [to(gauge())])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    ledger.run(facts(5, 10, fire=30, ends_run=False), {})
    ledger.run(facts(10, 15, fire=30), {"": fives(10, 1)})
    assert queue(store)[""] == [(5, 1), (15, 1)]


def test_an_end_that_is_long_past_is_told_where_there_is_a_window(store: Store) -> None:
    """A strict receiver would refuse it, and no query looks back so far."""
    ledger = Ledger(store, [to(gauge(), STRICT, LENIENT)])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    ledger.run(facts(60, 65), {})
    assert queue(store)[""] == [(5, 1)]
    assert queue(store, "lenient")[""] == [(5, 1), (5 + 1 / MINUTE, GONE)]


@pytest.mark.parametrize(("minutes", "is_told"), [(85, False), (95, True)])
def test_an_end_is_told_while_the_receiver_takes_it(store: Store, minutes: int, *, is_told: bool) -> None:
    """By the greatest age at which samples go to it, less five minutes for the way."""
    ledger = Ledger(store, [to(gauge(), Receiver("lenient", is_strict=False, oldest=minutes * MINUTE))])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    ledger.run(facts(75, 80), {})
    assert len(queue(store, "lenient")[""]) == 1 + is_told


def test_a_series_that_was_forgotten_begins_another_count(store: Store) -> None:
    """It starts with 0 at its first new interval, and older samples keep the start that they had."""
    ledger = Ledger(store, [to(counter(), LENIENT)])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    ledger.run(facts(5, 10), {})
    later = 8 * DAY // MINUTE
    ledger.run(facts(later, later + 5), {"": fives(later, 2)})
    assert queue(store, "lenient")[""] == [
        (0, 0),
        (5, 1),
        (5 + 1 / MINUTE, GONE),
        (later, 0),
        (later + 5, 2),
    ]
    starts = [row.start for row in store.outbox.oldest("lenient", 9)]
    assert starts == [T0, T0, T0, T0 + 8 * DAY, T0 + 8 * DAY]
    assert len({row.series.id for row in store.outbox.oldest("lenient", 9)}) == 1


# Receivers


def test_each_receiver_has_all_of_it(store: Store) -> None:
    """Two receivers, two queues with the same samples."""
    ledger = Ledger(store, [to(counter(), STRICT, LENIENT)])
    assert ledger.run(facts(0, 10), {"": fives(0, 1, 2)}).counts.enqueued == 6
    assert queue(store) == queue(store, "lenient") == {"": [(0, 0), (5, 1), (10, 3)]}


def test_a_receiver_that_comes_later_gets_what_is_decided_from_then_on(store: Store) -> None:
    """The totals of a counter go on; what was sent before is not made up for."""
    Ledger(store, [to(counter(), STRICT)]).run(facts(0, 5), {"": fives(0, 1)})
    Ledger(store, [to(counter(), STRICT, LENIENT)]).run(facts(5, 10), {"": fives(5, 2)})
    assert queue(store)[""] == [(0, 0), (5, 1), (10, 3)]
    assert queue(store, "lenient")[""] == [(10, 3)]


def test_the_queue_of_a_receiver_that_left_stays(store: Store) -> None:
    """C7: it is known by its name, and goes on when the name comes back."""
    Ledger(store, [to(counter(), STRICT)]).run(facts(0, 5), {"": fives(0, 1)})
    Ledger(store, [to(counter(), LENIENT)]).run(facts(5, 10), {"": fives(5, 2)})
    Ledger(store, [to(counter(), STRICT)]).run(facts(10, 15), {"": fives(10, 4)})
    assert queue(store)[""] == [(0, 0), (5, 1), (15, 7)]


@pytest.mark.parametrize("spec", [counter(), gauge()])
def test_a_metric_of_the_page_that_is_sent_from_now_on_goes_on(store: Store, spec: MetricSpec) -> None:
    """No 0 is sent for a total that is not 0, and no point of the past."""
    Ledger(store, [spec]).run(facts(0, 10, overlap=5), {"": fives(0, 1, 2)})
    Ledger(store, [to(spec)]).run(facts(5, 15, overlap=5), {"": fives(5, 2, 4)})
    total = 7 if spec.temporality else 4
    assert queue(store)[""][-1] == (15, total)
    assert all(at > 5 for at, _ in queue(store)[""])


@pytest.mark.parametrize("spec", [counter(), gauge()])
def test_what_is_sent_is_not_on_the_page(store: Store, spec: MetricSpec) -> None:
    """A metric goes out one way; taken back, it is on the page with what it has."""
    sent = to(spec)
    ledger = Ledger(store, [sent])
    ledger.run(facts(0, 5), {"": fives(0, 2)})
    now = ledger.lane.last_accepted or 0
    assert shown({spec.family.name: sent}, [ledger.lane], now) == []
    [family] = shown({spec.family.name: spec}, [ledger.lane], now + HOUR // 2)
    assert [batch.values for batch in family.batches] == [[2.0]]


def test_a_count_that_begins_anew_stands_behind_the_earlier_one(store: Store) -> None:
    """A metric that is declared otherwise begins where the totals of before end: its 0 stands a millisecond later."""
    spec = to(counter(), STRICT, LENIENT)
    Ledger(store, [spec]).run(facts(0, 10), {"": fives(0, 1, 2)})
    other = replace(spec, family=replace(spec.family, unit="joules"))
    Ledger(store, [other]).run(facts(10, 20), {"": fives(10, 100, 200)})
    for receiver in ("strict", "lenient"):
        assert queue(store, receiver)[""] == [(0, 0), (5, 1), (10, 3), (10 + 1 / MINUTE, 0), (15, 100), (20, 300)]
        assert letters(store, receiver) == []


@pytest.mark.parametrize("is_sent", [False, True])
def test_two_counts_of_a_series_never_mix_at_a_receiver(store: Store, *, is_sent: bool) -> None:
    """A job that was renamed reads a window again: its totals among those of before would look like new starts."""
    spec = to(counter(), LENIENT)
    Ledger(store, [spec]).run(facts(0, 15), {"": fives(0, 100, 100, 100)})
    if is_sent:
        rows = store.outbox.oldest("lenient", 9)
        store.outbox.settle("lenient", Settlement(tuple(row.number for row in rows)), T0)
    renamed = Ledger(store, [spec], "renamed")
    renamed.run(facts(5, 10, fire=25, ends_run=False), {"": fives(5, 1)})
    renamed.run(facts(10, 20, fire=25), {"": fives(10, 1, 1)})
    known = [] if is_sent else [(0, 0), (5, 100), (10, 200), (15, 300)]
    assert queue(store, "lenient")[""] == [*known, (15 + 1 / MINUTE, 0), (20, 3)]
    assert [at for at, _ in late_amounts(store, "lenient")] == [10, 15]
    assert {row.start for row in store.outbox.oldest("lenient", 9)} <= {T0, T0 + 15 * MINUTE + 1}
    assert store.outbox.counts("lenient").is_balanced


@pytest.mark.parametrize("is_declared", [False, True])
def test_a_count_that_is_taken_back_begins_at_0_behind_the_other(store: Store, *, is_declared: bool) -> None:
    """Its old total is in what receivers have: after lower totals it would be an increase once more."""
    spec = to(counter(), LENIENT)
    other = replace(spec, family=replace(spec.family, unit="joules")) if is_declared else spec
    Ledger(store, [spec]).run(facts(0, 10, overlap=10), {"": fives(0, 100, 100)})
    Ledger(store, [other], "job" if is_declared else "renamed").run(facts(10, 15), {"": fives(10, 1)})
    back = Ledger(store, [spec])
    back.run(facts(5, 20, overlap=10), {"": fives(5, 100, 1, 2)})
    back.run(facts(20, 25, overlap=10), {"": fives(20, 4)})
    moment = 1 / MINUTE
    assert queue(store, "lenient")[""] == [
        *[(0, 0), (5, 100), (10, 200), (10 + moment, 0), (15, 1), (15 + moment, 0), (20, 3), (25, 7)]
    ]
    assert store.outbox.counts("lenient").is_balanced


def test_an_end_never_stands_among_samples_of_an_earlier_count(store: Store) -> None:
    """A series that a renamed job has begun, and that is gone before it could send a total, ends behind its 0."""
    spec = to(counter(), LENIENT)
    Ledger(store, [spec]).run(facts(0, 15), {"": fives(0, 100, 100, 100)})
    renamed = Ledger(store, [spec], "renamed")
    renamed.run(facts(5, 10), {"": fives(5, 1)})
    renamed.run(facts(10, 15), {})
    assert queue(store, "lenient")[""][4:] == [(15 + 1 / MINUTE, 0), (15 + 2 / MINUTE, GONE)]


def test_readings_of_a_renamed_job_go_on_behind_those_of_before(store: Store) -> None:
    """Their totals may be lower, since new starts of the source before the renaming are not in them."""
    spec = to(counter(temporality=Temporality.CUMULATIVE), LENIENT)
    Ledger(store, [spec]).run(facts(0, 15), {"": instants((1, 10.0), (6, 2.0), (11, 3.0))})
    Ledger(store, [spec], "renamed").run(facts(5, 20), {"": instants((6, 2.0), (11, 3.0), (16, 4.0))})
    assert queue(store, "lenient")[""] == [(1, 10), (6, 12), (11, 13), (16, 4)]
    assert [at for at, _ in late_amounts(store, "lenient")] == [6, 11]


def test_a_count_of_which_all_is_known_begins_with_late_amounts_alone(store: Store) -> None:
    """A renamed job whose first window holds nothing that receivers do not have: its next reading goes out."""
    spec = to(counter(temporality=Temporality.CUMULATIVE), LENIENT)
    Ledger(store, [spec]).run(facts(0, 15), {"": instants((1, 10.0), (6, 12.0))})
    renamed = Ledger(store, [spec], "renamed")
    renamed.run(facts(0, 10), {"": instants((1, 10.0), (6, 12.0))})
    renamed.run(facts(10, 20), {"": instants((16, 14.0))})
    assert queue(store, "lenient")[""] == [(1, 10), (6, 12), (16, 14)]
    assert [at for at, _ in late_amounts(store, "lenient")] == [1, 6]
    assert store.outbox.counts("lenient").is_balanced


Run = tuple[int, bool, int, int, int]
"""Which declaration the config has, whether all that waits is sent; intervals read again, new ones, their amount."""

runs = st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 6), st.integers(0, 3), st.integers(0, 99))


@given(lived=st.lists(runs, min_size=1, max_size=10), by_job=st.booleans())
@settings(max_examples=60, deadline=None)
def test_counts_follow_each_other_whatever_is_edited(*, lived: list[Run], by_job: bool) -> None:
    """A job renamed, a metric declared otherwise, taken back: what PromQL adds up is what each count has come to."""
    store, spec = MemoryStore(), to(counter(), LENIENT)
    sent: dict[int, float] = {}
    came_to: list[float] = []
    now, newest, sender = 10, 0, -1
    for life, is_sent, back, ahead, amount in lived:
        other = replace(spec, family=replace(spec.family, unit=f"unit{life}"))
        ledger = Ledger(store, [spec], f"job{life}") if by_job else Ledger(store, [other])
        now += ahead
        first = now - ahead - back
        ledger.run(facts(5 * first, 5 * now, overlap=60), {"": fives(5 * first, *[amount] * (back + ahead))})
        rows = store.outbox.oldest("lenient", 999)
        for row in rows:
            if row.number > newest and told(row.value) != GONE:
                assert row.at not in sent
                if life != sender:
                    came_to.append(0.0)
                    sender = life
                sent[row.at] = came_to[-1] = row.value
        newest = max((newest, *(row.number for row in rows)))
        if is_sent:
            store.outbox.settle("lenient", Settlement(tuple(row.number for row in rows)), T0)
    values = [value for _, value in sorted(sent.items())]
    increase = sum(later - earlier if later >= earlier else later for earlier, later in pairwise(values))
    assert increase == sum(came_to)


def test_what_went_out_is_forgotten_when_nothing_needs_it(tmp_path: Path) -> None:
    """A series that the ledger counts no more, of which nothing waits and no letter is kept, leaves no rows in time."""
    store = open_store(tmp_path / "ledger.sqlite")
    ledger = Ledger(store, [to(counter(), LENIENT)])
    ledger.run(facts(0, 5), {'{a="1"}': fives(0, 1), '{a="2"}': fives(0, 1)})
    gone = sent(store, "1")
    store.prune([("job", "")], T0)
    assert series_rows(store) == (2, 2, 1)
    store.forget_job("job")
    assert series_rows(store) == (2, 2, 1)
    Ledger(store, [to(counter(), LENIENT)]).run(facts(WEEK, WEEK + 5), {'{a="3"}': fives(WEEK, 1)})
    assert not gone & sent(store, "3")
    store.prune([("job", "")], T0)
    assert series_rows(store) == (2, 2, 1)
    assert queue(store, "lenient") == {"a=2": [(0, 0), (5, 1)]}
    assert store.outbox.counts("lenient").is_balanced
    store.close()


def test_a_job_that_is_forgotten_and_begins_anew_sends_nothing_again(tmp_path: Path) -> None:
    """What receivers have of its series is known for a week, so the new count stands behind the old one."""
    store = open_store(tmp_path / "ledger.sqlite")
    Ledger(store, [to(counter(), LENIENT)]).run(facts(0, 10), {'{a="1"}': fives(0, 100, 100)})
    sent(store, "1")
    store.forget_job("job")
    Ledger(store, [to(counter(), LENIENT)]).run(facts(0, 15), {'{a="1"}': fives(0, 1, 1, 1)})
    assert queue(store, "lenient") == {"a=1": [(10 + 1 / MINUTE, 0), (15, 3)]}
    store.close()


def test_what_waits_in_the_future_holds_up_no_count(store: Store) -> None:
    """It was read by a clock that was ahead, and may wait for a year."""
    spec, ahead = to(counter(), LENIENT), DAY // MINUTE
    Ledger(store, [spec]).run(facts(ahead, ahead + 5), {"": fives(ahead, 9)})
    Ledger(store, [spec], "renamed").run(facts(0, 5), {"": fives(0, 1)})
    assert queue(store, "lenient")[""][:2] == [(0, 0), (5, 1)]


WEEK = 7 * DAY // MINUTE


def sent(store: Store, label: str) -> set[int]:
    """Has all that waits of a series acknowledged; the numbers."""
    rows = store.outbox.oldest("lenient", 99)
    numbers = tuple(row.number for row in rows if dict(row.series.labels)["a"] == label)
    store.outbox.settle("lenient", Settlement(numbers), T0)
    return set(numbers)


def series_rows(store: SqliteStore) -> tuple[int, ...]:
    """How many series, lives and marks the file has."""
    with store._reading() as connection:
        return tuple(
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("out_series", "life", "sent")
        )


@pytest.mark.skipif(sys.byteorder != "little", reason="the file was written on a little-endian machine")
def test_ledger_of_version_3_goes_on(tmp_path: Path) -> None:
    """A file of the third schema keeps all that it held, and its series begin to go out."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "version_3.sql").read_text(encoding="utf-8"))
    store = open_store(path)
    assert (store.last_request("api"), store.spend("api", "day UTC", T0, 0)) == (T0, 3)
    ledger = Ledger(store, [to(counter()), to(gauge())])
    assert (ledger.values(0), ledger.values(1)) == ({'{a="x"}': 15}, {"": 22})
    ledger.run(facts(20, 25), {'{a="x"}': fives(20, 16)}, {"": instants((21, 9.0))})
    assert queue(store) == {"a=x": [(25, 31)], "": [(21, 9)]}
    store.close()
    examination = examine(path, in_use=False)
    assert examination.is_sound, [check.findings for check in examination.checks]
    assert examination.facts is not None
    assert examination.facts.version == LEDGER.version


@pytest.mark.skipif(sys.byteorder != "little", reason="the file was written on a little-endian machine")
def test_ledger_of_version_4_counts_its_late_amounts_apart(tmp_path: Path) -> None:
    """A file of the fourth schema keeps what waits, is parked or dead; late amounts are among the dead no more."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "version_4.sql").read_text(encoding="utf-8"))
    store = open_store(path)
    one, other = store.outbox.counts("a"), store.outbox.counts("b")
    assert (one.enqueued, one.acknowledged, one.dead, one.pending, one.parked) == (9, 1, 2, 5, 1)
    assert (one.letters, one.late_amounts, one.dismissed) == (1, 1, 0)
    assert (other.enqueued, other.dead, other.pending, other.late_amounts) == (9, 0, 8, 1)
    assert store.outbox.reasons("a") == {"conflict": 1, "full": 1}
    assert [(late_amounts(store, name), letters(store, name)) for name in "ab"] == [
        ([(10, 2)], [("conflict", 5, 1.5)]),
        ([(10, 2)], []),
    ]
    assert len(queue(store, "b")["a=x"]) == 4
    store.outbox.forget("b")
    store.close()
    examination = examine(path, in_use=False)
    assert examination.is_sound, [check.findings for check in examination.checks]
