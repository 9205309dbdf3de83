"""What is written for every shipped config is what Prometheus takes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.observe.support import ROOT, SECOND
from tests.observe.test_dashboard import filled
from timepoint.cli.options import load_offline
from timepoint.observe.compose import compose
from timepoint.observe.facts import Watched, watch
from timepoint.observe.rules_file import rules_text
from timepoint.observe.scrape import ScrapeOptions, scrape_text

CONFIGS = sorted((ROOT / "examples").glob("*.yaml"))


@pytest.fixture(scope="module")
def recipes() -> list[Watched]:
    """The facts of every recipe; none needs its variables for that."""
    return [watch(path.stem, load_offline(path).jobs) for path in CONFIGS]


def test_prometheus_takes_the_rules_and_panels_of_all(recipes: list[Watched], tmp_path: Path, promtool: str) -> None:
    """``promtool check rules`` accepts the rules, and parses every expression of every dashboard."""
    assert len(recipes) > 60
    for watched in recipes:
        (tmp_path / f"{watched.title}.rules").write_text(rules_text(watched, "timepoint", 30 * SECOND))
        exprs = {filled(query.expr): "" for panel in compose(watched).panels() for query in panel.queries}
        rules = [{"record": f"panel:{place}", "expr": expr} for place, expr in enumerate(exprs)]
        text = yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]})
        (tmp_path / f"{watched.title}.panels").write_text(text)
    files = sorted(tmp_path.iterdir())
    result = subprocess.run([promtool, "check", "rules", *files], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_prometheus_takes_the_scrape_jobs_of_all(recipes: list[Watched], tmp_path: Path, promtool: str) -> None:
    """``promtool check config`` accepts all of them in one file."""
    path = tmp_path / "prometheus.yml"
    jobs = []
    for watched in recipes:
        options = ScrapeOptions("localhost:8080", f"timepoint-{watched.title}")
        jobs += yaml.safe_load(scrape_text(watched, options))["scrape_configs"]
    path.write_text(yaml.safe_dump({"scrape_configs": jobs}))
    result = subprocess.run([promtool, "check", "config", path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
