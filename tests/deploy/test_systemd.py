"""The unit of systemd: systemd takes it, it allows little, and what it says fits the program."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.deploy.rendering import ROOT
from tests.docs.test_docs import is_known
from timepoint.cli.exits import EXIT_IN_USE, EXIT_USAGE
from timepoint.launch import DEFAULT_ADDRESS
from timepoint.supervisor import STOP_WITHIN

UNITS = ROOT / "deploy" / "systemd"
TEXT = (UNITS / "timepoint.service").read_text("utf-8")

# systemd-analyze says 1.2 of 10 (systemd 252; less is better). What is left is what a client and server of HTTP is for.
MOST_EXPOSURE = 1.5


def settings(name: str) -> dict[str, list[str]]:
    """Every setting of a section, with all that are given."""
    found: dict[str, list[str]] = {}
    section = TEXT.split(f"\n[{name}]\n")[1].split("\n[")[0]
    for key, value in re.findall(r"^(\w+)=(.*)$", section, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


SERVICE = settings("Service")


def test_systemd_takes_the_unit(systemd_analyze: str, tmp_path: Path) -> None:
    """``systemd-analyze verify`` finds no unknown setting and no mistake, with a program that is there."""
    (tmp_path / "timepoint.service").write_text(re.sub(r"(ExecStart|ExecReload)=/opt\S+", r"\1=/bin/true", TEXT))
    command = [systemd_analyze, "verify", "--man=no", str(tmp_path / "timepoint.service")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, [line for line in result.stderr.splitlines() if "timepoint.service" in line]) == (0, [])


def test_the_unit_exposes_little(systemd_analyze: str) -> None:
    """``systemd-analyze security`` stays below the bound; docs/deploy/systemd.md tells what is left and why (A39)."""
    command = [systemd_analyze, "security", "--offline=yes", "--no-pager", str(UNITS / "timepoint.service")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in result.stderr:
        pytest.skip("systemd-analyze is too old to look at a file (systemd 250)")
    score = re.search(r"Overall exposure level for timepoint.service: ([\d.]+)", result.stdout)
    assert score, result.stdout + result.stderr
    assert float(score[1]) <= MOST_EXPOSURE


def test_what_starts_is_a_command_of_timepoint() -> None:
    """The command line of the unit can be typed, and its data directory is the one that systemd makes."""
    (line,) = SERVICE["ExecStart"]
    program, *arguments = shlex.split(line)
    assert program.endswith("/bin/timepoint")
    assert is_known(arguments)
    assert arguments[arguments.index("--data-dir") + 1] == f"/var/lib/{SERVICE['StateDirectory'][0]}"
    assert SERVICE["StateDirectoryMode"] == ["0700"]


def test_the_end_fits_the_program() -> None:
    """The first process alone is told to end, in time; a wrong config is not started again, a used directory is."""
    assert SERVICE["KillMode"] == ["mixed"]
    assert int(SERVICE["TimeoutStopSec"][0]) > STOP_WITHIN
    assert SERVICE["Restart"] == ["on-failure"]
    assert str(EXIT_USAGE) in SERVICE["RestartPreventExitStatus"][0].split()
    assert str(EXIT_IN_USE) not in SERVICE["RestartPreventExitStatus"][0].split()


def test_a_reload_checks_the_config_that_is_run() -> None:
    """A config with mistakes makes ``systemctl reload`` fail: what is checked is the file of the start (C1)."""
    check, signal = (shlex.split(line) for line in SERVICE["ExecReload"])
    program, _, config, *_ = shlex.split(SERVICE["ExecStart"][0])
    assert check == [program, "check", config]
    assert is_known(check[1:])
    assert signal[-2:] == ["-HUP", "$MAINPID"]


def test_systemd_hears_from_the_first_process() -> None:
    """READY and WATCHDOG come from it alone, and a sign of life three times in the time that systemd waits."""
    assert SERVICE["Type"] == ["notify"]
    assert SERVICE["NotifyAccess"] == ["main"]
    assert SERVICE["WatchdogSec"] == ["2min"]


def test_a_poller_that_the_kernel_kills_does_not_end_the_service() -> None:
    """Without memory the first process starts the poller again while pages are served; systemd leaves that to it.

    Faults: X5.
    """
    assert SERVICE["OOMPolicy"] == ["continue"]


def test_the_user_is_the_one_that_is_made() -> None:
    """sysusers.d makes the user of the service, and it is not root."""
    (user,) = SERVICE["User"]
    line = [line for line in (UNITS / "timepoint.sysusers").read_text("utf-8").splitlines() if line.startswith("u ")]
    assert [shlex.split(text)[1] for text in line] == [user] != ["root"]


def test_nothing_that_timepoint_calls_is_refused() -> None:
    """``@resources`` stays, for a jq program bounds its memory by setrlimit; so does ``/proc``: it tells the start."""
    assert "~@resources" not in " ".join(SERVICE["SystemCallFilter"])
    assert "ProcSubset" not in SERVICE


def test_the_port_of_systemd_is_the_port_of_timepoint() -> None:
    """The socket unit holds the port that timepoint listens on by itself, with the defaults that its sockets need."""
    text = (UNITS / "timepoint.socket").read_text("utf-8")
    assert re.findall(r"^(Listen\w+|Accept)=(.*)$", text, re.MULTILINE) == [("ListenStream", str(DEFAULT_ADDRESS.port))]
    assert is_known(["run", "timepoint.yaml", "--web.systemd-socket"])


def test_the_example_of_credentials_is_a_drop_in() -> None:
    """The file that names credentials has one section, with files that root alone reads and nothing else."""
    parser = configparser.ConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys of systemd have capitals; typeshed's own example
    parser.read(UNITS / "timepoint.service.d" / "credentials.conf")
    assert parser.sections() == ["Service"]
    assert set(parser["Service"]) == {"LoadCredential"}
    name, _, path = parser["Service"]["LoadCredential"].partition(":")
    assert Path(path).name == name
