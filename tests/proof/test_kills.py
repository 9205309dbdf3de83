"""Kill loops against the hostile API, and the mutants that the oracle must find."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Any

import pytest

from tests.proof import campaign, mutants
from tests.proof.tree import Tree

pytestmark = pytest.mark.system

KILLS = int(os.environ.get("TIMEPOINT_PROOF_KILLS", "300"))
TREE_KILLS = 20
STANDS_STILL = ("no new data", "the poller ended by itself", "the ledger cannot")
"""What the oracle finds of a product that was not made wrong but broken."""

MUTANT_KILLS = 600
"""None needs a hundred; the loop ends with the first finding."""


def test_the_poller_counts_each_timepoint_once_over_hundreds_of_kills(tmp_path: Path) -> None:
    """After each kill the books balance and no page went back; in the end each total is the API's own sum (X1)."""
    report = campaign.run(tmp_path / "data", 3, KILLS)
    assert not report.findings, report.line()
    assert report.kills >= KILLS
    assert not campaign.not_met(report), f"the loop did not meet what it is about: {report.line()}"


def test_the_whole_tree_shows_and_counts_the_truth_over_kills(tmp_path: Path) -> None:
    """Parent, server, poller and all at once are killed; scrapes never go back, never mix commits, are never empty.

    Faults: X1, S5.
    """
    tree = Tree(tmp_path, 4)
    tree.run(TREE_KILLS)
    assert not tree.oracle.findings, tree.oracle.findings
    assert tree.kills == TREE_KILLS
    assert tree.restarts > 5
    assert tree.oracle.pages_seen >= 5 * TREE_KILLS


@pytest.mark.parametrize("mutant", [mutant.__name__ for mutant in mutants.FOUND_BY_KILLS])
def test_the_oracle_finds_each_wrong_product(tmp_path: Path, mutant: str) -> None:
    """A product with this mistake does not pass the kill loop; if it does, the loop proves nothing (X1)."""
    report = campaign.run(tmp_path / "data", 5, MUTANT_KILLS, mutant=mutant)
    assert report.findings, f"{mutant} passed: {report.line()}"
    broken = [finding for finding in report.findings if finding.startswith(STANDS_STILL)]
    assert not broken, f"{mutant} does not count wrong, it does not run at all: {broken}"


def test_each_wrong_product_is_hunted() -> None:
    """None of them stands in the module without a loop that must find it."""
    wrong = {name for name, thing in vars(mutants).items() if callable(thing) and is_mutant(thing)}
    assert wrong == {mutant.__name__ for mutant in (*mutants.FOUND_BY_KILLS, *mutants.FOUND_BY_POWER_CUTS)}


def is_mutant(thing: Any) -> bool:
    """Whether it is one of the patches: a public function of the module that takes nothing."""
    own = getattr(thing, "__module__", "") == mutants.__name__ and not thing.__name__.startswith("_")
    return own and not inspect.signature(thing).parameters
