"""Panels for the metrics of the jobs.

Owns: which panels a metric of each type gets, over which ranges, by which labels. Must not know: Grafana's JSON, the
exporter's own metrics.

Counters move once per run, so the least step of their panels is the cadence of the metric. An amount over the time
range is one query over ``$__range``.

A metric that is sent stands at the times of its data, and has no labels of a scrape. Its samples may be hours apart, so
each look at one of them looks back over two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from timepoint.clock import format_duration
from timepoint.model import MetricType
from timepoint.observe.board import Kind, Panel, Query, Row
from timepoint.observe.facts import JobFacts, MetricFacts, Watched
from timepoint.observe.flows import Flow
from timepoint.observe.promql import selector, single_unit
from timepoint.observe.units import rate_unit, value_unit, words_of

OWN_VARIABLES = ("datasource", "job", "instance", "by", "aggregation", "job_name")
SCRAPED = ('job=~"$job"', 'instance=~"$instance"')
_TOP = 25


def variable_of(label: str) -> str:
    """The variable for a label: its name, unless the dashboard has a variable of that name."""
    return f"{label}_label" if label in OWN_VARIABLES else label


def chosen(label: str) -> str:
    """The matcher for what is chosen of a label at the top."""
    return f'{label}=~"${variable_of(label)}"'


@dataclass(frozen=True, slots=True)
class _Metric:
    """A metric in its dashboard. ``flow`` is how its rate is asked for, if it counts."""

    facts: MetricFacts
    job: JobFacts
    flow: Flow

    @property
    def unit(self) -> str:
        """The words of its unit."""
        return words_of(self.facts.stem, self.facts.unit)

    @property
    def title(self) -> str:
        """Its name in words, without its unit and what its type adds."""
        stem = self.facts.stem.removesuffix("_info")
        shorter = stem.removesuffix(f"_{self.unit}") if self.unit else stem
        words = (shorter or stem).replace("_", " ")
        return words[:1].upper() + words[1:]

    def legend(self, *more: str) -> str:
        """The values of the labels that it may be grouped by, and of those that stay.

        Left to itself Grafana shows the expression where a series has no labels.
        """
        if not self.facts.knows_labels:
            return ""
        return " ".join(f"{{{{{name}}}}}" for name in (*more, *self.facts.labels)) or self.title

    def select(self, suffix: str = "", *more: str) -> str:
        scraped = () if self.facts.is_sent else SCRAPED
        return selector(self.facts.name + suffix, *scraped, *map(chosen, self.facts.labels), *more)

    def newest(self, suffix: str = "", *more: str, is_now: bool = False) -> str:
        """The newest samples at a moment; ``is_now``: at the end of the time range, whose data are on their way."""
        if not self.facts.is_sent:
            return self.select(suffix, *more)
        back = 2 * self.job.pace(self.facts) + (self.job.lag if is_now else 0)
        return f"last_over_time({self.select(suffix, *more)}[{single_unit(back)}])"

    def by(self, *more: str) -> str:
        """The grouping: what is chosen at the top, if the metric has labels, and labels that must stay."""
        groups = ["${by:csv}"] if self.facts.labels or not self.facts.knows_labels else []
        return f"by ({', '.join([*more, *groups])})"

    def panel(self, title: str, kind: Kind, *queries: Query, **settings: object) -> Panel:
        text = f"{self.facts.help} `{self.facts.name}`"
        return Panel(title, text, kind, queries, min_step=self.flow.step, **settings)  # type: ignore[arg-type]  # by name


def metric_rows(watched: Watched, scrape_interval: int) -> Iterator[Row]:
    """A row for each job that has metrics, in the order of the config."""
    for job in watched.jobs:
        panels: list[Panel] = []
        for facts in job.metrics:
            cadence = watched.cadence(facts.name)
            flow = Flow.sent(max(cadence, scrape_interval)) if facts.is_sent else Flow.scraped(cadence, scrape_interval)
            panels += _panels(_Metric(facts, job, flow))
        if panels:
            source = f" from {job.source}" if job.source else ""
            delayed = f", {format_duration(job.delay)} late" if job.delay else ""
            often = "cron, about every" if job.is_cron else "every"
            yield Row(f"{job.name}: {often} {format_duration(job.period)}{source}{delayed}", tuple(panels))


def _panels(metric: _Metric) -> Iterator[Panel]:
    match metric.facts.type:
        case MetricType.COUNTER:
            yield from _counter(metric)
        case MetricType.HISTOGRAM:
            yield from _histogram(metric)
        case MetricType.SUMMARY:
            yield from _summary(metric)
        case MetricType.INFO:
            yield metric.panel(metric.title, Kind.TABLE, Query(metric.newest(is_now=True), is_instant=True))
        case MetricType.STATESET:
            name = metric.facts.name
            counted = f"sum {metric.by(name)} ({metric.newest()})"
            yield metric.panel(
                f"{metric.title}: how many in each state",
                Kind.TIMESERIES,
                Query(counted, metric.legend(name)),
                is_stacked=True,
            )
        case _:
            yield _gauge(metric)


def _counter(metric: _Metric) -> Iterator[Panel]:
    rate = rate_unit(metric.unit)
    factor = f" * {rate.factor}" if rate.factor != 1 else ""
    flow = metric.flow.per_second(metric.by(), metric.select()) + factor
    title = f"{metric.title} {rate.words}".strip() if rate.words else f"{metric.title}: rate"
    yield metric.panel(
        title,
        Kind.TIMESERIES,
        Query(flow, metric.legend()),
        unit=rate.unit,
        width=16,
        is_stacked=True,
        is_from_zero=True,
    )
    amount = f"sort_desc(topk({_TOP}, sum {metric.by()} (increase({metric.select()}[$__range]))))"
    yield metric.panel(
        f"{metric.title} in the time range",
        Kind.BARS,
        Query(amount, metric.legend(), is_instant=True),
        unit=value_unit(metric.unit),
        width=8,
        is_from_zero=True,
    )


def _gauge(metric: _Metric) -> Panel:
    kept = ("horizon",) if "horizon" in metric.facts.labels else ()
    query = Query(f"$aggregation {metric.by(*kept)} ({metric.newest()})", metric.legend())
    return metric.panel(metric.title, Kind.TIMESERIES, query, unit=value_unit(metric.unit), width=24)


def _histogram(metric: _Metric) -> Iterator[Panel]:
    buckets = metric.select("_bucket")
    yield metric.panel(
        f"{metric.title}: distribution",
        Kind.HEATMAP,
        Query(metric.flow.between_points("by (le)", buckets), "{{le}}"),
        unit=value_unit(metric.unit),
    )
    title, shares = ("95th percentile", (0.95,)) if metric.facts.labels else ("quantiles", (0.5, 0.95))
    queries = [
        Query(
            f"histogram_quantile({share}, {metric.flow.per_second(metric.by('le'), buckets)})",
            metric.legend() if metric.facts.labels else f"p{round(share * 100)}",
        )
        for share in shares
    ]
    yield metric.panel(f"{metric.title}: {title}", Kind.TIMESERIES, *queries, unit=value_unit(metric.unit))


def _summary(metric: _Metric) -> Iterator[Panel]:
    has_quantile = 'quantile!=""'
    quantiles = f"avg {metric.by('quantile')} ({metric.newest('', has_quantile)})"
    yield metric.panel(
        f"{metric.title}: quantiles",
        Kind.TIMESERIES,
        Query(quantiles, metric.legend("quantile")),
        unit=value_unit(metric.unit),
    )
    total, count = (metric.flow.per_second(metric.by(), metric.select(part)) for part in ("_sum", "_count"))
    mean = f"{total}\n/\n{count}"
    yield metric.panel(
        f"{metric.title}: mean", Kind.TIMESERIES, Query(mean, metric.legend()), unit=value_unit(metric.unit)
    )
