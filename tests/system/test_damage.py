"""A damaged ledger met by the whole exporter: it serves, says so, and heals when the operator has decided."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.support import PATIENCE, DemoApi, Exporter, config, demo_environ, get, wait_for
from timepoint.datadir import Layout
from timepoint.demo.api import Habits
from timepoint.demo.world import World

pytestmark = pytest.mark.system

COUNTER = "pod_energy_joules_total"


def doctor(exporter: Exporter, *options: str) -> subprocess.CompletedProcess[str]:
    """``timepoint doctor`` on the exporter's directory."""
    command = [sys.executable, "-m", "timepoint", "doctor", str(exporter.data_dir), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def shows_pods(exporter: Exporter) -> bool:
    """Whether the page has the counter."""
    return any(name == COUNTER for name, _ in exporter.samples())


def test_a_damaged_ledger_costs_no_scrape_and_begins_anew_only_when_told(tmp_path: Path) -> None:
    """Killed, its ledger zeroed, started: healthy, not ready, the old page; after ``--quarantine`` it polls again.

    Faults: D8.
    """
    path = tmp_path / "pods.yaml"
    path.write_text(config(every="2s", zero_first="0s"))
    with DemoApi(World(), Habits(settle=5000, failures=0.0, oddities=0.0)).running() as api:
        exporter = Exporter(path, tmp_path / "data", demo_environ(api))
        exporter.start()
        wait_for("pods on the page", lambda: shows_pods(exporter))
        live = doctor(exporter)
        assert live.returncode == 0, live.stdout
        exporter.kill_all()
        with Layout(exporter.data_dir).ledger.open("r+b") as ledger:
            ledger.write(bytes(100))
        exporter.start(wait=False)
        try:
            wait_for("the exporter to say what is wrong", lambda: exporter.log("ledger_unusable"))
            wait_for("readiness to say it", lambda: b"first page is damaged" in get(f"{exporter.url}/-/ready")[1])
            assert get(f"{exporter.url}/-/ready")[0] == 503
            assert get(f"{exporter.url}/-/healthy")[0] == 200
            assert shows_pods(exporter)
            assert exporter.samples()["timepoint_ledger_ok", ()] == 0
            assert b"nothing is polled" in get(f"{exporter.url}/")[1]
            assert doctor(exporter, "--repair").returncode == 75
            assert doctor(exporter, "--quarantine").returncode == 0
            wait_for("a new ledger", exporter.ready, PATIENCE + 60)  # it is tried again at least once a minute
            wait_for("pods on the page again", lambda: shows_pods(exporter))
            assert exporter.samples()["timepoint_ledger_ok", ()] == 1
            assert not exporter.log("child_died")
        finally:
            exporter.kill()
        assert [file.name for file in (exporter.data_dir / "quarantine").glob("*/ledger.sqlite")] == ["ledger.sqlite"]
