"""How far a backfill is, in numbers and in words.

Owns: what is counted, the line that shows it, the summary. Pure. Must not know: terminals, clocks, how work is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from timepoint.clock import format_duration, format_instant
from timepoint.ledger.change import Counts
from timepoint.model import Rejects
from timepoint.poller.report import RunReport

_BAR = 24
_KEPT = 20


@dataclass(slots=True)
class Progress:
    """``done`` and ``total`` are milliseconds of data time over all jobs. ``reached`` is the end of the last piece.

    ``waits`` says for what, ``receiver`` what is the matter with the receiver; both are empty while all is well.
    ``before`` is what earlier calls had done. ``passed_over`` names windows that were left out.
    """

    total: int
    before: int = 0
    done: int = 0
    job: str = ""
    reached: int | None = None
    waits: str = ""
    receiver: str = ""
    windows: int = 0
    attempts: int = 0
    points: int = 0
    samples: int = 0
    series: int = 0
    response_bytes: int = 0
    counts: Counts = field(default_factory=Counts)
    rejects: Rejects = field(default_factory=Rejects)
    passed_over: list[str] = field(default_factory=list)
    passed: int = 0

    def add(self, report: RunReport) -> None:
        """A run has ended."""
        self.windows += report.committed
        self.attempts += report.attempts
        self.points += report.points
        self.response_bytes += report.response_bytes
        self.counts.add(report.counts)
        self.rejects.update(report.rejects)

    def pass_over(self, where: str) -> None:
        """A window is left out."""
        self.passed += 1
        if len(self.passed_over) < _KEPT:
            self.passed_over.append(where)

    def share(self) -> float:
        """How much of all is done, from 0 to 1."""
        return min(1.0, (self.before + self.done) / self.total) if self.total else 1.0

    def left(self, elapsed: float) -> float | None:
        """Seconds that are left, if it goes on as it did; None before anything is done."""
        return elapsed * (self.total - self.before - self.done) / self.done if self.done else None


def number(value: float) -> str:
    """A count as people read it: ``1,234``, ``26.1 M``."""
    return f"{value / 1e6:.1f} M" if value >= 1e7 else f"{value:,.0f}"  # noqa: PLR2004 - from 8 digits on


def line(progress: Progress, elapsed: float) -> str:
    """The line that is shown meanwhile."""
    share = progress.share()
    filled = round(share * _BAR)
    parts = [f"[{'#' * filled}{'.' * (_BAR - filled)}] {share:4.0%}"]
    if progress.job:
        until = f" to {format_instant(progress.reached)}" if progress.reached is not None else ""
        parts.append(f"{progress.job}{until}")
    parts.append(f"{number(progress.points)} points")
    if elapsed > 1:
        parts.append(f"{number(progress.points / elapsed)}/s")
    left = progress.left(elapsed)
    if left is not None and share < 1:
        parts.append(f"{format_duration(max(1, round(left)) * 1000)} left")
    if progress.waits or progress.receiver:
        parts.append(f"waits: {progress.waits or progress.receiver}")
    return "  ".join(parts)


def summary(progress: Progress, elapsed: float) -> list[str]:
    """What it came to."""
    counts, rejects = progress.counts, progress.rejects
    rate = f", {number(progress.points / elapsed)} a second" if elapsed > 1 else ""
    lines = []
    lines.append(
        f"{number(progress.points)} points in {number(progress.windows)} windows from {number(progress.attempts)} "
        f"requests ({number(progress.response_bytes)} bytes), in {format_duration(max(1, round(elapsed)) * 1000)}{rate}"
    )
    if counts.resets:
        lines.append(f"{number(counts.resets)} new starts of running readings")
    for reason, count in sorted(rejects.counts.items()):
        lines.append(f"refused: {number(count)} {reason} ({rejects.examples[reason][0]})")
    if progress.passed:
        lines.append(f"left out: {progress.passed} windows whose answers could not be used")
        lines.extend(f"  {where}" for where in progress.passed_over)
    return lines
