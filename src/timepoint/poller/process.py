"""What the poller's process costs, and giving back what it no longer needs.

Owns: reading that from the operating system, the allocator of the C library. Must not know: metrics.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from timepoint.poller.cost_metrics import ProcessCost

_PROC = Path("/proc/self")


def read_process() -> ProcessCost:
    """The cost of now. Source: proc(5), ``/proc/[pid]/statm`` and ``/proc/[pid]/fd``; None where there is no /proc."""
    try:
        resident = int((_PROC / "statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        open_fds = len(os.listdir(_PROC / "fd")) - 1  # noqa: PTH208 - counting names; less one for the listing itself
    except (OSError, ValueError, IndexError):
        return ProcessCost(time.process_time())
    return ProcessCost(time.process_time(), resident, open_fds)


def read_process_and_ledger(ledger: Path, longest_stall: Callable[[], float]) -> ProcessCost:
    """The cost of now, with the sizes of the ledger's files, None for one that is not there."""
    log = ledger.with_name(f"{ledger.name}-wal")
    return replace(read_process(), longest_stall=longest_stall(), ledger_size=_size(ledger), log_size=_size(log))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def give_back_memory() -> bool:
    """Gives free memory back to the system; False if there was none, or the C library has no word for it.

    glibc keeps what was freed between what lives on: 6 of 42 MB after days of outages and catching up (docs/proof.md).
    Source: malloc_trim(3).
    """
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError):  # another C library
        return False
    return bool(trim(0))
