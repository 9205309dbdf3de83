"""Good configs and what they come to: schedules, types and policies of metrics."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.config.building import POD_ENERGY, http_of, load, metric_of, small
from timepoint.clock import DAY, HOUR, MINUTE, SECOND
from timepoint.mapping.engine import RunContext
from timepoint.model import MetricType, OnRevision, Points, Window


def test_cron(tmp_path: Path) -> None:
    """The period of a cron job is its longest gap, and HELP names the expression."""
    job = small(tmp_path, schedule='cron: "0 6,8 * * 1-5"\n        timezone: Europe/Berlin')
    assert (job.schedule.cron, job.schedule.timezone) == ("0 6,8 * * 1-5", "Europe/Berlin")
    metric = metric_of(job)
    assert metric.family.help == "Pods that run. (polled at 0 6,8 * * 1-5 Europe/Berlin from energy)"
    assert metric.max_age == 3 * (2 * DAY + 23 * HOUR)  # the weekend on which summer time ends


def test_cron_of_every_minute_of_working_hours(tmp_path: Path) -> None:
    """The longest gap of a frequent cron job is the weekend."""
    metric = metric_of(small(tmp_path, schedule='cron: "* 8-17 * * 1-5"'))
    assert metric.max_age == 3 * (2 * DAY + 14 * HOUR + MINUTE)


def test_timeout_of_a_frequent_job(tmp_path: Path) -> None:
    """A run may not take longer than the period unless somebody says so."""
    assert small(tmp_path, schedule="every: 10s").timeout == 9 * SECOND


def test_durations_of_job_and_metric(tmp_path: Path) -> None:
    """What a metric says wins over its job, and 0s is said too."""
    text = POD_ENERGY.replace("type: counter", "type: counter\n            max_age: 2h\n            zero_first: 0s")
    of_job = "every: 30m\n        max_age: 1h\n        zero_first: 1m\n        forget_after: 1d"
    job = load(tmp_path, text.replace("every: 30m", of_job)).jobs[0]
    metric = metric_of(job)
    assert (metric.max_age, metric.zero_first, metric.forget_after) == (2 * HOUR, 0, DAY)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("points: max", {"points": Points.MAX}),
        ("horizon: 1h", {"horizons": (HOUR,)}),
        ("horizon: [0s, 1h]", {"horizons": (0, HOUR)}),
    ],
)
def test_gauge_policies(tmp_path: Path, said: str, expected: dict[str, Any]) -> None:
    """A gauge says which of its points it shows."""
    metric = metric_of(small(tmp_path, metric=said))
    assert {key: getattr(metric, key) for key in expected} == expected


def test_points_of_the_job_are_for_gauges(tmp_path: Path) -> None:
    """A default of the job that a type does not have is not for it."""
    text = POD_ENERGY.replace("every: 30m", "every: 30m\n        points: mean\n        missing: [-1]")
    assert metric_of(load(tmp_path, text).jobs[0]).points is Points.LAST


def test_on_revision(tmp_path: Path) -> None:
    """A counter may ignore revisions."""
    text = POD_ENERGY.replace("type: counter", "type: counter\n            on_revision: ignore")
    assert metric_of(load(tmp_path, text).jobs[0]).on_revision is OnRevision.IGNORE


def test_all_types(tmp_path: Path) -> None:
    """A config may declare every type."""
    text = """
        sources: {api: {url: "https://api.example"}}
        jobs:
          all:
            source: api
            every: 1m
            request: {get: /}
            time: $.at
            metrics:
              a: {type: gauge, help: A., value: $.a}
              b_total: {type: counter, temporality: cumulative, help: B., value: $.b}
              c: {type: histogram, temporality: delta, help: C., buckets: $.c, sum: $.s, count: $.n}
              d: {type: histogram, temporality: delta, help: D., value: $.d, bounds: [1, 5]}
              e: {type: summary, temporality: cumulative, help: E., quantiles: $.q, sum: $.s, count: $.n}
              f_info: {type: info, help: F., labels: {version: $.v}}
              g: {type: stateset, help: G., value: $.state, states: [on, off]}
              h: {type: unknown, help: H., value: $.h}
    """
    job = load(tmp_path, text).jobs[0]
    assert {metric.family.type for metric in job.metrics.values()} == set(MetricType)


def test_family_of_two_jobs(tmp_path: Path) -> None:
    """Jobs that share a family get one HELP that tells how each is polled."""
    text = dedent(POD_ENERGY)
    second = text[text.index("  pod_energy:") :].replace("  pod_energy:", "  old_pods:").replace("30m", "1h")
    config = load(tmp_path, text + second)
    expected = (
        "Energy consumed by the pod. (polled every 30m from energy, delayed 10m; "
        "polled every 1h from energy, delayed 10m)"
    )
    assert [metric_of(job).family.help for job in config.jobs] == [expected, expected]


def test_anchors(tmp_path: Path) -> None:
    """Keys that begin with x- are a place for what several jobs share."""
    text = "x-common: &common {every: 5m, source: energy}\n" + dedent(POD_ENERGY).replace(
        "    source: energy\n    every: 30m\n", "    <<: *common\n"
    )
    assert load(tmp_path, text).jobs[0].schedule.every == 5 * MINUTE


def test_labels_that_live_until_relabel(tmp_path: Path) -> None:
    """A label that begins with __ may be set for relabel rules, and is not shown."""
    rule = "{source_labels: [__raw], regex: '(.)_.*', target_label: phase}"
    job = small(tmp_path, metric=f"labels: {{__raw: $.raw}}\n            relabel: [{rule}]")
    run = http_of(job).mapping.start(RunContext(Window(0, 0), 0))
    run.add({"running": 1, "raw": "a_x"})
    assert list(run.finish().series["pods_running"]) == ['{phase="a"}']


def test_byte_order_mark(tmp_path: Path) -> None:
    """A file may begin with a byte order mark."""
    assert load(tmp_path, "\ufeff" + dedent(POD_ENERGY)).jobs


def test_expectations_of_answers(tmp_path: Path) -> None:
    """Statuses that mean nothing yet go to the request, the rest to the mapping."""
    job = small(tmp_path, job="expect: {equal: {$.status: ok}, present: [$.running], empty_status: [404, 204]}")
    assert http_of(job).request.empty_status == (404, 204)


def test_window_of_counters_that_is_not_asked_for(tmp_path: Path) -> None:
    """A window says which points a counter counts, so it has an effect even if the request does not name it."""
    text = POD_ENERGY.replace('start: "{window.start}", end: "{window.end}", ', "").replace("delay: 10m", "overlap: 1h")
    assert load(tmp_path, text).warnings == ()


def test_pydantic_is_loaded_only_for_a_config() -> None:
    """The words that all commands share do not import what only a config needs."""
    code = (
        "import sys, timepoint.job, timepoint.model, timepoint.request.spec;"
        "sys.exit('pydantic' in sys.modules or 'yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_max_age_outlasts_the_step_of_the_window(tmp_path: Path) -> None:
    """A window that moves once a day keeps values for three days, however often the job fires."""
    text = POD_ENERGY.replace("window: {step: 5m, delay: 10m}", "window: {step: 1d, delay: 10m}")
    assert text != POD_ENERGY
    (job,) = load(tmp_path, text).jobs
    (metric,) = job.metrics.values()
    assert metric.max_age == 3 * DAY + 10 * MINUTE


def test_a_metric_knows_whether_its_points_have_a_time(tmp_path: Path) -> None:
    """Only a metric without ``time``, its own or its job's, is about the fire time."""
    config = load(
        tmp_path,
        """
        sources: {api: {url: "http://127.0.0.1"}}
        jobs:
          pods:
            source: api
            every: 30m
            request: {get: /pods}
            metrics:
              now: {type: gauge, help: Now., value: $.now}
              then: {type: gauge, help: Then., value: $.then, time: $.at}
        """,
    )
    assert {name: spec.timed for name, spec in config.jobs[0].metrics.items()} == {"now": False, "then": True}
