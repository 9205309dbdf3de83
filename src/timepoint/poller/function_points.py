"""Points that a user's function yields become columns, the form in which points travel.

Owns: ``Point``, and what of it is not usable. Must not know: who yields them, what becomes of them. Pure.

The rules are those of a mapping: a bad point is a reject and costs only itself (R4, R14), two points of one series and
interval are one if their values are equal, else the later ones are rejects (R8). The place of a reject is the number of
the point in its run, counted from 0.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import inf, isfinite

from timepoint.mapping.labels import check_label_name, label_value
from timepoint.mapping.unusable import Unusable, show
from timepoint.model import MappedRun, MetricSpec, Rejects, SeriesPoints, Temporality, Times, Window, series_text

Instant = datetime | float
"""A datetime with a zone, or seconds since the epoch, as in PromQL."""

_LATEST = 253_402_300_800  # the year 10000, in seconds: what is later was meant in milliseconds
_NOT_LABELS = ("__",)


@dataclass(frozen=True, slots=True)
class Point:
    """One value of one series: over the interval from ``start`` to ``end``, or at the instant ``at``.

    ``metric`` is the name of a metric of the job. Without a time a point of a counter is about the window that the
    function was called with, which must then not overlap what was counted; any other is an instant at the fire time.
    """

    metric: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    start: Instant | None = None
    end: Instant | None = None
    at: Instant | None = None


Interval = tuple[int, int]


def collect(
    points: Iterable[object],
    metrics: Mapping[str, MetricSpec],
    fire_time: int,
    window: Window,
    labels: Mapping[str, str] | None = None,
) -> MappedRun:
    """The points of one call as columns; ``labels`` are those of its lane. Never raises for a bad point."""
    found: dict[str, dict[str, dict[Interval, float]]] = {name: {} for name in metrics}
    rejects = Rejects()
    texts = _SeriesTexts(labels or {})
    rows = 0
    for rows, point in enumerate(points, 1):
        try:
            series, interval, value = _read(point, metrics, (fire_time, window), texts, found)
        except Unusable as error:
            rejects.add(error.reason, f"point {rows - 1}: {error.shown}")
            continue
        known = series.setdefault(interval, value)
        if known != value and (known == known or value == value):  # noqa: PLR0124 - NaN differs from itself
            rejects.add(
                "duplicate_point", f"point {rows - 1}: {show(value)}, after {show(known)} for the same interval"
            )
    grids: dict[tuple[Interval, ...], Times] = {}
    columns = {
        name: {text: _column(values, grids) for text, values in by_series.items()} for name, by_series in found.items()
    }
    return MappedRun(columns, rejects, rows)


def _read(
    point: object,
    metrics: Mapping[str, MetricSpec],
    context: tuple[int, Window],
    texts: _SeriesTexts,
    found: dict[str, dict[str, dict[Interval, float]]],
) -> tuple[dict[Interval, float], Interval, float]:
    """Where a point belongs, its interval and its value. Raises Unusable."""
    if not isinstance(point, Point):
        raise Unusable("not_a_point", f"{show(type(point).__name__)} is not a Point")
    spec = metrics.get(point.metric) if isinstance(point.metric, str) else None
    if spec is None:
        raise Unusable("unknown_metric", f"{show(point.metric)} is not a metric of this job")
    text = texts.of(point.labels)
    interval = _interval(point, *context, counts=spec.temporality is not None)
    value = _value(point.value, spec)
    return found[point.metric].setdefault(text, {}), interval, value


class _SeriesTexts:
    """Series texts by labels; a function mostly yields the same labels again."""

    def __init__(self, lane: Mapping[str, str]) -> None:
        self._lane = {name: label_value(value) for name, value in lane.items()}
        self._known: dict[frozenset[tuple[str, str]], str] = {}

    def of(self, labels: Mapping[str, str]) -> str:
        try:
            key = frozenset(labels.items())
            text = self._known.get(key)
        except (AttributeError, TypeError) as error:
            raise Unusable(
                "not_a_label", f"{show(type(labels).__name__)} is not a mapping of label names to texts"
            ) from (error)
        if text is None:
            own = {_name(name): label_value(value) for name, value in labels.items()}
            text = self._known[key] = series_text(self._lane | own)
        return text


def _name(name: object) -> str:
    try:
        if not isinstance(name, str) or name.startswith(_NOT_LABELS):
            raise ValueError(f"{show(name)} is not a label name")  # noqa: TRY301 - one wording for both
        check_label_name(name)
    except ValueError as error:
        raise Unusable("not_a_label", str(error)) from error
    return name


def _interval(point: Point, fire_time: int, window: Window, *, counts: bool) -> Interval:
    if point.at is not None:
        if point.start is not None or point.end is not None:
            raise Unusable("not_a_time", "a point has either at, or start and end")
        at = _instant(point.at)
        return at, at
    if point.start is None and point.end is None:
        return (window.start, window.end) if counts else (fire_time, fire_time)
    if point.start is None or point.end is None:
        raise Unusable("not_a_time", "a point with a start needs an end, and the other way round")
    start, end = _instant(point.start), _instant(point.end)
    if end < start:
        raise Unusable("not_an_interval", "the end of the point lies before its start")
    return start, end


def _instant(given: object) -> int:
    """Milliseconds since the epoch."""
    if isinstance(given, datetime):
        if given.tzinfo is None:
            raise Unusable("not_a_time", f"{given.isoformat()} has no zone: give the datetime a tzinfo")
        return round(given.timestamp() * 1000)
    if isinstance(given, int | float) and not isinstance(given, bool) and -_LATEST < given < _LATEST:
        return round(given * 1000)
    raise Unusable("not_a_time", f"{show(given)} is neither a datetime nor seconds since the epoch")


def _value(given: object, spec: MetricSpec) -> float:
    try:
        value = float(given) if isinstance(given, int | float) else float(given.__float__())  # type: ignore[attr-defined]
    except AttributeError as error:
        raise Unusable("not_a_number", show(given)) from error
    except OverflowError as error:
        raise Unusable("out_of_range", show(given)) from error
    if spec.temporality is Temporality.DELTA and not 0 <= value < inf:
        raise Unusable("negative" if isfinite(value) else "not_finite", show(value))
    return value


def _column(values: dict[Interval, float], grids: dict[tuple[Interval, ...], Times]) -> SeriesPoints:
    ordered = tuple(sorted(values, key=lambda interval: (interval[1], interval[0])))
    times = grids.get(ordered)
    if times is None:
        times = grids[ordered] = Times((start for start, _ in ordered), (end for _, end in ordered))
    return SeriesPoints(times, array("d", [values[interval] for interval in ordered]))
