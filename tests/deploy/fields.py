"""Which fields an object of Kubernetes may have.

Owns: the reading of fields.json, which ``fields/main.go`` makes of the Go types of Kubernetes and of the Prometheus
Operator. Must not know: the chart. Strict as ``kubectl apply --validate=strict``: a field that is not there is wrong.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

_SCALARS = {"string": str, "int": int, "bool": bool}


@cache
def known() -> dict[str, Any]:
    """Kinds and types."""
    loaded = json.loads((Path(__file__).resolve().parent / "fields.json").read_text("utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def mistakes(found: dict[str, Any]) -> list[str]:
    """Every field of an object that its kind does not have, or that has another type there."""
    kind = f"{found.get('apiVersion')} {found.get('kind')}"
    if kind not in known()["kinds"]:
        return [f"there is no kind {kind!r}"]
    return list(_mistakes(found, known()["kinds"][kind], kind))


def _mistakes(value: Any, kind: str, where: str) -> Iterator[str]:
    kind = kind.removesuffix("!")
    if kind == "any":
        return
    if kind.startswith("[]"):
        if not isinstance(value, list):
            yield f"{where}: not a list"
            return
        for number, item in enumerate(value):
            yield from _mistakes(item, kind[2:], f"{where}[{number}]")
    elif kind in _SCALARS:
        if type(value) is not _SCALARS[kind]:
            yield f"{where}: {value!r} is no {kind}"
    elif not isinstance(value, dict):
        yield f"{where}: not an object"
    elif kind.startswith("{}"):
        for name, item in value.items():
            yield from _mistakes(item, kind[2:], f"{where}.{name}")
    else:
        yield from _struct(value, known()["types"][kind], where)


def _struct(value: dict[str, Any], fields: dict[str, str], where: str) -> Iterator[str]:
    for name, item in value.items():
        if name in fields:
            yield from _mistakes(item, fields[name], f"{where}.{name}")
        else:
            yield f"{where}.{name}: there is no such field"
    for name, kind in fields.items():
        if kind.endswith("!") and name not in value:
            yield f"{where}.{name}: missing"
