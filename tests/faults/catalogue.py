"""The rows of the fault catalogue, the tests that carry their ids, and the page of both.

Owns: reading ``catalogue.txt``, finding ids in the tests, the layout of docs/faults.md.
Must not know: what a test does.

A test carries an id in its name (``test_a14_...``), at the beginning of its docstring (``A14: ...``), in brackets in it
(``(A14, P1)``), or on a line of its own (``Faults: A14, P1.``).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "faults.md"

_ID = r"[ACDKNPSUWX]\d{1,2}"
_LIST = rf"{_ID}(?:(?:, | and | to ){_ID})*"
_IN_TEXT = re.compile(rf"^({_LIST}): |\(({_LIST})\)|^Faults: ({_LIST})\.$", re.MULTILINE)
_IN_NAME = re.compile(r"test((?:_[acdknpsuwx]\d{1,2})+)(?:_|$)")

SECTIONS = {
    "A": ("Abuse", "Who reaches the port, controls an API, its answers or its network, reads the disk, or means well."),
    "U": ("Upstream", "What an API does."),
    "N": ("Network", "What lies between."),
    "P": ("Payload", "What an answer holds."),
    "C": ("Config", "What an operator changes."),
    "K": ("Clock", "What the time does."),
    "D": ("Disk", "What the data directory lies on."),
    "X": ("Process", "How processes end, stop and begin."),
    "S": ("Scrape side", "What scrapers do."),
    "W": ("Remote write", "What receivers do."),
}

_HEAD = """\
# Abuse and faults, by their ids

What may be done to an exporter and what may happen to it: {rows} rows, what must hold in each, and the tests that hold
it to that. `python -m tests.faults` writes this page from `tests/faults/catalogue.txt` and from the tests. A test
compares, in both directions: no row without a test or a reason, no id on a test that the list does not know.

Where a row says "as", the tests of the other row are its tests, too. A name without a file is in the file before it.
Beside these, [the proof](proof.md) runs kill loops, power cuts and soaks against an oracle.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the catalogue. ``note`` says what is otherwise here, or why there is no test."""

    id: str
    fault: str
    outcome: str
    note: str


@dataclass(frozen=True, slots=True)
class Found:
    """A test that carries ids. ``path`` is seen from the root of the project."""

    path: str
    name: str
    ids: tuple[str, ...]


def rows() -> list[Row]:
    """The rows in their order."""
    lines = (HERE / "catalogue.txt").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split(" |")] for line in lines if line and not line.startswith("#")]
    return [Row(*cell) for cell in cells]


def ids_of(name: str, docstring: str) -> tuple[str, ...]:
    """The ids that a test carries."""
    found: list[str] = []
    if match := _IN_NAME.match(name):
        found += match[1].upper().strip("_").split("_")
    for lists in _IN_TEXT.findall(docstring):
        found += _expanded("".join(lists))
    return tuple(dict.fromkeys(found))


def _expanded(text: str) -> Iterator[str]:
    for part in re.split(r", | and ", text):
        first, _, last = part.partition(" to ")
        end = int(last[1:]) if last else int(first[1:])
        yield from (f"{first[0]}{number}" for number in range(int(first[1:]), end + 1))


@cache
def tagged() -> tuple[Found, ...]:
    """Every test that carries an id, by file and in the order of the file."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                ids = ids_of(node.name, ast.get_docstring(node) or "")
                if ids:
                    found.append(Found(path.relative_to(ROOT).as_posix(), node.name, ids))
    return tuple(found)


def held_by() -> dict[str, list[Found]]:
    """The tests of each id."""
    by: dict[str, list[Found]] = {}
    for test in tagged():
        for each in test.ids:
            by.setdefault(each, []).append(test)
    return by


def page() -> str:
    """docs/faults.md, whole."""
    by = held_by()
    every = rows()
    parts = [_HEAD.format(rows=len(every))]
    for letter, (title, about) in SECTIONS.items():
        parts += [f"## {title}\n\n{about}\n", "| | what happens | what must hold | held by |", "|---|---|---|---|"]
        parts += [_line(row, by.get(row.id, [])) for row in every if row.id[0] == letter]
        parts.append("")
    return "\n".join(parts)


def _line(row: Row, found: list[Found]) -> str:
    what = f"{row.outcome}. {row.note}" if row.note and found else row.outcome
    held = _links(found) if found else row.note
    return f'| <a id="{row.id.lower()}"></a>{row.id} | {row.fault} | {what} | {held} |'


def _links(found: list[Found]) -> str:
    by_file: dict[str, list[str]] = {}
    for test in found:
        by_file.setdefault(test.path, []).append(test.name.removeprefix("test_"))
    return "; ".join(
        f"[{path.removeprefix('tests/')}](../{path}): {', '.join(f'`{name}`' for name in names)}"
        for path, names in by_file.items()
    )
