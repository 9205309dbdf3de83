"""What a sender meets besides kills, with whole processes: clocks, a dead receiver beside a live one, a full disk."""

from __future__ import annotations

import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.proof.faults import FakeTime, fill, goes_on, says, small_disk
from tests.proof.oracle import FIRM
from tests.proof.remote.campaign import RemoteCampaign
from tests.proof.remote.receivers import KINDS
from tests.proof.remote.truth import NAME
from tests.system.support import wait_for
from timepoint.clock import DAY, HOUR, SECOND, SystemClock
from timepoint.ledger.store import open_store

pytestmark = pytest.mark.system

STRICT = KINDS["strict"]
SLOW = 24
"""An interval is 1.2 s long: a clock that is faked costs a file for each look at it."""


def sends(loop: RemoteCampaign) -> int:
    """How many requests with samples have come."""
    return sum(bool(passed.keys) for passed in loop.proxy.passed)


def asks(loop: RemoteCampaign) -> int:
    """How many requests without samples have come, which ask for the receiver's time."""
    return sum(not passed.keys for passed in loop.proxy.passed)


def come_up(loop: RemoteCampaign) -> None:
    """No more faults: one life in which something fresh arrives; then ledger and receiver agree about all samples."""
    loop.proxy.peace = True
    since = SystemClock().now()
    with loop.life():
        wait_for("a fresh sample with the receiver", lambda: loop.newest() > since)
    loop.ask_receiver()
    assert not loop.oracle.findings + loop.proxy.findings, loop.oracle.findings + loop.proxy.findings


def wait_for_sends(loop: RemoteCampaign) -> None:
    """Waits until some more have."""
    since = sends(loop)
    wait_for("samples to leave", lambda: sends(loop) > since + 2)


def test_w16_q17_nothing_leaves_by_a_wrong_clock_and_nothing_is_given_up(tmp_path: Path) -> None:
    """Three hours ahead, a day behind: requests stop, no sample is buried, and in the end all is there."""
    faketime = FakeTime(tmp_path)
    with RemoteCampaign(tmp_path / "data", 12, STRICT, environ=faketime.environ, unit=SLOW) as loop:
        for jump in (3 * HOUR, -DAY):
            with loop.life():
                wait_for_sends(loop)
                asked = asks(loop)
                faketime.set(jump // SECOND)
                # Who sends has seen the jump when it asks for the time; it does not if nothing waits.
                with suppress(AssertionError):
                    wait_for("the receiver to be asked for its time", lambda asked=asked: asks(loop) > asked, 10)  # type: ignore[misc]
                held = sends(loop)
                time.sleep(2)  # in which something could leave
                assert sends(loop) == held, f"samples left by a clock that is {jump} ms wrong"
            faketime.set(0)
            loop.live_and_die(0.5)
            assert not loop.oracle.findings, (jump, loop.oracle.findings)
        come_up(loop)


def test_w13_a_dead_receiver_beside_a_live_one(tmp_path: Path) -> None:
    """The live one has all of it through kills; of the other nothing is lost and nothing is sent."""
    gone = '  - {name: gone, url: "http://127.0.0.1:1/api/v1/write", remote_timeout: 1s}'
    with RemoteCampaign(tmp_path / "data", 13, STRICT, more=gone, unit=SLOW) as loop:
        for _ in range(8):
            loop.live_and_die(0.5)
        come_up(loop)
    with closing(open_store(loop.layout.ledger)) as store:
        live, dead = store.outbox.counts(NAME), store.outbox.counts("gone")
    assert (dead.acknowledged, dead.enqueued) == (0, live.enqueued)
    assert dead.is_balanced
    assert dead.pending > live.pending


def test_a_full_disk_loses_no_sample(tmp_path: Path) -> None:
    """While nothing can be written nothing is lost or given up; when there is room again all goes on."""
    with small_disk(tmp_path / "data", 8192) as disk, RemoteCampaign(disk, 14, STRICT, unit=SLOW) as loop:
        with loop.life():
            assert goes_on(loop, FIRM)
            ballast = fill(disk)
            assert says(loop, "the disk is full", 1), "the disk was not full"
            time.sleep(1)
            ballast.unlink()
            assert goes_on(loop, FIRM), "it does not go on when there is room again"
        loop.live_and_die(0.5)
        come_up(loop)
