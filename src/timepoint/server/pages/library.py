"""What the journal tells, read when a page asks for it.

Owns: that nothing of it stays in memory: a scrape never waits for a page, and ten thousand charts cost no memory while
nobody looks. Must not know: HTML, HTTP.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from timepoint.journal.files import config_path, read_told, recent_path, runs_path
from timepoint.journal.told import ConfigTold, JobTold, RecentTold, SeriesTold
from timepoint.server.pages.charts import Points

_SIZE, _NUMBER = 8, 4
_NONE = SeriesTold("", b"", b"", b"")


@dataclass(frozen=True, slots=True)
class Recent:
    """The recent timepoints of one metric of a job."""

    told: RecentTold
    series: SeriesTold

    @property
    def texts(self) -> list[str]:
        """The texts of all series that are followed."""
        return self.series.texts.split("\n") if self.series.grids else []

    def points(self, text: str) -> Points | None:
        """Those of one series; None if none are told, or what is told makes no sense."""
        place = _line(self.series.texts, text)
        if len(self.series.grids) % _NUMBER or len(self.series.begins) % _SIZE:
            return None
        numbers, begins = array("i", self.series.grids), array("q", self.series.begins)
        if place is None or not place < len(numbers) == len(begins) or not 0 <= numbers[place] < len(self.told.grids):
            return None
        grid = self.told.grids[numbers[place]]
        begin = _SIZE * begins[place]
        values = self.series.values[begin : begin + len(grid.ends)] if begin >= 0 else b""
        if not len(grid.starts) == len(grid.ends) == len(values) or len(values) % _SIZE or not values:
            return None
        return Points(array("q", grid.starts), array("q", grid.ends), array("d", values))


def _line(lines: str, wanted: str) -> int | None:
    """The number of the line that is ``wanted``, from 0; None if there is none."""
    begin = lines.find(wanted)
    while begin >= 0:
        end = begin + len(wanted)
        if (not begin or lines[begin - 1] == "\n") and (end == len(lines) or lines[end] == "\n"):
            return lines.count("\n", 0, begin)
        begin = lines.find(f"\n{wanted}", begin) + 1 or -1
    return None


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
        return Recent(told, told.series.get(metric, _NONE))

    def config(self) -> ConfigTold | None:
        return read_told(config_path(self.directory), ConfigTold)


def matching(texts: Iterable[str], words: tuple[str, ...]) -> Iterator[str]:
    """The texts that hold every word, whatever the case of ASCII letters."""
    for text in texts:
        small = text.lower() if words else text
        if all(word in small for word in words):
            yield text
