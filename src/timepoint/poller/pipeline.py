"""One run of one job.

Owns: the order of its stages, and the closing word. Must not know: when a job runs, what else runs.

    fire time ──> plan the windows, oldest first                                      event loop
                  for each window:
                      note the attempt, durably                                       worker
                      wait for the source's turn, ask                                 event loop
                      read (decode, map) ──> decide ──> commit ──> apply in memory    worker
                  shown ──> publish                                                   worker
              ──> report

Each window is committed by itself, so a run that fails in its third window has moved on by two. What follows from that
order: an attempt is noted before the request goes out, so no crash loop burns a quota; the lane in memory changes after
the commit, so it never holds what is not durable; a failed run publishes nothing, so the last state stays (P5).

    outcome         when
    ok              every window was committed (rejects alone do not change that)
    empty           the same, and the answers held no points
    partial         a window failed after others had been committed
    source_error    the API, or the function, gave no usable answer
    mapping_error   the mapping raised, or there were rows or points and all of them were rejected
    store_error     the ledger could not load, note or commit, or the page could not be published
    skipped         nothing to ask for, nothing final in the answer, no turn at the source, or the job is still busy
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from timepoint.clock import BELIEVED_AHEAD, Clock, format_duration, format_instant
from timepoint.errors import ClockError, MappingError, PublishError, SourceError, StoreError, TransportError
from timepoint.failpoints import failpoint
from timepoint.job import HttpPolling, Job
from timepoint.mapping.engine import RunContext
from timepoint.model import MappedRun, Outcome, Rejects, Window
from timepoint.poller.desk import JobDesk
from timepoint.poller.guard import refusal
from timepoint.poller.origin import Material, Origin
from timepoint.poller.plan import windows_of_run
from timepoint.poller.report import NOT_SETTLED, NOTHING_NEW, RunReport
from timepoint.poller.settled import settled_window, unsettled_text, without_points
from timepoint.poller.timing import Pace, Timing
from timepoint.poller.worker import Worker, paused_collector

# An origin keeps the deadline itself if it can, and then knows better what it waited for: it speaks first.
_GRACE = 0.25


class _Failed(Exception):  # noqa: N818 - not an error of its own: it carries a closing word out of the stages
    """A window that could not be committed, and the closing word that this means for the run."""

    def __init__(self, outcome: Outcome, reason: str, error: str, bug: BaseException | None = None) -> None:
        self.outcome, self.reason, self.error, self.bug = outcome, reason, error, bug
        super().__init__(error)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The runs of one job. One at a time: a second call before the end of the first is a bug of the caller."""

    job: Job
    origin: Origin
    desk: JobDesk
    worker: Worker
    timing: Timing
    pace: Pace

    async def run(self, fire_time: int, *, refused: int = 0) -> RunReport:
        """One run. Never raises for what a source, a mapping or a store does.

        ``refused`` is how many runs before it were refused in a row, since their answers held too few series.
        """
        clock = self.timing.clock
        began, started = clock.now(), clock.monotonic()
        report = RunReport(self.job.name, fire_time, began, refused_before=refused)
        try:
            windows = await self._plan(fire_time, report)
            await self._run_windows(windows, report, started + self.job.timeout / 1000)
            report.close(Outcome.OK if report.points else Outcome.EMPTY)
        except _Failed as failure:
            outcome = Outcome.PARTIAL if report.committed else failure.outcome
            report.close(outcome, failure.reason, failure.error)
            report.bug = failure.bug
        if report.committed or report.brought_back:
            await self._publish(report)
        report.duration = clock.monotonic() - started
        return report

    async def _plan(self, fire_time: int, report: RunReport) -> list[Window]:
        if busy := self.origin.busy():
            raise _Failed(Outcome.SKIPPED, "busy", busy)
        with _closing(Outcome.STORE_ERROR, "load"):
            report.brought_back = await self.worker.do(self.desk.bring_back)
            lane = await self.worker.do(self.desk.load)
        windows = windows_of_run(self.job, fire_time, lane.watermark, lane.asked_from)
        if not windows:
            raise _Failed(Outcome.SKIPPED, NOTHING_NEW, "no data time is new since the last run")
        return windows

    async def _run_windows(self, windows: list[Window], report: RunReport, deadline: float) -> None:
        for number, window in enumerate(windows, 1):
            material = await self._ask(window, report, deadline)
            absorb = partial(self._absorb, material, window, report, ends_run=number == len(windows))
            if await self.worker.do(absorb):
                return

    async def _ask(self, window: Window, report: RunReport, deadline: float) -> Material:
        if not await self.pace.turn(deadline):
            if not self.pace.min_interval:
                limit = format_duration(self.job.timeout)
                error = f"the timeout of the job ({limit}) is over before all windows were asked for"
                raise _Failed(Outcome.SOURCE_ERROR, "timeout", error)
            pause = format_duration(self.pace.min_interval)
            raise _Failed(Outcome.SKIPPED, "min_interval", f"the source may be asked only once in {pause}")
        with _closing(Outcome.STORE_ERROR, "note_attempt"):
            await self.worker.do(partial(self.desk.note_attempt, window))
        report.windows.append(window)
        with _taking(report, "fetch", self.timing.clock), _closing(Outcome.SOURCE_ERROR, "bug"):
            try:
                asking = self.origin.ask(window, report.fire_time, deadline)
                material = await self.timing.within(deadline + _GRACE, asking)
            except SourceError as error:
                report.attempts += error.attempts
                raise
            except TimeoutError:
                report.attempts += 1
                limit = format_duration(self.job.timeout)
                raise TransportError("timeout", f"no answer within the timeout of the job ({limit})") from None
        report.attempts += material.attempts
        report.response_bytes += material.size
        with _closing(Outcome.SOURCE_ERROR, "bug"):
            self._check_clock(window, material)
        failpoint("after_fetch")
        return material

    def _check_clock(self, window: Window, material: Material) -> None:
        """Refuses an answer about what is still the source's future: the wall clock here runs ahead.

        Accepted, it would move the watermark over an hour, or a year, that was never read. A request that does not name
        its window may be answered from a cache, with the Date of then.
        """
        if material.said_at is None or not self.job.window_is_asked or window.end <= material.said_at:
            return
        polling = self.job.polling
        tolerance = polling.source.clock_tolerance if isinstance(polling, HttpPolling) else BELIEVED_AHEAD
        ahead = self.timing.clock.now() - material.said_at
        if ahead > tolerance > 0:
            raise SourceError(
                "clock",
                f"the clock here is {format_duration(ahead)} ahead of the source's, which shows "
                f"{format_instant(material.said_at)}, and the window ends only at {format_instant(window.end)}: "
                "set the clock here, or that of the source (or its clock_tolerance)",
            )

    @paused_collector()
    def _absorb(self, material: Material, window: Window, report: RunReport, *, ends_run: bool) -> bool:
        """From an answer to a commit, in the worker, and at the end of it in the report; whether that ends the run."""
        clock, desk = self.timing.clock, self.desk
        with _taking(report, "map", clock), _closing(Outcome.MAPPING_ERROR, "mapping"):
            budget = desk.budget()
            context = RunContext(window, report.fire_time, admission=budget.admission())
            mapped = self.origin.read(material, context)
            budget.fit(mapped)
        report.rejects.update(mapped.rejects)
        points = _count_points(mapped)
        if not points and mapped.rows and mapped.rejects.total:
            raise _Failed(Outcome.MAPPING_ERROR, "all_rejected", _first_reject(mapped.rejects))
        part = settled_window(self.job, window, mapped.settled_until, desk.load().watermark)
        if part is None and not report.committed:
            raise _Failed(Outcome.SKIPPED, NOT_SETTLED, unsettled_text(mapped, window))
        if part is None:  # what came before is all that the run has
            part, mapped, points = Window(window.start, window.start), without_points(mapped), 0
        ends_run |= part != window
        with _taking(report, "decide", clock), _closing(Outcome.MAPPING_ERROR, "load"):
            change_set = desk.decide(mapped, part, report.fire_time, ends_run=ends_run)
        report.rejects.update(change_set.rejects)
        if points > change_set.rejects.counts.get("too_old", 0) and change_set.rejects.total >= points:
            raise _Failed(Outcome.MAPPING_ERROR, "all_rejected", _first_reject(change_set.rejects))
        if points and not self.job.window_is_asked and not change_set.series_count():
            raise _Failed(Outcome.MAPPING_ERROR, "all_unused", _unused(mapped, window))
        if not mapped.is_declared_empty:
            self._check_series(change_set.series_count(), report)
        with _taking(report, "commit", clock), _closing(Outcome.STORE_ERROR, "commit"):
            desk.commit(change_set)
        report.committed += 1
        report.rows += mapped.rows
        report.dropped += mapped.dropped
        report.points += points
        report.counts.add(change_set.counts)
        return ends_run

    def _check_series(self, found: int, report: RunReport) -> None:
        """Refuses an answer with too few series. One refusal too many and all windows of the run are believed."""
        why = refusal(self.job.guard, found, self.desk.series_on_page(), report.refused_before)
        if why:
            report.is_refused = True
            raise _Failed(Outcome.SOURCE_ERROR, "expect", why)

    async def _publish(self, report: RunReport) -> None:
        @paused_collector()
        def work() -> None:
            with _taking(report, "publish", self.timing.clock), _closing(Outcome.STORE_ERROR, "publish"):
                report.standing = self.desk.standing()
                self.desk.publish()

        try:
            await self.worker.do(work)
        except _Failed as failure:
            report.close(failure.outcome, failure.reason, failure.error)
            report.bug = failure.bug


def _count_points(mapped: MappedRun) -> int:
    return sum(len(points.times) for series in mapped.series.values() for points in series.values())


def _unused(mapped: MappedRun, window: Window) -> str:
    """A sentence for an answer whose points all lie outside of a window that the request does not name."""
    grids = [points.times for series in mapped.series.values() for points in series.values()]
    newest = max(times.ends[-1] for times in grids if len(times))
    away = "before the window" if newest <= window.end else "after the window, which is what has settled,"
    return (
        f"no point of the answer can be used yet: the newest is of {format_instant(newest)}, {away} "
        f"{format_instant(window.start)} to {format_instant(window.end)}; the window stays open (see delay and overlap)"
    )


def _first_reject(rejects: Rejects) -> str:
    """A sentence for an answer of which nothing could be used."""
    reason = max(rejects.counts, key=lambda reason: rejects.counts[reason])
    example = next(iter(rejects.examples.get(reason, ())), "")
    return f"nothing in the answer could be used: {rejects.total} rejects, most often {reason} ({example})"


@contextlib.contextmanager
def _taking(report: RunReport, stage: str, clock: Clock) -> Iterator[None]:
    """Adds the time of the block to a stage."""
    begin = clock.monotonic()
    try:
        yield
    finally:
        report.stages[stage] = report.stages.get(stage, 0.0) + clock.monotonic() - begin


@contextlib.contextmanager
def _closing(outcome: Outcome, reason: str) -> Iterator[None]:
    """Turns an error into the closing word that it means; ``outcome`` is that of an error nobody foresaw."""
    try:
        yield
    except SourceError as error:
        raise _Failed(Outcome.SOURCE_ERROR, error.reason, str(error)) from error
    except ClockError as error:
        raise _Failed(Outcome.SKIPPED, "clock", str(error)) from error
    except MappingError as error:
        raise _Failed(Outcome.MAPPING_ERROR, reason, str(error)) from error
    except (StoreError, PublishError) as error:
        raise _Failed(Outcome.STORE_ERROR, reason, str(error)) from error
    except Exception as error:
        raise _Failed(outcome, "bug", f"{type(error).__name__}: {error}", bug=error) from error
