"""A small reader of JSON Schema: the keywords that the config's schema uses, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "integer": int,
}
_ASIDE = {"$schema", "$defs", "title", "description", "examples", "default"}


class Schema:
    """Says what of a document does not fit a schema."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root

    def complaints(self, document: Any) -> list[str]:
        return list(self._node(self.root, document, "$"))

    def _node(self, schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
        for keyword, rule in schema.items():
            if keyword not in _ASIDE:
                yield from getattr(self, "_" + keyword.removeprefix("$").lower())(rule, value, where, schema)

    def _fits(self, schema: Mapping[str, Any], value: Any) -> bool:
        return not list(self._node(schema, value, ""))

    def _ref(self, rule: str, value: Any, where: str, _schema: Any) -> Iterator[str]:
        target: Any = self.root
        for part in rule.removeprefix("#/").split("/"):
            target = target[part]
        yield from self._node(target, value, where)

    def _type(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        kinds = rule if isinstance(rule, list) else [rule]
        if not any(isinstance(value, _KINDS[kind]) and self._is(kind, value) for kind in kinds):
            yield f"{where} is no {rule}"

    def _is(self, kind: str, value: Any) -> bool:
        return kind == "boolean" or not isinstance(value, bool)

    def _properties(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        for key, child in value.items() if isinstance(value, dict) else ():
            if key in rule:
                yield from self._node(rule[key], child, f"{where}.{key}")

    def _patternproperties(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        for key, child in value.items() if isinstance(value, dict) else ():
            for pattern, schema in rule.items():
                if re.search(pattern, key):
                    yield from self._node(schema, child, f"{where}.{key}")

    def _additionalproperties(self, rule: Any, value: Any, where: str, schema: Any) -> Iterator[str]:
        for key, child in value.items() if isinstance(value, dict) else ():
            known = key in schema.get("properties", {})
            known = known or any(re.search(pattern, key) for pattern in schema.get("patternProperties", {}))
            if not known and rule is False:
                yield f"{where} has the unknown key {key}"
            elif not known and isinstance(rule, dict):
                yield from self._node(rule, child, f"{where}.{key}")

    def _propertynames(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        for key in value if isinstance(value, dict) else ():
            yield from self._node(rule, key, f"{where}: key {key}")

    def _required(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        yield from (f"{where} lacks {key}" for key in rule if isinstance(value, dict) and key not in value)

    def _items(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        for index, child in enumerate(value) if isinstance(value, list) else ():
            yield from self._node(rule, child, f"{where}[{index}]")

    def _contains(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, list) and not any(self._fits(rule, child) for child in value):
            yield f"{where} has no item of the kind that it must have"

    def _enum(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if value not in rule:
            yield f"{where} is none of {rule}"

    def _const(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if value != rule:
            yield f"{where} is not {rule}"

    def _pattern(self, rule: str, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, str) and not re.search(rule, value):
            yield f"{where} does not match {rule}"

    def _minlength(self, rule: int, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, str) and len(value) < rule:
            yield f"{where} is too short"

    def _maxlength(self, rule: int, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, str) and len(value) > rule:
            yield f"{where} is too long"

    def _minitems(self, rule: int, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, list) and len(value) < rule:
            yield f"{where} has too few items"

    def _minproperties(self, rule: int, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, Mapping) and len(value) < rule:
            yield f"{where}: fewer than {rule} keys"

    def _maxitems(self, rule: int, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, list) and len(value) > rule:
            yield f"{where} has too many items"

    def _minimum(self, rule: float, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, (int, float)) and value < rule:
            yield f"{where} is less than {rule}"

    def _maximum(self, rule: float, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if isinstance(value, (int, float)) and value > rule:
            yield f"{where} is more than {rule}"

    def _anyof(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if not any(self._fits(choice, value) for choice in rule):
            yield f"{where} fits no choice"

    def _oneof(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if sum(self._fits(choice, value) for choice in rule) != 1:
            yield f"{where} does not fit one choice of {rule}"

    def _allof(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        for part in rule:
            yield from self._node(part, value, where)

    def _not(self, rule: Any, value: Any, where: str, _schema: Any) -> Iterator[str]:
        if self._fits(rule, value):
            yield f"{where} fits what it must not"
