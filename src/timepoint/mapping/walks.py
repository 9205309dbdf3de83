"""The tree of walks that ``rows`` says (R1), and who can be seen from where.

Owns: names of walks and captures, which walk is above which, and the sentence for a name that does not exist. Must not
know: metrics, values, how a walk is executed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from timepoint.mapping.paths import Path, PathError, is_path, parse_path
from timepoint.mapping.spec import SpecProblem, WalkSpec, Where

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\{\s*([A-Za-z_][A-Za-z0-9_]*)")


class BrokenWalkError(PathError):
    """A name belongs to a walk whose mistake is told already."""


@dataclass(slots=True, eq=False)
class Walk:
    """One walk: from the nodes of ``parent``, along ``path``. The document is the walk without a parent."""

    name: str
    path: Path
    parent: Walk | None
    columns: Path | tuple[str, ...] | None = None
    children: list[Walk] = field(default_factory=list)

    @property
    def line(self) -> list[Walk]:
        """The walk and all above it, the document first."""
        return [*(self.parent.line if self.parent else ()), self]

    @property
    def captures(self) -> tuple[str, ...]:
        """The captures of its own path, outermost first."""
        return tuple(capture.name for capture in self.path.captures)


class Walks:
    """All walks of a mapping, found by their names and by the names that they capture."""

    def __init__(self, later: Iterable[str] = ()) -> None:
        self.document = Walk("", Path("$", "", ()), None)
        self.by_name: dict[str, Walk] = {"": self.document}
        self.owner: dict[str, Walk] = {}  # a capture's name -> the walk that binds it
        self.looked_up: dict[str, Walk] = {}  # a look-up's name -> the walk for whose nodes it is made
        self.later = set(later)  # names of look-ups that are not there yet
        self.broken: set[str] = set()  # names that a walk with a mistake would have bound

    def names(self) -> list[str]:
        return [name for name in (*self.by_name, *self.owner, *self.looked_up) if name]

    def find(self, name: str) -> Walk:
        """The walk that a bound name belongs to. Raises PathError."""
        walk = self.by_name.get(name) or self.owner.get(name) or self.looked_up.get(name)
        if walk is not None:
            return walk
        if name in self.broken:
            raise BrokenWalkError(name)
        if name in self.later:
            raise PathError(
                f"${name} is a look-up, made when walks and the look-ups above it are there: these cannot begin at it"
            )
        close = difflib.get_close_matches(name, self.names(), n=1, cutoff=0.5)
        hint = f"; did you mean ${close[0]}?" if close else self._list()
        raise PathError(f"${name}: no walk, capture or look-up has this name{hint}")

    def _list(self) -> str:
        names = self.names()
        return f"; there is {', '.join('$' + name for name in names)}" if names else "; $ is the document"


def build_walks(rows: Mapping[str, WalkSpec], problems: list[SpecProblem], later: Iterable[str] = ()) -> Walks:
    """The tree of the walks; mistakes are added to ``problems`` and the walk is left out.

    ``later`` are the names of look-ups, which are made when all walks are there.
    """
    walks = Walks(later)
    for name, spec in rows.items():
        where: Where = ("rows", name)
        try:
            walk = _walk(walks, name, spec, rows)
        except BrokenWalkError:
            walks.broken.update((name, *_BRACED.findall(spec.path)))
            continue
        except ValueError as error:
            problems.append(SpecProblem(where, str(error)))
            walks.broken.update((name, *_BRACED.findall(spec.path)))
            continue
        walks.by_name[name] = walk
        for capture in walk.captures:
            walks.owner[capture] = walk
        if walk.parent is not None:
            walk.parent.children.append(walk)
    return walks


def _walk(walks: Walks, name: str, spec: WalkSpec, rows: Mapping[str, WalkSpec]) -> Walk:
    if not _NAME.fullmatch(name):
        raise PathError(f"{name!r} is not a name: use letters, digits and _, not beginning with a digit")
    path = parse_path(spec.path)
    if path.start in walks.owner:
        raise PathError(f"${path.start} is a key, not a node: a walk starts at $ or at a walk above it")
    if path.start in rows and path.start not in walks.by_name and path.start not in walks.broken:
        raise PathError(f"${path.start} must stand above this walk to be its start")
    parent = walks.find(path.start)
    walk = Walk(name, path, parent, _columns(walks, parent, spec))
    taken = [*walks.names(), name]
    for capture in walk.captures:
        if capture in taken:
            raise PathError(f"{{{capture}}}: this name is taken; walks and captures share one set of names")
        taken.append(capture)
    if name in walks.owner:
        raise PathError(f"{name!r}: this name is taken by a capture; walks and captures share one set of names")
    return walk


def _columns(walks: Walks, parent: Walk, spec: WalkSpec) -> Path | tuple[str, ...] | None:
    if spec.columns is None or isinstance(spec.columns, tuple):
        if spec.columns and len(set(spec.columns)) != len(spec.columns):
            raise PathError("columns: a name stands there twice")
        return spec.columns
    if not is_path(spec.columns):
        raise PathError(f"columns: {spec.columns!r} is neither a path nor a list of names")
    path = parse_path(spec.columns)
    if path.captures:
        raise PathError("columns: a capture can stand in the path of a walk only")
    if path.start in walks.owner or walks.find(path.start) not in parent.line:
        raise PathError(f"columns: ${path.start} is no node above this walk")
    return path
