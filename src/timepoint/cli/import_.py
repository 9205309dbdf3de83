"""``timepoint import``: the config of another exporter becomes one of this.

Owns: the options of the command, and what goes to which output. Must not know: what
stands in such a config.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from timepoint.cli.exits import EXIT_FAILED, EXIT_USAGE
from timepoint.errors import ConfigError

if TYPE_CHECKING:
    from timepoint.importing.targets import Target


@click.group("import")
def import_() -> None:
    """Translate the config of another exporter into one for this.

    \b
    Example:
      timepoint import json-exporter config.yml --prometheus prometheus.yml --output timepoint.yaml
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped


@import_.command("json-exporter")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--prometheus",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The config of the Prometheus that scrapes the json_exporter: it knows the targets and how often.",
)
@click.option(
    "--target",
    "targets",
    metavar="[MODULE=]URL",
    multiple=True,
    help="What is asked for a module; without MODULE for the one called default. May be given again.",
)
@click.option(
    "--every",
    default="1m",
    show_default=True,
    metavar="DURATION",
    help="How often targets are asked of which Prometheus says nothing.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the config to FILE, which must not be there yet, instead of standard output.",
)
def json_exporter(
    file: Path, prometheus: Path | None, targets: tuple[str, ...], every: str, output: Path | None
) -> None:
    """Translate FILE, a config of json_exporter, into a config that `timepoint check` takes.

    The config goes to standard output, and a report to standard error: what could not be taken over, what is to be
    decided and what changed; the same stands in the config as comments. Credentials are not copied: the report names
    the variables that the environment must have. The exit code is 1 if no metric could be taken over.

    \b
    Examples:
      timepoint import json-exporter config.yml --prometheus prometheus.yml > timepoint.yaml
      timepoint import json-exporter config.yml --target animals=https://zoo.example/animals.json --every 5m
    """  # noqa: D301 - \b is click's mark for a paragraph that is not to be wrapped
    from timepoint.importing.json_exporter import import_config
    from timepoint.importing.reading import read_file
    from timepoint.importing.report import checked_text, report

    try:
        data, notes = read_file(file)
        found = _targets(data, prometheus, targets, every)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        raise SystemExit(EXIT_USAGE) from None
    imported = import_config(data, notes, found, every)
    text = checked_text(imported, file.name)
    if output is None:
        click.echo(text, nl=False)
    else:
        _write(output, text)
    click.echo(report(imported, file.name), err=True)
    if not imported.jobs:
        raise SystemExit(EXIT_FAILED)


def _targets(data: object, prometheus: Path | None, given: tuple[str, ...], every: str) -> list[Target]:
    """The targets of the command line, and those of Prometheus for modules that it names none for."""
    from timepoint.clock import parse_duration
    from timepoint.importing.targets import given_target

    try:
        parse_duration(every)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--every") from None
    try:
        found = [given_target(text, every) for text in given]
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--target") from None
    if prometheus is None:
        return found
    named = {target.module for target in found}
    return [*found, *(target for target in _scraped(data, prometheus) if target.module not in named)]


def _scraped(data: object, path: Path) -> list[Target]:
    """The targets that a Prometheus config has for the modules; what of them is not usable is told at once."""
    from timepoint.importing.json_exporter import module_name, modules_of
    from timepoint.importing.notes import Notes
    from timepoint.importing.reading import Node, read_file
    from timepoint.importing.targets import ScrapeConfigs

    config, notes = read_file(path)
    modules = frozenset(module_name(module) for module in modules_of(data, Notes()))
    top = Node(config if isinstance(config, dict) else {}, (), notes)
    found = ScrapeConfigs(top, modules).targets()
    for note in notes.all:
        click.echo(f"{path.name}: {note}", err=True)
    if not found:
        click.echo(f"{path.name}: no scrape config asks /probe for one of the modules", err=True)
    return found


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
