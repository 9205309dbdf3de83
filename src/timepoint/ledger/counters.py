"""Points become totals.

Owns: what a point adds to a counter, from amounts per interval (delta) and from readings (cumulative); what a revision
owes; which values a counter refuses. Must not know: which points are new (``interval_plan``), windows, the store.

Every series of a run passes here, so the common case (same grid as its neighbours, nothing revised, nothing odd) is a
handful of operations on bytes; all else goes through the ``_slowly`` functions. Measured with 100,000 series of 48
points, 12 of them read again: see ``bench``.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from operator import ne

from timepoint.ledger.change import Counts
from timepoint.ledger.grid_plans import Plans
from timepoint.ledger.interval_plan import Plan, plan_cumulative, plan_delta
from timepoint.ledger.lane_run import UNKNOWN, MetricRun
from timepoint.ledger.running import add_amount, add_up, leave_readings, leave_totals
from timepoint.ledger.state import SeriesState
from timepoint.model import OnRevision, SeriesPoints, Times

# The byte of a float64 that holds its sign. A sign bit makes it a non-ASCII byte, so one isascii() over every eighth
# byte finds a negative among 48 values in 60 ns, where min() takes 720 ns. It finds -0.0 too, which is then made 0.0.
_SIGNS = slice(7, None, 8) if sys.byteorder == "little" else slice(0, None, 8)

_LAST = struct.Struct("=d")

_HUGE = sys.float_info.max / 2
"""Totals from here on are added with care: what is beyond the largest float64 must be refused, and cost no commit."""

Amounts = tuple[float, float, float]
"""value, carry, debt of a series."""


def count_deltas(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
    """Adds the amounts of new intervals to the totals.

    A series that has a usable point is in the run, even if its value is refused: one bad value does not take a counter
    from the page.
    """
    plans = Plans(metric, plan_delta, metric.lane.reach.for_amounts)
    on_page, changes, stamp = metric.state.series, metric.changes, metric.lane.stamp
    append, outgoing = changes.updates.append, metric.outgoing
    created = metric.lane.facts.now
    has_others = bool(metric.others)
    zero_until = created + metric.spec.zero_first
    plan = Plan()
    last_known: Times | None = None
    last_offered: Times | None = None
    for text, points in offered.items():
        state = on_page.get(text) or metric.find_absent(text)
        if state is None:
            continue
        if has_others or points.times is not last_offered or state.times is not last_known:
            last_offered, last_known = points.times, state.times
            plan = plans.get(state, last_offered, text)
        values = points.values
        raw = values.tobytes()
        if (
            plan.is_simple
            and not state.debt
            and raw[plan.seen_offered] == state.recent[plan.seen_known]
            and raw[_SIGNS].isascii()
            and state.value + (amount := add_up(values[plan.fresh_values])) < _HUGE
        ):
            plan.series += 1
            total, carry = add_amount(state.value, state.carry, amount)
            debt, kept = 0.0, plan.kept
            recent = state.recent[plan.kept_known] + raw[plan.kept_offered]
            if outgoing is not None:
                fresh = values[plan.fresh_values]
                leave_totals(outgoing, plan, text, state, fresh, total=total)
        else:
            result = _count_slowly(metric, plans, text, points, state)
            if result is None:
                continue
            (total, carry, debt), kept, recent = result
        if not state.created:
            metric.begin(text, state, SeriesState(total, carry, debt, kept, recent, stamp, created, zero_until))
        else:
            append((text, state.id, total, carry, debt, kept, recent))
    plans.sum_up()


def _refuse_total(metric: MetricRun, plan: Plan, text: str, state: SeriesState) -> tuple[Amounts, Times, bytes] | None:
    """What becomes of a series whose total would leave float64: its points are refused, and it stays as it was."""
    plan.passed += 1
    metric.refuse("not_finite", text, plan.offered, plan.fresh[0] if plan.fresh else 0, max(1, len(plan.fresh)))
    return None if state is UNKNOWN else ((state.value, state.carry, state.debt), state.times, state.recent)


def _count_slowly(
    metric: MetricRun, plans: Plans, text: str, points: SeriesPoints, state: SeriesState
) -> tuple[Amounts, Times, bytes] | None:
    """One series point by point: revisions, debts, odd values, scattered grids. None if it is not in the run."""
    found = _usable_values(metric, plans, text, points, state)
    if found is None:
        return None
    plan, values = found
    is_new = state is UNKNOWN or (not state.created and metric.outgoing is not None)
    counted = array("d", state.recent)
    if not plan.is_used or (is_new and not plan.fresh):
        plan.passed += 1
        if not state.created:
            return None
        return (state.value, state.carry, state.debt), plan.kept, _remember(plan, values, counted)
    fresh = [values[i] for i in plan.fresh]
    changed: list[float] = []
    revised = 0
    for i, j in plan.seen:
        if values[i] != counted[j] and counted[j] == counted[j]:
            revised += 1
            if metric.spec.on_revision is OnRevision.DEBT:
                changed += (values[i], -counted[j])
    net = add_up([-state.debt, *fresh, *changed])
    total, carry, debt = state.value, state.carry, 0.0
    if net < 0.0:
        debt = -net
    else:
        total, carry = add_amount(total, carry, net)
    if not isfinite(total) or not isfinite(debt):
        return _refuse_total(metric, plan, text, state)
    plan.series += 1
    _note_revised(metric.changes.counts, revised)
    if metric.outgoing is not None:
        leave_totals(metric.outgoing, plan, text, state, fresh, total=total, changed=changed)
    return (total, carry, debt), plan.kept, _remember(plan, values, counted)


def _note_revised(counts: Counts, revised: int) -> None:
    counts.revised += revised
    counts.seen -= revised  # the plan counts every interval that is read again


def _remember(plan: Plan, values: array[float], counted: array[float]) -> bytes:
    return array("d", [values[s] if s >= 0 else counted[~s] for s in plan.sources]).tobytes()


def _usable_values(
    metric: MetricRun, plans: Plans, text: str, points: SeriesPoints, state: SeriesState
) -> tuple[Plan, array[float]] | None:
    """The plan and the values without those that a counter refuses: NaN, infinite, negative (R14). -0.0 is 0.0.

    None if no point may be used, whatever its value: then the series is not in the run.
    """
    times, values = points.times, points.values
    plan = plans.get(state, times, text)
    if not plan.is_used:
        plan.passed += 1
        return None
    if values.tobytes()[_SIGNS].isascii() and add_up(values) < inf:  # nothing odd; point by point is 15 us a series
        return plan, values
    usable = metric.lane.reach.for_counters(times, timed=metric.spec.timed)
    refused = {}
    for i in usable:
        if not isfinite(values[i]):
            refused[i] = "not_finite"
        elif values[i] < 0.0:
            refused[i] = "negative"
    for i, reason in refused.items():
        metric.refuse(reason, text, times, i)
    if refused:
        good = [i for i in range(len(times)) if i not in refused]
        values = array("d", [values[i] for i in good])
        times = Times((times.starts[i] for i in good), (times.ends[i] for i in good))
    return plans.get(state, times, text), array("d", [value + 0.0 for value in values])


def count_readings(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
    """Follows the readings of cumulative counters.

    The first reading is shown as it is. A reading below the one before it says that the source started anew: it counts
    from 0, so the total goes on from the last reading before. A series that is new to the page does not show 0 first:
    its first reading is no increment, and PromQL would take it for one.
    """
    plans = Plans(metric, plan_cumulative, metric.lane.reach.for_readings)
    on_page, changes, stamp = metric.state.series, metric.changes, metric.lane.stamp
    append, new = changes.updates.append, changes.new
    created = metric.lane.facts.now
    for text, points in offered.items():
        state = on_page.get(text) or metric.find_absent(text)
        if state is None:
            continue
        plan = plans.get(state, points.times, text)
        raw = points.values.tobytes()
        amounts: Amounts | None = None
        if (
            plan.is_simple
            and raw[plan.seen_offered] == state.recent[plan.seen_known]
            and raw[_SIGNS].isascii()
            and (amounts := _follow(state, _last_reading(state), points.values[plan.fresh_values], changes.counts))
        ):
            plan.series += 1
            kept, recent = plan.kept, state.recent[plan.kept_known] + raw[plan.kept_offered]
            if metric.outgoing is not None:
                fresh = points.values[plan.fresh_values]
                leave_readings(metric.outgoing, plan, text, state, fresh, reading=_last_reading(state))
        else:
            result = _read_slowly(metric, plans, text, points, state)
            if result is None:
                continue
            amounts, kept, recent = result
        if state is UNKNOWN:
            new[text] = SeriesState(*amounts, kept, recent, stamp, created, created)
        else:
            append((text, state.id, *amounts, kept, recent))
    plans.sum_up()


def _last_reading(state: SeriesState) -> float:
    """The newest known reading; 0 for a new series, so that whatever comes first is no new start."""
    if not state.recent:
        return 0.0
    reading: float = _LAST.unpack_from(state.recent, len(state.recent) - 8)[0]
    return reading


def _follow(
    state: SeriesState, reading: float, fresh: Sequence[float], counts: Counts, rebased: float = 0.0
) -> Amounts | None:
    """The series after more readings, None if one of them is not finite.

    ``rebased`` is added to what earlier starts of the source came to.
    """
    before = state.carry + rebased
    resets = 0
    for value in fresh:
        if value < reading:
            before += reading
            resets += 1
        reading = value
        if not isfinite(value):
            return None
    current = before + reading
    if not isfinite(current):
        return None
    counts.resets += resets
    shown = max(state.value, current)
    return shown, before, shown - current


def _read_slowly(
    metric: MetricRun, plans: Plans, text: str, points: SeriesPoints, state: SeriesState
) -> tuple[Amounts, Times, bytes] | None:
    """One series reading by reading: revisions, odd values, scattered grids. None if it is not in the run.

    A revision of the newest reading moves the base of the next one; what it takes back is owed (or not, if revisions
    are ignored). A revision of an older reading changes nothing, for readings are sums already, unless the source
    started anew after it.
    """
    found = _usable_values(metric, plans, text, points, state)
    if found is None:
        return None
    plan, values = found
    is_new = state is UNKNOWN
    counted = array("d", state.recent)
    if not plan.is_used or (is_new and not plan.fresh):
        plan.passed += 1
        if is_new:
            return None
        return (state.value, state.carry, state.debt), plan.kept, _remember(plan, values, counted)
    revised = array("d", counted)
    for i, j in plan.seen:
        revised[j] = values[i]
    rebased, known_from = 0.0, 0
    if revised != counted:
        rebased, known_from = _rebase(counted, revised, metric.spec.on_revision)
    reading = revised[-1] if len(revised) else 0.0
    fresh = [values[i] for i in plan.fresh]
    amounts = _follow(state, reading, fresh, metric.changes.counts, rebased)
    if amounts is None:
        return _refuse_total(metric, plan, text, state)
    plan.series += 1
    _note_revised(metric.changes.counts, sum(map(ne, revised, counted)))
    if metric.outgoing is not None:
        leave_readings(metric.outgoing, plan, text, state, fresh, reading=reading, rebased=rebased)
    if known_from:
        times, recent = _remember_from(known_from, plan, values, counted)
        return amounts, metric.lane.intern(times), recent
    return amounts, plan.kept, _remember(plan, values, counted)


def _rebase(counted: array[float], revised: array[float], on_revision: OnRevision) -> tuple[float, int]:
    """What revisions add to the sum of earlier starts, and from which known reading on that is known.

    ``carry`` holds each known reading after which a lower one came: a new start. If the pair no longer falls it was
    none. A pair that falls only since it was revised is no new start either, but nothing notes that: so what lies
    before it is forgotten, and may no longer be revised.
    """
    if on_revision is OnRevision.IGNORE:
        return counted[-1] - revised[-1], len(counted) - 1
    rebased, known_from = 0.0, 0
    for k in range(1, len(counted)):
        fell, falls = counted[k] < counted[k - 1], revised[k] < revised[k - 1]
        if fell:
            rebased += (revised[k - 1] if falls else 0.0) - counted[k - 1]
        elif falls:
            known_from = k
    return rebased, known_from


def _remember_from(known_from: int, plan: Plan, values: array[float], counted: array[float]) -> tuple[Times, bytes]:
    """As ``_remember``, without the first of what is known."""
    known_of = dict(plan.seen)
    kept = [
        place
        for place, source in enumerate(plan.sources)
        if (known_of.get(source, known_from) if source >= 0 else ~source) >= known_from
    ]
    times = Times((plan.kept.starts[place] for place in kept), (plan.kept.ends[place] for place in kept))
    sources = [plan.sources[place] for place in kept]
    return times, array("d", [values[s] if s >= 0 else counted[~s] for s in sources]).tobytes()
