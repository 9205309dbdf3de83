"""The files of ``examples/prometheus`` are what Prometheus takes, and what docs/two-level-prometheus.md shows."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import ROOT, blocks, links

PAGE = ROOT / "docs" / "two-level-prometheus.md"
PLACE = ROOT / "examples" / "prometheus"
RULES = PLACE / "rules"
CONFIGS = sorted({*PLACE.rglob("*.yml")} - {*RULES.iterdir()})
NEW = os.environ.get("TIMEPOINT_PROMETHEUS_3")
TOOLS = {"debian": shutil.which("promtool"), "3": NEW and shutil.which(Path(NEW).with_name("promtool"))}


@pytest.fixture(params=TOOLS)
def tool(request: pytest.FixtureRequest) -> str:
    """A promtool of each version."""
    path = TOOLS[request.param]
    if path is None and request.param == "debian":
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    if not path:
        pytest.skip("no Prometheus 3 is here (set TIMEPOINT_PROMETHEUS_3 to its path)")
    return path


def told(path: Path) -> Any:
    """What a file says."""
    return yaml.safe_load(path.read_text("utf-8"))


def run(*command: str | Path, where: Path = PLACE) -> str:
    """What a command complains about."""
    result = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def test_there_are_configs() -> None:
    """Both layouts and the two other ways have their files."""
    assert len(CONFIGS) == 7


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(PLACE)))
def test_prometheus_takes_a_config(path: Path, tool: str) -> None:
    """``promtool check config`` accepts the file with its rules."""
    assert run(tool, "check", "config", path) == ""


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(PLACE)))
def test_a_config_needs_no_remote_write(path: Path, tool: str, tmp_path: Path) -> None:
    """The file is still good when its last section is left out, as its comment says for other ways."""
    text = path.read_text("utf-8").partition("# Only if the central")[0]
    assert "remote_write" not in text
    shutil.copytree(PLACE, tmp_path / "prometheus")
    shorter = tmp_path / "prometheus" / path.relative_to(PLACE)
    shorter.write_text(text)
    assert run(tool, "check", "config", shorter) == ""


@pytest.mark.parametrize("name", ["cluster_test.yml", "central_test.yml"])
def test_the_rules_give_what_their_tests_say(name: str, tool: str) -> None:
    """``promtool test rules`` finds every figure and every alert."""
    assert run(tool, "test", "rules", name, where=RULES) == ""


def test_every_rule_has_a_test() -> None:
    """Each recorded name and each alert is in a test of its file."""
    for path in (RULES / "cluster.yml", RULES / "central.yml"):
        tested = path.with_name(f"{path.stem}_test.yml").read_text("utf-8")
        rules = [rule for group in told(path)["groups"] for rule in group["rules"]]
        assert [rule for rule in rules if (rule.get("record") or rule["alert"]) not in tested] == []


def test_the_page_links_every_file() -> None:
    """Each config and each file of rules is named on the page."""
    linked = {(PAGE.parent / link).resolve() for link in links(PAGE) if "examples" in link}
    assert {*CONFIGS, RULES / "cluster.yml", RULES / "central.yml", PLACE} <= linked


def test_the_page_shows_what_the_files_say() -> None:
    """The scrape job and the rules of the page are those of the files."""
    shown = {
        next(iter(content)): content for block in blocks("yaml", [PAGE]) if (content := yaml.safe_load(block.text))
    }
    assert shown["scrape_configs"]["scrape_configs"][0] in told(PLACE / "one-exporter/cluster.yml")["scrape_configs"]
    (energy, _) = told(RULES / "cluster.yml")["groups"]
    assert shown["groups"]["groups"] == [energy]


def test_every_scrape_of_the_data_leaves_their_labels() -> None:
    """Each job that scrapes the exporter or federates has ``honor_labels``."""
    jobs = [job for path in CONFIGS for job in told(path)["scrape_configs"] if job["job_name"] != "prometheus"]
    assert jobs
    assert [job for job in jobs if job.get("honor_labels") is not True] == []
