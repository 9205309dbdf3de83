"""A foreign YAML file as data, read leniently: what does not fit is a note and not the end.

Owns: texts, mappings and lists out of YAML data, with notes on what is none. Must not know: what any key means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timepoint.config.checks import Check
from timepoint.config.places import Findings, Places
from timepoint.config.places import Path as Where
from timepoint.config.yaml import MAX_BYTES, Written, YamlStopError, read_yaml
from timepoint.errors import ConfigError
from timepoint.importing.notes import Kind, Notes


def read_file(path: Path) -> tuple[Any, Notes]:
    """The data of a YAML file, and a place for notes about it. Raises ConfigError if it cannot be read."""
    findings = Findings(Places(str(path)))
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _unreadable(findings, f"cannot be read: {error.strerror or error}") from error
    if len(raw) > MAX_BYTES:
        raise _unreadable(findings, f"is larger than {MAX_BYTES // 1024} KiB")
    try:
        data = read_yaml(raw.decode("utf-8-sig"), findings)
    except UnicodeDecodeError as error:
        raise _unreadable(findings, "is not UTF-8") from error
    except YamlStopError as error:
        raise ConfigError(findings.problems(warnings=False)) from error
    if problems := findings.problems(warnings=False):
        raise ConfigError(problems)
    return data, Notes({where: mark.line for where, mark in findings.places.values.items()})


def _unreadable(findings: Findings, message: str) -> ConfigError:
    findings.add(Check.FILE, (), message)
    return ConfigError(findings.problems(warnings=False))


def text_of(value: Any) -> str | None:
    """A scalar as it was written; None if it is nothing, a mapping or a list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Written):
        return value.written
    return str(value) if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class Node:
    """A mapping of the file, and where it stands."""

    data: dict[str, Any]
    where: Where
    notes: Notes

    def note(self, kind: Kind, text: str, *keys: str | int) -> None:
        """Adds a note at a key of this mapping, or at itself."""
        self.notes.add(kind, (*self.where, *keys), text)

    def text(self, key: str) -> str:
        """The text of a key; empty if it is not there or is no text."""
        value = self.data.get(key)
        found = text_of(value)
        if found is None and value is not None:
            self.note(Kind.LOST, "is no text", key)
        return found or ""

    def flag(self, key: str, *, default: bool) -> bool:
        """A boolean."""
        value = self.data.get(key)
        return value if isinstance(value, bool) else default

    def node(self, key: str) -> Node | None:
        """The mapping of a key; None if there is none."""
        value = self.data.get(key)
        if isinstance(value, dict):
            return Node(value, (*self.where, key), self.notes)
        if value is not None:
            self.note(Kind.LOST, "is no mapping", key)
        return None

    def nodes(self, key: str) -> Iterator[Node]:
        """The mappings of a list."""
        value = self.data.get(key)
        if value is not None and not isinstance(value, list):
            self.note(Kind.LOST, "is no list", key)
        for place, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, dict):
                yield Node(item, (*self.where, key, place), self.notes)
            else:
                self.note(Kind.LOST, "is no mapping", key, place)

    def texts(self, key: str) -> dict[str, str]:
        """A mapping of texts."""
        node = self.node(key)
        return {name: node.text(name) for name in node.data} if node is not None else {}

    def list_of_texts(self, key: str) -> list[str]:
        """A list of texts; a text alone is a list of one."""
        value = self.data.get(key)
        items = value if isinstance(value, list) else [] if value is None else [value]
        return [found for item in items if (found := text_of(item)) is not None]

    def unknown(self, known: frozenset[str], text: str) -> None:
        """Notes the keys that are none of ``known``."""
        for key in self.data:
            if key not in known:
                self.note(Kind.LOST, text, key)
