"""What a benchmark ran on.

Owns: reading that. Must not know: what is measured.
"""

from __future__ import annotations

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("timepoint-exporter", "msgspec", "isal", "aiohttp", "orjson", "prometheus-client")


def describe() -> dict[str, str]:
    """Date, processor, memory, system, versions, and how busy the machine was."""
    return {
        "date": datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC"),  # noqa: TID251 - the date of a measurement is the machine's
        "processor": f"{_first('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, SQLite {sqlite3.sqlite_version}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
        "load": f"{os.getloadavg()[0]:.2f} before the run (wall clock figures need an idle machine)",
    }


def _first(path: str, key: str) -> str:
    try:
        lines = Path(path).read_text("ascii", errors="replace").splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "unknown")
