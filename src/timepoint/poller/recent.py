"""The recent timepoints of a job's series, for the charts of the status pages.

Owns: which series are followed and for how long, how new timepoints join those of before. In memory, bounded, and no
part of what counts: it may be lost at any time. Must not know: files, the ledger, pages.

What joins is decided once for each pair of grids: a series then costs two slices of packed values. A run of 100,000
series, the first 10,000 of them followed, takes 15 to 40 ms of CPU here, and 8 more to write the file.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, islice

from timepoint.journal.told import POINTS, GridTold, RecentTold, SeriesTold
from timepoint.model import SeriesPoints, Times

_SIZE = 8

Usable = Callable[[int, int], bool]
"""Whether the timepoint with this start and end is shown."""

_Join = Callable[[bytes, bytes], bytes]


@dataclass(slots=True)
class Followed:
    """One series: its timepoints, their packed values, and the fire time of the newest run that had it."""

    times: Times
    values: bytes
    seen: int


@dataclass(slots=True)
class Recent:
    """The series of one job, at most ``limit`` of them, first come first served.

    ``left_out`` is how many had no place in the newest run.
    """

    limit: int
    points: int = POINTS
    left_out: int = 0
    _series: dict[str, dict[str, Followed]] = field(default_factory=dict)
    _count: int = 0
    _fire_time: int | None = None

    def take(
        self, series: Mapping[str, Mapping[str, SeriesPoints]], usable: Mapping[str, Usable], fire_time: int
    ) -> None:
        """Adds the points of an answer, by metric and series text. ``usable`` is by metric; newer values win."""
        if fire_time != self._fire_time:
            self._fire_time, self.left_out = fire_time, 0
        for name, offered in series.items():
            known = self._series.setdefault(name, {})
            plans: dict[tuple[Times | None, Times], tuple[Times, _Join] | None] = {}
            is_usable = usable[name]
            for text, points in offered.items():
                before = known.get(text)
                if before is None and self._count >= self.limit:
                    self.left_out += 1
                    continue
                key = (before.times if before is not None else None, points.times)
                if key not in plans:
                    plans[key] = _plan(*key, is_usable, self.points)
                plan = plans[key]
                if plan is None:
                    continue
                times, join = plan
                if before is None:
                    self._count += 1
                    known[text] = Followed(times, join(b"", points.values.tobytes()), fire_time)
                else:
                    before.values = join(before.values, points.values.tobytes())
                    before.times, before.seen = times, fire_time

    def drop(self, before: int, metrics: Sequence[str]) -> None:
        """Forgets series that no run has had since a fire time, and metrics that are not in the config."""
        kept = {
            name: {text: one for text, one in known.items() if one.seen >= before}
            for name, known in self._series.items()
            if name in metrics
        }
        self._series = kept
        self._count = sum(map(len, kept.values()))

    def told(self, job_name: str, now: int) -> RecentTold:
        """All of it, as it is written."""
        numbers: dict[Times, int] = {}
        series = {name: _told(known, numbers) for name, known in self._series.items()}
        grids = [GridTold(_packed(times.starts), _packed(times.ends)) for times in numbers]
        return RecentTold(job_name, now, grids, series, self.left_out)

    def restore(self, told: RecentTold, fire_time: int) -> None:
        """Goes on with what was written before a restart. Raises ValueError or IndexError if it is none."""
        grids = [Times(_unpacked(grid.starts), _unpacked(grid.ends)) for grid in told.grids]
        for name, one in told.series.items():
            numbers: array[int] = array("i", one.grids)
            begins = _unpacked(one.begins)
            texts = one.texts.split("\n") if numbers else []
            for text, number, begin in zip(texts, numbers, begins, strict=True):
                times = grids[number]
                values = one.values[_SIZE * begin : _SIZE * (begin + len(times))]
                if len(values) != _SIZE * len(times):
                    raise ValueError("a series has fewer values than timepoints")
                if self._count < self.limit:
                    self._series.setdefault(name, {})[text] = Followed(times, values, fire_time)
                    self._count += 1


def _told(known: Mapping[str, Followed], numbers: dict[Times, int]) -> SeriesTold:
    """The series of one metric; ``numbers`` grows by the grids that are new."""
    grids = array("i", [numbers.setdefault(one.times, len(numbers)) for one in known.values()])
    begins = accumulate((len(one.times) for one in known.values()), initial=0)
    packed = array("q", islice(begins, len(known))).tobytes()
    return SeriesTold("\n".join(known), grids.tobytes(), packed, b"".join(one.values for one in known.values()))


def _plan(before: Times | None, new: Times, usable: Usable, most: int) -> tuple[Times, _Join] | None:
    """The grid of what a series has and is given, and how the values of both join; None if nothing can be used."""
    fresh = [i for i, (start, end) in enumerate(zip(new.starts, new.ends, strict=True)) if usable(start, end)]
    if not fresh:
        return None if before is None else (before, lambda old, _: old)
    old_size = len(before) if before is not None else 0
    sources: dict[tuple[int, int], int] = {}
    if before is not None:
        sources = {key: i for i, key in enumerate(zip(before.ends, before.starts, strict=True))}
    sources.update({(new.ends[i], new.starts[i]): old_size + i for i in fresh})
    keys = sorted(sources)[-most:]
    picks = [sources[key] for key in keys]
    times = Times((start for _, start in keys), (end for end, _ in keys))
    if before is not None and times == before:
        times = before
    return times, _join(picks, old_size)


def _join(picks: list[int], old_size: int) -> _Join:
    """How packed values are picked: nearly always a slice of the old ones, then a slice of the new ones."""
    cut = next((place for place, pick in enumerate(picks) if pick >= old_size), len(picks))
    head, tail = picks[:cut], picks[cut:]
    if _runs(head) and _runs(tail):
        first, last = (head[0] * _SIZE, (head[-1] + 1) * _SIZE) if head else (0, 0)
        begin, end = ((tail[0] - old_size) * _SIZE, (tail[-1] + 1 - old_size) * _SIZE) if tail else (0, 0)
        return lambda old, new: old[first:last] + new[begin:end]

    def gather(old: bytes, new: bytes) -> bytes:
        values = array("d", old + new)
        return array("d", [values[pick] for pick in picks]).tobytes()

    return gather


def _runs(picks: list[int]) -> bool:
    return not picks or picks == list(range(picks[0], picks[0] + len(picks)))


def _packed(instants: Sequence[int]) -> bytes:
    return array("q", instants).tobytes()


def _unpacked(data: bytes) -> array[int]:
    instants: array[int] = array("q")
    instants.frombytes(data)
    return instants
