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
from tests.system.grafana import HOME, Grafana, home
from tests.system.support import DemoApi, Exporter, Prometheus, demo_environ, get, wait_for
from timepoint.clock import MINUTE, SECOND, SystemClock
from timepoint.demo.api import Habits
from timepoint.demo.world import World
from timepoint.observe.board import Board, Panel
from timepoint.observe.compose import compose
from timepoint.observe.facts import Watched, watch
from timepoint.observe.grafana import dashboard_json
from timepoint.observe.promql import single_unit
from timepoint.observe.rules_file import rules_text
from timepoint.observe.scrape import ScrapeOptions, scrape_text

pytestmark = pytest.mark.system

JOB = "timepoint"


def filled(panel: Panel, board: Board) -> list[str]:
    """The expressions as Grafana asks them for the least distance of points; each variable stands for all."""
    by = next(variable.choices[0] for variable in board.variables if variable.name == "by")
    macros = {
        "$__range": "1h",
        "$__interval_ms": str(panel.min_step),
        "$__interval": single_unit(panel.min_step),
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
        # A group is evaluated first at some moment of its first interval.
        rules.write_text(rules_text(facts, JOB, SECOND, ["cluster"]).replace("interval: 1m\n", "interval: 1s\n"))
        config = f"global: {{evaluation_interval: 1s}}\nrule_files: [{json.dumps(str(rules))}]\n{scrape}"
        (directory / "prometheus.yml").write_text(config)
        exporter.start()
        try:
            with prometheus.running():
                wait_for("three accepted runs", lambda: len(exporter.accepted()) >= 3, 120)
                yield prometheus
        finally:
            exporter.stop()


@pytest.fixture(scope="module")
def grafana(
    running: Prometheus, facts: Watched, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Grafana, dict[str, Any]]]:
    """A Grafana before that Prometheus, and the dashboard that it was given."""
    place = home()
    if place is None:
        pytest.skip(f"no Grafana is here (set {HOME} to its directory)")
    text = dashboard_json(compose(facts, SECOND))
    directory = tmp_path_factory.mktemp("grafana")
    with Grafana(place, directory, running.port, {"pod-energy.json": text}).running() as server:
        yield server, json.loads(text)


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


def kept(dashboard: dict[str, Any]) -> dict[str, Any]:
    """A dashboard without what Grafana numbers by itself."""
    return {key: value for key, value in dashboard.items() if key not in {"id", "version"}}


def test_grafana_keeps_the_dashboard_as_it_is_written(grafana: tuple[Grafana, dict[str, Any]]) -> None:
    """From a file, by *Import* and over its API it becomes the dashboard of that uid, with nothing changed in it."""
    server, written = grafana
    assert kept(server.dashboard(written["uid"])) == kept(written)
    for way in ("db", "import"):
        copy = written | {"uid": f"timepoint-{way}", "title": f"By {way}"}
        assert server.post(f"/api/dashboards/{way}", {"dashboard": copy, "overwrite": True})[0] == 200
        assert kept(server.dashboard(f"timepoint-{way}")) == kept(copy)


def test_grafana_answers_every_panel(running: Prometheus, grafana: tuple[Grafana, dict[str, Any]]) -> None:
    """Each query of each panel, with Grafana's own steps and ranges, has data and no error."""
    server, written = grafana
    wanted = {
        f"{panel['title']} {target['refId']}": target | {"expr": chosen(target["expr"])}
        for panel in written["panels"]
        for target in panel.get("targets", [])
    }
    assert len(wanted) > 30

    def wrong() -> dict[str, str]:
        now = SystemClock().now()
        found = {name: server.ask(target, now - 5 * MINUTE, now) for name, target in wanted.items()}
        return {
            name: error or "no data"
            for name, (error, frames) in found.items()
            if error or not any(column for frame in frames for column in frame["data"]["values"])
        }

    looks: list[dict[str, str]] = []
    with suppress(AssertionError):  # the claim below names those that are left
        wait_for("data for every panel", lambda: looks.append(wrong()) or not looks[-1])  # type: ignore[func-returns-value]
    assert looks[-1] == {}


def chosen(expr: str) -> str:
    """An expression as a browser sends it to Grafana: the choices at the top filled in, the macros left."""
    filled_in = {"job": JOB, "instance": ".+", "aggregation": "avg", "{by:csv}": "cluster"}
    for name, value in filled_in.items():
        expr = expr.replace(f"${name}", value) if name.startswith("{") else re.sub(rf"\${name}\b", value, expr)
    return re.sub(r"\$(?!__)\w+", ".*", expr)
