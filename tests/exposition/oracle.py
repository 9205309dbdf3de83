"""Independent readers of a page: the parsers of prometheus_client, and what they read in a comparable form."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics_text
from prometheus_client.parser import text_string_to_metric_families as parse_plain_text

from tests.exposition.canonical import bound_text
from timepoint.exposition.family import FamilySnapshot, SampleBatch
from timepoint.model import FamilySpec, MetricType, series_text, split_series_text

Sample = tuple[str, tuple[tuple[str, str], ...], str]
_BASE_SUFFIX = {"counter": "_total", "info": "_info"}


def parse_openmetrics(page: bytes) -> list[Metric]:
    """What prometheus_client reads from an OpenMetrics page; it raises ValueError for what the standard forbids."""
    return list(parse_openmetrics_text(page.decode()))  # type: ignore[no-untyped-call] # the library has no types there


def parse_text(page: bytes) -> list[Metric]:
    """What prometheus_client reads from a page in the text format."""
    return list(parse_plain_text(page.decode()))


def samples_of(families: Iterable[Metric]) -> list[Sample]:
    """Name, labels and the bits of the value of each sample, sorted."""
    return sorted(
        (sample.name, tuple(sorted(sample.labels.items())), bits(sample.value))
        for family in families
        for sample in family.samples
    )


def samples_in(snapshots: Iterable[FamilySnapshot]) -> list[Sample]:
    """The same of our own model, without any rendering."""
    found = []
    for snapshot in snapshots:
        for batch in snapshot.batches:
            for text, value in zip(batch.texts, batch.values, strict=True):
                suffix, labels = split_series_text(text)
                found.append((snapshot.spec.name + suffix, tuple(sorted(labels.items())), bits(value)))
    return sorted(found)


def bits(value: float) -> str:
    """A float64 as text that tells -0.0 from 0.0 and calls each NaN the same."""
    number = float(value)
    return "NaN" if number != number else struct.pack(">d", number).hex()  # noqa: PLR0124 - that is what NaN is


def grammar_error(page: bytes, *, openmetrics: bool) -> str | None:
    """The first line that the grammar of the format does not have, stricter than the parsers; None if all is well.

    Source: OpenMetrics 1.0, "ABNF", less what our pages never have (timestamps, exemplars); Prometheus, "Exposition
    formats". The order TYPE, UNIT, HELP and a single # EOF at the end are checked too.
    """
    text = page.decode()
    if openmetrics:
        if not text.endswith("# EOF\n"):
            return "no # EOF at the end"
        text = text.removesuffix("# EOF\n")
    elif text and not text.endswith("\n"):
        return "no line feed at the end"
    block = (_OPENMETRICS_FAMILY if openmetrics else _TEXT_FAMILY).match(text)
    position = 0
    while block is not None and block.end() > position:
        position = block.end()
        block = (_OPENMETRICS_FAMILY if openmetrics else _TEXT_FAMILY).match(text, position)
    return None if position == len(text) else text[position:].split("\n", 1)[0]


_NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
_NUMBER = r"(?:[+-]?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?|[+-]Inf|NaN)"
_SAMPLES = rf"(?:{_NAME}(?:\{{{_LABEL}(?:,{_LABEL})*\}})? {_NUMBER}\n)+"
_OPENMETRICS_FAMILY = re.compile(
    rf"# TYPE (?P<name>{_NAME}) (?:counter|gauge|histogram|stateset|info|summary|unknown)\n"
    rf"(?:# UNIT (?P=name) [a-zA-Z0-9_:]+\n)?"
    rf'(?:# HELP (?P=name) (?:[^"\\\n]|\\[\\"n])*\n)?'
    rf"{_SAMPLES}"
)
_TEXT_FAMILY = re.compile(
    rf"(?:# HELP (?P<name>{_NAME}) (?:[^\\\n]|\\[\\n])*\n)?"
    rf"# TYPE (?(name)(?P=name)|{_NAME}) (?:counter|gauge|histogram|summary|untyped)\n"
    rf"{_SAMPLES}"
)


def snapshot_of(metric: Metric) -> FamilySnapshot:
    """What a parser read, as our model; samples named ``_created`` are left out, since no page of ours has them."""
    name = metric.name + _BASE_SUFFIX.get(metric.type, "")
    spec = FamilySpec(name, MetricType(metric.type), metric.documentation, metric.unit)
    kept = [sample for sample in metric.samples if not sample.name.endswith("_created")]
    texts = []
    for sample in kept:
        assert sample.name.startswith(name)
        texts.append(series_text(canonical(sample.labels), sample.name.removeprefix(name)))
    return FamilySnapshot(spec, [SampleBatch(texts, [float(sample.value) for sample in kept])])


def canonical(labels: dict[str, str]) -> dict[str, str]:
    """The labels without empty ones (OpenMetrics: the same as absent), bounds in their canonical spelling."""
    return {
        name: bound_text(float(value)) if name in ("le", "quantile") else value
        for name, value in labels.items()
        if value
    }
