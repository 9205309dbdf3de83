"""The page: the published jobs merged into one exposition, ready to be sent.

Owns: the order of families, which batches are visible, what happens when jobs contradict each other, one gzip member.
Must not know: files, HTTP, the clock (``now`` is an argument).

Nothing published is rendered or compressed again: a page is a list of references to the published bytes, or, for the
rare client that does not take gzip, inflated from them piece by piece while it is sent. It is assembled when the set of
jobs changes or the clock passes a batch's limit, and kept until then; a scrape in between costs the live families
alone, which stand behind the published ones.

``check`` refuses configs whose jobs contradict each other. A page is valid all the same: of jobs in the order of their
names, the first says what a family is; a family of a later job that has another type, or whose names collide with an
earlier family's, is left out, and so is each series, or whole histogram, that an earlier job shows. ``problems`` names
each such case.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from timepoint.exposition.deflate import FINAL_BLOCK, GZIP_HEADER, Buffer, crc32, crc32_combine, deflate, gzip_trailer
from timepoint.exposition.family import FamilySnapshot, is_selected, is_visible, occupied_names
from timepoint.exposition.formats import Format
from timepoint.exposition.render import render_families
from timepoint.exposition.segment import PublishedBatch, PublishedFamily, PublishedJob, Segment, make_segment
from timepoint.model import FamilySpec

# Parts below this are joined when a page is assembled: a write costs more than copying so few bytes.
_SMALL = 16 * 1024


@dataclass(frozen=True, slots=True)
class Page:
    """What a scrape is answered with: ``parts`` in order are the body of ``length`` bytes; none of them may change."""

    content_type: str
    parts: Iterable[Buffer]
    length: int


@dataclass(slots=True)
class _Merged:
    """A family with the batches of all jobs that show it. ``first`` gives the metadata."""

    first: PublishedFamily
    job_name: str
    batches: list[tuple[PublishedJob, PublishedBatch]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Assembled:
    """The published part of a page. ``parts`` are a gzip member less its end, ``size`` bytes of it.

    ``checksum`` and ``length`` are of its plain bytes.
    """

    segments: list[Segment]
    parts: list[Buffer]
    size: int
    checksum: int
    length: int


class _Plain:
    """The parts of a page without gzip, inflated while they are asked for. Can be gone through again."""

    __slots__ = ("_segments", "_tail")

    def __init__(self, segments: Sequence[Segment], tail: bytes) -> None:
        self._segments = segments
        self._tail = tail

    def __iter__(self) -> Iterator[bytes]:
        for segment in self._segments:
            yield from segment.plain()
        yield self._tail


class Pages:
    """All pages that a set of published jobs can give.

    Immutable for its user: when a job publishes, build a new one. ``problems`` holds a sentence per contradiction
    between jobs that was found so far; those about series appear once a page was made.
    """

    def __init__(self, published: Sequence[PublishedJob]) -> None:
        self.published = tuple(sorted(published, key=lambda job: job.job_name))
        self._problems: dict[str, None] = {}
        self._owners: dict[str, _Merged] = {}
        self._families = self._merge()
        limits = (
            limit
            for family in self._families
            for _, batch in family.batches
            for limit in (batch.visible_from, batch.visible_until)
        )
        self._limits = sorted({limit for limit in limits if limit is not None})
        self._period = -1
        self._assembled: dict[bool, _Assembled] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(self._problems)

    def selecting(self, job_names: Collection[str] = (), names: Collection[str] = ()) -> Pages:
        """The pages of these jobs and these families or samples alone; an empty selection selects all."""
        return Pages(
            [
                replace(job, families=tuple(f for f in job.families if not names or is_selected(f.spec, names)))
                for job in self.published
                if not job_names or job.job_name in job_names
            ]
        )

    def page(self, format: Format, *, gzip: bool, now: int, extra: Sequence[FamilySnapshot] = ()) -> Page:  # noqa: A002 - the word of the specification
        """The page at the instant ``now`` (milliseconds since the epoch).

        ``extra`` are the server's own live families, few. They are rendered and compressed here and stand at the end,
        so that the published part is the same bytes from scrape to scrape. One whose names a job uses is left out.
        """
        assembled = self._assemble(openmetrics=format.openmetrics, now=now)
        tail = render_families([family for family in extra if self._is_free(family)], format, now)
        if not gzip:
            return Page(format.content_type, _Plain(assembled.segments, tail), assembled.length + len(tail))
        checksum = crc32_combine(assembled.checksum, crc32(tail), len(tail))
        end = FINAL_BLOCK + gzip_trailer(checksum, assembled.length + len(tail))
        last = (deflate([tail]) if tail else b"") + end
        return Page(format.content_type, [*assembled.parts, last], assembled.size + len(last))

    def _merge(self) -> list[_Merged]:
        merged: dict[str, _Merged] = {}
        for job in self.published:
            for family in job.families:
                known = merged.get(family.spec.name)
                if known is None:
                    names = occupied_names(family.spec)
                    known = next((self._owners[name] for name in sorted(names) if name in self._owners), None)
                    if known is None:
                        known = merged[family.spec.name] = _Merged(family, job.job_name)
                        self._owners.update(dict.fromkeys(names, known))
                if self._agrees(job.job_name, family, known):
                    known.batches.extend((job, batch) for batch in family.batches)
        return [merged[name] for name in sorted(merged)]

    def _is_free(self, live: FamilySnapshot) -> bool:
        taken = next((self._owners[name] for name in occupied_names(live.spec) if name in self._owners), None)
        if taken is not None:
            self._problems[
                f"job {taken.job_name!r} shows {taken.first.spec.name}, which hides {live.spec.name} of the exporter "
                "itself: give the metric of the job another name"
            ] = None
        return taken is None

    def _agrees(self, job_name: str, family: PublishedFamily, known: _Merged) -> bool:
        theirs, ours = family.spec, known.first.spec
        if theirs.name == ours.name and theirs.type is ours.type:
            return True
        self._problems[
            f"job {job_name!r} shows {theirs.name} as {theirs.type}, which cannot stand beside the {ours.type} "
            f"{ours.name} of job {known.job_name!r}: it is left out; give one of them another name"
        ] = None
        return False

    def _assemble(self, *, openmetrics: bool, now: int) -> _Assembled:
        period = bisect_right(self._limits, now)
        if period != self._period:
            self._assembled = {}
            self._period = period
        if openmetrics not in self._assembled:
            segments = [
                segment
                for family, lines in self._select_visible(now, openmetrics=openmetrics)
                for segment in (family.metadata(openmetrics=openmetrics), *lines)
            ]
            self._assembled[openmetrics] = _join(segments)
        return self._assembled[openmetrics]

    def _select_visible(self, now: int, *, openmetrics: bool) -> Iterator[tuple[PublishedFamily, list[Segment]]]:
        for family in self._families:
            shown = [
                (job, batch)
                for job, batch in family.batches
                if is_visible(batch.visible_from, batch.visible_until, now)
            ]
            if len({id(job) for job, _ in shown}) > 1 and _is_repeated(family.first.spec, shown):
                segments = self._without_repetition(family.first.spec, shown, openmetrics=openmetrics)
            else:
                segments = [batch.lines_in(openmetrics=openmetrics) for _, batch in shown]
            if segments:
                yield family.first, segments

    def _without_repetition(
        self, spec: FamilySpec, shown: list[tuple[PublishedJob, PublishedBatch]], *, openmetrics: bool
    ) -> list[Segment]:
        """The lines of the batches, without those of each metric that stands in an earlier one."""
        seen: set[str] = set()
        kept = []
        for job, batch in shown:
            lines = list(batch.lines.lines(spec))
            repeated = sum(metric in seen for metric, _ in lines)
            if repeated:
                self._problems[
                    f"{repeated} series of {spec.name} that job {job.job_name!r} shows are shown by "
                    "another job: they are left out; give the jobs a label that tells them apart"
                ] = None
            segment = batch.lines_in(openmetrics=openmetrics)
            if repeated:
                segment = make_segment([b"".join(line for metric, line in segment.lines(spec) if metric not in seen)])
            seen.update(metric for metric, _ in lines)
            if segment.length:
                kept.append(segment)
        return kept


def _is_repeated(spec: FamilySpec, shown: Sequence[tuple[PublishedJob, PublishedBatch]]) -> bool:
    """Whether a metric stands in two batches."""
    hashes = [batch.lines.metric_hashes(spec) for _, batch in shown]
    return len(frozenset().union(*hashes)) < sum(map(len, hashes))


def _join(segments: list[Segment]) -> _Assembled:
    checksum = length = 0
    for segment in segments:
        checksum = crc32_combine(checksum, segment.checksum, segment.length)
        length += segment.length
    parts = _without_small([GZIP_HEADER, *(segment.deflated for segment in segments)])
    return _Assembled(segments, parts, sum(map(len, parts)), checksum, length)


def _without_small(buffers: Iterable[Buffer]) -> list[Buffer]:
    """The same bytes in the same order, neighbours joined where both are small."""
    parts: list[Buffer] = []
    run = bytearray()
    for buffer in buffers:
        if len(buffer) < _SMALL:
            run += buffer
        if run and (len(buffer) >= _SMALL or len(run) >= _SMALL):
            parts.append(bytes(run))
            run = bytearray()
        if len(buffer) >= _SMALL:
            parts.append(buffer)
    return [*parts, bytes(run)] if run else parts
