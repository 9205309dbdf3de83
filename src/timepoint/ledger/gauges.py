"""Points become what a gauge shows.

Owns: which timepoint, or which sum over a run's timepoints, a gauge, an info or a stateset shows; forecasts.
Must not know: totals, the store.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, inf, isnan, nan

from timepoint.clock import format_duration
from timepoint.ledger.interval_plan import Rest
from timepoint.ledger.lane_run import UNKNOWN, MetricRun
from timepoint.ledger.state import NO_TIMES, SeriesState
from timepoint.model import MetricType, Points, SeriesPoints, Times, series_text, split_series_text


@dataclass(slots=True)
class _GaugeGrid:
    """A grid as gauges see it: which points may be used, and how many series have it."""

    usable: list[int]
    rest: Rest
    whole: slice | None
    example: str
    series: int = 0


def show_gauges(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
    """Shows what ``points`` says of the run's usable timepoints, or 1 for an info. R15 says which are usable."""
    pick = _one if metric.spec.family.type is MetricType.INFO else _PICKS[metric.spec.points]
    takes_last = pick is _PICKS[Points.LAST]
    grids: dict[Times, _GaugeGrid] = {}
    last: Times | None = None
    grid = _GaugeGrid([], Rest((), 0), None, "")
    newest_index = -1
    for text, points in offered.items():
        if points.times is not last:
            last = points.times
            grid = grids.get(last) or grids.setdefault(last, _grid(metric, last, text))
            newest_index = grid.usable[-1] if grid.usable else -1
        grid.series += 1
        if newest_index < 0:
            continue
        values = points.values
        if takes_last:
            value = values[newest_index]
        else:
            value = pick(values[grid.whole] if grid.whole else [values[i] for i in grid.usable])
        _show(metric, text, value)
    for times, grid in grids.items():
        if grid.usable:
            metric.saw(times.ends[grid.usable[-1]])
        rest, counts = grid.rest, metric.changes.counts
        counts.unused += rest.unused * grid.series
        if rest.outside:
            metric.refuse("outside_window", grid.example, times, rest.outside[0], len(rest.outside) * grid.series)


def _grid(metric: MetricRun, times: Times, text: str) -> _GaugeGrid:
    usable = metric.lane.reach.for_gauges(times, timed=metric.spec.timed)
    contiguous = bool(usable) and usable[-1] - usable[0] + 1 == len(usable)
    rest = metric.lane.reach.rest(times, usable)
    return _GaugeGrid(usable, rest, slice(usable[0], usable[-1] + 1) if contiguous else None, text)


def _show(metric: MetricRun, text: str, value: float) -> None:
    state = metric.state.series.get(text) or metric.find_absent(text)
    if state is None:
        return
    value += 0.0  # -0.0 becomes 0.0: the store cannot tell them apart, and a restart must show what was shown
    if state is UNKNOWN:
        lane = metric.lane
        metric.changes.new[text] = SeriesState(value, 0.0, 0.0, NO_TIMES, b"", lane.stamp, lane.facts.now)
    else:
        metric.changes.updates.append((text, state.id, value, 0.0, 0.0, NO_TIMES, b""))


def _sum(values: Sequence[float]) -> float:
    try:
        return fsum(values)
    except OverflowError:
        return sum(values)
    except ValueError:  # inf and -inf
        return nan


def _without_nan(values: Sequence[float], choose: Callable[[Sequence[float]], float]) -> float:
    """As Prometheus' min_over_time does: NaN only where there is nothing else."""
    numbers = [value for value in values if not isnan(value)]
    return choose(numbers) if numbers else nan


def _mean(values: Sequence[float]) -> float:
    total = _sum(values)
    if total in (inf, -inf):  # the sum may be too big where the mean is not
        return _sum([value / len(values) for value in values])
    return total / len(values)


def _one(_values: Sequence[float]) -> float:
    return 1.0


_PICKS: dict[Points, Callable[[Sequence[float]], float]] = {
    Points.LAST: lambda values: values[-1],
    Points.SUM: _sum,
    Points.MEAN: _mean,
    Points.MIN: lambda values: _without_nan(values, min),
    Points.MAX: lambda values: _without_nan(values, max),
    Points.COUNT: lambda values: float(len(values)),
}


def show_horizons(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
    """Shows forecasts (R13): per horizon the point whose interval holds fire time + horizon.

    An instant holds until the next one; the last one for as long as the one before it did. The window says nothing
    here: a forecast lies ahead of it. With several horizons each series gets a label ``horizon``.
    """
    horizons = metric.spec.horizons
    fire_time = metric.lane.facts.fire_time
    indices: dict[Times, list[int | None]] = {}
    for text, points in offered.items():
        times = points.times
        at = indices.get(times)
        if at is None:
            at = indices[times] = [_holds(times, fire_time + horizon) for horizon in horizons]
            metric.saw(max((times.ends[i] for i in at if i is not None), default=None))
        for horizon, index in zip(horizons, at, strict=True):
            if index is not None:
                _show(metric, text if len(horizons) == 1 else _with_horizon(text, horizon), points.values[index])


def _holds(times: Times, moment: int) -> int | None:
    """The index of the point that is about ``moment``; of several intervals, the one that starts last."""
    best: int | None = None
    for i, (start, end) in enumerate(zip(times.starts, times.ends, strict=True)):
        until = _held_until(times, i) if start == end else end
        if start <= moment < until and (best is None or start >= times.starts[best]):
            best = i
    return best


def _held_until(times: Times, i: int) -> float:
    starts = times.starts
    if i + 1 < len(starts):
        return starts[i + 1]
    return starts[i] + (starts[i] - starts[i - 1]) if i else inf


def _with_horizon(text: str, horizon: int) -> str:
    suffix, labels = split_series_text(text)
    return series_text({**labels, "horizon": format_duration(horizon)}, suffix)


def show_states(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
    """Shows 1 or 0 per state, by its newest usable timepoint."""
    binary = {
        text: SeriesPoints(points.times, array("d", [float(value != 0.0) for value in points.values]))
        for text, points in offered.items()
    }
    show_gauges(metric, binary)
