"""A refresh token that changes with each use, and the file that keeps it.

Owns: which refresh token is used next, the file (mode 0600, replaced as a whole and synced), and that two who use the
same file take turns. Must not know: how a refresh token becomes an access token.

A server that gives a new refresh token has ended the one before (RFC 9700, 4.14.2), so one that is lost locks us out
until a person grants access again. Before a token is spent a new file is made ready: a directory that cannot be written
is found while nothing is lost yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from timepoint.durable import sync_directory
from timepoint.errors import SourceError, TokenError
from timepoint.request.auth.secrets import MAX_SECRET_FILE, read_secret
from timepoint.request.spec import SecretSource
from timepoint.secret import Secret

_TURN = 0.05  # seconds between two looks whether it is our turn
_PATIENCE = 30.0  # seconds in which whoever has the turn is done


class RefreshTokens:
    """The refresh tokens of a source: the one in the config, and the last one that took its place.

    ``file`` is where that is kept, None if nobody named one: then it lives as long as this process.
    """

    def __init__(self, given: SecretSource, file: SecretSource | None) -> None:
        self._given = given
        self._kept = file
        self._path = file.file if file is not None else None
        self._last: Secret | None = None  # in no file: none is named, or it could not be written

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """While it lasts nobody else who uses the file spends its token: another source, or a ``timepoint preview``.

        Raises TokenError if the file could not take a new token.
        """
        if self._path is None:
            yield
            return
        directory = self._open_directory()
        try:
            await self._wait(directory)
            if self._last is not None:
                self.keep(self._last)
            self._probe()
            yield
        finally:
            os.close(directory)  # which ends the lock

    def candidates(self) -> list[Secret]:
        """The tokens to try, the most promising first. Raises SourceError if there is none."""
        found = [self._last] if self._last is not None else []
        if self._kept is not None and self._path is not None and self._path.exists():
            with contextlib.suppress(SourceError):  # empty or damaged: the one in the config is left
                found.append(read_secret(self._kept))
        try:
            found.append(read_secret(self._given))
        except SourceError:
            if not found:
                raise
        return list(dict.fromkeys(found))

    @property
    def is_kept(self) -> bool:
        """Whether a new refresh token survives this process."""
        return self._path is not None

    def keep(self, token: Secret) -> None:
        """Takes a new refresh token in place of all before. Raises TokenError if its file cannot be written."""
        self._last = token
        if self._path is None:
            return
        try:
            _replace(self._real(), token.reveal())
        except OSError as error:
            raise self._failed(
                f"the new refresh token cannot be written to {self._shown}: {error.strerror}. The one before is spent, "
                "so the new one is being lost: it is held in memory until the exporter stops. Make the file writable"
            ) from None
        self._last = None

    @property
    def _shown(self) -> str:
        return self._kept.shown if self._kept is not None else ""

    def _failed(self, why: str) -> TokenError:
        return TokenError(why, 0.0, may_pass=False)

    def _real(self) -> Path:
        assert self._path is not None, "BUG: there is no file"
        return Path(os.path.realpath(self._path))  # a link stays, what it points to is replaced

    def _open_directory(self) -> int:
        try:
            return os.open(self._real().parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise self._unready(error) from None

    async def _wait(self, directory: int) -> None:
        """Takes the lock on the directory, which needs no file of its own and ends with the process."""
        for _ in range(round(_PATIENCE / _TURN)):
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(_TURN)
            except OSError as error:  # a file system without locks
                raise self._unready(error) from None
            else:
                return
        raise TokenError(f"another process is refreshing {self._shown} and does not end", 0.0, may_pass=True)

    def _probe(self) -> None:
        """Finds out whether a new file could be written, with room for a token."""
        spare = _beside(self._real())
        try:
            _write(spare, b"\0" * MAX_SECRET_FILE)
            spare.unlink()
        except OSError as error:
            raise self._unready(error) from None

    def _unready(self, error: OSError) -> TokenError:
        return self._failed(
            f"the refresh token was not used, since a new one could not be written to {self._shown}: {error.strerror}"
        )


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replace(path: Path, text: str) -> None:
    """Replaces a file as a whole: whatever happens meanwhile, it holds the old text or the new one."""
    new = _beside(path)
    _write(new, text.encode() + b"\n")
    try:
        os.replace(new, path)  # noqa: PTH105 - beside the other calls of os
        sync_directory(path.parent)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
