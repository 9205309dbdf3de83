"""Whether a quantity that was read again and again stayed as it was.

Owns: the trend of a series of readings, and when it is growth. Pure. Must not know: what was read.

The slope of a size is that of Theil and Sen (the median of the slopes of all pairs): a page that is written, a
collector that comes late or a machine that is busy for a while move single readings, and not the trend. Growth is what
goes on: the line must rise over the whole span, and as steeply over its second half. A heap that became larger once, in
a run that had more to do than those before it, and stays so, is none.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Trend:
    """A quantity over a span of time: its median, its extremes, and by how much its line rises over the whole span."""

    name: str
    middle: float
    lowest: float
    highest: float
    growth: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        """Whether it grew by no more than is allowed. That it fell is no finding."""
        return self.growth <= self.allowed

    def line(self) -> str:
        """One line for a log or a table."""
        verdict = "flat" if self.is_flat else f"GROWS (allowed {self.allowed:+,.0f})"
        return (
            f"{self.name}: median {self.middle:,.0f}, from {self.lowest:,.0f} to {self.highest:,.0f}, "
            f"trend {self.growth:+,.0f} over the span: {verdict}"
        )


def trend(name: str, times: Sequence[float], values: Sequence[float], *, share: float, least: float) -> Trend:
    """The trend of readings. Allowed is a ``share`` of the median, but not less than ``least``.

    Raises ValueError for fewer than four readings: nothing can be said of them.
    """
    if len(times) < 4:
        raise ValueError(f"{name}: {len(times)} readings say nothing")
    half = len(times) // 2
    slope = min(_slope(times, values), _slope(times[half:], values[half:]))
    growth = slope * (times[-1] - times[0])
    middle = median(values)
    return Trend(name, middle, min(values), max(values), growth, max(share * middle, least))


def change(name: str, values: Sequence[float]) -> Trend:
    """For what is counted, of which one more for good is too many: the median of the last quarter less the first.

    Raises ValueError for fewer than four readings: nothing can be said of them.
    """
    if len(values) < 4:
        raise ValueError(f"{name}: {len(values)} readings say nothing")
    quarter = len(values) // 4
    growth = median(values[-quarter:]) - median(values[:quarter])
    return Trend(name, median(values), min(values), max(values), growth, 0.0)


def _slope(times: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes of all pairs."""
    points = list(zip(times, values, strict=True))
    pairs = itertools.combinations(points, 2)
    return median((later - earlier) / (end - begin) for (begin, earlier), (end, later) in pairs if end > begin)
