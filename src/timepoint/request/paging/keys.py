"""How a kind of paging says which keys it has in the config.

Owns: the description of a key. Must not know: YAML, how the config checks a value.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Key:
    """What users read about a key, and of what kind its value is.

    ``kind`` is ``text``, ``path`` (to a node of the answer), ``place`` (a path of names into the body that is sent),
    ``count`` (a whole number, from ``least``) or ``duration`` (milliseconds).
    """

    name: str
    kind: str
    says: str
    example: Any
    is_required: bool
    least: int = 0


def key(kind: str, says: str, example: Any, *, default: Any = MISSING, least: int = 0) -> Any:
    """A field of a dataclass that is a key of the config; without a default it must be given."""
    return field(default=default, metadata={"kind": kind, "says": says, "example": example, "least": least})


def keys_of(kind: type[Any]) -> tuple[Key, ...]:
    """The keys of a dataclass, in their order."""
    return tuple(_key(described) for described in fields(kind))


def _key(described: Field[Any]) -> Key:
    said = described.metadata
    is_required = described.default is MISSING
    return Key(described.name, said["kind"], said["says"], said["example"], is_required, said["least"])
