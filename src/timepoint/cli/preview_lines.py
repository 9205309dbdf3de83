"""What ``timepoint preview`` says beside the page: the window, the pages of the answer, points, rejects, doubts.

Owns: those lines. Must not know: how a window is asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from timepoint.cli.lanes import lane_lines
from timepoint.cli.preview_run import Question
from timepoint.cli.window_lines import given_up_line, window_lines
from timepoint.clock import format_instant
from timepoint.errors import SourceError
from timepoint.model import NOTHING_SETTLED, MappedRun, Rejects, SeriesPoints

if TYPE_CHECKING:
    from timepoint.job import Job
    from timepoint.poller.origin import Material
    from timepoint.request.paging.nodes import Document

_NAMES = 12
_SEVERAL = 2
_PAGES, _LAST_PAGES = 10, 2  # of many pages, those that are shown


def opening_lines(job: Job, question: Question) -> Iterator[str]:
    """Which job, fire time, lane and windows are meant."""
    whose = "given" if question.window_given else "first run"
    if question.watermark is not None:
        whose = f"run after the watermark {format_instant(question.watermark)}"
    yield f"{job.name}: {whose}, fire time {format_instant(question.fire_time)}"
    yield from lane_lines(job, question.lanes, question.lane, offline=question.response is not None)
    yield from given_up_line(job, question.windows, question.watermark)
    yield from window_lines(question.windows)
    if len(question.windows) > 1 and question.response is None:
        yield f"  asked for the newest of these {len(question.windows)} windows alone"
    if not question.windows:
        yield "  there is no window to ask for at this fire time"


def page_lines(mapped: MappedRun, material: Material, *, is_paged: bool) -> Iterator[str]:
    """The pages of an answer: how many, and the rows and bytes of each. ``is_paged``: there may be several."""
    if is_paged and len(mapped.page_rows) == 1:
        yield f"  1 page, {mapped.rows} rows: nothing in it leads to another"
    if len(mapped.page_rows) < _SEVERAL:
        return
    sizes = [len(page.body) for page in material.content]
    yield f"  {len(sizes)} pages, {mapped.rows} rows, {sum(sizes)} bytes, {material.attempts} requests"
    for number, (rows, size) in enumerate(zip(mapped.page_rows, sizes, strict=True), 1):
        if number <= _PAGES or number > len(sizes) - _LAST_PAGES:
            yield f"    page {number}: {rows} rows, {size} bytes"
        elif number == _PAGES + 1:
            yield "    ..."


def said_lines(mapped: MappedRun) -> Iterator[str]:
    """What the answer says of itself: that something is missing, up to when its data are final."""
    if mapped.partial:
        yield f"the answer says that something is missing in it ({mapped.partial}): its window is asked for again"
    if mapped.settled_until is not None:
        is_some = mapped.settled_until > NOTHING_SETTLED
        yield (
            f"final until {format_instant(int(mapped.settled_until))}" if is_some else "nothing of the answer is final"
        )


def unfound_lines(mapped: MappedRun, material: Material) -> Iterator[str]:
    """What a person must know of rows that are not there: rules dropped them, or no path found any."""
    if mapped.dropped:
        yield f"dropped: {mapped.dropped}"
    if not (mapped.rows or mapped.dropped or mapped.rejects.total or mapped.is_declared_empty):
        yield f"no row was found: do the paths of rows fit the answer?{_outermost(material)}"


def _outermost(material: Material) -> str:
    """What the outermost value of a JSON answer is, as a sentence; nothing for other answers."""
    import msgspec

    try:
        value = msgspec.json.decode(material.content[0].body)
    except (AttributeError, TypeError, IndexError, msgspec.MsgspecError, RecursionError):
        return ""
    if isinstance(value, dict):
        names = ", ".join(list(value)[:_NAMES]) + (", ..." if len(value) > _NAMES else "")
        return f" It is an object with {names or 'nothing in it'}"
    return f" It is an array of {len(value)}" if isinstance(value, list) else ""


def missed_lines(page: bytes, mapped: MappedRun, question: Question) -> Iterator[str]:
    """What to do when points were mapped and none of them is shown: their times do not fit the fire time."""
    grids = [points.times for series in mapped.series.values() for points in series.values() if len(points.times)]
    if grids and all(line.startswith(b"#") for line in page.splitlines()):
        first, last = min(min(times.starts) for times in grids), max(times.ends[-1] for times in grids)
        todo = "say with --at when the run took place"
        if question.response is None:
            todo = "do time, its format and timezone fit the answer, and delay and window what the API has by now?"
        yield (
            f"nothing is shown at the fire time {format_instant(question.fire_time)}, though there are points from "
            f"{format_instant(first)} to {format_instant(last)}: {todo}"
        )


def point_lines(mapped: MappedRun) -> Iterator[str]:
    """Every point on a line: ``name{label="v"} @start..end: value``, sorted by name, labels and time.

    An instant has one stamp. Stamps are RFC 3339 in UTC; values are written as on the page.
    """
    from timepoint.exposition.render import number_text

    for name in sorted(mapped.series):
        for text, points in sorted(mapped.series[name].items()):
            for when, value in _stamped(points):
                yield f"{name}{text} @{when}: {number_text(value)}"


def _stamped(points: SeriesPoints) -> Iterator[tuple[str, float]]:
    for start, end, value in sorted(zip(points.times.starts, points.times.ends, points.values, strict=True)):
        yield (format_instant(end) if start == end else f"{format_instant(start)}..{format_instant(end)}"), value


def reject_lines(rejects: Rejects) -> Iterator[str]:
    """The rejects by reason, each with the JSON paths of the first few."""
    for reason, count in sorted(rejects.counts.items()):
        yield f"rejected: {count} {reason}"
        for example in rejects.examples.get(reason, ()):
            yield f"  {example}"


def doubt_lines(job: Job, mapped: MappedRun, material: Material) -> Iterator[str]:
    """What the answer says of further pages, where the config does not look for them.

    The names of an answer prove nothing, so a run goes by the config alone.
    """
    from timepoint.job import HttpPolling
    from timepoint.request.decode import decode
    from timepoint.request.paging.nodes import Document
    from timepoint.request.paging.signs import misspelt

    if not isinstance(job.polling, HttpPolling) or len(material.content) != 1:
        return
    [page], paging = material.content, job.polling.request.paging
    if page.empty or (paging is not None and paging.total):
        return
    with contextlib.suppress(SourceError):
        document = Document(decode(page, job.polling.request))
        if paging is None or not paging.kind.is_paging:
            doubt = _unpaged(document, mapped)
        else:
            doubt = misspelt(document, paging.kind.looks_at) if paging.kind.looks_at else ""
        if doubt:
            yield page.mask(doubt)


def _unpaged(document: Document, mapped: MappedRun) -> str:
    """A sentence if an answer that is read without paging says that there is more."""
    from timepoint.request.paging.signs import sign_of_more, total_beyond

    if sign := sign_of_more(document):
        return f"{sign}: is this all? Say with paging how it is found"
    if not (total := total_beyond(document, mapped.rows + mapped.dropped)):
        return ""
    path = total.split(" is ")[0]
    return (
        f"{total}, and {mapped.rows} rows were found: is this all? Say with paging how the next page is found, or "
        f"paging: {{one_page: {{}}, total: {path}}} if there is none, so that an answer that was cut is an error"
    )
