"""The borders between which windows lie: every so many milliseconds, or by a calendar.

Owns: which instants are borders, in a zone whose days may have 23 or 25 hours. Must not know: runs, watermarks. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from timepoint.mapping.stamps import Length

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Grid(Protocol):
    """Ascending instants. A grid without a step has a border at every instant."""

    def floor(self, instant: int) -> int:
        """The last border that is not after the instant."""
        ...

    def after(self, instant: int) -> int:
        """The first border after the instant."""
        ...


@dataclass(frozen=True, slots=True)
class EvenGrid:
    """A border every ``step`` milliseconds, counted from ``align`` after the epoch; 0 means everywhere."""

    step: int
    align: int = 0

    def floor(self, instant: int) -> int:
        return instant - (instant - self.align) % self.step if self.step else instant

    def after(self, instant: int) -> int:
        return self.floor(instant) + (self.step or 1)


@dataclass(frozen=True, slots=True)
class CalendarGrid:
    """A border at the begin of every day, week (Monday), month, quarter or year of a zone.

    ``unit`` is one of these. ``align`` moves the borders by so many milliseconds on the clock on the wall: a gas day
    begins at 6 in summer and in winter. Where the clock is put forward over a border it is the instant of the change;
    where a border's local time occurs twice it is the earlier. A day that a zone left out (Samoa, 2011) has no border.
    """

    unit: Length
    zone: tzinfo
    align: int = 0

    def floor(self, instant: int) -> int:
        return self._border(self._number(instant))

    def after(self, instant: int) -> int:
        number = self._number(instant) + 1
        while self._border(number) <= instant:
            number += 1
        return self._border(number)

    def _number(self, instant: int) -> int:
        """The number of the unit that holds the instant; of units without length the last."""
        moment = (_EPOCH + instant * _MILLISECOND).astimezone(self.zone).replace(tzinfo=None)
        day = moment - self.align * _MILLISECOND
        if self.unit.months:
            number = (day.year * 12 + day.month - 1) // self.unit.months
        else:
            number = (day.toordinal() - 1) // self.unit.days
        # Clocks that are put back over midnight (St. John's at 00:01, until 2011) show the day before once more.
        while self._border(number) > instant:
            number -= 1
        while self._border(number + 1) <= instant:
            number += 1
        return number

    def _border(self, number: int) -> int:
        if self.unit.months:
            year, month = divmod(number * self.unit.months, 12)
            local = datetime(year, month + 1, 1)  # noqa: DTZ001 - a local time; the zone comes in the next lines
        else:
            local = datetime.fromordinal(number * self.unit.days + 1)
        local += self.align * _MILLISECOND
        offset = local.replace(tzinfo=self.zone).utcoffset() or timedelta()
        return (local.replace(tzinfo=UTC) - offset - _EPOCH) // _MILLISECOND
