"""What ``timepoint preview`` asks for, and what a run would make of it.

Owns: a run from the request to the page, with an empty lane in memory in place of the ledger. Must not know: what is
printed, the data directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.clock import SystemClock
from timepoint.model import MappedRun, Rejects, Window

if TYPE_CHECKING:
    from timepoint.job import Job
    from timepoint.poller.origin import Material
    from timepoint.request.each.lanes import Lane


@dataclass(frozen=True, slots=True)
class Question:
    """What to preview. ``windows`` are those that a run at the fire time would ask for, or the one given.

    The run is the first one, or the one after ``watermark``.

    ``response`` is a file that stands for the answer, None to ask the API. ``window_given`` says that the window comes
    from the command line. ``lane`` is the one of ``lanes`` that is asked for. ``takes_place_now``: the
    run is not one of another time, so its newest values may be newer than the fire time.
    """

    fire_time: int
    takes_place_now: bool
    windows: Sequence[Window]
    response: Path | None
    watermark: int | None
    lane: Lane
    lanes: Sequence[Lane]
    window_given: bool


async def ask(job: Job, question: Question) -> tuple[MappedRun, Material]:
    """Asks for the newest window, or takes the file, and maps the answer."""
    from timepoint.job import HttpPolling
    from timepoint.mapping.engine import RunContext
    from timepoint.poller.origin import open_origin
    from timepoint.request.fetch import HttpFetcher

    window = question.windows[-1]
    context = RunContext(window, question.fire_time, question.lane.labels)
    if not isinstance(job.polling, HttpPolling):
        if question.response is not None:
            raise click.UsageError(f"job {job.name} is a function, which reads no answer")
        origin = open_origin(job, {})
        material = await origin.ask(window, question.fire_time, _deadline(job), question.lane.values)
        return origin.read(material, context), material
    async with HttpFetcher(job.polling.source) as fetcher:
        origin = open_origin(job, {job.polling.source.name: fetcher})
        if question.response is not None:
            material = _from_file(question.response)
        else:
            material = await origin.ask(window, question.fire_time, _deadline(job), question.lane.values)
        return origin.read(material, context), material


def _deadline(job: Job) -> float:
    return SystemClock().monotonic() + job.timeout / 1000


def _from_file(path: Path) -> Material:
    from timepoint.poller.origin import Material
    from timepoint.request.answer import Answer
    from timepoint.request.decoders.registry import by_file

    decoder = by_file(path.name)
    content_type = max(decoder.types, default="") if decoder is not None else ""
    return Material((Answer(200, content_type, path.read_bytes(), str(path)),))


def accepted_part(job: Job, question: Question, mapped: MappedRun) -> Window:
    """How much of the newest window is done with this answer: what it calls final, nothing if something is missing."""
    window = question.windows[-1]
    if question.response is not None:
        return window
    part = _final_part(job, question, mapped.settled_until)
    return Window(window.start, window.start) if mapped.partial else part


def _final_part(job: Job, question: Question, boundary: float | None) -> Window:
    """The part of the newest window up to a boundary; an empty one at its start, if there is none."""
    from timepoint.poller.settled import settled_window

    window = question.windows[-1]
    return settled_window(job, window, boundary, question.watermark) or Window(window.start, window.start)


def page_of(job: Job, question: Question, mapped: MappedRun, format_: str) -> tuple[bytes, Rejects, int]:
    """What the page shows, with totals at once; all rejects; how many points are not its own."""
    from timepoint.exposition.formats import OPENMETRICS, TEXT
    from timepoint.exposition.render import render_families
    from timepoint.ledger.change import RunFacts
    from timepoint.ledger.decide import decide
    from timepoint.ledger.shown import shown
    from timepoint.ledger.state import LaneState
    from timepoint.poller.settled import settled_instant

    now = SystemClock().now() if question.takes_place_now else question.fire_time
    everything = question.response is not None and not question.window_given
    window = question.windows[-1]
    boundary = None if everything else mapped.settled_until
    part = _final_part(job, question, boundary)
    facts = RunFacts(
        fire_time=question.fire_time,
        window=_hull(mapped, window) if everything else part,
        now=now,
        window_is_asked=job.window_is_asked and not everything,
        settled=settled_instant(job, now, boundary, question.watermark),
        overlap=job.window.overlap,
    )
    lane = LaneState(job.name, question.lane.name)
    # Without a first zero, not two minutes later: by then a value of a job that runs every 30 s would be too old.
    # And what goes out by remote write is shown as it would stand on a page: that is where one sees its labels.
    metrics = {name: replace(metric, zero_first=0, receivers=()) for name, metric in job.metrics.items()}
    changes = decide(lane, mapped, metrics, facts)
    changes.commit = 1
    changes.apply(lane)
    families = shown(metrics, [lane], now)
    rejects = Rejects()
    rejects.update(mapped.rejects)
    rejects.update(changes.rejects)
    chosen = OPENMETRICS if format_ == "openmetrics" else TEXT
    return render_families(families, chosen, now), rejects, changes.counts.unused


def _hull(mapped: MappedRun, window: Window) -> Window:
    """A window that holds every point, so that none is left out for its time."""
    grids = [points.times for series in mapped.series.values() for points in series.values() if len(points.times)]
    starts = [min(times.starts) for times in grids]
    ends = [times.ends[-1] for times in grids]
    return Window(min([window.start, *starts]), max([window.end, *(end + 1 for end in ends)]))
