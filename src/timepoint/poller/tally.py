"""What the poller knows of each job since its start.

Owns: how reports add up to a tally, and the status that landing page, health and readiness are made of. Pure.
Must not know: names of metrics, files, tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from timepoint.ledger.change import Counts
from timepoint.model import Outcome, Rejects
from timepoint.poller.freshness import Phase, Rhythm, Shown, Turn, phases
from timepoint.poller.report import NOT_SETTLED, NOTHING_NEW, LanesStanding, MetricStanding, RunReport

_FINAL_SKIPS = frozenset({"clock", "min_interval", "quota", "rate", NOTHING_NEW, NOT_SETTLED})
"""Why a run may be skipped that is a first one, and is over by that."""


@dataclass(slots=True)
class JobTally:
    """One job: how its runs ended and what they did, in sums since the start, and how it stands now.

    ``is_known`` says that a first run has ended, with any outcome, or that the ledger held something of the job. A fire
    time that is skipped while the first run is under way does not end it. ``is_awaited`` says that the exporter is not
    ready before that.
    ``last`` is the newest report of a run that took place, ``skip`` the newest of one that should have and did not, if
    it is newer; ``unsettled`` of one whose answer held nothing final. ``due`` is the newest fire time whose run should
    have begun, ``accepted`` that of the newest accepted run, over restarts. ``refusals`` counts answers in a row that
    held too few series to be believed, by lane, ``lanes`` says how those of a fan-out stand (None without one),
    ``clock_corrections`` how often the lane was brought back from a time that had not come. ``doubts`` says in how many
    accepted runs in a row there was a doubt, by what it is about. ``next_begin``,
    ``last_success`` and ``running_since`` are in milliseconds.
    """

    name: str
    rhythm: Rhythm | None = None
    max_series: int | None = None
    is_known: bool = False
    is_awaited: bool = True
    running_since: int | None = None
    next_begin: int | None = None
    last_success: int | None = None
    due: int | None = None
    accepted: int | None = None
    last: RunReport | None = None
    skip: RunReport | None = None
    unsettled: RunReport | None = None
    consecutive_failures: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    lanes: LanesStanding | None = None
    clock_corrections: int = 0
    runs: int = 0
    failures: dict[Outcome, int] = field(default_factory=dict)
    rejects: Rejects = field(default_factory=Rejects)
    counts: Counts = field(default_factory=Counts)
    points: int = 0
    response_bytes: int = 0
    standing: Mapping[str, MetricStanding] = field(default_factory=dict)
    doubts: dict[str, int] = field(default_factory=dict)

    def add(self, report: RunReport) -> None:
        """Takes the report of a run that ended or was skipped."""
        self.runs += 1
        self.is_known |= report.outcome is not Outcome.SKIPPED or report.reason in _FINAL_SKIPS
        if report.failed:
            self.failures[report.outcome] = self.failures.get(report.outcome, 0) + 1
        self.rejects.update(report.rejects)
        self.counts.add(report.counts)
        self.points += report.points
        self.response_bytes += report.response_bytes
        if report.standing is not None:
            self.standing = report.standing
        if report.brought_back:
            self.clock_corrections += 1
            self.accepted = self.last_success = None
        if report.committed:
            self.accepted = report.fire_time
            self.doubts = {about: self.doubts.get(about, 0) + 1 for about in report.doubts}
        if report.is_refused or report.committed:
            self.refusals = dict(report.refusals)
        if report.lanes_standing is not None:
            self.lanes = report.lanes_standing
        if report.outcome is not Outcome.SKIPPED:
            self._end(report)
        elif report.failed:
            self.skip = report
        elif report.reason == NOT_SETTLED:
            self.unsettled = report

    def _end(self, report: RunReport) -> None:
        self.last, self.skip, self.unsettled = report, None, None
        if report.failed:
            self.consecutive_failures += 1
        else:
            self.consecutive_failures = 0
            self.last_success = report.began

    def freshness(self) -> dict[str, tuple[Phase, ...]]:
        """How fresh each metric is from now on, by name."""
        if self.rhythm is None:
            return {}
        turn = Turn(
            accepted=self.accepted,
            due=self.due,
            next_begin=self.next_begin,
            running_since=self.running_since,
            is_failing=self.consecutive_failures > 0,
            was_skipped=self.skip is not None,
        )
        return {
            name: phases(self.rhythm, self._over_lanes(turn, metric.max_age), _shown(metric))
            for name, metric in self.standing.items()
        }

    def _over_lanes(self, turn: Turn, max_age: int) -> Turn:
        """How the lanes of a fan-out stand together: as the one that is furthest behind, of those that are shown.

        A lane whose values have reached their ``max_age`` is no longer on the page, and says nothing of what is.
        """
        if self.lanes is None or not self.lanes.accepted:
            return turn
        accepted = self.lanes.accepted
        newest = max(accepted)
        shown = [fire for fire in accepted if fire + max_age > max(newest, self.due or newest)] or [newest]
        has_failed_whole = turn.is_failing and self.last is not None and not self.last.committed
        is_failing = has_failed_whole or any(accepted[fire][1] for fire in shown)
        return replace(turn, accepted=min(shown), newest=newest, is_failing=is_failing)

    def sums(self) -> dict[str, Any]:
        """What adds up, as JSON can hold it; the inverse of ``take_up``."""
        return {
            "runs": self.runs,
            "failures": {outcome.value: count for outcome, count in self.failures.items()},
            "rejects": dict(self.rejects.counts),
            "counts": asdict(self.counts),
            "points": self.points,
            "response_bytes": self.response_bytes,
            "consecutive_failures": self.consecutive_failures,
            "refusals": dict(self.refusals),
            "clock_corrections": self.clock_corrections,
        }

    def take_up(self, sums: Mapping[str, Any]) -> None:
        """Goes on from the sums of a process before. Raises ValueError, TypeError or KeyError if they are none."""
        self.failures = {Outcome(word): int(count) for word, count in sums["failures"].items()}
        self.rejects = Rejects(counts={reason: int(count) for reason, count in sums["rejects"].items()})
        self.counts = Counts(**sums["counts"])
        self.runs = int(sums["runs"])
        self.points = int(sums["points"])
        self.response_bytes = int(sums["response_bytes"])
        self.consecutive_failures = int(sums["consecutive_failures"])
        self.refusals = {str(lane): int(count) for lane, count in sums["refusals"].items()}
        self.clock_corrections = int(sums["clock_corrections"])

    def status(self) -> dict[str, Any]:
        """The entry of the job in the status of the poller. Instants in milliseconds."""
        closing = self.skip or self.unsettled or self.last
        newest = [metric.newest for metric in self.standing.values() if metric.newest is not None]
        return {
            "ready": self.is_known,
            "awaited": self.is_awaited,
            "running": self.running_since is not None,
            "outcome": closing.outcome.value if closing else None,
            "reason": _why(closing) if closing else "",
            "last_run": self.last.began if self.last else None,
            "next_run": self.next_begin,
            "last_success": self.last_success,
            "data_timestamp": max(newest, default=None),
            "series": sum(metric.series for metric in self.standing.values()),
            "consecutive_failures": self.consecutive_failures,
            "lanes": {"listed": self.lanes.listed, "failing": self.lanes.failing} if self.lanes else None,
            "freshness": {name: list(map(list, ahead)) for name, ahead in self.freshness().items()},
            "sums": self.sums(),
            "rejects": {"counts": self.last.rejects.counts, "examples": self.last.rejects.examples}
            if self.last
            else {},
        }


def _shown(metric: MetricStanding) -> Shown:
    """Only what is on the page can be too old: an API that has nothing to tell is not late."""
    return Shown(metric.max_age, metric.oldest if metric.series and not metric.is_forecast else None)


def _why(report: RunReport) -> str:
    return f"{report.reason}: {report.error}" if report.error else report.reason


def poller_status(tallies: Iterable[JobTally], *, version: str, started: int) -> dict[str, Any]:
    """The status that is published with the poller's own metrics."""
    return {"version": version, "started": started, "jobs": {tally.name: tally.status() for tally in tallies}}
