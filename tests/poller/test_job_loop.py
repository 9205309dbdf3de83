from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from timepoint import log
from timepoint.clock import MINUTE
from timepoint.model import Outcome, Window
from timepoint.poller.job_loop import log_run
from timepoint.poller.report import NOTHING_NEW, MetricStanding, RunReport, skipped

TEN = 1_767_261_600_000


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged during a test."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    stream = io.StringIO()
    log.configure("info", "logfmt", stream)
    yield stream
    root.handlers[:], root.level, logging.raiseExceptions = saved


def _line(stream: io.StringIO) -> str:
    [line] = stream.getvalue().splitlines()
    return line.split(" ", 1)[1]


def test_a_good_run_is_one_line(written: io.StringIO) -> None:
    """The line says what was asked, how long it took and what came of it."""
    report = RunReport("pods", TEN, TEN, windows=[Window(TEN - 40 * MINUTE, TEN - 10 * MINUTE)], attempts=1)
    report.rows, report.points, report.duration = 2, 12, 0.25
    report.counts.new = 12
    report.standing = {"x_total": MetricStanding(2, TEN, 0.0)}
    log_run(report)
    assert _line(written) == (
        "level=info event=run job=pods outcome=ok fire_time=2026-01-01T10:00:00Z window_start=2026-01-01T09:20:00Z "
        "window_end=2026-01-01T09:50:00Z duration=0.25 attempts=1 rows=2 points=12 series=2 new=12 revised=0 rejects=0"
    )


def test_a_failed_run_says_why(written: io.StringIO) -> None:
    """An error is logged once, as an error, with reason and sentence, on one line whatever the source wrote."""
    report = RunReport("pods", TEN, TEN).close(Outcome.SOURCE_ERROR, "status", "status 500:\nlevel=info event=forged")
    log_run(report)
    assert _line(written).startswith("level=error event=run job=pods outcome=source_error ")
    assert _line(written).endswith(r'reason=status error="status 500:\nlevel=info event=forged"')


def test_rejects_are_named_with_an_example(written: io.StringIO) -> None:
    """Each reason stands with its count and the first place (A36)."""
    report = RunReport("pods", TEN, TEN)
    for place in ("$[0].v: 'n/a'", "$[1].v: 'n/a'"):
        report.rejects.add("not_a_number", place)
    log_run(report)
    assert _line(written).endswith("""rejects=2 rejected="not_a_number 2 ($[0].v: 'n/a')\"""")


@pytest.mark.parametrize(("reason", "level"), [(NOTHING_NEW, "info"), ("still_running", "warning")])
def test_a_skipped_run_warns_only_if_it_should_have_run(written: io.StringIO, reason: str, level: str) -> None:
    """Waiting for the next step is no reason to worry."""
    log_run(skipped("pods", TEN, TEN, reason, "why"))
    assert _line(written).startswith(f"level={level} event=run job=pods outcome=skipped ")


def test_a_bug_leaves_its_traceback(written: io.StringIO) -> None:
    """The line of the run is followed by one for whoever mends the program."""
    report = RunReport("pods", TEN, TEN).close(Outcome.MAPPING_ERROR, "bug", "KeyError: 'x'")
    report.bug = KeyError("x")
    log_run(report)
    run, bug = written.getvalue().splitlines()
    assert "event=run" in run
    assert "BUG: a run of job pods" in bug
    assert "KeyError" in bug
