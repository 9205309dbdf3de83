"""``timepoint preview``: one run of a job, shown and forgotten.

Owns: what is asked, of which window, and how points and rejects are printed. It goes through the same rooms as a run,
with an empty lane in memory in place of the ledger. Must not know: the data directory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.cli.lanes import chosen_lane, lane_lines, listed_lanes
from timepoint.cli.options import EXIT_FAILED, InstantType, config_argument, load, load_offline
from timepoint.cli.plan import given_up_line, next_run_line, window_lines
from timepoint.clock import SystemClock, format_instant
from timepoint.errors import MappingError, SourceError
from timepoint.model import NOTHING_SETTLED, MappedRun, Rejects, SeriesPoints, Window

if TYPE_CHECKING:
    from timepoint.job import Job
    from timepoint.poller.origin import Material
    from timepoint.request.each.lanes import Lane

_NAMES = 12
_SEVERAL = 2
_PAGES, _LAST_PAGES = 10, 2  # of many pages, those that are shown


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


@click.command()
@config_argument
@click.option("--job", "job_name", metavar="NAME", help="The job to preview; without it every job of CONFIG.")
@click.option(
    "--lane",
    metavar="NAME",
    help="The lane of a fan-out to ask for, such as zone=DE or just DE; without it the first.",
)
@click.option(
    "--response",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Read FILE as the answer and ask no API. It is JSON, or what its name says (.ndjson, .jsonp, .csv, .xml).",
)
@click.option(
    "--window-start", type=InstantType(), metavar="TIME", help="Start of the window, for instance 2025-01-31T12:00Z."
)
@click.option("--window-end", type=InstantType(), metavar="TIME", help="End of the window; it is not part of it.")
@click.option(
    "--at", type=InstantType(), metavar="TIME", help="The fire time; without it the last one of the schedule."
)
@click.option(
    "--watermark",
    type=InstantType(),
    metavar="TIME",
    help="How far the job has come; without it the run is the first one. Shows what is caught up after a downtime.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "openmetrics", "points"]),
    default="text",
    show_default=True,
    help="The page in one of Prometheus' formats, or every mapped point with its time.",
)
def preview(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: Path,
    job_name: str | None,
    lane: str | None,
    response: Path | None,
    window_start: int | None,
    window_end: int | None,
    at: int | None,
    watermark: int | None,
    format_: str,
) -> None:
    """Show what a run of a job would ask for and give, and touch nothing.

    Asks the API once (for the newest window, if a run would ask for several), or reads FILE as the answer: then no
    credentials are needed, and all its points are taken unless a window is given. What the page would show goes to
    standard output; what this run and the next one would ask for, and rejects, with the JSON paths of the first few,
    to standard error. Neither the ledger nor the data directory is read or written.

    \b
    Examples:
      timepoint preview energy.yaml --job pod_energy
      timepoint preview energy.yaml --response answer.json --format points
      timepoint preview energy.yaml --window-start 2025-01-31T12:00Z --window-end 2025-01-31T13:00Z
      timepoint preview energy.yaml --watermark 2025-01-28T12:00Z --at 2025-01-31T13:00Z
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    if (window_start is None) != (window_end is None):
        raise click.UsageError("--window-start and --window-end belong together")
    if window_start is not None and window_end is not None and window_start >= window_end:
        raise click.UsageError("--window-start must be before --window-end")
    if window_start is not None and watermark is not None:
        raise click.UsageError("--watermark says how a window is found, and --window-start gives one: leave one out")
    given = Window(window_start, window_end) if window_start is not None and window_end is not None else None
    loaded = load(config) if response is None else load_offline(config)
    jobs = _chosen(loaded.jobs, job_name, one_needed=response is not None)
    failed = False
    for job in jobs:
        try:
            _preview(job, _question(job, given or watermark, at, response, lane), format_)
        except (SourceError, MappingError) as error:
            click.echo(f"{job.name}: {error}", err=True)
            failed = True
    if failed:
        raise SystemExit(EXIT_FAILED)


def _chosen(jobs: Sequence[Job], name: str | None, *, one_needed: bool) -> Sequence[Job]:
    names = ", ".join(job.name for job in jobs)
    if name is not None:
        chosen = [job for job in jobs if job.name == name]
        if not chosen:
            raise click.UsageError(f"there is no job {name!r}; the jobs are {names}")
        return chosen
    if one_needed and len(jobs) > 1:
        raise click.UsageError(f"--response is the answer of one job: say which with --job ({names})")
    return jobs


def _question(
    job: Job, given: Window | int | None, at: int | None, response: Path | None, lane_name: str | None
) -> Question:
    """What to ask. ``given`` is the window, or the watermark from which it follows. Raises SourceError."""
    import asyncio

    from timepoint.poller.plan import windows_of_run
    from timepoint.poller.schedule import last_fire

    fire_time = last_fire(job.schedule, job.name, SystemClock().now()) if at is None else at
    is_now = at is None and response is None and not isinstance(given, Window)
    lanes = asyncio.run(listed_lanes(job, fire_time, offline=response is not None)) if job.each is not None else ()
    lane = chosen_lane(job, lanes, lane_name)
    if isinstance(given, Window):
        return Question(fire_time, is_now, [given], response, None, lane, lanes, window_given=True)
    windows = windows_of_run(job, fire_time, given)
    return Question(fire_time, is_now, windows, response, given, lane, lanes, window_given=False)


def _preview(job: Job, question: Question, format_: str) -> None:
    import asyncio

    for line in _told(job, question):
        click.echo(line, err=True)
    if not question.windows:
        click.echo(next_run_line(job, question.fire_time, (), question.watermark), err=True)
        return
    mapped, material = asyncio.run(_run(job, question))
    if not question.window_given:
        windows = [*question.windows[:-1], _accepted(job, question, mapped)]
        click.echo(next_run_line(job, question.fire_time, windows, question.watermark), err=True)
    for line in page_lines(mapped, material, is_paged=_is_paged(job) and question.response is None):
        click.echo(line, err=True)
    if format_ == "points":
        click.echo("".join(f"{line}\n" for line in point_lines(mapped)), nl=False)
        rejects = mapped.rejects
    else:
        page, rejects, left = _page(job, question, mapped, format_)
        click.echo(page, nl=False)
        if left:
            click.echo(f"left for other windows: {left} points", err=True)
        for line in _missed(page, mapped, question):
            click.echo(line, err=True)
    for line in (*_said(mapped), *reject_lines(rejects), *_unfound(mapped, material)):
        click.echo(line, err=True)


def _is_paged(job: Job) -> bool:
    """Whether an answer of a job may come in pages."""
    from timepoint.job import HttpPolling

    paging = job.polling.request.paging if isinstance(job.polling, HttpPolling) else None
    return paging is not None and paging.kind.is_paging


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


def _accepted(job: Job, question: Question, mapped: MappedRun) -> Window:
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


def _said(mapped: MappedRun) -> Iterator[str]:
    """What the answer says of itself: that something is missing, up to when its data are final."""
    if mapped.partial:
        yield f"the answer says that something is missing in it ({mapped.partial}): its window is asked for again"
    if mapped.settled_until is not None:
        is_some = mapped.settled_until > NOTHING_SETTLED
        yield (
            f"final until {format_instant(int(mapped.settled_until))}" if is_some else "nothing of the answer is final"
        )


def _unfound(mapped: MappedRun, material: Material) -> Iterator[str]:
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


def _told(job: Job, question: Question) -> Iterator[str]:
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


def _missed(page: bytes, mapped: MappedRun, question: Question) -> Iterator[str]:
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


async def _run(job: Job, question: Question) -> tuple[MappedRun, Material]:
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


def _page(job: Job, question: Question, mapped: MappedRun, format_: str) -> tuple[bytes, Rejects, int]:
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
