"""``timepoint check``: what a config says, or everything that is wrong with it.

Owns: the summary of a config for a person. Must not know: how a config is checked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.cli.choosing import count_of
from timepoint.cli.exits import EXIT_USAGE
from timepoint.cli.lanes import each_text
from timepoint.cli.options import config_argument, web_config_option
from timepoint.clock import format_duration
from timepoint.errors import ConfigError, Problem

if TYPE_CHECKING:
    from timepoint.config import Config
    from timepoint.job import Job, ScheduleSpec


@click.command()
@config_argument
@web_config_option
def check(config: Path, web_config_file: Path | None) -> None:
    """Check CONFIG and sum up its jobs, without asking any API.

    Every problem of the file is printed on a line of its own: file:line:column: path: what is wrong and what to do.
    Warnings do not make the check fail. The exit code is 0 for a config that can run, else 2.

    \b
    Examples:
      timepoint check energy.yaml
      timepoint check energy.yaml --web.config.file web.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.config import load_config

    problems: list[Problem] = []
    try:
        loaded = load_config(config, os.environ)
    except ConfigError as error:
        problems = error.problems
    web_lines, web_problems = _check_web(web_config_file)
    problems = [*problems, *web_problems]
    if problems:
        for problem in problems:
            click.echo(str(problem))
        click.echo(count_of(len(problems), "problem"))
        raise SystemExit(EXIT_USAGE)
    for warning in loaded.warnings:
        click.echo(f"{warning} (warning)")
    click.echo("\n".join([*summary(loaded), *web_lines]))


def _check_web(path: Path | None) -> tuple[list[str], list[Problem]]:
    """What there is to say of a web config, and what is wrong with it."""
    if path is None:
        return [], []
    from timepoint.webconfig import load_web_config

    try:
        loaded = load_web_config(path)
    except ConfigError as error:
        return [], error.problems
    what = ["TLS" if loaded.context is not None else "plain HTTP", count_of(len(loaded.spec.users), "user")]
    return [*(f"{path}: {warning} (warning)" for warning in loaded.warnings), f"{path}: {', '.join(what)}"], []


def summary(config: Config) -> Iterator[str]:
    """The lines that tell what the config means: per job its schedule, its window and its metrics."""
    counts = [count_of(len(config.jobs), "job"), count_of(len(config.sources), "source")]
    more = {"receiver": config.receivers, "warning": config.warnings}
    counts += [count_of(len(things), word) for word, things in more.items() if things]
    yield f"{config.path}: {', '.join(counts)}"
    for receiver in config.receivers:
        kind = "strict" if receiver.is_strict else f"out-of-order window {format_duration(receiver.window)}"
        oldest = f"what is older than {format_duration(receiver.oldest)} is given up" if receiver.oldest else "any age"
        use = ", for backfill only" if receiver.backfill_only else ""
        yield f"{receiver.name}: remote write{use}, {kind}; {oldest}"
    for job in config.jobs:
        yield f"{job.name}: {_schedule(job.schedule)}{_source(job)}{_window(job)}"
        if job.each is not None:
            yield f"  {each_text(job)}"
        width = max((len(name) for name in job.metrics), default=0)
        for name, metric in job.metrics.items():
            kind = f"{metric.temporality} {metric.family.type}" if metric.temporality else str(metric.family.type)
            shown = f"shown for {format_duration(metric.max_age)} at most"
            sent = "sent to " + ", ".join(receiver.name for receiver in metric.receivers)
            yield f"  {name:<{width}}  {kind}, {sent if metric.receivers else shown}"


def _schedule(spec: ScheduleSpec) -> str:
    if spec.cron is not None:
        return f"cron {spec.cron!r} in {spec.timezone}"
    return f"every {format_duration(spec.every)}"


def _source(job: Job) -> str:
    from timepoint.job import HttpPolling

    return f" from {job.polling.source.name}" if isinstance(job.polling, HttpPolling) else ""


def _window(job: Job) -> str:
    """What there is to say of the window; nothing is caught up where the request does not name it."""
    from timepoint.mapping.stamps import Length

    spec = job.window
    facts = {
        "step": spec.step,
        "align": spec.align,
        "delay": spec.delay,
        "overlap": spec.overlap,
        "max_span": spec.max_span,
    }
    said = [
        f"{name} {length if isinstance(length, Length) else format_duration(length)}"
        for name, length in facts.items()
        if length
    ]
    if isinstance(spec.step, Length) or isinstance(spec.max_span, Length):
        said.append(f"in {spec.timezone}")
    if job.window_is_asked:
        said.append(f"catch_up {format_duration(spec.catch_up)}")
    return f"; window {', '.join(said)}" if said else ""
