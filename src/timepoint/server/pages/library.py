"""What the journal tells, read when a page asks for it.

Owns: that nothing of it stays in memory: a scrape never waits for a page, and ten thousand charts cost no memory while
nobody looks. Must not know: HTML, HTTP.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from timepoint.journal.files import config_path, read_told, recent_path, runs_path
from timepoint.journal.told import ConfigTold, JobTold, RecentTold, SeriesTold
from timepoint.server.pages.charts import Points

_SIZE = 8


@dataclass(frozen=True, slots=True)
class Recent:
    """The recent timepoints of one metric of a job, by series text."""

    told: RecentTold
    series: Mapping[str, SeriesTold]

    def points(self, text: str) -> Points | None:
        """Those of one series; None if none are told, or what is told makes no sense."""
        one = self.series.get(text)
        if one is None or not 0 <= one.grid < len(self.told.grids):
            return None
        grid = self.told.grids[one.grid]
        if not len(grid.starts) == len(grid.ends) == len(one.values) or len(one.values) % _SIZE or not one.values:
            return None
        starts, ends, values = array("q", grid.starts), array("q", grid.ends), array("d", one.values)
        return Points(starts, ends, values)


@dataclass(frozen=True, slots=True)
class Library:
    """The journal of a data directory. Every method reads a file; None for what is not there or cannot be read."""

    directory: Path

    def job(self, name: str) -> JobTold | None:
        told = read_told(runs_path(self.directory, name), JobTold)
        return told if told is not None and told.job_name == name else None

    def recent(self, job_name: str, metric: str) -> Recent | None:
        told = read_told(recent_path(self.directory, job_name), RecentTold)
        if told is None or told.job_name != job_name:
            return None
        return Recent(told, {one.text: one for one in told.series.get(metric, ())})

    def config(self) -> ConfigTold | None:
        return read_told(config_path(self.directory), ConfigTold)


def matching(texts: Iterator[str] | Mapping[str, object], words: tuple[str, ...]) -> Iterator[str]:
    """The texts that hold every word, whatever the case of ASCII letters."""
    for text in texts:
        small = text.lower() if words else text
        if all(word in small for word in words):
            yield text
