"""What a run changes: the rules of counting, on points alone.

Owns: which rules a metric follows, and the change set they make together. Must not know: how points were got, how a
change set is kept or shown. Pure: no clock, no file, no lock; the lane is read and never changed.

    points of one run ──> interval_plan.py  new, seen, overlapping, too old: by intervals alone, once per grid
                     ──> counters.py       amounts and readings become totals; revisions become debts
                     ──> gauges.py         the newest value, a sum over the run, a forecast
                     ──> sampled.py        each new point, where it goes out by remote write; counters: running.py
                     ──> ChangeSet         what the store commits in one transaction
"""

from __future__ import annotations

from collections.abc import Mapping

from timepoint.ledger.change import ChangeSet, MetricChanges, RunFacts
from timepoint.ledger.counters import count_deltas, count_readings
from timepoint.ledger.gauges import show_gauges, show_horizons, show_states
from timepoint.ledger.holders import NOBODY, Estate, Estates, bearing, declared_otherwise
from timepoint.ledger.lane_run import LaneRun, MetricRun
from timepoint.ledger.sampled import send_points
from timepoint.ledger.state import LaneState, metric_key
from timepoint.model import MappedRun, MetricSpec, MetricType, SeriesPoints, Temporality

__all__ = ["RunFacts", "decide"]


_NO_OTHERS: Mapping[str, Estates] = {}


def decide(
    lane: LaneState,
    mapped: MappedRun,
    metrics: Mapping[str, MetricSpec],
    facts: RunFacts,
    estates: Mapping[str, Estates] = _NO_OTHERS,
) -> ChangeSet:
    """The change set of an accepted answer: that of a whole run, or of a part of it.

    ``metrics`` are the job's, by name; one that is not in ``mapped`` had no series. The watermark moves to the end of
    the window, also if there are no points: the answer was accepted. It never moves back, and it stays at the start for
    an answer in which something is missing. ``estates`` are by name of the metric what others have counted of it.
    """
    run = LaneRun(lane, facts)
    change_set = ChangeSet(
        job=lane.job,
        lane=lane.lane,
        version=lane.version,
        started_from=lane.watermark,
        watermark=run.watermark,
        kept_from=run.memory.keep_from,
        fire_time=facts.fire_time,
        now=facts.now,
        stamp=run.stamp,
        ends_run=facts.ends_run,
        rejects=run.rejects,
    )
    for spec in metrics.values():
        name = spec.family.name
        changes = _decide_metric(run, lane, spec, mapped.series.get(name, {}), estates.get(name, NOBODY))
        change_set.metrics[metric_key(spec)] = changes
        change_set.counts.add(changes.counts)
    change_set.counts.given_up = _given_up(lane, run.reach.start)
    change_set.dropped = [
        key
        for key, state in lane.metrics.items()
        if key not in change_set.metrics and run.stamp - state.last_run > state.forget_after
    ]
    return change_set


def _given_up(lane: LaneState, start: int) -> int:
    """How much data time lies between where the lane was and where it goes on, out of the reach of ``catch_up``."""
    due = lane.asked_from if lane.watermark is None else lane.watermark
    return 0 if due is None else max(0, start - due)


def _decide_metric(
    run: LaneRun,
    lane: LaneState,
    spec: MetricSpec,
    offered: Mapping[str, SeriesPoints],
    estates: Estates,
) -> MetricChanges:
    others: Mapping[str, tuple[Estate, ...]] = {}
    if spec.temporality is Temporality.DELTA:
        own = declared_otherwise(lane, spec, lane.kept_from)
        if own or estates is not NOBODY:
            others = bearing(estates, own, offered, lane.kept_from)
    metric = MetricRun(run, spec, lane.metric(spec), others)
    if spec.family.type in (MetricType.COUNTER, MetricType.HISTOGRAM):
        _count(metric, offered)
    elif spec.family.type is MetricType.SUMMARY:
        # A quantile has no suffix: its text begins with the labels.
        _count(metric, {text: points for text, points in offered.items() if text.startswith("_")})
        show = send_points if spec.receivers else show_gauges
        metric.others = {}  # quantiles are no amounts: whoever showed them before has counted nothing by that
        show(metric, {text: points for text, points in offered.items() if not text.startswith("_")})
    elif spec.receivers:
        send_points(metric, offered)
    elif spec.family.type is MetricType.STATESET:
        show_states(metric, offered)
    elif spec.horizons:
        show_horizons(metric, offered)
    else:
        show_gauges(metric, offered)
    return metric.finish()


def _count(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
    if metric.spec.temporality is Temporality.DELTA:
        count_deltas(metric, offered)
    elif metric.spec.temporality is Temporality.CUMULATIVE:
        count_readings(metric, offered)
    else:
        raise AssertionError(f"BUG: {metric.state.name} counts, but its temporality is not declared")
