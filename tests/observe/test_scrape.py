"""The scrape job is one that Prometheus takes, and that fits the config."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observe.support import SECOND, demo, watched
from timepoint.clock import MINUTE
from timepoint.observe.facts import Watched
from timepoint.observe.scrape import ScrapeOptions, scrape_text, too_slow

PLAIN = ScrapeOptions("timepoint.example:8080", "timepoint")

BODY = """\
sources: {api: {url: "http://127.0.0.1:9"}}
jobs:
  waits:
    source: api
    every: 1m
    request: {get: /}
    max_series: 500
    rows: {r: "$[*]"}
    labels: {LABELS}
    metrics:
      waits_total: {type: counter, temporality: cumulative, help: Waits., value: $r.n, zero_first: 20s}
      MORE
"""


def job(watched: Watched, options: ScrapeOptions = PLAIN) -> dict[str, Any]:
    """The scrape job as Prometheus reads it."""
    [only] = yaml.safe_load(scrape_text(watched, options))["scrape_configs"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize(
    "options",
    [
        PLAIN,
        ScrapeOptions("[::1]:8080", "time: point", "/x#y", tls=True, basic_auth=True),
    ],
)
def test_prometheus_takes_it(options: ScrapeOptions, tmp_path: Path, promtool: str) -> None:
    """``promtool check config`` accepts it, odd names and all."""
    path = tmp_path / "prometheus.yml"
    path.write_text(scrape_text(demo(), options))
    result = subprocess.run([promtool, "check", "config", path], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    [written] = yaml.safe_load(path.read_text())["scrape_configs"]
    assert (written["job_name"], written["metrics_path"]) == (options.scrape_job, options.path)
    assert written["static_configs"] == [{"targets": [options.target]}]


def test_labels_of_the_data_are_honoured(tmp_path: Path) -> None:
    """Whatever else is said, ``honor_labels`` is true."""
    assert job(demo())["honor_labels"] is True
    assert job(watched(tmp_path))["honor_labels"] is True


def test_the_interval_is_half_of_the_shortest_zero(tmp_path: Path) -> None:
    """Half a minute, or less where a new counter shows its zero for less than a minute."""
    assert job(watched(tmp_path))["scrape_interval"] == "30s"
    text = BODY.replace("LABELS", "").replace("MORE", "")
    assert job(watched(tmp_path, text))["scrape_interval"] == "10s"


def test_limits_are_what_the_config_can_come_to(tmp_path: Path) -> None:
    """Samples by ``max_series``, labels by the mapping with room for those of the target, values by their cut (S6)."""
    text = BODY.replace("LABELS", "a: $r.a, b: $r.b").replace("MORE", "")
    limits = job(watched(tmp_path, text))
    assert limits["sample_limit"] == 1000
    assert limits["label_limit"] == 21
    assert limits["label_value_length_limit"] == 1024


def test_a_histogram_counts_with_all_its_buckets(tmp_path: Path) -> None:
    """Two bounds are five samples of each series (S6)."""
    metric = "wait_seconds: {type: histogram, temporality: delta, help: Waits., value: $r.w, bounds: [1, 60]}"
    text = BODY.replace("LABELS", "").replace("MORE", metric)
    assert job(watched(tmp_path, text))["sample_limit"] == 3000


@pytest.mark.parametrize(
    ("labels", "more", "missing"),
    [
        ('"*": $r.tags', "", "label_limit"),
        ("", "x_seconds: {type: summary, temporality: cumulative, help: X., count: $r.c, sum: $r.s, quantiles: $r.q}",
         "sample_limit"),
    ],
)  # fmt: skip
def test_what_the_data_decide_has_no_limit(labels: str, more: str, missing: str, tmp_path: Path) -> None:
    """A limit that the config cannot know is left out, since a scrape beyond it fails as a whole."""
    text = BODY.replace("LABELS", labels).replace("MORE", more)
    assert missing not in job(watched(tmp_path, text))


def test_doors_are_written_if_they_are_asked_for() -> None:
    """TLS and a password have their places, and none without the wish."""
    assert not {"scheme", "tls_config", "basic_auth"} & job(demo()).keys()
    asked = job(demo(), ScrapeOptions("t:1", "timepoint", tls=True, basic_auth=True))
    assert asked["scheme"] == "https"
    assert {"tls_config", "basic_auth"} <= asked.keys()


def test_an_interval_that_loses_increments_is_told(tmp_path: Path) -> None:
    """More than half of zero_first, or than PromQL bears, is a warning with the reason."""
    assert too_slow(demo(), 2 * SECOND) == ""
    assert "pod_co2_grams_total" in too_slow(demo(), 3 * SECOND)
    text = BODY.replace("LABELS", "").replace("MORE", "").replace("zero_first: 20s", "zero_first: 0s")
    assert "looks back 5m" in too_slow(watched(tmp_path, text), 3 * MINUTE)
