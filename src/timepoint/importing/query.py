"""What a foreign path selects, in words that both its reader and the writer of a mapping know.

Owns: steps of a path and how they are written in RFC 9535; a template of texts and paths. Must not know: the syntax
that a step was read from, metrics, jobs.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_LARGEST = 2**53 - 1  # RFC 9535, 2.1
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class UntranslatableError(ValueError):
    """A path that has no counterpart. Its message is a sentence about the path, without the path itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One segment as RFC 9535 writes it. ``is_many`` says that it may select more than one node on purpose.

    ``bare`` is how the segment reads behind ``..``, None if it stands in brackets there, too.
    """

    text: str
    is_many: bool = False
    bare: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """Steps from a node; none is the node itself. ``changes`` are sentences on what the steps do differently now."""

    steps: tuple[Step, ...] = ()
    changes: tuple[str, ...] = ()

    @property
    def is_many(self) -> bool:
        return any(step.is_many for step in self.steps)

    def text(self, start: str = "$") -> str:
        """The path from ``start``: ``$`` for the document, ``$name`` for a walk."""
        return start + "".join(step.text for step in self.steps)


@dataclass(frozen=True, slots=True)
class Template:
    """Texts and queries in their order, as ``planet-{ .name }`` has one of each. No two texts stand side by side."""

    pieces: tuple[str | Query, ...]

    @property
    def literal(self) -> str | None:
        """The text of a template without queries; None if it has one."""
        if not self.pieces:
            return ""
        only = self.pieces[0]
        return only if len(self.pieces) == 1 and isinstance(only, str) else None

    @property
    def query(self) -> Query | None:
        """The query of a template that is nothing else; None if it is more, or a text."""
        only = self.pieces[0] if len(self.pieces) == 1 else None
        return only if isinstance(only, Query) else None

    @property
    def queries(self) -> tuple[Query, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Query))


def template_of(pieces: list[str | Query]) -> Template:
    """A template of these pieces, with neighbouring texts joined and empty ones left out."""
    joined: list[str | Query] = []
    for piece in pieces:
        if isinstance(piece, str) and joined and isinstance(joined[-1], str):
            joined[-1] += piece
        elif piece != "":
            joined.append(piece)
    return Template(tuple(joined))


def member(name: str) -> Step:
    """The member of an object."""
    plain = _PLAIN.fullmatch(name) is not None
    return Step(f".{name}" if plain else f"[{quoted(name)}]", bare=name if plain else None)


def quoted(text: str) -> str:
    """A text as RFC 9535 writes it; the escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


EVERYTHING = Step("[*]", is_many=True, bare="*")


def index(number: int) -> Step:
    """The element at a place; from the end if negative. Raises UntranslatableError."""
    return Step(f"[{_whole(number)}]")


def _whole(number: int) -> int:
    if abs(number) > _LARGEST:
        raise UntranslatableError("has a number that is beyond every list")
    return number


def span(start: int | None, stop: int | None, stride: int | None) -> Step:
    """The elements of a slice; a slice that is one element by its numbers alone is that element."""
    if stride in (None, 1) and _is_one(start, stop):
        return index(start or 0)
    shown = ["" if number is None else str(_whole(number)) for number in (start, stop)]
    if stride is not None:
        shown.append(str(_whole(stride)))
    return Step(f"[{':'.join(shown)}]", is_many=True)


def _is_one(start: int | None, stop: int | None) -> bool:
    if stop is None:
        return start == -1
    first = start or 0
    return stop == first + 1 and (first >= 0 or first < -1)


def descended(step: Step) -> Step:
    """A step taken at any depth."""
    return Step(f"..{step.bare or step.text}", is_many=True)
