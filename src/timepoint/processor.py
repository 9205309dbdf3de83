"""How long a process, or one thread of it, has worked.

Owns: asking the kernel. Must not know: why somebody wants to know.
"""

from __future__ import annotations

import os
from pathlib import Path


def processor_time(process: int, thread: int | None = None) -> float | None:
    """Seconds of processor time so far, in steps of 10 ms; None where the system does not tell, or nobody is there.

    ``thread`` is a native number. Source: proc(5), ``/proc/[pid]/stat``, fields 14 and 15.
    """
    place = Path("/proc", str(process), *(("task", str(thread)) if thread is not None else ()), "stat")
    try:
        fields = place.read_text("ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None
