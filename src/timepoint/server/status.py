"""What the poller says about itself and its jobs, as far as health, readiness and the landing page need it.

Owns: the reading of the status that the poller publishes beside its metrics, and the verdicts drawn from it. Pure.
Whatever is absent or of another type reads as unknown, so that a poller of another release cannot break a page.
Must not know: files, HTTP, HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

POLLER = "~poller"
"""The name under which the poller publishes itself. No job can have it: ``~`` is not allowed in a job's name."""

_GOOD = frozenset({"ok", "empty"})
_MILD = frozenset({"partial", "skipped"})


@dataclass(frozen=True, slots=True)
class Reject:
    """Rows or values that the mapping could not use, for one reason, and where the first few stood."""

    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job as the poller sees it. Instants in milliseconds, None for unknown or not yet.

    ``known`` says that a first run has ended or that the job was restored from the ledger. ``reason`` says why the
    last run ended as it did.
    """

    name: str
    known: bool = False
    running: bool = False
    outcome: str | None = None
    reason: str = ""
    last_run: int | None = None
    next_run: int | None = None
    newest_data: int | None = None
    series: int | None = None
    rejects: tuple[Reject, ...] = ()

    @property
    def state(self) -> str:
        """One word: ``waiting``, ``restored``, ``good``, ``mild`` (something was left out) or ``bad``."""
        if self.outcome is None:
            return "restored" if self.known else "waiting"
        return "good" if self.outcome in _GOOD else "mild" if self.outcome in _MILD else "bad"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a health endpoint: whether it is well, and the sentence that says so."""

    good: bool
    sentence: str


def read_jobs(status: Mapping[str, Any], names: Sequence[str]) -> list[JobStatus]:
    """The status of each configured job, in the order of the config; one that the poller does not name is unknown."""
    jobs = _mapping(status.get("jobs"))
    return [_read_job(name, _mapping(jobs.get(name))) for name in names]


def health(silence: float, deadline: float) -> Verdict:
    """Well while the poller has been silent for less than the deadline. Both in seconds."""
    if silence < deadline:
        return Verdict(good=True, sentence="timepoint is healthy.")
    sentence = f"no sign of life from the poller for {silence:.0f} s (deadline {deadline:.0f} s)."
    return Verdict(good=False, sentence=f"timepoint is not healthy: {sentence}")


def readiness(jobs: Sequence[JobStatus], *, poller_spoke: bool) -> Verdict:
    """Ready when each job has ended a first run, with any outcome, or was restored.

    ``poller_spoke`` says that the status comes from the poller that runs now and not from one before a restart.
    """
    if not poller_spoke:
        return Verdict(good=False, sentence="timepoint is not ready: the poller has not reported yet.")
    missing = sum(not job.known for job in jobs)
    if missing:
        of = f"{missing} of {len(jobs)} job{'s' if len(jobs) != 1 else ''}"
        return Verdict(good=False, sentence=f"timepoint is not ready: {of} without an ended first run.")
    return Verdict(good=True, sentence="timepoint is ready.")


def _read_job(name: str, entry: Mapping[str, Any]) -> JobStatus:
    return JobStatus(
        name=name,
        known=entry.get("ready") is True,
        running=entry.get("running") is True,
        outcome=_text(entry.get("outcome")) or None,
        reason=_text(entry.get("reason")),
        last_run=_whole(entry.get("last_run")),
        next_run=_whole(entry.get("next_run")),
        newest_data=_whole(entry.get("data_timestamp")),
        series=_whole(entry.get("series")),
        rejects=_read_rejects(_mapping(entry.get("rejects"))),
    )


def _read_rejects(entry: Mapping[str, Any]) -> tuple[Reject, ...]:
    examples = _mapping(entry.get("examples"))
    return tuple(
        Reject(reason, count, tuple(_text(text) for text in _list(examples.get(reason))))
        for reason, count in sorted(_mapping(entry.get("counts")).items())
        if isinstance(count, int)
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
