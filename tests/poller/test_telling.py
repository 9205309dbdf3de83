"""What the config says of a job, for people."""

from __future__ import annotations

from pathlib import Path

from tests.poller.jobs import function_job, http_job, ones
from timepoint.config import load_config
from timepoint.journal.told import LANES
from timepoint.ledger.state import LaneState
from timepoint.poller.report import MetricStanding
from timepoint.poller.telling import job_facts, lanes_told, metrics_told

CONFIG = """
sources:
  api:
    url: https://api.example/v1?key=canary
    basic_auth: {username: canary-user, password: "${PASSWORD}"}
    rate: 10/1m
    quota: {requests: 500, per: day}
    min_interval: 1s
jobs:
  zones:
    source: api
    cron: 15 * * * *
    timezone: Europe/Berlin
    each: {zone: [DE, FR], site: {file: sites.txt}}
    max_lanes: 100
    request: {get: "/{each.zone}/{each.site}", params: {start: "{window.start}", key: canary}}
    window: {step: day, timezone: Europe/Berlin, delay: 1h, overlap: 2d, max_span: 7d}
    rows: {r: "$[*]"}
    time: {at: $r.t, interval: 1d}
    metrics:
      energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v}
      energy_watts: {type: gauge, help: Power., value: $r.w, points: max}
"""


def test_a_job_of_an_api_is_told_with_what_holds_for_it(tmp_path: Path) -> None:
    """Schedule, window, source, limits, request and lanes, in the words of the config; no credential."""
    (tmp_path / "config.yaml").write_text(CONFIG)
    (tmp_path / "sites.txt").write_text("north\nsouth\n")
    [job] = load_config(tmp_path / "config.yaml", {"PASSWORD": "canary-password"}).jobs
    facts = job_facts(job, str)
    told = {title: dict(terms) for title, terms in facts}

    assert "canary" not in repr(facts)
    assert told["Schedule"]["cron"] == "15 * * * * (Europe/Berlin)"
    assert (told["Window"]["step"], told["Window"]["delay"]) == ("1 day", "1h")
    assert told["Source"]["URL"] == "https://api.example/v1"
    assert told["Source"]["authentication"] == "basic_auth"
    assert told["Source"]["rate"] == "10 in 1m"
    assert told["Source"]["quota"] == "500 requests per day (UTC)"
    assert told["Source"]["request"] == "GET /{each.zone}/{each.site}?start={window.start}&key=***"
    assert told["Lanes"]["zone"] == "DE, FR"
    assert told["Lanes"]["site"].endswith("sites.txt")


def test_a_job_of_a_function_is_told_by_its_name() -> None:
    """Where to look when it raises."""
    told = {title: dict(terms) for title, terms in job_facts(function_job(ones), str)}
    assert told["Source"] == {"function": "tests.poller.jobs:ones"}


def test_a_metric_says_what_it_shows(tmp_path: Path) -> None:
    """In a few words, with what stands of it."""
    [metric] = metrics_told(http_job(tmp_path).metrics, {"energy_joules_total": MetricStanding(7, 5, 0.5, kept=2)})
    assert (metric.type, metric.series, metric.kept, metric.newest, metric.debt) == ("counter", 7, 2, 5, 0.5)
    assert metric.how == "the sum of all intervals, each counted once"
    assert metric.is_amounts


def test_of_many_lanes_those_that_need_a_look_are_told() -> None:
    """Those that fail, then those that are furthest behind; the lane without a name is no lane of a fan-out."""
    lanes = [LaneState("job", "")]
    for number in range(3 * LANES):
        lane = LaneState("job", f"zone={number}", watermark=number, last_attempt=5, last_accepted=5)
        lane.last_accepted = 4 if number == 2 * LANES else 5
        lanes.append(lane)
    told = lanes_told(lanes)
    assert [told[0].name, told[0].fails] == [f"zone={2 * LANES}", True]
    assert [lane.watermark for lane in told[1:]] == list(range(LANES - 1))
