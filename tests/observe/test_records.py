"""Recording rules give the truth of counters that move once per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.observe.support import SECOND, check_rules, demo, recording, told_by_tests, watched
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.observe.records import ranges
from timepoint.observe.rules_file import rules_text


def test_a_rate_and_an_amount_are_exact_at_any_moment(tmp_path: Path, promtool: str) -> None:
    """A counter that rises by 1,800 J each half hour is 1 W and 86,400 J a day, whenever it is looked at.

    Not at the very moment of a scrape: before Prometheus 3 a range then holds one sample more.
    """
    rules = recording(rules_text(watched(tmp_path), "timepoint", 30 * SECOND, ["app"]))
    steps = " ".join(f"{1800 * run}x59" for run in range(70))  # 60 samples each
    series = 'pod_energy_joules_total{job="timepoint",app="shop",pod_name="p"}'
    expected = {"job_app:pod_energy_joules:rate1h": 1, "job_app:pod_energy_joules:increase1d": 86400}
    moments = ("30h1s", "30h1m17s", "30h14m31s", "30h29m59s", "30h30m7s", "31h7m13s")
    story = {
        "interval": "30s",
        "input_series": [{"series": series, "values": steps}],
        "promql_expr_test": [
            {
                "expr": f"round({rules[name]}, 0.000001)",
                "eval_time": moment,
                "exp_samples": [{"labels": '{job="timepoint",app="shop"}', "value": value}],
            }
            for name, value in expected.items()
            for moment in moments
        ],
    }
    assert told_by_tests("groups: []", [story], tmp_path, promtool) == ""


@pytest.mark.parametrize(
    ("cadence", "scrape", "rate", "amount"),
    [
        (30 * MINUTE, 30 * SECOND, HOUR, DAY),
        (10 * SECOND, 30 * SECOND, 2 * MINUTE, DAY),
        (7 * MINUTE, 30 * SECOND, 14 * MINUTE, 206 * 7 * MINUTE),
        (DAY, 30 * SECOND, 2 * DAY, 7 * DAY),
        (7 * DAY, MINUTE, 14 * DAY, 28 * DAY),
    ],
)
def test_ranges_hold_whole_steps(cadence: int, scrape: int, rate: int, amount: int) -> None:
    """A range is a whole number of steps, two of them and four scrapes at least."""
    assert ranges(cadence, scrape) == (rate, amount)
    assert rate % cadence == amount % cadence == 0


def test_a_sum_keeps_the_labels_that_are_asked_for(tmp_path: Path) -> None:
    """A metric without the label is summed over everything, and buckets keep theirs."""
    rules = recording(rules_text(watched(tmp_path), "timepoint", 30 * SECOND, ["app"]))
    assert "sum by (job, app) " in rules["job_app:pod_energy_joules:rate1h"]
    assert "sum by (job) " in rules["job:sent_kilograms:rate2d"]
    assert "sum by (job, le) " in rules["job:wait_seconds_bucket:rate2d"]


def test_a_config_without_counters_has_no_group_of_records(tmp_path: Path, promtool: str) -> None:
    """Gauges are not recorded, and the file is good without."""
    text = """\
sources: {api: {url: "http://127.0.0.1:9"}}
jobs:
  now: {source: api, every: 1m, request: {get: /}, metrics: {now_watts: {type: gauge, help: Power., value: $.watts}}}
"""
    rules = rules_text(watched(tmp_path, text), "timepoint", 30 * SECOND)
    assert "timepoint-records" not in rules
    assert check_rules(rules, tmp_path, promtool) == ""


def test_the_same_config_gives_the_same_file() -> None:
    """Nothing in it depends on when it is written."""
    texts = {rules_text(demo(), "timepoint", 2 * SECOND, ["cluster"]) for _ in range(2)}
    assert len(texts) == 1
