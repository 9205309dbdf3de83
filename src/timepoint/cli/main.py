"""The command ``timepoint``: its commands by name, loaded when they are asked for.

Owns: the list of commands, and the words common to all of them. Must not know: what a command does. A
command's module is imported for its help and its run alone, and imports what is heavy inside its function: ``--help``
and ``--version`` must not wait for an HTTP server or a schema (0.04 s; with the server imported it would be 0.5 s).
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from timepoint.version import __version__

_COMMANDS = {
    "run": "timepoint.cli.run:run",
    "check": "timepoint.cli.check:check",
    "preview": "timepoint.cli.preview:preview",
    "poll": "timepoint.cli.poll:poll",
    "serve": "timepoint.cli.serve:serve",
    "backfill": "timepoint.cli.backfill:backfill",
    "outbox": "timepoint.cli.outbox:outbox",
    "doctor": "timepoint.cli.doctor:doctor",
    "scrape-config": "timepoint.cli.scrape_config:scrape_config",
    "rules": "timepoint.cli.rules:rules",
    "dashboard": "timepoint.cli.dashboard:dashboard",
    "recipes": "timepoint.cli.recipes:recipes",
    "import": "timepoint.cli.import_:import_",
    "schema": "timepoint.cli.schema:schema",
    "demo": "timepoint.cli.demo:demo",
}

_EPILOG = """\b
Exit codes:
   0  done; a server was told to end and did
   1  it did not work: a taken port, a failed job, a source without an answer
   2  the command line or the config file is wrong; nothing was started
  75  the data directory is in use by another process

\b
Examples:
  timepoint demo
  timepoint check energy.yaml
  timepoint preview energy.yaml --format points
  timepoint run energy.yaml --web.listen-address :8080
"""


class Commands(click.Group):
    """A group whose commands are imported on demand, in the order in which a person meets them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: Any = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@click.command(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="timepoint", message="%(prog)s %(version)s")
def main() -> None:
    """Turn any time-based HTTP API into Prometheus metrics.

    CONFIG is a YAML file that names sources, jobs and their metrics.
    """
