"""What the tests of this room share: configs, and promtool.

Owns: setting the stage. Must not know: what is asserted.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from timepoint.cli.options import load_offline
from timepoint.demo import __file__ as demo_package
from timepoint.observe.facts import Watched, watch
from timepoint.observe.rules_file import rules_text

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = Path(demo_package).with_name("pod-energy.yaml")
SECOND = 1000

MANY = """\
sources:
  energy: {url: "http://127.0.0.1:9/api", quota: [{requests: 100, per: day}, {requests: 5, per: hour}]}
  slow: {url: "http://127.0.0.1:9/api", circuit_breaker: {failures: 5, pause: 10m}}
jobs:
  pods:
    source: energy
    every: 30m
    request: {get: "/pods/{each.zone}", params: {start: "{window.start}", end: "{window.end}"}}
    window: {step: 5m, delay: 10m}
    each: {zone: {request: {get: /zones}, values: "$.zones[*]", every: 4h}}
    rows: {pod: "$.{app}[*]"}
    time: {at: $pod.at, interval: 5m}
    labels: {pod_name: $pod.name, kind: pod}
    metrics:
      pod_energy_joules_total:
        {type: counter, temporality: delta, help: Energy consumed by the pod., value: $pod.energy}
      pod_power_watts: {type: gauge, help: Power drawn by the pod., value: $pod.power}
  days.of:
    source: slow
    cron: "0 6 * * *"
    request: {get: "/days/{each.zone}/{window.start:%Y-%m-%d}"}
    window: {step: day, overlap: 3d}
    each: {zone: [DE, FR]}
    rows: {day: "$.days[*]"}
    time: {at: $day.at, interval: day}
    labels: {job_name: $day.plant}
    metrics:
      sent_kilograms_total: {type: counter, temporality: delta, help: What was sent., value: $day.kg}
      wait_seconds: {type: histogram, temporality: delta, help: Waits., value: $day.wait, bounds: [1, 60]}
      plant_state: {type: stateset, help: The state., states: ["on", "off"], value: $day.state}
      plant_info: {type: info, help: The plant., labels: {maker: $day.maker}}
"""
"""Two jobs of different pace, a fan-out with a discovery, quotas, each type but summary, a label called job_name."""

SENT = """\
remote_write:
  - {name: central, url: "http://127.0.0.1:9/api/v1/write", out_of_order: 6h}
sources:
  energy: {url: "http://127.0.0.1:9/api"}
jobs:
  meters:
    source: energy
    every: 30m
    timeout: 1m
    deliver: remote_write
    request: {get: /meters, params: {start: "{window.start}", end: "{window.end}"}}
    window: {step: 5m, delay: 10m}
    rows: {meter: "$.meters[*]"}
    time: {at: $meter.at, interval: 5m}
    labels: {meter: $meter.name}
    metrics:
      meter_energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $meter.energy}
      meter_power_watts: {type: gauge, help: Power., value: $meter.power}
      meter_info: {type: info, help: The meter., labels: {maker: $meter.maker}}
      meter_temperature_celsius: {type: gauge, help: Temperature., value: $meter.celsius, deliver: scrape}
"""
"""A job whose metrics go by remote write, but for one."""


@cache
def demo() -> Watched:
    """The demo's config."""
    return watch("pod-energy", load_offline(DEMO).jobs)


def watched(directory: Path, text: str = MANY) -> Watched:
    """A config that is written for the test."""
    path = directory / "many.yaml"
    path.write_text(text)
    return watch("many", load_offline(path).jobs)


def check_rules(text: str, directory: Path, promtool: str) -> str:
    """What ``promtool check rules`` says against a file of rules, "" if nothing; not even that it looks odd."""
    path = directory / "rules.yaml"
    path.write_text(text)
    result = subprocess.run(
        [promtool, "check", "rules", "--lint-fatal", path], capture_output=True, text=True, check=False
    )
    return "" if result.returncode == 0 else result.stdout + result.stderr


def told_by_tests(text: str, tests: list[dict[str, Any]], directory: Path, promtool: str) -> str:
    """What ``promtool test rules`` says of stories about rules, "" if all of them hold."""
    (directory / "rules.yaml").write_text(text)
    (directory / "story.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": tests}))
    command = [promtool, "test", "rules", "story.yaml"]
    result = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def alerting(watched: Watched) -> list[dict[str, Any]]:
    """The alerting rules of a config as Prometheus reads them."""
    groups = yaml.safe_load(rules_text(watched, "timepoint", 30 * SECOND))["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def recording(text: str) -> dict[str, str]:
    """The recording rules of a file: name -> expression."""
    groups = yaml.safe_load(text)["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"] if "record" in rule}
