"""The outbox in memory: for tests, and the reference that other outboxes are held to.

Owns: queues that last as long as the object. Must not know: senders, receivers, files.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from timepoint.remote_write.outbox import (
    Counts,
    DeadLetter,
    LateAmount,
    OutSeries,
    Parked,
    Parking,
    Pending,
    Settlement,
    Version,
)

ROW_SIZE = 32  # bytes that a sample is reckoned with: number, series, timestamp and value
MAX_LETTERS = 100_000

Sample = tuple[OutSeries, int, float] | tuple[OutSeries, int, float, int | None]


@dataclass(slots=True)
class _Queue:
    """One receiver. ``order`` holds all that waits by timestamp and number, and some that left, up to ``head``."""

    rows: dict[int, Pending] = field(default_factory=dict)
    order: list[tuple[int, int]] = field(default_factory=list)
    head: int = 0
    parked: dict[int, tuple[Parking, int]] = field(default_factory=dict)
    letters: dict[int, DeadLetter] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    late: dict[int, LateAmount] = field(default_factory=dict)
    sent_until: dict[int, int] = field(default_factory=dict)
    enqueued: int = 0
    acknowledged: int = 0
    dead: int = 0
    late_amounts: int = 0
    dismissed: int = 0
    version: Version | None = None

    def add(self, row: Pending) -> None:
        self.rows[row.number] = row
        key = (row.at, row.number)
        place = bisect_left(self.order, key, lo=self.head)
        if self.order[place : place + 1] != [key]:  # one that had left may still stand there
            self.order.insert(place, key)

    def waiting(self, start: int) -> Iterator[Pending]:
        """What waits and is not parked, in order, from a place on."""
        for place in range(start, len(self.order)):
            number = self.order[place][1]
            if number in self.rows and number not in self.parked:
                row = self.rows[number]
                yield row._replace(sent_until=self.sent_until.get(row.series.id))

    def forget_gone(self) -> None:
        """Moves the head over those that left; every now and then the list gets rid of them."""
        while self.head < len(self.order) and self.order[self.head][1] not in self.rows:
            self.head += 1
        if self.head > len(self.order) // 2:
            del self.order[: self.head]
            self.head = 0


class MemoryOutbox:
    """An ``Outbox`` that forgets at its end. ``max_letters``: of older dead letters only the number is kept."""

    def __init__(self, max_letters: int = MAX_LETTERS) -> None:
        self._queues: dict[str, _Queue] = {}
        self._max_letters = max_letters
        self._last_number = 0

    def enqueue(self, receivers: Iterable[str], samples: Iterable[Sample]) -> None:
        """Lets samples wait for each of some receivers; what the ledger does in the transaction of a run."""
        listed = list(samples)
        for receiver in receivers:
            queue = self._queue(receiver)
            for sample in listed:
                self._last_number += 1
                queue.add(Pending(self._last_number, *sample))
            queue.enqueued += len(listed)

    def _queue(self, receiver: str) -> _Queue:
        return self._queues.setdefault(receiver, _Queue())

    def oldest(self, receiver: str, limit: int, after: Pending | None = None) -> list[Pending]:
        queue = self._queue(receiver)
        start = queue.head
        if after is not None:
            start = bisect_right(queue.order, (after.at, after.number), lo=queue.head)
        return list(islice(queue.waiting(start), limit))

    def settle(self, receiver: str, settlement: Settlement, now: int) -> None:
        queue = self._queue(receiver)
        for number in settlement.acknowledged:
            row = self._leave(queue, number)
            if row is not None:
                queue.acknowledged += 1
                series = row.series.id
                queue.sent_until[series] = max(row.at, queue.sent_until.get(series, row.at))
        for letter in settlement.buried:
            row = self._leave(queue, letter.number)
            if row is not None:
                queue.dead += 1
                queue.reasons[letter.reason] = queue.reasons.get(letter.reason, 0) + 1
                if letter.is_kept:
                    queue.letters[letter.number] = DeadLetter(row, letter.reason, letter.status, letter.text, now)
        while len(queue.letters) > self._max_letters:
            del queue.letters[next(iter(queue.letters))]
        for parking in settlement.parked:
            if parking.number in queue.rows:
                _, since = queue.parked.get(parking.number, (parking, now))
                queue.parked[parking.number] = (parking, since)
        queue.forget_gone()

    def _leave(self, queue: _Queue, number: int) -> Pending | None:
        queue.parked.pop(number, None)
        return queue.rows.pop(number, None)

    def due(self, receiver: str, now: int, limit: int) -> list[Parked]:
        queue = self._queue(receiver)
        found = []
        for number, (parking, since) in queue.parked.items():
            if parking.until <= now:
                row = queue.rows[number]
                row = row._replace(sent_until=queue.sent_until.get(row.series.id))
                found.append(Parked(row, since, parking.status))
        return sorted(found, key=lambda parked: (parked.row.at, parked.row.number))[:limit]

    def counts(self, receiver: str) -> Counts:
        queue = self._queue(receiver)
        first = next(queue.waiting(queue.head), None)
        return Counts(
            queue.enqueued,
            queue.acknowledged,
            queue.dead,
            pending=len(queue.rows),
            parked=len(queue.parked),
            letters=len(queue.letters),
            oldest=first.at if first is not None else None,
            size=len(queue.rows) * ROW_SIZE,
            late_amounts=queue.late_amounts,
            dismissed=queue.dismissed,
        )

    def version(self, receiver: str) -> Version | None:
        return self._queue(receiver).version

    def remember(self, receiver: str, version: Version) -> None:
        self._queue(receiver).version = version

    def dead(self, receiver: str, limit: int, after: int = 0) -> list[DeadLetter]:
        letters = self._queue(receiver).letters
        return [letters[number] for number in sorted(letters) if number > after][:limit]

    def revive(self, receiver: str, numbers: Sequence[int]) -> int:
        queue = self._queue(receiver)
        letters = self._exhume(queue, numbers)
        for letter in letters:
            queue.add(letter.row)
        return len(letters)

    def dismiss(self, receiver: str, numbers: Sequence[int]) -> int:
        queue = self._queue(receiver)
        count = len(self._exhume(queue, numbers))
        queue.dismissed += count
        return count

    def dismiss_unkept(self, receiver: str, reason: str = "") -> int:
        queue = self._queue(receiver)
        found = 0
        for word in [reason] if reason else list(queue.reasons):
            kept = sum(letter.reason == word for letter in queue.letters.values())
            found += queue.reasons.get(word, 0) - kept
            queue.reasons[word] = kept
        queue.dead -= found
        queue.dismissed += found
        return found

    def _exhume(self, queue: _Queue, numbers: Sequence[int]) -> list[DeadLetter]:
        letters = [queue.letters.pop(number) for number in dict.fromkeys(numbers) if number in queue.letters]
        for letter in letters:
            queue.reasons[letter.reason] -= 1
        queue.dead -= len(letters)
        return letters
