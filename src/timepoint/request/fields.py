"""One template, such as ``{window.end-1s:%Y-%m-%d}``: what it names and how that is written.

Owns: the words a template is made of. Must not know: where templates stand, HTTP, the config file.

    {window.start}  {window.end}  {fire_time}     an instant; ``{window.end-1s}`` and ``{fire_time+1h}`` are moved
      RFC 3339, in UTC with a Z, in another zone with its offset
      :unix  :unix_ms  :unix_us  :unix_ns         the time since the epoch, a whole number
      :%Y-%m-%dT%H:%M                             a strftime pattern, in the zone of the request; ``%-d`` has no zero
    {window.length}                               how long the window is, as a duration: ``1h30m``
    {window.reach}                                how far it reaches back from the fire time, for ``last=24h``
      :seconds  :minutes  :hours  :days  :15m     how many of these, rounded up so that nothing is left out
      :iso                                        an ISO 8601 duration: ``PT1H30M``
    {each.NAME}                                   the value of the fan-out that the request is made for
      :number                                     as a number where it stands alone in a JSON body
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from timepoint.clock import DAY, HOUR, MINUTE, SECOND, format_duration, format_instant, parse_duration
from timepoint.model import Window

NAMES = ("window.start", "window.end", "fire_time", "window.length", "window.reach", "each.NAME")
_INSTANTS = ("window.start", "window.end", "fire_time")
_LENGTHS = ("window.length", "window.reach")
_FRACTIONS = {"unix": (1, 1000), "unix_ms": (1, 1), "unix_us": (1000, 1), "unix_ns": (1_000_000, 1)}
_UNITS = {"seconds": SECOND, "minutes": MINUTE, "hours": HOUR, "days": DAY}
_DIRECTIVES = frozenset("aAbBcdfGHIjmMpSuUVwWxXyYzZ%")  # C89, and the ISO 8601 ones that Python adds
_PADDED = frozenset("dHIjmMSy")
_DIRECTIVE = re.compile(r"%(-?)(.?)", re.DOTALL)
_NAME = re.compile(r"(?P<name>each\.[A-Za-z_][A-Za-z0-9_]*|(?!each\.)[a-z_.]+)(?P<moved>[+-][^:]*)?")
_FURTHEST = 100 * 365 * DAY  # no instant leaves the years that can be written
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moment:
    """What templates may speak of: the window that is asked for, the planned instant of the run, the fan-out values."""

    window: Window
    fire_time: int
    values: Mapping[str, str] = field(default_factory=dict)

    def instant(self, name: str) -> int:
        """The milliseconds of an instant by its name."""
        if name == "fire_time":
            return self.fire_time
        return self.window.start if name == "window.start" else self.window.end


class Field(Protocol):
    """One compiled template."""

    @property
    def name(self) -> str:
        """What it speaks of, for instance ``window.start`` or ``each.zone``."""
        ...

    def text(self, moment: Moment) -> str:
        """How it is written at a moment."""
        ...

    def json(self, moment: Moment) -> str | int | float:
        """What it is where it stands alone in a JSON body."""
        ...


@dataclass(frozen=True, slots=True)
class InstantField:
    """An instant, moved by so many milliseconds; the format "" is RFC 3339."""

    name: str
    format: str
    zone: ZoneInfo
    moved: int = 0

    def text(self, moment: Moment) -> str:
        instant = moment.instant(self.name) + self.moved
        if self.format in _FRACTIONS:
            return str(self._number(instant))
        if not self.format and self.zone.key == "UTC":
            return format_instant(instant)
        local = _local(instant, self.zone)
        if self.format:
            return _DIRECTIVE.sub(lambda match: _written(local, match), self.format)
        return local.isoformat(timespec="milliseconds" if instant % 1000 else "seconds")

    def json(self, moment: Moment) -> str | int:
        if self.format in _FRACTIONS:
            return self._number(moment.instant(self.name) + self.moved)
        return self.text(moment)

    def _number(self, instant: int) -> int:
        factor, divisor = _FRACTIONS[self.format]
        return instant * factor // divisor


@dataclass(frozen=True, slots=True)
class LengthField:
    """A length of time. ``unit`` is what is counted, in milliseconds; 0 stands for a duration, ISO 8601 if ``iso``."""

    name: str
    unit: int
    iso: bool
    days: ZoneInfo | None

    def text(self, moment: Moment) -> str:
        if self.unit:
            return str(self.json(moment))
        length = self._length(moment)
        return _iso_duration(length) if self.iso else format_duration(length)

    def json(self, moment: Moment) -> str | int:
        return -(-self._length(moment) // self.unit) if self.unit else self.text(moment)

    def _length(self, moment: Moment) -> int:
        start = moment.window.start
        end = moment.window.end if self.name == "window.length" else max(start, moment.fire_time)
        if self.days is None:
            return end - start
        wall = _local(end, self.days).replace(tzinfo=None) - _local(start, self.days).replace(tzinfo=None)
        return wall // timedelta(milliseconds=1)  # a day of 25 hours is one day


@dataclass(frozen=True, slots=True)
class ValueField:
    """A value of the fan-out."""

    name: str
    is_number: bool = False

    def text(self, moment: Moment) -> str:
        key = self.name.removeprefix("each.")
        if key not in moment.values:
            raise ValueError(f"there is no value for {{{self.name}}}")
        return moment.values[key]

    def json(self, moment: Moment) -> str | int | float:
        text = self.text(moment)
        if self.is_number:
            for kind in (int, float):
                try:
                    return kind(text)
                except ValueError:
                    continue
        return text


def read_field(inside: str, zone: ZoneInfo) -> Field:
    """The field of what stands between two braces. Raises ValueError with a sentence that says what to write."""
    head, colon, format_ = inside.partition(":")
    match = _NAME.fullmatch(head)
    name = match["name"] if match is not None else head
    moved = match["moved"] if match is not None else None
    if name.startswith("each.") and match is not None and moved is None:
        if colon and format_ != "number":
            raise ValueError(f"{{{inside}}} has the format {format_!r}; a value of each has :number or none")
        return ValueField(name, is_number=bool(colon))
    if name in _INSTANTS:
        if colon and format_ not in _FRACTIONS:
            _check_pattern(inside, format_)
        return InstantField(name, format_, zone, _offset(inside, moved))
    if name in _LENGTHS and moved is None:
        return _length_field(inside, name, format_ if colon else None, zone)
    raise ValueError(
        f"{{{inside}}} is not a template{did_you_mean(name)}; there are {', '.join(NAMES)}, each with an optional "
        ":format"
    )


def did_you_mean(word: str, known: Mapping[str, Any] | tuple[str, ...] = NAMES) -> str:
    """The question that a misspelt word ends with, "" if nothing is near."""
    close = get_close_matches(word, known, 1)
    return f", did you mean {close[0]}?" if close else ""


def _offset(inside: str, moved: str | None) -> int:
    if moved is None:
        return 0
    try:
        length = parse_duration(moved[1:])
    except ValueError as error:
        raise ValueError(f"{{{inside}}}: {error}") from None
    if length > _FURTHEST:
        raise ValueError(f"{{{inside}}}: {moved[1:]} is longer than 100 years")
    return -length if moved[0] == "-" else length


def _length_field(inside: str, name: str, format_: str | None, zone: ZoneInfo) -> LengthField:
    if format_ in (None, "iso"):
        return LengthField(name, 0, format_ == "iso", None)
    if format_ in _UNITS:
        return LengthField(name, _UNITS[format_], iso=False, days=zone if format_ == "days" else None)
    try:
        unit = parse_duration(format_)
    except ValueError:
        unit = 0
    if not unit:
        raise ValueError(
            f"{{{inside}}} has the format {format_!r}{did_you_mean(format_, _UNITS)}; formats of a length are "
            f"{', '.join(_UNITS)}, iso, or a duration such as 15m to be counted"
        )
    return LengthField(name, unit, iso=False, days=None)


def _check_pattern(inside: str, pattern: str) -> None:
    if "%" not in pattern:
        raise ValueError(
            f"{{{inside}}} has the format {pattern!r}{did_you_mean(pattern, _FRACTIONS)}; "
            f"formats are {', '.join(_FRACTIONS)} or a strftime pattern such as %Y-%m-%dT%H:%M"
        )
    for minus, directive in _DIRECTIVE.findall(pattern):
        if directive == "s":
            raise ValueError(f"{{{inside}}}: %s differs between systems; write :unix for epoch seconds")
        if not directive or directive not in (_PADDED if minus else _DIRECTIVES):
            raise ValueError(f"{{{inside}}}: %{minus}{directive} is not a strftime directive")


def _written(local: datetime, directive: re.Match[str]) -> str:
    # %-d is an extension of some C libraries, so the zeros are taken away here
    text = local.strftime(f"%{directive[2]}")
    return text.lstrip("0") or "0" if directive[1] else text


def _local(instant: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(milliseconds=instant)).astimezone(zone)


def _iso_duration(length: int) -> str:
    """``PT36H``: hours, minutes and seconds alone, since a day of ISO 8601 may be one of the calendar."""
    hours, rest = divmod(length, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds = f"{rest / SECOND:.3f}".rstrip("0").rstrip(".")
    parts = [
        f"{amount}{unit}" for amount, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if amount not in (0, "0")
    ]
    return f"PT{''.join(parts) or '0S'}"
