"""Ledgers for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.building import Ledger, counter
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.store import Store, open_store


@pytest.fixture
def ledger() -> Ledger:
    """A lane in memory with one delta counter."""
    return Ledger(MemoryStore(), [counter()])


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of store, empty."""
    kept: Store = MemoryStore() if request.param == "memory" else open_store(tmp_path / "ledger.sqlite", busy_timeout=0)
    yield kept
    kept.close()
