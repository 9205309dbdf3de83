from __future__ import annotations

import json
from pathlib import Path

from tests.cli.support import CONFIG, call, write_config


def test_a_good_config_is_summed_up(tmp_path: Path) -> None:
    """Jobs, schedules, windows and metrics, with exit code 0."""
    config = write_config(tmp_path)

    result = call("check", config)

    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    lines = lines[next(number for number, line in enumerate(lines) if "1 job, 1 source" in line) :]
    assert lines[1] == "pods: every 30m from energy; window step 5m, delay 10m, catch_up 7d"
    assert lines[2].split() == [
        "pod_energy_joules_total",
        "delta",
        "counter,",
        "shown",
        "for",
        "1h40m",
        "at",
        "most",
    ]


def test_receivers_are_summed_up(tmp_path: Path) -> None:
    """Each receiver with its window, and who gets which metric."""
    receivers = "remote_write:\n  - {name: central, url: 'https://central.example/'}\n"
    config = write_config(tmp_path, receivers + CONFIG + "        deliver: remote_write\n")

    lines = call("check", config).output.splitlines()

    lines = lines[next(number for number, line in enumerate(lines) if "1 job, 1 source, 1 receiver" in line) :]
    assert lines[1] == "central: remote write, strict; what is older than 55m is given up"
    assert lines[-1].split() == ["pod_power_watts", "gauge,", "sent", "to", "central"]


def test_what_is_not_asked_for_is_not_caught_up(tmp_path: Path) -> None:
    """A request that does not name its window has none to tell of, but for its delay."""
    start, end = "{window.start}", "{window.end}"
    config = write_config(tmp_path)
    text = config.read_text()
    assert start in text
    config.write_text(text.replace(start, "2026-01-01").replace(end, "2026-01-02"))

    line = next(line for line in call("check", config).output.splitlines() if line.startswith("pods: "))

    assert line == "pods: every 30m from energy; window step 5m, delay 10m"


def test_all_problems_are_told_with_their_place(tmp_path: Path) -> None:
    """One line each, as file:line:column, then how many; exit code 2."""
    config = write_config(tmp_path, CONFIG.replace("every: 30m", "evry: 30m").replace("type: gauge", "type: gage"))

    result = call("check", config)

    assert result.exit_code == 2
    *problems, count = result.output.splitlines()
    assert len(problems) >= 2
    assert all(line.startswith(f"{config}:") and line.split(":")[1].isdigit() for line in problems)
    assert count == f"{len(problems)} problems"


def test_schema_is_json() -> None:
    """An editor can read what the command prints."""
    result = call("schema")

    assert result.exit_code == 0
    assert json.loads(result.output)["$schema"].startswith("https://json-schema.org/")
