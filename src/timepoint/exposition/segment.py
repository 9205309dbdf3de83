"""What one job has published: rendered, compressed, checksummed, and never changed.

Owns: the value objects that the server keeps of each published file, and how a family becomes one of them.
Must not know: files, the layout of a page, HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from timepoint.exposition.deflate import Buffer, crc32, deflate, inflate
from timepoint.exposition.family import created_name
from timepoint.exposition.render import SEVERAL_LINES, metric_of
from timepoint.model import FamilySpec, MetricType

# A value has no blank and a label value no line feed, so the last blank of a line ends the series.
_LINE = re.compile(rb"(.*) [^ \n]*\n")


_PIECE = 256 * 1024


@dataclass(slots=True, eq=False)
class Segment:
    """Whole lines as deflate blocks that may stand anywhere in a stream. Never changed.

    ``checksum`` is the CRC-32 and ``length`` the number of bytes of the plain lines. These are not kept, here or in a
    file: Prometheus asks for gzip, and who does not is given what ``plain`` inflates. A million series take 17 MB in
    this way, and 154 MB with their plain lines.
    """

    deflated: Buffer
    checksum: int
    length: int
    _hashes: frozenset[int] | None = field(default=None, init=False, repr=False)

    def plain(self) -> Iterator[bytes]:
        """The plain lines, in pieces that are cut anywhere."""
        return inflate(self.deflated, _PIECE)

    def lines(self, spec: FamilySpec) -> Iterator[tuple[str, bytes]]:
        """Each sample line, after the metric it belongs to. A line of when a total began belongs to the total's."""
        began = created_name(spec) if spec.type is MetricType.COUNTER else spec.name
        for match in _LINE.finditer(b"".join(self.plain())):
            series = match[1].decode()
            name = began if series.startswith(began) else spec.name
            yield metric_of(series.removeprefix(name), spec), match[0]

    def metric_hashes(self, spec: FamilySpec) -> frozenset[int]:
        """A hash of each metric, the same for equal metrics within this process.

        Kept, since a page is assembled anew whenever any job publishes: 100,000 lines take 50 ms once.
        """
        if self._hashes is None:
            if spec.type in SEVERAL_LINES:
                self._hashes = frozenset(hash(metric) for metric, _ in self.lines(spec))
            else:
                self._hashes = frozenset(map(hash, _LINE.findall(b"".join(self.plain()))))
        return self._hashes


@dataclass(frozen=True, slots=True, eq=False)
class PublishedBatch:
    """The sample lines of ``series`` samples, visible at t if ``visible_from <= t < visible_until``.

    ``openmetrics`` are those of OpenMetrics where they are others: with a line of when each total began.
    """

    lines: Segment
    series: int
    visible_from: int | None
    visible_until: int | None
    openmetrics: Segment | None = None

    def lines_in(self, *, openmetrics: bool) -> Segment:
        return self.openmetrics if openmetrics and self.openmetrics is not None else self.lines


@dataclass(frozen=True, slots=True, eq=False)
class PublishedFamily:
    """A family with its metadata lines in both formats."""

    spec: FamilySpec
    text: Segment
    openmetrics: Segment
    batches: tuple[PublishedBatch, ...]

    def metadata(self, *, openmetrics: bool) -> Segment:
        return self.openmetrics if openmetrics else self.text


@dataclass(frozen=True, slots=True, eq=False)
class PublishedJob:
    """One job as it was published. The fields are those of ``JobSnapshot``; ``size`` is the file's, in bytes."""

    job_name: str
    commit: int
    rendered_at: int
    fingerprint: str
    status: Mapping[str, Any]
    families: tuple[PublishedFamily, ...]
    size: int


def make_segment(chunks: Iterable[bytes]) -> Segment:
    """Compresses and sums up whole lines, chunk by chunk, so that they are never in memory all at once."""
    checksum = length = 0

    def summed_up() -> Iterator[bytes]:
        nonlocal checksum, length
        for chunk in chunks:
            checksum = crc32(chunk, checksum)
            length += len(chunk)
            yield chunk

    deflated = deflate(summed_up())
    return Segment(deflated, checksum, length)
