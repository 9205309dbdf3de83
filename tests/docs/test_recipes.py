"""The PromQL recipes of docs/prometheus.md give what the page says they give, in Prometheus' own engine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "prometheus.md"
POD = 'pod_energy_joules_total{namespace="%s", pod_name="%s"}'
STEPS = "0x59 9000x59 18000x59 27000x59 36000x59"  # scraped every 30 s, 9 kJ more every 30 minutes: 5 W


def recipe(part: str) -> str:
    """The one query of the page that has this text in it."""
    (text,) = [block.text for block in blocks("promql", [PAGE]) if part in block.text]
    return text


def ask(promtool: str, directory: Path, series: dict[str, str], queries: list[tuple[str, str, float]]) -> str:
    """What promtool says against these series, scraped every 30 s: query, moment, and the one value of the result."""
    tests = [
        {"expr": expr, "eval_time": at, "exp_samples": [{"labels": '{namespace="shop"}', "value": value}]}
        for expr, at, value in queries
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    story = {"tests": [{"interval": "30s", "input_series": inputs, "promql_expr_test": tests}]}
    (directory / "story.yml").write_text(yaml.safe_dump(story))
    result = subprocess.run(
        [promtool, "test", "rules", "story.yml"], cwd=directory, capture_output=True, text=True, check=False
    )
    return "" if result.returncode == 0 else result.stdout + result.stderr


def test_the_exact_recipe_counts_pods_that_come_and_go(tmp_path: Path, promtool: str) -> None:
    """Maximum less minimum is the sum of what each pod used, also of one that left and of one that began at 0."""
    series = {
        POD % ("shop", "steady"): STEPS,
        POD % ("shop", "gone"): "0x3 5000x100 stale",
        POD % ("shop", "new"): "_x180 0x3 4000x100",
    }
    assert ask(promtool, tmp_path, series, [(recipe("max_over_time"), "2h10m", 36000 + 5000 + 4000)]) == ""


def test_the_recipe_of_a_rate_is_the_power(tmp_path: Path, promtool: str) -> None:
    """Two steps of half an hour's energy make the power, of all pods of a namespace together."""
    series = {POD % ("shop", name): STEPS for name in ("steady", "other")}
    rounded = f"round({recipe('[60m30s]')}, 0.001)"
    assert ask(promtool, tmp_path, series, [(rounded, "1h45m10s", 10.0), (rounded, "2h14m10s", 10.0)]) == ""


def test_five_minutes_show_a_peak_and_nothing(tmp_path: Path, promtool: str) -> None:
    """rate(...[5m]) is six times the power after a run, and zero before the next."""
    series = {POD % ("shop", "steady"): STEPS}
    query = "round(sum by (namespace) (rate(pod_energy_joules_total[5m])), 1)"
    assert ask(promtool, tmp_path, series, [(query, "1h32m10s", 33.0), (query, "1h50m10s", 0.0)]) == ""


def test_an_hour_dips_once_per_period_and_a_scrape_more_does_not(tmp_path: Path, promtool: str) -> None:
    """Between a step and the next scrape [1h] misses a step; with one scrape interval more the rate is exact."""
    series = {POD % ("shop", "steady"): STEPS}
    hour = "round(sum by (namespace) (rate(pod_energy_joules_total[1h])), 0.1)"
    more = f"round({recipe('[60m30s]')}, 0.001)"  # promtool is off by 0.00035 at the last moment that it is asked for
    moments = [f"{minute // 60}h{minute % 60}m{second}s" for minute in (109, 119, 120, 133) for second in (5, 20, 45)]
    exact = [(more, moment, 5.0) for moment in moments]
    assert ask(promtool, tmp_path, series, [(hour, "1h59m45s", 2.5), *exact]) == ""
