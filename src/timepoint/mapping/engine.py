"""A compiled mapping: documents in, points and rejects out."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Any

from timepoint.mapping.spec import MappingSpec
from timepoint.model import MappedRun, Window


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run tells the mapping: its window, its fire time, and literal labels of its lane."""

    window: Window
    fire_time: int
    labels: MappingOf[str, str] = field(default_factory=dict)


class Mapping:
    """Compiled rules from documents to points."""

    def start(self, context: RunContext) -> MappingRun:
        raise NotImplementedError


class MappingRun:
    """The documents of one run on their way to points."""

    def add(self, document: Any) -> None:
        raise NotImplementedError

    def finish(self) -> MappedRun:
        raise NotImplementedError


def compile_mapping(spec: MappingSpec) -> Mapping:
    raise NotImplementedError
