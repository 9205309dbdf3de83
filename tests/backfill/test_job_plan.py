"""What a backfill asks for, and where it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backfill.stage import BEGIN, NOW, READING, Stage
from timepoint.backfill.job_plan import JobPlan, Live, Range, estimate, estimate_text, plan_job
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.errors import BackfillError
from timepoint.job import Job
from timepoint.model import MetricType, Points, Receiver, Window

FILES = Receiver("files", is_strict=False)
WANTED = Range(BEGIN, BEGIN + 2 * DAY)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job with an amount and a reading."""
    return Stage(tmp_path).job(metrics=READING)


def plan(job: Job, wanted: Range = WANTED, live: Live | None = None) -> JobPlan:
    """The plan at the time of the stage."""
    return plan_job(job, wanted, live or Live(), FILES, NOW)


def test_it_ends_where_live_polling_began(job: Job) -> None:
    """What live polling has asked for is not loaded, whatever is wanted."""
    found = plan(job, live=Live(BEGIN + 5 * HOUR, is_known=True))
    assert (found.end, found.meets_live) == (BEGIN + 5 * HOUR, True)


def test_an_end_before_live_polling_is_kept(job: Job) -> None:
    """Who wants less gets less, and there is no seam then."""
    found = plan(job, live=Live(BEGIN + 5 * DAY, is_known=True))
    assert (found.end, found.meets_live) == (BEGIN + 2 * DAY, False)


def test_without_an_end_or_live_polling_there_is_no_plan(job: Job) -> None:
    """Nobody guesses where history ends: an amount would count twice."""
    with pytest.raises(BackfillError, match="never polled in this data directory: start the exporter first"):
        plan(job, Range(BEGIN))


def test_a_ledger_that_does_not_know_its_begin_is_told(job: Job) -> None:
    """Of a ledger of before, a person must say where live polling began."""
    with pytest.raises(BackfillError, match="did not note where counting began: say --to"):
        plan(job, Range(BEGIN), Live(None, is_known=True))


def test_a_range_without_anything_in_it_is_told(job: Job) -> None:
    """From behind the seam there is nothing to load."""
    with pytest.raises(BackfillError, match=r"nothing between .* where live polling began"):
        plan(job, live=Live(BEGIN, is_known=True))


def test_a_request_without_a_window_has_no_past(job: Job) -> None:
    """An API that only tells of now cannot be asked for then."""
    with pytest.raises(BackfillError, match="does not name a window"):
        plan(replace(job, window_is_asked=False))


def test_metrics_without_a_past_are_named(job: Job) -> None:
    """A gauge that shows a mean of each run has no timepoints of its own, nor has a forecast."""
    gauge = replace(job.metrics["y_total"], temporality=None)
    gauge = replace(gauge, family=replace(gauge.family, type=MetricType.GAUGE))
    metrics = {**job.metrics, "m": replace(gauge, points=Points.MEAN), "f": replace(gauge, horizons=(HOUR,))}
    found = plan(replace(job, metrics=metrics))
    assert found.notes == (
        "job pods: m is left out: it shows the mean of a run's timepoints, and no single one",
        "job pods: f is left out: a forecast has no past",
    )
    assert set(found.specs) == {"x_total", "y_total"}


def test_a_counter_that_counts_its_window_is_asked_as_live(job: Job) -> None:
    """Where the window itself is the interval, it is as long as that of a run."""
    once = replace(job, window=replace(job.window, asks_once=True))
    assert {piece.end - piece.start for piece in plan(once, replace(WANTED, span=DAY)).pieces} == {30 * MINUTE}


@given(start=st.integers(0, 3 * DAY), length=st.integers(5 * MINUTE, 3 * DAY), span=st.integers(MINUTE, 2 * DAY))
def test_pieces_touch_and_cover_all(start: int, length: int, span: int) -> None:
    """Whatever is wanted, the pieces touch, lie on the grid, and reach from the begin to the end."""
    found = plan(_JOB, Range(BEGIN + start, BEGIN + start + length, span))
    assert found.pieces[0].start == found.start
    assert found.pieces[-1].end == found.end
    assert all(one.end == other.start for one, other in zip(found.pieces, found.pieces[1:], strict=False))
    assert all(piece.start % (5 * MINUTE) == 0 for piece in found.pieces)
    assert max(piece.end - piece.start for piece in found.pieces) <= max(span, 5 * MINUTE)


def test_a_new_lane_begins_at_the_start(job: Job) -> None:
    """In the run of any piece, a lane that was never asked begins where history does."""
    from timepoint.poller.run_windows import windows_of_run

    found = plan(job)
    piece = found.pieces[-1]
    windows = windows_of_run(found.job_of(piece), found.fire_time(piece), None, None)
    assert windows == [Window(BEGIN, BEGIN + 2 * DAY)]


def test_the_estimate_follows_from_the_limits(tmp_path: Path) -> None:
    """Two days in pieces of max_span are so many requests, which take so long at the source's rate."""
    job = Stage(tmp_path).job(source=", rate: 6/m", window=", max_span: 2h")
    found = plan(job)
    assert (estimate(found).windows, estimate(found).requests) == (24, 24)
    assert estimate(found).seconds == 230
    assert estimate_text(found) == (
        "job pods: 2026-01-01T00:00:00Z to 2026-01-03T00:00:00Z: 24 windows, 24 requests or more, at least 3m50s by its"
        " limits"
    )


def _job() -> Job:
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        return Stage(Path(directory)).job()


_JOB = _job()
