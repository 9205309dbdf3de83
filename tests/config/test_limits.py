"""What a config says of how much is believed and kept: guards, budgets, overflow, the length of labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from timepoint.config import load_config
from timepoint.job import GuardSpec, HttpPolling, Job
from timepoint.model import MetricSpec

CONFIG = """
sources:
  energy: {{url: https://energy.example/api}}
jobs:
  pods:
    source: energy
    every: 30m
    request: {{get: /pods}}
    {job}
    metrics:
      x: {{type: gauge, help: Pods that run., value: $.running{gauge}}}
      y_total: {{type: counter, help: Pods that ran., value: $.ran, temporality: {temporality}{counter}}}
"""


def job_of(directory: Path, job: str = "", gauge: str = "", counter: str = "", temporality: str = "delta") -> Job:
    """The job of a config, of which some parts are given; keys of a metric begin with a comma."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.format(job=job, gauge=gauge, counter=counter, temporality=temporality))
    [loaded] = load_config(path, {}).jobs
    return loaded


def metrics_of(job: Job) -> tuple[MetricSpec, MetricSpec]:
    """The gauge and the counter."""
    return job.metrics["x"], job.metrics["y_total"]


@pytest.mark.parametrize(
    ("job", "guard"),
    [
        ("", GuardSpec(None, 1)),
        ("expect: {absent: [$.error]}", GuardSpec(None, 1)),
        ("expect: {min_series_ratio: 0.5}", GuardSpec(0.5, 3)),
        ("expect: {min_series_ratio: 1, max_refusals: 7}", GuardSpec(1, 7)),
        ("expect: {min_series_ratio: 0}", GuardSpec(0, 1)),
        ("expect: {max_refusals: 2}", GuardSpec(None, 2)),
    ],
)
def test_guard_of_a_job(tmp_path: Path, job: str, guard: GuardSpec) -> None:
    """An answer without series must come twice unless the config says otherwise."""
    assert job_of(tmp_path, job).guard == guard


def test_budgets(tmp_path: Path) -> None:
    """A job has what one exporter is built for; a metric has a limit of its own if it says so."""
    job = job_of(tmp_path)
    assert (job.max_series, [metric.max_series for metric in metrics_of(job)]) == (1_000_000, [0, 0])
    job = job_of(tmp_path, "max_series: 500", gauge=", max_series: 20")
    assert (job.max_series, [metric.max_series for metric in metrics_of(job)]) == (500, [20, 0])


@pytest.mark.parametrize(
    ("gauge", "sums"), [(", combine: sum", True), (", combine: max", False), ("", False), (", horizon: 1h", False)]
)
def test_gauges_that_can_overflow(tmp_path: Path, gauge: str, *, sums: bool) -> None:
    """Values are added up where the config adds them up itself."""
    assert metrics_of(job_of(tmp_path, "overflow: aggregate", gauge))[0].sums_overflow is sums


@pytest.mark.parametrize(
    ("job", "temporality", "sums"),
    [("overflow: aggregate", "delta", True), ("overflow: aggregate", "cumulative", False), ("", "delta", False)],
)
def test_counters_that_can_overflow(tmp_path: Path, job: str, temporality: str, *, sums: bool) -> None:
    """Amounts may be added up, readings not, since who reads what changes; and only if the job says so."""
    assert metrics_of(job_of(tmp_path, job, temporality=temporality))[1].sums_overflow is sums


@pytest.mark.parametrize(("job", "length"), [("", 256), ("label_length: 1000", 1000)])
def test_length_of_labels(tmp_path: Path, job: str, length: int) -> None:
    """The limit of the job holds for all its metrics."""
    polling = job_of(tmp_path, job).polling
    assert isinstance(polling, HttpPolling)
    assert {plan.label_length for plan in polling.mapping.plans} == {length}
