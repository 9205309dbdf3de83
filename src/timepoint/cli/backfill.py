"""``timepoint backfill``: history into files or to a receiver.

Owns: the options of the command, the line that shows how far it is, the summary. Must not know: how history is loaded.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.cli.choosing import named_jobs
from timepoint.cli.exits import EXIT_FAILED
from timepoint.cli.options import (
    DurationType,
    InstantType,
    LabelType,
    config_argument,
    data_dir_option,
    load,
    log_options,
    told_plainly,
)
from timepoint.clock import HOUR, SystemClock, format_instant

if TYPE_CHECKING:
    from timepoint.backfill.load import Asked, Loading
    from timepoint.config import Config
    from timepoint.job import Job
    from timepoint.remote_write.spec import ReceiverSpec

_ON_TERMINAL, _ELSEWHERE = 0.5, 30.0  # seconds between two lines
_RECENT = 3 * HOUR


@click.command()
@config_argument
@click.option("--from", "start", type=InstantType(), required=True, metavar="TIME", help="Where history begins.")
@click.option(
    "--to",
    "end",
    type=InstantType(),
    metavar="TIME",
    help="Where it ends. Without it: where live polling began; it never goes further.",
)
@click.option("--job", "jobs", multiple=True, metavar="NAME", help="A job to load; without it all that can be.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME", help="A metric to load; without it all of the jobs."
)
@click.option("--receiver", metavar="NAME", help="Send to this receiver of the config's remote_write.")
@click.option(
    "--openmetrics",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a file for each day, for promtool tsdb create-blocks-from openmetrics.",
)
@click.option(
    "--json-lines",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write a file for each day, for /api/v1/import of VictoriaMetrics.",
)
@click.option(
    "--label",
    "labels",
    type=LabelType(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Add a label that a scrape adds, as job=timepoint and instance=exporter:8080. May be given again.",
)
@click.option(
    "--span",
    type=DurationType(),
    metavar="DURATION",
    help="How much data time is asked for at once; never more than the job's max_span.  [default: 1d]",
)
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Which share of the limits of each source to use.  [default: all, half while the exporter runs]",
)
@click.option("--skip-failed", is_flag=True, help="Leave out what fails five times in a row, and name it.")
@click.option("--dry-run", is_flag=True, help="Say what would be asked for, and ask nothing.")
@data_dir_option
@log_options
def backfill(  # noqa: PLR0913, PLR0917 - one parameter for each option
    config: Path,
    start: int,
    end: int | None,
    jobs: tuple[str, ...],
    metrics: tuple[str, ...],
    receiver: str | None,
    openmetrics: Path | None,
    json_lines: Path | None,
    labels: tuple[tuple[str, str], ...],
    span: int | None,
    share: float | None,
    skip_failed: bool,  # noqa: FBT001 - click gives it
    dry_run: bool,  # noqa: FBT001 - click gives it
    data_dir: Path,
    log_level: str,
    log_format: str,
) -> None:
    """Load history of the jobs of CONFIG, with its true timestamps.

    Asks the API for the past, window by window and within its limits, and sends what it gives to a receiver or writes
    it into files, one for each day. It ends where live polling began, so nothing counts twice; start the exporter
    first. It may run beside the exporter. Whatever interrupts it: the same command goes on where it was.

    \b
    Examples:
      timepoint backfill energy.yaml --from 2026-01-01 --openmetrics history \\
          --label job=timepoint --label instance=exporter:8080
      timepoint backfill energy.yaml --from 2026-01-01 --receiver victoria
      timepoint backfill energy.yaml --from 2026-01-01 --to 2026-02-01 --json-lines history --dry-run
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint import log
    from timepoint.backfill.job_plan import Range
    from timepoint.backfill.load import Asked
    from timepoint.backfill.replay import TRIES
    from timepoint.job import given_secrets

    if sum(target is not None for target in (receiver, openmetrics, json_lines)) != 1:
        raise click.UsageError("say where history goes: one of --receiver, --openmetrics and --json-lines")
    if end is not None and end <= start:
        raise click.UsageError("--from must be before --to")
    loaded = load(config)
    log.configure(log_level, log_format)
    log.hide(given_secrets(loaded.workload))
    asked = Asked(
        jobs=_chosen(loaded, jobs, metrics),
        wanted=Range(start, end, span, frozenset(metrics)),
        data_dir=data_dir,
        receiver=_receiver(loaded, receiver) if receiver is not None else None,
        shape="openmetrics" if openmetrics is not None else "json-lines",
        directory=openmetrics or json_lines or Path(),
        labels=dict(labels),
        share=share,
        tries=TRIES,
        skips_failed=skip_failed,
    )
    with told_plainly():
        _run(asked, is_dry=dry_run)


def _chosen(config: Config, names: Sequence[str], metrics: Sequence[str]) -> list[Job]:
    """The jobs that are meant. Without names those that can be asked for the past."""
    named = named_jobs(config.jobs, names)
    described = {name for job in config.jobs for name in job.metrics}
    for name in metrics:
        if name not in described:
            raise click.UsageError(f"there is no metric {name!r}; the metrics are {', '.join(sorted(described))}")
    if named:
        return named
    jobs = [job for job in config.jobs if not metrics or not job.metrics.keys().isdisjoint(metrics)]
    for job in jobs:
        if not job.window_is_asked:
            click.echo(f"job {job.name} is left out: its request does not name a window", err=True)
    asked = [job for job in jobs if job.window_is_asked]
    if not asked:
        raise click.UsageError("no job of the config names a window in its request, so none can be asked for the past")
    return asked


def _receiver(config: Config, name: str) -> ReceiverSpec:
    for spec in config.receivers:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in config.receivers)
    raise click.UsageError(f"there is no receiver {name!r} in remote_write; there is {known or 'none'}")


def _run(asked: Asked, *, is_dry: bool) -> None:
    import asyncio

    from timepoint.backfill.job_plan import estimate_text
    from timepoint.backfill.load import opened

    with opened(asked, is_dry=is_dry) as loading:
        for plan in loading.plans:
            for note in plan.notes:
                _tell(note)
            _tell(estimate_text(plan))
        _tell_sharing(loading)
        if is_dry:
            return
        if loading.is_done:
            where = loading.state.path if asked.receiver is not None else asked.directory
            _tell(f"All of it was loaded before; remove {where} to do it again.")
            return
        began = time.monotonic()
        is_whole = asyncio.run(_watched(loading, began))
        _tell_end(loading, time.monotonic() - began, is_whole=is_whole)
    if not is_whole:
        raise SystemExit(EXIT_FAILED)


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _tell_sharing(loading: Loading) -> None:
    if loading.runs_beside and loading.share < 1:
        _tell(f"The exporter runs beside: {loading.share:.0%} of what each source allows is used (--share).")
    asked = loading.asked
    end = max(plan.end for plan in loading.plans)
    if asked.shape == "openmetrics" and asked.receiver is None and SystemClock().now() - end < _RECENT:
        _tell(
            f"History ends at {format_instant(end)}, less than 3 h ago. A Prometheus that gets blocks of the last 3 h"
            " forgets younger samples of its own when it is restarted: wait until then with loading them."
        )


async def _watched(loading: Loading, began: float) -> bool:
    """Runs it and shows how far it is; False if somebody ended it. Raises BackfillError and others."""
    import asyncio

    work = asyncio.create_task(loading.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    showing = asyncio.create_task(_show(loading, began))
    try:
        await asyncio.wait((work,))
    finally:
        showing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await showing
    if work.cancelled():
        return False
    work.result()
    return True


async def _show(loading: Loading, began: float) -> None:
    import asyncio

    is_terminal = sys.stderr.isatty()
    try:
        while True:
            await asyncio.sleep(_ON_TERMINAL if is_terminal else _ELSEWHERE)
            _show_line(loading, began, is_terminal=is_terminal)
    finally:
        if is_terminal:
            _show_line(loading, began, is_terminal=True)
            click.echo("", err=True)


def _show_line(loading: Loading, began: float, *, is_terminal: bool) -> None:
    from timepoint.backfill.progress import line

    text = line(loading.now(), time.monotonic() - began)
    if is_terminal:
        width = shutil.get_terminal_size().columns - 1
        click.echo("\r" + text[:width].ljust(width), err=True, nl=False)
    else:
        _tell(text)


def _tell_end(loading: Loading, elapsed: float, *, is_whole: bool) -> None:
    from timepoint.backfill.progress import number, summary

    for text in summary(loading.now(), elapsed):
        _tell(text)
    delivery = loading.delivery
    if delivery is not None:
        _tell(f"{number(delivery.facts.sent)} samples stored by {loading.asked.target_name}")
        for reason, count in sorted(delivery.facts.dropped.items()):
            _tell(f"given up: {number(count)} {reason}")
    if loading.files is not None:
        _tell(
            f"{number(loading.files.samples)} samples, {len(loading.files.written)} files in {loading.asked.directory}"
        )
    if not is_whole:
        _tell("Interrupted. What was loaded is kept: the same command goes on from here.")
    elif loading.files is not None:
        _tell_next(loading.asked)


def _tell_next(asked: Asked) -> None:
    """What to do with the files."""
    where = asked.directory
    if asked.shape == "openmetrics":
        _tell(
            f"Now make blocks of them: for f in {where}/*.om; do promtool tsdb create-blocks-from openmetrics"
            ' "$f" PROMETHEUS_DATA_DIRECTORY; done'
        )
    else:
        _tell(f'Now load them: for f in {where}/*.jsonl; do curl -T "$f" http://VICTORIA/api/v1/import; done')
