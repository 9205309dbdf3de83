"""What the tests of the commands share: a config, its answer, and the way to call a command.

Owns: setting the stage. Must not know: what is asserted.
"""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from timepoint.cli.main import main

CONFIG = """\
sources:
  energy: {url: "http://127.0.0.1:9/api"}
jobs:
  pods:
    source: energy
    every: 30m
    request: {get: /pods, params: {start: "{window.start}", end: "{window.end}"}}
    window: {step: 5m, delay: 10m}
    rows: {pod: "$.{app}[*]"}
    time: {at: $pod.at, interval: 5m}
    labels: {pod_name: $pod.name}
    metrics:
      pod_energy_joules_total:
        type: counter
        temporality: delta
        help: Energy consumed by the pod.
        value: $pod.energy
      pod_power_watts:
        type: gauge
        help: Power drawn by the pod.
        value: $pod.power
"""

ANSWER = {
    "shop": [
        {"name": "cart-2", "at": "2025-01-01T00:05:00Z", "energy": 2, "power": 0.5},
        {"name": "cart-1", "at": "2025-01-01T00:05:00Z", "energy": 12.5, "power": 41},
        {"name": "cart-1", "at": "2025-01-01T00:00:00Z", "energy": 10, "power": 40},
        {"name": "cart-1", "at": "2025-01-01T00:10:00Z", "energy": "n/a", "power": 42},
    ]
}


def write_config(directory: Path, text: str = CONFIG) -> Path:
    """The file with the config."""
    path = directory / "energy.yaml"
    path.write_text(text)
    return path


def write_answer(directory: Path, answer: object = ANSWER, name: str = "answer.json") -> Path:
    """The file with the answer."""
    path = directory / name
    path.write_text(json.dumps(answer))
    return path


def call(*arguments: object) -> Result:
    """Calls ``timepoint`` with these arguments, in this process."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="timepoint")
