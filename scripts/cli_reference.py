"""Writes docs/reference/cli.md from the commands themselves: ``python scripts/cli_reference.py``.

Owns: the layout of that page. Must not know: what a command does.
"""

from __future__ import annotations

from pathlib import Path

import click

from timepoint.cli.main import main

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"

_INTRODUCTION = """\
# The command `timepoint`

This page is written by `scripts/cli_reference.py` from the commands' own `--help`; a test compares the two. Exit codes
stand at the end of the first section.
"""


def reference() -> str:
    """The whole page as Markdown."""
    top = click.Context(main, info_name="timepoint", terminal_width=100, **main.context_settings)
    parts = [_INTRODUCTION, _section("timepoint", main, top)]
    for name in main.list_commands(top):
        command = main.get_command(top, name)
        assert command is not None
        context = click.Context(command, top, name, terminal_width=100)
        parts.append(_section(f"timepoint {name}", command, context))
        if isinstance(command, click.Group):
            parts += [
                _section(f"timepoint {name} {inner}", below, click.Context(below, context, inner, terminal_width=100))
                for inner, below in sorted(command.commands.items())
            ]
    return "\n".join(parts)


def _section(title: str, command: click.Command, context: click.Context) -> str:
    return f"## `{title}`\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(reference(), encoding="utf-8")
