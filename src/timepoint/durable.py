"""Files that are replaced whole, and names of files that outlast a power cut.

Owns: how a file is replaced so that a reader finds the old one or the new one, and how a directory is synced. Must not
know: what the files are.

A file that is synced and renamed has its content on the disk, but not yet its name: that stands in the directory.
Source: fsync(2), "Calling fsync() does not necessarily ensure that the entry in the directory containing the file has
also reached disk".
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def _pass(_point: str) -> None:
    """Nobody is told."""


@contextlib.contextmanager
def replacing(path: Path, *, is_synced: bool = True, passing: Callable[[str], None] = _pass) -> Iterator[BinaryIO]:
    """A new file, mode 0600, that takes the place of ``path`` at the end of the block, unless the block raises.

    It stands beside ``path`` as ``NAME.new`` meanwhile. One writer at a time: what lies there is of a crash. With
    ``is_synced`` the file and its name are on the disk in the end; without, a power cut may bring the old one back, or
    half of the new one. ``passing`` is called with the name of each failpoint on the way. Raises OSError.
    """
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - the mode is given when the file is made
            yield file
            file.flush()
            if is_synced:
                os.fsync(file.fileno())
        passing("before_rename")
        beside.replace(path)
        passing("after_rename")
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    if is_synced:
        sync_directory(path.absolute().parent)


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
