"""Where things stand in a config file, and the list of what is wrong with it.

Owns: positions of keys and values by path, and the collecting of findings. Must not know: YAML, the shape of a config,
what any check means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from timepoint.config.checks import Check
from timepoint.errors import Problem

Path = tuple[str | int, ...]


class Mark(NamedTuple):
    """A place in the file; both count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Places:
    """The marks of a file: ``values`` of nodes by path, ``keys`` of mapping keys by the path of their values."""

    file: str
    values: dict[Path, Mark] = field(default_factory=dict)
    keys: dict[Path, Mark] = field(default_factory=dict)

    def known(self, path: Path) -> Path:
        """The longest beginning of ``path`` that stands in the file."""
        while path and path not in self.values:
            path = path[:-1]
        return path

    def mark(self, path: Path, *, key: bool = False) -> Mark:
        """The mark of the value at ``path``, or of its key; of the nearest thing around it if it is not there."""
        found = self.known(path)
        if (key or found != path) and found in self.keys:
            return self.keys[found]
        return self.values.get(found, Mark(0, 0))


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem together with the check that found it."""

    check: Check
    problem: Problem


@dataclass(slots=True)
class Findings:
    """What is wrong with a file so far.

    ``hidden`` are the texts that came from the environment, which no message shows, with how they are written in the
    file; ``variables`` are the values in them. ``broken`` are the paths of which nothing more can be said.
    """

    places: Places
    all: list[Finding] = field(default_factory=list)
    hidden: dict[Path, tuple[str, str]] = field(default_factory=dict)
    variables: dict[Path, tuple[str, ...]] = field(default_factory=dict)
    broken: set[Path] = field(default_factory=set)

    def hide(self, path: Path, text: str, written: str) -> None:
        """From now on messages about ``path`` show ``written`` where they would show ``text``."""
        self.hidden[path] = (text, written)

    def variables_below(self, path: Path) -> list[str]:
        """The values that the environment put at ``path`` or below it."""
        return [value for at, values in self.variables.items() if at[: len(path)] == path for value in values]

    def add(self, check: Check, path: Path, message: str, *, key: bool = False) -> None:
        """Adds a problem at the value of ``path``, or at its key."""
        if path in self.broken:
            return
        line, column = self.places.mark(path, key=key)
        for at, (text, written) in self.hidden.items():
            if text and at[: len(path)] == path[: len(at)]:
                message = message.replace(repr(text)[1:-1], written).replace(text, written)
        dotted = ".".join(map(str, path))
        self.all.append(Finding(check, Problem(self.places.file, line, column, dotted, message)))

    def add_new(self, check: Check, path: Path, message: str) -> None:
        """As ``add``, unless an error is known there: another room may see the same mistake a second time."""
        dotted = ".".join(map(str, path))
        if not any(finding.problem.path == dotted and not finding.check.is_warning for finding in self.all):
            self.add(check, path, message)

    def problems(self, *, warnings: bool) -> list[Problem]:
        """The problems that are warnings, or those that are not; in the order of the file."""
        return sorted({finding.problem for finding in self.all if finding.check.is_warning == warnings})
