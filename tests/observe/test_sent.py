"""Metrics that go by remote write, in what is written for Prometheus and Grafana."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.observe.support import SECOND, SENT, check_rules, told_by_tests, watched
from timepoint.clock import MINUTE
from timepoint.observe.board import Panel
from timepoint.observe.compose import compose
from timepoint.observe.facts import Watched
from timepoint.observe.rules_file import rules_text
from timepoint.observe.scrape import most_samples

JOULES = 'meter_energy_joules_total{cluster="edge",meter="a"}'


@pytest.fixture
def sent(tmp_path: Path) -> Watched:
    """A job whose metrics are sent, but for one."""
    return watched(tmp_path, SENT)


def panel(sent: Watched, title: str) -> Panel:
    """The panel of that title."""
    [found] = [panel for panel in compose(sent).panels() if panel.title == title]
    return found


def test_receivers_are_known(sent: Watched) -> None:
    """Who is sent something follows from the jobs."""
    assert sent.receivers == ("central",)


def test_sent_metrics_move_with_their_data(sent: Watched) -> None:
    """A metric that is sent has a sample every step, one that is scraped a new one every run."""
    assert sent.cadence("meter_energy_joules_total") == 5 * MINUTE
    assert sent.cadence("meter_temperature_celsius") == 30 * MINUTE


def test_sent_metrics_are_not_selected_by_a_scrape(sent: Watched) -> None:
    """No panel of a sent metric asks for the labels of a scrape, and each of a scraped one does."""
    queries = {query.expr for panel in compose(sent).panels() for query in panel.queries if "meter_" in query.expr}
    assert {("temperature" in expr) == ("$job" in expr) for expr in queries} == {True}


def test_sparse_gauges_are_looked_back_for(sent: Watched) -> None:
    """A gauge that is sent is seen between its samples, however far apart they are."""
    [query] = panel(sent, "Meter power").queries
    assert query.expr == '$aggregation by (${by:csv}) (last_over_time(meter_power_watts{meter=~"$meter"}[10m]))'


def test_a_table_of_now_reaches_back_to_the_newest_run(sent: Watched) -> None:
    """What is asked for the end of the time range reaches back over delay, period and run, too."""
    [query] = panel(sent, "Meter").queries
    assert query.expr == 'last_over_time(meter_info{meter=~"$meter",maker=~"$maker"}[51m])'


def test_labels_of_sent_metrics_can_be_chosen(sent: Watched) -> None:
    """The values of a label are asked of sent metrics without the job of a scrape."""
    [variable] = [variable for variable in compose(sent).variables if variable.name == "meter"]
    assert "job=" not in variable.query


def test_receivers_have_a_row(sent: Watched) -> None:
    """The dashboard of a config with receivers shows what their senders do."""
    assert "Remote write" in [row.title for row in compose(sent).rows]


def test_a_page_holds_only_what_is_scraped(sent: Watched) -> None:
    """The limit of samples counts the series of the one metric that is scraped."""
    assert most_samples(sent) == 1_001_000


def test_rates_of_sent_counters(sent: Watched, tmp_path: Path, promtool: str) -> None:
    """A rule of a sent counter gives its rate and its amount, from samples that come forty minutes late."""
    rules = rules_text(sent, "timepoint", 30 * SECOND)
    assert check_rules(rules, tmp_path, promtool) == ""
    record = "job:meter_energy_joules:rate20m"
    amount = "job:meter_energy_joules:increase1d"
    tests = [
        {
            "interval": "5m",
            "input_series": [{"series": JOULES, "values": "0+3000x600"}],
            "promql_expr_test": [
                {"expr": record, "eval_time": "5h", "exp_samples": [{"labels": record, "value": 10}]},
                {"expr": amount, "eval_time": "30h", "exp_samples": [{"labels": amount, "value": 864000}]},
            ],
        }
    ]
    assert told_by_tests(rules, tests, tmp_path, promtool) == ""
