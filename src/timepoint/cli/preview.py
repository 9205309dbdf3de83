"""``timepoint preview``: one run of a job, shown and forgotten.

Owns: the command, which job and window are meant, and what goes where. What is asked and shown is that of a run
(``preview_run``), the words beside it are of ``preview_lines``. Must not know: the data directory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.cli.choosing import named_jobs
from timepoint.cli.exits import EXIT_FAILED
from timepoint.cli.lanes import chosen_lane, listed_lanes
from timepoint.cli.options import InstantType, config_argument, load, load_offline
from timepoint.cli.preview_lines import (
    doubt_lines,
    missed_lines,
    opening_lines,
    page_lines,
    point_lines,
    reject_lines,
    said_lines,
    unfound_lines,
)
from timepoint.cli.preview_run import Question, accepted_part, ask, page_of
from timepoint.cli.window_lines import next_run_line
from timepoint.clock import SystemClock
from timepoint.errors import MappingError, SourceError
from timepoint.model import Window

if TYPE_CHECKING:
    from timepoint.job import Job


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
    if name is not None:
        return named_jobs(jobs, (name,))
    if one_needed and len(jobs) > 1:
        names = ", ".join(job.name for job in jobs)
        raise click.UsageError(f"--response is the answer of one job: say which with --job ({names})")
    return jobs


def _question(
    job: Job, given: Window | int | None, at: int | None, response: Path | None, lane_name: str | None
) -> Question:
    """What to ask. ``given`` is the window, or the watermark from which it follows. Raises SourceError."""
    import asyncio

    from timepoint.poller.run_windows import windows_of_run
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

    for line in opening_lines(job, question):
        click.echo(line, err=True)
    if not question.windows:
        click.echo(next_run_line(job, question.fire_time, (), question.watermark), err=True)
        return
    mapped, material = asyncio.run(ask(job, question))
    if not question.window_given:
        windows = [*question.windows[:-1], accepted_part(job, question, mapped)]
        click.echo(next_run_line(job, question.fire_time, windows, question.watermark), err=True)
    for line in page_lines(mapped, material, is_paged=_is_paged(job) and question.response is None):
        click.echo(line, err=True)
    if format_ == "points":
        click.echo("".join(f"{line}\n" for line in point_lines(mapped)), nl=False)
        rejects = mapped.rejects
    else:
        page, rejects, left = page_of(job, question, mapped, format_)
        click.echo(page, nl=False)
        if left:
            click.echo(f"left for other windows: {left} points", err=True)
        for line in missed_lines(page, mapped, question):
            click.echo(line, err=True)
    for line in (
        *said_lines(mapped),
        *reject_lines(rejects),
        *unfound_lines(mapped, material),
        *doubt_lines(job, mapped, material),
    ):
        click.echo(line, err=True)


def _is_paged(job: Job) -> bool:
    """Whether an answer of a job may come in pages."""
    from timepoint.job import HttpPolling

    paging = job.polling.request.paging if isinstance(job.polling, HttpPolling) else None
    return paging is not None and paging.kind.is_paging
