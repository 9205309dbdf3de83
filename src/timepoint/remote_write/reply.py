"""What a receiver answered, and what its status means. Pure.

Owns: the table of statuses. Must not know: sockets, what follows from a meaning. Only the status counts: the text of an
answer is for people. Source: Remote Write 1.0 and 2.0, "Backward and forward compatibility" and "Retries & Backoff".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Meaning(Enum):
    """What an answer says of the samples in its request."""

    STORED = auto()
    FAILED = auto()  # the receiver, or the way to it; the same request may succeed later
    SLOWER = auto()  # 429
    REFUSED = auto()  # at least one sample cannot be taken
    TOO_LARGE = auto()
    OTHER_VERSION = auto()  # this version of the protocol is not spoken
    HELD = auto()  # whoever runs both must do something: nothing is wrong with the samples


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``status`` None: there was none; ``problem`` says why, in words.

    ``written`` is what the receiver says that it stored of samples, None if it says nothing, as 1.0 does.
    ``retry_after`` is in seconds, ``said_at`` the receiver's clock in ms. ``is_ours``: the request was not even sent,
    for instance for want of a credential. ``came_at`` is the instant of the monotonic clock, in seconds.
    """

    status: int | None
    problem: str = ""
    written: int | None = None
    retry_after: float | None = None
    said_at: int | None = None
    is_ours: bool = False
    came_at: float = 0.0

    @property
    def is_failure_of_receiver(self) -> bool:
        """Whether the receiver itself says that it failed: the one kind of failure that a sample may cause."""
        return self.status is not None and self.status >= 500  # noqa: PLR2004 - RFC 9110, 15.6

    @property
    def words(self) -> str:
        """What happened, for people."""
        said = f"status {self.status}" if self.status is not None else "no answer"
        return f"{said}: {self.problem}" if self.problem else said


_STATUSES = {
    400: Meaning.REFUSED,
    408: Meaning.FAILED,
    409: Meaning.REFUSED,
    413: Meaning.TOO_LARGE,
    415: Meaning.OTHER_VERSION,
    422: Meaning.REFUSED,
    425: Meaning.FAILED,
    429: Meaning.SLOWER,
}


def meaning(reply: Reply) -> Meaning:
    """What an answer means. A status that nobody thought of holds: so nothing is lost to it."""
    status = reply.status
    if status is None:
        return Meaning.HELD if reply.is_ours else Meaning.FAILED
    if 200 <= status <= 299:  # noqa: PLR2004 - RFC 9110, 15.3
        return Meaning.STORED
    if reply.is_failure_of_receiver:
        return Meaning.FAILED
    return _STATUSES.get(status, Meaning.HELD)
