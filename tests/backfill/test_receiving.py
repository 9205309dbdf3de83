"""History to a receiver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.backfill.stage import (
    BEGIN,
    NOW,
    READING,
    Crash,
    Stage,
    body,
    powers,
    readings,
    stored_by,
    totals,
    window_spec,
)
from tests.remote_write.receiver import Receiver
from timepoint.backfill.job_plan import Range
from timepoint.backfill.receiving import check_reach
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.errors import BackfillError
from timepoint.job import ScheduleSpec
from timepoint.model import Window
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.spec import SourceSpec


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage whose receiver has a long out-of-order window, as VictoriaMetrics."""
    return Stage(tmp_path, receiver=Receiver(window=365 * DAY, speaks_2=True))


def test_all_of_it_is_stored(stage: Stage) -> None:
    """Every sample of history is at the receiver, at its instant, and nothing else is."""
    asked = stage.asked(stage.job(metrics=READING), receiver=window_spec())
    loading = stage.run(asked, open_post=stage.post())
    for pod in range(3):
        assert stored_by(stage.receiver, "x_total", f"p{pod}") == totals(pod, BEGIN, BEGIN + 3 * DAY)
        assert stored_by(stage.receiver, "y_total", f"p{pod}") == readings(pod, BEGIN, BEGIN + 3 * DAY)
    assert loading.progress is loading.now()
    assert loading.now().samples == 3 * (865 + 864)


@pytest.mark.parametrize("request_number", [1, 2, 5, 9])
def test_a_crash_at_any_request_loses_nothing(stage: Stage, request_number: int) -> None:
    """Killed while a request is under way, and called again, it sends what is left, and asks for no window twice."""

    def fault(count: int) -> Reply | None:
        if count == request_number:
            raise Crash
        return None

    asked = stage.asked(stage.job(), receiver=window_spec(max_samples=300))
    with pytest.raises(Crash):
        stage.run(asked, open_post=stage.post(fault))
    stage.run(asked, open_post=stage.post())
    assert stored_by(stage.receiver, "x_total", "p1") == totals(1, BEGIN, BEGIN + 3 * DAY)
    assert len(stage.source.windows) == len(set(stage.source.windows)) == 3


def test_a_receiver_that_fails_is_waited_for(stage: Stage) -> None:
    """503 for a while costs time alone."""
    asked = stage.asked(stage.job(), receiver=window_spec())
    stage.run(asked, open_post=stage.post(lambda count: Reply(503) if 2 <= count < 6 else None))
    assert stored_by(stage.receiver, "x_total", "p0") == totals(0, BEGIN, BEGIN + 3 * DAY)


def test_a_strict_receiver_gets_the_order_of_time(tmp_path: Path) -> None:
    """Without a window it takes all of it, if nothing newer came before: one timepoint of a series in a request."""
    stage = Stage(tmp_path)
    spec = ReceiverSpec("old", SourceSpec("old", "http://127.0.0.1:9/"), max_age=0)
    stage.run(stage.asked(stage.job(), receiver=spec, end=BEGIN + 6 * HOUR), open_post=stage.post())
    assert stored_by(stage.receiver, "x_total", "p0") == totals(0, BEGIN, BEGIN + 6 * HOUR)
    assert set(stage.receiver.statuses()) == {204}


def test_jobs_of_other_pieces_keep_the_order(tmp_path: Path) -> None:
    """A strict receiver gets what two jobs have in the order of time, though one is asked for longer pieces."""
    stage = Stage(tmp_path)
    spec = ReceiverSpec("old", SourceSpec("old", "http://127.0.0.1:9/"), max_age=0)
    second = stage.second()
    second = replace(
        second, window=replace(second.window, step=HOUR, asks_once=True), schedule=ScheduleSpec(every=HOUR)
    )
    asked = stage.asked(stage.job(), second, receiver=spec, span=3 * HOUR, end=BEGIN + 9 * HOUR)
    stage.run(asked, open_post=stage.post())
    assert stored_by(stage.receiver, "x_total", "p0") == totals(0, BEGIN, BEGIN + 9 * HOUR)
    assert stored_by(stage.receiver, "z_watts", "p0") == powers(0, BEGIN, BEGIN + 9 * HOUR)
    assert set(stage.receiver.statuses()) == {204}


def test_a_receiver_that_would_refuse_it_is_told_before(stage: Stage) -> None:
    """Nothing is asked for where the receiver's window does not reach back to the begin."""
    strict = ReceiverSpec("central", SourceSpec("central", "http://127.0.0.1:9/"))
    with pytest.raises(BackfillError, match=r"receiver central has no out-of-order window, and history begins 10d ago"):
        stage.run(stage.asked(stage.job(), receiver=strict), open_post=stage.post())
    with pytest.raises(BackfillError, match=r"receiver vm takes what is 1h55m old"):
        stage.run(stage.asked(stage.job(), receiver=window_spec(window=2 * HOUR)), open_post=stage.post())
    assert stage.source.windows == []


def test_a_reach_that_suffices_is_no_trouble() -> None:
    """``max_age: 0`` means that the operator knows better."""
    check_reach(window_spec(window=20 * DAY), Range(BEGIN), NOW)
    check_reach(window_spec(window=HOUR, max_age=0), Range(BEGIN), NOW)


def test_a_series_that_ends_is_ended(stage: Stage) -> None:
    """A pod that was absent from a whole piece gets a stale marker right behind its newest sample."""

    def answer(window: Window) -> object:
        return body(window, pods=2 if window.start < BEGIN + DAY else 1)

    stage.source.answer = answer
    stage.run(stage.asked(stage.job(), receiver=window_spec()), open_post=stage.post())
    found = stored_by(stage.receiver, "x_total", "p1")
    assert max(found) == BEGIN + DAY + 1
    assert found.keys() - totals(1, BEGIN, BEGIN + DAY).keys() == {BEGIN + DAY + 1}


def test_labels_are_added_once(stage: Stage) -> None:
    """``--label`` joins the receiver's external labels."""
    spec = window_spec(external_labels={"site": "x"})
    asked = stage.asked(stage.job(), receiver=spec, labels={"job": "timepoint"}, end=BEGIN + HOUR)
    stage.run(asked, open_post=stage.post())
    labels = {labels for labels, _ in stage.receiver.stored}
    assert all({"job": "timepoint", "site": "x"}.items() <= dict(one).items() for one in labels)


def test_the_queue_is_never_longer_than_a_piece(stage: Stage) -> None:
    """What was asked for is sent before more is asked for."""
    most = []

    def fault(count: int) -> Reply | None:
        most.append((count, len(stage.source.windows)))
        return None

    asked = stage.asked(stage.job(), receiver=window_spec(), span=6 * HOUR)
    stage.run(asked, open_post=stage.post(fault))
    assert {windows for _, windows in most} == set(range(1, 13))
    assert stage.clock.now() - NOW < 30 * MINUTE
