"""Stamps, zones and lengths of time out of JSON values (R6).

Owns: which values are instants or local times, what a local time is in a zone, calendar arithmetic. Must not know:
paths, rows, windows, the clock.

Instants are milliseconds since the epoch; finer fractions are cut off, except in JSON numbers with a fraction, which
are rounded. A leap second (``23:59:60``) is the first second of the next minute, as POSIX has it; ``24:00`` is the next
day's ``00:00``.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

from timepoint.clock import DAY, HOUR, MINUTE, SECOND, format_duration, parse_duration
from timepoint.mapping.labels import scalar_text
from timepoint.mapping.unusable import Unusable, show

Stamp = int | datetime  # an instant in ms, or a naive local time

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (date.min.toordinal() - _EPOCH_DAY + 1) * DAY  # a day inside what datetime can hold, so any zone can show it
_LAST = (date.max.toordinal() - _EPOCH_DAY) * DAY
# Stamps repeat from metric to metric of a row: a hit costs 0.1 us, parsing 2 us (strptime 8 us). From row to row a run
# remembers them itself, and those of the runs before are gone for good: 65536 of them took 17 MB, filled over months.
_REMEMBERED = 4096

_ISO = re.compile(
    r"(\d{4})(?:-(\d\d)-(\d\d)|(\d\d)(\d\d))"
    r"(?:(?:[Tt]| +)(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d+))?)?)?)?"
    r"(?: ?(?:([Zz]|UTC|GMT|\+00:?00Z)|(?:[A-Z]{2,5})?([+\-\u2212])(\d\d)(?::?(\d\d))?)(?:\[!?[\w/+=.~-]+\])*)?",
    re.ASCII,
)  # with the name of a zone that some write beside the offset: CEST+0200, +02:00[Europe/Berlin] (RFC 9557)
_PERIOD = re.compile(r"(\d{4})(?:[ -]?[QK]([1-4])|[ -]?M(\d\d)|-(\d\d)|[ -]?W(\d\d))", re.ASCII)
_DOTNET = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", re.ASCII)  # milliseconds; the offset is for showing alone
_SECONDS = re.compile(r"(\d{9,10})(?:\.(\d+))?", re.ASCII)
_NUMBER = re.compile(r"([+-]?\d{1,30})(?:\.(\d{1,30}))?", re.ASCII)
_EXPONENT = re.compile(r"([+-]?\d{1,30})(?:\.(\d{1,30}))?[eE]([+-]?\d{1,2})", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?", re.ASCII)
_ISO_LENGTH = re.compile(
    r"P(?:(\d{1,4})Y)?(?:(\d{1,4})M)?(?:(\d{1,4})W)?(?:(\d{1,6})D)?"
    r"(?:T(?:(\d{1,8})H)?(?:(\d{1,8})M)?(?:(\d{1,8})(?:[.,](\d{1,3})\d*)?S)?)?",
    re.ASCII,
)
_FRACTION = re.compile(r"((?:\d{1,6}h)?(?:\d{1,6}m)?\d{1,8})\.(\d{1,9})s", re.ASCII)  # 15.1s, as Go and protobuf write
LENGTH_UNITS = {"milliseconds": 1, "seconds": SECOND, "minutes": MINUTE, "hours": HOUR}  # of a number that is a length
_UNIX_SCALES = {"unix": 1_000_000_000, "unix_ms": 1_000_000, "unix_us": 1_000, "unix_ns": 1}  # nanoseconds of one
_NANOSECONDS = 1_000_000  # in a millisecond
_EPOCH_MIN, _EPOCH_MAX = 100_000_000, 10_000_000_000  # 9 or 10 digits: 1973 to 2286
_DIRECTIVE = re.compile(r"%(.?)")
_DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzjUWGuVcx%")
_YEARS = frozenset("yYGcx")
_SAY_FORMAT = "say `format`: unix, unix_ms, unix_us, unix_ns or a strptime pattern"


class StampReader:
    """Reads stamps in one format (R6b). Raises ValueError with a sentence if there is no such format."""

    def __init__(self, stamp_format: str | None = None) -> None:
        if stamp_format is None:
            self._parse: Callable[[str], Stamp] = _parse_unknown
            self._number: Callable[[float], Stamp] = _number_unknown
        elif stamp_format in _UNIX_SCALES:
            scale = _UNIX_SCALES[stamp_format]
            self._parse = lambda text: _parse_unix(text, scale)
            self._number = lambda number: _number_unix(number, scale)
        else:
            _check_pattern(stamp_format)
            self._parse = lambda text: _parse_pattern(text, stamp_format)
            self._number = lambda number: self._read_text(scalar_text(number))
        self._read_text = lru_cache(_REMEMBERED)(self._parse)

    def read(self, node: Any) -> Stamp:
        """The instant of a node, or its local time if it has no offset. Raises Unusable (``not_a_time``)."""
        if isinstance(node, str):
            return self._read_text(node)
        if isinstance(node, int | float) and not isinstance(node, bool):
            return self._number(node)
        raise _not_a_time(node, "")


def split_span(node: Any) -> tuple[str, str] | None:
    """Start, and end or length, of a time interval of ISO 8601 (``2024-05-01T10:00Z/PT1H``), None for all else."""
    first, slash, second = node.partition("/") if isinstance(node, str) else ("", "", "")
    if not slash or not _ISO.fullmatch(first.strip()):
        return None
    is_one = _ISO_LENGTH.fullmatch(second.strip()) or _ISO.fullmatch(second.strip())
    return (first, second.strip()) if is_one else None


def _not_a_time(node: Any, why: str = _SAY_FORMAT) -> Unusable:
    return Unusable("not_a_time", f"{show(node)} is not a time{': ' if why else ''}{why}")


def _instant(milliseconds: int, node: Any) -> int:
    if _FIRST <= milliseconds <= _LAST:
        return milliseconds
    raise _not_a_time(node, "it lies outside the years 1 to 9999; does `format` fit?")


def _parse_unknown(text: str) -> Stamp:
    stripped = text.strip()
    match = _ISO.fullmatch(stripped)
    if match is not None:
        return _from_iso(match)
    match = _PERIOD.fullmatch(stripped)
    if match is not None:
        return _from_period(match)
    match = _DOTNET.fullmatch(stripped)
    if match is not None:
        return _instant(int(match[1]), text)
    match = _SECONDS.fullmatch(stripped)
    if match is None:
        raise _not_a_time(text)
    return int(match[1]) * SECOND + _milliseconds(match[2])


def _number_unknown(number: float) -> Stamp:
    if _EPOCH_MIN <= number < _EPOCH_MAX:
        return round(number * SECOND)
    raise _not_a_time(number)


def _milliseconds(fraction: str | None) -> int:
    return int(fraction[:3].ljust(3, "0")) if fraction else 0


def _from_iso(match: re.Match[str]) -> Stamp:
    year, month, day, month_, day_, hour, minute, second, fraction, zulu, sign, offset_hours, offset_minutes = (
        match.groups()
    )
    try:
        day_number = date(int(year), int(month or month_), int(day or day_)).toordinal() - _EPOCH_DAY
    except ValueError as error:
        raise _not_a_time(match[0], str(error)) from error
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    time_of_day = hours * HOUR + minutes * MINUTE + seconds * SECOND + _milliseconds(fraction)
    if hours > 24 or minutes > 59 or seconds > 60 or (hours == 24 and time_of_day > DAY):  # noqa: PLR2004 (the clock)
        raise _not_a_time(match[0], "there is no such time of day")
    local = day_number * DAY + time_of_day
    if zulu:
        return _instant(local, match[0])
    if sign:
        offset = int(offset_hours) * HOUR + int(offset_minutes or 0) * MINUTE
        if offset >= DAY or int(offset_minutes or 0) > 59:  # noqa: PLR2004 (RFC 3339, 5.6)
            raise _not_a_time(match[0], "there is no such offset")
        return _instant(local - offset if sign == "+" else local + offset, match[0])
    return _naive(_instant(local, match[0]))


def _from_period(match: re.Match[str]) -> Stamp:
    """The local begin of a month, quarter or week: ``2024-05``, ``2024Q1``, ``2024W09``."""
    year, quarter, month, month_, week = (int(part or 0) for part in match.groups())
    try:
        if week:
            return datetime.fromisocalendar(year, week, 1)
        return datetime(year, quarter * 3 - 2 if quarter else month or month_, 1)  # noqa: DTZ001 (R6c: a local time)
    except ValueError as error:
        raise _not_a_time(match[0], str(error)) from error


def _naive(milliseconds: int) -> datetime:
    return (_EPOCH + timedelta(milliseconds=milliseconds)).replace(tzinfo=None)


def _parse_unix(text: str, scale: int) -> Stamp:
    match = _NUMBER.fullmatch(text.strip()) or _EXPONENT.fullmatch(text.strip())
    if match is None:
        raise _not_a_time(text, "`format` says a number")
    whole, fraction = match[1], match[2] or ""
    places = len(fraction) - (int(match[3]) if match.re is _EXPONENT else 0)
    nanoseconds = int(whole + fraction) * scale * 10 ** max(0, -places)
    return _instant(nanoseconds // (_NANOSECONDS * 10 ** max(0, places)), text)


def _number_unix(number: float, scale: int) -> Stamp:
    if isinstance(number, int):
        return _instant(number * scale // _NANOSECONDS, number)
    milliseconds = number * (scale / _NANOSECONDS)
    if not isfinite(milliseconds):
        raise _not_a_time(number, "")
    return _instant(round(milliseconds), number)


def _check_pattern(pattern: str) -> None:
    directives = _DIRECTIVE.findall(pattern)
    if not directives:
        raise ValueError(
            f"the format {pattern!r} is neither unix, unix_ms, unix_us, unix_ns nor a strptime pattern like %Y-%m-%d"
        )
    if "Z" in directives:
        raise ValueError(
            f"the format {pattern!r} has %Z, and names of zones are ambiguous: write the name itself and say `timezone`"
        )
    for directive in directives:
        if directive not in _DIRECTIVES:
            raise ValueError(f"the format {pattern!r} has %{directive}, which strptime does not know")
    if not _YEARS.intersection(directives):
        raise ValueError(f"the format {pattern!r} has no year")
    try:
        datetime.strptime("", pattern)  # noqa: DTZ007 (never parses: it finds a pattern's other mistakes, as a directive given twice)
    except re.error as error:
        raise ValueError(f"the format {pattern!r} cannot be used: {error}") from error
    except ValueError:
        pass


def _parse_pattern(text: str, pattern: str) -> Stamp:
    try:
        moment = datetime.strptime(text.strip(), pattern)  # noqa: DTZ007 (R6c: a stamp without offset is a local time)
    except ValueError as error:
        next_day = _end_of_day(text.strip(), pattern) if "%H" in pattern else None
        if next_day is None:
            raise _not_a_time(text, f"`format` is {pattern}") from error
        moment = next_day
    if moment.tzinfo is None:
        return moment
    offset = moment.utcoffset() or timedelta()
    return _instant(_wall(moment) - offset // timedelta(milliseconds=1), text)


def _end_of_day(text: str, pattern: str) -> datetime | None:
    """The next day's ``00:00`` if the hour of a stamp is 24 and nothing follows it, else None.

    Of all places that say 24, the hour is the only one that strptime refuses as it is and takes as ``00``.
    """
    for place in range(len(text) - 1):
        if text.startswith("24", place):
            try:
                moment = datetime.strptime(f"{text[:place]}00{text[place + 2 :]}", pattern)  # noqa: DTZ007 (as above)
                return moment + timedelta(days=1) if moment.time() == time() else None
            except (ValueError, OverflowError):
                continue
    return None


def _wall(moment: datetime) -> int:
    """What the clock on the wall shows, as milliseconds since its 1970; exact at any year, unlike timestamp()."""
    time_of_day = moment.hour * HOUR + moment.minute * MINUTE + moment.second * SECOND + moment.microsecond // 1000
    return (moment.toordinal() - _EPOCH_DAY) * DAY + time_of_day


@lru_cache(_REMEMBERED)
def localise(naive: datetime, zone: tzinfo) -> tuple[int, int | None]:
    """The instant of a local time, and the later one if it occurs twice.

    Raises Unusable (``no_such_local_time``) where the clock was put forward over it.
    """
    first = naive.replace(tzinfo=zone, fold=0).utcoffset() or timedelta()
    second = naive.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    wall = _wall(naive)
    earlier = wall - first // timedelta(milliseconds=1)
    if first == second:
        return earlier, None
    if first < second:
        raise Unusable("no_such_local_time", f"{naive.isoformat(' ')} does not exist in {zone}")
    return earlier, wall - second // timedelta(milliseconds=1)


@lru_cache(1024)
def find_zone(name: str) -> tzinfo:
    """The zone of a name (``Europe/Berlin``) or of a fixed offset (``+10:00``). Raises Unusable (``not_a_zone``)."""
    match = _OFFSET.fullmatch(name)
    if match is not None:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if offset < timedelta(days=1):
            return timezone(offset if match[1] == "+" else -offset)
    else:
        try:
            return UTC if name in ("UTC", "Z", "GMT") else ZoneInfo(name)
        except (OSError, ValueError, LookupError):  # a missing name, a folder of names, a path that leaves the data
            pass
    raise Unusable("not_a_zone", f"{show(name)} is not a time zone: use a name like Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time: calendar months, then calendar days, then milliseconds. Always longer than nothing."""

    milliseconds: int = 0
    days: int = 0
    months: int = 0

    @property
    def exact(self) -> int | None:
        """The milliseconds of a length that no calendar changes, else None."""
        return None if self.days or self.months else self.milliseconds

    @property
    def longest(self) -> int:
        """At most so many milliseconds long: a month of 31 days, and the hour by which clocks are put back."""
        if self.exact is not None:
            return self.exact
        return (31 * self.months + self.days) * DAY + HOUR + self.milliseconds

    @property
    def shortest(self) -> int:
        """At least so many milliseconds long: a month of 28 days, a day without the hour that clocks leave out."""
        if self.exact is not None:
            return self.exact
        return (28 * self.months + self.days) * DAY - HOUR + self.milliseconds

    def __str__(self) -> str:
        """As the config says it: ``day``, ``2 weeks``, ``90m``."""
        if self.exact is not None:
            return format_duration(self.exact)
        if not self.milliseconds and not (self.days and self.months):
            for word, unit in reversed(_WORDS.items()):
                size, count = (unit.months, self.months) if self.months else (unit.days, self.days)
                if size and count % size == 0:
                    return word if count == size else f"{count // size} {word}s"
        return f"{self.months} months, {self.days} days and {format_duration(self.milliseconds)}"

    def add(self, instant: int, zone: tzinfo, n: int = 1) -> int:
        """The instant ``n`` lengths later (earlier if ``n`` is below 0), on the calendar of ``zone``.

        A month later than January 31 is the last day of February. Where the clock is put forward over the local time
        that comes out, the hour is counted on: a midnight that does not exist is the instant of the change. Where that
        time occurs twice, it is the earlier. Raises Unusable (``not_a_time``) outside the years 1 to 9999.
        """
        if not self.days and not self.months:
            return instant + n * self.milliseconds
        try:
            local = (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone).replace(tzinfo=None)
            if self.months:
                local = _add_months(local, n * self.months)
            local += timedelta(days=n * self.days)
            offset = local.replace(tzinfo=zone).utcoffset() or timedelta()
        except (ValueError, OverflowError) as error:
            raise _not_a_time(instant, "with its length it lies outside the years 1 to 9999") from error
        return _wall(local) - offset // timedelta(milliseconds=1) + n * self.milliseconds

    def borders(self, start: int, zone: tzinfo, count: int) -> list[int]:
        """The ``count`` + 1 borders of ``count`` adjoining intervals from ``start`` on."""
        if not self.days and not self.months:
            return list(range(start, start + count * self.milliseconds + 1, self.milliseconds))
        return [self.add(start, zone, i) for i in range(count + 1)]


_WORDS = {
    "day": Length(days=1),
    "week": Length(days=7),
    "month": Length(months=1),
    "quarter": Length(months=3),
    "year": Length(months=12),
}


def _add_months(local: datetime, months: int) -> datetime:
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    if not 1 <= year <= 9999:  # noqa: PLR2004 (what datetime can hold; monthrange would take more)
        raise OverflowError
    return local.replace(year=year, month=month + 1, day=min(local.day, monthrange(year, month + 1)[1]))


def parse_length(node: Any, unit: int = SECOND) -> Length:
    """The length that a node says: ``5m``, ``1h30m``, ``PT5M``, ``P1D``, a number (also as text), or a calendar unit.

    ``unit`` is what a number counts, in milliseconds.
    ``1d`` and ``PT24H`` are 24 hours; ``day`` and ``P1D`` are a day of the calendar, which may have 23 or 25. Raises
    Unusable (``not_a_length``); a number of nine digits or more is a stamp and no length.
    """
    length = None
    if isinstance(node, str):
        length = _length_of_text(node.strip(), unit)
    elif isinstance(node, int | float) and not isinstance(node, bool) and 0 < node < _EPOCH_MIN:
        length = Length(round(node * unit))
    if length is None or length == Length() or length.milliseconds > _LAST:
        raise Unusable(
            "not_a_length",
            f"{show(node)} is not a length of time: 5m, PT5M, a number of seconds, or day, week, month, quarter, year"
            " (for the stamp of an end use {start, end})",
        )
    return length


@lru_cache(1024)
def _length_of_text(text: str, unit: int) -> Length | None:
    if text in _WORDS:
        return _WORDS[text]
    match = _ISO_LENGTH.fullmatch(text)
    if match is not None:
        years, months, weeks, days, hours, minutes, seconds = (int(match[i] or 0) for i in range(1, 8))
        exact = hours * HOUR + minutes * MINUTE + seconds * SECOND + _milliseconds(match[8])
        return Length(exact, days + 7 * weeks, months + 12 * years)
    number = _NUMBER.fullmatch(text)
    if number is not None:
        whole, fraction = int(number[1]), number[2] or ""
        exact = int(number[1] + fraction) * unit // 10 ** len(fraction)
        return Length(exact) if 0 <= whole < _EPOCH_MIN and exact > 0 else None
    fractional = _FRACTION.fullmatch(text)
    try:
        if fractional is not None:
            return Length(parse_duration(f"{fractional[1]}s") + _milliseconds(fractional[2]))
        return Length(parse_duration(text))
    except ValueError:
        return None
