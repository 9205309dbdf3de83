"""Names of files that outlast a power cut.

Owns: how a directory is synced. Must not know: what the files are.

A file that is synced and renamed has its content on the disk, but not yet its name: that stands in the directory.
Source: fsync(2), "Calling fsync() does not necessarily ensure that the entry in the directory containing the file has
also reached disk".
"""

from __future__ import annotations

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
