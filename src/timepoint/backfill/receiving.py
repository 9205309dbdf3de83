"""History to a receiver: the outbox of the backfill's own ledger, and a sender for it.

Owns: when the sender has its turns. Must not know: HTTP, what an answer means, jobs.

Samples wait in the transaction of their window, like those of live polling, so nothing is lost or sent in another form
over a crash. A piece of history is asked for whole, of all jobs, and then sent: a queue is never longer than that, and
its order is that of time over all series, which a strict receiver needs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from timepoint.backfill.job_plan import Range
from timepoint.clock import Clock, format_duration
from timepoint.errors import BackfillError
from timepoint.remote_write.facts import SenderFacts
from timepoint.remote_write.outbox import Outbox
from timepoint.remote_write.post import Post
from timepoint.remote_write.sender import Sender, Worker
from timepoint.remote_write.spec import Caps, ReceiverSpec

_LOOK = 1.0  # seconds


def check_reach(spec: ReceiverSpec, wanted: Range, now: int) -> None:
    """Raises BackfillError if the receiver refuses what is as old as the begin of what is wanted."""
    if not spec.oldest or now - wanted.start <= spec.oldest:
        return
    window = "has no out-of-order window" if spec.is_strict else f"takes what is {format_duration(spec.oldest)} old"
    raise BackfillError(
        f"receiver {spec.name} {window}, and history begins {format_duration((now - wanted.start) // 1000 * 1000)} ago:"
        " say out_of_order (and max_age) in the config if the receiver takes more, as VictoriaMetrics does; or write"
        " files for promtool with --openmetrics"
    )


class Delivery:
    """The sender of one backfill."""

    def __init__(  # noqa: PLR0913 - the seams of time come by name
        self,
        spec: ReceiverSpec,
        outbox: Outbox,
        worker: Worker,
        post: Post,
        clock: Clock,
        *,
        added: Mapping[str, str],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        # What waits is bounded by the piece that is asked for, and history must not be given up for its length.
        self._spec = replace(
            spec, external_labels={**spec.external_labels, **added}, caps=Caps(rows=0, size=0, keeps=True)
        )
        self._outbox = outbox
        self._worker = worker
        self._sleep = sleep
        self._sender = Sender(self._spec, outbox, worker, post, clock, sleep=sleep)

    @property
    def is_strict(self) -> bool:
        """Whether nothing may come behind what is sent."""
        return self._spec.is_strict

    @property
    def facts(self) -> SenderFacts:
        """What can be seen of the sender."""
        return self._sender.facts

    async def send_all(self, *, is_end: bool) -> None:
        """Sends what waits; at the end also what was set aside, when its time has come. Raises StoreError."""
        name = self._spec.name
        while True:
            counts = await self._worker.do(lambda: self._outbox.counts(name))
            if not (counts.pending if is_end else counts.pending - counts.parked):
                return
            pause = await self._sender.turn()
            if pause:
                await self._sleep(min(pause, _LOOK))
