"""Names that a metric, a label, a job, a source or a header may have.

Owns: the grammar of names, reserved words and suffixes, and which families cannot stand on one page.
Must not know: how a metric is computed.

Sources: OpenMetrics 1.0, "Metric Naming and Namespaces" and the suffixes of each type; Prometheus' promtool, whose
``check metrics`` complains about suffixes of other types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from timepoint.exposition.family import OWN_SUFFIX, SAMPLE_SUFFIXES
from timepoint.model import METRIC_NAME, MetricType

_PREFIXES = ("timepoint_", "process_", "python_", "prometheus_remote_storage_", "scrape_")
_RESERVED = {
    "_total": "counters",
    "_info": "info metrics",
    "_bucket": "histograms",
    "_count": "histograms and summaries",
    "_sum": "histograms and summaries",
    "_created": "the creation times of counters",
    "_gcount": "gauge histograms",
    "_gsum": "gauge histograms",
}
LABELS_OF_TYPES = {"le": "the buckets of histograms", "quantile": "the quantiles of summaries"}
LABELS_OF_PROMETHEUS = ("job", "instance")
_SOURCE_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,99}")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
OWN_HEADERS = frozenset(
    (
        *("accept-encoding", "connection", "content-encoding", "content-length", "host", "keep-alive", "te"),
        *("trailer", "transfer-encoding", "upgrade"),
    )
)
"""Headers that the exporter sets itself, in lower case."""

_CAPTURE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)[}=!]")
METRIC_PATTERN = "^[a-zA-Z_][a-zA-Z0-9_]*$"
UNIT_NAME = re.compile(r"[a-zA-Z0-9_]+")


def grammar_complaint(name: str) -> str | None:
    """What is wrong with the characters of a metric name."""
    if METRIC_NAME.fullmatch(name) is None:
        return f"{name!r} is not a metric name: use letters, digits and _, not beginning with a digit"
    if ":" in name:
        return f"{name!r} has a colon, which is for recording rules: use _"
    return None


def reserved_complaint(name: str) -> str | None:
    """Whether a metric name belongs to somebody else."""
    if name == "up":
        return "'up' is Prometheus' own metric: choose another name"
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            owner = "Prometheus' own" if prefix == "scrape_" else "the exporter's own"
            return f"names that begin with {prefix} are {owner}: choose another name"
    return None


def suffix_complaint(name: str, metric_type: MetricType) -> str | None:
    """Whether the end of a metric name says what the metric is."""
    own = OWN_SUFFIX.get(metric_type, "")
    if own and (not name.endswith(own) or name == own):
        return f"the name of {_article(metric_type)} ends in {own}: call it {name.removesuffix(own)}{own}"
    base = name.removesuffix(own)
    for suffix, owner in _RESERVED.items():
        if base.endswith(suffix):
            return f"names that end in {suffix} are for {owner}: call it {base.removesuffix(suffix)}{own} or otherwise"
    return None


def unit_complaint(name: str, metric_type: MetricType, unit: str) -> str | None:
    """Whether a metric name carries its unit."""
    if UNIT_NAME.fullmatch(unit) is None:
        return f"{unit!r} cannot end a metric name: write the unit in words with _, as in meters_per_second"
    own = OWN_SUFFIX.get(metric_type, "")
    base = name.removesuffix(own)
    if base.endswith(f"_{unit}"):
        return None
    before = f" before {own}" if own else ""
    return f"the name must end in the unit {unit}{before}: call it {base}_{unit}{own}"


def _article(metric_type: MetricType) -> str:
    return f"an {metric_type}" if metric_type[0] in "aeiou" else f"a {metric_type}"


def plain_name_complaint(name: str) -> str | None:
    """What is wrong with the name of a source or a job."""
    if _SOURCE_NAME.fullmatch(name) is None:
        return f"{name!r} is not a name here: use up to 100 letters, digits, _, - and ., not beginning with - or ."
    return None


def captures_in(path: str) -> Iterator[str]:
    """The names that a walk binds to what it passes, which become labels."""
    yield from (match[1] for match in _CAPTURE.finditer(path))


def claims(name: str, metric_type: MetricType) -> Iterator[str]:
    """All names that a family takes on a page: its own in OpenMetrics, and those of its samples."""
    base = name.removesuffix(OWN_SUFFIX.get(metric_type, ""))
    yield base
    yield from (base + suffix for suffix in SAMPLE_SUFFIXES.get(metric_type, ()))
