"""What the process costs, and what it gives back."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from timepoint.poller.process import give_back_memory, read_process, read_process_and_ledger


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told to")
def test_memory_that_is_free_between_what_lives_on_is_given_back() -> None:
    """Of 40 MB in small blocks, of which one in a thousand stays, the process keeps less than half."""
    blocks = [bytes(2000) for _ in range(20_000)]
    kept = blocks[::1000] + blocks[-1:]
    del blocks
    before = read_process().resident_memory
    assert give_back_memory()
    after = read_process().resident_memory
    assert before is not None
    assert after is not None
    assert before - after > 20_000_000
    assert len(kept) == 21


def test_d14_the_sizes_of_the_ledger_are_told(tmp_path: Path) -> None:
    """D14: file and log are told in bytes; one that is not there is told by no number."""
    ledger = tmp_path / "ledger.sqlite"
    ledger.write_bytes(b"x" * 100)
    cost = read_process_and_ledger(ledger, lambda: 1.5)
    assert (cost.ledger_size, cost.log_size, cost.longest_stall) == (100, None, 1.5)
    ledger.with_name("ledger.sqlite-wal").write_bytes(b"x" * 30)
    assert read_process_and_ledger(ledger, lambda: 1.5).log_size == 30
