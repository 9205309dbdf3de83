"""Short ways to say a metric, a grid, a run and what came of it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from timepoint.ledger.change import ChangeSet, RunFacts
from timepoint.ledger.decide import decide
from timepoint.ledger.holders import Estates
from timepoint.ledger.state import LaneState, SeriesState
from timepoint.ledger.store import Store
from timepoint.model import (
    FamilySpec,
    MappedRun,
    MetricSpec,
    MetricType,
    OnRevision,
    Points,
    SeriesPoints,
    Temporality,
    Times,
    Window,
)

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
T0 = 1_700_000_400_000  # a whole five minutes

Point = tuple[int, int, float]
"""start and end in minutes after T0, value."""


def counter(
    name: str = "x_total",
    temporality: Temporality = Temporality.DELTA,
    on_revision: OnRevision = OnRevision.DEBT,
    zero_first: int = 2 * MINUTE,
) -> MetricSpec:
    """A counter; a delta counter unless said."""
    return MetricSpec(
        FamilySpec(name, MetricType.COUNTER, "Help."),
        temporality,
        max_age=HOUR,
        zero_first=zero_first,
        forget_after=7 * DAY,
        on_revision=on_revision,
    )


def gauge(
    name: str = "x",
    points: Points = Points.LAST,
    horizons: tuple[int, ...] = (),
    metric_type: MetricType = MetricType.GAUGE,
) -> MetricSpec:
    """A gauge, or another metric that shows what it is told."""
    family = FamilySpec(name, metric_type, "Help.")
    return MetricSpec(family, None, points, max_age=HOUR, forget_after=7 * DAY, horizons=horizons)


def series(*points: Point) -> SeriesPoints:
    """Points in any order."""
    ordered = sorted(points, key=lambda point: (point[1], point[0]))
    times = Times((T0 + start * MINUTE for start, _, _ in ordered), (T0 + end * MINUTE for _, end, _ in ordered))
    return SeriesPoints(times, array("d", [value for _, _, value in ordered]))


def fives(first: int, *values: float) -> SeriesPoints:
    """Values of five-minute intervals from ``first`` minutes on."""
    return series(*((first + 5 * i, first + 5 * i + 5, value) for i, value in enumerate(values)))


def instants(*points: tuple[int, float]) -> SeriesPoints:
    """Points at instants: minute and value."""
    return series(*((at, at, value) for at, value in points))


def facts(start: int, end: int, *, overlap: int = 0, fire: int | None = None, **more: object) -> RunFacts:
    """A run that asked for [start, end) minutes and fired ten minutes after it."""
    fire_time = T0 + (end + 10 if fire is None else fire) * MINUTE
    arguments: dict[str, object] = {
        "window": Window(T0 + start * MINUTE, T0 + end * MINUTE),
        "now": fire_time + 1000,
        "window_is_asked": True,
        "settled": fire_time - 10 * MINUTE,
        **more,
    }
    return RunFacts(fire_time=fire_time, overlap=overlap * MINUTE, **arguments)  # type: ignore[arg-type]  # named above


@dataclass
class Ledger:
    """A lane that lives through runs in a store, as the poller would have it."""

    store: Store
    metrics: list[MetricSpec]
    job: str = "job"
    lane: LaneState = field(init=False)
    estates: Mapping[str, Estates] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.restart()

    def run(self, run_facts: RunFacts, *offered: Mapping[str, SeriesPoints]) -> ChangeSet:
        """Decides, commits and applies a run; ``offered`` stands in the order of the metrics."""
        change_set = self.decide(run_facts, *offered)
        self.store.commit(change_set)
        change_set.apply(self.lane)
        return change_set

    def decide(self, run_facts: RunFacts, *offered: Mapping[str, SeriesPoints]) -> ChangeSet:
        names = [spec.family.name for spec in self.metrics]
        mapped = MappedRun({name: dict(points) for name, points in zip(names, offered, strict=False)})
        metrics = {spec.family.name: spec for spec in self.metrics}
        return decide(self.lane, mapped, metrics, run_facts, self.estates)

    def restart(self) -> None:
        self.lane = self.store.load(self.job, "")

    def on_page(self, index: int = 0) -> dict[str, SeriesState]:
        metric = self.lane.metric(self.metrics[index])
        return metric.series if metric else {}

    def values(self, index: int = 0) -> dict[str, float]:
        return {text: state.value for text, state in self.on_page(index).items()}

    def value(self, text: str = "", index: int = 0) -> float:
        return self.on_page(index)[text].value

    def debt(self, text: str = "") -> float:
        return self.on_page()[text].debt
