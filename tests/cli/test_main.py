from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.support import call
from timepoint.cli.main import main
from timepoint.version import __version__

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("aiohttp", "pydantic", "msgspec", "yaml", "jinja2", "asyncio", "sqlite3")


def test_version_is_one_line() -> None:
    """Name and version, as exporters print it."""
    assert call("--version").output == f"timepoint {__version__}\n"


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]])
def test_version_and_help_import_nothing_heavy(arguments: list[str]) -> None:
    """What a person asks for in passing does not wait for an HTTP server or a schema."""
    program = (
        "import sys\nfrom timepoint.cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert result.stderr.strip() == "[]"


def test_help_names_every_command_with_its_exit_codes() -> None:
    """Somebody who types --help sees what there is and what the codes mean."""
    output = call("--help").output

    for name in ("run", "check", "preview", "poll", "serve", "schema", "demo"):
        assert f"\n  {name}  " in output.replace("   ", "  ").replace("   ", "  ")
    assert "75  the data directory is in use" in output


def test_every_command_has_an_example() -> None:
    """The help of each command shows how it is typed."""
    context = main.make_context("timepoint", ["schema"])
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        assert "Example" in (command.help or "") + (command.epilog or ""), name


@pytest.mark.parametrize("arguments", [["bogus"], ["run"], ["run", "/nowhere.yaml"], ["check", "--bogus"]])
def test_a_wrong_command_line_is_exit_code_2(arguments: list[str]) -> None:
    """Nothing is started, and the usage says what would be right."""
    result = call(*arguments)

    assert result.exit_code == 2
    assert "Usage: timepoint" in result.stderr


def test_the_reference_page_is_what_the_commands_say() -> None:
    """docs/reference/cli.md is written by scripts/cli_reference.py; call it after a change."""
    # Alone in a process: click keeps the words for --help that a command had when it was first called by itself.
    script = "import cli_reference; print(cli_reference.reference(), end='')"
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT / "scripts", capture_output=True, text=True, check=True
    )
    assert (ROOT / "docs" / "reference" / "cli.md").read_text("utf-8") == told.stdout
