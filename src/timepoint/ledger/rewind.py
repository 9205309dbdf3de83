"""A lane that was moved on under a clock that was ahead of the time, brought back.

Owns: what of a lane is not believed, from where it goes on then, and when that would count something twice. Pure: it
changes the lane that it is given. Must not know: clocks, the store, requests.

The clock of now may be the wrong one instead, so that the ledger alone must say what was counted: each series remembers
the newest of its counted intervals. The lane goes on from the newest of all these. Nothing later was ever counted, so
nothing is counted twice, whichever clock was wrong, and what the empty answers of a false time passed over is asked for
again. If that interval itself lies in the future, nothing can tell the two cases apart, and the lane is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from timepoint.clock import format_instant
from timepoint.errors import ClockError
from timepoint.ledger.state import LaneState, MetricState, SeriesState
from timepoint.model import MetricSpec


def is_ahead(lane: LaneState, latest: int) -> bool:
    """Whether the lane tells of a time after ``latest``, which no run under a right clock can have left there."""
    told = (lane.watermark, lane.kept_from, lane.last_fire, lane.last_accepted, lane.page_since, lane.open_run)
    return any(instant is not None and instant > latest for instant in told)


def rewind(lane: LaneState, metrics: Mapping[str, MetricSpec], now: int, latest: int) -> str:
    """Brings a lane back that ``is_ahead``; what was done, as a sentence.

    ``metrics`` are the job's. Raises ClockError, and changes nothing, if that could count something twice.
    """
    counted = _newest_counted(lane)
    if counted is not None and counted > latest:
        raise ClockError(
            f"job {lane.job}: the ledger has counted up to {format_instant(counted)}, but this machine's clock says "
            f"{format_instant(now)}: set the clock; if it is right, and was ahead before, stop and let the "
            f"job begin anew (timepoint doctor --forget {lane.job})"
        )
    was = max(filter(None, (lane.watermark, lane.last_fire, lane.page_since)), default=latest)
    if lane.watermark is not None and lane.watermark > latest:
        lane.watermark = counted
        if not any(spec.temporality or spec.receivers for spec in metrics.values()):
            lane.asked_from = None  # gauges of the page show what is newest: what came in between need not be caught up
    if lane.kept_from is not None and lane.kept_from > (lane.watermark or now):
        lane.kept_from = lane.watermark
    _rewind_runs(lane, metrics, now, latest)
    for metric in lane.metrics.values():
        _rewind_metric(metric, lane.page_since, now, latest)
        metric.note_leaving(metric.absent, lane.last_accepted or 0)  # as a restart would
    onward = "anew" if lane.watermark is None else f"from {format_instant(lane.watermark)}"
    return (
        f"the ledger tells of {format_instant(was)}, but this machine's clock says {format_instant(now)}: it was ahead "
        f"before. The job goes on {onward}, as far as catch_up reaches; counters stay, and nothing is counted twice"
    )


def _newest_counted(lane: LaneState) -> int | None:
    return max(
        (
            state.times.ends[-1]
            for metric in lane.metrics.values()
            for by_text in (metric.series, metric.absent)
            for state in by_text.values()
            if state.times.ends
        ),
        default=None,
    )


def _rewind_runs(lane: LaneState, metrics: Mapping[str, MetricSpec], now: int, latest: int) -> None:
    """What the lane says of its runs. When an accepted run really was, the newest timepoint that it gave tells best."""
    newest = None
    for spec in metrics.values():
        metric = lane.metric(spec)
        if metric is None or metric.newest is None or spec.horizons:
            continue
        if metric.newest > latest:
            metric.newest = None
        else:
            newest = max(newest or metric.newest, metric.newest)
    if lane.last_fire is not None and lane.last_fire > latest:
        lane.last_fire = newest
    if lane.last_accepted is not None and lane.last_accepted > latest:
        lane.last_accepted = newest
    if lane.last_attempt is not None and lane.last_attempt > latest:
        lane.last_attempt = now
    if lane.asked_from is not None and lane.asked_from > latest:
        lane.asked_from = None
    lane.open_run = None
    lane.page_since = min(lane.page_since, now)


def _rewind_metric(metric: MetricState, page_since: int, now: int, latest: int) -> None:
    metric.last_run = min(metric.last_run, now)
    for state in metric.series.values():
        state.seen_at = max(min(state.seen_at, now), page_since)
        _rewind_birth(state, now, latest)
    for state in metric.absent.values():
        state.seen_at = min(state.seen_at, page_since - 1)
        _rewind_birth(state, now, latest)


def _rewind_birth(state: SeriesState, now: int, latest: int) -> None:
    """A series that was born in the false time may have shown its total, and must not fall to 0."""
    if state.created > latest:
        state.created = state.zero_until = now
