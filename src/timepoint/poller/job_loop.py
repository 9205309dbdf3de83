"""One job over time: waits for its fire times, starts runs, says why one did not take place.

Owns: that a job has at most one run at a time; what the log and the journal are told of it.
Must not know: the stages of a run, other jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import replace

from timepoint import log
from timepoint.clock import MINUTE, format_duration, format_instant
from timepoint.errors import StoreError
from timepoint.job import Job
from timepoint.model import Outcome
from timepoint.poller import schedule
from timepoint.poller.desk import JobDesk
from timepoint.poller.edits import Anew
from timepoint.poller.journal import JobJournal
from timepoint.poller.pipeline import Pipeline
from timepoint.poller.report import RunReport, skipped
from timepoint.poller.tally import JobTally

LOGGER = logging.getLogger(__name__)

_LEVELS = {Outcome.PARTIAL: logging.WARNING, Outcome.SKIPPED: logging.WARNING}
_FIRST_PLAUSIBLE = 1_704_067_200_000  # 2024, before the first release; machines without a battery start in 1970
_DOUBTED = 3  # runs in a row: data may be late once
_LONGEST_SLEEP = MINUTE  # the wall clock may jump while one sleeps


class JobLoop:
    """``changed`` is called whenever the tally of the job has changed."""

    def __init__(self, pipeline: Pipeline, journal: JobJournal, tally: JobTally, changed: Callable[[], None]) -> None:
        self.job: Job = pipeline.job
        self.tally = tally
        self.last_begin: int | None = None
        self.listing = pipeline.listing
        self.journal = journal
        self._pipeline = pipeline
        self._timing = pipeline.timing
        self._changed = changed
        self._run: asyncio.Task[RunReport] | None = None
        self._before: int | None = None  # the last begin, as if the newest run had not begun

    @property
    def desk(self) -> JobDesk:
        """The books of the job."""
        return self._pipeline.desk

    @property
    def lanes(self) -> tuple[str, ...]:
        """The names of the lanes that the job has now."""
        return self._pipeline.desk.lanes

    async def run_forever(self) -> None:
        """Runs the job at its fire times until it is cancelled, which cancels a run in progress too.

        That run has then not begun, by ``last_begin``: who takes the place of this loop runs its fire time again.
        """
        was_here = False  # what was missed before the start is nobody's fault
        try:
            while True:
                now = self._timing.clock.now()
                plan = schedule.due(self.job.schedule, self.job.name, self.last_begin, now)
                before, self.last_begin = self.last_begin, plan.last_begin
                self.tally.due = plan.newest
                if plan.missed and was_here:
                    self._skip(self._missed(plan.missed, now))
                if plan.fire_time is not None:
                    self._start(plan.fire_time, now, before)
                was_here = True
                self.tally.next_begin = plan.next_begin
                self._changed()
                await self._timing.sleep(min(plan.next_begin - self._timing.clock.now(), _LONGEST_SLEEP) / 1000)
        finally:
            if self._run is not None and not self._run.done():
                self._run.cancel()
                await asyncio.wait((self._run,))
                self.last_begin = self._before

    async def run_once(self, *, force: bool) -> RunReport | None:
        """One run of the newest fire time, if it is due or ``force`` says so; None if it is not due.

        Without jitter: whoever calls has chosen the moment, and at the job's own period would always be before it.
        """
        now = self._timing.clock.now()
        spec = replace(self.job.schedule, jitter=0)
        plan = schedule.due(spec, self.job.name, self.last_begin, now)
        self.tally.next_begin, self.tally.due = plan.next_begin, plan.newest
        fire_time = plan.fire_time
        if fire_time is None and force:
            fire_time = schedule.last_fire(spec, self.job.name, now)
        if fire_time is None:
            log.event(LOGGER, logging.INFO, "not_due", job=self.job.name, next_run=format_instant(plan.next_begin))
            return None
        return await self._do_run(fire_time)

    def _start(self, fire_time: int, now: int, before: int | None) -> None:
        if self._run is not None and not self._run.done():
            error = "the run before has not ended"
            self._skip(skipped(self.job.name, fire_time, now, "still_running", error))
            return
        self._before = before
        self.tally.running_since = now  # at once: between its turn and its first step a run is not late
        self._run = asyncio.create_task(self._do_run(fire_time), name=f"run {self.job.name}")

    async def _do_run(self, fire_time: int) -> RunReport:
        now = self._timing.clock.now()
        self.tally.running_since = now
        self._changed()
        try:
            if now < _FIRST_PLAUSIBLE:
                error = "the clock of this machine has not been set: what it says would move the watermark"
                report = skipped(self.job.name, fire_time, now, "clock", error)
            else:
                report = await self._pipeline.run(fire_time, refused=self.tally.refusals)
        except Exception as error:  # noqa: BLE001 - one bad job costs one job; the report carries it to the log
            report = RunReport(self.job.name, fire_time, now)
            report.close(Outcome.STORE_ERROR, "bug", f"{type(error).__name__}: {error}")
            report.bug = error
        finally:
            self.tally.running_since = None
        self._finish(report)
        await self._tell(report)
        return report

    async def _tell(self, report: RunReport) -> None:
        """Tells the journal; whatever it meets costs no run."""
        with contextlib.suppress(StoreError):
            await self._pipeline.worker.do(lambda: self.journal.note(report, self.desk.load_all()))

    def _missed(self, missed: tuple[int, int], now: int) -> RunReport:
        first, last = missed
        error = f"the fire times from {format_instant(first)} to {format_instant(last)} went by"
        return skipped(self.job.name, last, now, "late", error)

    def _skip(self, report: RunReport) -> None:
        self._finish(report)
        self.journal.remember(report)

    def _finish(self, report: RunReport) -> None:
        self.tally.add(report)
        log_run(report)
        for about, reason in report.doubts.items():
            if self.tally.doubts.get(about) == _DOUBTED:
                log.event(LOGGER, logging.WARNING, "doubtful", job=self.job.name, about=about, reason=reason)
        self._changed()


def _level(report: RunReport) -> int:
    if not report.failed:
        return logging.INFO
    return logging.ERROR if report.reason == "clock" else _LEVELS.get(report.outcome, logging.ERROR)


def log_anew(changes: Iterable[Anew]) -> None:
    """One line for each metric or job whose totals begin anew; a fan-out says the same of many lanes."""
    for job, metric, reason in dict.fromkeys(changes):
        log.event(LOGGER, logging.WARNING, "begins_anew", job=job, metric=metric, reason=reason)


def log_run(report: RunReport) -> None:
    """The one log line of a run; before it, one that says that a wrong clock was found out."""
    if report.brought_back:
        log.event(LOGGER, logging.ERROR, "clock_was_ahead", job=report.job_name, error=report.brought_back)
    log_anew(report.begun_anew)
    counts, rejects, lanes = report.counts, report.rejects, report.lanes
    log.event(
        LOGGER,
        _level(report),
        "run",
        job=report.job_name,
        outcome=report.outcome.value,
        fire_time=format_instant(report.fire_time),
        window_start=format_instant(report.windows[0].start) if report.windows else None,
        window_end=format_instant(report.windows[-1].end) if report.windows else None,
        settled_until=None if report.settled_until is None else format_instant(report.settled_until),
        lanes=lanes.listed if lanes is not None else None,
        lanes_failed=lanes.failed if lanes is not None else None,
        lanes_unreached=(lanes.unreached or None) if lanes is not None else None,
        duration=round(report.duration, 3),
        attempts=report.attempts,
        rows=report.rows,
        points=report.points,
        series=sum(metric.series for metric in report.standing.values()) if report.standing is not None else None,
        new=counts.new,
        revised=counts.revised,
        late=counts.late or None,
        enqueued=counts.enqueued or None,
        given_up=format_duration(counts.given_up) if counts.given_up else None,
        rejects=rejects.total,
        rejected=", ".join(
            f"{reason} {count} ({rejects.examples[reason][0]})" for reason, count in rejects.counts.items()
        )
        or None,
        reason=report.reason or None,
        error=report.error or None,
    )
    if lanes is not None and lanes.trouble:
        log.event(LOGGER, logging.WARNING, "lanes_not_listed", job=report.job_name, error=lanes.trouble)
    if report.bug is not None:
        LOGGER.error("BUG: a run of job %s met an error that is not foreseen", report.job_name, exc_info=report.bug)
