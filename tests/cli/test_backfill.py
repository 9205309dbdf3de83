"""``timepoint backfill``: what it says, and with which exit code it ends."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from timepoint.cli.backfill import backfill

CONFIG = """
    sources:
      api: {url: http://127.0.0.1:9}
    remote_write:
      - {name: vm, url: "http://127.0.0.1:9/api/v1/write", out_of_order: 10y}
    jobs:
      pods:
        source: api
        every: 30m
        request: {get: /pods, params: {start: "{window.start}", end: "{window.end}"}}
        window: {step: 5m, delay: 10m}
        rows: {pod: "$.pods[*]"}
        metrics:
          x_total: &x
            type: counter
            temporality: delta
            help: Amounts.
            value: $pod.x
            time: {start: "{window.start}", step: 5m}
            labels: {pod: $pod.name}
      now:
        source: api
        every: 30m
        request: {get: /now}
        metrics:
          y: {type: gauge, help: Now., value: $.y}
    """


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config of two jobs, one of which has no past."""
    path = tmp_path / "config.yaml"
    path.write_text(dedent(CONFIG), encoding="utf-8")
    return path


def call(config: Path, *arguments: str) -> Result:
    """One call, with a data directory in which nobody ever polled."""
    return CliRunner().invoke(backfill, [str(config), "--data-dir", str(config.parent / "data"), *arguments])


def test_a_dry_run_says_what_would_be_asked(config: Path) -> None:
    """It tells windows, requests and what is left out, asks nothing and writes nothing."""
    before = set(config.parent.iterdir())
    result = call(
        config, "--from", "2026-01-01", "--to", "2026-01-08", "--openmetrics", str(config.parent / "out"), "--dry-run"
    )
    assert result.exit_code == 0, result.output
    assert "job now is left out: its request does not name a window" in result.stderr
    assert "job pods: 2026-01-01T00:00:00Z to 2026-01-08T00:00:00Z: 7 windows, 7 requests or more" in result.stderr
    assert set(config.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--to", "2026-01-02"], "say where history goes"),
        (["--openmetrics", "a", "--json-lines", "b"], "say where history goes"),
        (["--to", "2025-01-01", "--openmetrics", "a"], "--from must be before --to"),
        (["--openmetrics", "a", "--job", "pod"], "there is no job 'pod'; the jobs are pods, now"),
        (["--openmetrics", "a", "--metric", "z"], "there is no metric 'z'; the metrics are x_total, y"),
        (["--openmetrics", "a", "--metric", "y"], "no job of the config names a window"),
        (["--receiver", "prom"], "there is no receiver 'prom' in remote_write; there is vm"),
        (["--openmetrics", "a", "--label", "1=2"], "'1=2' is no label: write it like instance=exporter:8080"),
        (["--openmetrics", "a", "--share", "0"], "0.0 is not in the range 0<x<=1"),
    ],
)
def test_a_wrong_command_line_is_told(config: Path, arguments: list[str], told: str) -> None:
    """Nothing was started, the exit code is 2, and a sentence says what is wrong."""
    result = call(config, "--from", "2026-01-01", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr


def test_without_live_polling_an_end_is_asked_for(config: Path) -> None:
    """Nobody guesses where history ends; the exit code is 1."""
    result = call(config, "--from", "2026-01-01", "--job", "pods", "--openmetrics", str(config.parent / "out"))
    assert result.exit_code == 1
    assert "start the exporter first, and history is loaded up to where it began; or say --to" in result.stderr


def test_a_job_that_is_named_and_has_no_past_is_an_error(config: Path) -> None:
    """It is not left out quietly."""
    result = call(
        config, "--from", "2026-01-01", "--to", "2026-01-02", "--job", "now", "--openmetrics", "out", "--dry-run"
    )
    assert result.exit_code == 1
    assert "job now: its request does not name a window" in result.stderr
