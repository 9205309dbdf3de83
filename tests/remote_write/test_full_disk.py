"""A queue in a ledger on a disk that is full."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.proof.faults import fill, small_disk
from tests.remote_write.building import NOW, series
from tests.remote_write.conftest import SqliteKind
from timepoint.errors import StoreError
from timepoint.remote_write.outbox import Counts, Settlement

RECEIVER = "a"
ROWS, SLICE = 4000, 20


def settle_all(kind: SqliteKind) -> tuple[int, bool]:
    """Acknowledges slice by slice until nothing waits or the disk ends it; how many were settled, and whether all."""
    done = 0
    while rows := kind.outbox.oldest(RECEIVER, SLICE):
        settlement = Settlement(acknowledged=tuple(row.number for row in rows))
        try:
            kind.outbox.settle(RECEIVER, settlement, NOW)
        except StoreError:
            try:
                kind.outbox.settle(RECEIVER, settlement, NOW)  # as a sender does
            except StoreError:
                return done, False
        done += 1
    return done, True


@pytest.mark.parametrize("has_log", [True, False])
def test_d2_what_cannot_be_acknowledged_waits_and_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_log: bool
) -> None:
    """D2: a settlement is whole or an error; none is lost, the sums hold, and with room again all are settled once.

    A failed commit gives the connection up, which moves the log into the file and frees its space: with that much of it
    acknowledging goes on to the end of the queue though the disk stays full.
    """
    with small_disk(tmp_path / "disk", 16 * 1024) as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        kind = SqliteKind()
        kind.enqueue([RECEIVER], [(series(number % SLICE), NOW + number, 1.0) for number in range(ROWS)])
        mode = "PASSIVE" if has_log else "TRUNCATE"
        kind.store._database.connection().execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
        ballast = fill(disk)
        done, is_empty = settle_all(kind)
        counts = kind.outbox.counts(RECEIVER)
        assert counts.is_balanced
        assert counts.acknowledged == done * SLICE
        assert counts.pending == ROWS - done * SLICE
        assert is_empty == has_log
        ballast.unlink()
        settle_all(kind)
        assert kind.outbox.counts(RECEIVER) == Counts(enqueued=ROWS, acknowledged=ROWS)
        kind.store.close()
        kind._end()
