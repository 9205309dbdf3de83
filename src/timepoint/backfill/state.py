"""The directory of a backfill: what was asked for, and a ledger of its own.

Owns: that a directory belongs to one backfill at a time and to one order. Must not know: jobs, samples.

    lock, ledger.sqlite     as in a data directory
    order.json              what was asked for, and what of it was settled at the first start
    spool/                  samples on their way into files
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from timepoint.datadir import DataDirectory, Layout
from timepoint.durable import replacing
from timepoint.errors import BackfillError, StoreError


class Order(msgspec.Struct, frozen=True):
    """What was asked for: from what it follows which samples come out, so it is the same at each start.

    ``start``, ``end`` and ``span`` are as they were said. ``target`` names who gets it. ``labels`` are added.
    """

    start: int
    end: int | None
    span: int | None
    jobs: list[str]
    metrics: list[str]
    target: str
    labels: dict[str, str] = {}

    def mark(self) -> str:
        """A few characters by which one order is told from another."""
        return blake2b(msgspec.json.encode(self), digest_size=4).hexdigest()


class Kept(msgspec.Struct):
    """``ends`` and ``meets_live`` are by job: live polling may begin meanwhile. ``is_done``: all of it was loaded."""

    order: Order
    ends: dict[str, int]
    meets_live: dict[str, bool]
    is_done: bool = False


@dataclass(slots=True)
class State:
    """A directory that this process holds until it is closed."""

    path: Path
    kept: Kept | None = None
    _data: DataDirectory | None = field(default=None, repr=False)

    @classmethod
    def open(cls, path: Path, order: Order) -> Self:
        """Raises BackfillError if another order stands there, DataDirectoryError if another process uses it."""
        data = DataDirectory(path)
        state = cls(path, None, data)
        try:
            state.kept = state._read()
            state._compare(order)
        except BaseException:
            data.close()
            raise
        return state

    @property
    def ledger(self) -> Path:
        return Layout(self.path).ledger

    @property
    def spool(self) -> Path:
        return self.path / "spool"

    def keep(self, kept: Kept) -> None:
        """Makes durable what was settled. Raises StoreError."""
        path = self.path / "order.json"
        try:
            with replacing(path) as file:
                file.write(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}") from error
        self.kept = kept

    def _compare(self, order: Order) -> None:
        if self.kept is not None and self.kept.order != order:
            raise BackfillError(
                f"{self.path} holds another backfill ({_told(self.kept.order, order)}): finish that one by the same"
                " command, remove the directory, or choose another output"
            )

    def _read(self) -> Kept | None:
        path = self.path / "order.json"
        try:
            return msgspec.json.decode(path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError) as error:
            raise BackfillError(f"{path} cannot be read ({error}): remove {self.path} and begin anew") from error

    def close(self) -> None:
        if self._data is not None:
            self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _told(known: Order, wanted: Order) -> str:
    """What differs, in words."""
    there, here = msgspec.to_builtins(known), msgspec.to_builtins(wanted)
    return ", ".join(
        f"{name} {_shown(there[name])}, not {_shown(here[name])}" for name in there if there[name] != here[name]
    )


def _shown(value: Any) -> str:
    return json.dumps(value)
