"""Names that a foreign config gave and that a metric or label may not have here.

Owns: the new names, and the type of a metric where its name tells it. Must not know: paths, jobs.
"""

from __future__ import annotations

import re

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


def type_of(name: str, valuetype: str, node: Node, *, is_one: bool) -> MetricType:
    """What a metric is. ``is_one`` says that its value is the number 1 in every row."""
    if valuetype == "counter":
        return MetricType.COUNTER
    if name.endswith("_info") and is_one:
        return MetricType.INFO
    if valuetype == "gauge":
        return MetricType.GAUGE
    if valuetype not in ("", "untyped"):
        node.note(Kind.CHANGED, f"{valuetype!r} is no valuetype: json_exporter takes it for untyped", "valuetype")
    if name.endswith("_total"):
        text = f"{name} was untyped; by its name it is a counter, and its values are taken for running readings"
        node.note(Kind.DECIDE, text)
        return MetricType.COUNTER
    return MetricType.UNKNOWN


def new_name(name: str, kind: MetricType, module: str, node: Node) -> str | None:
    """The name under which a metric goes on; None if it never was one."""
    chosen = name.replace(":", "_")
    if grammar_complaint(chosen):
        node.note(Kind.LOST, f"{name!r} is no name of a metric, and stopped json_exporter's answer")
        return None
    if reserved_complaint(chosen):
        chosen = f"{_OTHERS.sub('_', module)}_{chosen}"
    if kind is MetricType.COUNTER and not chosen.endswith("_total"):
        chosen = f"{chosen}_total"
    if suffix_complaint(chosen, kind):
        base = chosen.removesuffix("_total") if kind is MetricType.COUNTER else chosen
        chosen = f"{base}_value_total" if kind is MetricType.COUNTER else f"{base}_value"
    if chosen != name:
        node.note(Kind.CHANGED, f"{name} is now {chosen}: the old name would say what the metric is not")
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
