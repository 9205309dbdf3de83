"""The data directory: where the files of one exporter stand, and the lock that keeps a second one out.

Owns: the layout, the checks before anything is written, the lock.
Must not know: what stands in the files.

    lock                       held by flock for as long as any process of the exporter lives
    ledger.sqlite              the ledger
    quarantine/<time>/         what an operator had moved aside; never read again
    published/                 one checksummed file per job: what it shows; beside it what the status pages tell
    errands/                   what a command asks of the exporter that runs
    backfill/                  how far the loading of history to receivers has come

The lock belongs to the open file, which forked processes share: it is free when the last of them has ended, by whatever
means, and never by deleting a file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from timepoint.clock import Clock, SystemClock
from timepoint.errors import DataDirectoryError, InUseError

# The children of a killed predecessor notice its end within milliseconds, but may be in the middle of a long step.
PATIENCE = 2.0
_RETRY = 0.05

_MOUNTS = Path("/proc/self/mountinfo")
_MOUNT_POINT = 4  # its field
# SQLite's log needs memory that all who open the file share, and the lock needs a kernel that all who take it share.
_ON_A_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "davfs", "ftpfs"})
_ON_A_NETWORK_BY_FUSE = frozenset({"sshfs", "s3fs", "goofys", "gcsfuse", "rclone", "davfs", "davfs2", "glusterfs"})


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in a data directory."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger.sqlite"

    @property
    def quarantine(self) -> Path:
        return self.path / "quarantine"

    @property
    def published(self) -> Path:
        return self.path / "published"


class DataDirectory:
    """A data directory that this process holds. ``close`` lets it go; so does the end of the process.

    The directory is made if it is not there, for its owner alone. Raises DataDirectoryError if it is in use, if others
    may write to it, if it belongs to somebody else, or if it cannot be used.
    """

    def __init__(self, path: Path, *, clock: Clock | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self.layout = Layout(path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _refuse_foreign(path)
            _refuse_remote(path)
            self._fd = os.open(self.layout.lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(path, error) from error
        try:
            _lock(path, self._fd, clock or SystemClock(), sleep)
            self.layout.published.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            os.close(self._fd)
            raise _unusable(path, error) from error
        except DataDirectoryError:
            os.close(self._fd)
            raise

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextlib.contextmanager
def looked_at(layout: Layout) -> Iterator[str | None]:
    """Keeps an exporter from starting while somebody looks, and changes nothing.

    Gives who holds the directory, in words, or None if nobody does. Raises DataDirectoryError if that cannot be seen.
    """
    try:
        fd = os.open(layout.lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        raise _unusable(layout.path, error) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield f"in use by another timepoint{_holder(fd)}"
        else:
            yield None
    finally:
        os.close(fd)


def foreign_fault(path: Path) -> str | None:
    """Why the directory must not be trusted with the ledger; None if it may be."""
    try:
        _refuse_foreign(path)
    except DataDirectoryError as error:
        return str(error)
    return None


def _unusable(path: Path, error: OSError) -> DataDirectoryError:
    hint = (
        " (choose another with --data-dir, or make it writable)" if error.errno in (errno.EACCES, errno.EROFS) else ""
    )
    return DataDirectoryError(f"data directory {str(path)!r} cannot be used: {error.strerror or error}{hint}")


def _refuse_foreign(path: Path) -> None:
    """Whoever may write here may also hand us a file of his choice.

    A directory of root is accepted: volumes of containers belong to root and are open to a group.
    """
    facts = path.stat()
    if not stat.S_ISDIR(facts.st_mode):
        raise DataDirectoryError(f"data directory {str(path)!r} is not a directory")
    if facts.st_uid not in (os.geteuid(), 0):
        raise DataDirectoryError(
            f"data directory {str(path)!r} belongs to user {facts.st_uid}, but timepoint runs as user {os.geteuid()}:"
            " run it as that user, change the owner, or choose another with --data-dir"
        )
    if facts.st_mode & stat.S_IWOTH:
        raise DataDirectoryError(
            f"data directory {str(path)!r} can be written by everybody: take that away (chmod o-w),"
            " or choose another with --data-dir"
        )


def _refuse_remote(path: Path, mounts: Path = _MOUNTS) -> None:
    """A file system on a network loses what SQLite and flock promise. Where nobody tells what it is, it is accepted."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return
    kind = _kind_of(path.resolve(), lines)
    name, _, by = kind.partition(".")
    if kind in _ON_A_NETWORK or (name == "fuse" and by in _ON_A_NETWORK_BY_FUSE):
        raise DataDirectoryError(
            f"data directory {str(path)!r} is on a network ({kind}), where the ledger would be damaged sooner or later:"
            " choose one on a local disk or a block device with --data-dir"
        )


def _kind_of(path: Path, lines: list[str]) -> str:
    """The kind of the file system of a path; of mounts on one place the last is the one that is seen.

    Source: proc(5), /proc/PID/mountinfo.
    """
    found, depth = "", -1
    for line in lines:
        mount, _, rest = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) > _MOUNT_POINT and rest:
            at = Path(_unescaped(fields[_MOUNT_POINT]))
            if path.is_relative_to(at) and len(at.parts) >= depth:
                found, depth = rest.split(" ")[0], len(at.parts)
    return found


def _unescaped(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _lock(path: Path, fd: int, clock: Clock, sleep: Callable[[float], None]) -> None:
    give_up = clock.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= give_up:
                raise InUseError(_in_use(path, fd)) from None
            sleep(_RETRY)
        else:
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
            return


def _in_use(path: Path, fd: int) -> str:
    """The sentence for whoever started a second instance. The process number is what the holder wrote, for people."""
    by = _holder(fd)
    return (
        f"data directory {str(path)!r} is in use by another timepoint{by}: stop it, or choose another with --data-dir"
    )


def _holder(fd: int) -> str:
    holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
    return f" (process {holder})" if holder.isdigit() else ""
