"""Instants, lengths and amounts as a person reads them.

Owns: their words. Pure. Must not know: pages, HTML.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from timepoint.clock import DAY, HOUR, MINUTE, SECOND, format_duration, format_instant

_NARROW = "\u202f"  # a narrow blank that does not break
# Control characters, those that turn the direction of writing (UAX 9), and those without a width but joiners.
_HIDING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]")
_BIG, _TINY = 1e15, 1e-4


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant as a person reads it: from now, and on the clock in UTC; and as a machine does."""

    words: str
    clock: str
    stamp: str


def moment(at: int, now: int) -> Moment:
    """An instant in all its forms; of today (UTC) the clock shows no date."""
    if not -(10**13) < at < 10**14:  # of another planet: what a calendar cannot show, a page need not
        return Moment("at an impossible time", str(at), "")
    stamp = format_instant(at // SECOND * SECOND)
    date, _, time = stamp.removesuffix("Z").partition("T")
    today = format_instant(now).partition("T")[0]
    return Moment(distance(at, now), f"{time} UTC" if date == today else f"{date} {time} UTC", stamp)


def distance(at: int, now: int) -> str:
    """How far an instant is from now, in words: ``3 min ago``, ``in 12 s``."""
    ahead = at > now
    length = abs(at - now)
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")):
        if length >= unit:
            amount = f"{length // unit} {name}"
            return f"in {amount}" if ahead else f"{amount} ago"
    return "now"


def visible(text: str) -> str:
    """A text without characters that hide what it says, or turn it round; they are written as escapes."""
    return _HIDING.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def grouped(number: float) -> str:
    """A whole number in groups of three digits."""
    return f"{number:,}".replace(",", _NARROW)


def size(count: int) -> str:
    """Bytes: ``1.5 MB``. Decimal, as disks and networks are sold."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":  # noqa: PLR2004 - decimal units
            return f"{amount:.0f}{_NARROW}{unit}" if unit == "B" else f"{amount:.1f}{_NARROW}{unit}"
        amount /= 1000
    raise AssertionError("BUG: the last unit has no end")


def seconds(length: float) -> str:
    """A duration of work: ``12 ms``, ``3.4 s``, ``5m12s``."""
    if length < 1:
        return f"{length * 1000:.{0 if length >= 0.01 else 1}f}{_NARROW}ms"  # noqa: PLR2004 - two digits that mean something
    if length < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{length:.1f}{_NARROW}s"
    return format_duration(round(length) * 1000)


def span(milliseconds: int) -> str:
    """A length of data time, as Prometheus writes durations."""
    return format_duration(max(0, milliseconds))


def value(number: float) -> str:
    """A sample's value, short: six digits that mean something."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    if number == int(number) and abs(number) < _BIG:
        return grouped(int(number))
    if abs(number) >= _BIG or abs(number) < _TINY:
        return f"{number:.4g}"
    text = f"{number:,.6g}" if abs(number) < 1e6 else f"{number:,.1f}"  # noqa: PLR2004 - where %g turns to exponents
    return text.replace(",", _NARROW)
