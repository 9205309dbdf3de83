"""What somebody must know who takes over a config: what changed, what to decide, what is lost.

Owns: notes and their order. Must not know: what they are about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a note asks of its reader."""

    LOST = "lost"  # cannot be taken over, and is not in the new config
    DECIDE = "decide"  # was taken over by a guess, or needs something that the old config does not say
    CHANGED = "changed"  # means the same, and looks or behaves differently


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """A sentence about what stands at ``where`` (a dotted path) in ``line`` of the old file."""

    line: int
    where: str
    kind: Kind
    text: str

    def __str__(self) -> str:
        place = f"line {self.line}: {self.where}: " if self.where else ""
        return f"{self.kind}: {place}{self.text}"


@dataclass(slots=True)
class Notes:
    """All notes about one file. ``lines`` tells where a path stands in it."""

    lines: dict[tuple[str | int, ...], int] = field(default_factory=dict)
    all: list[Note] = field(default_factory=list)

    def add(self, kind: Kind, where: tuple[str | int, ...], text: str) -> None:
        """Adds a note, once."""
        known = where
        while known and known not in self.lines:
            known = known[:-1]
        note = Note(self.lines.get(known, 0), ".".join(map(str, where)), kind, text)
        if note not in self.all:
            self.all.append(note)

    def of(self, kind: Kind) -> list[Note]:
        """The notes of a kind, in the order of the file."""
        return sorted(note for note in self.all if note.kind is kind)
