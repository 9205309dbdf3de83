"""How fresh a metric is: fresh, late, stale or expired.

Owns: what each of the four words means, and until when it holds if nothing more is heard of the poller. Pure.
Must not know: the clock, metrics' names, who shows the words.

    fresh     the newest run whose turn it was has been accepted, and its data are as new as they can be
    late      a run, or the data, are overdue, and no failure says why
    stale     runs fail, and older values are shown
    expired   nothing is shown any more, since ``max_age`` has passed

The words are published ahead of time, each with the moment at which the next one follows: a dead poller cannot say that
it is late.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from timepoint.clock import MINUTE


class Freshness(StrEnum):
    """How fresh a metric is, from best to worst."""

    FRESH = "fresh"
    LATE = "late"
    STALE = "stale"
    EXPIRED = "expired"


class Phase(NamedTuple):
    """A word, and the moment (ms) from which the next phase holds; None for the last."""

    state: Freshness
    until: int | None


@dataclass(frozen=True, slots=True)
class Rhythm:
    """What a job promises, in milliseconds: how often it runs, for how long, and how old its data may be."""

    period: int
    timeout: int
    step: int = 0
    delay: int = 0

    @property
    def reach(self) -> int:
        """How far the newest timepoint may lie before the fire time of the run that gave it.

        The end of a window lies up to ``delay`` + ``step`` before the fire time; its newest point up to a step, or a
        period if nothing is said of steps, before that.
        """
        return self.delay + self.step + max(self.step, self.period)


@dataclass(frozen=True, slots=True)
class Turn:
    """How a job stands at a moment. Instants in milliseconds.

    ``accepted`` is the fire time of the newest accepted run, ``due`` the newest fire time whose run should have begun;
    ``is_failing`` says that the newest run failed, ``was_skipped`` that a later one did not take place. Of a fan-out
    ``accepted`` is that of the lane that is furthest behind, and ``newest`` that of the one that is not.
    """

    accepted: int | None
    newest: int | None = None
    due: int | None = None
    next_begin: int | None = None
    running_since: int | None = None
    is_failing: bool = False
    was_skipped: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a metric is shown: its newest timepoint (None if that says nothing about its age), and for how long."""

    max_age: int
    newest: int | None = None


def phases(rhythm: Rhythm, turn: Turn, shown: Shown) -> tuple[Phase, ...]:
    """The words of a metric from now on; none before the first accepted run, when there is nothing to be old."""
    if turn.accepted is None:
        return ()
    expires = (turn.accepted if turn.newest is None else turn.newest) + shown.max_age
    first, overdue = _now(rhythm, turn, shown), _overdue(rhythm, turn)
    ahead = [Phase(first, expires), Phase(Freshness.EXPIRED, None)]
    if first is Freshness.FRESH and overdue is not None and overdue < expires:
        ahead[:1] = [Phase(first, overdue), Phase(Freshness.LATE, expires)]
    return tuple(ahead)


def _now(rhythm: Rhythm, turn: Turn, shown: Shown) -> Freshness:
    assert turn.accepted is not None
    if turn.is_failing:
        return Freshness.STALE
    # Where the step is longer than the period, runs between two steps have nothing to ask for and nothing to accept.
    is_behind = turn.due is not None and turn.due - turn.accepted >= max(rhythm.step, 1)
    if turn.was_skipped or (is_behind and turn.running_since is None):
        return Freshness.LATE
    if shown.newest is not None and turn.accepted - shown.newest > rhythm.reach:
        return Freshness.LATE
    return Freshness.FRESH


def _overdue(rhythm: Rhythm, turn: Turn) -> int | None:
    """When the run in progress, or else the next one, must have ended.

    On whole minutes (or periods), so that many jobs share the moment, and what is published for it.
    """
    begin = turn.next_begin if turn.running_since is None else turn.running_since
    if begin is None:
        return None
    grid = max(1, min(MINUTE, rhythm.period))
    return -(-(begin + rhythm.timeout) // grid) * grid
