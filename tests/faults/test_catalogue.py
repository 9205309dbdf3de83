"""docs/faults.md is what the catalogue and the tests say."""

from __future__ import annotations

import re

import pytest

from tests.faults.catalogue import PAGE, SECTIONS, held_by, ids_of, page, rows, tagged

COUNT = {"A": 40, "U": 14, "N": 12, "P": 16, "C": 10, "K": 8, "D": 14, "X": 13, "S": 9, "W": 18}
NO_TEST = "Not automated: "


def test_the_page_is_what_rows_and_tests_say() -> None:
    """docs/faults.md is written by ``python -m tests.faults``; call it after a change."""
    assert PAGE.read_text("utf-8") == page()


def test_no_row_is_left_out() -> None:
    """Each section is numbered without a gap, to its end."""
    assert [row.id for row in rows()] == [f"{letter}{n + 1}" for letter in SECTIONS for n in range(COUNT[letter])]


def test_each_row_has_a_test_or_a_reason() -> None:
    """A row that no test holds says why; a row that has one does not say that it has none."""
    held = held_by()
    wrong = [row.id for row in rows() if (row.id in held) == row.note.startswith(NO_TEST)]
    assert wrong == []


def test_each_id_on_a_test_is_a_row() -> None:
    """No test carries an id that the catalogue does not know."""
    known = {row.id for row in rows()}
    assert {f"{test.path}: {each}" for test in tagged() for each in test.ids if each not in known} == set()


def test_each_row_says_what_happens_and_what_must_hold() -> None:
    """No cell is empty, and none would break the table."""
    assert [row.id for row in rows() if not (row.fault and row.outcome)] == []
    lines = [line for line in page().splitlines() if line.startswith("| <a")]
    assert [line for line in lines if len(re.findall(r"(?<!\\)\|", line)) != 5] == []


@pytest.mark.parametrize(
    ("name", "docstring", "ids"),
    [
        ("test_a8_nothing_asks", "A8 to A10: nothing.", ("A8", "A9", "A10")),
        ("test_n5_n6_an_answer", "It breaks off.", ("N5", "N6")),
        ("test_cookies", "They are ignored (A19, U2).", ("A19", "U2")),
        ("test_long", "A sentence.\n\nFaults: C1 and C10.", ("C1", "C10")),
        ("test_x", "A1 in a sentence, and P6 and R15 (R15).", ()),
        ("test_a_page", "W5, W6: whichever.", ("W5", "W6")),
    ],
)
def test_ids_are_found_where_they_may_stand(name: str, docstring: str, ids: tuple[str, ...]) -> None:
    """In the name, in front of the docstring, in brackets, on a line of their own; nowhere else."""
    assert ids_of(name, docstring) == ids
