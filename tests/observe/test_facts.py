"""What of a config matters to those who watch it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.observe.support import watched
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.job import ScheduleSpec
from timepoint.model import MetricType
from timepoint.observe.facts import periods

CONFIG = """\
sources: {api: {url: "http://127.0.0.1:9"}}
jobs:
  meters:
    source: api
    every: 15m
    request: {get: "/{each.site}"}
    window: {step: month, timezone: Europe/Berlin, overlap: 3d}
    each: {site: {values: [a, b], label: place}}
    rows: {r: "$.{region}[*]"}
    time: {at: $r.at, interval: month}
    labels: {meter: $r.id, kind: fixed, __tmp: $r.tmp}
    RELABEL
    metrics:
      meter_energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $r.wh}
"""


@pytest.mark.parametrize(
    ("cron", "usual", "longest"),
    [
        ("0 6 * * *", DAY, DAY),
        ("0 6 * * 1-5", DAY, 3 * DAY),
        ("*/5 9-16 * * *", 5 * MINUTE, 16 * HOUR + 5 * MINUTE),
        ("0 0 1 * *", 31 * DAY, 31 * DAY),
        ("0 0 29 2 *", 4 * 365 * DAY + DAY, 4 * 365 * DAY + DAY),
    ],
)
def test_a_cron_job_has_a_usual_period(cron: str, usual: int, longest: int) -> None:
    """The median of the times between its runs, so that nights and weekends are pauses; and the longest of them."""
    assert periods(ScheduleSpec(cron=cron)) == (usual, longest)


def test_data_move_with_the_step_if_that_is_longer(tmp_path: Path) -> None:
    """A job that asks four times an hour for monthly values has new ones once a month."""
    (job,) = watched(tmp_path, CONFIG.replace("RELABEL", "")).jobs
    assert (job.period, job.cadence) == (15 * MINUTE, 31 * DAY)


def test_labels_are_those_of_lanes_captures_and_mapping(tmp_path: Path) -> None:
    """Outermost first; those that are the same everywhere apart, and those that begin with ``__`` not at all."""
    (job,) = watched(tmp_path, CONFIG.replace("RELABEL", "")).jobs
    (metric,) = job.metrics
    assert (metric.labels, metric.constants) == (("place", "region", "meter"), ("kind",))
    assert metric.knows_labels
    assert metric.type is MetricType.COUNTER


def test_labels_after_relabeling_are_a_guess(tmp_path: Path) -> None:
    """Rules are tried on names: what is dropped is gone, what is added is there, and it is said that nobody knows."""
    rules = "relabel: [{action: labeldrop, regex: meter}, {target_label: team, replacement: energy}]"
    (job,) = watched(tmp_path, CONFIG.replace("RELABEL", rules)).jobs
    (metric,) = job.metrics
    assert set(metric.labels) == {"place", "region", "team"}
    assert not metric.knows_labels
