"""Whether the clocks of both sides agree. Pure.

Owns: when the receiver's clock must be asked for, and what follows from it. Must not know: how it is asked.

With a clock that is ahead, samples leave that lie in the future: an old Prometheus takes one, and then refuses all
others until that time has come. So nothing leaves before the receiver's ``Date`` was seen, again after this machine's
clock has jumped, and not while both differ.
"""

from __future__ import annotations

from timepoint.clock import BELIEVED_AHEAD, MINUTE, SECOND, format_duration

_JUMP = MINUTE  # ms by which the wall clock may leave the monotonic one: it is corrected by little all the time


class ClockCheck:
    """What is known of both clocks. ``skew`` is how far ours is ahead, in ms; None if the receiver does not say."""

    def __init__(self) -> None:
        self.skew: int | None = None
        self._epoch: float | None = None  # what the wall clock showed when the monotonic one was at 0, in ms

    def is_due(self, now: int, monotonic: float) -> bool:
        """Whether the receiver must be asked before samples leave."""
        return self._epoch is None or bool(self.words) or abs(now - monotonic * SECOND - self._epoch) > _JUMP

    def hear(self, said_at: int | None, now: int, monotonic: float) -> None:
        """Takes in an answer of the receiver, with or without its clock."""
        self._epoch = now - monotonic * SECOND
        self.skew = None if said_at is None else now - said_at

    @property
    def words(self) -> str:
        """Why nothing may leave; empty if it may."""
        if self.skew is None or abs(self.skew) <= BELIEVED_AHEAD:
            return ""
        side = "ahead of" if self.skew > 0 else "behind"
        return (
            f"this machine's clock is {format_duration(abs(self.skew) // SECOND * SECOND)} {side} the receiver's: "
            "nothing is sent until both agree; correct the one that is wrong"
        )
