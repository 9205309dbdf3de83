"""One run of one job, over its lanes.

Owns: how lanes share a run, when the page is published, the closing word. Must not know: the stages of a window, when a
job runs, what else runs.

    fire time ──> which lanes there are, asked longest ago first        worker; a discovery asks its source
                  a few lanes at a time, window by window:              lane.py
                  shown ──> publish                                     worker; in a long run now and then, too
              ──> report

A job without a fan-out has one lane. With one, a lane that has got a window goes to the end of the line, so no lane
waits for another's backlog; only a few answers are in memory at a time; and a run whose time is over keeps what it has,
and the next one begins with the lanes that had no turn. A run in which nothing was committed publishes nothing, so the
last state stays (P5).

    outcome         when
    ok              every window was committed (rejects alone do not change that)
    empty           the same, and the answers held no points
    partial         windows were committed and others failed: later ones, or those of other lanes
    source_error    the API, or the function, gave no usable answer
    mapping_error   the mapping raised, or there were rows or points and all of them were rejected
    store_error     the ledger could not load, note or commit, or the page could not be published
    skipped         nothing to ask for, nothing final in the answer, no turn at the source, or the job is still busy
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from timepoint.clock import format_duration
from timepoint.job import HttpPolling, Job
from timepoint.model import Outcome, Window
from timepoint.poller.closing import Failed, close, close_lanes, closing, taking
from timepoint.poller.desk import JobDesk
from timepoint.poller.gathering import Gathering
from timepoint.poller.guard import refusal
from timepoint.poller.lane import Answered, Follow, LaneStages, LaneTurn
from timepoint.poller.listing import Listing
from timepoint.poller.origin import Origin
from timepoint.poller.report import NOTHING_NEW, TIMEOUT, LanesReport, RunReport
from timepoint.poller.run_windows import windows_of_run
from timepoint.poller.timing import Timing
from timepoint.poller.worker import Worker, paused_collector
from timepoint.request.each.lanes import LONE, Lane
from timepoint.request.politeness.gate import Gate

_PUBLISH_EVERY = 15.0  # seconds, in a run that takes longer; never more than a twentieth of the time, if it is costly
_SHARE = 20
_PLANS = 64  # lanes that stand alike share a plan; of 10,000 that differ not all plans need be in memory
_ALL_LANES = LONE.name  # under it refusals over all lanes are counted: no lane of a fan-out has that name


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The runs of one job. One at a time: a second call before the end of the first is a bug of the caller.

    ``follow`` sees what was committed, for charts. It runs in the worker.
    """

    job: Job
    origin: Origin
    desk: JobDesk
    worker: Worker
    timing: Timing
    gate: Gate | None
    listing: Listing
    follow: Follow

    async def run(self, fire_time: int, *, refused: Mapping[str, int] | None = None) -> RunReport:
        """One run. Never raises for what a source, a mapping or a store does.

        ``refused`` is by lane how many answers before it were refused in a row, since they held too few series.
        """
        clock = self.timing.clock
        began, started = clock.now(), clock.monotonic()
        report = RunReport(self.job.name, fire_time, began, refusals=dict(refused or {}))
        if self.job.each is not None:
            report.lanes = LanesReport()
        run = _Run(self, report, started + self.job.timeout / 1000, dict(refused or {}))
        failure: Failed | None = None
        try:
            turns = await run.plan()
            await run.go(turns)
            failure = run.stopped if report.lanes is not None else turns[0].failure
        except Failed as raised:
            failure = raised.bare()
            turns = []
        if report.lanes is not None and turns:
            close_lanes(report, report.lanes, failure)
        else:
            close(report, failure)
        if report.committed or report.brought_back or run.has_new_list:
            await run.publish()
        for name, metric in (report.standing or {}).items():
            if metric.series or metric.kept:  # another window of the run had it, or another lane
                report.doubts.pop(name, None)
        await run.stand()
        report.duration = clock.monotonic() - started
        return report


@dataclass(slots=True, eq=False)
class _Run:
    """What the lanes of one run share. ``stopped`` is why no more is asked."""

    pipeline: Pipeline
    report: RunReport
    deadline: float
    refused: dict[str, int]
    stopped: Failed | None = None
    has_new_list: bool = False
    unreached: set[str] = field(default_factory=set)
    _stages: LaneStages = field(init=False)
    _answers: Gathering[Answered] = field(init=False)
    _failures: Gathering[LaneTurn] = field(init=False)
    _plans: dict[tuple[int | None, int | None], list[Window]] = field(default_factory=dict)
    _publish_at: float = 0.0

    def __post_init__(self) -> None:
        of = self.pipeline
        self._stages = LaneStages(of.job, of.origin, of.desk, of.timing, self.report, self.refused, of.follow)
        self._answers = Gathering(of.worker, self._stages.absorb)
        self._failures = Gathering(of.worker, self._note_failed)
        self._publish_at = of.timing.clock.monotonic() + _PUBLISH_EVERY

    async def plan(self) -> list[LaneTurn]:
        """The turns of the lanes that have something to ask for. Raises Failed."""
        of, report = self.pipeline, self.report
        if busy := of.origin.busy():
            raise Failed(Outcome.SKIPPED, "busy", busy)
        with closing(Outcome.STORE_ERROR, "load"):
            lanes, trouble = await of.listing.lanes(report, self.deadline)
            self.has_new_list = await of.worker.do(lambda: self._list_lanes(lanes))
        if report.lanes is not None:
            report.lanes.trouble, report.lanes.listed = trouble, len(lanes)
        turns: list[LaneTurn] = await of.worker.do(lambda: self._turns(lanes))
        if report.lanes is not None:
            await of.worker.do(lambda: self._note_begin(turns))
        if report.lanes is None and not turns[0].is_over and not self._windows(turns[0]):
            raise Failed(Outcome.SKIPPED, NOTHING_NEW, "no data time is new since the last run")
        return turns

    def _list_lanes(self, lanes: tuple[Lane, ...]) -> bool:
        """From now on the job has these lanes; whether that is a change. Runs in the worker. Raises StoreError."""
        self.pipeline.origin.keep_lanes([lane.labels for lane in lanes])
        is_new = self.pipeline.desk.list_lanes([lane.name for lane in lanes])
        self.report.begun_anew += self.pipeline.desk.begun_behind()
        return is_new

    def _turns(self, lanes: tuple[Lane, ...]) -> list[LaneTurn]:
        """The lanes in the order in which they are asked: asked longest ago first. Runs in the worker. Raises Failed.

        So a lane that is slow to fail, however old its watermark, comes to its turn as often as any other and no more.
        """
        found = []
        for place, lane in enumerate(lanes):
            turn = LaneTurn(lane)
            order, was_answered = -1, False
            try:
                with closing(Outcome.STORE_ERROR, "load"):
                    done = self.pipeline.desk.bring_back(lane.name)
                    state = self.pipeline.desk.load(lane.name)
                self.report.brought_back = self.report.brought_back or done
                turn.watermark, turn.asked_from = state.watermark, state.asked_from
                order = max(state.last_attempt or -1, state.last_accepted or -1)
                was_answered = order == state.last_accepted
            except Failed as failure:
                if self.report.lanes is None or failure.ends_run:
                    raise
                turn.failure = failure.bare()
            found.append((order, was_answered, place, turn))
        found.sort(key=lambda item: item[:3])
        return [turn for *_, turn in found]

    def _note_begin(self, turns: list[LaneTurn]) -> None:
        """Notes that a run has begun, in one transaction. Runs in the worker. Raises Failed.

        What a lane is to be asked for is kept from its very beginning on, and an attempt at the lane that comes first,
        so that no crash loop burns a quota; what a source allows is counted by its gate, request by request. The other
        lanes have had no turn by that: noted all alike they would lose their order, and where a run reaches some of
        them only the last ones would never be asked.
        """
        starts: dict[str, int] = {}
        with closing(Outcome.STORE_ERROR, "note_attempt"):
            for turn in turns:
                if not turn.failure and (windows := self._windows(turn)):
                    start = windows[0].start
                    if not starts or turn.asked_from is None or start < turn.asked_from:
                        starts[turn.lane.name] = start
            if starts:
                self.pipeline.desk.note_attempts(starts)

    def _note_failed(self, turns: list[LaneTurn]) -> None:
        """Notes that lanes have had their turn, which a commit says of the others. Runs in the worker."""
        failed = {
            turn.lane.name: self._windows(turn)[turn.next].start
            for turn in turns
            if turn.was_asked and turn.failure and not turn.failure.ends_run and not turn.committed
        }
        if failed and self.report.lanes is not None:
            with contextlib.suppress(Failed), closing(Outcome.STORE_ERROR, "note_attempt"):
                self.pipeline.desk.note_attempts(failed)

    def _windows(self, turn: LaneTurn) -> list[Window]:
        key = (turn.watermark, turn.asked_from)
        windows = self._plans.get(key)
        if windows is None:
            if len(self._plans) >= _PLANS:
                del self._plans[next(iter(self._plans))]
            windows = self._plans[key] = windows_of_run(self.pipeline.job, self.report.fire_time, *key)
        return windows

    async def go(self, turns: list[LaneTurn]) -> None:
        """Gives each lane its turns, a few at a time, until all is done or the run is stopped."""
        line = deque(turns)
        await self._together(line)
        held = [turn.held for turn in turns if turn.held is not None]
        if held and self.stopped is None:
            await self._judge(held)
            await self.pipeline.worker.do(lambda: self._note_failed([answered.turn for answered in held]))
            await self._together(deque(answered.turn for answered in held))
        if self.report.lanes is not None:
            self._sum_up(turns, self.report.lanes)

    async def _together(self, line: deque[LaneTurn]) -> None:
        polling = self.pipeline.job.polling
        width = min(len(line), polling.source.concurrency if isinstance(polling, HttpPolling) else 1)
        if width <= 1:
            await self._serve(line)
            return
        tasks = [asyncio.create_task(self._serve(line)) for _ in range(width)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _serve(self, line: deque[LaneTurn]) -> None:
        while line and self.stopped is None:
            turn = line.popleft()
            if turn.failure is None:
                try:
                    await self._step(turn)
                except Failed as failure:
                    turn.failure = failure.bare()
            if turn.failure is not None:
                if turn.failure.ends_run:
                    self.stopped = self.stopped or turn.failure
                elif turn.was_asked:
                    await self._failures.do(turn)
            elif not turn.is_over and turn.held is None:
                line.append(turn)
            if self.report.committed and self.pipeline.timing.clock.monotonic() >= self._publish_at:
                await self.publish()

    async def _step(self, turn: LaneTurn) -> None:
        """One window of a lane. Raises Failed."""
        windows = self._windows(turn)
        if turn.next >= len(windows):
            turn.is_over = True
            return
        window = windows[turn.next]
        self._foresee_turn()
        if self.report.lanes is None:
            await self.pipeline.worker.do(lambda: self._stages.note(turn, window))
        turn.was_asked = True
        material = await self._stages.ask(turn, window, self.deadline)
        await self._answers.do(Answered(turn, window, material, ends_run=turn.next + 1 == len(windows)))

    def _foresee_turn(self) -> None:
        """Raises Failed if the turn of a request would come after the end of the run: then no attempt is noted."""
        of = self.pipeline
        if of.timing.clock.monotonic() >= self.deadline:
            limit = format_duration(of.job.timeout)
            error = f"the timeout of the job ({limit}) is over before all windows were asked for"
            raise Failed(Outcome.SOURCE_ERROR, TIMEOUT, error, ends_run=True)
        if of.gate is None or not isinstance(of.job.polling, HttpPolling):
            return
        refused = of.gate.refusal(self.deadline, of.job.polling.request.cost)
        if refused is not None:
            with closing(Outcome.SOURCE_ERROR, "bug"):
                raise refused

    async def _judge(self, held: list[Answered]) -> None:
        """Says whether answers without series are believed, now that it is known what the other lanes have."""
        stages = self._stages
        believed = stages.believed
        why = refusal(self.pipeline.job.guard, believed.found, believed.shown, self.refused.get(_ALL_LANES, 0))
        believed.is_settled = not why
        if why:
            stages.refuse(_ALL_LANES)
            for answered in held:
                answered.turn.failure = Failed(Outcome.SOURCE_ERROR, "expect", f"over all lanes {why}")
            return
        self.report.refusals.pop(_ALL_LANES, None)
        for answered in held:
            answered.turn.held = None
        await self.pipeline.worker.do(lambda: stages.absorb(held))

    def _sum_up(self, turns: list[LaneTurn], lanes: LanesReport) -> None:
        for turn in turns:
            failure = turn.failure
            if failure is not None and failure.bug is not None and self.report.bug is None:
                self.report.bug = failure.bug
            if failure is not None and failure.is_failure and not _had_no_turn(failure):
                lanes.fail(turn.lane.name, failure.outcome, failure.reason, failure.error)
            elif turn.is_over and turn.committed:
                lanes.ok += 1
            elif turn.is_over or (failure is not None and not failure.is_failure):
                lanes.idle += 1
            else:
                lanes.unreached += 1
                self.unreached.add(turn.lane.name)

    async def publish(self) -> None:
        """Renders the page anew; a failure closes the report."""
        of, report = self.pipeline, self.report
        clock = of.timing.clock
        began = clock.monotonic()
        self._publish_at = float("inf")  # nobody else begins meanwhile

        @paused_collector()
        def work() -> None:
            with taking(report, "publish", clock), closing(Outcome.STORE_ERROR, "publish"):
                report.standing = of.desk.standing()
                of.desk.publish()

        try:
            await of.worker.do(work)
        except Failed as failure:
            report.close(failure.outcome, failure.reason, failure.error)
            report.bug = failure.bug
        now = clock.monotonic()
        self._publish_at = now + max(_PUBLISH_EVERY, _SHARE * (now - began))

    async def stand(self) -> None:
        """Notes how the lanes stand after the run."""
        of = self.pipeline
        if self.report.lanes is not None:
            self.report.lanes_standing = await of.worker.do(lambda: of.listing.standing(self.unreached))


def _had_no_turn(failure: Failed) -> bool:
    """Whether the lane itself did nothing wrong: its time, or its turn at the source, did not come."""
    return failure.ends_run and failure.outcome is not Outcome.STORE_ERROR
