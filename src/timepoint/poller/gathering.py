"""Work that comes piece by piece and is done in groups.

Owns: that whatever came while the worker was busy is handed to it at once. Must not know: what the work is.

A sync costs the same for one lane as for many. Pieces are not waited for: a group is what there is, so a slow source
gives groups of one and loses no time, and a slow disk makes groups larger by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from timepoint.poller.worker import Worker

T = TypeVar("T")


class Gathering(Generic[T]):
    """``work`` is called in the worker with one piece or more, in the order in which they came."""

    def __init__(self, worker: Worker, work: Callable[[list[T]], None]) -> None:
        self._worker = worker
        self._work = work
        self._turn = asyncio.Lock()
        self._waiting: list[_Piece[T]] = []

    async def do(self, item: T) -> None:
        """Returns when the piece is done. What the work raises is raised for all pieces of the group."""
        piece = _Piece(item)
        self._waiting.append(piece)
        async with self._turn:  # whoever comes first does it for all that have come meanwhile
            if not piece.is_done:
                group, self._waiting = self._waiting, []
                try:
                    await self._worker.do(partial(self._work, [one.item for one in group]))
                except Exception as error:  # noqa: BLE001 - it is raised below, for each piece
                    for one in group:
                        one.error = error
                for one in group:
                    one.is_done = True
        if piece.error is not None:
            raise piece.error


class _Piece(Generic[T]):
    __slots__ = ("error", "is_done", "item")

    def __init__(self, item: T) -> None:
        self.item = item
        self.is_done = False
        self.error: Exception | None = None
