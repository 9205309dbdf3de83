"""What of a run goes out by remote write: the words.

Owns: how the samples of a metric are said between the rules that choose them and the store that lets them wait. Must
not know: the rules, SQL, receivers beyond their name and whether they are strict. Pure.

A sample is (series, at, value, start): ``at`` is the end of its interval, or its instant; ``start`` is when the count
of its series began. All instants in milliseconds.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from timepoint.clock import MINUTE
from timepoint.model import FamilySpec, MetricType, Receiver

(ENDED,) = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))
"""The value that says that a series has ended. Source: Remote Write 1.0, "Stale Markers"."""

# A strict receiver takes what is up to an hour older than its newest, and is sent nothing near that.
_STRICT = 55 * MINUTE
_ON_THE_WAY = 5 * MINUTE

LATE = "late"
LATE_AMOUNT = "late_amount"
"""Why a timepoint never waits: it is older than what went out of its series. Of a counter nothing is lost by that: its
amount is in the next total, so it is no dead letter."""


class Leaving(NamedTuple):
    """What of a series goes out: its instants, ascending, and their values.

    ``id`` is the ledger's, 0 for a series that is new to it. ``start`` is set where the series begins to count.
    """

    text: str
    id: int
    ats: tuple[int, ...]
    values: Sequence[float]
    start: int | None = None


class Late(NamedTuple):
    """A timepoint that came after newer ones of its series had gone out.

    ``is_amount``: the value is the amount of a counter's interval, and contained in the next total.
    """

    text: str
    id: int
    at: int
    value: float
    is_amount: bool


class Floor(NamedTuple):
    """The instant behind which a count of a series must stay.

    It is where its own 0 stands, or, ``is_of_another``, the newest sample of an earlier count, if this one begins now.
    """

    at: int
    is_of_another: bool


class Ended(NamedTuple):
    """A series that was absent from a whole run, and the instant that says so."""

    text: str
    id: int
    at: int


@dataclass(slots=True)
class Outgoing:
    """What of one metric goes out, to each of ``receivers``.

    ``now`` is when that was decided: an end that a receiver would refuse for its age is not told. ``is_delta``: totals
    of amounts, which begin with 0.
    """

    family: FamilySpec
    receivers: tuple[Receiver, ...]
    now: int
    is_delta: bool = False
    series: list[Leaving] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)

    def waiting(self, receiver: Receiver) -> Iterator[Leaving]:
        """What waits for a receiver, series by series; a series may come several times."""
        yield from self.series
        for late in self.late:
            if not (late.is_amount or receiver.is_strict):
                yield Leaving(late.text, late.id, (late.at,), (late.value,))
        oldest = receiver.oldest or (_STRICT if receiver.is_strict else inf)
        for ended in self.ended:
            if self.now - ended.at <= oldest - _ON_THE_WAY:
                yield Leaving(ended.text, ended.id, (ended.at,), (ENDED,))

    def lost(self, receiver: Receiver) -> Iterator[tuple[Late, str]]:
        """What is a dead letter of a receiver from the start, and why; or the late amount of a counter."""
        for late in self.late:
            if late.is_amount:
                yield late, LATE_AMOUNT
            elif receiver.is_strict:
                yield late, LATE

    def keep_behind(self, floor_of: Callable[[int, str], Floor | None]) -> None:
        """Lets no count mix with an earlier one of the same series: nothing of it stands at or before its floor.

        ``floor_of`` gives that by the id and the text of a series, None if there is none. The 0 of a count that begins
        is moved behind it, and what lies before is late: it is in the next total.
        """
        for place, leaving in enumerate(self.series):
            floor = floor_of(leaving.id, leaving.text)
            if floor is not None and self._is_count(leaving.text):
                begins = floor.is_of_another and (self.is_delta or leaving.start is not None)
                if leaving.ats[0] <= floor.at or begins:
                    self.series[place] = self._behind(leaving, floor.at, begins=begins)
        self.series = [leaving for leaving in self.series if leaving.ats]
        self._begin_late(floor_of)
        ended, self.ended = self.ended, []
        for end in ended:
            floor = floor_of(end.id, end.text)
            if floor is None or not floor.is_of_another:  # another count has gone on since: nothing ends with this one
                self.ended.append(end if floor is None else end._replace(at=max(end.at, floor.at + 1)))

    def _begin_late(self, floor_of: Callable[[int, str], Floor | None]) -> None:
        """A count that begins anew with late amounts alone has its 0 at once: later totals hold them."""
        told = {leaving.text for leaving in self.series}
        for late in self.late if self.is_delta else ():
            floor = floor_of(late.id, late.text)
            if floor is not None and floor.is_of_another and late.text not in told and self._is_count(late.text):
                told.add(late.text)
                begin = floor.at + 1
                self.series.append(Leaving(late.text, late.id, (begin,), array("d", [0.0]), begin))

    def _behind(self, leaving: Leaving, floor: int, *, begins: bool) -> Leaving:
        text, number, ats, values, start = leaving
        if start is not None and start > floor:
            return leaving
        zero, begin = int(start is not None), floor + begins
        first = max(zero, bisect_right(ats, begin))
        self.late += [Late(text, number, ats[i], values[i], is_amount=True) for i in range(zero, first)]
        kept = array("d", values[first:])
        if not begins:
            return Leaving(text, number, ats[first:], kept)
        kept.insert(0, 0.0)
        return Leaving(text, number, (begin, *ats[first:]), kept, begin)

    def _is_count(self, text: str) -> bool:
        """A quantile of a summary has no suffix."""
        kind = self.family.type
        return kind in (MetricType.COUNTER, MetricType.HISTOGRAM) or (
            kind is MetricType.SUMMARY and text.startswith("_")
        )

    def counted(self) -> set[str]:
        """The series of which something was counted."""
        return {series.text for series in self.series} | {late.text for late in self.late}

    def enqueued(self) -> int:
        """How many samples join queues, those that are dead letters from the start included."""
        return sum(
            sum(len(series.ats) for series in self.waiting(receiver)) + sum(1 for _ in self.lost(receiver))
            for receiver in self.receivers
        )
