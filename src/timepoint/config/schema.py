"""The JSON Schema of a config, for editors.

Owns: the way from the shapes to a schema that is pleasant to read. Must not know: cross-checks, which no
schema can say.
"""

from __future__ import annotations

from typing import Any

from timepoint.config.kinds import OneOf
from timepoint.config.metric_shape import RulesShape
from timepoint.config.names import METRIC_PATTERN
from timepoint.config.shape import ConfigShape, all_shapes

_ANCHORS = {"description": "A place for YAML anchors that several jobs share; nothing else reads it."}


def json_schema() -> dict[str, Any]:
    """The schema of a whole config file, draft 2020-12. Keys that begin with ``x-`` may hold anchors."""
    schema = _tidy(ConfigShape.model_json_schema())
    definitions = schema.pop("$defs")
    for shape in all_shapes():
        rules = [_rule(group) for group in shape.groups]
        if rules:
            definitions[_short(shape.__name__)]["allOf"] = rules
    for name in ("Job", "Metric"):
        definitions[name]["properties"] = _own_first(definitions[name]["properties"])
    definitions["Job"]["properties"]["metrics"]["propertyNames"] = {"pattern": METRIC_PATTERN}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "timepoint",
        **schema,
        "patternProperties": {"^x-": _ANCHORS},
        "$defs": definitions,
    }


def _own_first(properties: dict[str, Any]) -> dict[str, Any]:
    """The keys of a job or a metric before those that both may have."""
    own = {key: child for key, child in properties.items() if key not in RulesShape.model_fields}
    return {**own, **properties}


def _rule(group: OneOf) -> dict[str, Any]:
    """Keys that exclude each other, as JSON Schema says it."""
    alone = [{"required": [key]} for key in group.keys]
    if group.required:
        return {"oneOf": alone}
    pairs = [[first, second] for i, first in enumerate(group.keys) for second in group.keys[i + 1 :]]
    return {"not": {"anyOf": [{"required": pair} for pair in pairs]}}


def _short(name: str) -> str:
    return name.removesuffix("Shape")


def _tidy(node: Any) -> Any:
    """Without generated titles, without "or null" and its default, which stand at every optional key."""
    if isinstance(node, list):
        return [_tidy(child) for child in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidy(child) for key, child in node.items() if not _is_noise(key, child)}
    if isinstance(tidy.get("$ref"), str):
        tidy["$ref"] = _short(tidy["$ref"])
    if isinstance(tidy.get("$defs"), dict):
        tidy["$defs"] = {_short(name): child for name, child in tidy["$defs"].items()}
    choices = tidy.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices and "default" in node:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        del tidy["anyOf"]
        return {**(rest[0] if len(rest) == 1 else {"anyOf": rest}), **tidy}
    return tidy


def _is_noise(key: str, child: Any) -> bool:
    return (key == "title" and isinstance(child, str)) or (key == "default" and child is None)
