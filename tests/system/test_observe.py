"""A real Prometheus with the printed scrape job and rules, and every panel of the printed dashboard, over the demo.

The story is told once per module; each test states one claim about it.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.observe.support import DEMO
from tests.system.support import DemoApi, Exporter, Prometheus, demo_environ, get, wait_for
from timepoint.clock import MINUTE, SECOND
from timepoint.demo.api import Habits
from timepoint.demo.world import World
from timepoint.observe.board import Board, Panel
from timepoint.observe.compose import compose
from timepoint.observe.facts import Watched, watch
from timepoint.observe.promql import single_unit
from timepoint.observe.rules_file import rules_text
from timepoint.observe.scrape import ScrapeOptions, scrape_text

pytestmark = pytest.mark.system

JOB = "timepoint"


def filled(panel: Panel, board: Board) -> list[str]:
    """The expressions as Grafana asks them: the range of a rate is four steps, each variable stands for all."""
    by = next(variable.choices[0] for variable in board.variables if variable.name == "by")
    macros = {
        "$__rate_interval": single_unit(max(4 * panel.min_step, MINUTE)),
        "$__range": "1h",
        "${by:csv}": by,
        "$aggregation": "avg",
    }
    exprs = []
    for query in panel.queries:
        expr = query.expr
        for macro, value in macros.items():
            expr = expr.replace(macro, value)
        exprs.append(re.sub(r"\$\w+", ".*", expr))
    return exprs


@pytest.fixture(scope="module")
def facts() -> Watched:
    """The demo's config."""
    from timepoint.cli.options import load_offline

    return watch("pod-energy", load_offline(DEMO).jobs)


@pytest.fixture(scope="module")
def running(facts: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus over the demo, once it has seen three accepted runs."""
    binary = shutil.which("prometheus")
    if binary is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    directory = tmp_path_factory.mktemp("observe")
    with DemoApi(World(seed=3, lifetime=30 * SECOND), Habits(failures=0.2, oddities=0.5)).running() as api:
        exporter = Exporter(DEMO, directory / "data", demo_environ(api))
        prometheus = Prometheus(binary, directory, {})
        scrape = scrape_text(facts, ScrapeOptions(f"127.0.0.1:{exporter.port}", JOB, interval=SECOND))
        rules = directory / "rules.yaml"
        rules.write_text(rules_text(facts, JOB, SECOND, ["cluster"]))
        config = f"global: {{evaluation_interval: 1s}}\nrule_files: [{json.dumps(str(rules))}]\n{scrape}"
        (directory / "prometheus.yml").write_text(config)
        exporter.start()
        try:
            with prometheus.running():
                wait_for("three accepted runs", lambda: len(exporter.accepted()) >= 3, 120)
                yield prometheus
        finally:
            exporter.stop()


def test_every_panel_shows_something(running: Prometheus, facts: Watched) -> None:
    """Each expression of each panel returns data, soon after a few runs."""
    board = compose(facts, SECOND)
    wanted = {f"{panel.title}: {expr}": expr for panel in board.panels() for expr in filled(panel, board)}
    assert len(wanted) > 30

    empty = dict(wanted)

    def fill() -> bool:
        for title in [title for title, expr in empty.items() if running.query(expr)]:
            del empty[title]
        return not empty

    with suppress(AssertionError):  # the claim below names those that are left
        wait_for("data for every panel", fill)
    assert empty == {}


def test_the_scrape_job_fits_the_page(running: Prometheus) -> None:
    """Prometheus takes the page within the limits, and the labels of the data are those of the data (S6)."""
    # A scrape that a busy machine does not end within its second is none.
    wait_for("a scrape", lambda: list(running.query(f'up{{job="{JOB}"}}').values()) == [1.0])
    assert running.query('count({exported_job=~".+"}) or count({exported_instance=~".+"})') == {}


def test_no_rule_fails(running: Prometheus) -> None:
    """Prometheus evaluates every rule without an error, and none of the urgent alerts fires while all is well."""

    def rules() -> list[dict[str, Any]]:
        _, body = get(f"http://127.0.0.1:{running.port}/api/v1/rules")
        return [rule for group in json.loads(body)["data"]["groups"] for rule in group["rules"]]

    wait_for("every rule to be evaluated", lambda: all(rule["health"] != "unknown" for rule in rules()), 120)
    assert {rule["name"]: rule.get("lastError") for rule in rules() if rule["health"] != "ok"} == {}
    assert running.query('ALERTS{alertstate="firing",severity="critical"}') == {}


def test_records_have_data(running: Prometheus, facts: Watched) -> None:
    """The rules for counters come to something."""
    from tests.observe.support import recording

    rules = recording(rules_text(facts, JOB, SECOND, ["cluster"]))
    assert set(rules) >= {"job_cluster:pod_energy_joules:rate20s", "job_cluster:pod_energy_joules:increase1d"}
    for name, expr in rules.items():
        found = wait_for(f"data of {name}", lambda expr=expr: running.query(expr))  # type: ignore[misc]
        assert all("cluster" in dict(labels) for labels in found) or "cluster" not in name


def test_every_label_variable_has_values(running: Prometheus, facts: Watched) -> None:
    """What Grafana asks for the variables, ``label_values(selector, label)``, is there."""
    for variable in compose(facts).variables:
        if not variable.query:
            continue
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable.query)
        assert asked is not None
        selector, label = re.sub(r"\$\w+", ".*", asked[1]), asked[2]
        wait_for(
            f"values of {variable.name}",
            lambda selector=selector, label=label: any(  # type: ignore[misc]
                dict(labels).get(label) for labels in running.query(selector)
            ),
        )
