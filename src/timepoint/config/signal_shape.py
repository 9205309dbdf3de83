"""The keys of ``expect.empty`` and ``expect.partial``.

Owns: what may stand there, and what it becomes. Must not know: what follows from a signal.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import ConfigDict, model_validator

from timepoint.config.checks import Check
from timepoint.config.kinds import Json, JsonPath, Shape, described, refuse
from timepoint.mapping.spec import SignalSpec


class SignalShape(Shape):
    """What an answer says of itself. One of these suffices."""

    place: ClassVar[str] = "empty or partial of expect"
    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    equal: dict[str, Json] | None = described(
        "Path and value: the signal is there if any node of the path has it.", {"$.results[*].status": "PartialData"}
    )
    present: list[JsonPath] | None = described("Paths, any of which is there and not empty.", ["$.warnings"])
    absent: list[JsonPath] | None = described("Paths, any of which is not there, or empty.", ["$.data"])

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, value: Any) -> Any:
        if value == {}:
            refuse(Check.EMPTY, "must say something: equal, present or absent")
        return value


def signal_spec(shape: SignalShape | None) -> SignalSpec | None:
    """What the keys come to; None if there are none."""
    if shape is None:
        return None
    return SignalSpec(shape.equal or {}, tuple(shape.present or ()), tuple(shape.absent or ()))
