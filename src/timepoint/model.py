"""The words of the data flow: families, series, points, windows, outcomes.

Owns: value objects that more than one room speaks of. Must not know: how any of them is read, stored, rendered or sent.

Instants are integer milliseconds since the epoch in UTC, durations integer milliseconds.

A series is named inside its family by its **series text**: what follows the sample's base name in the exposition, for
instance ``{app="shop",pod_name="cart-1"}``, or ``_bucket{app="shop",le="0.5"}`` for a part of a histogram. Labels
stand sorted by name and escaped as both text formats want it, so equal series have equal text, and rendering a sample
is joining three strings. ``series_text`` builds it, ``split_series_text`` takes it apart.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class MetricType(StrEnum):
    """The OpenMetrics word for what a family is. Source: OpenMetrics 1.0, "Metric Types"."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    INFO = "info"
    STATESET = "stateset"
    UNKNOWN = "unknown"


BOUND_LABELS = {MetricType.HISTOGRAM: "le", MetricType.SUMMARY: "quantile"}
"""The label that tells the lines of one histogram, or of one summary, apart."""


class Temporality(StrEnum):
    """Whether a value is the amount of its interval (delta) or a running reading (cumulative)."""

    DELTA = "delta"
    CUMULATIVE = "cumulative"


class Points(StrEnum):
    """Which timepoints of a run a gauge shows."""

    LAST = "last"
    SUM = "sum"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    COUNT = "count"


class OnRevision(StrEnum):
    """What a changed value of a counted timepoint does. ``DEBT``: a rise is added, a fall is owed."""

    DEBT = "debt"
    IGNORE = "ignore"


class Outcome(StrEnum):
    """The single closing word of a run."""

    OK = "ok"
    EMPTY = "empty"
    PARTIAL = "partial"
    SOURCE_ERROR = "source_error"
    MAPPING_ERROR = "mapping_error"
    STORE_ERROR = "store_error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class FamilySpec:
    """The declaration of a metric family.

    ``name`` is the base name of its samples: it carries ``_total`` for a counter and ``_info`` for an info, and neither
    ``_bucket`` nor ``_sum`` nor ``_count``. ``unit`` is empty or the suffix of the name (before ``_total``).
    """

    name: str
    type: MetricType
    help: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A receiver of remote write, as far as counting must know it.

    ``is_strict``: it has no out-of-order window, so a sample older than the newest of its series is never sent there.
    ``oldest`` is the greatest age at which a sample is sent there, in ms; 0 for what is usual.
    """

    name: str
    is_strict: bool = True
    oldest: int = 0


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """A family with the policy by which its points become what is shown. All durations in milliseconds.

    ``temporality`` is set for counter, histogram and summary, None for all other types. ``max_age`` is how long a value
    may be shown after the run that gave it; ``zero_first`` how long a counter series new to the page shows 0;
    ``forget_after`` how long the total of a series that left the page is kept. ``horizons`` are the forecast distances
    of a gauge (R13), empty for a metric that looks at the past. ``max_series`` is how many series it may have, 0 for no
    limit of its own; ``sums_overflow``: what is beyond a limit is added up in one series, ``OVERFLOW``. ``timed`` is
    False where a point may come without a time of its own, as an instant at the fire time. ``shows_created``:
    OpenMetrics pages say when each total began. ``receivers`` are who gets each timepoint by remote write; a metric
    with any is not on the page.
    """

    family: FamilySpec
    temporality: Temporality | None = None
    points: Points = Points.LAST
    max_age: int = 0
    zero_first: int = 0
    forget_after: int = 0
    on_revision: OnRevision = OnRevision.DEBT
    horizons: tuple[int, ...] = ()
    max_series: int = 0
    sums_overflow: bool = False
    timed: bool = True
    shows_created: bool = False
    receivers: tuple[Receiver, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """Half-open range [start, end) of data time."""

    start: int
    end: int


class Times:
    """The intervals of some points: interval i is [starts[i], ends[i]); an instant has start = end.

    Immutable, hashable, ascending by (end, start) and without repetition. Rows that share a time grid share one
    object, so that what depends on the grid alone is computed once per grid and not once per series.
    """

    __slots__ = ("_hash", "ends", "starts")

    def __init__(self, starts: Iterable[int], ends: Iterable[int]) -> None:
        self.starts = tuple(starts)
        self.ends = tuple(ends)
        self._hash = hash((self.starts, self.ends))

    def __len__(self) -> int:
        return len(self.starts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Times):
            return NotImplemented
        return self.starts == other.starts and self.ends == other.ends

    def __repr__(self) -> str:
        return f"Times({self.starts!r}, {self.ends!r})"


@dataclass(slots=True)
class SeriesPoints:
    """The points of one series in one run: one float64 per interval of ``times``."""

    times: Times
    values: array[float]


@dataclass(slots=True)
class Rejects:
    """Rows and values that could not be used, counted by reason, with the JSON paths of the first few.

    Reasons are short words from a closed set per room, fit for a label value.
    """

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    KEEP = 5

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Counts ``count`` rejects; ``where`` is the JSON path and, after a colon, what was found there."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        examples = self.examples.setdefault(reason, [])
        if len(examples) < Rejects.KEEP and where not in examples:  # metrics that share a path say it once
            examples.append(where)

    def update(self, other: Rejects) -> None:
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            examples = self.examples.setdefault(reason, [])
            examples.extend(other.examples.get(reason, ())[: Rejects.KEEP - len(examples)])

    @property
    def total(self) -> int:
        return sum(self.counts.values())


NOTHING_SETTLED = -inf
"""What an answer says of itself that holds nothing final yet: see ``MappedRun.settled_until``."""

OVERFLOW = '{overflow="true"}'
"""The text of the series in which those beyond a limit are added up."""


@dataclass(slots=True)
class Refused:
    """Series for which there was no room: how many, and the texts of the first of them."""

    count: int = 0
    texts: list[str] = field(default_factory=list)

    KEEP = 1000

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.texts) < Refused.KEEP:
            self.texts.append(text)


@dataclass(slots=True)
class MappedRun:
    """What the documents of one run came to: per metric name, per series text, its points; and what was not usable.

    ``dropped`` counts rows that a relabel rule dropped on purpose. ``is_declared_empty``: the answer itself said that
    there is nothing, by its status. ``refused`` holds, per metric, rows for whose new series there was no room.
    ``page_rows`` are the rows of each page of the answer. ``settled_until`` is the instant (ms) up to which the answer
    calls its own data final; None if it was not asked. ``partial`` says by what the answer tells that something is
    missing in it; "" if it does not.
    """

    series: dict[str, dict[str, SeriesPoints]]
    rejects: Rejects = field(default_factory=Rejects)
    rows: int = 0
    dropped: int = 0
    is_declared_empty: bool = False
    refused: dict[str, Refused] = field(default_factory=dict)
    page_rows: tuple[int, ...] = ()
    settled_until: float | None = None
    partial: str = ""


_ESCAPE = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_UNESCAPE = re.compile(r"\\(.)")


def escape_label_value(value: str) -> str:
    """Escapes backslash, double quote and line feed, as text 0.0.4 and OpenMetrics 1.0 both want it."""
    return value.translate(_ESCAPE)


def series_text(labels: Mapping[str, str], suffix: str = "") -> str:
    """The series text of a label set: sorted by name, empty values left out."""
    pairs = ",".join(f'{name}="{escape_label_value(labels[name])}"' for name in sorted(labels) if labels[name])
    return f"{suffix}{{{pairs}}}" if pairs else suffix


def split_series_text(text: str) -> tuple[str, dict[str, str]]:
    """The suffix and the labels of a series text; the inverse of ``series_text``."""
    suffix, brace, rest = text.partition("{")
    if not brace:
        return suffix, {}
    labels = {
        name: _UNESCAPE.sub(lambda match: "\n" if match[1] == "n" else match[1], value)
        for name, value in _LABEL.findall(rest)
    }
    return suffix, labels
