"""Every alert fires when it should and is silent when all is well, as Prometheus evaluates it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.docs.pages import anchors
from tests.observe.support import MANY, ROOT, SECOND, SENT, alerting, check_rules, demo, told_by_tests, watched
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.observe.alerts import alerts, failures_that_matter
from timepoint.observe.promql import selector
from timepoint.observe.rules_file import rules_text

PODS, DAYS = 'job_name="pods"', 'job_name="days.of"'
METRIC = 'metric="m"'
NOW = "timepoint_job_next_run_timestamp_seconds"
LISTED = "timepoint_job_lanes_listed_timestamp_seconds"
TO, STATE = 'remote_name="central"', "timepoint_remote_write_state"
OLDEST, WINDOW = (
    "timepoint_remote_write_oldest_pending_timestamp_seconds",
    "timepoint_remote_write_receiver_window_seconds",
)
DEAD = "timepoint_remote_write_dead"
QUOTA, RESETS = "timepoint_source_quota_low", "timepoint_source_quota_reset_timestamp_seconds"

Series = dict[str, str]


def own(metric: str, *labels: str) -> str:
    """A series of the exporter, as Prometheus stores it."""
    return selector(metric, 'job="timepoint"', 'instance="t:8080"', *labels)


HUNG, DIED = (own("timepoint_child_ends_total", 'child="poller"', f'how="{how}"') for how in ("hung", "died"))


@dataclass(frozen=True)
class Story:
    """Series minute by minute, and how many alerts of the name fire at a time."""

    name: str
    fires: int
    at: str
    series: Series


STORIES = [
    Story("TimepointDown", 1, "6m", {own("up"): "0x60"}),
    Story("TimepointDown", 0, "6m", {own("up"): "1 0 0 1x60"}),
    Story("TimepointMissing", 1, "20m", {'up{job="other"}': "1x60"}),
    Story("TimepointMissing", 0, "20m", {own("up"): "1x60"}),
    Story("TimepointPollerDown", 1, "8m", {own("timepoint_poller_up"): "1 0x60"}),
    Story("TimepointPollerDown", 0, "8m", {own("timepoint_poller_up"): "1 1 0 1x60"}),
    Story("TimepointPollerRestarts", 1, "30m", {own("timepoint_poller_start_time_seconds"): "1x5 2x5 3x5 4x60"}),
    Story("TimepointPollerRestarts", 0, "30m", {own("timepoint_poller_start_time_seconds"): "1x5 2x5 3x60"}),
    Story("TimepointProcessHung", 1, "20m", {HUNG: "0x9 1x60"}),
    Story("TimepointProcessHung", 0, "90m", {HUNG: "0x9 1x90"}),
    Story("TimepointProcessHung", 0, "20m", {DIED: "0x9 1x60"}),
    Story("TimepointReloadFailed", 1, "16m", {own("timepoint_config_last_reload_successful"): "1 0x60"}),
    Story("TimepointReloadFailed", 0, "16m", {own("timepoint_config_last_reload_successful"): "1 0 1x60"}),
    Story("TimepointPageIncomplete", 1, "9m", {own("timepoint_page_problems"): "0x5 1x60"}),
    Story("TimepointPageIncomplete", 1, "9m", {own("timepoint_snapshot_read_failures_total"): "0x5 1x60"}),
    Story("TimepointPageIncomplete", 0, "9m", {own("timepoint_page_problems"): "0x60"}),
    Story("TimepointPageIncomplete", 0, "9m", {  # an upgrade to a release with other snapshots
        own("timepoint_snapshot_read_failures_total"): "0x5 3x60",
        own("process_start_time_seconds"): "1x5 360x60",
    }),
    Story("TimepointLedgerUnusable", 1, "9m", {own("timepoint_ledger_ok"): "1 0x60"}),
    Story("TimepointLedgerUnusable", 0, "9m", {own("timepoint_ledger_ok"): "1 0 1x60"}),
    Story("TimepointClockWasAhead", 1, "9m", {own("timepoint_job_clock_corrections_total", PODS): "0x5 1x60"}),
    Story("TimepointClockWasAhead", 0, "9m", {own("timepoint_job_clock_corrections_total", PODS): "1x60"}),
    Story("TimepointJobFails", 1, "9m", {own("timepoint_job_consecutive_failures", PODS): "3x60"}),
    Story("TimepointJobFails", 0, "9m", {own("timepoint_job_consecutive_failures", PODS): "2x60"}),
    Story("TimepointJobFails", 1, "9m", {own("timepoint_job_consecutive_failures", DAYS): "1x60"}),
    Story("TimepointJobFails", 0, "9m", {own("timepoint_job_consecutive_failures", DAYS): "1x8 0x60"}),
    Story("TimepointRunOverdue", 1, "30m", {own(NOW, PODS): "60x60"}),
    Story("TimepointRunOverdue", 1, "9m", {own(NOW, PODS): "60x7 stale 60x60"}),
    Story("TimepointRunOverdue", 0, "30m", {own(NOW, PODS): "60x20 3600x60"}),
    Story("TimepointRunsSkipped", 1, "2h10m", {
        own("timepoint_job_runs_total", PODS): "0x30 1x30 2x30 3x30 4x60",
        own("timepoint_job_run_failures_total", PODS, 'outcome="skipped"'): "0x30 0x30 1x30 2x30 2x60",
    }),
    Story("TimepointRunsSkipped", 0, "2h10m", {
        own("timepoint_job_runs_total", PODS): "0x30 1x30 2x30 3x30 4x60",
        own("timepoint_job_run_failures_total", PODS, 'outcome="skipped"'): "0x30 0x30 0x30 1x30 1x60",
    }),
    Story("TimepointDataGivenUp", 1, "70m", {own("timepoint_job_given_up_seconds_total", PODS): "0x60 900x60"}),
    Story("TimepointDataGivenUp", 1, "150m", {own("timepoint_job_given_up_seconds_total", PODS): "_x145 900x60"}),
    Story("TimepointDataGivenUp", 0, "5h", {own("timepoint_job_given_up_seconds_total", PODS): "0x60 900x600"}),
    Story("TimepointNotFresh", 1, "40m", {own("timepoint_job_freshness", PODS, METRIC, 'state="fresh"'): "0x90"}),
    Story("TimepointNotFresh", 0, "20m", {own("timepoint_job_freshness", PODS, METRIC, 'state="fresh"'): "0x90"}),
    Story("TimepointNotFresh", 0, "50m", {own("timepoint_job_freshness", DAYS, METRIC, 'state="fresh"'): "0x90"}),
    Story("TimepointNotFresh", 1, "70m", {own("timepoint_job_freshness", DAYS, METRIC, 'state="fresh"'): "0x90"}),
    Story("TimepointNotFresh", 0, "80m", {own("timepoint_job_freshness", PODS, METRIC, 'state="fresh"'): "0x60 1x60"}),
    Story("TimepointExpired", 1, "12m", {own("timepoint_job_freshness", PODS, METRIC, 'state="expired"'): "1x90"}),
    Story("TimepointExpired", 0, "12m", {own("timepoint_job_freshness", PODS, METRIC, 'state="expired"'): "1x5 0x90"}),
    Story("TimepointRejects", 2, "3h10m", {
        own("timepoint_job_rejects_total", PODS, 'reason="new"'): "_x179 3x60",
        own("timepoint_job_rejects_total", PODS, 'reason="old"'): "5x240",
        own("timepoint_job_rejects_total", PODS, 'reason="more"'): "5x150 6x90",
    }),
    Story("TimepointRejects", 1, "23h", {own("timepoint_job_rejects_total", DAYS, 'reason="daily"'): "1x60 2x3000"}),
    Story("TimepointRejects", 0, "4h", {own("timepoint_job_rejects_total", PODS, 'reason="old"'): "5x300"}),
    Story("TimepointSeriesBudget", 1, "20m", {
        own("timepoint_job_series", PODS, METRIC): "60x60",
        own("timepoint_job_kept_series", PODS, METRIC): "35x60",
        own("timepoint_job_max_series", PODS): "100x60",
    }),
    Story("TimepointSeriesBudget", 1, "16m", {
        own("timepoint_job_series", PODS, METRIC): "60x10 stale 60x60",
        own("timepoint_job_kept_series", PODS, METRIC): "35x10 stale 35x60",
        own("timepoint_job_max_series", PODS): "100x10 stale 100x60",
    }),
    Story("TimepointSeriesBudget", 0, "20m", {
        own("timepoint_job_series", PODS, METRIC): "60x60",
        own("timepoint_job_kept_series", PODS, METRIC): "30x60",
        own("timepoint_job_max_series", PODS): "100x60",
    }),
    Story("TimepointDebt", 1, "25h", {own("timepoint_job_debt", PODS, METRIC): "5x700 _x3 5x900"}),
    Story("TimepointDebt", 0, "25h", {own("timepoint_job_debt", PODS, METRIC): "5x700 0 5x900"}),
    Story("TimepointDebt", 0, "25h", {own("timepoint_job_debt", DAYS, METRIC): "5x1600"}),
    Story("TimepointLanesFail", 1, "70m", {
        own("timepoint_job_lanes", PODS): "100x90",
        own("timepoint_job_failing_lanes", PODS): "6x90",
    }),
    Story("TimepointLanesFail", 1, "65m", {
        own("timepoint_job_lanes", PODS): "100x30 stale 100x90",
        own("timepoint_job_failing_lanes", PODS): "6x30 stale 6x90",
    }),
    Story("TimepointLanesFail", 0, "70m", {
        own("timepoint_job_lanes", PODS): "100x90",
        own("timepoint_job_failing_lanes", PODS): "5x90",
    }),
    Story("TimepointLanesNotListed", 1, "14h", {own(LISTED, PODS): "0x1000"}),
    Story("TimepointLanesNotListed", 0, "13h", {own(LISTED, PODS): "0x1000"}),
    Story("TimepointLanesNotListed", 0, "3m", {own(LISTED, PODS): "-90000x3 240x60"}),  # it was away for a day
    Story("TimepointQuotaLow", 1, "10m", {
        own(QUOTA, 'source="energy"', 'period="day"'): "1x60",
        own(RESETS, 'source="energy"', 'period="day"'): "7200x60",
    }),
    Story("TimepointQuotaLow", 1, "10m", {
        own(QUOTA, 'source="energy"', 'period="day"'): "1x9 stale",
        own(RESETS, 'source="energy"', 'period="day"'): "7200x9 stale",
    }),
    Story("TimepointQuotaLow", 0, "70m", {
        own(QUOTA, 'source="energy"', 'period="day"'): "1x90",
        own(RESETS, 'source="energy"', 'period="day"'): "7200x90",
    }),
    Story("TimepointQuotaLow", 1, "10m", {
        own(QUOTA, 'source="energy"', 'period="hour"'): "1x60",
        own(RESETS, 'source="energy"', 'period="hour"'): "2400x60",
    }),
    Story("TimepointQuotaLow", 0, "10m", {
        own(QUOTA, 'source="energy"', 'period="hour"'): "0x60",
        own(RESETS, 'source="energy"', 'period="hour"'): "2400x60",
    }),
    Story("TimepointSourceLeftAlone", 1, "20m", {
        own("timepoint_source_circuit_state", 'source="energy"', 'state="closed"'): "0x60",
        own("timepoint_source_circuit_state", 'source="energy"', 'state="open"'): "1 0 1 0 1x60",
        own("timepoint_source_circuit_state", 'source="slow"', 'state="closed"'): "0x60",
    }),
    Story("TimepointSourceLeftAlone", 0, "20m", {
        own("timepoint_source_circuit_state", 'source="energy"', 'state="closed"'): "0x12 1x60",
    }),
]  # fmt: skip

OF_SENDERS = [
    Story("TimepointReceiverFails", 1, "20m", {
        own(STATE, TO, 'state="idle"'): "0x60",
        own(STATE, TO, 'state="sending"'): "0x60",
        own(STATE, TO, 'state="retrying"'): "1x60",
    }),
    Story("TimepointReceiverFails", 0, "8m", {  # both were started a moment ago
        own(STATE, TO, 'state="idle"'): "0x60",
        own(STATE, TO, 'state="retrying"'): "1x60",
    }),
    Story("TimepointReceiverFails", 0, "30m", {  # TimepointReceiverHeld says it
        own(STATE, TO, 'state="idle"'): "0x60",
        own(STATE, TO, 'state="held"'): "1x60",
    }),
    Story("TimepointReceiverFails", 0, "20m", {
        own(STATE, TO, 'state="idle"'): "0x60",
        own(STATE, TO, 'state="sending"'): "0x8 1 0x60",
        own(STATE, TO, 'state="retrying"'): "1x8 0 1x60",
    }),
    Story("TimepointReceiverHeld", 1, "14m", {own(STATE, TO, 'state="held"'): "0x2 1x60"}),
    Story("TimepointReceiverHeld", 1, "14m", {own(STATE, TO, 'state="clock"'): "0x2 1x60"}),
    Story("TimepointReceiverHeld", 0, "14m", {own(STATE, TO, 'state="held"'): "0x6 1x60"}),
    Story("TimepointReceiverHeld", 0, "4m", {own(STATE, TO, 'state="held"'): "1x60"}),
    Story("TimepointReceiverWindow", 1, "50m", {own(OLDEST, TO): "1x90", own(WINDOW, TO): "3300x90"}),
    Story("TimepointReceiverWindow", 1, "45m", {own(OLDEST, TO): "1x42 stale 1x90", own(WINDOW, TO): "3300x99"}),
    Story("TimepointReceiverWindow", 0, "35m", {own(OLDEST, TO): "1x90", own(WINDOW, TO): "3300x90"}),
    Story("TimepointReceiverWindow", 0, "50m", {own(OLDEST, TO): "1x90", own(WINDOW, TO): "0x90"}),
    Story("TimepointSamplesGivenUp", 1, "20m", {own(DEAD, TO): "0x18 5x60"}),
    Story("TimepointSamplesGivenUp", 1, "600m", {own(DEAD, TO): "5x700"}),
    Story("TimepointSamplesGivenUp", 1, "20m", {own(DEAD, TO): "5x18 stale"}),
    Story("TimepointSamplesGivenUp", 0, "20m", {own(DEAD, TO): "5x18 0x60"}),
]  # fmt: skip


@pytest.mark.parametrize(("config", "stories"), [(MANY, STORIES), (SENT, OF_SENDERS)], ids=["many", "sent"])
def test_each_alert_fires_and_is_silent_as_told(
    config: str, stories: list[Story], tmp_path: Path, promtool: str
) -> None:
    """Each story holds as Prometheus evaluates the rules: so many alerts fire at its time, and no more."""
    rules = rules_text(watched(tmp_path, config), "timepoint", 30 * SECOND)
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in story.series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{story.name}",alertstate="firing"}}) or vector(0)',
                    "eval_time": story.at,
                    "exp_samples": [{"labels": "{}", "value": story.fires}],
                }
            ],
        }
        for story in stories
    ]
    assert told_by_tests(rules, tests, tmp_path, promtool) == ""


def test_every_alert_has_both_stories(tmp_path: Path) -> None:
    """No alert escapes: one story in which it fires, one in which it does not."""
    names = {rule["alert"] for config in (MANY, SENT) for rule in alerting(watched(tmp_path, config))}
    stories = STORIES + OF_SENDERS
    assert {story.name for story in stories if story.fires} == names
    assert {story.name for story in stories if not story.fires} == names


def test_what_no_config_can_raise_is_left_out(tmp_path: Path) -> None:
    """Without a fan-out and without quotas there are no alerts about them."""
    left_out = {rule["alert"] for rule in alerting(watched(tmp_path))} - {rule["alert"] for rule in alerting(demo())}
    assert left_out == {"TimepointLanesFail", "TimepointLanesNotListed", "TimepointQuotaLow"}


def test_a_job_that_runs_daily_fails_at_once() -> None:
    """Three failed runs are waited for where that is hours, and none where a run is a day."""
    periods = {MINUTE: 3, 30 * MINUTE: 3, 4 * HOUR: 3, 6 * HOUR: 2, 12 * HOUR: 1, 7 * DAY: 1}
    assert {period: failures_that_matter(period) for period in periods} == periods


@pytest.mark.parametrize("base_url", ["", "https://docs.example/timepoint/"])
def test_prometheus_takes_the_file(base_url: str, tmp_path: Path, promtool: str) -> None:
    """``promtool check rules`` accepts it, with and without links."""
    text = rules_text(watched(tmp_path), 'time"point\\', 30 * SECOND, ["zone"], base_url)
    assert check_rules(text, tmp_path, promtool) == ""


def test_each_alert_leads_to_a_heading(tmp_path: Path) -> None:
    """What an alert says to look at is a heading of the page of operations."""
    there = anchors(ROOT / "docs" / "operations.md")
    written = [alert for config in (MANY, SENT) for alert in alerts(watched(tmp_path, config), "timepoint")]
    assert {alert.see for alert in written} - there == set()


def test_failures_are_told_as_the_least_that_there_were(tmp_path: Path) -> None:
    """What five minutes had at least is told as that: a job that runs each half minute is ten failures further on."""
    (told,) = [alert for alert in alerts(watched(tmp_path, SENT), "timepoint") if alert.name == "TimepointJobFails"]
    assert told.expr.startswith("min_over_time")
    assert "failed at least {{ $value }} times" in told.description


def test_a_link_is_a_runbook_url(tmp_path: Path) -> None:
    """With an address of the documentation each alert carries a link as other tools know it."""
    text = rules_text(watched(tmp_path), "timepoint", 30 * SECOND, (), "https://docs.example/timepoint/")
    assert "runbook_url: https://docs.example/timepoint/operations.md#rejects" in text
    assert "runbook: " not in text


def test_the_page_tells_every_alert(tmp_path: Path) -> None:
    """docs/operations.md has a row for each alert, with its severity and a link to what the alert itself names."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    rows = re.findall(r"^\| `(Timepoint\w+)` \| (\w+) \| .* \| \[.*\]\(#([\w-]+)\) \|$", page, re.MULTILINE)
    written = [alert for config in (MANY, SENT) for alert in alerts(watched(tmp_path, config), "timepoint")]
    assert rows == sorted({(alert.name, alert.severity, alert.see) for alert in written}, key=rows.index)


def test_the_chart_knows_no_other_alerts() -> None:
    """The Helm chart cannot read a config; its own set has the names and severities of these."""
    text = (ROOT / "deploy" / "helm" / "timepoint-exporter" / "files" / "alerts.yaml").read_text("utf-8")
    of_chart = {
        (rule["alert"], rule["labels"]["severity"])
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    }
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    assert of_chart <= set(re.findall(r"^\| `(Timepoint\w+)` \| (\w+) \|", page, re.MULTILINE))
