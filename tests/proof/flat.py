"""Whether a quantity that was read again and again stayed as it was.

Owns: the trend of a series of readings, and when it is growth. Pure. Must not know: what was read.

The slope is that of Theil and Sen (the median of the slopes of all pairs): a page that is written, a collector that
comes late or a machine that is busy for a while move single readings, and not the trend.
"""

from __future__ import annotations

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

    Raises ValueError for fewer than three readings: nothing can be said of them.
    """
    if len(times) < 3:
        raise ValueError(f"{name}: {len(times)} readings say nothing")
    slopes = [
        (values[j] - values[i]) / (times[j] - times[i])
        for i in range(len(times))
        for j in range(i + 1, len(times))
        if times[j] > times[i]
    ]
    growth = median(slopes) * (times[-1] - times[0])
    middle = median(values)
    return Trend(name, middle, min(values), max(values), growth, max(share * middle, least))
