"""What a fan-out says: its values, where they come from, what becomes of them.

Owns: the value objects. Must not know: YAML, how a list is read, when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from timepoint.clock import HOUR
from timepoint.mapping.engine import Mapping as CompiledMapping
from timepoint.request.spec import RequestSpec, SourceSpec

MAX_LANES = 1000
"""How many lanes a job may have unless it says more: a slip in a list must not become a flood of requests."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of a list, and what else its row tells: ``more`` are names for templates, and labels unless ``__``."""

    value: str
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListFile:
    """A file that holds the values. Without a ``mapping`` it is a plain list of texts."""

    path: Path
    mapping: CompiledMapping | None = None


@dataclass(frozen=True, slots=True)
class Discovery:
    """A request whose answer holds the values, asked again at the first run after ``every`` ms.

    ``definition`` changes with how values are picked from the answer: a list that was picked otherwise is too old.
    """

    source: SourceSpec
    request: RequestSpec
    mapping: CompiledMapping
    every: int = HOUR
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one name. ``label`` is what the label is called, None for no label.

    ``beside`` names other values: each of these belongs to the one at its place there, instead of to all of them.
    """

    name: str
    origin: tuple[Entry, ...] | ListFile | Discovery
    label: str | None
    beside: str = ""


@dataclass(frozen=True, slots=True)
class EachSpec:
    """A fan-out. More lanes than ``max_lanes`` are refused, and those from before stay."""

    values: tuple[Values, ...]
    max_lanes: int = MAX_LANES
