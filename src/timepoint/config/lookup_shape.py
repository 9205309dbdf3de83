"""The keys of a job's ``lookups``.

Owns: what may stand there, and the spec that it becomes. Must not know: how a node is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

from timepoint.config.kinds import JsonPath, Shape, as_list, described, required
from timepoint.mapping.spec import LookupSpec

_Paths = Annotated[
    list[JsonPath],
    Field(min_length=1),
    BeforeValidator(as_list, json_schema_input_type=JsonPath | list[JsonPath]),
]


class LookupShape(Shape):
    """A node that is looked up for each row, in another branch of the answer: the one whose `key` equals `equals`."""

    place: ClassVar[str] = "an entry of lookups"

    path: JsonPath = required(
        "The nodes among which it is looked for. It begins at `$`, or at a walk above the rows.",
        "$.sensors[*]",
        "$.sensors.{id}",
    )
    key: _Paths = required(
        "What tells these nodes apart: a path that begins with the name of the look-up, or a capture of its `path`. "
        "Of several all must be equal.",
        "$sensor.id",
        "$id",
    )
    equals: _Paths = required(
        "What a row has of it, path by path; they are compared as texts. The look-up is made for the rows that it "
        "names.",
        "$r.sensor_id",
    )
    unmatched: Literal["reject", "keep", "drop"] | None = described(
        "What becomes of a row for which no node is there. `reject`: it is a reject (`no_match`). `keep`: it lacks "
        "what it would have had from there. `drop`: it is left out. Default: `reject`.",
        "keep",
    )


def lookup_specs(shapes: Mapping[str, LookupShape] | None) -> dict[str, LookupSpec]:
    """What the mapping must know of the look-ups, by name."""
    return {
        name: LookupSpec(shape.path, tuple(shape.key), tuple(shape.equals), shape.unmatched or "reject")
        for name, shape in (shapes or {}).items()
    }
