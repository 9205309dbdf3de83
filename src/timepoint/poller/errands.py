"""Errands: what a command asks of the exporter that runs, by files in its data directory.

Owns: the form of an errand and of what came of it, and the order in which files appear. Must not know: what an errand
does to the ledger, the command line.

While the exporter runs the ledger is its own. A command that wants it changed leaves ``NAME.errand``; the poller looks
every two seconds, does it, and leaves ``NAME.done`` in its place, which the command takes away. The directory belongs
to the user who runs the exporter, as all of the data directory does. What came of an errand and was not fetched is
taken away after an hour.
"""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from timepoint.errors import DataDirectoryError
from timepoint.remote_write.letters import Choice, Deed

DIRECTORY = "errands"
_KEPT = 3600.0  # seconds
_MOST = 4 * 1024 * 1024  # bytes; the numbers of 100,000 letters are one


@dataclass(frozen=True, slots=True)
class Errand:
    """One errand: what is to be done with which dead letters."""

    path: Path
    deed: Deed
    choice: Choice

    def close(self, done: int, error: str = "") -> None:
        """Says what came of it: with how many letters it was done. Raises OSError."""
        _write(self.path.with_suffix(".done"), {"done": done, "error": error})
        self.path.unlink(missing_ok=True)


def waiting(directory: Path) -> Iterator[Errand]:
    """The errands in a directory, which need not be there. What is none is taken away."""
    for path in sorted(directory.glob("*.errand")):
        try:
            yield _errand(path)
        except (OSError, ValueError, TypeError, KeyError):
            with contextlib.suppress(OSError):
                path.unlink()


def tidy(directory: Path, now: float) -> None:
    """Takes away what nobody fetched. ``now`` in seconds since 1970, as files have it."""
    for path in directory.glob("*.*"):
        with contextlib.suppress(OSError):
            if path.suffix != ".errand" and path.stat().st_mtime < now - _KEPT:
                path.unlink()


def ask(directory: Path, deed: Deed, choice: Choice, pause: Callable[[], bool]) -> int:
    """Leaves an errand and waits until it is done: with how many letters.

    ``pause`` waits a moment and says whether to go on waiting. Raises DataDirectoryError if it cannot be left, if
    nobody did it, or with what the exporter says.
    """
    path = directory / f"{uuid.uuid4().hex}.errand"
    done = path.with_suffix(".done")
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        _write(path, {"deed": deed.value, **asdict(choice)})
    except OSError as error:
        raise DataDirectoryError(f"{directory}: no errand can be left here: {error.strerror or error}") from error
    while not done.exists():
        if not pause():
            with contextlib.suppress(OSError):
                path.unlink()
            raise DataDirectoryError(f"the exporter that holds {directory.parent} has not answered: see its log")
    answer = json.loads(done.read_text("utf-8"))
    done.unlink(missing_ok=True)
    if answer["error"]:
        raise DataDirectoryError(answer["error"])
    return int(answer["done"])


def _errand(path: Path) -> Errand:
    with path.open("rb") as file:
        said: dict[str, Any] = json.loads(file.read(_MOST))
    choice = Choice(str(said["receiver"]), str(said["reason"]), tuple(map(int, said["numbers"])))
    return Errand(path, Deed(said["deed"]), choice)


def _write(path: Path, content: dict[str, Any]) -> None:
    """Nobody sees half of it."""
    beside = path.with_name(f"{path.name}.new")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(content, file)
    beside.replace(path)
