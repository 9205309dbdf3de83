"""The pages that tell the rules of mappings, and how each shape of answers is mapped."""

from __future__ import annotations

import re

import pytest

from tests.config.mapping_page import PAGE, PAGES, Example, examples, reasons

EXAMPLES = list(examples())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.page}-{example.line}")
def test_examples(example: Example) -> None:
    """An example gives what the page says it gives."""
    assert example.comes_out() == example.outcome


def test_every_block_is_an_example() -> None:
    """No example of a mapping escapes the tests by its layout."""
    assert sum(page.read_text(encoding="utf-8").count("```yaml\n") for page in PAGES) == len(EXAMPLES)


def test_every_reason_is_told() -> None:
    """Each reason for a reject of the mapping stands in the page with its sentence."""
    assert reasons() in PAGE.read_text(encoding="utf-8")


def test_every_rule_is_told() -> None:
    """Each rule that a message may name has its heading, in order."""
    headings = re.findall(r"^#{2,3} .*?\b(R\d+)\b", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert list(dict.fromkeys(headings)) == [f"R{number}" for number in range(1, 19)]
