"""What is shipped for the demo is what the commands print today, and the commands print what the room writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripts import demo_observe

from tests.cli.support import CONFIG, call, write_config

FILES = demo_observe.files()


@pytest.mark.parametrize("name", FILES)
def test_the_demo_files_are_current(name: str) -> None:
    """Run ``python scripts/demo_observe.py`` if this fails."""
    assert (demo_observe.PLACE / name).read_text("utf-8") == FILES[name]


def test_the_alerts_of_the_chart_are_current() -> None:
    """Run ``python scripts/demo_observe.py`` if this fails."""
    assert demo_observe.ALERTS.read_text("utf-8") == demo_observe.chart_alerts()


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["scrape-config"], "scrape.yaml"),
        (["rules", "--by", "cluster", "--by", "namespace"], "rules.yaml"),
        (["dashboard"], "dashboard.json"),
    ],
)
def test_a_command_prints_the_file(words: list[str], name: str) -> None:
    """The commands need neither an exporter nor the variables of the config."""
    result = call(*words, demo_observe.CONFIG)
    assert (result.exit_code, result.stdout) == (0, FILES[name])


def test_a_label_that_no_metric_has_is_refused(tmp_path: Path) -> None:
    """A slip in ``--by`` would sum over everything; the message names the labels there are."""
    result = call("rules", write_config(tmp_path), "--by", "clustr")
    assert result.exit_code == 2
    assert "no metric has a label clustr; there are: app, pod_name" in result.output


def test_a_slow_scrape_interval_is_warned_of(tmp_path: Path) -> None:
    """The scrape job is printed, and standard error says what would be lost."""
    result = call("scrape-config", write_config(tmp_path), "--scrape-interval", "90s")
    assert result.exit_code == 0
    assert "scrape_interval: 1m30s" in result.stdout
    assert "warning: --scrape-interval: 1m30s is more than half of the 2m" in result.stderr


@pytest.mark.parametrize("target", ["timepoint", "http://t:8080", "t:0", "t:99999", ":8080", "t:8080/metrics"])
def test_a_target_is_host_and_port(target: str, tmp_path: Path) -> None:
    """What Prometheus would not take as a target is refused."""
    result = call("scrape-config", write_config(tmp_path), "--target", target)
    assert result.exit_code == 2
    assert "is not a target" in result.output


@pytest.mark.parametrize("command", ["scrape-config", "rules", "dashboard"])
def test_an_interval_below_a_second_is_refused(command: str, tmp_path: Path) -> None:
    """Prometheus would scrape without a pause."""
    result = call(command, write_config(tmp_path), "--scrape-interval", "0s")
    assert result.exit_code == 2


def test_a_bad_config_is_told(tmp_path: Path) -> None:
    """Every problem on standard error, nothing on standard output."""
    result = call("rules", write_config(tmp_path, CONFIG.replace("every: 30m", "evry: 30m")))
    assert (result.exit_code, result.stdout) == (2, "")
    assert "evry" in result.stderr


def test_the_title_is_the_users(tmp_path: Path) -> None:
    """It names the dashboard; the uid stays that of the file."""
    board = json.loads(call("dashboard", write_config(tmp_path), "--title", "Our energy").stdout)
    assert (board["title"], board["uid"]) == ("Our energy", "timepoint-energy")
