"""Recording rules for the counters of a config.

Owns: over which ranges they are taken, and how rules are called. Must not know: how a file of rules is written.
Durations in milliseconds.

A counter of timepoint stands still between two runs. A range that is a whole number of its cadence plus one scrape
interval holds a whole number of steps at any moment, and ``rate`` over it extrapolates by exactly that interval, which
leaves ``steps / cadence``. So an amount is written ``rate(x[1d30s]) * 86400`` and not ``increase(x[1d])``: no
extrapolation is left in it. That holds while no scrape fails and the interval is the one that is said.

A metric that is sent by remote write has its samples at the times of its data, and the newest of them come when the run
is over. Its ranges therefore end as long ago as data take to be there (``offset``): what they hold is complete, and is
written at the time of the evaluation, as that of a scrape is. They hold four samples at least, and ``rate``
extrapolates over up to one step of the data: nothing to speak of in a day of 5-minute values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from timepoint.clock import DAY, MINUTE
from timepoint.model import MetricType
from timepoint.observe.facts import MetricFacts, Watched
from timepoint.observe.promql import duration, quoted, selector, single_unit

_AMOUNTS = (DAY, 7 * DAY, 28 * DAY)
_SCRAPES = 4  # in the range of a rate, so that one that fails does no harm


@dataclass(frozen=True, slots=True)
class Record:
    """One recording rule."""

    name: str
    expr: str


def ranges(cadence: int, scrape_interval: int) -> tuple[int, int]:
    """Over how long a rate and an amount of a counter are taken: two steps at least, and whole ones."""
    least = max(2 * cadence, _SCRAPES * scrape_interval)
    rate = -(-least // cadence) * cadence
    amount = next((length for length in _AMOUNTS if length >= 2 * cadence), _AMOUNTS[-1])
    return rate, -(-amount // cadence) * cadence


def records(watched: Watched, scrape_job: str, scrape_interval: int, by: Sequence[str]) -> Iterator[Record]:
    """For each counter its rate and its amount, summed over all labels but ``by``; buckets for quantiles."""
    for metric in sorted(watched.metrics, key=lambda metric: metric.name):
        if not metric.counts:
            continue
        kept = [name for name in by if name in (*metric.labels, *metric.constants) or not metric.knows_labels]
        level = "_".join(["job", *kept])
        least = 0 if metric.is_sent else scrape_interval
        rate, amount = ranges(watched.cadence(metric.name) * (2 if metric.is_sent else 1), least)
        for series, suffix, more in _parts(metric):
            name = selector(series, "" if metric.is_sent else f"job={quoted(scrape_job)}")
            more_time, late = (0, watched.lag(metric.name)) if metric.is_sent else (scrape_interval, 0)
            ago = f" offset {duration(-(-late // MINUTE) * MINUTE)}" if late else ""
            grouping = ", ".join(["job", *kept, *more])
            yield Record(
                f"{level}:{metric.stem}{suffix}:rate{single_unit(rate)}",
                f"sum by ({grouping}) (rate({name}[{duration(rate + more_time)}]{ago}))",
            )
            if not more:
                yield Record(
                    f"{level}:{metric.stem}{suffix}:increase{single_unit(amount)}",
                    f"sum by ({grouping}) (rate({name}[{duration(amount + more_time)}]{ago})) * {amount // 1000}",
                )


def _parts(metric: MetricFacts) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """The series of a metric that count: name, what its stem ends with, labels that must stay."""
    if metric.type is MetricType.HISTOGRAM:
        return (
            (f"{metric.name}_bucket", "_bucket", ("le",)),
            (f"{metric.name}_count", "_count", ()),
            (f"{metric.name}_sum", "_sum", ()),
        )
    return ((metric.name, "", ()),)


def evaluation(scrape_interval: int) -> int:
    """How often the recording rules are evaluated: once a minute, and not more often than there is something new."""
    return max(MINUTE, scrape_interval)
