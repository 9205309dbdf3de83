"""History as files: one document for each day of UTC, complete as soon as it has its name.

Owns: when a day is complete, how it comes to stand in its directory. Must not know: the shape of a document, jobs.

    commit of a window      its samples are in the spool, synced, before
    a day is complete       once all lanes of all jobs have passed its end: then it is written, synced, renamed, and
                            taken from the spool. A crash in between writes the same bytes again
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from timepoint.backfill.leaving import columns_of, not_before
from timepoint.backfill.spool import Day, Key, Spool, day_name, sync_directory
from timepoint.clock import DAY
from timepoint.errors import StoreError
from timepoint.failpoints import failpoint
from timepoint.ledger.change import ChangeSet
from timepoint.model import FamilySpec


class WriteDay(Protocol):
    """Writes all samples of a day of the spool."""

    def __call__(
        self, file: BinaryIO, day: Day, families: Mapping[str, FamilySpec], added: Mapping[str, str]
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of document: the end of its name, and how it is written."""

    suffix: str
    write_day: WriteDay


class DayFiles:
    """The files of one backfill. Everything here runs in the worker.

    ``end`` is the newest instant there can be, ``start`` the oldest. ``added`` are labels that each series gets.
    """

    def __init__(
        self,
        directory: Path,
        spool: Spool,
        shape: Shape,
        families: Mapping[str, FamilySpec],
        added: Mapping[str, str],
        *,
        start: int,
    ) -> None:
        self._directory = directory
        self._spool = spool
        self._shape = shape
        self._families = families
        self._added = added
        self._open_from = start // DAY * DAY
        self.samples = 0
        self.written: list[Path] = []

    def keep(self, versions: Mapping[tuple[str, str], int], reached: int) -> None:
        """Takes up a backfill that was interrupted. ``versions`` are those of the lanes by job and lane."""

        def is_committed(key: Key) -> bool:
            job, lane, version = key
            return version < versions.get((job, lane), 0)

        self._spool.keep(is_committed)
        self._open_from = max(self._open_from, reached // DAY * DAY)
        for day in self._spool.closing():
            self._write(day)

    def take(self, change_sets: Sequence[ChangeSet]) -> None:
        """Keeps what leaves with change sets. Raises StoreError."""
        for change_set in change_sets:
            columns = columns_of(change_set)
            key = (change_set.job, change_set.lane, change_set.version)
            if any(columns.values()):
                self.samples += self._spool.append(key, not_before(columns, self._open_from))

    def complete(self, reached: int, *, is_end: bool = False) -> None:
        """Writes each day that all have passed; at the end what is left. Raises StoreError."""
        for number in self._spool.days():
            if is_end or (number + 1) * DAY <= reached:
                part = 1
                while self._path(number, part).exists():
                    part += 1
                self._write(self._spool.close(number, part))
        self._open_from = max(self._open_from, reached // DAY * DAY)

    def _path(self, number: int, part: int) -> Path:
        more = f"-{part}" if part > 1 else ""
        return self._directory / f"{day_name(number)}{more}{self._shape.suffix}"

    def _write(self, day: Day) -> None:
        path = self._path(day.number, day.part)
        temporary = path.with_name(path.name + ".part")
        try:
            with temporary.open("wb") as file:
                self._shape.write_day(file, day, self._families, self._added)
                file.flush()
                os.fsync(file.fileno())
            failpoint("before_rename")
            temporary.replace(path)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}: what was loaded so far is kept") from error
        failpoint("after_rename")
        sync_directory(self._directory)
        self._spool.drop(day)
        self.written.append(path)
