"""Failpoints, disks, clocks and sleep, against the hostile API."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.proof.campaign import Campaign
from tests.proof.faults import FakeTime, fill, goes_on, remount, says, small_disk
from tests.proof.oracle import FIRM, LATE
from tests.proof.tracing import attached, require_strace
from timepoint.failpoints import NAMES, SENDING

pytestmark = pytest.mark.system

AT_THE_END = {"before_close"}
AT_THE_START = {"in_migration"}
ROUNDS = int(os.environ.get("TIMEPOINT_PROOF_ROUNDS", "2"))


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    """A hostile API and pollers that die, in a directory of their own."""
    with Campaign(tmp_path / "data", 6) as campaign:
        yield campaign


def make_peace(campaign: Campaign) -> None:
    """The end of each test: the faults are over, and every total must be the API's own sum."""
    campaign.make_peace()
    assert not campaign.oracle.findings, campaign.oracle.findings


def test_dying_at_each_failpoint_in_turn_loses_nothing(campaign: Campaign) -> None:
    """Between any two steps of a run: after each death the books balance, and in the end all totals are the truth.

    Faults: X2.
    """
    for turn in range(1, 4):
        campaign.die_at(f"in_migration:{turn}")
    campaign.live_and_die(1.0)
    for turn in range(ROUNDS):
        for name in sorted(NAMES - AT_THE_START - SENDING):
            campaign.die_at(f"{name}:{1 + 2 * turn}" if name not in AT_THE_END else name, at_the_end=name in AT_THE_END)
            assert not campaign.oracle.findings, (name, campaign.oracle.findings)
    make_peace(campaign)


def test_a_full_disk_stops_the_counting_and_nothing_else(tmp_path: Path) -> None:
    """While the disk is full the pages stay as they are; when there is room again the same process goes on (D1)."""
    with small_disk(tmp_path / "data", 4096) as disk, Campaign(disk, 7) as campaign:
        with campaign.life():
            assert goes_on(campaign, FIRM)
            ballast = fill(disk)
            assert says(campaign, "the disk is full", 1), "the disk was not full"
            ballast.unlink()
            assert goes_on(campaign, FIRM), "it does not go on when there is room again"
            assert goes_on(campaign, LATE)
            ballast = fill(disk)
            time.sleep(0.5)
        campaign.live_and_die(1.0)  # it starts on a full disk
        ballast.unlink()
        make_peace(campaign)


def test_a_read_only_disk_at_the_start_changes_nothing(tmp_path: Path) -> None:
    """Pollers that start on a disk that became read-only leave all as it is; later ones go on (D6)."""
    with small_disk(tmp_path / "data", 8192) as disk, Campaign(disk, 8) as campaign:
        campaign.live_and_die(1.0)
        remount(disk, "ro")
        with campaign.life(ends_itself=True):
            assert says(campaign, "ledger_unusable", 1), "nothing is said of a read-only disk"
        remount(disk, "rw")
        make_peace(campaign)


@pytest.mark.parametrize(
    ("call", "error"), [("fdatasync", "EIO"), ("fsync", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EIO")]
)
def test_calls_that_fail_now_and_then_cost_runs_and_no_data(campaign: Campaign, call: str, error: str) -> None:
    """A commit whose sync failed may or may not be there: either way each timepoint counts once (D3, D4)."""
    require_strace()
    every = 5 if call != "pwrite64" else 23
    campaign.live_and_die(0.5)
    for life in range(3):
        inject = (
            "-o",
            "/dev/null",
            "-e",
            f"trace={call}",
            "-e",
            f"inject={call}:error={error}:when={life + 2}+{every}",
        )
        with campaign.life(ends_itself=True) as pid, attached(pid, inject, is_stopped=False):
            assert says(campaign, "store_error", life + 1), "no call failed"
            time.sleep(campaign.chance.uniform(0, 0.5))
            with suppress(ProcessLookupError):  # it may have ended by itself
                os.kill(pid, signal.SIGKILL)
        assert not campaign.oracle.findings, campaign.oracle.findings
    make_peace(campaign)


def test_a_process_that_sleeps_through_its_fire_times_goes_on(campaign: Campaign) -> None:
    """Stopped past thirty fire times, in the middle of anything, it catches up and doubles nothing (K4, K8)."""
    for _ in range(3):
        with campaign.life() as pid:
            for _ in range(2):
                time.sleep(campaign.chance.uniform(0.2, 0.6))
                os.kill(pid, signal.SIGSTOP)
                time.sleep(1.5)
                os.kill(pid, signal.SIGCONT)
            assert goes_on(campaign, FIRM)
            assert goes_on(campaign, LATE)
    make_peace(campaign)


def test_a_clock_that_jumps_back_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """Set back by seconds or an hour and right again, while it lives and between two lives, it counts the truth.

    Faults: K1, K6.
    """
    faketime = FakeTime(tmp_path)
    with Campaign(tmp_path / "data", 9, environ=faketime.environ) as campaign:
        for jump in (-1, -20, -3600):
            with campaign.life():
                assert goes_on(campaign, FIRM)
                faketime.set(jump)
                time.sleep(0.7)
            campaign.live_and_die(0.5)
            faketime.set(0)
            campaign.live_and_die(0.5)
            assert not campaign.oracle.findings, (jump, campaign.oracle.findings)
        make_peace(campaign)


def test_a_clock_that_runs_ahead_passes_over_nothing(tmp_path: Path) -> None:
    """An hour or a day ahead of the API, it asks for what has not happened, and moves no watermark over it (K1)."""
    faketime = FakeTime(tmp_path)
    with Campaign(tmp_path / "data", 10, environ=faketime.environ) as campaign:
        for jump in (3600, 86_400):
            with campaign.life():
                assert goes_on(campaign, FIRM)
                met = campaign.log().count("reason=clock")
                faketime.set(jump)
                assert says(campaign, "reason=clock", met + 2), "no run met the wrong clock"
            campaign.live_and_die(0.5)
            faketime.set(0)
            campaign.live_and_die(0.5)
            assert not campaign.oracle.findings, (jump, campaign.oracle.findings)
        make_peace(campaign)
