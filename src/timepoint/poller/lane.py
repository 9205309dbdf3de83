"""One lane in one run: its windows one by one, from the request to the commit.

Owns: the stages of a window and their order. Must not know: how lanes share a run, pages, when a job runs.

    note the attempt, durably                       worker; all lanes of a fan-out at the begin of the run
    wait at the source's gate, ask                  event loop
    read (decode, map) ──> decide                   worker
    commit ──> apply in memory                      worker, together with other lanes that have been decided

Each window is committed by itself, so a lane that fails in its third window has moved on by two. What follows from that
order: an attempt is noted before the request goes out, so no crash loop burns a quota; the lane in memory changes after
the commit, so it never holds what is not durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from timepoint.clock import BELIEVED_AHEAD, format_duration, format_instant
from timepoint.errors import SourceError, StatusError, TransportError
from timepoint.failpoints import failpoint
from timepoint.job import HttpPolling, Job
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.state import metric_key
from timepoint.mapping.engine import RunContext
from timepoint.model import OVERFLOW, MappedRun, Outcome, Rejects, SeriesPoints, Window, series_text
from timepoint.poller.closing import Failed, closing, taking
from timepoint.poller.desk import JobDesk
from timepoint.poller.edits import changed_labels
from timepoint.poller.guard import refusal
from timepoint.poller.origin import Material, Origin
from timepoint.poller.report import NOT_SETTLED, PARTIAL_DATA, RequestReport, RunReport
from timepoint.poller.settled import settled_window, unsettled_text, without_points
from timepoint.poller.timing import Timing
from timepoint.poller.worker import paused_collector
from timepoint.request.each.lanes import LONE, Lane

# An origin keeps the deadline itself if it can, and then knows better what it waited for: it speaks first.
_GRACE = 0.25

Follow = Callable[[MappedRun, Window, int], None]
"""Is given each answer that was committed, what of its window is settled, and the fire time. Raises nothing."""


@dataclass(slots=True, eq=False)
class LaneTurn:
    """One lane in one run. ``watermark`` and ``asked_from`` are from before the run: its windows follow from them.

    ``next`` counts the windows that are done. ``is_over``: the lane has got all it can get in this run. ``held`` is an
    answer without series, which is not believed before it is known what the other lanes say.
    """

    lane: Lane = LONE
    watermark: int | None = None
    asked_from: int | None = None
    next: int = 0
    committed: int = 0
    is_over: bool = False
    was_asked: bool = False
    failure: Failed | None = None
    held: Answered | None = None


@dataclass(slots=True, eq=False)
class Answered:
    """The answer for a window of a lane on its way to a commit. ``part`` is what of the window is settled."""

    turn: LaneTurn
    window: Window
    material: Material
    ends_run: bool
    mapped: MappedRun | None = None
    points: int = 0
    change_set: ChangeSet | None = None
    part: Window | None = None


@dataclass(slots=True)
class Believed:
    """What a run knows of series that are missing. ``shown`` and ``found`` are sums over the answers of the run.

    ``is_settled``: it was decided that answers without series are true.
    """

    shown: int = 0
    found: int = 0
    is_settled: bool = False


@dataclass(frozen=True, slots=True)
class LaneStages:
    """The stages of the windows of one run. What they come to is added to the report."""

    job: Job
    origin: Origin
    desk: JobDesk
    timing: Timing
    report: RunReport
    refused_before: dict[str, int]
    follow: Follow
    believed: Believed = field(default_factory=Believed)

    def note(self, turn: LaneTurn, window: Window) -> None:
        """Notes that a window is about to be asked for. Runs in the worker. Raises Failed."""
        with closing(Outcome.STORE_ERROR, "note_attempt"):
            self.desk.note_attempt(window, turn.lane.name)

    async def ask(self, turn: LaneTurn, window: Window, deadline: float) -> Material:
        """The answer for a window. Raises Failed."""
        report = self.report
        report.asks(window)
        with taking(report, "fetch", self.timing.clock), closing(Outcome.SOURCE_ERROR, "note_request"):
            try:
                asking = self.origin.ask(window, report.fire_time, deadline, turn.lane.values)
                material = await self.timing.within(deadline + _GRACE, asking)
            except SourceError as error:
                report.attempts += error.attempts
                self._note_failed(turn, window, error)
                raise
            except TimeoutError:
                report.attempts += 1
                limit = format_duration(self.job.timeout)
                raise TransportError("timeout", f"no answer within the timeout of the job ({limit})") from None
        report.attempts += material.attempts
        report.response_bytes += material.size
        self._note_answers(turn, window, material)
        with closing(Outcome.SOURCE_ERROR, "bug"):
            self._check_clock(window, material)
        failpoint("after_fetch")
        return material

    def _note_answers(self, turn: LaneTurn, window: Window, material: Material) -> None:
        for page in material.pages:
            if page.doubt:
                self.report.doubts["paging"] = page.mask(page.doubt)
            if page.asked is not None:
                sizes = (page.wire_bytes, len(page.body), page.attempts)
                told = (page.status, page.content_type, *sizes)
                self.report.note_request(RequestReport(page.asked, window, turn.lane.name, *told))

    def _note_failed(self, turn: LaneTurn, window: Window, error: SourceError) -> None:
        if error.asked is not None:
            status = error.status if isinstance(error, StatusError) else 0
            request = RequestReport(
                error.asked, window, turn.lane.name, status, attempts=error.attempts, error=f"{error.reason}: {error}"
            )
            self.report.note_request(request)

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
    def absorb(self, group: list[Answered]) -> None:
        """From answers to commits, in the worker. Each turn then says how it went on; raises nothing."""
        decided = []
        for answered in group:
            try:
                if self._decide(answered):
                    decided.append(answered)
            except Failed as failure:
                answered.turn.failure = failure.bare()
        self._commit(decided)

    def _decide(self, answered: Answered) -> bool:
        """Whether there is something to commit. Raises Failed."""
        turn, clock = answered.turn, self.timing.clock
        if answered.mapped is None:
            self._read(answered)
        with taking(self.report, "decide", clock), closing(Outcome.MAPPING_ERROR, "load"):
            mapped, part = self._settled(answered)
            answered.part = part
            answered.ends_run |= part != answered.window or bool(mapped.partial)
            change_set = answered.change_set = self.desk.decide(
                mapped, part, self.report.fire_time, ends_run=answered.ends_run, lane=turn.lane.name
            )
        points, rejects = answered.points, change_set.rejects
        if points > rejects.counts.get("too_old", 0) and rejects.total >= points:
            self.report.rejects.update(rejects)
            raise Failed(Outcome.MAPPING_ERROR, "all_rejected", _first_reject(rejects))
        if points and not self.job.window_is_asked and not change_set.series_count():
            self.report.rejects.update(rejects)
            raise Failed(Outcome.MAPPING_ERROR, "all_unused", _unused(mapped, answered.window))
        if not mapped.is_declared_empty and not self._is_believed(answered, change_set.series_count()):
            return False
        self.report.rejects.update(rejects)
        self.desk.claim(change_set)
        return True

    def _read(self, answered: Answered) -> None:
        turn, window = answered.turn, answered.window
        with taking(self.report, "map", self.timing.clock), closing(Outcome.MAPPING_ERROR, "mapping"):
            budget = self.desk.budget(turn.lane.name)
            context = RunContext(window, self.report.fire_time, turn.lane.labels, budget.admission())
            mapped = self.origin.read(answered.material, context)
            self.desk.screen(mapped, turn.lane.name)
            budget.fit(mapped)
            _name_overflow(mapped, turn.lane)
        self.report.rejects.update(mapped.rejects)
        if mapped.partial and self.job.window.asks_once:
            why = "and a counter without time would count the window twice: nothing of it is used"
            raise Failed(Outcome.SOURCE_ERROR, PARTIAL_DATA, f"{_partial_text(mapped, window)}, {why}")
        answered.mapped, answered.points = mapped, _count_points(mapped)
        if not answered.points and mapped.rows and mapped.rejects.total:
            raise Failed(Outcome.MAPPING_ERROR, "all_rejected", _first_reject(mapped.rejects))

    def _settled(self, answered: Answered) -> tuple[MappedRun, Window]:
        """What of the answer is final, and of its window. Raises Failed if nothing is, or was committed before it."""
        turn, window, mapped = answered.turn, answered.window, answered.mapped
        assert mapped is not None, "BUG: an answer is decided that was not read"
        self.report.note_settled(mapped.settled_until)
        watermark = self.desk.load(turn.lane.name).watermark
        part = settled_window(self.job, window, mapped.settled_until, watermark)
        if part is not None:
            return mapped, part
        if not turn.committed:
            raise Failed(Outcome.SKIPPED, NOT_SETTLED, unsettled_text(mapped, window))
        mapped = answered.mapped = without_points(mapped)  # what came before is all that the run has
        answered.points = 0
        return mapped, Window(window.start, window.start)

    def _is_believed(self, answered: Answered, found: int) -> bool:
        """Refuses an answer with too few series. One refusal too many and all windows of the run are believed.

        Where the series of a lane are too few to tell, an answer without any is held until the run knows what the other
        lanes say: False then. Raises Failed.
        """
        name, report = answered.turn.lane.name, self.report
        shown = self.desk.series_on_page(name)
        why = refusal(self.job.guard, found, shown, self.refused_before.get(name, 0))
        if why:
            self.refuse(name)
            raise Failed(Outcome.SOURCE_ERROR, "expect", why)
        if report.lanes is None or self.believed.is_settled:
            return True
        if not answered.turn.next:
            self.believed.shown += shown
            self.believed.found += found
        if shown and not found and self.job.guard.min_series_ratio != 0:
            answered.turn.held = answered
            return False
        return True

    def refuse(self, name: str) -> None:
        """Counts an answer that was not believed."""
        self.report.is_refused = True
        self.report.refusals[name] = self.refused_before.get(name, 0) + 1

    def _commit(self, decided: list[Answered]) -> None:
        """One transaction for all; if that fails, one for each: none shall pay for another."""
        change_sets = [answered.change_set for answered in decided if answered.change_set is not None]
        if not change_sets:
            return
        try:
            with taking(self.report, "commit", self.timing.clock), closing(Outcome.STORE_ERROR, "commit"):
                self.desk.commit_all(change_sets)
        except Failed as failure:
            if len(decided) == 1:
                decided[0].turn.failure = failure.bare()
                return
            for answered in decided:
                self._commit_anew(answered)
        else:
            for answered in decided:
                self._count(answered)

    def _commit_anew(self, answered: Answered) -> None:
        """A commit that failed may yet be in the file, so the lane is read again, and the answer decided on that."""
        try:
            if self._decide(answered):
                self._commit([answered])
        except Failed as failure:
            answered.turn.failure = failure.bare()

    def _count(self, answered: Answered) -> None:
        report, turn, mapped = self.report, answered.turn, answered.mapped
        assert mapped is not None and answered.change_set is not None, "BUG: nothing was decided"  # noqa: PT018 - one claim
        report.committed += 1
        report.rows += mapped.rows
        report.dropped += mapped.dropped
        report.points += answered.points
        report.counts.add(answered.change_set.counts)
        report.refusals.pop(turn.lane.name, None)
        report.begun_anew += changed_labels(
            self.job.metrics, self.desk.load(turn.lane.name), answered.change_set, report.began
        )
        self._doubt(answered, answered.change_set)
        self.follow(mapped, answered.part or answered.window, report.fire_time)
        turn.committed += 1
        turn.next += 1
        turn.is_over = answered.ends_run
        if mapped.partial:
            turn.failure = Failed(Outcome.SOURCE_ERROR, PARTIAL_DATA, _partial_text(mapped, answered.window))

    def _doubt(self, answered: Answered, change_set: ChangeSet) -> None:
        """Notes metrics that have points and never had a series, while the window moves on: all points lie outside."""
        lane, mapped = self.desk.load(answered.turn.lane.name), answered.mapped
        for name, offered in mapped.series.items() if mapped is not None else ():
            spec = self.job.metrics[name]
            state, changes = lane.metric(spec), change_set.metrics[metric_key(spec)]
            is_sampled = bool(spec.receivers) and spec.temporality is None  # leaves without a series in the ledger
            if changes.counts.unused and not is_sampled and not (state and (state.series or state.absent)):
                where, so = _where_newest(offered.values(), answered.part or answered.window)
                self.report.doubts[name] = (
                    f"no point of {name} has been in a window so far: the newest is {where}; {so}"
                )


def _name_overflow(mapped: MappedRun, lane: Lane) -> None:
    """Gives the series in which the rest of a lane is added up the labels of the lane, or lanes would share it."""
    if not lane.labels:
        return
    for offered in mapped.series.values():
        if OVERFLOW in offered:
            offered[series_text({**lane.labels, "overflow": "true"})] = offered.pop(OVERFLOW)


def _partial_text(mapped: MappedRun, window: Window) -> str:
    """What is said of an answer in which something is missing."""
    begin = format_instant(window.start)
    return f"the answer says that something is missing in it ({mapped.partial}): {begin} and later is asked for again"


def _count_points(mapped: MappedRun) -> int:
    return sum(len(points.times) for series in mapped.series.values() for points in series.values())


def _unused(mapped: MappedRun, window: Window) -> str:
    """A sentence for an answer whose points all lie outside of a window that the request does not name."""
    where, so = _where_newest([points for series in mapped.series.values() for points in series.values()], window)
    return f"no point of the answer can be used yet: the newest is {where}; the window stays open: {so}"


def _where_newest(series: Iterable[SeriesPoints], window: Window) -> tuple[str, str]:
    """Where the newest point lies outside of a window, and what that means."""
    newest, start = max((points.times.ends[-1], points.times.starts[-1]) for points in series if len(points.times))
    if newest > window.end or start == window.end:
        away, so = "after the window, which is what has settled,", "a later run uses it if its answer still holds it"
    else:
        away, so = "before the window", "if data always come that late, say so with delay"
    return f"of {format_instant(newest)}, {away} {format_instant(window.start)} to {format_instant(window.end)}", so


def _first_reject(rejects: Rejects) -> str:
    """A sentence for an answer of which nothing could be used."""
    reason = max(rejects.counts, key=lambda reason: rejects.counts[reason])
    example = next(iter(rejects.examples.get(reason, ())), "")
    return f"nothing in the answer could be used: {rejects.total} rejects, most often {reason} ({example})"
