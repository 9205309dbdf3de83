"""Senders with the mistakes of others. Checks that let one of them pass prove nothing.

Owns: the patches. Must not know: who applies them, and what must find them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Protocol

from timepoint.remote_write.outbox import Pending, Settlement
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.rules import Courier, Send, Settle, Steps
from timepoint.remote_write.sender import Sender
from timepoint.remote_write.slices import Ready, Rows, Screen, Slice


class Patch(Protocol):
    """What puts something else in a place: pytest's ``monkeypatch``, or a process that stays wrong."""

    def setattr(self, target: Any, name: str, value: Any, /) -> None:
        """From now on ``target.name`` is ``value``."""
        ...


def several_of_one_series(patch: Patch) -> None:
    """Batches of several samples of a series to a receiver without a window, as most agents send them."""

    def cut(self: Screen, rows: Iterable[Pending], now: int, limit: int) -> Slice:
        return Slice(tuple(self.ready(row) for row in rows if row.at <= now)[:limit])

    patch.setattr(Screen, "cut", cut)


def acknowledges_first(patch: Patch) -> None:
    """The queue forgets before the receiver has answered."""

    def deliver(self: Courier, rows: Rows, now: int) -> Steps:
        yield Settle(Settlement(acknowledged=tuple(ready.row.number for ready in rows)), rows)
        yield Send(rows, self.version)

    patch.setattr(Courier, "deliver", deliver)


def believes_2xx(patch: Patch) -> None:
    """An answer to 2.0 without the headers that say what was stored is taken for a success."""

    def send(self: Courier, rows: Rows, attempt: int) -> Any:
        return (yield Send(rows, self.version, attempt))

    patch.setattr(Courier, "_send", send)


def newest_first(patch: Patch) -> None:
    """What came last leaves first."""
    cut = Screen.cut
    patch.setattr(
        Screen, "cut", lambda self, rows, now, limit: cut(self, sorted(rows, key=lambda row: -row.at), now, limit)
    )


def drops_after_some_tries(patch: Patch) -> None:
    """A receiver that fails for long loses what it was sent, as with a limit of time on retries."""
    part = Courier._part

    def limited(self: Courier, rows: Rows, now: int) -> Any:
        steps, sends = part(self, rows, now), 0
        told: Any = None
        while True:
            try:
                step = steps.send(told)
            except StopIteration as end:
                return end.value
            sends += isinstance(step, Send)
            if sends > 2:
                yield Settle(Settlement(acknowledged=tuple(ready.row.number for ready in rows)))
                return ()
            told = yield step

    patch.setattr(Courier, "_part", limited)


def sends_again_with_another_value(patch: Patch) -> None:
    """A repetition does not carry the same value."""
    exchange = Sender._exchange

    async def other(self: Sender, step: Send) -> Reply:
        if step.attempt:
            rows = (Ready(ready.row._replace(value=ready.row.value + 1), ready.labels) for ready in step.rows)
            step = replace(step, rows=tuple(rows))
        return await exchange(self, step)

    patch.setattr(Sender, "_exchange", other)


def believes_every_refusal(patch: Patch) -> None:
    """What is refused alone is given up, also by a receiver that refuses everything."""

    def takes_others(self: Courier, parts: list[Rows], now: int) -> Any:
        yield from ()
        return True

    patch.setattr(Courier, "_takes_others", takes_others)


MUTANTS: tuple[Callable[[Patch], None], ...] = (
    several_of_one_series,
    acknowledges_first,
    believes_2xx,
    newest_first,
    drops_after_some_tries,
    sends_again_with_another_value,
    believes_every_refusal,
)
