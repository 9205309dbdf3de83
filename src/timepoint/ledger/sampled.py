"""Points of gauges become samples that go out by remote write.

Owns: which points of a gauge, an info or a stateset are new, and what of them is remembered so that none goes out
twice. Must not know: totals, receivers, the store. What ``points`` says of a gauge is for the page: here each counts.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from operator import ne

from timepoint.ledger.grid_plans import Plans
from timepoint.ledger.interval_plan import Plan, plan_samples
from timepoint.ledger.lane_run import UNKNOWN, MetricRun
from timepoint.ledger.outgoing import Late, Leaving
from timepoint.ledger.state import SeriesState
from timepoint.model import MetricType, SeriesPoints

_BITS = "Q"


def send_points(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
    """Lets each new point go out, and notes those that came too late for it.

    A point that comes again with another value is counted as revised and not sent: receivers keep the first.
    """
    plans = Plans(metric, plan_samples, metric.lane.reach.for_readings)
    on_page, changes, stamp = metric.state.series, metric.changes, metric.lane.stamp
    created = metric.lane.facts.now
    convert = _CONVERSIONS.get(metric.spec.family.type)
    for text, points in offered.items():
        state = on_page.get(text) or metric.find_absent(text)
        if state is None:
            continue
        plan = plans.get(state, points.times, text)
        if not plan.is_used or (state is UNKNOWN and not plan.fresh):
            plan.passed += 1
            continue
        plan.series += 1
        values = points.values if convert is None else convert(points.values)
        _leave(metric, plan, text, state, values)
        raw = values.tobytes()
        if plan.is_simple and raw[plan.seen_offered] == state.recent[plan.seen_known]:
            recent = state.recent[plan.kept_known] + raw[plan.kept_offered]
        else:
            recent = _remember(metric, plan, values, state)
        newest = array("d", recent[-8:])[0] + 0.0
        if state is UNKNOWN:
            changes.new[text] = SeriesState(newest, 0.0, 0.0, plan.kept, recent, stamp, created)
        else:
            changes.updates.append((text, state.id, newest, 0.0, 0.0, plan.kept, recent))
    plans.sum_up()


def _leave(metric: MetricRun, plan: Plan, text: str, state: SeriesState, values: array[float]) -> None:
    outgoing = metric.outgoing
    assert outgoing is not None, "BUG: points are sent of a metric that nobody receives"
    behind = plan.behind
    for i in plan.fresh[:behind]:
        outgoing.late.append(Late(text, state.id, plan.offered.ends[i], values[i], is_amount=False))
    if plan.is_simple and not behind:
        fresh = values[plan.fresh_values]
    else:
        fresh = array("d", [values[i] for i in plan.fresh[behind:]])
    if fresh:
        outgoing.series.append(Leaving(text, state.id, plan.ats, fresh))


def _remember(metric: MetricRun, plan: Plan, values: array[float], state: SeriesState) -> bytes:
    known = array("d", state.recent)
    before = array("d", [known[j] for _, j in plan.seen])
    after = array("d", [values[i] for i, _ in plan.seen])
    revised = sum(map(ne, array(_BITS, before.tobytes()), array(_BITS, after.tobytes())))
    metric.changes.counts.revised += revised
    metric.changes.counts.seen -= revised
    return array("d", [values[s] if s >= 0 else known[~s] for s in plan.sources]).tobytes()


def _ones(values: array[float]) -> array[float]:
    return array("d", [1.0]) * len(values)


def _states(values: array[float]) -> array[float]:
    return array("d", [float(value != 0.0) for value in values])


_CONVERSIONS = {MetricType.INFO: _ones, MetricType.STATESET: _states}
