"""Facts about the process that serves.

Owns: reading them from the operating system, from ``/proc`` where there is one. A fact that the system does not tell is
None and left off the page; nothing is estimated. Must not know: how they are named or shown.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_OPEN_FILES = (Path("/proc/self/fd"), Path("/dev/fd"))


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What the process costs. Seconds (since the epoch for ``start_time``), bytes, counts."""

    cpu_seconds: float
    start_time: float | None = None
    resident_memory: int | None = None
    virtual_memory: int | None = None
    open_fds: int | None = None
    max_fds: int | None = None


@dataclass(frozen=True, slots=True)
class PythonFacts:
    """The interpreter, in the words of prometheus_client's ``python_info``."""

    implementation: str
    major: str
    minor: str
    patchlevel: str
    version: str


def read_process(start_time: float | None, proc: Path = _PROC) -> ProcessFacts:
    """The facts of now. ``start_time`` is what ``read_start_time`` gave; it does not change."""
    virtual, resident = _memory(proc)
    return ProcessFacts(
        cpu_seconds=time.process_time(),
        start_time=start_time,
        resident_memory=resident,
        virtual_memory=virtual,
        open_fds=_open_fds(),
        max_fds=_max_fds(),
    )


def read_start_time(proc: Path = _PROC) -> float | None:
    """When this process started, seconds since the epoch. Source: proc(5), ``/proc/[pid]/stat`` field 22."""
    try:
        boot = next(line for line in (proc / "stat").read_text("ascii").splitlines() if line.startswith("btime"))
        fields = (proc / "self" / "stat").read_text("ascii", errors="replace").rpartition(")")[2].split()
        return float(boot.split()[1]) + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def read_python() -> PythonFacts:
    """The interpreter that runs this process."""
    major, minor, patchlevel = platform.python_version_tuple()
    return PythonFacts(platform.python_implementation(), major, minor, patchlevel, platform.python_version())


def _memory(proc: Path) -> tuple[int | None, int | None]:
    """Virtual and resident size in bytes. Source: proc(5), ``/proc/[pid]/statm``."""
    try:
        size, resident = (proc / "self" / "statm").read_text("ascii").split()[:2]
        page = os.sysconf("SC_PAGE_SIZE")
        return int(size) * page, int(resident) * page
    except (OSError, ValueError):
        return None, None


def _open_fds() -> int | None:
    for directory in _OPEN_FILES:
        try:
            return len(os.listdir(directory)) - 1  # noqa: PTH208 - counting names; less one for the listing itself
        except OSError:
            continue
    return None


def _max_fds() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft
