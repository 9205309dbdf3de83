"""A day as a document of OpenMetrics, for ``promtool tsdb create-blocks-from openmetrics``.

Owns: the order of its lines, their timestamps. Must not know: where samples come from, what else may be written.

Source: OpenMetrics 1.0, "Text format": all lines of a family stand together, in it those of a metric, in it those of
a timestamp, ascending; the last line is ``# EOF``. Timestamps are seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from timepoint.backfill.labelling import with_labels
from timepoint.backfill.spool import Column, Day, Ends, joined
from timepoint.exposition.render import EOF, SEVERAL_LINES, metric_of, metric_order, number_texts, render_metadata
from timepoint.model import FamilySpec

SUFFIX = ".om"
PART = 4_000_000
"""Samples that are in memory at once while a day is written: 8 bytes for each, and what the series take."""

_CHUNK = 1 << 20


def write_day(file: BinaryIO, day: Day, families: Mapping[str, FamilySpec], added: Mapping[str, str]) -> None:
    """Writes all samples of a day. Raises StoreError, OSError."""
    stamps = _Stamps()
    for name, count in sorted(day.families().items()):
        spec = families[name]
        file.write(render_metadata(spec, openmetrics=True))
        # A histogram of which a part were elsewhere would be torn apart; its series are few beside those of a counter.
        parts = 1 if spec.type in SEVERAL_LINES else -(-count // PART)
        for part in range(parts):
            series = {
                with_labels(text, added): joined(columns) for text, columns in day.read(name, part, parts).items()
            }
            lines = _grouped(spec, series, stamps) if spec.type in SEVERAL_LINES else _plain(spec, series, stamps)
            _write(file, lines)
    file.write(EOF)


def _write(file: BinaryIO, texts: Iterator[str]) -> None:
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size > _CHUNK:
            file.write("".join(waiting).encode(errors="replace"))
            waiting, size = [], 0
    file.write("".join(waiting).encode(errors="replace"))


class _Stamps:
    """The ends of lines, by grid: series share grids, so each is spelt once."""

    def __init__(self) -> None:
        self._known: dict[Ends, list[str]] = {}

    def of(self, ends: Ends) -> list[str]:
        known = self._known.get(ends)
        if known is None:
            if len(self._known) > _CHUNK // 1024:
                self._known.clear()
            known = self._known[ends] = [f" {stamp(end)}\n" for end in ends]
        return known


def stamp(milliseconds: int) -> str:
    """Seconds, with a fraction only where there is one."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds}.{rest:03d}" if rest else str(seconds)


def _plain(spec: FamilySpec, series: Mapping[str, Column], stamps: _Stamps) -> Iterator[str]:
    for text, (ends, values) in series.items():
        pieces = [f"{spec.name}{text} "] * (3 * len(ends))
        pieces[1::3] = number_texts(values)
        pieces[2::3] = stamps.of(ends)
        yield "".join(pieces)


def _grouped(spec: FamilySpec, series: Mapping[str, Column], stamps: _Stamps) -> Iterator[str]:
    """The lines of each histogram, summary or stateset together, timestamp by timestamp."""
    groups: dict[str, list[str]] = {}
    for text in series:
        groups.setdefault(metric_of(text, spec), []).append(text)
    for texts in groups.values():
        yield from _metric(spec, [texts[i] for i in metric_order(texts, spec)], series, stamps)


def _metric(spec: FamilySpec, texts: Sequence[str], series: Mapping[str, Column], stamps: _Stamps) -> Iterator[str]:
    lines: dict[int, list[str]] = {}
    for text in texts:
        ends, values = series[text]
        for end, number, when in zip(ends, number_texts(values), stamps.of(ends), strict=True):
            lines.setdefault(end, []).append(f"{spec.name}{text} {number}{when}")
    for end in sorted(lines):
        yield "".join(lines[end])
