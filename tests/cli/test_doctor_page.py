"""The page about the doctor says what the command does."""

from __future__ import annotations

import re
from pathlib import Path

from tests.ledger.building import Ledger, counter, facts, fives
from timepoint.doctor.look import examine_directory
from timepoint.ledger.store import open_store

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "doctor.md"


def test_the_page_lists_every_check(tmp_path: Path) -> None:
    """Name and promise, in the order of the report."""
    store = open_store(tmp_path / "ledger.sqlite")
    Ledger(store, [counter()]).run(facts(0, 5), {"": fives(0, 1)})
    store.close()
    checks = [(check.name, check.promise) for check in examine_directory(tmp_path, [], 0).checks]
    table = PAGE.read_text(encoding="utf-8").partition("## The checks")[2].partition("\n\nSQLite")[0]
    written = re.findall(r"^\| `(\w+)` \| (.*?)(?: \([^)]+\))? \|$", table, re.MULTILINE)
    assert written == checks
