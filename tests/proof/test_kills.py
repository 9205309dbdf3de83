"""Kill loops against the hostile API, and the mutants that the oracle must find."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.proof import campaign, mutants
from tests.proof.tree import Tree

pytestmark = pytest.mark.system

KILLS = int(os.environ.get("TIMEPOINT_PROOF_KILLS", "300"))
TREE_KILLS = 20
MUTANT_KILLS = 600
"""None needs a hundred; the loop ends with the first finding."""


def test_the_poller_counts_each_timepoint_once_over_hundreds_of_kills(tmp_path: Path) -> None:
    """After each kill the books balance and no page went back; in the end each total is the API's own sum."""
    report = campaign.run(tmp_path / "data", 3, KILLS)
    assert not report.findings, report.line()
    assert report.kills >= KILLS
    assert not campaign.not_met(report), f"the loop did not meet what it is about: {report.line()}"


def test_the_whole_tree_shows_and_counts_the_truth_over_kills(tmp_path: Path) -> None:
    """Parent, server, poller and all at once are killed; scrapes never go back, never mix commits, are never empty."""
    tree = Tree(tmp_path, 4)
    tree.run(TREE_KILLS)
    assert not tree.oracle.findings, tree.oracle.findings
    assert tree.kills == TREE_KILLS
    assert tree.restarts > 5
    assert tree.oracle.pages_seen >= 5 * TREE_KILLS


@pytest.mark.parametrize("mutant", [mutant.__name__ for mutant in mutants.FOUND_BY_KILLS])
def test_the_oracle_finds_each_wrong_product(tmp_path: Path, mutant: str) -> None:
    """A product with this mistake does not pass the kill loop; if it does, the loop proves nothing."""
    report = campaign.run(tmp_path / "data", 5, MUTANT_KILLS, mutant=mutant)
    assert report.findings, f"{mutant} passed: {report.line()}"
