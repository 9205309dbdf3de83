"""A job of a program and a job of a file that say the same are the same job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from timepoint import Exporter, Gauge, JobWindow, Point
from timepoint.config import load_config
from timepoint.job import Job

SAID: list[dict[str, Any]] = [
    {"every": "30m"},
    {"every": "2m", "step": "5m", "delay": "10m"},
    {"every": "30m", "step": "day", "overlap": "1h", "timezone": "Europe/Berlin"},
    {"cron": "15 * * * 1-5", "delay": "1h"},
    {"every": "1h", "min_series_ratio": 0.5},
    {"every": "1h", "min_series_ratio": 0.0},
    {"every": "2h", "each": {"zone": ["DE", "FR"]}},
]


def of_program(said: dict[str, Any]) -> Job:
    """The job as a function has it."""
    exporter = Exporter()

    @exporter.job(metrics=[Gauge("zone_watts", "Power.")], name="zones", **said)
    def zones(window: JobWindow, zone: str = "DE") -> list[Point]:
        return []

    return exporter.jobs()[0]


def of_file(said: dict[str, Any], directory: Path) -> Job:
    """The same words in a file."""
    window: dict[str, Any] = {key: said[key] for key in ("step", "delay", "overlap") if key in said}
    if "step" in said and "timezone" in said:
        window["timezone"] = said["timezone"]
    job: dict[str, Any] = {
        **{key: said[key] for key in ("every", "cron", "each") if key in said},
        "source": "grid",
        "request": {"get": "/{each.zone}" if "each" in said else "/", "params": {"start": "{window.start}"}},
        "window": window,
        "metrics": {"zone_watts": {"type": "gauge", "help": "Power.", "value": "$.watts"}},
    }
    if "min_series_ratio" in said:
        job["expect"] = {"min_series_ratio": said["min_series_ratio"]}
    path = directory / "config.yaml"
    path.write_text(yaml.safe_dump({"sources": {"grid": {"url": "https://grid.example"}}, "jobs": {"zones": job}}))
    return load_config(path, {}).jobs[0]


@pytest.mark.parametrize("said", SAID, ids=lambda said: " ".join(f"{key}={value}" for key, value in said.items()))
def test_what_follows_is_the_same(said: dict[str, Any], tmp_path: Path) -> None:
    """Whatever is not said: how long a run may take, how long a value is shown, when an empty answer is believed."""
    program, file = of_program(said), of_file(said, tmp_path)
    assert (program.schedule, program.window) == (file.schedule, file.window)
    assert (program.timeout, program.guard, program.max_series) == (file.timeout, file.guard, file.max_series)
    ours, theirs = program.metrics["zone_watts"], file.metrics["zone_watts"]
    assert (ours.max_age, ours.zero_first, ours.forget_after) == (
        theirs.max_age,
        theirs.zero_first,
        theirs.forget_after,
    )
