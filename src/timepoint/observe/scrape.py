"""The scrape job that fits a config.

Owns: which settings it has, why, and how they are written. Must not know: where Prometheus' own config is. Durations in
milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from timepoint.clock import MINUTE, SECOND, format_duration
from timepoint.observe.facts import JobFacts, Watched, slowest_scrape

_TARGET_LABELS = 12  # room for what discovery and relabeling add
_OF_PAGE = 100
_OF_JOB = 150
_OF_METRIC = 10
_OF_SOURCE = 200
_OF_RECEIVER = 40
_OWN_LABELS = 5  # of python_info, the most of any metric about the exporter
_UTF8 = 4  # bytes of a character; Prometheus counts bytes, label_length counts characters


@dataclass(frozen=True, slots=True)
class ScrapeOptions:
    """What the config cannot say: where the exporter is, and how it is reached."""

    target: str
    scrape_job: str
    path: str = "/metrics"
    interval: int | None = None
    tls: bool = False
    basic_auth: bool = False


def scrape_text(watched: Watched, options: ScrapeOptions) -> str:
    """The scrape job as YAML, under ``scrape_configs``, with a comment where somebody may want to know why."""
    interval = options.interval or slowest_scrape(watched)
    lines = [
        f'# Scrape job for the jobs of {" ".join(watched.title.split())}, written by "timepoint scrape-config".',
        "scrape_configs:",
        f"  - job_name: {_text(options.scrape_job)}",
        "    honor_labels: true # labels such as namespace are those of the data, not those of the exporter's pod",
        f"    scrape_interval: {format_duration(interval)} # {_why(watched, interval)}",
        f"    scrape_timeout: {format_duration(min(10 * SECOND, interval))}",
        f"    metrics_path: {_text(options.path)}",
        *(f"    {line}" for line in _limits(watched)),
        *(f"    {line}" for line in _connection(options)),
        "    static_configs:",
        f"      - targets: [{_text(options.target)}]",
    ]
    return "\n".join(lines) + "\n"


def too_slow(watched: Watched, interval: int) -> str:
    """What is wrong with a scrape interval, "" if nothing."""
    zeros = [(metric.zero_first, metric.name) for metric in watched.metrics if metric.zero_first]
    shortest, name = min(zeros, default=(0, ""))
    if shortest and interval > shortest // 2:
        return (
            f"{format_duration(interval)} is more than half of the {format_duration(shortest)} for which a new series "
            f"of {name} shows its zero: increase() may miss first increments; scrape more often, or raise zero_first"
        )
    if interval > 2 * MINUTE:
        return (
            f"{format_duration(interval)} is more than 2m: PromQL looks back 5m for a sample, so one failed scrape "
            "leaves a hole in every graph"
        )
    return ""


def _why(watched: Watched, interval: int) -> str:
    zeros = [metric.zero_first for metric in watched.metrics if metric.zero_first]
    if zeros and interval <= min(zeros) // 2:
        return f"whatever the period of the jobs; at most half of zero_first ({format_duration(min(zeros))})"
    return "whatever the period of the jobs"


def _limits(watched: Watched) -> Iterator[str]:
    """A scrape beyond them fails as a whole, so each is what the config can come to, and left out if data decide."""
    samples = most_samples(watched)
    if samples is None:
        yield "# no sample_limit: how many buckets or quantiles a series has is up to the API"
    else:
        yield f"sample_limit: {samples} # what max_series allows, and the exporter's own metrics"
    metrics = [metric for metric in watched.metrics if not metric.is_sent]
    if all(metric.knows_labels for metric in metrics):
        most = max((_labels(len(metric.labels) + len(metric.constants)) for metric in metrics), default=0)
        limit = max(most, _labels(_OWN_LABELS)) + _TARGET_LABELS
        yield f"label_limit: {limit} # those of the mappings, with room for {_TARGET_LABELS} of the target"
    else:
        yield "# no label_limit: which labels there are is up to the data"
    lengths = [metric.label_length for metric in metrics]
    if all(lengths):
        longest = max([256, *lengths]) * _UTF8
        yield f"label_value_length_limit: {longest} # bytes; label values are cut at {max([256, *lengths])} characters"


def _labels(mapped: int) -> int:
    """With name, job, instance, and ``le`` or ``quantile``."""
    return mapped + 4


def most_samples(watched: Watched) -> int | None:
    """How many samples a page can have, rounded up; None if the data decide."""
    total = _OF_PAGE + _OF_SOURCE * len(watched.sources) + _OF_RECEIVER * len(watched.receivers)
    for job in watched.jobs:
        shown = _samples(job)
        if shown is None:
            return None
        total += shown + _OF_JOB + _OF_METRIC * len(job.metrics)
    return -(-total // 1000) * 1000


def _samples(job: JobFacts) -> int | None:
    each = [metric.samples for metric in job.metrics if not metric.is_sent]
    if not each:
        return 0
    known = [samples for samples in each if samples is not None]
    return job.series * max(known, default=1) if len(known) == len(each) else None


def _connection(options: ScrapeOptions) -> Iterator[str]:
    if options.tls:
        yield "scheme: https"
        yield "tls_config:"
        yield "  ca_file: /etc/prometheus/timepoint-ca.crt # the authority of the exporter's certificate"
    if options.basic_auth:
        yield "basic_auth:"
        yield "  username: prometheus # a user of the exporter's web config"
        yield "  password_file: /etc/prometheus/timepoint-password"


def _text(text: str) -> str:
    """A YAML string. JSON's strings are YAML's."""
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ":#'\"{}[],&*?|<>=!%@` \\") else text
