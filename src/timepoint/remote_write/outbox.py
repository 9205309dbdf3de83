"""Where points wait until a receiver has them: the protocol that the ledger follows, and its words.

Owns: what a sender may ask of an outbox, and what it tells it. Must not know: SQL, HTTP, why a sample leaves, any other
module of this room: the ledger speaks these words, too, and shall not see more.

For each receiver there is a queue of its own. At any moment, and over any crash,

    enqueued = acknowledged + dead + pending + late amounts + dismissed

where pending counts those that are parked. A late amount is that of a counter's interval which came after a newer total
had gone out: it never goes out by itself, the next total contains it, and nothing is lost. Dismissed are dead letters
that somebody has dealt with and wants to hear no more of. A change of a queue is one ``Settlement``, in one
transaction; the sender sends nothing else before it is durable. Why: a strict receiver takes only the newest sample of
a series twice, so at most one request may be in doubt. All instants in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from timepoint.model import MetricType

Labels = tuple[tuple[str, str], ...]


class Version(StrEnum):
    """The versions of the protocol: what is learnt of a receiver stands beside its queue."""

    V1 = "1.0"
    V2 = "2.0"


@dataclass(frozen=True, slots=True)
class OutSeries:
    """A series as it goes out. ``id`` names it in the outbox; ``labels`` hold ``__name__`` and stand sorted by name.

    Type, help and unit are those of its family; 1.0 has no place for them beside samples.
    """

    id: int
    labels: Labels
    type: MetricType = MetricType.UNKNOWN
    help: str = ""
    unit: str = ""


class Pending(NamedTuple):
    """A sample that waits. ``number`` names it in its queue, and grows with each that is enqueued.

    ``start`` is when its counter began, None if nobody knows. ``sent_until`` is the newest timestamp of the series that
    this receiver has acknowledged, None before the first.
    """

    number: int
    series: OutSeries
    at: int
    value: float
    start: int | None = None
    sent_until: int | None = None


class Letter(NamedTuple):
    """Why a sample is given up: a short word from a closed set, the status of the receiver, and what it said.

    ``is_kept`` False: it is counted as dead, and nothing else is kept of it.
    """

    number: int
    reason: str
    status: int | None = None
    text: str = ""
    is_kept: bool = True


class Parking(NamedTuple):
    """A sample that is set aside until an instant, since the receiver fails over it and over nothing else."""

    number: int
    until: int
    status: int | None = None


class Parked(NamedTuple):
    """A sample that was set aside, and since when."""

    row: Pending
    since: int
    status: int | None = None


class DeadLetter(NamedTuple):
    """A sample that was given up at ``at``, and why."""

    row: Pending
    reason: str
    status: int | None
    text: str
    at: int


class LateAmount(NamedTuple):
    """An amount that came late at ``came``: the value of ``row`` is that of its interval, and no total."""

    row: Pending
    came: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of some samples. A number that waits no longer is passed over: it was settled before."""

    acknowledged: tuple[int, ...] = ()
    buried: tuple[Letter, ...] = ()
    parked: tuple[Parking, ...] = ()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many samples a queue has seen, and where they are. ``parked`` are among those pending.

    ``letters`` are the dead of whom more than the number is kept. ``oldest`` is the smallest timestamp of those
    pending, parked ones left out; None if there is none. ``size`` is what the queue takes, in bytes.
    """

    enqueued: int = 0
    acknowledged: int = 0
    dead: int = 0
    pending: int = 0
    parked: int = 0
    letters: int = 0
    oldest: int | None = None
    size: int = 0
    late_amounts: int = 0
    dismissed: int = 0

    @property
    def is_balanced(self) -> bool:
        """The invariant."""
        return self.enqueued == self.acknowledged + self.dead + self.pending + self.late_amounts + self.dismissed


class Outbox(Protocol):
    """The queues of all receivers. Each method may raise StoreError; calls must not overlap.

    A receiver that is not known has an empty queue.
    """

    def oldest(self, receiver: str, limit: int, after: Pending | None = None) -> list[Pending]:
        """The next samples in their order: by timestamp over all series, then by number. Parked ones are left out.

        ``after`` is the last one that was seen.
        """
        ...

    def settle(self, receiver: str, settlement: Settlement, now: int) -> None:
        """Makes durable what became of samples, whole or not at all."""
        ...

    def due(self, receiver: str, now: int, limit: int) -> list[Parked]:
        """Parked samples whose time has come, in the order of ``oldest``."""
        ...

    def counts(self, receiver: str) -> Counts:
        """How the queue stands. Must be cheap: it is asked for after every request."""
        ...

    def version(self, receiver: str) -> Version | None:
        """What was last learnt of the protocol that the receiver speaks."""
        ...

    def remember(self, receiver: str, version: Version) -> None:
        """Makes durable which protocol it speaks."""
        ...

    def dead(self, receiver: str, limit: int, after: int = 0) -> list[DeadLetter]:
        """Dead letters by number, from the one behind ``after``."""
        ...

    def revive(self, receiver: str, numbers: Sequence[int]) -> int:
        """Makes dead letters wait again, and says how many: those that are kept."""
        ...

    def dismiss(self, receiver: str, numbers: Sequence[int]) -> int:
        """Forgets dead letters, and says how many: those that are kept. They count as dismissed from then on."""
        ...

    def dismiss_unkept(self, receiver: str, reason: str = "") -> int:
        """The same for the dead of whom only the number is kept: those of a reason, or all of them."""
        ...


class Queues(Outbox, Protocol):
    """An outbox that knows whose queues it has: what the ledger gives."""

    def receivers(self) -> list[str]:
        """Whoever has a queue, sorted."""
        ...

    def reasons(self, receiver: str) -> dict[str, int]:
        """How many of a queue are dead, by reason; revived and dismissed ones are not."""
        ...

    def late_amounts(self, receiver: str, limit: int, after: int = 0) -> list[LateAmount]:
        """The newest of the amounts that came late, by number, from the one behind ``after``."""
        ...

    def forget(self, receiver: str) -> Counts:
        """Deletes the queue of a receiver with all that waits and all dead letters; what it held."""
        ...
