"""The journal of one job: its newest runs, lanes and recent timepoints, written for the status pages.

Owns: what is kept in memory, when which file is written, what a restart goes on with. Everything here runs in the
worker, is bounded, and may fail without harm: what cannot be written is said once in the log and tried again at the
next run. Must not know: how a run works, the server, HTML.

The file of the runs is written after each run; that of the timepoints, up to 8 MB, at most every 5 s and never for
more than a twentieth of the time.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from timepoint import log
from timepoint.clock import Clock
from timepoint.errors import PublishError
from timepoint.job import Job
from timepoint.journal.files import config_path, read_told, recent_path, runs_path, write_told
from timepoint.journal.told import FAILED_RUNS, RUNS, SERIES, SERIES_IN_ALL, ConfigTold, JobTold, RecentTold, RunTold
from timepoint.ledger.state import LaneState
from timepoint.model import MappedRun, MetricSpec, Outcome, Window
from timepoint.poller.page import metric_standing
from timepoint.poller.recent import Recent, Usable
from timepoint.poller.report import RunReport
from timepoint.poller.telling import job_facts, lanes_told, metrics_told, run_told

LOGGER = logging.getLogger(__name__)

_EVERY = 5.0  # seconds between two writings of the timepoints
_SHARE = 20


def series_limit(jobs: int) -> int:
    """How many series of each job are followed, so that all of them stay within memory."""
    return max(1, min(SERIES, SERIES_IN_ALL // max(1, jobs)))


class JobJournal:
    """``limit`` is how many series are followed."""

    def __init__(self, job: Job, directory: Path, clock: Clock, limit: int = SERIES) -> None:
        self._job = job
        self._directory = directory
        self._clock = clock
        self._recent = Recent(limit)
        self._runs: list[RunTold] = []
        self._facts = job_facts(job, log.mask)
        self._waiting: list[RunReport] = []
        self._is_loaded = False
        self._is_failing = False
        self._has_news = False
        self._write_at = 0.0

    def take(self, mapped: MappedRun, window: Window, fire_time: int) -> None:
        """Notes the timepoints of an answer that was committed; ``window`` is what of it is settled."""
        with self._harmless():
            self._load()
            metrics = self._job.metrics
            usable = {name: self._usable(metrics[name], window, fire_time) for name in mapped.series}
            self._recent.take(mapped.series, usable, fire_time)
            self._has_news = True

    def _usable(self, spec: MetricSpec, window: Window, fire_time: int) -> Usable:
        """Which points a metric uses (R15), as far as a chart has to know it."""
        if spec.horizons:
            return lambda _start, _end: True
        is_bound = self._job.window_is_asked or spec.temporality is not None

        def usable(start: int, end: int) -> bool:
            if start == end:
                return start == fire_time or (start < window.end and (start >= window.start or not is_bound))
            return end <= window.end and (end > window.start or not is_bound)

        return usable

    def begin(self, lanes: Sequence[LaneState]) -> None:
        """Goes on with what was told before a restart, and tells of the job as the config has it now."""
        with self._harmless():
            self._load()
            self._write(self._told(None, lanes))

    def note(self, report: RunReport, lanes: Sequence[LaneState]) -> None:
        """Notes a run that ended or was skipped, and writes what is told of the job."""
        with self._harmless():
            self._load()
            for ended in (*self._waiting, report):
                self._runs = _kept(_joined(run_told(ended, log.mask), self._runs))
            self._waiting.clear()
            newest = [run.fire_time for run in self._runs[:RUNS]]
            if len(newest) == RUNS:
                self._recent.drop(min(newest), tuple(self._job.metrics))
            self._write(self._told(report, lanes))

    @contextlib.contextmanager
    def _harmless(self) -> Iterator[None]:
        """Pages for people must not cost a run."""
        try:
            yield
        except Exception:
            LOGGER.exception("BUG: the journal of job %s cannot be kept", self._job.name)

    def remember(self, report: RunReport) -> None:
        """Keeps the report of a run that did not take place for the next ``note``. May be called from anywhere."""
        self._waiting.append(report)

    def finish(self) -> None:
        """Writes what has not been written yet."""
        if self._has_news:
            self._write_at = 0.0
            with self._harmless():
                self._write(None)

    def _told(self, report: RunReport | None, lanes: Sequence[LaneState]) -> JobTold:
        watermarks = [lane.watermark for lane in lanes if lane.watermark is not None]
        standing = report.standing if report is not None else None
        if standing is None:
            standing = {name: metric_standing(lanes, spec) for name, spec in self._job.metrics.items()}
        told = lanes_told(lanes) if self._job.each is not None else []
        return JobTold(
            job_name=self._job.name,
            told_at=self._clock.now(),
            facts=self._facts,
            metrics=metrics_told(self._job.metrics, standing),
            runs=self._runs,
            lanes=told,
            lane_count=len(lanes) if self._job.each is not None else 0,
            watermark=min(watermarks, default=None),
        )

    def _write(self, told: JobTold | None) -> None:
        began = self._clock.monotonic()
        try:
            if told is not None:
                write_told(runs_path(self._directory, self._job.name), told)
            if self._has_news and began >= self._write_at:
                recent = self._recent.told(self._job.name, self._clock.now())
                write_told(recent_path(self._directory, self._job.name), recent)
                self._has_news = False
                now = self._clock.monotonic()
                self._write_at = now + max(_EVERY, _SHARE * (now - began))
        except PublishError as error:
            if not self._is_failing:
                log.event(LOGGER, logging.WARNING, "journal_failed", job=self._job.name, error=error)
            self._is_failing = True
        else:
            self._is_failing = False

    def _load(self) -> None:
        """Goes on with what was told before a restart, if it can be read."""
        if self._is_loaded:
            return
        self._is_loaded = True
        told = read_told(runs_path(self._directory, self._job.name), JobTold)
        if told is None or told.job_name != self._job.name:
            return
        self._runs = _kept(told.runs)
        recent = read_told(recent_path(self._directory, self._job.name), RecentTold)
        if recent is not None and recent.job_name == self._job.name:
            try:
                self._recent.restore(recent, told.runs[0].fire_time if told.runs else self._clock.now())
            except (ValueError, IndexError):
                self._recent = Recent(self._recent.limit)


def _joined(run: RunTold, before: Sequence[RunTold]) -> list[RunTold]:
    """The run in front of those before it; many in a row that were skipped for one reason are one."""
    if before and run.outcome == before[0].outcome == Outcome.SKIPPED.value and run.reason == before[0].reason:
        return [msgspec.structs.replace(run, again=before[0].again + 1), *before[1:]]
    return [run, *before]


def _kept(runs: Iterable[RunTold]) -> list[RunTold]:
    """The newest runs, and of the older ones the newest that failed."""
    newest = list(runs)
    older = [run for run in newest[RUNS:] if run.failed]
    return newest[:RUNS] + older[:FAILED_RUNS]


def write_config(directory: Path, text: str, now: int) -> None:
    """Tells the config that runs, as it may be shown; nothing for one that was made in Python."""
    with contextlib.suppress(PublishError):  # what else is published meets it too, and says it
        if text:
            write_told(config_path(directory), ConfigTold(now, log.mask(text)))
        else:
            config_path(directory).unlink(missing_ok=True)
