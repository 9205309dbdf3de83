"""Receivers in memory, for runners that send."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from tests.remote_write.building import Fault
from tests.remote_write.receiver import Receiver
from timepoint.clock import Clock
from timepoint.remote_write.post import Post
from timepoint.remote_write.reply import Reply
from timepoint.request.spec import SourceSpec


class Wire:
    """The way to receivers in memory, by name. ``fault`` may answer, or raise, in the place of all of them."""

    def __init__(self, *names: str) -> None:
        self.receivers = {name: Receiver() for name in names}
        self.fault: Fault = lambda number: None
        self.open = 0
        self.count = 0

    @contextlib.asynccontextmanager
    async def __call__(self, source: SourceSpec, clock: Clock) -> AsyncIterator[Post]:
        self.open += 1
        try:
            yield _Way(self, source.name, clock)
        finally:
            self.open -= 1


class _Way:
    def __init__(self, wire: Wire, name: str, clock: Clock) -> None:
        self._wire, self._name, self._clock = wire, name, clock

    async def send(self, body: bytes, headers: Any) -> Reply:
        wire = self._wire
        wire.count += 1
        reply = wire.fault(wire.count)
        if reply is None:
            answer = wire.receivers[self._name].hear(body, headers)
            reply = Reply(answer.status, said_at=self._clock.now())
        return replace(reply, came_at=self._clock.monotonic())
