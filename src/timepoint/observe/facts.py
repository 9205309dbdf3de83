"""What of a config matters to those who watch its jobs.

Owns: how long a job's data take to move, which labels its metrics have, how many samples it can show. Must not know:
PromQL, Grafana, YAML. Durations in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median_high

from timepoint.clock import DAY, SECOND
from timepoint.job import HttpPolling, Job, ScheduleSpec
from timepoint.mapping.engine import Mapping as CompiledMapping
from timepoint.mapping.plans import MetricPlan
from timepoint.mapping.stamps import Length
from timepoint.model import MetricSpec, MetricType
from timepoint.poller.schedule import next_fire
from timepoint.request.each.spec import Discovery, EachSpec, ListFile
from timepoint.request.spec import SourceSpec

_CRON_FROM = 1_704_067_200_000  # 2024-01-01, a leap year: the same config gives the same rules on every day
_CRON_SPAN = 400 * DAY
_CRON_FIRES = 1000  # 0.1 s; of a job of each minute that is less than a day, which is enough for what is usual
_CRON_LEAST = 3  # however many years that takes


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """A metric as queries see it. ``labels`` are those whose values vary, outermost first.

    ``knows_labels`` is False where data or a function decide which labels there are. ``samples`` is how many samples
    one series is at most, None if the data decide. ``is_sent``: it goes by remote write, with the times of the data and
    without the labels of a scrape.
    """

    name: str
    type: MetricType
    help: str
    unit: str
    labels: tuple[str, ...]
    constants: tuple[str, ...]
    knows_labels: bool
    samples: int | None
    zero_first: int
    label_length: int
    is_sent: bool = False

    @property
    def stem(self) -> str:
        """The name as recording rules call it: without ``_total``, which ``rate`` takes away."""
        return self.name.removesuffix("_total") if self.type is MetricType.COUNTER else self.name

    @property
    def counts(self) -> bool:
        """Whether its samples are counters, for ``rate`` and ``increase``."""
        return self.type in (MetricType.COUNTER, MetricType.HISTOGRAM)


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job as those see it who watch it.

    ``period`` is the usual time between two runs; ``list_age`` how old the list of a fan-out may become when all is
    well, None if no list can grow old; ``series`` how many series it may show.
    """

    name: str
    source: str
    period: int
    is_cron: bool
    step: int
    delay: int
    timeout: int
    has_lanes: bool
    list_age: int | None
    series: int
    metrics: tuple[MetricFacts, ...]

    @property
    def cadence(self) -> int:
        """How often its data move: with each run, or with each step if that is longer."""
        return max(self.period, self.step)

    def pace(self, metric: MetricFacts) -> int:
        """How far apart the samples of a metric that tell something new are: one that is sent has each timepoint."""
        return (self.step or self.period) if metric.is_sent else self.cadence

    @property
    def lag(self) -> int:
        """How old data are at most when they are there, if all is well."""
        return self.delay + self.cadence + self.timeout


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A source: the periods of its quotas (hour, day, week, month), and the pause of its circuit breaker, or None."""

    name: str
    quotas: tuple[str, ...]
    pause: int | None


@dataclass(frozen=True, slots=True)
class Watched:
    """All of a config that is watched. ``title`` names it; ``receivers`` are those that some metric is sent to."""

    title: str
    jobs: tuple[JobFacts, ...]
    sources: tuple[SourceFacts, ...]
    receivers: tuple[str, ...] = ()

    @property
    def metrics(self) -> list[MetricFacts]:
        """The metrics of all jobs, each name once."""
        return list({metric.name: metric for job in self.jobs for metric in job.metrics}.values())

    def cadence(self, metric: str) -> int:
        """How often a metric moves: as often as the slowest job that has it."""
        return max(job.pace(known) for job in self.jobs for known in job.metrics if known.name == metric)

    def lag(self, metric: str) -> int:
        """How old the newest data of a metric are at most, of the slowest job that has it."""
        return max(job.lag for job in self.jobs if any(known.name == metric for known in job.metrics))

    def label_names(self) -> list[str]:
        """The labels that vary, of all metrics, in the order in which they are met."""
        return list(dict.fromkeys(name for metric in self.metrics for name in metric.labels))


def watch(title: str, jobs: Sequence[Job]) -> Watched:
    """The facts of a config."""
    sources = {job.polling.source.name: job.polling.source for job in jobs if isinstance(job.polling, HttpPolling)}
    sources |= {source.name: source for job in jobs for source in _asked_for_lists(job.each)}
    receivers = {receiver.name for job in jobs for spec in job.metrics.values() for receiver in spec.receivers}
    known = tuple(_source(source) for _, source in sorted(sources.items()))
    return Watched(title, tuple(map(_job, jobs)), known, tuple(sorted(receivers)))


def _asked_for_lists(each: EachSpec | None) -> Iterator[SourceSpec]:
    for values in each.values if each else ():
        if isinstance(values.origin, Discovery):
            yield values.origin.source


def _source(spec: SourceSpec) -> SourceFacts:
    pause = spec.circuit_breaker.pause if spec.circuit_breaker.failures else None
    return SourceFacts(spec.name, tuple(quota.per for quota in spec.quotas), pause)


def _job(job: Job) -> JobFacts:
    is_http = isinstance(job.polling, HttpPolling)
    lanes = _lane_labels(job.each)
    usual, longest = periods(job.schedule)
    plans = {plan.name: plan for plan in job.polling.mapping.plans} if isinstance(job.polling, HttpPolling) else {}
    metrics = tuple(_metric(spec, plans.get(name), lanes) for name, spec in job.metrics.items())
    return JobFacts(
        name=job.name,
        source=job.polling.source.name if isinstance(job.polling, HttpPolling) else "",
        period=usual,
        is_cron=job.schedule.cron is not None,
        step=_usual(job.window.step) if is_http else 0,
        delay=job.window.delay,
        timeout=job.timeout,
        has_lanes=job.each is not None,
        list_age=_list_age(job.each, longest),
        series=_most_series(job),
        metrics=metrics,
    )


def _usual(step: int | Length) -> int:
    """A step as ranges are thought of: a day is 24 hours, whatever clocks do, and a month has 31 days."""
    if isinstance(step, Length):
        return (31 * step.months + step.days) * DAY + step.milliseconds
    return step


def periods(schedule: ScheduleSpec) -> tuple[int, int]:
    """The usual and the longest time between two runs, of those in a year or in as many fires as are looked at.

    The usual one of cron is the median: a job of each five minutes of the working day is one of five minutes, and its
    nights are pauses.
    """
    if schedule.cron is None:
        return schedule.every, schedule.every
    spec = ScheduleSpec(cron=schedule.cron, timezone=schedule.timezone)
    fires = [next_fire(spec, "", _CRON_FROM)]
    while len(fires) < _CRON_FIRES and (len(fires) < _CRON_LEAST or fires[-1] - _CRON_FROM < _CRON_SPAN):
        fires.append(next_fire(spec, "", fires[-1]))
    gaps = [later - earlier for earlier, later in pairwise(fires)]
    return median_high(gaps), max(gaps)


def _list_age(each: EachSpec | None, period: int) -> int | None:
    """A discovery is asked by the first run that finds its list too old; a file is looked at by each run."""
    ages = [
        period + (values.origin.every if isinstance(values.origin, Discovery) else 0)
        for values in (each.values if each else ())
        if isinstance(values.origin, Discovery | ListFile)
    ]
    return max(ages, default=None)


def _most_series(job: Job) -> int:
    limits = [spec.max_series for spec in job.metrics.values()]
    return min(job.max_series, sum(limits)) if limits and all(limits) else job.max_series


def _lane_labels(each: EachSpec | None) -> tuple[str, ...]:
    """The labels of lanes: of each value its own, and what its row tells besides."""
    names: dict[str, None] = {}
    for values in each.values if each else ():
        if values.label is not None:
            names[values.label] = None
        origin = values.origin
        if isinstance(origin, tuple):
            names |= dict.fromkeys(name for entry in origin for name in entry.more)
        elif origin.mapping is not None:
            names |= dict.fromkeys(_of_list(origin.mapping))
    return tuple(name for name in names if not name.startswith("__"))


def _of_list(mapping: CompiledMapping) -> Iterator[str]:
    for plan in mapping.plans:
        yield from (*plan.captures, *(name for name, _ in plan.labels), *plan.literals)


def _metric(spec: MetricSpec, plan: MetricPlan | None, lanes: Iterable[str]) -> MetricFacts:
    varying, constants = _labels(plan, lanes)
    if len(spec.horizons) > 1:
        varying.append("horizon")
    return MetricFacts(
        name=spec.family.name,
        type=spec.family.type,
        help=spec.family.help,
        unit=spec.family.unit,
        labels=tuple(varying),
        constants=tuple(constants),
        knows_labels=plan is not None and plan.spread is None and not plan.relabels,
        samples=_samples(spec, plan),
        zero_first=spec.zero_first if spec.family.type is MetricType.COUNTER and not spec.receivers else 0,
        label_length=plan.label_length if plan is not None else 0,
        is_sent=bool(spec.receivers),
    )


def _labels(plan: MetricPlan | None, lanes: Iterable[str]) -> tuple[list[str], list[str]]:
    """The labels that vary, and those that are the same for all series.

    Relabel rules are tried on names alone, so what they make of values is not known.
    """
    if plan is None:
        return list(lanes), []
    inner = [*plan.captures, *(name for name, _ in plan.labels)]
    varying = [name for name in dict.fromkeys((*lanes, *inner)) if name not in plan.literals]
    if not plan.relabels:
        return [name for name in varying if not name.startswith("__")], list(plan.literals)
    kept: Mapping[str, str] | None = plan.relabel(
        {"__name__": plan.name, **dict.fromkeys((*varying, *plan.literals), "x")}
    )
    names = kept if kept is not None else dict.fromkeys(varying, "x")
    return [name for name in names if name not in plan.literals and not name.startswith("__")], [
        name for name in names if name in plan.literals
    ]


def _samples(spec: MetricSpec, plan: MetricPlan | None) -> int | None:
    created = 1 if spec.shows_created else 0
    mapping = plan.mapping if plan is not None else None
    match spec.family.type:
        case MetricType.HISTOGRAM:
            return len(mapping.bounds) + 3 + created if mapping is not None and mapping.bounds else None
        case MetricType.SUMMARY:
            return None
        case MetricType.STATESET:
            return len(mapping.states) if mapping is not None else None
        case _:
            return max(1, len(spec.horizons)) + created


def slowest_scrape(watched: Watched) -> int:
    """The longest scrape interval at which no first increment of a counter is lost: half of ``zero_first``.

    Never more than half a minute, which is what the advice is if nothing asks for less.
    """
    zeros = [metric.zero_first // 2 for metric in watched.metrics if metric.zero_first]
    return max(SECOND, min([30 * SECOND, *zeros]) // SECOND * SECOND)
