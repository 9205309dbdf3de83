"""Cron expressions: whether one can be read, and how far apart its fire times are.

Owns: the words for those that cannot. Pure. Must not know: jobs, keys of a config.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from timepoint.clock import DAY

_FIELDS = 5
# The gaps of an expression are looked at from a Friday on, for 1,500 fires or 400 days: enough to see a weekend behind
# a job of every minute (7 ms).
_FROM = datetime(2024, 1, 5, tzinfo=UTC)
_FIRES = 1500
_SPAN = 400 * DAY


class Gaps(NamedTuple):
    """The shortest and the longest time between two fire times, in milliseconds."""

    shortest: int
    longest: int


@lru_cache(1024)
def cron_gaps(expression: str, zone: str) -> Gaps:
    """The gaps of a cron expression. Raises ValueError with a sentence if it is none."""
    if len(expression.split()) != _FIELDS:
        raise ValueError(f"{expression!r} is not a cron expression: write five fields, as in '15 * * * *'")
    try:
        fires = CronSim(expression, _FROM.astimezone(ZoneInfo(zone)))
    except CronSimError as error:
        raise ValueError(f"{expression!r} is not a cron expression: {str(error).lower()}") from error
    first = last = None
    gaps: list[int] = []
    for moment in fires:
        now = round(moment.timestamp() * 1000)
        if last is not None:
            gaps.append(now - last)
        first, last = (now if first is None else first), now
        if gaps and (len(gaps) >= _FIRES or now - first > _SPAN):
            break
    return Gaps(min(gaps, default=_SPAN), max(gaps, default=_SPAN))
