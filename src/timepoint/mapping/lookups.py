"""Nodes that are looked up in another branch of the document, by a key.

Owns: the check of ``lookups``, the index that is made of their list, and how a row finds its node in it. Must not know:
metrics, the order of work in a row.

An index is made once for the node below which its list stands, so that a row costs one look: 100,000 rows that look up
one of 10,000 nodes took 1.43 s of CPU, and 1.34 s without it (the best of 12 runs), where ``INDEX`` of jq takes 1.06 s
by itself. Keys are compared as texts, as they would be labels, for an id that is a number here is often a text, or the
name of a member, there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from timepoint.mapping.cells import Cell, read_cell
from timepoint.mapping.labels import scalar_text
from timepoint.mapping.nodes import NOTHING, equal
from timepoint.mapping.paths import Path, PathError, is_path, parse_path
from timepoint.mapping.rows import missing_test
from timepoint.mapping.spec import LookupSpec, SpecProblem
from timepoint.mapping.times import CellProblem
from timepoint.mapping.unusable import Unusable
from timepoint.mapping.walks import BrokenWalkError, Walk, Walks
from timepoint.mapping.weight import Allowance

Key = str | tuple[str, ...]
_Read = TypeVar("_Read")

_ENTRY = 130  # bytes for each path of a key, beside the node: 121 for a number, 255 for two, where a dict just grew
_PLAIN = 1 << 64  # integers below are written without a look at how long they are
_OFTEN = 1024  # entries between two looks at what they weigh


@dataclass(frozen=True, slots=True)
class Lookup:
    """A compiled look-up. It is made for the nodes of the walk ``home``; its list is below a node of ``start``."""

    name: str
    path: Path
    start: Walk
    keys: tuple[Path, ...]
    equals: tuple[Cell, ...]
    home: Walk
    unmatched: str

    @property
    def keys_text(self) -> str:
        return ", ".join(key.text for key in self.keys)


def build_lookups(lookups: Mapping[str, LookupSpec], walks: Walks, problems: list[SpecProblem]) -> list[Lookup]:
    """The look-ups in their order; mistakes are added to ``problems``, and names become known to ``walks``."""
    built = []
    for name, spec in lookups.items():
        reading = _Reading(name, spec, walks, problems)
        lookup = reading.read()
        walks.later.discard(name)
        if lookup is None:
            walks.broken.add(name)
        else:
            walks.looked_up[name] = lookup.home
            built.append(lookup)
    return built


def check_used(lookups: Iterable[Lookup], cells: Iterable[Cell], problems: list[SpecProblem]) -> None:
    """Adds the look-ups of which nothing is read, and which do not sort out rows either."""
    lookups = list(lookups)
    read = {cell.path.start for cell in (*cells, *(cell for lookup in lookups for cell in lookup.equals))}
    for lookup in lookups:
        if lookup.name not in read and lookup.unmatched != "drop":
            sentence = f"nothing reads ${lookup.name}; one that only sorts rows out says unmatched: drop"
            problems.append(SpecProblem(("lookups", lookup.name), sentence))


class _Reading:
    """One entry while it is read. Each mistake is told at its key."""

    def __init__(self, name: str, spec: LookupSpec, walks: Walks, problems: list[SpecProblem]) -> None:
        self.name = name
        self.spec = spec
        self.walks = walks
        self.problems = problems

    def read(self) -> Lookup | None:
        before = len(self.problems)
        self._read("", self._check_name)
        found = self._read("path", self._list)
        captures = found[0].captures if found is not None else ()
        starts = [self.name, *(capture.name for capture in captures)]
        keys = [self._read("key", self._key, text, starts) for text in self.spec.key] if found is not None else []
        equals = [self._read("equals", self._cell, text) for text in self.spec.equals]
        cells = tuple(cell for cell in equals if cell is not None)
        if found is None or len(self.problems) > before or len(cells) < len(equals):
            return None
        home = self._read("equals", self._home, cells)
        if home is None or self._read("path", self._check_above, found[1], home) is None:
            return None
        return Lookup(self.name, *found, tuple(key for key in keys if key), cells, home, self.spec.unmatched)

    def _read(self, key: str, read: Callable[..., _Read], *given: Any) -> _Read | None:
        """What ``read`` gives; None if it cannot, with its mistake told unless it was told before."""
        try:
            return read(*given)
        except BrokenWalkError:
            return None
        except PathError as error:
            where = ("lookups", self.name, key) if key else ("lookups", self.name)
            self.problems.append(SpecProblem(where, str(error)))
            return None

    def _check_name(self) -> None:
        if not self.name.isidentifier() or not self.name.isascii():
            raise PathError(f"{self.name!r} is not a name: use letters, digits and _, not beginning with a digit")
        if self.name in self.walks.names():
            raise PathError(f"{self.name!r}: this name is taken; look-ups, walks and captures share one set of names")

    def _list(self) -> tuple[Path, Walk]:
        """The path of the nodes among which one is found, and the walk at which it starts."""
        path = parse_path(self.spec.path)
        start = self.walks.find(path.start)
        if path.start != start.name:
            raise PathError(f"{path.text!r}: the list of a look-up starts at $ or at a walk")
        if path.is_singular:
            raise PathError(f"{path.text!r} is one node, and a look-up goes through many, as {path.text}[*] does")
        for capture in path.captures:
            if capture.name in (self.name, *self.walks.names()):
                raise PathError(f"{{{capture.name}}}: this name is taken; walks and captures share one set of names")
        return path, start

    def _key(self, text: str, starts: list[str]) -> Path:
        """A path that tells the nodes of the list apart; it starts at the node, or is a capture on the way to it."""
        key = parse_path(text) if is_path(text) else None
        if key is None or key.start not in starts:
            shown = " or ".join(f"${name}" for name in starts)
            raise PathError(f"{text!r}: a key is read from each node of the list, so it begins with {shown}")
        if not key.is_singular or (key.start != self.name and key.segments):
            raise PathError(f"{text!r}: a key is a path of names and places alone, or a capture")
        return key

    def _cell(self, text: str) -> Cell:
        """What a row has to tell which node is its own."""
        if not is_path(text):
            raise PathError(f"{text!r} is not a path: what a row looks up begins with $")
        return read_cell(self.name, text, self.walks)

    def _home(self, equals: tuple[Cell, ...]) -> Walk:
        """The deepest walk that ``equals`` names."""
        if len(equals) != len(self.spec.key):
            raise PathError("key and equals are compared path by path: give as many here as there")
        home = max((cell.walk for cell in equals), key=lambda walk: len(walk.line))
        if any(cell.walk not in home.line for cell in equals):
            raise PathError(f"{', '.join(self.spec.equals)} are on different branches of rows")
        return home

    def _check_above(self, start: Walk, home: Walk) -> Walk:
        if start not in home.line:
            shown = f"${home.name}" if home.name else "the document"
            raise PathError(f"a row of {shown}, which {self.spec.equals[0]} says, does not see ${start.name}")
        return home


class _Several:
    """Stands in an index for nodes that differ and have one key."""

    __slots__ = ()


_SEVERAL: Final = _Several()


class Index(dict[Key, Any]):
    """The nodes of a list by their keys. What it may weigh is what the document has left."""

    __slots__ = ("_allowance", "_what")

    def __init__(self, name: str, allowance: Allowance) -> None:
        super().__init__()
        self._what = f"the nodes of the look-up {name}"
        self._allowance = allowance
        allowance.admit_beside(0, self._what)  # the index before it, of another node, is gone

    def enter(self, node: Any, parts: tuple[Any, ...]) -> None:
        """Notes a node. One without a key can be nobody's. Raises ContentError if there are too many."""
        key = _key(parts) if node is not None else None
        if key is None:
            return
        known = self.setdefault(key, node)
        if known is not node and known is not _SEVERAL and not equal(known, node):
            self[key] = _SEVERAL
        if len(self) % _OFTEN == 0:
            self._allowance.admit_beside(_ENTRY * len(parts) * len(self), self._what)


def _key(parts: tuple[Any, ...]) -> Key | None:
    """The texts of what tells nodes apart; None if any of them is not there, or is no text."""
    sole = parts[0]
    if len(parts) == 1 and (type(sole) is str or (type(sole) is int and -_PLAIN < sole < _PLAIN)):
        return str(sole) or None
    texts = []
    for part in parts:
        if part is None or part is NOTHING or isinstance(part, dict | list):
            return None
        try:
            texts.append(scalar_text(part))
        except Unusable:
            return None
    if not all(texts):
        return None
    return texts[0] if len(texts) == 1 else tuple(texts)


def finder(lookup: Lookup, missing: tuple[Any, ...]) -> Callable[[Index, tuple[Any, ...]], Any]:
    """A function from an index and what a row has to the row's node.

    It gives NOTHING for a row that is kept without one, and None for one that is dropped. Raises CellProblem for a row
    that cannot be used.
    """
    is_missing = missing_test(missing)
    without = {"keep": NOTHING, "drop": None}

    def find(index: Index, parts: tuple[Any, ...]) -> Any:
        key = None if missing and any(map(is_missing, parts)) else _key(parts)
        node = NOTHING if key is None else index.get(key, NOTHING)
        if node is _SEVERAL:
            raise CellProblem(lookup.name, "several_matches", _several_text(lookup, key))
        if node is not NOTHING:
            return node
        if lookup.unmatched in without:
            return without[lookup.unmatched]
        raise CellProblem(lookup.name, "no_match", _unmatched_text(lookup, key, index))

    return find


def _shown(key: Key | None) -> str:
    return ", ".join(map(repr, [key] if isinstance(key, str) else key or ()))


def _several_text(lookup: Lookup, key: Key | None) -> str:
    return f"several nodes of {lookup.path.text} have {lookup.keys_text} {_shown(key)}, and they differ"


def _unmatched_text(lookup: Lookup, key: Key | None, index: Index) -> str:
    if key is None:
        return f"{', '.join(cell.path.text for cell in lookup.equals)} is not there to be looked up ({lookup.name})"
    if not index:
        return f"{lookup.path.text} has no node with {lookup.keys_text}"
    return f"no node of {lookup.path.text} has {lookup.keys_text} {_shown(key)}"
