"""What was found in a data directory.

Owns: the report, and how it is said as JSON. Must not know: how it was found, how a person reads it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from timepoint.clock import format_instant
from timepoint.ledger.examine import Check, LaneFacts, LedgerFacts
from timepoint.ledger.queues import QueueFacts
from timepoint.poller.edits import Anew


@dataclass(frozen=True, slots=True)
class PageFacts:
    """A published page. ``size`` in bytes, ``rendered_at`` in ms."""

    commit: int
    rendered_at: int
    size: int
    series: int


@dataclass(slots=True)
class JobReport:
    """A job, as ledger, pages and config know it; None for what was not found.

    ``configured`` is None if no config was given.
    """

    name: str
    configured: bool | None
    lanes: list[LaneFacts] = field(default_factory=list)
    page: PageFacts | None = None


@dataclass(slots=True)
class Report:
    """A data directory at a moment (ms).

    ``in_use`` says by whom, None if nobody holds it. ``trouble`` is why the running poller cannot use the ledger, empty
    if it can or if none runs. ``begins_anew`` are totals that the config would make begin anew. ``next_steps`` are
    sentences, in the order in which they are to be tried.
    """

    data_dir: str
    at: int
    in_use: str | None
    trouble: str = ""
    facts: LedgerFacts | None = None
    checks: list[Check] = field(default_factory=list)
    jobs: list[JobReport] = field(default_factory=list)
    queues: list[QueueFacts] = field(default_factory=list)
    begins_anew: list[Anew] = field(default_factory=list)
    next_steps: list[str] = field(default_factory=list)

    @property
    def is_healthy(self) -> bool:
        return all(check.is_kept for check in self.checks)

    def fails(self, *names: str) -> bool:
        """Whether one of these checks found something."""
        return any(check.name in names and not check.is_kept for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """The report as JSON can hold it; instants are RFC 3339 in UTC."""
        return {
            "data_dir": self.data_dir,
            "examined_at": format_instant(self.at),
            "healthy": self.is_healthy,
            "in_use": self.in_use,
            "trouble": self.trouble,
            "ledger": asdict(self.facts) if self.facts is not None else None,
            "checks": [
                {
                    "name": check.name,
                    "promise": check.promise,
                    "ok": check.is_kept,
                    "findings": check.findings,
                    "count": check.count,
                }
                for check in self.checks
            ],
            "jobs": [_job(job) for job in self.jobs],
            "receivers": [_queue(queue) for queue in self.queues],
            "begins_anew": [change._asdict() for change in self.begins_anew],
            "next_steps": self.next_steps,
        }


_INSTANTS = ("watermark", "last_attempt", "last_fire", "last_accepted", "forget_at")


def _job(job: JobReport) -> dict[str, Any]:
    lanes = []
    for lane in job.lanes:
        fields = asdict(lane)
        del fields["job"]
        for name in _INSTANTS:
            fields[name] = readable(fields[name])
        lanes.append(fields)
    page = None
    if job.page is not None:
        page = {**asdict(job.page), "rendered_at": readable(job.page.rendered_at)}
    return {"name": job.name, "configured": job.configured, "lanes": lanes, "page": page}


def _queue(queue: QueueFacts) -> dict[str, Any]:
    return {**asdict(queue), "oldest": readable(queue.oldest), "newest": readable(queue.newest)}


def readable(at: int | None) -> str | None:
    """An instant of a file that may be damaged: RFC 3339, or milliseconds if no calendar has it."""
    if at is None:
        return None
    try:
        return format_instant(at)
    except (ValueError, OverflowError, OSError):
        return f"{at} ms"
