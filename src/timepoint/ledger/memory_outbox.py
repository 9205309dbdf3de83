"""The queues of remote write of a ledger without a file.

Owns: how what goes out of a run joins the queues that ``remote_write`` keeps in memory. Must not know: files, senders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from timepoint.ledger.outgoing import LATE_AMOUNT, Floor, Late, Outgoing
from timepoint.ledger.sqlite_outbox import labels_of
from timepoint.model import FamilySpec
from timepoint.remote_write.memory import MemoryOutbox, Sample
from timepoint.remote_write.outbox import Counts, LateAmount, Letter, OutSeries, Pending, Settlement


class _Life(NamedTuple):
    series: OutSeries
    start: int | None


class OutboxOfMemory(MemoryOutbox):
    """An ``Outbox`` that a store without a file fills."""

    def __init__(self) -> None:
        super().__init__()
        self._lives: dict[int, _Life] = {}
        self._ids: dict[str, int] = {}

    def take(self, outgoing: Outgoing, new: Mapping[str, int], now: int) -> set[int]:
        """Lets the samples of a metric wait for all its receivers. ``new`` are the ids of series that are new.

        Gives the ids of series whose count of the same is over with that: others begin.
        """
        queues = [self._queue(receiver.name) for receiver in outgoing.receivers]

        begun: dict[str, int] = {}

        def floor_of(number: int, text: str) -> Floor | None:
            if number in self._lives:
                start = self._lives[number].start
                return None if start is None else Floor(start, is_of_another=False)
            of = self._ids.get(outgoing.family.name + text, 0)
            sent = [queue.sent_until[of] for queue in queues if of in queue.sent_until]
            waits = [row.at for queue in queues for row in queue.rows.values() if row.series.id == of]
            at = max((at for at in (*sent, *waits) if at <= outgoing.now), default=None)
            if at is not None:
                begun[text] = of
            return None if at is None else Floor(at, is_of_another=True)

        outgoing.keep_behind(floor_of)
        over = {begun[text] for text in begun.keys() & outgoing.counted()}
        ended = {number for number, (series, _) in self._lives.items() if series.id in over}
        for number in ended:
            del self._lives[number]
        for receiver in outgoing.receivers:
            samples: list[Sample] = []
            for text, number, ats, values, start in outgoing.waiting(receiver):
                life = self._life(outgoing.family, text, number or new[text], start)
                samples += [(life.series, at, value, life.start) for at, value in zip(ats, values, strict=True)]
            samples.sort(key=lambda sample: sample[1])
            self.enqueue([receiver.name], samples)
            for late, reason in outgoing.lost(receiver):
                life = self._life(outgoing.family, late.text, late.id or new[late.text], None)
                if reason == LATE_AMOUNT:
                    self._note(receiver.name, life, late, now)
                    continue
                self.enqueue([receiver.name], [(life.series, late.at, late.value, life.start)])
                letters = (Letter(self._last_number, reason),)
                self.settle(receiver.name, Settlement(buried=letters), now)

        return ended

    def _life(self, family: FamilySpec, text: str, number: int, start: int | None) -> _Life:
        known = self._lives.get(number)
        if known is not None and (known.series.type, known.series.help) == (family.type, family.help):
            return known
        name = family.name + text
        of = self._ids.setdefault(name, len(self._ids) + 1)
        series = OutSeries(of, labels_of(name), family.type, family.help, family.unit)
        self._lives[number] = _Life(series, start if known is None else known.start)
        return self._lives[number]

    def _note(self, receiver: str, life: _Life, late: Late, now: int) -> None:
        queue = self._queue(receiver)
        self._last_number += 1
        row = Pending(self._last_number, life.series, late.at, late.value, life.start)
        queue.late[row.number] = LateAmount(row, now)
        queue.enqueued += 1
        queue.late_amounts += 1

    def late_amounts(self, receiver: str, limit: int, after: int = 0) -> list[LateAmount]:
        """The amounts that came late, by number."""
        late = self._queue(receiver).late
        return [late[number] for number in sorted(late) if number > after][:limit]

    def receivers(self) -> list[str]:
        """Whoever has a queue, sorted."""
        return sorted(self._queues)

    def reasons(self, receiver: str) -> dict[str, int]:
        """How many of a queue are dead, by reason."""
        return {reason: count for reason, count in sorted(self._queue(receiver).reasons.items()) if count}

    def forget(self, receiver: str) -> Counts:
        """Deletes the queue of a receiver; what it held."""
        held = self.counts(receiver)
        self._queues.pop(receiver, None)
        return held
