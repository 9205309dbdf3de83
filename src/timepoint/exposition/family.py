"""What a job shows: families, their samples, and when each batch of samples may be seen.

Owns: the value objects handed to the renderer and the names that a family occupies on a page.
Must not know: how samples are rendered, published or served, nor where they come from.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from timepoint.model import FamilySpec, MetricType

OWN_SUFFIX = {MetricType.COUNTER: "_total", MetricType.INFO: "_info"}
"""What the name of a family of a type ends in, and its name in OpenMetrics does not."""

# Source: OpenMetrics 1.0, "Suffixes": the sample names that a family of a type reserves beside its own name.
SAMPLE_SUFFIXES = {
    MetricType.COUNTER: ("_total", "_created"),
    MetricType.SUMMARY: ("_count", "_sum", "_created"),
    MetricType.HISTOGRAM: ("_bucket", "_count", "_sum", "_created"),
    MetricType.INFO: ("_info",),
}


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """Samples of one family that appear and vanish together.

    ``texts[i]`` is the series text of the sample with value ``values[i]``; its line is the family's name, the text, a
    blank and the value. The batch is visible at t if ``visible_from <= t < visible_until`` (milliseconds since the
    epoch; None is no limit). All lines of one histogram, summary or stateset stand in the same batch.

    ``created[i]`` is when the total of sample i began, in seconds, NaN if that is not told; None if it is told of none.
    It is a line of its own behind the sample's, in OpenMetrics alone.
    """

    texts: Sequence[str]
    values: Sequence[float]
    visible_from: int | None = None
    visible_until: int | None = None
    created: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.values):
            raise ValueError(f"BUG: a batch has {len(self.texts)} series texts and {len(self.values)} values")


@dataclass(frozen=True, slots=True)
class FamilySnapshot:
    """A family and its samples. No series stands in two batches that are visible at the same time."""

    spec: FamilySpec
    batches: Sequence[SampleBatch]


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """What one job shows after one commit.

    ``commit`` is the number of the ledger's commit it was rendered from, ``rendered_at`` in milliseconds since the
    epoch, ``fingerprint`` names the config it was rendered with, ``status`` is any JSON object for people and for the
    health checks. Family names are unique.
    """

    job_name: str
    families: Sequence[FamilySnapshot]
    commit: int
    rendered_at: int
    fingerprint: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)


def is_visible(visible_from: int | None, visible_until: int | None, now: int) -> bool:
    """Whether ``now`` lies in the half-open range [visible_from, visible_until)."""
    return (visible_from is None or visible_from <= now) and (visible_until is None or now < visible_until)


def openmetrics_name(spec: FamilySpec) -> str:
    """The family's name in OpenMetrics: without the suffix that its samples carry.

    Source: OpenMetrics 1.0, "MetricFamily". A name without the suffix its type asks for would make the whole page
    invalid: that is refused here, and never reaches a page.
    """
    suffix = OWN_SUFFIX.get(spec.type, "")
    if not spec.name.endswith(suffix) or spec.name == suffix:
        raise ValueError(f"BUG: the {spec.type} {spec.name!r} must end in {suffix}")
    return spec.name.removesuffix(suffix)


def occupied_names(spec: FamilySpec) -> frozenset[str]:
    """Every family and sample name that no other family of a page may use.

    Source: OpenMetrics 1.0, "MetricFamily": names of samples must not collide, with what suffixes a type reserves.
    """
    name = openmetrics_name(spec)
    return frozenset({name, *(name + suffix for suffix in SAMPLE_SUFFIXES.get(spec.type, ()))})


def created_name(spec: FamilySpec) -> str:
    """The name of the samples that say when totals began. Source: OpenMetrics 1.0, "Counter", "Created"."""
    return f"{openmetrics_name(spec)}_created"


def is_selected(spec: FamilySpec, names: Collection[str]) -> bool:
    """Whether ``?name[]=`` with these names asks for the family: by its own name or by one of its sample names."""
    return any(name in names for name in (spec.name, *occupied_names(spec)))
