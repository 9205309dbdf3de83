"""A dashboard is one that Grafana's own model reads, with expressions that Prometheus takes."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observe.support import SENT, check_rules, demo, told_by_tests, watched
from timepoint.observe.board import Board, Kind
from timepoint.observe.compose import compose, uid_of
from timepoint.observe.facts import Watched
from timepoint.observe.grafana import dashboard_json
from timepoint.observe.units import rate_unit, value_unit, words_of

MACROS = {
    "$__range": "1h",
    "$__interval_ms": "60000",
    "$__interval": "1m",
    "${by:csv}": "app, zone",
    "$aggregation": "max",
}


def filled(expr: str) -> str:
    """An expression as Grafana asks it: its macros replaced, each variable by all."""
    for macro, value in MACROS.items():
        expr = expr.replace(macro, value)
    return re.sub(r"\$\w+", ".*", expr)


def written(watched: Watched) -> dict[str, Any]:
    """The JSON of a config's dashboard."""
    found = json.loads(dashboard_json(compose(watched)))
    assert isinstance(found, dict)
    return found


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels, without rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@pytest.fixture
def many(tmp_path: Path) -> Watched:
    """A config with most types of metrics, a fan-out and quotas."""
    return watched(tmp_path)


def test_grafanas_own_model_reads_it_back(many: Watched) -> None:
    """What its library reads from the JSON and writes again is the JSON."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from grafana_foundation_sdk.cog.encoder import JSONEncoder
        from grafana_foundation_sdk.models.dashboard import Dashboard
    for board in (written(demo()), written(many)):
        again = json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))
        assert {"id": None} | again == board


def test_prometheus_takes_every_expression(many: Watched, tmp_path: Path, promtool: str) -> None:
    """``promtool check rules`` parses each, with Grafana's macros filled in."""
    exprs = [query.expr for facts in (demo(), many) for panel in compose(facts).panels() for query in panel.queries]
    rules = [{"record": f"panel:{place}", "expr": filled(expr)} for place, expr in enumerate(exprs)]
    text = yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]})
    assert "$" not in text
    assert check_rules(text, tmp_path, promtool) == ""


def test_every_variable_that_is_used_is_there(many: Watched) -> None:
    """An expression names no variable that the dashboard lacks, and none is named twice."""
    board = compose(many)
    names = [variable.name for variable in board.variables]
    exprs = [query.expr for panel in board.panels() for query in panel.queries]
    used = {name for expr in exprs for name in re.findall(r"\$\{?([a-z]\w*)", expr)}
    assert used <= set(names)
    assert len(names) == len(set(names))
    assert {"zone", "app", "pod_name", "job_name_label", "job_name"} <= set(names)


def test_every_metric_has_a_panel(many: Watched) -> None:
    """No metric of a job is forgotten, of whatever type, and they come before the exporter's own."""
    panels = list(compose(many).panels())
    users = [
        panel for panel in panels if "timepoint_" not in panel.queries[0].expr and "up{" not in panel.queries[0].expr
    ]
    for metric in many.metrics:
        assert any(metric.name in panel.queries[0].expr for panel in users), metric.name
    kinds = {Kind.TIMESERIES, Kind.BARS, Kind.HEATMAP, Kind.TABLE}
    assert {panel.kind for panel in panels[:9]} == kinds
    assert not any("timepoint_" in panel.queries[0].expr for panel in panels[:9])


def test_steps_follow_the_cadence(many: Watched) -> None:
    """A counter of each half hour is asked in steps of half an hour, so that a range holds four; one of a day daily."""
    board = written(many)
    steps = {
        panel["title"]: (panel.get("interval"), [target.get("interval") for target in panel["targets"]])
        for panel in panels(board)
    }
    assert steps["Pod energy: rate"] == ("30m", ["30m"])
    assert steps["Sent per hour"] == ("1d", ["1d"])
    assert steps["Memory"][0] == "30s"


def test_every_panel_is_told_and_placed(many: Watched) -> None:
    """Each has a title, a description, a unit, the data source, an id of its own and a place that no other has."""
    board = written(many)
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        cells |= taken
        assert place["x"] + place["w"] <= 24
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))


def test_the_data_source_is_chosen_first(many: Watched) -> None:
    """The dashboard is bound to no Grafana: no id, and the data source is a variable."""
    board = written(many)
    first = board["templating"]["list"][0]
    assert (first["name"], first["type"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert board["id"] is None


def test_all_scrape_jobs_are_those_of_timepoint(many: Watched) -> None:
    """``up`` and ``process_...`` are known of everything: All of the jobs and instances means those that are found."""
    variables = {variable["name"]: variable for variable in written(many)["templating"]["list"]}
    assert [name for name in variables if "allValue" not in variables[name]] == [
        "datasource",
        "job",
        "instance",
        "by",
        "aggregation",
    ]
    names = "timepoint_build_info|pod_energy_joules_total|sent_kilograms_total"
    assert compose(many).variables[0].query == f'label_values({{__name__=~"{names}"}}, job)'


def test_a_choice_narrows_the_ones_after_it(many: Watched) -> None:
    """The values of a label are those of the series that the choices before it leave, as far as they have the label."""
    asked = {variable.name: variable.query for variable in compose(many).variables}
    assert asked["app"] == (
        'label_values({__name__=~"pod_energy_joules_total|pod_power_watts",'
        'job=~"$job",instance=~"$instance",zone=~"$zone"}, app)'
    )
    assert 'zone=~"$zone",app=~"$app"}, pod_name)' in asked["pod_name"]
    assert "app=~" not in asked["job_name_label"]


@pytest.mark.parametrize(
    ("title", "name", "labels", "states"),
    [
        ("Freshness", "timepoint_job_freshness", 'job_name="pods",metric="m"', ("fresh", "late", "stale", "expired")),
        ("What each sender does", "timepoint_remote_write_state", 'remote_name="central"', ("idle", "retrying")),
    ],
)
def test_of_several_exporters_the_worst_state_is_shown(
    title: str, name: str, labels: str, states: tuple[str, ...], tmp_path: Path, promtool: str
) -> None:
    """One exporter that is well and one in the last state show the last; both well show the first."""
    panel = next(panel for panel in compose(watched(tmp_path, SENT)).panels() if panel.title == title)
    values = {state.word: state.value for state in panel.states}
    series = [
        {
            "series": f'{name}{{job="timepoint",instance="{instance}",{labels},state="{state}"}}',
            "values": " ".join(str(int(state == now)) for now in story),
        }
        for instance, story in (("a", (states[0], states[0])), ("b", (states[0], states[-1])))
        for state in states
    ]
    story = {
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [
            {
                "expr": filled(panel.queries[0].expr),
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": f"{{{labels}}}", "value": values[state]}],
            }
            for minute, state in ((0, states[0]), (1, states[-1]))
        ],
    }
    assert told_by_tests("groups: []", [story], tmp_path, promtool) == ""


@pytest.mark.parametrize(
    ("title", "series", "value"),
    [
        ("Failing jobs", {'timepoint_job_consecutive_failures{%s,job_name="a"}': (1, 5)}, 1),
        ("Not fresh", {'timepoint_job_freshness{%s,job_name="a",metric="m",state="fresh"}': (1, 0)}, 1),
        ("Held receivers", {'timepoint_remote_write_state{%s,remote_name="r",state="held"}': (1, 1)}, 1),
        ("Dead letters", {'timepoint_remote_write_dead{%s,remote_name="r"}': (3, 4)}, 7),
        ("Window used", {"timepoint_remote_write_receiver_window_seconds{%s}": (3300, 3300)}, 0),
    ],
)
def test_a_glance_counts_jobs_and_receivers_once(
    title: str, series: dict[str, tuple[int, int]], value: float, tmp_path: Path, promtool: str
) -> None:
    """Two exporters that have the same trouble have one job that fails, and letters of both are dead."""
    panel = next(panel for panel in compose(watched(tmp_path, SENT)).panels() if panel.title == title)
    inputs = [
        {"series": name % f'job="timepoint",instance="{instance}"', "values": str(number)}
        for name, numbers in series.items()
        for instance, number in zip("xy", numbers, strict=True)
    ]
    samples = [{"labels": "{}", "value": value}]
    asked = {"expr": filled(panel.queries[0].expr), "eval_time": "0m", "exp_samples": samples}
    story = {"interval": "1m", "input_series": inputs, "promql_expr_test": [asked]}
    assert told_by_tests("groups: []", [story], tmp_path, promtool) == ""


def test_reasons_that_nobody_met_are_not_in_a_legend(tmp_path: Path, promtool: str) -> None:
    """Of the reasons for which nothing was sent only those that there were; "none" where there were none."""
    panel = next(
        panel for panel in compose(watched(tmp_path, SENT)).panels() if panel.title == "Samples given up per hour"
    )
    name = 'prometheus_remote_storage_samples_dropped_total{job="timepoint",instance="x",remote_name="r",reason="%s"}'
    expr = filled(panel.queries[0].expr)
    story = {
        "interval": "30s",
        "input_series": [
            {"series": name % "late", "values": "0x1000"},
            {"series": name % "full", "values": "0x500 7x500"},
        ],
        "promql_expr_test": [
            {"expr": f"count by (reason) ({expr})", "eval_time": at, "exp_samples": [{"labels": labels, "value": 1}]}
            for at, labels in (("4h", '{reason="none"}'), ("4h30m", '{reason="full"}'))
        ],
    }
    assert told_by_tests("groups: []", [story], tmp_path, promtool) == ""


def test_what_nobody_knows_has_no_color_of_well(many: Watched) -> None:
    """A tile without data is grey: green would say that all is well, and red that something is down."""
    tiles = [panel for panel in panels(written(many)) if panel["type"] == "stat" and panel["title"] != "Series"]
    for tile in tiles:
        (unknown,) = [entry for entry in tile["fieldConfig"]["defaults"]["mappings"] if entry["type"] == "special"]
        assert unknown["options"] == {"match": "null+nan", "result": {"text": "No data", "color": "gray"}}
    assert len(tiles) == 5


def test_the_same_config_gives_the_same_json(tmp_path: Path) -> None:
    """Nothing in it depends on when or how often it is written."""
    text = dashboard_json(compose(demo()))
    assert text == dashboard_json(compose(demo()))
    assert json.loads(text)["uid"] == "timepoint-pod-energy"


@pytest.mark.parametrize("title", ["energy", "a b", "ä", "x" * 60, "a-b"])
def test_a_uid_is_one_that_grafana_takes(title: str) -> None:
    """8 to 40 characters of its alphabet, and another one for another title."""
    uid = uid_of(title)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{8,40}", uid)
    assert len({uid_of(other) for other in (title, title + " ", title + "x", title + "-")}) == 4


@pytest.mark.parametrize(
    ("stem", "unit", "value", "rate", "factor"),
    [
        ("pod_energy_joules", "", "joule", "watt", 1),
        ("meter_energy_kilowatt_hours", "", "kwatth", "kwatt", 3600),
        ("sent_bytes", "", "bytes", "Bps", 1),
        ("pod_co2_grams", "grams", "massg", "suffix: g/h", 3600),
        ("page_views", "", "short", "suffix: /h", 3600),
        ("wind_speed_meters_per_second", "", "velocityms", "suffix: meters per second/h", 3600),
        ("made_widgets", "widgets", "suffix: widgets", "suffix: widgets/h", 3600),
    ],
)
def test_units_follow_the_name(stem: str, unit: str, value: str, rate: str, factor: int) -> None:
    """The declared unit, else the longest known end of the name, becomes the unit of the value and of its flow."""
    words = words_of(stem, unit)
    assert value_unit(words) == value
    assert (rate_unit(words).unit, rate_unit(words).factor) == (rate, factor)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says what to install."""
    import builtins

    from timepoint.errors import MissingExtraError
    from timepoint.observe import grafana

    there = builtins.__import__

    def without(name: str, *more: Any, **named: Any) -> Any:
        if name.startswith("grafana_foundation_sdk"):
            raise ModuleNotFoundError(name)
        return there(name, *more, **named)

    grafana._sdk.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(builtins, "__import__", without)
        with pytest.raises(MissingExtraError, match=r"pip install 'timepoint-exporter\[dashboard\]'"):
            dashboard_json(Board("t", "timepoint-t", "", ()))
    grafana._sdk.cache_clear()


@pytest.mark.parametrize("after", [5, 25, 90], ids="{} s after the half hour".format)
@pytest.mark.parametrize("zoom", [1, 30, 2 * 60, 6 * 60, 24 * 60], ids="points {} min apart".format)
def test_a_counter_of_every_half_hour_shows_the_right_power(
    zoom: int, after: int, many: Watched, tmp_path: Path, promtool: str
) -> None:
    """1,800 J per half hour are 1 W at any zoom, whenever a run ends before or after a scrape.

    Points lie at multiples of their distance, as Grafana puts them, and scrapes 20 s after them. ``$__interval`` is
    the distance, the least step at least.
    """
    panel = next(panel for panel in compose(many).panels() if panel.title == "Pod energy: rate")
    apart = max(zoom, panel.min_step // 60_000)
    expr = filled(panel.queries[0].expr.replace("$__interval:", f"{apart}m:"))
    labels = 'job="timepoint",instance="t",app="shop",zone="DE",pod_name="p"'
    totals = (max(0, (second - after) // 1800 + 1) * 1800 for second in range(20, 60 * 3600, 30))
    story = {
        "interval": "10s",
        "input_series": [
            {"series": f"pod_energy_joules_total{{{labels}}}", "values": " ".join(f"_ _ {total}" for total in totals)}
        ],
        "promql_expr_test": [
            {
                "expr": f"round({expr}, 0.001)",
                "eval_time": f"{moment}m",
                "exp_samples": [{"labels": '{app="shop",zone="DE"}', "value": 1}],
            }
            for moment in range(48 * 60, 60 * 60, 30)
        ],
    }
    assert told_by_tests("groups: []", [story], tmp_path, promtool) == ""


@pytest.mark.parametrize("zoom", [10, 30, 300], ids="points {} s apart".format)
def test_a_heatmap_counts_between_its_points(zoom: int, many: Watched, tmp_path: Path, promtool: str) -> None:
    """A histogram that counts 24 waits a day shows a wait per hour between two points, at any distance of them."""
    panel = next(panel for panel in compose(many).panels() if panel.kind is Kind.HEATMAP)
    apart = max(zoom * 60, panel.min_step // 1000)
    expr = panel.queries[0].expr.replace("$__interval_ms", str(apart * 1000)).replace("$__interval", f"{apart}s")
    labels = 'job="timepoint",instance="t",zone="DE",job_name="p",le="60"'
    story = {
        "interval": "10m",
        "input_series": [
            {
                "series": f"wait_seconds_bucket{{{labels}}}",
                "values": "0x71 " + " ".join(f"{24 * day}x143" for day in range(1, 9)),
            }
        ],
        "promql_expr_test": [
            {
                "expr": f"round({filled(expr)}, 0.1)",
                "eval_time": "8d",
                "exp_samples": [{"labels": '{le="60"}', "value": apart / 3600}],
            }
        ],
    }
    assert told_by_tests("groups: []", [story], tmp_path, promtool) == ""


def test_amounts_are_no_alarms(many: Watched) -> None:
    """Bars have one colour; Grafana's default paints all that is above 80 red."""
    bars = [panel for panel in panels(written(many)) if panel["type"] == "bargauge"]
    assert bars
    assert {panel["fieldConfig"]["defaults"]["color"]["mode"] for panel in bars} == {"fixed"}


def test_the_default_data_source_is_taken_first(many: Watched) -> None:
    """Of several data sources Grafana's default one, and not the first by name."""
    first = written(many)["templating"]["list"][0]
    assert (first["name"], first["current"]["value"]) == ("datasource", "default")


def test_no_panel_of_the_jobs_shows_its_expression_as_a_name(many: Watched) -> None:
    """Series are named by what they may be grouped by, or by the metric; Grafana's own way shows expressions."""
    targets = [
        target
        for facts in (demo(), many)
        for panel in panels(written(facts))
        if panel["type"] != "table"
        for target in panel["targets"]
        if not target.get("instant") or panel["type"] == "bargauge"
    ]
    assert {target["legendFormat"] for target in targets} >= {
        "{{cluster}} {{app}} {{namespace}} {{pod_name}}",
        "{{plant_state}} {{zone}} {{job_name}}",
    }
    assert "__auto" not in {target["legendFormat"] for target in targets}
