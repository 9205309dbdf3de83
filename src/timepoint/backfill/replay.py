"""A backfill from its begin to its end: piece by piece, the runs that might have been.

Owns: the order of pieces over all jobs, what is tried again and for how long, when a target has its turn. Must not
know: the stages of a run, what a target does, terminals.

    for each piece, oldest first, of all jobs   a run of the poller's own pipeline, on a ledger of the backfill's own:
                                                ask, map, decide, keep what leaves, commit
    after the pieces of one time                the target has its turn: files are completed, samples sent

A call that is interrupted, by whatever means, is called again and goes on behind its last commit.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from timepoint.backfill.desk import ReplayDesk, ReplayListing, Take
from timepoint.backfill.job_plan import JobPlan
from timepoint.backfill.progress import Progress
from timepoint.clock import format_instant
from timepoint.errors import BackfillError
from timepoint.ledger.store import Store
from timepoint.model import MappedRun, Outcome, Window
from timepoint.poller.origin import Origin, open_origin
from timepoint.poller.pipeline import Pipeline
from timepoint.poller.report import NOTHING_NEW, RunReport
from timepoint.poller.sources import Notes, OpenFetcher, Sources, open_http
from timepoint.poller.timing import Timing
from timepoint.poller.worker import Worker

TRIES = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds between two tries of a piece
_HELD_PAUSE = 15.0
_HELD = frozenset({"quota", "rate", "rate_limit", "min_interval", "circuit_open"})
"""Reasons for which a request was not made: it is waited for, as long as it takes."""

_GOOD = frozenset({Outcome.OK, Outcome.EMPTY})


@dataclass(frozen=True, slots=True)
class Around:
    """What a backfill touches outside of itself; tests put fakes in."""

    store: Store
    notes: Notes
    worker: Worker
    timing: Timing = field(default_factory=Timing)
    open_fetcher: OpenFetcher = open_http
    tries: int = TRIES
    skips_failed: bool = False


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a replay has come: ``all`` lanes of all jobs up to an instant, the first of them to ``newest``."""

    all: int
    newest: int
    is_end: bool

    @property
    def is_even(self) -> bool:
        """Whether nothing older can come any more than what has come."""
        return self.is_end or self.all >= self.newest


@dataclass(slots=True)
class _Replayed:
    """One job on its way."""

    plan: JobPlan
    desk: ReplayDesk
    listing: ReplayListing
    origin: Origin
    refused: dict[str, int] = field(default_factory=dict)


class Replay:
    """Replays jobs for a target.

    ``take`` keeps what leaves, in the worker, before the commit; ``turn`` is called with how far all have come. Both
    raise StoreError.
    """

    def __init__(
        self,
        plans: Sequence[JobPlan],
        around: Around,
        take: Take,
        turn: Callable[[Reached], Awaitable[None]],
        progress: Progress,
    ) -> None:
        self._plans = plans
        self._around = around
        self._take = take
        self._turn = turn
        self._sources = Sources([plan.job for plan in plans], around.timing)
        self.progress = progress

    async def run(self) -> None:
        """All of it. Raises BackfillError if a piece fails for good, StoreError, DataDirectoryError."""
        around = self._around
        async with AsyncExitStack() as stack:
            await self._sources.open(around.notes, around.worker, around.open_fetcher)
            stack.push_async_callback(self._sources.close)
            try:
                await self._replay([self._open(plan) for plan in self._plans])
            finally:
                await around.worker.do(lambda: self._sources.finish(around.notes))

    def _open(self, plan: JobPlan) -> _Replayed:
        around = self._around
        desk = ReplayDesk(plan, around.store, around.timing.clock, self._take)
        listing = ReplayListing(plan.job, desk, around.worker, around.timing.clock, self._sources.fetchers)
        origin = open_origin(plan.job, self._sources.fetchers)
        return _Replayed(plan, desk, listing, origin)

    async def _replay(self, jobs: Sequence[_Replayed]) -> None:
        for job in jobs:
            await self._around.worker.do(job.listing.take_up)
        ordered = sorted(((piece.end, place, piece) for place, job in enumerate(jobs) for piece in job.plan.pieces))
        for index, (end, place, piece) in enumerate(ordered):
            await self._piece(jobs[place], piece)
            self.progress.done += piece.end - piece.start
            is_last = index + 1 == len(ordered)
            if is_last or ordered[index + 1][0] != end:
                reached = await self._around.worker.do(lambda: _reached(jobs))
                await self._turn(Reached(reached, end, is_last))

    async def _piece(self, job: _Replayed, piece: Window) -> None:
        """Brings all lanes of a job to the end of a piece. Raises BackfillError."""
        progress = self.progress
        progress.job, progress.reached = job.plan.job.name, piece.start
        if job.plan.job.each is None and not await self._lagging(job, piece):
            progress.done -= piece.end - piece.start
            progress.before += piece.end - piece.start
            progress.reached = piece.end
            return
        failures, pause = 0, _FIRST_PAUSE
        while not _is_over(report := await self._run(job, piece)):
            if report.outcome is Outcome.STORE_ERROR:
                raise BackfillError(f"{_where(job, piece)}: {report.error}")
            progress.waits = report.error
            if report.reason in _HELD:
                await self._around.timing.sleep(_HELD_PAUSE if report.reason != "rate" else _FIRST_PAUSE)
                continue
            failures = 0 if report.committed else failures + 1
            if failures >= self._around.tries:
                await self._give_up(job, piece, report)
                break
            await self._around.timing.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        progress.waits, progress.reached = "", piece.end

    async def _run(self, job: _Replayed, piece: Window) -> RunReport:
        around, plan = self._around, job.plan
        of = plan.job_of(piece)
        gate = self._sources.gate_of(of)
        pipeline = Pipeline(of, job.origin, job.desk, around.worker, around.timing, gate, job.listing, _follow_nothing)
        report = await pipeline.run(plan.fire_time(piece), refused=job.refused)
        job.refused = report.refusals
        self.progress.add(report)
        self.progress.series = await around.worker.do(lambda: sum(s.series_count() for s in job.desk.load_all()))
        return report

    async def _lagging(self, job: _Replayed, piece: Window) -> list[tuple[str, int]]:
        return await self._around.worker.do(lambda: job.desk.lagging(piece.end))

    async def _give_up(self, job: _Replayed, piece: Window, report: RunReport) -> None:
        """A piece fails for good: the end, or what failed is left out. Raises BackfillError."""
        why = f"{_where(job, piece)}: {report.reason}: {report.error}"
        if not self._around.skips_failed:
            raise BackfillError(
                f"{why}; it was tried {self._around.tries} times. What was loaded is kept: the same command goes on"
                " from here; with --skip-failed it leaves out what fails"
            )
        for lane, at in await self._lagging(job, piece):
            left_out = partial(job.desk.pass_over, Window(at, piece.end), job.plan.fire_time(piece), lane)
            await self._around.worker.do(left_out)
            named = f", lane {lane}" if lane else ""
            self.progress.pass_over(
                f"job {job.plan.job.name}{named}: {format_instant(at)} to {format_instant(piece.end)}"
            )


def _reached(jobs: Sequence[_Replayed]) -> int:
    """Up to where all jobs have come that have not come to their end."""
    open_jobs = [(job.desk.reached(), job.plan.end) for job in jobs]
    return min((at for at, end in open_jobs if at < end), default=max(end for _, end in open_jobs))


def _follow_nothing(mapped: MappedRun, window: Window, fire_time: int) -> None:
    """Nobody looks at charts of a backfill."""


def _is_over(report: RunReport) -> bool:
    return report.outcome in _GOOD or (report.outcome is Outcome.SKIPPED and report.reason == NOTHING_NEW)


def _where(job: _Replayed, piece: Window) -> str:
    return f"job {job.plan.job.name}, {format_instant(piece.start)} to {format_instant(piece.end)}"
