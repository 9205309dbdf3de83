"""What follows where nothing is said: defaults that other words of a job decide.

Owns: these rules, for config files and for jobs that are written in Python alike. Pure. Must not know: which key says
what, files. Durations in milliseconds. A default that is one value stands in the spec that it belongs to.
"""

from __future__ import annotations

from timepoint.clock import DAY, MINUTE, format_duration
from timepoint.job import GuardSpec
from timepoint.request.spec import WindowSpec

ZERO_FIRST = 2 * MINUTE
FORGET_AFTER = 7 * DAY

_TIMEOUT = 5 * MINUTE
_SHOWN_FOR = 3  # periods: two runs may fail
_REFUSALS = 3


def timeout_of(period: int, *, has_lanes: bool) -> int:
    """How long a run may take: nine tenths of the period, or one that hangs would cost the next fire time, too.

    A run over lanes takes as long as its source wants it to; what it does not reach comes first in the next.
    """
    most = period * 9 // 10
    return most if has_lanes else min(_TIMEOUT, most)


def rhythm_of(period: int, window: WindowSpec) -> int:
    """The time between two runs with new data: where the step is longer, the runs between have nothing to ask for."""
    return max(period, window.longest_step)


def max_age_of(period: int, window: WindowSpec) -> int:
    """How long a value may be shown."""
    return _SHOWN_FOR * rhythm_of(period, window) + window.delay


def guard_of(min_series_ratio: float | None, max_refusals: int | None = None) -> GuardSpec:
    """When an answer with few series is believed; one that has none, where nothing is said, at its second coming."""
    return GuardSpec(min_series_ratio, max_refusals or (_REFUSALS if min_series_ratio else 1))


def polled_text(period: int, cron: str | None, timezone: str | None, origin: str, delay: int) -> str:
    """How a metric is got, as its HELP ends. ``origin`` says from where, such as ``from energy``."""
    when = f"every {format_duration(period)}"
    if cron is not None:
        when = " ".join(["at", *cron.split(), *([timezone] if timezone else [])])
    delayed = f", delayed {format_duration(delay)}" if delay else ""
    return f"polled {when} {origin}{delayed}"
