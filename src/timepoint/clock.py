"""The only reader of the clock, and the grammar of durations.

Owns: the wall clock and the monotonic clock behind one protocol; Prometheus' duration syntax.
Must not know: schedules, jobs, zones. Instants are integer milliseconds since the epoch, UTC (Prometheus' own
resolution); durations are integer milliseconds.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

BELIEVED_AHEAD = 5 * MINUTE
"""How far in the future something may lie that was noted in the past: clocks are corrected by so much every day."""

_UNITS = {"y": 365 * DAY, "w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>[0-9]+){unit})?" for unit in _UNITS))


class Clock(Protocol):
    """What the program may know about time. ``timepoint.testing`` ships a fake."""

    def now(self) -> int:
        """The wall clock: milliseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


def parse_duration(text: str) -> int:
    """Milliseconds of a Prometheus duration such as ``30m``, ``1h30m``, ``250ms`` or ``0``.

    Source: Prometheus, "Configuration", ``<duration>``. Raises ValueError with a sentence fit for the user.
    """
    if text == "0":
        return 0
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text!r} is not a duration: write it like 30m, 1h30m or 15s")
    return sum(int(amount) * _UNITS[unit] for unit, amount in match.groupdict().items() if amount)


def format_duration(milliseconds: int) -> str:
    """The shortest Prometheus duration of a length that is not negative: ``90000`` is ``1m30s``."""
    if milliseconds == 0:
        return "0s"
    parts = []
    rest = milliseconds
    for unit, length in _UNITS.items():
        if unit in ("y", "w"):
            continue
        amount, rest = divmod(rest, length)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts)


def format_instant(milliseconds: int) -> str:
    """RFC 3339 in UTC with a Z; milliseconds only where there are any."""
    seconds, rest = divmod(milliseconds, 1000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"
