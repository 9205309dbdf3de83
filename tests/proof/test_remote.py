"""Kill loops with real receivers behind a proxy that loses requests and answers, and the mutants that must be found.

W1 (an answer lost after the receiver stored), W2 (a request lost before it) and W3 (503, a receiver that is killed)
with whole processes; O1 to O10 are the oracle's.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.proof.remote import campaign
from tests.proof.remote.campaign import RemoteCampaign
from tests.proof.remote.mutants import FOUND_BY_KILLS
from tests.proof.remote.receivers import KINDS
from tests.remote_write import wrong_senders
from timepoint.failpoints import SENDING

pytestmark = pytest.mark.system

KILLS = int(os.environ.get("TIMEPOINT_PROOF_REMOTE_KILLS", "12"))
ROUNDS = int(os.environ.get("TIMEPOINT_PROOF_ROUNDS", "1"))
MUTANT_KILLS = 60
"""None needs twenty; the loop ends with the first finding."""

HUNTED = (
    "acknowledges_first",
    "several_of_one_series",
    "newest_first",
    "revisions_sent",
    "enqueued_after_the_commit",
)
"""The others are hunted by command. Those of a sender's rules are caught by the tests of these, too."""

STANDS_STILL = ("O9", "no new data", "the poller ended by itself", "the ledger cannot")
"""What the oracle finds of a product that was not made wrong but broken."""


PATIENT = 150.0
"""Seconds after peace: a machine that does much else is no finding. What runs by command is held to O9's own time."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the receiver more time to have something fresh."""
    monkeypatch.setattr(RemoteCampaign, "liveness", PATIENT)


@pytest.mark.parametrize("kind", KINDS)
def test_w1_w2_w3_what_a_receiver_holds_is_what_the_api_said(tmp_path: Path, kind: str) -> None:
    """Through kills of poller and receiver: each sample stored once with its value, or a dead letter; no 400."""
    report = campaign.run(tmp_path / "data", 5, KINDS[kind], KILLS)
    assert not report.findings, report.line()
    assert report.kills >= KILLS
    assert not campaign.not_met(report), f"the loop did not meet what it is about: {report.line()}"


def test_dying_at_each_point_on_the_way_to_a_receiver_loses_nothing(tmp_path: Path) -> None:
    """Before and behind a request, in and behind the settlement: after each death all samples are accounted for."""
    with RemoteCampaign(tmp_path / "data", 6, KINDS["strict"]) as loop:
        loop.live_and_die(1.5)
        for turn in range(ROUNDS):
            for name in sorted(SENDING):
                loop.die_at(f"{name}:{2 + turn}")
                assert not loop.oracle.findings, (name, loop.oracle.findings)
        loop.make_peace()
        assert not loop.oracle.findings, loop.oracle.findings
        assert loop.kills == 1 + ROUNDS * len(SENDING)
        assert loop.oracle.looks.doubts, "no death left a sample in doubt"


@pytest.mark.parametrize("mutant", HUNTED)
def test_the_oracle_finds_each_wrong_sender(tmp_path: Path, mutant: str) -> None:
    """A product with this mistake does not pass the loop; if it does, the loop proves nothing."""
    report = campaign.run(tmp_path / "data", 5, KINDS["strict"], MUTANT_KILLS, mutant=mutant)
    assert report.findings, f"{mutant} passed: {report.line()}"
    broken = [finding for finding in report.findings if finding.startswith(STANDS_STILL)]
    assert not broken, f"{mutant} does not send wrong, it does not send at all: {broken}"


def test_each_wrong_sender_is_hunted_somewhere() -> None:
    """Here, by the tests of the rules, or by command alone."""
    elsewhere = {"forgotten_in_doubt", *(mutant.__name__ for mutant in wrong_senders.MUTANTS)}
    assert set(FOUND_BY_KILLS) == {*HUNTED, *elsewhere}
