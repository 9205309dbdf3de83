"""The types by which a body is cut into parts.

Owns: what a JSON body is down to its parts, as types for msgspec. Must not know: how parts are decoded, rows.
"""

from __future__ import annotations

from typing import Any, TypedDict

import msgspec

from timepoint.mapping.paths import Capture, Segment, Wild

_Scalar = str | int | float | bool | None


class _Object(TypedDict):
    """Any object; of its members none is kept. What it becomes is an empty dict, which the collector does not visit."""


class _Array(msgspec.Struct, array_like=True, gc=False):
    """Any array; of its elements none is kept."""


def outer_type(segments: tuple[Segment, ...]) -> Any:
    """The type of a body down to its parts. Whatever else stands in the way is still JSON, and selects nothing."""
    below: Any = msgspec.Raw
    for of_object, of_array in map(_passes, reversed(segments)):
        below = (dict[str, below] if of_object else dict) | (list[below] if of_array else list) | _Scalar
    return below


def probe_type(segments: tuple[Segment, ...]) -> Any:
    """The type of a body in whose arrays, down to the parts, there are objects and arrays alone.

    To decode by it makes an object for each container down to the parts and each member above them, and nothing of what
    is in the parts or beside them.
    """
    below: Any = _Object | _Array
    for of_object, of_array in map(_passes, reversed(segments)):
        below = (dict[str, below | _Scalar] if of_object else _Object) | (list[below] if of_array else _Array)
    return below


def _passes(segment: Segment) -> tuple[bool, bool]:
    """Whether a segment goes through objects, and whether it goes through arrays."""
    sole = segment.sole
    of_array = isinstance(sole, Wild) or (isinstance(sole, Capture) and not sole.of_object)
    return not (isinstance(sole, Capture) and not sole.of_object), of_array
