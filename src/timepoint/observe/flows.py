"""How a panel asks a counter for its rate: right at any zoom, in any Grafana and at any moment of a run.

Owns: the range of the rate and what is made of it between two points of a panel. Must not know: which metrics there
are, Grafana's JSON. Durations in milliseconds.

The range is that of the recording rules: whole steps of the cadence and one scrape interval. Points further apart than
that show the mean of what lies between them (a subquery over ``$__interval``), so no step is lost.

Grafana's ``$__rate_interval`` does neither. It is four cadences at the least, without the scrape interval: when runs
end within a scrape interval after the points of a panel, it always holds three steps and shows 0.753 of the truth
(every 30 m, scrapes every 30 s). And in 10.0, as it was seen, and by grafana/grafana#77234 from 8.3 until 10.3, it
follows the data source's scrape interval and not the least step of the query: then it holds one step or none.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepoint.clock import SECOND
from timepoint.observe.promql import single_unit
from timepoint.observe.records import ranges

_QUICKEST = 15 * SECOND  # ranges hold four of them


@dataclass(frozen=True, slots=True)
class Flow:
    """What a panel needs to know of a counter: ``step`` is the least distance of its points."""

    step: int
    range: int

    @classmethod
    def scraped(cls, cadence: int, scrape_interval: int) -> Flow:
        """Of a counter that moves once per cadence and is scraped; over a minute at least, for the eye's sake."""
        step = max(cadence, scrape_interval)
        return cls(step, ranges(step, max(scrape_interval, _QUICKEST))[0] + scrape_interval)

    @classmethod
    def sent(cls, pace: int) -> Flow:
        """Of a counter whose samples are a pace apart, at the times of its data: four of them at least."""
        return cls(pace, ranges(2 * pace, 0)[0])

    def per_second(self, by: str, select: str) -> str:
        """Its rate, summed ``by (...)``: the mean between two points."""
        summed = f"sum {by} (rate({select}[{single_unit(self.range)}]))"
        return f"avg_over_time(({summed})[$__interval:{single_unit(self.step)}])"

    def between_points(self, by: str, select: str) -> str:
        """What was counted between two points."""
        return f"{self.per_second(by, select)} * $__interval_ms / 1000"
