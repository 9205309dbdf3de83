"""What the ledger knows of a lane, in memory.

Owns: the state of series, metrics and lanes, and which series are on the page. Must not know: how a run changes it
(``decide``), how it is kept (``store``), how it is rendered.

All instants are integer milliseconds since the epoch, UTC. A lane in memory is a copy of what was last committed; it
changes only through ``ChangeSet.apply``, after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

from timepoint.model import MetricSpec, Times, split_series_text

NO_TIMES = Times((), ())


@dataclass(slots=True)
class SeriesState:
    """One series: what it shows, and what is needed to count on.

    ``value`` is what the page shows: the total of a counter, the value of anything else. For a delta counter the newest
    accepted values of all its timepoints sum up to ``value + carry - debt``; ``carry`` is what rounding took from the
    total, below half of its last bit. For a cumulative counter ``carry`` is the sum of the readings at which its source
    started anew, and ``value`` is ``carry`` + the newest reading + ``debt``. ``debt`` is never negative.

    ``recent`` holds the values counted for ``times``, as packed float64 in the machine's byte order: all intervals that
    a later run may read again, and the newest one before them. Series on one grid share one
    ``times`` object. Gauges have none. ``recent`` is ``bytes`` and not an array since it is compared with a slice of
    the next run's bytes, and so is 30 bytes smaller.

    ``seen_at`` is the stamp of the newest accepted run that held the series. Before ``zero_until`` the page shows 0.
    ``created`` is when its total began; 0 says that it is over, and begins at 0 when the series comes back.
    ``id`` is the store's, 0 until the first commit.
    """

    value: float
    carry: float = 0.0
    debt: float = 0.0
    times: Times = NO_TIMES
    recent: bytes = b""
    seen_at: int = 0
    created: int = 0
    zero_until: int = 0
    id: int = 0


def shown_until(state: SeriesState) -> int:
    """How long a counter series is shown at least, in the newest run or not: as long with its total as before with 0.

    One that left earlier would never show its total: it was born late in a period and was gone at the next run.
    """
    return 2 * state.zero_until - state.created


@dataclass(slots=True)
class MetricState:
    """The series of one metric of a lane.

    ``series`` are on the page, in the order in which they came; ``absent`` left it, in the order in which they left,
    and keep their totals for ``forget_after``. ``leaving`` names those of them that are shown a little longer, since
    they left before they had been shown long enough (``shown_until``). ``newest`` is the newest timepoint ever used.
    ``last_run`` is the stamp of the newest accepted run whose job had this metric: one taken from the config is
    forgotten ``forget_after`` later.
    """

    name: str
    shape: str
    forget_after: int = 0
    newest: int | None = None
    last_run: int = 0
    series: dict[str, SeriesState] = field(default_factory=dict)
    absent: dict[str, SeriesState] = field(default_factory=dict)
    leaving: dict[str, None] = field(default_factory=dict)

    def note_leaving(self, texts: Iterable[str], at: int) -> None:
        """Brings ``leaving`` to a moment: ``texts`` left the page now, and some others have been shown long enough."""
        absent = self.absent
        candidates = chain(self.leaving, texts)
        self.leaving = {
            text: None for text in candidates if (state := absent.get(text)) is not None and shown_until(state) > at
        }

    def debt(self) -> float:
        """What downward revisions still owe the counters on the page; shown as a metric of its own."""
        return sum(state.debt for state in self.series.values() if state.debt)


@dataclass(slots=True)
class LaneState:
    """One lane: how far it has come, and its metrics by ``metric_key``.

    ``version`` is the number of the lane's newest commit, 0 before the first: a change set is only committed onto the
    version it was decided on. ``watermark`` is the end of the newest window committed. ``kept_from``: every counted
    interval that ends later is in its series' ``recent``, and so is the newest of the others; older ones cannot be told
    from counted ones.

    ``asked_from`` is the start of the earliest window ever asked for, noted before the first answer: until there is a
    watermark it says what is missing. None for a lane that an older release has filled.

    ``last_attempt`` is when a request was last begun, ``last_fire`` the fire time of the newest accepted run,
    ``last_accepted`` when that was committed.

    A series is on the page if its ``seen_at`` is not before ``page_since``, the stamp of the newest whole run.
    ``open_run`` is the stamp of a run that was committed in part only.
    """

    job: str
    lane: str
    version: int = 0
    watermark: int | None = None
    kept_from: int | None = None
    last_attempt: int | None = None
    last_fire: int | None = None
    last_accepted: int | None = None
    page_since: int = 0
    open_run: int | None = None
    asked_from: int | None = None
    metrics: dict[str, MetricState] = field(default_factory=dict)

    def metric(self, spec: MetricSpec) -> MetricState | None:
        """The state of a metric as it is declared now; None before its first accepted run."""
        return self.metrics.get(metric_key(spec))

    def note_attempt(self, at: int, asked_from: int | None) -> None:
        """Brings a lane in memory to an attempt that was noted."""
        self.last_attempt = at
        if asked_from is not None:
            self.asked_from = asked_from if self.asked_from is None else min(asked_from, self.asked_from)

    def take_texts(self, offered: Mapping[str, Iterable[str]]) -> None:
        """Puts the texts of an answer, by metric, in the place of equal ones that came out of the ledger.

        The mapping keeps its texts from run to run. With two objects of each, a series takes 100 to 125 bytes more.
        """
        for metric in self.metrics.values():
            texts = {text: text for text in offered.get(metric.name, ())}
            if texts:
                metric.series = {texts.get(text, text): state for text, state in metric.series.items()}

    @property
    def is_failing(self) -> bool:
        """Whether its newest attempt gave no commit."""
        return self.last_attempt is not None and self.last_attempt > (self.last_accepted or -1)

    def series_count(self) -> int:
        return sum(len(metric.series) for metric in self.metrics.values())


def metric_shape(spec: MetricSpec) -> str:
    """What makes two declarations of one name different metrics: type, temporality, unit.

    A metric whose shape changes starts anew; its old state is kept beside it for ``forget_after``. An edit that is
    taken back goes on with it, without what came in between.
    """
    return "/".join((spec.family.type, spec.temporality or "", spec.family.unit))


def metric_key(spec: MetricSpec) -> str:
    """Name and shape: the key of ``LaneState.metrics``."""
    return f"{spec.family.name} {metric_shape(spec)}"


def group_of(text: str, label: str) -> tuple[frozenset[tuple[str, str]], str]:
    """The labels that the parts of a histogram or summary share, and the suffix of this part.

    ``label`` is the one that tells them apart.
    """
    suffix, labels = split_series_text(text)
    labels.pop(label, None)
    return frozenset(labels.items()), suffix
