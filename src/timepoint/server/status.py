"""What the poller says about itself and its jobs, as far as health, readiness and the landing page need it.

Owns: the reading of the status that the poller publishes beside its metrics, and the verdicts drawn from it. Pure.
Whatever is absent or of another type reads as unknown, so that a poller of another release cannot break a page.
Must not know: files, HTTP, HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from timepoint.server import loosely

FRESHNESS = ("fresh", "late", "stale", "expired")
"""How fresh a metric is, from best to worst, in the poller's words."""

_NAMED = 5
_PAIR = 2
_STATES = {"ok": "good", "empty": "good", "partial": "mild", "skipped": "mild"}


@dataclass(frozen=True, slots=True)
class Reject:
    """Rows or values that the mapping could not use, for one reason, and where the first few stood."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """How fresh a metric is until a moment (ms), None for ever: the poller says it ahead of time, for it may die."""

    state: str
    until: int | None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job as the poller sees it. Instants in milliseconds, None for unknown or not yet.

    ``known`` says that a first run has ended or that the job was restored from the ledger, ``awaited`` that nothing is
    ready before. ``reason`` says why the
    last run ended as it did, ``failures`` how many have failed in a row. ``freshness`` holds the phases of each metric.
    """

    name: str
    known: bool = False
    awaited: bool = True
    running: bool = False
    outcome: str | None = None
    reason: str = ""
    last_run: int | None = None
    next_run: int | None = None
    newest_data: int | None = None
    series: int | None = None
    rejects: tuple[Reject, ...] = ()
    failures: int = 0
    freshness: Mapping[str, Sequence[Phase]] = field(default_factory=dict)

    def fresh(self, now: int) -> str | None:
        """How fresh the worst of its metrics is; None before the first accepted run."""
        states = {_state_at(phases, now) for phases in self.freshness.values()}
        return max(states & set(FRESHNESS), key=FRESHNESS.index, default=None)

    @property
    def state(self) -> str:
        """One word: ``waiting``, ``restored``, ``good``, ``mild`` (something was left out) or ``bad``."""
        if self.outcome is None:
            return "restored" if self.known else "waiting"
        return state_of(self.outcome)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a health endpoint: whether it is well, and the sentence that says so."""

    good: bool
    sentence: str


def state_of(outcome: str, *, failed: bool = True) -> str:
    """The state that an outcome means; one that is not known is bad. A run with nothing to ask for is no failure."""
    if outcome == "skipped" and not failed:
        return "good"
    return _STATES.get(outcome, "bad")


def read_jobs(status: Mapping[str, Any], names: Sequence[str]) -> list[JobStatus]:
    """The status of each configured job, in the order of the config; one that the poller does not name is unknown."""
    jobs = loosely.mapping(status.get("jobs"))
    return [_read_job(name, loosely.mapping(jobs.get(name))) for name in names]


def read_ledger_trouble(status: Mapping[str, Any]) -> str:
    """Why the poller cannot use its ledger and polls nothing; empty if it can."""
    return loosely.text(status.get("ledger_trouble"))


def read_config_trouble(status: Mapping[str, Any]) -> str:
    """Why a changed config is not in force; empty if the newest one is."""
    return loosely.text(loosely.mapping(status.get("config")).get("trouble"))


def health(silence: float, deadline: float) -> Verdict:
    """Well while the poller has been silent for less than the deadline. Both in seconds."""
    if silence < deadline:
        return Verdict(good=True, sentence="timepoint is healthy.")
    sentence = f"no heartbeat of the poller for {silence:.0f} s (deadline {deadline:.0f} s)."
    return Verdict(good=False, sentence=f"timepoint is not healthy: {sentence}")


def readiness(
    jobs: Sequence[JobStatus], *, poller_spoke: bool, fresh_at: int | None = None, ledger_trouble: str = ""
) -> Verdict:
    """Ready when each job of the start has ended a first run, with any outcome, or was restored.

    A job that a reload brought is not waited for: who finds the exporter by its readiness must not lose it by a reload.

    ``poller_spoke`` says that the status comes from the poller that runs now and not from one before a restart. With
    ``fresh_at``, a moment in milliseconds, every metric must be fresh then, too. Without a ledger nothing is ready.
    """
    if not poller_spoke:
        return Verdict(good=False, sentence="timepoint is not ready: the poller has not reported yet.")
    if ledger_trouble:
        sentence = f"timepoint is not ready: its ledger cannot be used, so nothing is polled. {ledger_trouble}"
        return Verdict(good=False, sentence=sentence)
    missing = sum(job.awaited and not job.known for job in jobs)
    if missing:
        of = f"{missing} of {len(jobs)} job{'s' if len(jobs) != 1 else ''}"
        return Verdict(good=False, sentence=f"timepoint is not ready: {of} without an ended first run.")
    if fresh_at is not None and (others := [job for job in jobs if job.fresh(fresh_at) != FRESHNESS[0]]):
        shown = ", ".join(f"{job.name} is {job.fresh(fresh_at) or 'waiting'}" for job in others[:_NAMED])
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        return Verdict(good=False, sentence=f"timepoint is not ready: {shown}{more}.")
    return Verdict(good=True, sentence="timepoint is ready.")


def _state_at(phases: Sequence[Phase], now: int) -> str | None:
    return next((phase.state for phase in phases if phase.until is None or now < phase.until), None)


def _read_job(name: str, entry: Mapping[str, Any]) -> JobStatus:
    return JobStatus(
        name=name,
        known=entry.get("ready") is True,
        awaited=entry.get("awaited") is not False,
        running=entry.get("running") is True,
        outcome=loosely.text(entry.get("outcome")) or None,
        reason=loosely.text(entry.get("reason")),
        last_run=loosely.whole(entry.get("last_run")),
        next_run=loosely.whole(entry.get("next_run")),
        newest_data=loosely.whole(entry.get("data_timestamp")),
        series=loosely.whole(entry.get("series")),
        rejects=_read_rejects(loosely.mapping(entry.get("rejects"))),
        failures=loosely.whole(entry.get("consecutive_failures")) or 0,
        freshness={name: _read_phases(phases) for name, phases in loosely.mapping(entry.get("freshness")).items()},
    )


def _read_phases(entry: object) -> tuple[Phase, ...]:
    pairs = [pair for pair in loosely.items(entry) if isinstance(pair, list) and len(pair) == _PAIR]
    return tuple(Phase(loosely.text(state), loosely.whole(until)) for state, until in pairs)


def _read_rejects(entry: Mapping[str, Any]) -> tuple[Reject, ...]:
    examples = loosely.mapping(entry.get("examples"))
    return tuple(
        Reject(reason, count, tuple(loosely.text(text) for text in loosely.items(examples.get(reason))))
        for reason, count in sorted(loosely.mapping(entry.get("counts")).items())
        if isinstance(count, int)
    )
