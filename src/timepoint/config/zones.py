"""Names of time zones.

Owns: whether there is such a zone, what is said if not, and what is said of one that mostly is not what was meant.
Must not know: which key names it.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])([0-9]{1,2})(?::?([0-9]{2}))?")
_ABBREVIATION = re.compile("[A-Z]{3,5}")  # CEST: what is nearest to it in letters is mostly far from it on the map


@lru_cache(1024)
def zone_complaint(name: str) -> str | None:
    """What is wrong with the name of a time zone."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # a missing name, a folder of names, a path that leaves the data
        if offset := _OFFSET.fullmatch(name):
            sign, hours = ("-" if offset[1] == "+" else "+"), int(offset[2])
            fixed = f"Etc/GMT{sign}{hours}"
            if hours and not int(offset[3] or 0) and fixed in available_timezones():
                return f"{name!r} is not a time zone: if clocks are never moved there, it is {fixed}, with that sign"
            return f"{name!r} is not a time zone: zones are named after places, as in Europe/Berlin"
        if _ABBREVIATION.fullmatch(name):
            return f"{name!r} is not a time zone: zones are named after places, as in Europe/Berlin"
        close = get_close_matches(name, available_timezones(), 1)
        hint = f"did you mean {close[0]}?" if close else "write a name such as UTC or Europe/Berlin"
        return f"{name!r} is not a time zone, {hint}" if close else f"{name!r} is not a time zone: {hint}"
    return None


_FIXED = {"EST": ("-5", "America/Panama", "America/New_York"), "MST": ("-7", "America/Phoenix", "America/Denver")}
_POSIX = re.compile(r"Etc/GMT([+-])([1-9][0-9]?)")


def zone_doubt(name: str) -> str | None:
    """What is surprising about a zone that there is. A zone that is named after a place says what is meant."""
    if name in _FIXED:
        hours, same, moving = _FIXED[name]
        return (
            f"{name!r} is UTC{hours} all year: its clocks are never moved. Name a place: "
            f"{same} if that is meant, {moving} if not"
        )
    if (found := _POSIX.fullmatch(name)) and found[1] == "+":
        return f"{name!r} is {found[2]} h behind UTC: its sign is turned round, as in POSIX. Name a place in that zone"
    return None
