"""What the keywords of a job mean.

Owns: how they are read, and what is refused of them: what the config of a file refuses, too. Must not know: metrics,
other jobs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from timepoint.api.declared import JobWindow, duration_of, moment_of
from timepoint.config.cron import cron_gaps
from timepoint.config.defaults import guard_of
from timepoint.config.kinds import calendar_span, calendar_step
from timepoint.config.window_checks import window_complaints
from timepoint.config.zones import zone_complaint
from timepoint.job import GuardSpec, ScheduleSpec
from timepoint.mapping.labels import check_label_name
from timepoint.mapping.stamps import Length
from timepoint.model import Window
from timepoint.request.each.lanes import lanes_of
from timepoint.request.each.lists import as_value
from timepoint.request.each.spec import EachSpec, Entry, Values
from timepoint.request.spec import WindowSpec


def schedule_of(every: str | None, cron: str | None, timezone: str, jitter: str | None) -> tuple[ScheduleSpec, int]:
    """The schedule and its longest period. Raises ValueError."""
    if (every is None) == (cron is None):
        raise ValueError("a job has either every or cron")
    most = duration_of("jitter", jitter) if jitter is not None else None
    if cron is not None:
        if complaint := zone_complaint(timezone):
            raise ValueError(f"timezone: {complaint}")
        longest = cron_gaps(cron, timezone).longest
        return ScheduleSpec(every=longest, cron=cron, timezone=timezone, jitter=most), longest
    period = duration_of("every", every or "")
    if period == 0:
        raise ValueError("every: must be longer than 0s")
    return ScheduleSpec(every=period, jitter=most), period


def window_of(timezone: str, step: str, max_span: str, **lengths: str) -> WindowSpec:
    """The window of a job; ``lengths`` are its other keys. Raises ValueError."""
    window = WindowSpec(
        step=_step(step),
        max_span=calendar_span(max_span) or duration_of("max_span", max_span),
        timezone=timezone,
        **{name: duration_of(name, text) for name, text in lengths.items()},  # type: ignore[arg-type]  # lengths alone
    )
    _check_window(window)
    return window


def _step(text: str) -> int | Length:
    try:
        return calendar_step(text) or duration_of("step", text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"step: {str(error).removeprefix('step: ')}") from error


def _check_window(window: WindowSpec) -> None:
    """Raises ValueError for what the config of a file refuses, too."""
    if complaint := zone_complaint(window.timezone):
        raise ValueError(f"timezone: {complaint}")
    for key, complaint in window_complaints(window):
        raise ValueError(f"{key}: {complaint}")


def checked_guard(min_series_ratio: float | None, max_series: int) -> GuardSpec:
    """When an answer with few series is believed. Raises ValueError."""
    if min_series_ratio is not None and not 0 <= min_series_ratio <= 1:
        raise ValueError(f"min_series_ratio is between 0 and 1, not {min_series_ratio}")
    if max_series < 1:
        raise ValueError(f"max_series is at least 1, not {max_series}")
    return guard_of(min_series_ratio)


def fan_out_of(each: Mapping[str, Sequence[str]] | None, function: Callable[..., Any]) -> EachSpec | None:
    """The fan-out of a function. Raises ValueError."""
    if each is None:
        return None
    if not each:
        raise ValueError('each names no values: write each={"zone": ["DE", "FR"]}')
    for name, values in each.items():
        check_label_name(name)
        if isinstance(values, str) or not values:
            raise ValueError(f"each: {name} needs a list of values")
        if len(set(values)) < len(values):
            raise ValueError(f"each: {name} holds a value twice")
    try:
        inspect.signature(function).bind(None, **dict.fromkeys(each))
    except TypeError as error:
        raise ValueError(f"the function must take a window and {', '.join(each)}: {error}") from None
    spec = EachSpec(tuple(Values(name, tuple(Entry(as_value(v)) for v in each[name]), name) for name in each))
    lanes_of(spec, {name: tuple(map(Entry, each[name])) for name in each})
    return spec


def with_datetimes(function: Callable[..., Iterable[Any]]) -> Callable[..., Iterable[Any]]:
    """A user's function as the poller calls it."""

    def call(window: Window, **values: str) -> Iterable[Any]:
        return function(JobWindow(moment_of(window.start), moment_of(window.end)), **values)

    return call
