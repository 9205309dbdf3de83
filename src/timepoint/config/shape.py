"""The shape of a whole config.

Owns: the top level, and the way from it to all shapes and keys below. Must not know: what does not fit, cross-checks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, get_args, get_origin

from pydantic import BaseModel

from timepoint.config.job_shape import JobShape
from timepoint.config.kinds import Shape, described, required
from timepoint.config.places import Path
from timepoint.config.remote_write_shape import ReceiverShape
from timepoint.config.source_shape import SourceShape


class ConfigShape(Shape):
    """A config file of timepoint."""

    place: ClassVar[str] = "the top level"

    sources: dict[str, SourceShape] = required(
        "The APIs, by name.", {"energy": {"url": "https://energy.internal/api/v1"}}
    )
    jobs: dict[str, JobShape] = required(
        "What is asked of them, by name. The name is the label `job_name` of the job's own metrics.",
        {"pod_energy": {"source": "energy", "every": "30m"}},
    )
    remote_write: list[ReceiverShape] | None = described(
        "The receivers of remote write, which get metrics with `deliver: remote_write`.",
        [{"name": "central", "url": "https://prometheus.internal/api/v1/write"}],
    )


def keys_of(model: type[BaseModel]) -> list[str]:
    """The keys of a mapping as they stand in a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def all_shapes() -> list[type[Shape]]:
    """Every shape from the top level down, each once, in the order of the keys."""
    found: list[type[Shape]] = []

    def walk(model: type[Shape]) -> None:
        if model not in found:
            found.append(model)
            for field in model.model_fields.values():
                for child in _shapes_in(field.annotation):
                    walk(child)

    walk(ConfigShape)
    return found


def _shapes_in(annotation: Any) -> Iterator[type[Shape]]:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, Shape):
            yield annotation
        return
    for argument in get_args(annotation):
        yield from _shapes_in(argument)


def model_at(model: type[Shape], loc: Path) -> type[Shape]:
    """The shape at the end of a path: each part is a key of the shape before, or names something inside it."""
    for part in loc:
        for name, field in model.model_fields.items():
            if part == (field.alias or name):
                model = next(_shapes_in(field.annotation), model)
                break
    return model
