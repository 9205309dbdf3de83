"""Samples on their way into files: kept by day until the day is complete.

Owns: the files of the spool, and that after a crash it holds what was committed and nothing else. Must not know: how a
day is written for its reader, jobs, the ledger.

    <day>.spool             blocks, one after the other: some samples of one family, from one window of one lane
    <day>.<part>.closing    the same, and nothing more comes to it: it is being written into the file of that part. A
                            day has a second part if a lane comes that nobody knew before

A block is synced before the commit of its window, so what was committed is here. What was not committed stands at the
end of its file: a lane asks for a window again until it is committed. ``keep`` takes such blocks away after a crash.
They are known by the version of the lane on which they were decided, which each commit raises; the end of a window
would not do, since an answer in which something is missing leaves the lane where it is.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from timepoint import durable
from timepoint.clock import DAY, format_instant
from timepoint.errors import StoreError

_HEAD = struct.Struct("<4sII")  # mark, length, CRC-32
_MARK = b"TPS1"
_SUFFIX = ".spool"
_CLOSING = ".closing"
_BLOCK = 250_000  # samples, 2 MB

Key = tuple[str, str, int]
"""A job, a lane, and the version of the lane on which the samples were decided."""

Ends = tuple[int, ...]
Column = tuple[Ends, "array[float]"]
"""Timestamps (ms), ascending, and as many values."""

Columns = Mapping[str, Mapping[str, Column]]
"""Per name of a family, per series text: its samples."""


class _Block(msgspec.Struct, array_like=True):
    """``grids[of[i]]`` are the timestamps of the series ``texts[i]``; ``values`` those of all, one after the other."""

    family: str
    job: str
    lane: str
    version: int
    grids: list[list[int]]
    texts: list[str]
    of: list[int]
    values: bytes


class _Place(NamedTuple):
    family: str
    key: Key
    start: int
    length: int
    samples: int


@dataclass(slots=True)
class Day:
    """The samples of a day: its number since the epoch, its file, where its blocks stand. ``part`` is 0 while open."""

    number: int
    path: Path
    part: int = 0
    places: list[_Place] = field(default_factory=list)
    size: int = 0

    def families(self) -> dict[str, int]:
        """The families of the day, and how many samples each has."""
        found: dict[str, int] = {}
        for place in self.places:
            found[place.family] = found.get(place.family, 0) + place.samples
        return found

    def read(self, family: str, part: int = 0, parts: int = 1) -> dict[str, list[Column]]:
        """The samples of a family, by series text, in the order in which they were appended.

        With ``parts`` those of some series alone, so that a day may be larger than memory. Raises StoreError.
        """
        found: dict[str, list[Column]] = {}
        with _told(self.path), self.path.open("rb") as file:
            for place in self.places:
                if place.family != family:
                    continue
                for text, column in _series(_read_block(file, place.start, self.path)):
                    if parts == 1 or zlib.crc32(text.encode()) % parts == part:
                        found.setdefault(text, []).append(column)
        return found


class Spool:
    """A directory of days. ``last`` is the newest instant there can be: the day that ends before it holds it, too.

    Every method raises StoreError if a file cannot be read or written.
    """

    def __init__(self, directory: Path, last: int) -> None:
        self._directory = directory
        self._last_day = (last - 1) // DAY
        self._days: dict[int, Day] = {}
        self._closing: list[Day] = []
        with _told(directory):
            directory.mkdir(mode=0o700, exist_ok=True)
            for path in sorted(directory.glob(f"*{_SUFFIX}")):
                number = int(path.name.removesuffix(_SUFFIX))
                self._days[number] = _scanned(Day(number, path))
            for path in sorted(directory.glob(f"*{_CLOSING}")):
                number, part = map(int, path.name.removesuffix(_CLOSING).split("."))
                self._closing.append(_scanned(Day(number, path, part)))

    def keep(self, is_committed: Callable[[Key], bool]) -> None:
        """Takes away what was not committed; call it once, before anything is appended."""
        for number, day in list(self._days.items()):
            good = [is_committed(place.key) for place in day.places]
            count = good.index(False) if False in good else len(good)
            if count == len(good):
                continue
            if any(good[count:]):  # lanes that were committed in another order than they were written
                self._rewrite(day, [place for place, is_good in zip(day.places, good, strict=True) if is_good])
            else:
                self._cut(day, count)
            if not day.places:
                del self._days[number]
                with _told(day.path):
                    day.path.unlink(missing_ok=True)

    def append(self, key: Key, columns: Columns) -> int:
        """Makes samples durable, each in its day; how many there were."""
        count = 0
        for number, parts in self._by_day(columns).items():
            day = self._days.get(number)
            if day is None:
                day = self._days[number] = Day(number, self._directory / f"{number}{_SUFFIX}")
            with _told(day.path), day.path.open("ab") as file:
                file.truncate(day.size)  # what a failed append before may have left
                for block in _blocks(key, parts):
                    data = _packed(block)
                    file.write(data)
                    samples = len(block.values) // 8
                    day.places.append(_Place(block.family, key, day.size, len(data), samples))
                    day.size += len(data)
                    count += samples
                file.flush()
                os.fsync(file.fileno())
        sync_directory(self._directory)
        return count

    def days(self) -> list[int]:
        """The days of which there are samples, as numbers since the epoch, ascending."""
        return sorted(self._days)

    def close(self, number: int, part: int) -> Day:
        """Nothing more comes to a day; what comes nevertheless begins another part of it."""
        day = self._days.pop(number)
        closing = day.path.with_name(f"{number}.{part}{_CLOSING}")
        with _told(day.path):
            day.path.replace(closing)
        sync_directory(self._directory)
        day.path, day.part = closing, part
        self._closing.append(day)
        return day

    def closing(self) -> list[Day]:
        """The days that were closed and not dropped: after a crash they are to be written once more."""
        return list(self._closing)

    def drop(self, day: Day) -> None:
        """Forgets a day that stands elsewhere by now."""
        self._closing.remove(day)
        with _told(day.path):
            day.path.unlink(missing_ok=True)

    def _by_day(self, columns: Columns) -> dict[int, dict[str, dict[str, Column]]]:
        cuts: dict[Ends, list[tuple[int, slice]]] = {}
        days: dict[int, dict[str, dict[str, Column]]] = {}
        for family, series in columns.items():
            for text, (ends, values) in series.items():
                pieces = cuts.get(ends)
                if pieces is None:
                    pieces = cuts[ends] = list(self._pieces(ends))
                for number, piece in pieces:
                    column = (ends, values) if len(pieces) == 1 else (ends[piece], values[piece])
                    days.setdefault(number, {}).setdefault(family, {})[text] = column
        return days

    def _pieces(self, ends: Ends) -> Iterator[tuple[int, slice]]:
        start = 0
        numbers = [min(end // DAY, self._last_day) for end in ends]
        for i in range(1, len(numbers) + 1):
            if i == len(numbers) or numbers[i] != numbers[start]:
                yield numbers[start], slice(start, i)
                start = i

    def _cut(self, day: Day, count: int) -> None:
        day.size = day.places[count].start
        del day.places[count:]
        with _told(day.path):
            os.truncate(day.path, day.size)

    def _rewrite(self, day: Day, places: list[_Place]) -> None:
        kept, size = [], 0
        with _told(day.path), day.path.open("rb") as old, durable.replacing(day.path) as new:
            for place in places:
                old.seek(place.start)
                new.write(old.read(place.length))
                kept.append(place._replace(start=size))
                size += place.length
        day.places, day.size = kept, size


def sync_directory(path: Path) -> None:
    """Makes the names in a directory durable. Raises StoreError."""
    with _told(path):
        durable.sync_directory(path)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns an OSError into a StoreError that names the file."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}: what was loaded so far is kept") from error


def _blocks(key: Key, parts: Columns) -> Iterator[_Block]:
    """Blocks of a size that is read in one go."""
    for family, series in parts.items():
        piece: dict[str, Column] = {}
        samples = 0
        for text, column in series.items():
            piece[text] = column
            samples += len(column[0])
            if samples >= _BLOCK:
                yield _block(family, key, piece)
                piece, samples = {}, 0
        if piece:
            yield _block(family, key, piece)


def _block(family: str, key: Key, series: Mapping[str, Column]) -> _Block:
    grids: dict[Ends, int] = {}
    of = [grids.setdefault(ends, len(grids)) for ends, _ in series.values()]
    values = b"".join(values.tobytes() for _, values in series.values())
    return _Block(family, *key, [list(grid) for grid in grids], list(series), of, values)


def _packed(block: _Block) -> bytes:
    data = msgspec.msgpack.encode(block)
    return _HEAD.pack(_MARK, len(data), zlib.crc32(data)) + data


def _series(block: _Block) -> Iterator[tuple[str, Column]]:
    grids = [tuple(grid) for grid in block.grids]
    start = 0
    for text, number in zip(block.texts, block.of, strict=True):
        end = start + 8 * len(grids[number])
        yield text, (grids[number], array("d", block.values[start:end]))
        start = end


def _read_block(file: BinaryIO, start: int, path: Path) -> _Block:
    file.seek(start)
    block = _next_block(file)
    if block is None:
        raise StoreError(f"{path}: the block at byte {start} is damaged: remove the directory and begin anew")
    return block


def _next_block(file: BinaryIO) -> _Block | None:
    """The block at the file's position; None at its end, and where one was not written whole."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    mark, length, checksum = _HEAD.unpack(head)
    if mark != _MARK:
        return None
    data = file.read(length)
    if len(data) < length or zlib.crc32(data) != checksum:
        return None
    return msgspec.msgpack.decode(data, type=_Block)


def _scanned(day: Day) -> Day:
    """Finds the blocks of a file, up to the first that is not whole: nothing behind it was committed."""
    with day.path.open("rb") as file:
        while (block := _next_block(file)) is not None:
            length = file.tell() - day.size
            key = (block.job, block.lane, block.version)
            day.places.append(_Place(block.family, key, day.size, length, len(block.values) // 8))
            day.size += length
    return day


def day_name(number: int) -> str:
    """A day as people write it: ``2026-01-31``."""
    return format_instant(number * DAY)[:10]


def joined(columns: Iterable[Column]) -> Column:
    """The samples of a series as one column: ascending, and of several at one instant the first.

    Columns ascend by themselves but where two jobs have one series, or an answer was completed later.
    """
    listed = list(columns)
    ends, values = listed[0]
    if len(listed) > 1:
        ends = tuple(end for column in listed for end in column[0])
        values = array("d", b"".join(column[1].tobytes() for column in listed))
    if all(earlier < later for earlier, later in pairwise(ends)):
        return ends, values
    first: dict[int, float] = {}
    for end, value in zip(ends, values, strict=True):
        first.setdefault(end, value)
    ordered = sorted(first)
    return tuple(ordered), array("d", [first[end] for end in ordered])
