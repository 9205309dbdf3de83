"""What the tests of this room share."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.remote_write.building import Scene
from timepoint.errors import StoreError
from timepoint.ledger.outbox_rows import enqueue, family_id, receiver_id, stored
from timepoint.ledger.sqlite_outbox import SqliteOutbox
from timepoint.ledger.store import open_store
from timepoint.model import FamilySpec, series_text
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import Outbox, OutSeries

LETTERS = 5


class Filled(NamedTuple):
    """An outbox, how samples get into it, and what a restart leaves of it."""

    outbox: Outbox
    enqueue: Callable[[Iterable[str], Iterable[Any]], None]
    reopened: Callable[[], Outbox]


def _memory() -> Filled:
    outbox = MemoryOutbox(max_letters=LETTERS)
    return Filled(outbox, outbox.enqueue, lambda: outbox)


class SqliteKind:
    """A ledger's outbox in a directory of its own, into which samples come beside any run."""

    def __init__(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self._path = Path(directory.name) / "ledger.sqlite"
        self._open()
        self._end = weakref.finalize(self, directory.cleanup)

    def _open(self) -> None:
        self.store = open_store(self._path)
        weakref.finalize(self.store, _close, self.store._database.close)
        self.outbox = SqliteOutbox(self.store._reading, self.store._writing, LETTERS)

    def enqueue(self, receivers: Iterable[str], samples: Iterable[Any]) -> None:
        """Lets samples wait for each of some receivers."""
        listed = [(*sample, None)[:4] for sample in samples]
        with self.store._writing() as connection:
            lives = {(of, start): _life(connection, of, start) for of, _, _, start in listed}
            rows = [(at, lives[of, start], stored(value)) for of, at, value, start in listed]
            for receiver in receivers:
                enqueue(connection, receiver_id(connection, receiver), rows)

    def reopened(self) -> SqliteOutbox:
        """What a crash and a start leave."""
        self.store._database.give_up()
        self._open()
        return self.outbox


def _close(close: Callable[[], None]) -> None:
    with suppress(StoreError):
        close()


def _life(connection: Any, of: OutSeries, start: int | None) -> int:
    labels = dict(of.labels)
    name = labels.pop("__name__")
    family = family_id(connection, FamilySpec(name, of.type, of.help, of.unit))
    connection.execute(
        "INSERT OR IGNORE INTO out_series (id, family_id, text) VALUES (?, ?, ?)",
        (of.id, family, series_text(labels, name)),
    )
    found = connection.execute("SELECT id FROM life WHERE out_series_id = ? AND start IS ?", (of.id, start)).fetchone()
    if found is not None:
        return int(found[0])
    return int(connection.execute("INSERT INTO life (out_series_id, start) VALUES (?, ?)", (of.id, start)).lastrowid)


def _sqlite() -> Filled:
    kind = SqliteKind()
    return Filled(kind.outbox, kind.enqueue, kind.reopened)


KINDS: dict[str, Callable[[], Filled]] = {"memory": _memory, "sqlite": _sqlite}
"""Every implementation of the outbox, each keeping five dead letters at most; the contract tests run on all of them."""


@pytest.fixture(params=list(KINDS))
def filled(request: pytest.FixtureRequest) -> Filled:
    """Each kind of outbox, empty."""
    return KINDS[request.param]()


@pytest.fixture
def scene() -> Scene:
    """A sender and a strict receiver of 1.0."""
    return Scene()
