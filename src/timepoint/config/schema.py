"""The JSON Schema of a config, for editors.

Owns: the way from the shapes to a schema that is pleasant to read. Must not know: cross-checks, which no
schema can say.
"""

from __future__ import annotations

from typing import Any

from timepoint.config.shape import ConfigShape


def json_schema() -> dict[str, Any]:
    """The schema of a whole config file, draft 2020-12. Keys that begin with ``x-`` may hold anchors."""
    schema = _tidy(ConfigShape.model_json_schema())
    schema["patternProperties"] = {"^x-": {}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "timepoint config", **schema}


def _tidy(node: Any) -> Any:
    """Without generated titles, and without "or null" and its default, which stand at every optional key."""
    if isinstance(node, list):
        return [_tidy(child) for child in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidy(child) for key, child in node.items() if not _is_noise(key, child)}
    choices = tidy.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        rest = [choice for choice in choices if choice != {"type": "null"}]
        del tidy["anyOf"]
        return {**(rest[0] if len(rest) == 1 else {"anyOf": rest}), **tidy}
    return tidy


def _is_noise(key: str, child: Any) -> bool:
    return (key == "title" and isinstance(child, str)) or (key == "default" and child is None)
