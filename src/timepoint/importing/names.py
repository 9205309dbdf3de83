"""Names that a foreign config gave and that a metric or label may not have here.

Owns: the new names, and the type of a metric where its name tells it. Must not know: paths, jobs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from timepoint.config.names import (
    LABELS_OF_PROMETHEUS,
    LABELS_OF_TYPES,
    grammar_complaint,
    reserved_complaint,
    suffix_complaint,
)
from timepoint.importing.notes import Kind
from timepoint.importing.reading import Node
from timepoint.model import LABEL_NAME, MetricType

_OTHERS = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the value of a family stands: a key of a mapping of the old file."""

    node: Node
    key: str

    def note(self, kind: Kind, text: str) -> None:
        """Adds a note about it."""
        self.node.note(kind, text, self.key)

    @property
    def where(self) -> tuple[str | int, ...]:
        return (*self.node.where, self.key)


def type_of(name: str, metric: Node, place: Place, *, is_one: bool) -> MetricType:
    """What a family of ``metric`` is. ``is_one`` says that its value is the number 1 in every row."""
    valuetype = metric.text("valuetype")
    if valuetype == "counter":
        return MetricType.COUNTER
    if name.endswith("_info") and is_one:
        return MetricType.INFO
    if valuetype == "gauge":
        return MetricType.GAUGE
    if valuetype not in ("", "untyped"):
        metric.note(Kind.CHANGED, f"{valuetype!r} is no valuetype: json_exporter takes it for untyped", "valuetype")
    if name.endswith("_total"):
        text = f"{name} was untyped; by its name it is a counter, and its values are taken for running readings"
        place.note(Kind.DECIDE, text)
        return MetricType.COUNTER
    return MetricType.UNKNOWN


def new_name(name: str, kind: MetricType, module: str, place: Place) -> str | None:
    """The name under which a metric goes on; None if it never was one."""
    chosen = name.replace(":", "_")
    if grammar_complaint(chosen):
        place.note(Kind.LOST, f"{name!r} is no name of a metric, and stopped json_exporter's answer")
        return None
    if reserved_complaint(chosen):
        chosen = f"{_OTHERS.sub('_', module)}_{chosen}"
    if kind is MetricType.COUNTER and not chosen.endswith("_total"):
        chosen = f"{chosen}_total"
    if suffix_complaint(chosen, kind):
        base = chosen.removesuffix("_total") if kind is MetricType.COUNTER else chosen
        chosen = f"{base}_value_total" if kind is MetricType.COUNTER else f"{base}_value"
    if chosen != name:
        place.note(Kind.CHANGED, f"{name} is now {chosen}: the old name would say what the metric is not")
    return chosen


def new_label(name: str, node: Node) -> str | None:
    """The name under which a label goes on, as Prometheus would have renamed it; None if it never was one."""
    if LABEL_NAME.fullmatch(name) is None or name.startswith("__"):
        node.note(Kind.LOST, f"{name!r} is no name of a label, and stopped json_exporter's answer", "labels", name)
        return None
    if name in LABELS_OF_PROMETHEUS:
        node.note(Kind.CHANGED, f"is exported_{name}, as Prometheus renamed it without honor_labels", "labels", name)
        return f"exported_{name}"
    if name in LABELS_OF_TYPES:
        text = f"is now exported_{name}: {name} is for {LABELS_OF_TYPES[name]}"
        node.note(Kind.CHANGED, text, "labels", name)
        return f"exported_{name}"
    return name
