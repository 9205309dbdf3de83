from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.poller.bench import Bench
from tests.poller.jobs import TOTAL, ones
from timepoint.clock import MINUTE
from timepoint.errors import StatusError, TransportError
from timepoint.model import Outcome, Window
from timepoint.poller.report import RunReport
from timepoint.request.answer import Answer
from timepoint.request.redact import Redactor

HOUR = 60 * MINUTE


MakeBench = Callable[..., Bench]


async def test_a_run_counts_its_points_and_publishes_them(bench: MakeBench) -> None:
    """The first run asks for one period, and the page shows its sum."""
    b = bench()
    report = await b.run()
    assert (report.outcome, report.points, report.rows, report.counts.new) == (Outcome.OK, 6, 6, 6)
    assert report.windows == [Window(b.clock.now() - 40 * MINUTE, b.clock.now() - 10 * MINUTE)]
    assert b.samples() == {TOTAL: 6}
    assert report.standing is not None
    assert report.standing["energy_joules_total"].series == 1
    assert set(report.stages) == {"fetch", "map", "decide", "commit", "publish"}


async def test_a_failed_run_loses_nothing_and_shows_the_last_state(bench: MakeBench) -> None:
    """After an error the page stays, and the next run asks for both windows."""
    b = bench()
    await b.run()
    good = b.source.answer
    b.source.answer = lambda _: StatusError(500, "the API is broken")
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert (report.outcome, report.reason, report.error) == (Outcome.SOURCE_ERROR, "status", "the API is broken")
    assert report.attempts == 1
    assert b.samples() == {TOTAL: 6}
    b.source.answer = good
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert report.points == 12
    assert b.samples() == {TOTAL: 18}


async def test_what_catch_up_does_not_reach_is_said(bench: MakeBench) -> None:
    """After a downtime of nine days two are lost, and the run says how much; a failed run does not."""
    b = bench()
    await b.run()
    await b.clock.advance(days=9)
    good, b.source.answer = b.source.answer, lambda _: StatusError(500, "the API is broken")
    assert (await b.run()).counts.given_up == 0
    b.source.answer = good
    report = await b.run()
    assert (report.outcome, report.counts.given_up) == (Outcome.OK, 2 * 24 * HOUR)


async def test_first_runs_that_fail_are_caught_up(bench: MakeBench) -> None:
    """What a first run asked for stays due until it was answered, over a restart too."""
    b = bench(lambda _: StatusError(500, "the API is broken"))
    first = b.clock.now() - 40 * MINUTE
    for _ in range(3):
        assert (await b.run()).outcome is Outcome.SOURCE_ERROR
        await b.clock.advance(minutes=30)
    b.restart()
    b.source.answer = ones
    report = await b.run()
    assert report.windows == [Window(first, b.clock.now() - 10 * MINUTE)]
    assert b.samples() == {TOTAL: 24}


async def test_an_empty_answer_is_accepted(bench: MakeBench) -> None:
    """An answer without points moves the watermark and is called empty."""
    b = bench(lambda _: [])
    assert (await b.run()).outcome is Outcome.EMPTY
    await b.clock.advance(minutes=30)
    await b.run()
    assert b.source.windows[0].end == b.source.windows[1].start


async def test_a_status_that_means_nothing_yet_is_empty(bench: MakeBench) -> None:
    """An answer without a body is an empty answer, not a body that cannot be read."""
    b = bench(lambda _: Answer(204, "", b"", "https://fake.example/", empty=True))
    report = await b.run()
    assert (report.outcome, report.rejects.total) == (Outcome.EMPTY, 0)


async def test_nothing_new_is_not_asked_for(bench: MakeBench) -> None:
    """When the watermark is where the window would end, the source is left alone."""
    b = bench()
    await b.run()
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SKIPPED, "nothing_new")
    assert len(b.source.windows) == 1


async def test_bad_rows_cost_themselves_alone(bench: MakeBench) -> None:
    """Rejects are counted with an example, and the run stays ok."""
    b = bench(lambda window: [*ones(window), {"pod": "a", "t": window.start, "v": "n/a"}])
    report = await b.run()
    assert (report.outcome, report.rejects.counts) == (Outcome.OK, {"not_a_number": 1})
    assert b.samples() == {TOTAL: 6}


async def test_an_answer_of_rejects_alone_is_a_mapping_error(bench: MakeBench) -> None:
    """If no row can be used the window stays open: it is asked for again when the mapping is mended."""
    b = bench(lambda window: [{"pod": "a", "t": window.start, "v": "n/a"}] * 2)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.MAPPING_ERROR, "all_rejected")
    assert "2 rejects, most often not_a_number" in report.error
    assert report.rejects.counts == {"not_a_number": 2}
    b.source.answer = ones
    assert (await b.run()).outcome is Outcome.OK


async def test_points_that_are_all_outside_the_window_are_a_mapping_error(bench: MakeBench) -> None:
    """A wrong time zone must not move the watermark over data that was never used (A27)."""
    hours = -2 * HOUR
    b = bench(lambda window: ones(Window(window.start + hours, window.end + hours)))
    report = await b.run()
    assert (report.outcome, report.rejects.counts) == (Outcome.MAPPING_ERROR, {"outside_window": 6})
    hours = 2 * HOUR
    report = await b.run()
    assert (report.outcome, report.rejects.counts) == (Outcome.MAPPING_ERROR, {"outside_window": 6})


async def test_what_is_not_settled_yet_is_left_to_the_next_run(bench: MakeBench) -> None:
    """An API that sends all it has since the start: the newest points come again when their window does."""
    b = bench(lambda window: ones(Window(window.end + 5 * MINUTE, window.end + 10 * MINUTE)))
    report = await b.run()
    assert (report.outcome, report.points, report.counts.unused, report.rejects.total) == (Outcome.OK, 1, 1, 0)
    assert b.samples() == {}


async def test_an_inclusive_end_alone_is_an_empty_answer(bench: MakeBench) -> None:
    """A series that begins where the window ends gives its first point to the next run, and fails none."""
    b = bench(lambda window: [{"pod": "a", "t": window.end, "v": 1}])
    assert (await b.run()).outcome is Outcome.OK
    assert b.samples() == {}
    await b.clock.advance(minutes=30)
    b.source.answer = lambda window: ones(Window(window.start, window.end + 5 * MINUTE))
    report = await b.run()
    assert (report.outcome, report.points, report.rejects.total) == (Outcome.OK, 7, 0)
    assert b.samples() == {TOTAL: 6}


async def test_an_interval_across_two_windows_of_a_run_counts_once(bench: MakeBench) -> None:
    """Both windows are answered with it; it counts in the one in which it ends."""
    b = bench(max_span="10m")
    first = b.clock.now() - 40 * MINUTE

    def answer(window: Window) -> list[dict[str, Any]]:
        starts = range(first + 2 * MINUTE, first + 32 * MINUTE, 5 * MINUTE)
        return [{"pod": "a", "t": t, "v": 1} for t in starts if t < window.end and t + 5 * MINUTE > window.start]

    b.source.answer = answer
    report = await b.run()
    assert (report.outcome, report.committed, report.rejects.total) == (Outcome.OK, 3, 0)
    assert b.samples() == {TOTAL: 5}, "the sixth ends after the last window"


@pytest.mark.parametrize("body", ["{", "<html>", '{"a": 1'])
async def test_a_body_that_is_no_document_is_a_source_error(bench: MakeBench, body: str) -> None:
    """Whose fault it is: the API promised JSON."""
    report = await bench(lambda _: body).run()
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "not_a_document")
    assert report.error.startswith("http"), "it says which answer that was"


async def test_what_the_request_hid_is_in_no_report(bench: MakeBench) -> None:
    """An API that says back what it was told does not get it into rejects, errors or their causes."""
    mask = Redactor(["canary-token"]).mask_quoted

    def echo(body: bytes) -> Answer:
        return Answer(200, "application/json", body, "https://fake.example/", mask=mask)

    rows = [{"pod": "a", "t": "canary-token", "v": 1}, {"pod": "b", "t": 1, "v": "x" * 53 + "canary-token"}]
    report = await bench(lambda _: echo(json.dumps(rows).encode())).run()
    assert report.rejects.total
    assert "canary" not in repr(report)

    for body in (b"canary-token", b'"canary-token"', b'["' + b"x" * 52 + b"canary-token"):
        report = await bench(lambda _, body=body: echo(body)).run()
        assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "not_a_document")
        assert "canary" not in repr(report)


async def test_a_split_run_commits_window_by_window(bench: MakeBench) -> None:
    """With max_span an outage is caught up in pieces, oldest first."""
    b = bench(max_span="10m")
    report = await b.run()
    assert [window.end - window.start for window in report.windows] == [10 * MINUTE] * 3
    assert (report.outcome, report.committed, report.points) == (Outcome.OK, 3, 6)
    assert b.samples() == {TOTAL: 6}


async def test_a_split_run_that_breaks_off_is_partial(bench: MakeBench) -> None:
    """What was committed before stays and is shown; the rest is asked for next time."""
    failures = [None, TransportError("connect", "refused"), None, None, None]
    b = bench(lambda window: failures.pop(0) or ones(window), max_span="10m")
    report = await b.run()
    assert (report.outcome, report.reason, report.committed, report.points) == (Outcome.PARTIAL, "connect", 1, 2)
    assert b.samples() == {TOTAL: 2}
    await b.clock.advance(minutes=10)
    assert (await b.run()).outcome is Outcome.OK
    assert b.samples() == {TOTAL: 8}


async def test_a_split_run_forgets_no_series_of_its_first_part(bench: MakeBench) -> None:
    """A series that was only in the first window of a run was in the run, and stays on the page."""
    b = bench(max_span="10m")
    start = b.clock.now() - 40 * MINUTE
    b.source.answer = lambda window: [
        {"pod": "a" if window.start == start else "b", "t": t, "v": 1}
        for t in (window.start, window.start + 5 * MINUTE)
    ]
    await b.run()
    assert b.samples() == {TOTAL: 2, TOTAL.replace('a"}', 'b"}'): 4}


async def test_a_source_that_hangs_is_given_up_at_the_timeout(bench: MakeBench) -> None:
    """The run ends at the job's timeout whatever the source does."""

    async def never() -> None:
        await asyncio.Event().wait()

    b = bench(lambda _: never())
    running = asyncio.create_task(b.run())
    await b.clock.advance(minutes=5)
    assert not running.done(), "a fetcher that keeps the deadline itself says more, and gets the time to"
    await b.clock.advance(seconds=0.3)
    report = await running
    assert (report.outcome, report.reason, report.duration) == (Outcome.SOURCE_ERROR, "timeout", 300.25)


async def test_the_attempt_is_durable_before_the_request(bench: MakeBench) -> None:
    """When the request goes out the ledger knows of it, so a crash in it burns no quota (X7)."""
    b = bench()
    known: list[int | None] = []

    def answer(window: Window) -> list[Any]:
        known.append(b.store.load("pods", "").last_attempt)
        return ones(window)

    b.source.answer = answer
    await b.run()
    assert known == [b.clock.now()]


async def test_an_attempt_that_cannot_be_noted_is_not_made(bench: MakeBench) -> None:
    """Without the ledger the source is not asked."""
    b = bench()
    b.store.failing = "note_attempt"
    report = await b.run()
    assert (report.outcome, report.reason, report.error) == (Outcome.STORE_ERROR, "note_attempt", "the disk is full")
    assert b.source.windows == []


@pytest.mark.parametrize("stored", [False, True])
async def test_a_failed_commit_is_unknown_and_counts_once(bench: MakeBench, *, stored: bool) -> None:
    """Whether the failed commit is in the ledger or not, each point counts once in the end (D3)."""
    b = bench()
    await b.run()
    b.store.failing, b.store.stored_all_the_same = "commit", stored
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.STORE_ERROR, "commit")
    await b.clock.advance(minutes=30)
    report = await b.run()
    assert report.points == (6 if stored else 12)
    assert b.samples() == {TOTAL: 18}


async def test_a_page_that_cannot_be_published_is_said(bench: MakeBench) -> None:
    """The commit stands, and the run says that its page does not show it."""
    b = bench()
    b.published.write_text("a file in the way")
    report = await b.run()
    assert (report.outcome, report.reason, report.committed) == (Outcome.STORE_ERROR, "publish", 1)
    assert b.store.load("pods", "").watermark == b.clock.now() - 10 * MINUTE
    assert b.pipeline.desk.page_is_old


async def test_a_source_is_not_asked_before_its_turn(bench: MakeBench) -> None:
    """A run whose turn comes after its timeout is skipped, one whose turn is near waits."""
    b = bench(min_interval="30m", max_span="7d")
    b.gate.remember(b.clock.now() - 10 * MINUTE)
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SKIPPED, "min_interval")
    await b.clock.advance(minutes=19)
    running: Awaitable[RunReport] = asyncio.create_task(b.run())
    await b.clock.advance(minutes=1)
    assert (await running).outcome is Outcome.OK


async def test_a_bug_costs_one_run_and_is_kept_for_the_log(bench: MakeBench) -> None:
    """An error that nobody foresaw ends the run with the word of its stage (X8)."""
    b = bench(lambda _: RuntimeError("odd"))
    report = await b.run()
    assert (report.outcome, report.reason, report.error) == (Outcome.SOURCE_ERROR, "bug", "RuntimeError: odd")
    assert isinstance(report.bug, RuntimeError)
