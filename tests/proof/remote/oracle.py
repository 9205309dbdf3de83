"""Looks at the ledger, at what passed the proxy and at what the receiver holds, and says what is wrong.

Owns: the checks O2 to O5 and O8 to O10; the others are those of ``tests.proof.oracle``, which go on beside them. Must
not know: who is killed when, how a receiver is read.

- After each kill: enqueued = acknowledged + dead + pending + late amounts + dismissed (O5; nobody dismisses here), and
  each of these is as many as it says. Every sample that the committed runs brought is with the receiver, waits, is a
  dead letter or a late amount (O2), with its value (O4), and nothing else is (O3). The dead letters are the cursed
  samples, and levels that came later than a newer one of their series; the late amounts are of one counter alone.
- In the end, and now and then before it, the receiver is asked: it holds exactly that.
- Of totals that nobody can foretell: a later one is never smaller, and in peace the newest is the API's own sum.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tests.proof.oracle import FIRM, Oracle
from tests.proof.remote.proxy import STALE_BITS, Key, Proxy
from tests.proof.remote.truth import FORETOLD, LATE_LEVEL, LATE_TOTAL, NAME, labels, metric_and_pod, sent_in
from tests.proof.world import STEADY
from timepoint.ledger.outgoing import LATE, LATE_AMOUNT
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import Store
from timepoint.remote_write.outbox import Counts, DeadLetter, LateAmount, Pending, Queues

_ALL = 10_000_000
_NEVER_FALL = ("enqueued", "acknowledged", "dead", "late_amounts")
_SPOILED = -5.0  # what the feed says now and then: no amount for a counter, and a level like others for a gauge


@dataclass(slots=True)
class Looks:
    """How often something was seen without which the proof would prove little."""

    backlogs: int = 0  # kills that left samples waiting
    doubts: int = 0  # kills that left samples waiting which the receiver had already
    parked: int = 0
    asked: int = 0
    most_pending: int = 0


@dataclass(slots=True)
class RemoteOracle(Oracle):
    """``findings`` is empty as long as both the ledger and the receiver hold what they must.

    ``proxy`` is what was seen on the way. ``owed`` are samples that are due and of which the receiver has not said yet
    that it has them, with their values.
    """

    proxy: Proxy = field(kw_only=True)
    looks: Looks = field(default_factory=Looks)
    owed: dict[Key, float] = field(default_factory=dict)
    buried: dict[Key, str] = field(default_factory=dict)
    due_until: int | None = None
    counts: Counts = field(default_factory=Counts)
    waiting: dict[Key, float] = field(default_factory=dict)
    expected: dict[Key, float] = field(default_factory=dict)
    told: int = 0

    def look_at_store(self, store: Store, lanes: Sequence[LaneState]) -> None:
        """The queue beside the totals of the same commit."""
        for finding in self.proxy.findings[self.told :]:
            self.blame(finding)
        self.told = len(self.proxy.findings)
        outbox: Queues = store.outbox
        firm = next(lane for lane in lanes if lane.job == FIRM)
        self._note_due((firm.watermark or 0) // self.world.step)
        self._look_at_counts(outbox.counts(NAME))
        rows = outbox.oldest(NAME, _ALL)
        parked = [parked.row for parked in outbox.due(NAME, 1 << 62, _ALL)]
        letters = outbox.dead(NAME, _ALL)
        late = store.outbox.late_amounts(NAME, _ALL)
        self._look_at_numbers((len(rows) + len(parked), len(parked), len(letters), len(late), 0), rows)
        self.looks.parked += bool(parked)
        self.waiting = {key_of(row): row.value for row in (*rows, *parked)}
        self._look_at_letters(letters)
        self._look_at_late_amounts(late)
        self._look_at_debts()

    def _note_due(self, end: int) -> None:
        first = self.world.genesis if self.due_until is None else self.due_until
        for key, value in sent_in(self.world, first, end):
            self.expected[key] = value
            if key not in self.proxy.stored:
                self.owed[key] = value
        self.due_until = max(first, end)

    def _look_at_counts(self, counts: Counts) -> None:
        if not counts.is_balanced:
            self.blame(f"O5: the queue does not balance: {counts}")
        before = self.counts
        if any(getattr(counts, name) < getattr(before, name) for name in _NEVER_FALL):
            self.blame(f"O5: a count of the queue went back from {before} to {counts}")
        if counts.acknowledged > len(self.proxy.stored):
            self.blame(f"O2: {counts.acknowledged} are acknowledged, the receiver took {len(self.proxy.stored)}")
        self.counts = counts
        self.looks.most_pending = max(self.looks.most_pending, counts.pending)

    def _look_at_numbers(self, found: tuple[int, ...], rows: Sequence[Pending]) -> None:
        counts = self.counts
        if found != (counts.pending, counts.parked, counts.dead, counts.late_amounts, counts.dismissed):
            self.blame(f"O5: the queue holds {found} (waiting, parked, dead, late, dismissed) and says {counts}")
        instants = [(row.at, row.number) for row in rows]
        if instants != sorted(instants):
            self.blame("the queue is not in the order of its timestamps")
        self.looks.backlogs += bool(rows)

    def _look_at_letters(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters:
            key = key_of(letter.row)
            if key in self.buried:
                continue
            self.buried[key] = letter.reason
            if not self._is_late(key, letter.reason) and not self.proxy.is_cursed(key):
                self.blame(f"O2: {key} is a dead letter for no reason: {letter.reason}, status {letter.status}")
            self._look_at_value(key, letter.row.value)

    def _look_at_late_amounts(self, amounts: Sequence[LateAmount]) -> None:
        """They are told of apart, and of one series alone; each is in a total, which is looked at as such."""
        for amount in amounts:
            key = key_of(amount.row)
            if key in self.buried:
                continue
            self.buried[key] = LATE_AMOUNT
            if not self._is_late(key, LATE_AMOUNT):
                self.blame(f"O2: {key} is a late amount for no reason")
            self._look_at_value(key, amount.row.value)

    def _is_late(self, key: Key, reason: str) -> bool:
        """Whether a sample may be no pending one since newer ones of its series had gone out."""
        series, at = key
        metric, _ = metric_and_pod(series)
        if (metric, reason) not in {(LATE_TOTAL, LATE_AMOUNT), (LATE_LEVEL, LATE)}:
            return False
        if reason == LATE and not self.proxy.is_strict:
            return False
        return any(other > at for found, other in (*self.waiting, *self.buried) if found == series) or (
            self.proxy.newest.get(series, 0) > at
        )

    def _look_at_debts(self) -> None:
        """Every sample that is due is stored, waits or is buried; what waits is due, and has its value."""
        self.looks.doubts += any(key in self.proxy.stored for key in self.waiting)
        for key in list(self.owed):
            if key in self.proxy.stored or key in self.buried:
                del self.owed[key]
            elif key not in self.waiting:
                self.blame(f"O2: {key} is neither stored, nor waiting, nor buried")
                del self.owed[key]
        for key, value in self.waiting.items():
            self._look_at_value(key, value)

    def _look_at_value(self, key: Key, value: float) -> None:
        metric, pod = metric_and_pod(key[0])
        claims = {*self.world.claims(pod, key[1] // self.world.step - 1), _SPOILED}
        if metric == LATE_LEVEL and bits_of(value) != STALE_BITS and value not in claims:
            self.blame(f"O4: {key} is {value}, which the API never said")
        if metric not in FORETOLD:
            return
        if bits_of(value) == STALE_BITS:
            if self.world.settled(pod, key[1] // self.world.step) is not None:
                self.blame(f"O3: {key} says that the series has ended, and it goes on")
        elif key not in self.expected:
            self.blame(f"O3: {key} was never said, with {value}")
        elif self.expected[key] != value:
            self.blame(f"O4: {key} is {value} and should be {self.expected[key]}")

    # -- the receiver -------------------------------------------------------------------------------------------------

    def missing(self, stored: Mapping[Key, float], acknowledged: Collection[Key]) -> list[Key]:
        """What the receiver had acknowledged and is not among what it gave afterwards."""
        return [key for key in acknowledged if key not in stored and self.proxy.sent[key] != STALE_BITS]

    def look_at_receiver(self, stored: Mapping[Key, float], acknowledged: Collection[Key]) -> None:
        """Beside the last look at the ledger: the receiver holds what is due, but for what waits or is buried."""
        self.looks.asked += 1
        for key, value in stored.items():
            self._look_at_value(key, value)
            bits = self.proxy.sent.get(key)
            if bits != bits_of(value):
                self.blame(f"O4: the receiver holds {value} as {key}, which was never sent so")
        for key, value in self.expected.items():
            if key not in stored and key not in self.waiting and key not in self.buried:
                self.blame(f"O2: the receiver does not hold {key} = {value}")
        for key in self.missing(stored, acknowledged):
            self.blame(f"the receiver acknowledged {key} and does not hold it")
        self._look_at_late(stored)

    def _look_at_late(self, stored: Mapping[Key, float]) -> None:
        totals: dict[int, list[tuple[int, float]]] = {}
        for (series, at), value in stored.items():
            metric, pod = metric_and_pod(series)
            if metric == LATE_TOTAL:
                totals.setdefault(pod, []).append((at, value))
        for pod, found in totals.items():
            found.sort()
            for (_, before), (at, value) in pairwise(found):
                if value < before:
                    self.blame(f"O1: {LATE_TOTAL} of pod {pod} falls from {before} to {value} at {at}")

    def look_at_newest(self, stored: Mapping[Key, float], end: int) -> None:
        """In peace: the newest total of each pod that lives on is the API's own sum, and no settled level is missing.

        ``end`` is the first interval that the API may still say something new of.
        """
        for pod in STEADY:
            for number in range(self.world.genesis, end):
                key = labels(LATE_LEVEL, pod), (number + 1) * self.world.step
                if not (key in stored or key in self.waiting or key in self.buried):
                    self.blame(f"O2: {key} is neither stored, nor waiting, nor buried")
        for pod in STEADY:
            series = labels(LATE_TOTAL, pod)
            at = max((at for found, at in stored if found == series), default=None)
            if at is None:
                self.blame(f"O1: {LATE_TOTAL} of pod {pod} was never stored")
            elif stored[series, at] != self.world.total(pod, at // self.world.step):
                truth = self.world.total(pod, at // self.world.step)
                self.blame(f"O1: {LATE_TOTAL} of pod {pod} ends with {stored[series, at]}, the API's sum is {truth}")


def key_of(row: Pending) -> Key:
    """The sample as a receiver sees it: the label that the receiver's config adds is added."""
    return tuple(sorted((*row.series.labels, ("cluster", "proof")))), row.at


def bits_of(value: float) -> int:
    """A value bit by bit."""
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    return int(bits)
