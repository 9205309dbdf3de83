"""The rules that depend on time alone, settled once per grid and not once per series.

Owns: which points of a run lie in its windows, which of them were counted before, which are new, which overlap, and
which stay remembered. Must not know: values, labels, metrics, the store.

A plan is made for a pair of grids: the intervals a series has been counted for (``known``) and those it comes with
(``offered``). On a steady feed all series share one pair.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from timepoint.ledger.change import RunFacts
from timepoint.ledger.state import NO_TIMES
from timepoint.model import Times

Refusal = tuple[str, int]
"""A reason, and the index of the offered interval that it hits."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The points of a grid that a run does not use.

    ``outside`` are the indices of those that nobody asks for. ``unused`` counts the others: another window's, or of a
    request that does not name its window.
    """

    outside: Sequence[int]
    unused: int


class Reach:
    """Which points of a run may be used (R15).

    An instant belongs to the window [start, end) that it lies in, start included; an interval to the one in which it
    ends, end included. So of windows that touch each point belongs to one, an interval across their seam too. An
    interval that begins before ``oldest``, the start of all that was ever asked for, belongs to none. An instant at the
    fire time is in for metrics that are not ``timed``: so come points without a time. For all others it is as any
    stamp.
    """

    __slots__ = ("_latest", "_oldest", "_overlapped", "_settled", "asked", "end", "fire_time", "start")

    def __init__(self, facts: RunFacts, oldest: float) -> None:
        self.start = facts.window.start
        self.end = facts.window.end
        self.fire_time = facts.fire_time
        self.asked = facts.window_is_asked
        self._settled = facts.settled
        self._latest = max(facts.fire_time, facts.now)
        self._overlapped = self.start - facts.overlap
        self._oldest = min(oldest, self.start)

    def for_counters(self, times: Times, *, timed: bool) -> list[int]:
        """Indices of the points that a counter may use, ascending."""
        begin, end, oldest = self.start, self.end, self._oldest
        fire = None if timed else self.fire_time
        return [
            i
            for i, (s, e) in enumerate(zip(times.starts, times.ends, strict=True))
            if (s >= oldest and begin < e <= end if s < e else begin <= s < end or s == fire)
        ]

    def for_amounts(self, times: Times, known: Times, *, timed: bool) -> list[int]:
        """Indices of the amounts that a delta counter may use, ascending, for a series that was counted for ``known``.

        If the request does not name its window, the API may show an amount only after the run whose window held it. One
        that begins behind all that its series has counted was never counted, so it is late, and not lost. And while the
        newest that was counted is shown, the series is there, also if nothing of it is new.
        """
        usable = self.for_counters(times, timed=timed)
        if self.asked or not len(known):
            return usable
        begin, newest, border = known.starts[-1], known.ends[-1], self.end
        taken = set(usable)
        for i, (s, e) in enumerate(zip(times.starts, times.ends, strict=True)):
            if (newest <= s < border and e <= border) or (s == begin and e == newest):
                taken.add(i)
        return sorted(taken)

    def for_readings(self, times: Times, known: Times, *, timed: bool) -> list[int]:  # noqa: ARG002 - as for amounts
        """Indices of the readings that a cumulative counter may use, ascending.

        A reading is about its end: since when it runs says nothing of where it belongs. If the request does not name
        its window, a reading may be newer than the window, or older: an API that only shows its newest would never be
        counted otherwise. Of several older ones the newest suffices.
        """
        begin, end = self.start, self.end
        if not self.asked:
            usable = self.for_gauges(times, timed=timed)
            return [i for i in usable if times.ends[i] > begin] or usable[-1:]
        fire = None if timed else self.fire_time
        return [
            i
            for i, (s, e) in enumerate(zip(times.starts, times.ends, strict=True))
            if (begin < e <= end if s < e else begin <= s < end or s == fire)
        ]

    def for_gauges(self, times: Times, *, timed: bool) -> list[int]:
        """Indices of the points that a gauge may use, ascending.

        If the request does not name its window, the answer is whatever the API likes to send, and the newest settled
        values of it are what a gauge is for, inside the window or not.
        """
        if self.asked:
            return self.for_counters(times, timed=timed)
        settled, fire = self._settled, None if timed else self.fire_time
        starts = times.starts
        return [i for i, end in enumerate(times.ends) if end <= settled or starts[i] == end == fire]

    def rest(self, times: Times, used: Sequence[int]) -> Rest:
        """What becomes of the points that are not ``used``.

        APIs answer a little more than was asked for, each time: the point at the end that they take for inclusive, the
        intervals that reach into the window or out of it, what is not settled yet. Those are other windows' points and
        no mistake. What lies before the window, and before what ``overlap`` would ask for again, is one; and so is what
        begins in the future.
        """
        if len(used) == len(times) or not self.asked:
            return Rest((), len(times) - len(used))
        taken = set(used)
        outside = [
            i
            for i, (start, end) in enumerate(zip(times.starts, times.ends, strict=True))
            if (start > self._latest or (end < self.start and start < self._overlapped)) and i not in taken
        ]
        return Rest(outside, len(times) - len(used) - len(outside))


@dataclass(frozen=True, slots=True)
class Memory:
    """What of a lane's past bears on a run, and what must be remembered after it.

    ``kept_from`` is the lane's before the run, None for a series that is new: nothing of it was ever counted.
    ``keep_from`` is the lane's after the run, ``watermark`` the one before it.
    """

    kept_from: int | None
    keep_from: int
    watermark: int | None


def _nothing() -> slice:
    return slice(0)


@dataclass(slots=True)
class Plan:
    """What becomes of the points of every series with this pair of grids.

    ``fresh`` are offered indices to count, ascending. ``seen`` pairs an offered index with the known one of the same
    interval. ``stale`` offered intervals lie behind the newest reading. ``late`` of the fresh ones lie before the
    watermark. ``kept`` are the intervals to remember and ``sources`` where their values come from: i is offered[i],
    ~j is known[j]. ``newest`` is the newest end of any used point, ``is_used`` False if no point may be used.
    ``unused`` is as in ``Rest``.

    ``behind`` of the fresh ones, which are the first, end no later than what was known; ``ats`` are the ends of the
    others, and ``ats_of_new`` the same with the moment before it at which a series counts nothing yet.

    ``spent`` counts offered intervals that another holder has counted.

    ``series`` counts the series that were counted by the plan, ``passed`` those that it fits but that were not counted;
    ``example`` is one of them.

    If all of that is contiguous, ``is_simple``, and the slices say it, in bytes but for ``fresh_values``: compare
    ``seen_offered`` with ``seen_known``, count ``fresh_values``, remember ``kept_known`` followed by ``kept_offered``.
    """

    fresh: list[int] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)
    stale: int = 0
    late: int = 0
    behind: int = 0
    ats: tuple[int, ...] = ()
    ats_of_new: tuple[int, ...] = ()
    refused: list[Refusal] = field(default_factory=list)
    kept: Times = NO_TIMES
    sources: list[int] = field(default_factory=list)
    newest: int | None = None
    is_used: bool = False
    unused: int = 0
    spent: int = 0
    series: int = 0
    passed: int = 0
    example: str = ""
    offered: Times = NO_TIMES
    is_simple: bool = False
    fresh_values: slice = field(default_factory=_nothing)
    seen_offered: slice = field(default_factory=_nothing)
    seen_known: slice = field(default_factory=_nothing)
    kept_known: slice = field(default_factory=_nothing)
    kept_offered: slice = field(default_factory=_nothing)

    def refusals(self) -> list[tuple[str, int, int]]:
        """Per reason: the reason, the first index that it hits, and how many it hits in each series."""
        first: dict[str, int] = {}
        for reason, index in self.refused:
            first.setdefault(reason, index)
        hits = Counter(reason for reason, _ in self.refused)
        return [(reason, index, hits[reason]) for reason, index in first.items()]


def plan_delta(known: Times, offered: Times, usable: Sequence[int], memory: Memory) -> Plan:
    """What a delta counter does with a grid: each interval once, none twice, no two that overlap.

    What is forgotten ends before ``kept_from`` and lies before the newest of it, which is remembered. So an interval
    that begins later was not counted, or it would be known, however far back it lies: in a time in which the series was
    not there, or could not be read. Whether one overlaps what is forgotten is known from the newest of it, too.
    """
    plan = Plan(is_used=bool(usable))
    kept_from = -inf if memory.kept_from is None else memory.kept_from
    forgotten = _forgotten_before(known, kept_from)
    place = {interval: j for j, interval in enumerate(zip(known.starts, known.ends, strict=True))}
    taken = _Disjoint(place)
    for i in usable:
        start, end = offered.starts[i], offered.ends[i]
        j = place.get((start, end))
        if j is not None:
            plan.seen.append((i, j))
        elif start < forgotten and (end <= kept_from or not place):
            plan.refused.append(("too_old", i))
        elif not taken.take(start, end):
            plan.refused.append(("overlap", i))
        else:
            plan.fresh.append(i)
    _finish(plan, known, offered, memory)
    return plan


def _forgotten_before(known: Times, kept_from: float) -> float:
    """An interval that begins before this and is not known may have been counted and forgotten."""
    if not len(known):
        return kept_from
    return known.starts[0] if known.ends[0] <= kept_from else -inf


def plan_cumulative(known: Times, offered: Times, usable: Sequence[int], memory: Memory) -> Plan:
    """What a cumulative counter does with a grid: readings in the order of their ends, none behind the newest."""
    plan = Plan(is_used=bool(usable))
    place = {interval: j for j, interval in enumerate(zip(known.starts, known.ends, strict=True))}
    newest = known.ends[-1] if len(known) else None
    for i in usable:
        end = offered.ends[i]
        j = place.get((offered.starts[i], end))
        if j is not None:
            plan.seen.append((i, j))
        elif newest is not None and end <= newest:
            plan.stale += 1
        else:
            newest = end
            plan.fresh.append(i)
    _finish(plan, known, offered, memory)
    return plan


def plan_samples(known: Times, offered: Times, usable: Sequence[int], memory: Memory) -> Plan:
    """What a gauge that goes out point by point does with a grid: each instant once, that at which its point ends.

    As for a delta counter, but that points of gauges may overlap: what is forgotten lies before the newest of it, which
    is remembered. A series of which nothing is remembered at all was on the page until now: the past is not sent.
    """
    plan = Plan(is_used=bool(usable))
    kept_from = -inf if memory.kept_from is None else memory.kept_from
    place = {end: j for j, end in enumerate(known.ends)}
    taken: set[int] = set()
    for i in usable:
        end = offered.ends[i]
        if end in taken:
            plan.refused.append(("overlap", i))
        elif end in place:
            plan.seen.append((i, place[end]))
        elif not place and end <= kept_from:
            plan.stale += 1
        elif place and end <= kept_from and end < known.ends[0]:
            plan.refused.append(("too_old", i))
        else:
            plan.fresh.append(i)
        taken.add(end)
    _finish(plan, known, offered, memory)
    return plan


def _finish(plan: Plan, known: Times, offered: Times, memory: Memory) -> None:
    """What follows from ``fresh`` and ``seen``."""
    used = [*plan.fresh, *(i for i, _ in plan.seen)]
    plan.newest = max((offered.ends[i] for i in used), default=None)
    if memory.watermark is not None:
        border = memory.watermark  # an instant there is the first of the next window
        plan.late = sum(offered.ends[i] <= border and offered.starts[i] < border for i in plan.fresh)
    if plan.fresh:
        newest = known.ends[-1] if len(known) else -inf
        plan.behind = sum(offered.ends[i] <= newest for i in plan.fresh)
        plan.ats = tuple(offered.ends[i] for i in plan.fresh[plan.behind :])
        start, end = offered.starts[plan.fresh[0]], offered.ends[plan.fresh[0]]
        plan.ats_of_new = (min(start, end - 1), *plan.ats)
    read_again = {j: i for i, j in plan.seen}
    merged = sorted(
        [
            *((known.ends[j], known.starts[j], read_again.get(j, ~j)) for j in range(len(known))),
            *((offered.ends[i], offered.starts[i], i) for i in plan.fresh),
        ]
    )
    old = sum(end <= memory.keep_from and start < memory.keep_from for end, start, _ in merged)
    kept = merged[max(0, old - 1) :]
    plan.kept = Times((start for _, start, _ in kept), (end for end, _, _ in kept))
    plan.sources = [source for _, _, source in kept]
    _simplify(plan)


def _simplify(plan: Plan) -> None:
    """Sets the slices, if the plan can be said in slices."""
    from_known = [~source for source in plan.sources if source < 0]
    from_offered = [source for source in plan.sources if source >= 0]
    fresh = _run_of(plan.fresh)
    seen_offered = _run_of([i for i, _ in plan.seen])
    seen_known = _run_of([j for _, j in plan.seen])
    kept_known = _run_of(from_known)
    kept_offered = _run_of(from_offered)
    if not (plan.is_used and fresh and seen_offered and seen_known and kept_known and kept_offered):
        return
    if any(source >= 0 for source in plan.sources[: len(from_known)]):
        return
    plan.is_simple = True
    plan.fresh_values = slice(*fresh)
    plan.seen_offered = _in_bytes(seen_offered)
    plan.seen_known = _in_bytes(seen_known)
    plan.kept_known = _in_bytes(kept_known)
    plan.kept_offered = _in_bytes(kept_offered)


def _run_of(indices: list[int]) -> tuple[int, int] | None:
    """The half-open range that ascending indices fill without a gap, None if they do not."""
    if not indices:
        return (0, 0)
    if indices == list(range(indices[0], indices[0] + len(indices))):
        return (indices[0], indices[-1] + 1)
    return None


def _in_bytes(indices: tuple[int, int]) -> slice:
    return slice(indices[0] * 8, indices[1] * 8)


class _Disjoint:
    """A set of intervals no two of which overlap. An instant fills its own millisecond."""

    def __init__(self, intervals: Sequence[tuple[int, int]] | dict[tuple[int, int], int]) -> None:
        ordered = sorted((start, max(end, start + 1)) for start, end in intervals)
        self._starts = [start for start, _ in ordered]
        self._ends = [end for _, end in ordered]

    def take(self, start: int, end: int) -> bool:
        """Adds the interval and says True, or says False if it overlaps one that is there."""
        end = max(end, start + 1)
        at = bisect_left(self._starts, start)
        if at < len(self._starts) and self._starts[at] < end:
            return False
        if at > 0 and self._ends[at - 1] > start:
            return False
        self._starts.insert(at, start)
        self._ends.insert(at, end)
        return True
