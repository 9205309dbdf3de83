"""What the poller's process costs.

Owns: reading that from the operating system. Must not know: metrics.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from timepoint.poller.selfmetrics import ProcessCost

_PROC = Path("/proc/self")


def read_process() -> ProcessCost:
    """The cost of now. Source: proc(5), ``/proc/[pid]/statm`` and ``/proc/[pid]/fd``; None where there is no /proc."""
    try:
        resident = int((_PROC / "statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        open_fds = len(os.listdir(_PROC / "fd")) - 1  # noqa: PTH208 - counting names; less one for the listing itself
    except (OSError, ValueError, IndexError):
        return ProcessCost(time.process_time())
    return ProcessCost(time.process_time(), resident, open_fds)
