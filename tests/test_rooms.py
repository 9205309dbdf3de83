"""Each room opens with a list of its modules, in the order in which they are best read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOMS = Path(__file__).resolve().parent.parent / "src" / "timepoint"
LISTED = sorted(
    str(package.parent.relative_to(ROOMS))
    for package in ROOMS.glob("*/**/__init__.py")
    if len(list(package.parent.glob("*.py"))) > 3 and package.parent.name != "cli"  # a command is found by its name
)


@pytest.mark.parametrize("room", LISTED)
def test_a_room_names_all_its_modules(room: str) -> None:
    """A module that is added or renamed stands in the room's opening, so that a newcomer finds it."""
    opening = (ROOMS / room / "__init__.py").read_text(encoding="utf-8").split('"""')[1]
    modules = {path.stem for path in (ROOMS / room).glob("*.py")} - {"__init__"}
    named = set(re.findall(r"\b[a-z0-9_]+\b", opening.partition("Read in this order")[2]))
    assert modules - named == set()


def test_each_design_note_stands_in_their_list() -> None:
    """Whoever looks for a reason finds the note by its question."""
    notes = ROOMS.parent.parent / "docs" / "design"
    listed = (notes / "README.md").read_text(encoding="utf-8")
    assert {path.name for path in notes.glob("0*.md") if f"({path.name})" not in listed} == set()


def test_the_house_is_shown_whole() -> None:
    """Each room, and each module beside the rooms, stands in the tables of CONTRIBUTING."""
    tables = (ROOMS.parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = {f"{package.parent.name}/" for package in ROOMS.glob("*/__init__.py")}
    modules = {path.stem for path in ROOMS.glob("*.py")} - {"__init__", "__main__", "version"}
    assert {name for name in rooms | modules if f"`{name}`" not in tables} == set()
