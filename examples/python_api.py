"""Meter readings out of a SQL database, as a durable counter per meter.

What no HTTP request can reach is a function away: it is asked for a window and yields points. The table `readings` of
readings.sqlite has a row for each meter and five minutes: meter, start and end in seconds since the epoch, joules.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from timepoint import Counter, Exporter, JobWindow, Point

QUERY = "SELECT meter, start, end, joules FROM readings WHERE start >= ? AND end <= ?"

exporter = Exporter()


@exporter.job(
    every="30m",
    step="5m",
    delay="10m",
    metrics=[Counter("meter_energy_joules_total", "Energy that the meter measured.", unit="joules")],
)
def meters(window: JobWindow) -> Iterator[Point]:
    """The readings of a window."""
    with closing(sqlite3.connect("readings.sqlite")) as database:
        for meter, start, end, joules in database.execute(QUERY, (window.start.timestamp(), window.end.timestamp())):
            yield Point("meter_energy_joules_total", joules, {"meter": meter}, start=start, end=end)


if __name__ == "__main__":
    exporter.run()
