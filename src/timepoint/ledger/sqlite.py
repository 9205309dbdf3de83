"""SQLite as a durable file: open, migrate, transact, checkpoint, explain.

Owns: pragmas, versions, file modes, the log's size, and what an SQLite error means to the person who must act.
Must not know: what is stored. No word of the domain stands here.

One connection, used from one thread at a time, opened after any fork. It writes and checkpoints alone: two connections
that do so at once can corrupt a file before SQLite 3.51.3 (the WAL reset bug).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from timepoint.errors import DataDirectoryError, StoreError
from timepoint.failpoints import failpoint

MAGIC = b"SQLite format 3\x00"
PASSIVE_ABOVE = 4 * 1024 * 1024
TRUNCATE_ABOVE = 64 * 1024 * 1024

_PRAGMAS = (
    "foreign_keys=ON",
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "temp_store=MEMORY",
    "mmap_size=0",  # an I/O error is then an error and not a signal
    "cache_size=-16384",  # KiB
)

_ADVICE = {
    "SQLITE_BUSY": "another process holds it; only one exporter may use a data directory",
    "SQLITE_LOCKED": "another process holds it; only one exporter may use a data directory",
    "SQLITE_FULL": "the disk is full; free some space, nothing that was committed is lost",
    "SQLITE_READONLY": "it cannot be written; check owner, mode and mount of the file and its directory",
    "SQLITE_PERM": "it cannot be opened; check owner and mode of the file and its directory",
    "SQLITE_CANTOPEN": "it cannot be opened; check that the directory exists and may be written",
    "SQLITE_CORRUPT": "it is damaged; keep a copy of it with its -wal file, then restore a backup or move both away",
    "SQLITE_NOTADB": "it is no SQLite file, or its first page is damaged; restore a backup or name another directory",
    "SQLITE_IOERR": "the disk failed; see the kernel's log before you go on",
}


@dataclass(frozen=True, slots=True)
class FileFormat:
    """What a file must be. ``migrations[n]`` are the statements that bring version n to version n + 1."""

    name: str
    application_id: int
    migrations: Sequence[Sequence[str]]

    @property
    def version(self) -> int:
        return len(self.migrations)


def explain(error: sqlite3.Error, path: Path) -> str:
    """One sentence: which file, what is wrong, what to do. Source: SQLite, "Result and Error Codes"."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for code, advice in _ADVICE.items():
        if name.startswith(code):
            return f"{path}: {advice} ({error})"
    return f"{path}: SQLite says: {error}"


class Database:
    """A file in WAL mode with ``synchronous=FULL``: what was committed survives a power cut.

    The constructor raises DataDirectoryError, everything else StoreError. After an error within a transaction the
    connection is given up, since the outcome of a failed commit is not known; the next use opens a new one.
    """

    def __init__(self, path: Path, file_format: FileFormat, busy_timeout: int) -> None:
        self.path = path
        self.checkpoint_failures = 0
        self._format = file_format
        self._busy_timeout = busy_timeout
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        _prepare_file(path, file_format)
        self._connection = self._open()

    def connection(self) -> sqlite3.Connection:
        """The connection, opened anew if the last one was given up. Raises StoreError if the file is another one."""
        if self._connection is None:
            self._require_same_file()
            try:
                self._connection = self._open()
            except DataDirectoryError as error:
                raise StoreError(str(error)) from error
        return self._connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one state. sqlite3.Error becomes StoreError."""
        connection = self.connection()
        with self._transaction(connection, "BEGIN"):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed and synced when the block ends, rolled back if it raises.

        sqlite3.Error becomes StoreError. Checkpoints afterwards if the log has grown.
        """
        connection = self.connection()
        self._require_same_file()
        with self._transaction(connection, "BEGIN IMMEDIATE"):
            yield connection
        self._checkpoint_if_large(connection)

    @contextmanager
    def _transaction(self, connection: sqlite3.Connection, begin: str) -> Iterator[None]:
        try:
            connection.execute(begin)
            yield
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self.give_up()
            raise StoreError(explain(error, self.path)) from error
        except BaseException:
            _roll_back(connection)
            raise

    def quick_check(self) -> None:
        """Reads the whole file. Raises DataDirectoryError if it is damaged."""
        try:
            findings = [row[0] for row in self.connection().execute("PRAGMA quick_check(3)")]
        except sqlite3.Error as error:
            raise DataDirectoryError(explain(error, self.path)) from error
        if findings != ["ok"]:
            raise DataDirectoryError(f"{self.path}: {_ADVICE['SQLITE_CORRUPT']} ({'; '.join(findings)})")

    def vacuum(self) -> None:
        """Writes the file anew without its free pages, all of it once through the log. Raises StoreError."""
        connection = self.connection()
        self._require_same_file()
        try:
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            self.give_up()
            raise StoreError(explain(error, self.path)) from error

    def give_up(self) -> None:
        """Closes the connection, whatever state it is in; what was not committed is rolled back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        """Moves the log into the file and closes. Raises StoreError; the file is then as safe as before."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            raise StoreError(explain(error, self.path)) from error
        finally:
            with suppress(sqlite3.Error):
                connection.close()

    def _open(self) -> sqlite3.Connection:
        try:
            # The caller keeps threads apart; a lock inside sqlite3 would only hide it if he did not.
            connection = sqlite3.connect(
                self.path, timeout=self._busy_timeout / 1000, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise DataDirectoryError(explain(error, self.path)) from error
        try:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            _migrate(connection, self.path, self._format)
            _use_log(connection, self.path)
            self._identity = _identity(self.path)
        except sqlite3.Error as error:
            connection.close()
            raise DataDirectoryError(explain(error, self.path)) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _require_same_file(self) -> None:
        """A file that was removed or replaced takes commits and loses them: refuse before."""
        try:
            same = _identity(self.path) == self._identity
        except OSError as error:
            self.give_up()
            raise StoreError(f"{self.path}: it is gone ({error.strerror}); restart to begin a new one") from error
        if not same:
            self.give_up()
            raise StoreError(f"{self.path}: another file has taken its place; restart to use that one")

    def _checkpoint_if_large(self, connection: sqlite3.Connection) -> None:
        try:
            size = os.stat(f"{self.path}-wal").st_size  # noqa: PTH116  # a suffix, not a path to join
        except OSError:
            return
        if size <= PASSIVE_ABOVE:
            return
        mode = "TRUNCATE" if size > TRUNCATE_ABOVE else "PASSIVE"
        failpoint("before_checkpoint")
        try:
            # A reader keeps the log from being emptied. It is tried again after the next commit; to wait for it here
            # would cost each commit the whole time for which another process is waited for.
            connection.execute("PRAGMA busy_timeout=0")
            connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
            connection.execute(f"PRAGMA busy_timeout={self._busy_timeout}")
        except sqlite3.Error:
            # The commit before it stands in the log, synced. A new connection tries again after the next one.
            self.checkpoint_failures += 1
            self.give_up()
        failpoint("after_checkpoint")


def _use_log(connection: sqlite3.Connection, path: Path) -> None:
    mode = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise DataDirectoryError(
            f"{path}: its file system has no shared memory, so SQLite keeps journal mode {mode}; "
            "put the data directory on a local disk"
        )
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite may have rolled back by itself
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _prepare_file(path: Path, file_format: FileFormat) -> None:
    """Creates the file with mode 0600 if it is not there; refuses links, other kinds of file and foreign content.

    Closed again before SQLite opens it: closing any descriptor of a file drops all of a process's locks on it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirectoryError(f"{path}: {_why_not_opened(error)}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DataDirectoryError(f"{path}: it is no plain file; move it away or name another directory")
        head = os.pread(descriptor, len(MAGIC), 0)
        if head and head != MAGIC and not _has_journal(path):
            raise DataDirectoryError(
                f"{path}: it is no {file_format.name}, or its first page is damaged; "
                "restore a backup, or move it away to begin a new one"
            )
        log = path.with_name(path.name + "-wal")
        if not head and log.exists() and log.stat().st_size:
            raise DataDirectoryError(
                f"{path}: the file is empty but {log.name} is not: the file was lost and its log was not; "
                "restore a backup, or move both away to begin anew"
            )
        if head and stat.S_IMODE(found.st_mode) & 0o077:
            with suppress(OSError):  # another owner: then the mode is that owner's business
                os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _has_journal(path: Path) -> bool:
    """Whether a transaction of before the log's time was cut short, as only the making of the file can be.

    A power cut may then leave later pages and not the first; SQLite empties the file again when it opens it.
    """
    try:
        return path.with_name(path.name + "-journal").stat().st_size > 0
    except OSError:
        return False


def _why_not_opened(error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "it is a symbolic link, which is not followed; put the file itself there"
    if error.errno == errno.EISDIR:
        return "it is a directory; move it away or name another data directory"
    return f"it cannot be opened: {error.strerror}; check owner and mode of the file and its directory"


def _migrate(connection: sqlite3.Connection, path: Path, file_format: FileFormat) -> None:
    """Brings the file to the newest version in one transaction, or refuses it untouched."""
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    is_blank = not version and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application_id != file_format.application_id and not (application_id == 0 and is_blank):
        raise DataDirectoryError(
            f"{path}: it is an SQLite file of another program (application id {application_id}); "
            "name another data directory"
        )
    if version > file_format.version:
        raise DataDirectoryError(
            f"{path}: a newer release wrote it (version {version}, this one knows {file_format.version}); "
            "use that release or a newer one"
        )
    if version == file_format.version:
        return
    # A table that is made anew under its name would else take all rows along that refer to it. Has no effect within a
    # transaction. Source: SQLite, "Making Other Kinds Of Table Schema Changes".
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute("BEGIN IMMEDIATE")
    for statements in file_format.migrations[version:]:
        for statement in statements:
            connection.execute(statement)
            failpoint("in_migration")
    connection.execute(f"PRAGMA application_id={file_format.application_id}")
    connection.execute(f"PRAGMA user_version={file_format.version}")
    connection.execute("COMMIT")
    connection.execute("PRAGMA foreign_keys=ON")
