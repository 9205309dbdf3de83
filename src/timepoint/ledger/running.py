"""Totals as they run: how amounts are added, and what a counter has come to at each of its timepoints.

Owns: the arithmetic of totals, and the samples that follow from it for remote write. Must not know: which points are
new, the store. Pure.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import fsum, inf

from timepoint.ledger.interval_plan import Plan
from timepoint.ledger.outgoing import Late, Leaving, Outgoing
from timepoint.ledger.state import SeriesState


def add_up(values: Sequence[float]) -> float:
    """The exactly rounded sum; inf if it is beyond the largest float64."""
    try:
        return fsum(values)
    except OverflowError:
        return inf


def add_amount(total: float, carry: float, amount: float) -> tuple[float, float]:
    """Adds an amount that is not negative; what rounding takes from the total goes into the carry.

    Source: Dekker 1971, "fast two-sum". A total of millions of runs stays within one rounding of the exact sum.
    """
    raised = total + amount
    carry += amount - (raised - total) if total >= amount else total - (raised - amount)
    if not carry:
        return raised, 0.0
    result = max(raised + carry, total)
    return result, carry - (result - raised)


def leave_totals(  # noqa: PLR0913 - what there is to know of a series in a run
    outgoing: Outgoing,
    plan: Plan,
    text: str,
    state: SeriesState,
    fresh: Sequence[float],
    *,
    total: float,
    changed: Sequence[float] = (),
) -> None:
    """Lets a delta counter leave with its total at the end of each new interval; ``total`` is the one at the end.

    ``fresh`` are the amounts of the new intervals, ``changed`` what revisions add and take. What is not newer than all
    that was counted before is late: its amount is in the totals from here on, and no total of its own is sent, since
    the later ones that a receiver has would then be lower. A series that is new begins with 0 where its first interval
    begins; at an instant a millisecond before it.
    """
    behind, number = plan.behind, state.id if state.created else 0
    if behind:
        for i, amount in zip(plan.fresh[:behind], fresh[:behind], strict=True):
            outgoing.late.append(Late(text, number, plan.offered.ends[i], amount, is_amount=True))
    if len(fresh) == behind:
        return
    owed = add_up([-state.debt, *changed, *fresh[:behind]]) if state.debt or changed or behind else 0.0
    values = _running_totals(state, owed, fresh[behind:], total)
    if number:
        outgoing.series.append(Leaving(text, number, *_once(plan.ats, values)))
        return
    values.insert(0, 0.0)
    outgoing.series.append(Leaving(text, 0, *_once(plan.ats_of_new, values), plan.ats_of_new[0]))


def _running_totals(state: SeriesState, owed: float, amounts: Sequence[float], last: float) -> array[float]:
    """The total after each amount, never falling, the last one being the one that is committed."""
    if len(amounts) == 1:
        return array("d", (last,))
    total, carry = state.value, state.carry
    if owed > 0.0:
        total, carry = add_amount(total, carry, owed)
        owed = 0.0
    values = array("d")
    for amount in amounts:
        if owed:
            owed += amount
            if owed > 0.0:
                total, carry = add_amount(total, carry, owed)
                owed = 0.0
        else:
            total, carry = add_amount(total, carry, amount)
        values.append(min(total, last))
    values[-1] = last
    return values


def _once(ats: tuple[int, ...], values: array[float]) -> tuple[tuple[int, ...], array[float]]:
    """One sample for each instant: where an interval ends at one that is counted itself, the later total stands."""
    if len(ats) == 1 or len(set(ats)) == len(ats):
        return ats, values
    by_at = dict(zip(ats, values, strict=True))
    return tuple(by_at), array("d", by_at.values())


def leave_readings(  # noqa: PLR0913 - what there is to know of a series in a run
    outgoing: Outgoing,
    plan: Plan,
    text: str,
    state: SeriesState,
    fresh: Sequence[float],
    *,
    reading: float,
    rebased: float = 0.0,
) -> None:
    """Lets a cumulative counter leave with the total that follows each new reading.

    ``reading`` is the newest one before them, ``rebased`` what revisions add to earlier starts of the source. There is
    no 0 first: when the source began to count is not known.
    """
    if not len(fresh):
        return
    shown, before = state.value, state.carry + rebased
    values = array("d")
    for value in fresh:
        if value < reading:
            before += reading
        reading = value
        shown = max(shown, before + reading)
        values.append(shown)
    outgoing.series.append(Leaving(text, state.id, plan.ats, values))
