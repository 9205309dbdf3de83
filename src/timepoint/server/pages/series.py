"""Metrics, their series, and one series with its timepoints.

Owns: what these pages show, and where from: what Prometheus gets from the published snapshots, the timepoints from the
journal. Must not know: HTTP, how lines are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from timepoint.exposition.segment import PublishedJob
from timepoint.journal.told import MetricTold
from timepoint.model import split_series_text
from timepoint.server.pages.charts import SPARK, WIDE, Chart, Points, chart
from timepoint.server.pages.library import Library, Recent, matching
from timepoint.server.pages.render import render
from timepoint.server.pages.scan import Found, family_of, search, value_of
from timepoint.server.pages.views import Site
from timepoint.server.status import JobStatus

SERIES = 50
"""Series on one page."""

LONGEST_QUERY = 500
"""Characters of a filter."""


@dataclass(frozen=True, slots=True)
class Row:
    """One series: its text, its labels, what is on the page (None if it is not there), its newest timepoint."""

    text: str
    suffix: str
    labels: Mapping[str, str]
    value: str | None
    newest: int | None
    newest_value: float | None
    spark: Chart | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What the explorer is asked for."""

    metric: str
    query: str = ""
    page: int = 1

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.query[:LONGEST_QUERY].lower().split())


def index_page(site: Site, library: Library) -> str:
    """All metrics of all jobs."""
    metrics = [(job, metric) for job in site.jobs for metric in metrics_of(library, job.name)]
    return render("metrics.html", site, metrics=metrics)


def metrics_of(library: Library, job_name: str) -> Sequence[MetricTold]:
    """The metrics of a job, as far as they are told."""
    told = library.job(job_name)
    return told.metrics if told is not None else ()


def series_page(
    site: Site, status: JobStatus, published: PublishedJob | None, library: Library, asked: Asked
) -> str | None:
    """The series of a metric; None if the job has no such metric."""
    metric = _metric(library, status.name, asked.metric)
    if metric is None:
        return None
    recent = library.recent(status.name, metric.name)
    first = (asked.page - 1) * SERIES
    found = _found(site, metric, published, recent, asked)
    return render(
        "series.html",
        site,
        job=status,
        metric=metric,
        asked=asked,
        rows=[_row(metric, text, value, recent) for text, value in found.rows],
        total=found.total,
        first=first,
        pages=-(-found.total // SERIES),
        left_out=recent.told.left_out if recent is not None else 0,
    )


def one_page(
    site: Site, status: JobStatus, published: PublishedJob | None, library: Library, asked: Asked
) -> str | None:
    """One series, whose text is the query; None if the job has no such metric, or the series is nowhere."""
    metric = _metric(library, status.name, asked.metric)
    if metric is None:
        return None
    text = asked.query
    recent = library.recent(status.name, metric.name)
    points = recent.points(text) if recent is not None else None
    family = family_of(published, metric.name) if published is not None else None
    value = value_of(family, site.now, text) if family is not None else None
    if points is None and value is None:
        return None
    return render(
        "one.html",
        site,
        job=status,
        metric=metric,
        row=_row(metric, text, value, recent),
        chart=chart(points, WIDE, bars=metric.is_amounts) if points is not None else None,
        points=_backwards(points) if points is not None else [],
        is_amounts=metric.is_amounts,
    )


def _metric(library: Library, job_name: str, name: str) -> MetricTold | None:
    return next((metric for metric in metrics_of(library, job_name) if metric.name == name), None)


def _found(
    site: Site, metric: MetricTold, published: PublishedJob | None, recent: Recent | None, asked: Asked
) -> Found:
    """The series that are shown: those on the page, or those that are sent, of which the journal alone knows."""
    first = (asked.page - 1) * SERIES
    if metric.receivers:
        texts = list(matching(recent.texts if recent is not None else (), asked.words))
        return Found([(text, "") for text in texts[first : first + SERIES]], len(texts))
    family = family_of(published, metric.name) if published is not None else None
    return search(family, site.now, asked.words, first, SERIES) if family is not None else Found()


def _row(metric: MetricTold, text: str, value: str | None, recent: Recent | None) -> Row:
    points = recent.points(text) if recent is not None else None
    suffix, labels = split_series_text(text)
    return Row(
        text=text,
        suffix=suffix,
        labels=labels,
        value=value or None,
        newest=points.ends[-1] if points is not None else None,
        newest_value=points.values[-1] if points is not None else None,
        spark=chart(points, SPARK, bars=metric.is_amounts) if points is not None else None,
    )


def _backwards(points: Points) -> list[tuple[int, int, float]]:
    return list(zip(points.starts, points.ends, points.values, strict=True))[::-1]
