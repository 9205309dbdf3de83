"""What the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

from tests.remote_write.building import Scene
from timepoint.remote_write.memory import MemoryOutbox
from timepoint.remote_write.outbox import Outbox


class Filled(NamedTuple):
    """An outbox, how samples get into it, and what a restart leaves of it."""

    outbox: Outbox
    enqueue: Callable[[Iterable[str], Iterable[Any]], None]
    reopened: Callable[[], Outbox]


def _memory() -> Filled:
    outbox = MemoryOutbox(max_letters=5)
    return Filled(outbox, outbox.enqueue, lambda: outbox)


KINDS: dict[str, Callable[[], Filled]] = {"memory": _memory}
"""Every implementation of the outbox, each keeping five dead letters at most; the contract tests run on all of them."""


@pytest.fixture(params=list(KINDS))
def filled(request: pytest.FixtureRequest) -> Filled:
    """Each kind of outbox, empty."""
    return KINDS[request.param]()


@pytest.fixture
def scene() -> Scene:
    """A sender and a strict receiver of 1.0."""
    return Scene()
