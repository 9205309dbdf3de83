"""A ledger opened to be read, and left as it was.

Owns: how a file is read without a trace, whether its exporter runs or not; what can be said of a file before SQLite
sees it. Must not know: what is read.

A live ledger is read through SQLite's own ``mode=ro`` in one read transaction: the writer goes on beside it, and this
side can neither write nor checkpoint. A ledger that nobody uses and whose log is empty is read ``immutable``: no lock,
no ``-shm``. One with a log (or a journal) needs recovery, which writes, and one whose exporter runs but has not opened
it may be opened at any moment: these are copied, and the copy is read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from timepoint.errors import StoreError
from timepoint.ledger.sqlite import MAGIC, FileFormat, explain

COMPANIONS = ("-wal", "-journal", "-shm")
"""What SQLite may put beside a file, by suffix of its name."""

_PRAGMAS = ("query_only=ON", "trusted_schema=OFF", "cell_size_check=ON", "temp_store=MEMORY", "mmap_size=0")


def companion(path: Path, suffix: str) -> Path:
    """One of the files beside a ledger."""
    return path.with_name(path.name + suffix)


def file_fault(path: Path, file_format: FileFormat) -> str | None:
    """Why the file cannot be a ledger, in a few words; None if SQLite may look at it.

    A file that is not there, or empty, is no fault: it is a ledger yet to be. Reads its first bytes alone.
    """
    try:
        kind = path.lstat().st_mode
        if not stat.S_ISREG(kind):
            return "it is a symbolic link, which is not followed" if stat.S_ISLNK(kind) else "it is no plain file"
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
    except FileNotFoundError:
        head = None
    except OSError as error:
        return f"it cannot be read: {error.strerror or error}"
    if not head:
        what = "not there" if head is None else "empty"
        has_log = _size(companion(path, "-wal"))
        return f"it is {what}, and its log {companion(path, '-wal').name} holds something" if has_log else None
    if head == MAGIC or _size(companion(path, "-journal")):  # a journal: its making was cut short, SQLite empties it
        return None
    return f"it is no {file_format.name}, or its first page is damaged"


@contextmanager
def opened_to_read(path: Path, *, in_use: bool) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing, in one read transaction. ``in_use`` says that an exporter may have it open.

    Raises StoreError, also for an sqlite3.Error of the block.
    """
    try:
        with contextlib.ExitStack() as stack:
            yield stack.enter_context(_connected(*_choose(path, stack, in_use=in_use)))
    except sqlite3.Error as error:
        raise StoreError(explain(error, path)) from error


def _choose(path: Path, stack: contextlib.ExitStack, *, in_use: bool) -> tuple[Path, str]:
    """Which file is opened, and how. ``-shm`` is there as long as somebody has the ledger open."""
    shared = companion(path, "-shm")
    live = (path, "mode=ro")
    if in_use and shared.exists():
        return live
    if in_use or any(_size(companion(path, suffix)) for suffix in ("-wal", "-journal")):
        copy = stack.enter_context(_copied(path))
        was_opened = in_use and shared.exists()  # while it was copied: then the copy may be torn
        return live if was_opened else (copy, "mode=rw")
    return path, "immutable=1"


@contextmanager
def _connected(path: Path, how: str) -> Iterator[sqlite3.Connection]:
    uri = f"{path.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5.0)) as connection:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        yield connection


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    try:
        with tempfile.TemporaryDirectory(prefix="timepoint-") as directory:
            copy = Path(directory) / path.name
            for suffix in ("", "-wal", "-journal"):
                if companion(path, suffix).exists():
                    shutil.copyfile(companion(path, suffix), companion(copy, suffix))
            yield copy
    except OSError as error:
        raise StoreError(
            f"{path}: its log makes a copy needed, which could not be made ({error.strerror or error}): "
            f"see that {tempfile.gettempdir()} has room, or set TMPDIR"
        ) from error


def _size(path: Path) -> int:
    try:
        return os.stat(path, follow_symlinks=False).st_size  # noqa: PTH116  # what a link names is not asked
    except OSError:
        return 0
