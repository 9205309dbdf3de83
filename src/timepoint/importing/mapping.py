"""Metrics of a json_exporter module as rows and metrics of a job.

Owns: how paths, values, labels and timestamps become a mapping. Must not know: requests, targets, other jobs.

A ``value`` metric is one sample from the document, an ``object`` metric one sample for each node of its path and each
of its ``values``; their paths begin at that node.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from timepoint.importing.cel import parse_cel
from timepoint.importing.kubectl import parse_template
from timepoint.importing.names import Place, new_label, new_name, type_of
from timepoint.importing.notes import Kind
from timepoint.importing.query import EVERYTHING, Query, Template, UntranslatableError
from timepoint.importing.reading import Node
from timepoint.model import MetricType

_KNOWN = frozenset((
    "name", "path", "labels", "type", "valuetype", "epochTimestamp", "epochtimestamp", "help", "values", "engine",
    "allow_missing_key",
))  # fmt: skip
_GLUE = "\x1f"  # between values that are joined: no text of an API holds it
_GLUE_RE = r"\x1f"
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Texts that Go's strconv.ParseBool knows, but for those that are numbers.
_BOOLEANS = {
    **dict.fromkeys(("t", "T", "true", "True", "TRUE"), 1.0),
    **dict.fromkeys(("f", "F", "false", "False", "FALSE"), 0.0),
}


@dataclass(slots=True)
class JobMapping:
    """``rows`` and ``metrics`` of a job, the ``old_names`` that changed, and the ``places`` that metrics come from."""

    rows: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    old_names: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def walk(self, path: str) -> str:
        """The name of the walk along a path: the one that is there, or a new one by the last word of the path."""
        for name, known in self.rows.items():
            if known == path:
                return name
        words = _WORD.findall(re.sub(r"\[\?.*|\"(?:[^\"\\]|\\.)*\"", "", path))
        hint = words[-1] if words else "row"
        name, count = hint, 2
        while name in self.rows:
            name, count = f"{hint}_{count}", count + 1
        self.rows[name] = path
        return name


@dataclass(frozen=True, slots=True)
class Sample:
    """One family that a metric gives: its names, its type, and its value, a number or a path."""

    old_name: str
    name: str
    type: MetricType
    value: float | Query
    place: Place


class MetricReader:
    """One metric of a module. What of it cannot be taken over is a note."""

    def __init__(self, metric: Node, module: str) -> None:
        self.metric = metric
        self.module = module
        self.is_cel = metric.text("engine") == "cel"
        self.path: Query | None = None
        metric.unknown(_KNOWN, "is no key of a metric: json_exporter ignores it")
        self.samples = list(self._samples())

    def write(self, job: JobMapping) -> None:
        """Adds the families of the metric to a job that has none of them."""
        walk = job.walk(self.path.text()) if self.path is not None and self.path.steps else ""
        for sample in self.samples:
            job.metrics[sample.name] = self._entry(sample, job, walk)
            job.places[sample.name] = sample.place
            if sample.name != sample.old_name:
                job.old_names[sample.name] = sample.old_name

    def _samples(self) -> Iterator[Sample]:
        name, kind = self.metric.text("name"), self.metric.text("type") or "value"
        if kind == "value":
            yield from self._sample(name, self.metric, "path")
        elif kind != "object":
            self.metric.note(Kind.LOST, f"{kind!r} is no type of a metric, and stops json_exporter", "type")
        elif (values := self.metric.node("values")) is None:
            self.metric.note(Kind.LOST, "an object without values gives nothing")
        elif self._rows():
            for key in values.data:
                yield from self._sample(f"{name}_{key}", values, key)

    def _rows(self) -> bool:
        """Reads the path of an object; whether it can be walked."""
        template = self._read(self.metric, "path", "the metric is left out")
        if template is None:
            return False
        self.path = template.query
        if self.path is None:
            self.metric.note(Kind.LOST, "is no path alone, so it selects no objects: the metric is left out", "path")
            return False
        if self.is_cel and self.path.steps and not self.path.steps[-1].text.startswith("["):
            text = f"taken for a list: if {self.path.text()} is an object, leave out the [*] behind it"
            self.metric.note(Kind.DECIDE, text, "path")
            self.path = Query((*self.path.steps, EVERYTHING), self.path.changes)
        return True

    def _sample(self, old_name: str, node: Node, key: str) -> Iterator[Sample]:
        template = self._read(node, key, "the metric is left out")
        if template is None:
            return
        value = template.query if template.query is not None else _number(template.literal)
        if value is None:
            shown = "is a text" if template.literal is not None else "joins texts and paths"
            node.note(Kind.LOST, f"{node.text(key)!r} {shown}, so json_exporter gave nothing", key)
            return
        place = Place(node, key)
        kind = type_of(old_name, self.metric, place, is_one=value == 1)
        name = new_name(old_name, kind, self.module, place)
        if name is not None:
            yield Sample(old_name, name, kind, value, place)

    def _read(self, node: Node, key: str, otherwise: str) -> Template | None:
        text = node.text(key)
        try:
            template = parse_cel(text) if self.is_cel else parse_template(text)
        except UntranslatableError as error:
            node.note(Kind.LOST, f"{text!r} {error}: {otherwise}", key)
            return None
        for query in template.queries:
            for change in query.changes:
                node.note(Kind.CHANGED, change, key)
        return template

    def _entry(self, sample: Sample, job: JobMapping, walk: str) -> dict[str, Any]:
        base = f"${walk}"
        entry: dict[str, Any] = {"type": str(sample.type)}
        if sample.type is MetricType.COUNTER:
            entry["temporality"] = "cumulative"
        entry["help"] = self.metric.text("help") or f"{self.metric.text('name')}."
        if isinstance(sample.value, Query):
            is_many = sample.value.is_many
            entry["value"] = f"${job.walk(sample.value.text(base))}" if is_many else sample.value.text(base)
        elif sample.type is not MetricType.INFO:
            entry["value"] = sample.value
        if walk and not isinstance(sample.value, Query):
            entry["row"] = walk
        if (time := self._time(base)) is not None:
            entry["time"] = time
        labels, relabel = self._labels(base)
        entry |= {key: found for key, found in (("labels", labels), ("relabel", relabel)) if found}
        return entry

    def _time(self, base: str) -> dict[str, Any] | None:
        key = "epochTimestamp" if "epochTimestamp" in self.metric.data else "epochtimestamp"
        if not self.metric.text(key):
            return None
        template = self._read(self.metric, key, "the values are about the time of the run")
        if template is None:
            return None
        if template.query is None or template.query.is_many:
            self.metric.note(Kind.LOST, "is no path of one node: the values are about the time of the run", key)
            return None
        text = "is read as milliseconds, as json_exporter documents it: say format: unix for seconds"
        self.metric.note(Kind.DECIDE, text, key)
        return {"at": template.query.text(base), "format": "unix_ms"}

    def _labels(self, base: str) -> tuple[dict[str, str], list[dict[str, Any]]]:
        labels: dict[str, str] = {}
        relabel: list[dict[str, Any]] = []
        node = self.metric.node("labels")
        if node is None:
            return labels, relabel
        for old_name in node.data:
            name = new_label(old_name, self.metric)
            template = self._read(node, old_name, "the label is left out") if name is not None else None
            if name is None or template is None:
                continue
            if any(query.is_many for query in template.queries):
                node.note(
                    Kind.LOST, "may select several nodes, whose texts were joined: the label is left out", old_name
                )
            elif template.literal is not None:
                if template.literal:
                    labels[name] = _literal(template.literal)
            elif template.query is not None:
                labels[name] = template.query.text(base)
            else:
                labels |= {f"__{name}{at or ''}": query.text(base) for at, query in enumerate(template.queries)}
                relabel.append(_joined(name, template))
        return labels, relabel


def _literal(text: str) -> str:
    return f"${text}" if text.startswith("$") else text


def _joined(name: str, template: Template) -> dict[str, Any]:
    """The rule that writes a label of texts and values; it is left out where one of the values is not there."""
    count = len(template.queries)
    rule: dict[str, Any] = {"source_labels": [f"__{name}{at or ''}" for at in range(count)]}
    if count > 1:
        rule["separator"] = _GLUE
    groups = iter(range(1, count + 1))
    texts = [
        piece.replace("$", "$$") if isinstance(piece, str) else f"${{{next(groups)}}}" for piece in template.pieces
    ]
    return rule | {"regex": _GLUE_RE.join(["(.+)"] * count), "target_label": name, "replacement": "".join(texts)}


def _number(text: str | None) -> float | None:
    """A constant as Go reads it."""
    if text is None:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and text == text.strip() else None
