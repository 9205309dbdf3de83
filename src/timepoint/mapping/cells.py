"""Entries of the config that are paths to one node.

Owns: what such a path may be (R3), and which walk it is read from. Must not know: metrics, what is made of the node.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepoint.mapping.paths import Filter, Index, Name, Path, PathError, parse_path
from timepoint.mapping.walks import Walk, Walks


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry that is a path: a capture (its name), or a path from a walk's node, or from one looked up for it."""

    name: str  # value, labels.x, at, start, ...
    path: Path
    walk: Walk
    capture: str | None = None

    @property
    def is_in_row(self) -> bool:
        """Whether the path starts at the node of its walk."""
        return self.capture is None and self.path.start == self.walk.name


def read_cell(name: str, text: str, walks: Walks) -> Cell:
    """The cell of a path: with a known start, and at most one node. Raises PathError."""
    path = parse_path(text)
    if not all(isinstance(segment.sole, Name | Index | Filter) for segment in path.segments):
        raise PathError(f"{text!r} can select many nodes: walk it in rows (R3)")
    walk = walks.find(path.start)
    if path.start in walks.owner and path.segments:
        raise PathError(f"${path.start} is a key and has nothing inside")
    return Cell(name, path, walk, path.start if path.start in walks.owner else None)
