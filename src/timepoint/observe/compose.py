"""The whole dashboard of a config.

Owns: the order of its rows, its variables, how far back it looks. Must not know: Grafana's JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b

from timepoint.clock import HOUR, MINUTE, SECOND
from timepoint.model import MetricType
from timepoint.observe.board import Board, Variable
from timepoint.observe.facts import MetricFacts, Watched, slowest_scrape
from timepoint.observe.health_panels import health_rows
from timepoint.observe.metric_panels import SCRAPED, chosen, metric_rows, variable_of
from timepoint.observe.promql import selector, single_unit

_SHOWN = 48  # runs of the slowest job
_BEGINS = (1, 3, 6, 12, 24, 48, 7 * 24, 30 * 24, 90 * 24)
_REFRESHES = (10 * SECOND, 30 * SECOND, MINUTE, 5 * MINUTE, 15 * MINUTE)
_LONGEST_UID = 40


def compose(watched: Watched, scrape_interval: int | None = None, title: str = "") -> Board:
    """The dashboard: the metrics of the jobs first, then the exporter."""
    interval = scrape_interval or slowest_scrape(watched)
    cadences = [job.cadence for job in watched.jobs]
    wanted = _SHOWN * max(cadences)
    begins = next((hours for hours in _BEGINS if hours * HOUR >= wanted), _BEGINS[-1])
    refresh = max((every for every in _REFRESHES if every <= min(cadences)), default=_REFRESHES[0])
    return Board(
        title=title or f"timepoint: {watched.title}",
        uid=uid_of(watched.title),
        description=(
            'Written by "timepoint dashboard" for one config: write it anew when the config changes. Counters move '
            "once per run, and what they show lies back by the delay of the API and up to a period."
        ),
        rows=(*metric_rows(watched, interval), *health_rows(watched, interval)),
        variables=tuple(_variables(watched)),
        begins=f"now-{single_unit(begins * HOUR)}",
        refresh=single_unit(refresh),
    )


def uid_of(title: str) -> str:
    """A stable name for Grafana, 8 to 40 characters: writing a dashboard anew replaces it, and links to it stay."""
    plain = "timepoint-" + re.sub(r"[^a-zA-Z0-9_-]+", "-", title)
    if len(plain) <= _LONGEST_UID and plain == f"timepoint-{title}":
        return plain
    digest = blake2b(title.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{plain[: _LONGEST_UID - len(digest) - 1]}-{digest}"


def _variables(watched: Watched) -> Iterator[Variable]:
    # Where a Prometheus keeps the metrics of the jobs alone, they tell which scrape jobs there are. One of each job,
    # since a Grafana that does not know the version of its Prometheus fetches every series to find a label's values.
    shown = (next((metric for metric in job.metrics if not metric.is_sent), None) for job in watched.jobs)
    own = ["timepoint_build_info", *(_shown_as(metric.name, metric.type) for metric in shown if metric)]
    yield Variable("job", "Scrape job", "The job in Prometheus.", f"label_values({_any_of(own)}, job)", is_multi=True)
    yield Variable(
        "instance",
        "Instance",
        "The exporter.",
        f"label_values({_any_of(own, SCRAPED[0])}, instance)",
        is_multi=True,
    )
    labels = watched.label_names()
    if labels:
        yield Variable("by", "Group by", "The labels that tell series apart.", choices=tuple(labels), is_multi=True)
    if any(metric.type in (MetricType.GAUGE, MetricType.UNKNOWN) for metric in watched.metrics):
        yield Variable(
            "aggregation",
            "Gauges",
            "How the series of a group become one, where no sum is meant.",
            choices=("avg", "sum", "max", "min"),
        )
    for label in labels:
        yield _of_label(label, [metric for metric in watched.metrics if label in metric.labels], labels)
    yield Variable(
        "job_name",
        "Job",
        "Of the exporter; for the rows about it.",
        "label_values(timepoint_job_runs_total, job_name)",
        is_multi=True,
        all_is_any=True,
    )


def _of_label(label: str, metrics: Sequence[MetricFacts], labels: Sequence[str]) -> Variable:
    """What is chosen of a label: of its values those that what is chosen of the labels before it leaves."""
    before = labels[: labels.index(label)]
    outer = [name for name in before if all(name in metric.labels for metric in metrics)]
    scraped = () if any(metric.is_sent for metric in metrics) else SCRAPED
    found = _any_of([_shown_as(metric.name, metric.type) for metric in metrics], *scraped, *map(chosen, outer))
    return Variable(
        variable_of(label),
        label,
        "A label of the metrics.",
        f"label_values({found}, {label})",
        is_multi=True,
        all_is_any=True,
    )


def _any_of(names: Sequence[str], *matchers: str) -> str:
    """A selector for series of any of these names."""
    if len(names) == 1:
        return selector(names[0], *matchers)
    return selector("", f'__name__=~"{"|".join(names)}"', *matchers)


def _shown_as(name: str, kind: MetricType) -> str:
    """The name of a sample that every series of a metric has."""
    return f"{name}_count" if kind in (MetricType.HISTOGRAM, MetricType.SUMMARY) else name
