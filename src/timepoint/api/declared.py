"""What a user declares: metrics, and the window that a function is called with.

Owns: these, and how their texts are read. Must not know: jobs, config files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from timepoint.clock import parse_duration
from timepoint.config.defaults import FORGET_AFTER, ZERO_FIRST
from timepoint.config.names import grammar_complaint, reserved_complaint, suffix_complaint, unit_complaint
from timepoint.model import FamilySpec, MetricSpec, MetricType, Points, Temporality


@dataclass(frozen=True, slots=True)
class JobWindow:
    """The range of data time that a call is asked for: from ``start`` up to, but not including, ``end``, in UTC."""

    start: datetime
    end: datetime

    def steps(self, length: str) -> Iterator[tuple[datetime, datetime]]:
        """The start and end of each whole timepoint in the window, for an API that gives one value per step."""
        step = duration_of("length", length)
        if step == 0:
            raise ValueError("a step of 0s has no end")
        end = round(self.end.timestamp() * 1000)
        for begin in range(round(self.start.timestamp() * 1000), end - step + 1, step):
            yield moment_of(begin), moment_of(begin + step)


@dataclass(frozen=True, slots=True)
class Counter:
    """A metric that adds up: its name ends in ``_total``.

    ``temporality`` says what a point's value is: ``delta``, the amount of its interval, which is counted exactly once;
    or ``cumulative``, a running reading. A series new to the page shows 0 for ``zero_first``, so that PromQL sees its
    first increment; the total of one that vanished is kept for ``forget_after``. No value is shown for longer than
    ``max_age`` (default: three periods and the delay). With ``created_timestamps`` OpenMetrics pages say when the total
    of a ``delta`` counter began. With ``deliver="remote_write"`` each timepoint is sent to the ``receivers`` (default:
    all), and nothing is on the page.
    """

    name: str
    help: str
    temporality: str = "delta"
    unit: str = ""
    max_age: str | None = None
    zero_first: str = "2m"
    forget_after: str = "7d"
    created_timestamps: bool = False
    deliver: str = "scrape"
    receivers: Sequence[str] = ()

    def spec(self) -> MetricSpec:
        """The declaration as the rooms know it. Raises ValueError."""
        if self.temporality not in ("delta", "cumulative"):
            raise ValueError(f"{self.name}: temporality is delta or cumulative, not {self.temporality!r}")
        return MetricSpec(
            family=_family(self.name, MetricType.COUNTER, self.help, self.unit),
            temporality=Temporality(self.temporality),
            max_age=duration_of("max_age", self.max_age or "0s"),
            timed=False,
            zero_first=duration_of("zero_first", self.zero_first),
            forget_after=duration_of("forget_after", self.forget_after),
            shows_created=self.created_timestamps and self.temporality == "delta",
        )


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric that goes up and down.

    ``points`` says which timepoints of a run it shows: ``last``, or the ``sum``, ``mean``, ``min``, ``max`` or
    ``count`` of them. No value is shown for longer than ``max_age`` (default: three periods and the delay).
    ``deliver`` and ``receivers`` are those of ``Counter``.
    """

    name: str
    help: str
    points: str = "last"
    unit: str = ""
    max_age: str | None = None
    deliver: str = "scrape"
    receivers: Sequence[str] = ()

    def spec(self) -> MetricSpec:
        """The declaration as the rooms know it. Raises ValueError."""
        if self.points not in {word.value for word in Points}:
            raise ValueError(f"{self.name}: points is one of {', '.join(Points)}, not {self.points!r}")
        return MetricSpec(
            family=_family(self.name, MetricType.GAUGE, self.help, self.unit),
            points=Points(self.points),
            max_age=duration_of("max_age", self.max_age or "0s"),
            timed=False,
            zero_first=ZERO_FIRST,
            forget_after=FORGET_AFTER,
        )


def _family(name: str, kind: MetricType, help_text: str, unit: str) -> FamilySpec:
    """A family whose name is fit for a page. Raises ValueError with what to do."""
    complaint = grammar_complaint(name) or reserved_complaint(name) or suffix_complaint(name, kind)
    if complaint is None and unit:
        complaint = unit_complaint(name, kind, unit)
    if complaint is None and not help_text.strip():
        complaint = "help must say in a sentence what is measured"
    if complaint is not None:
        raise ValueError(f"{name}: {complaint}")
    return FamilySpec(name, kind, help_text.strip(), unit)


def moment_of(milliseconds: int) -> datetime:
    """An instant of the rooms as users have it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def duration_of(word: str, text: str) -> int:
    """Milliseconds. Raises ValueError that begins with the word."""
    try:
        return parse_duration(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{word}: {error}") from error
