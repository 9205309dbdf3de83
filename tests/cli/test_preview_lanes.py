"""``timepoint preview`` and ``check`` of a fan-out."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from timepoint.cli.main import main

CONFIG = """
sources:
  api: {url: "https://api.example"}
jobs:
  prices:
    source: api
    every: 1h
    each: EACH
    request: {get: "/prices/{each.zone}"}
    rows: {r: "$[*]"}
    metrics: {price_eur: {type: gauge, help: Price., value: $r.v}}
"""
LISTED = "{zone: [DE, FR]}"
TOLD = '{zone: {request: {get: /zones}, values: "$[*]", every: 6h}}'


def run(directory: Path, each: str, *arguments: str) -> Result:
    """A command on a config with such a fan-out; ``FILE`` stands for an answer."""
    config, answer = directory / "prices.yaml", directory / "answer.json"
    config.write_text(CONFIG.replace("EACH", each))
    answer.write_text('[{"v": 7}]')
    command, *rest = arguments
    rest = [str(answer) if word == "FILE" else word for word in rest]
    return CliRunner().invoke(main, [command, str(config), *rest])


def test_a_preview_shows_the_lanes_and_takes_the_first(tmp_path: Path) -> None:
    """The labels of a lane are on its series."""
    result = run(tmp_path, LISTED, "preview", "--response", "FILE")
    assert 'price_eur{zone="DE"} 7.0' in result.stdout
    assert "2 lanes: zone=DE, zone=FR" in result.stderr


@pytest.mark.parametrize("name", ["FR", "zone=FR"])
def test_a_preview_takes_the_lane_that_is_named(tmp_path: Path, name: str) -> None:
    """By its name or by one of its values."""
    result = run(tmp_path, LISTED, "preview", "--response", "FILE", "--lane", name)
    assert 'price_eur{zone="FR"} 7.0' in result.stdout


def test_a_lane_that_is_not_listed_is_refused(tmp_path: Path) -> None:
    """With what there is instead."""
    result = run(tmp_path, LISTED, "preview", "--response", "FILE", "--lane", "NO")
    assert result.exit_code == 2
    assert "no lane 'NO'; there are zone=DE, zone=FR" in result.stderr


def test_a_preview_of_a_file_asks_no_discovery(tmp_path: Path) -> None:
    """A lane that only an API knows can be named."""
    result = run(tmp_path, TOLD, "preview", "--response", "FILE")
    assert "name one with --lane" in result.stderr
    result = run(tmp_path, TOLD, "preview", "--response", "FILE", "--lane", "zone=NO")
    assert 'price_eur{zone="NO"} 7.0' in result.stdout


def test_check_says_how_many_requests_a_run_makes(tmp_path: Path) -> None:
    """As far as the config tells."""
    assert "2 requests for each window: zone" in run(tmp_path, LISTED, "check").output
    told = run(tmp_path, TOLD, "check").output
    assert "a request for each of zone told by api every 6h; at most 1000 (max_lanes)" in told
