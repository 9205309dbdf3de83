"""Small configs for the tests of this room, and the parts of what they come to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from timepoint.config import Config, load_config
from timepoint.errors import ConfigError
from timepoint.job import HttpPolling, Job
from timepoint.model import MetricSpec

POD_ENERGY = """
    sources:
      energy:
        url: https://energy.internal/api/v1
        authorization: {credentials_file: token}

    jobs:
      pod_energy:
        source: energy
        every: 30m
        request:
          get: /pods
          params: {start: "{window.start}", end: "{window.end}", step: 5m}
        window: {step: 5m, delay: 10m}
        rows:
          pod: "$.{cluster}.{app}.{namespace}[*]"
        metrics:
          pod_energy_joules_total:
            type: counter
            temporality: delta
            help: Energy consumed by the pod.
            value: $pod.energy_consumed
            time: {start: "{window.start}", step: 5m}
            unit: {from: Wh, to: joules}
            labels: {pod_name: $pod.name}
    """
SMALL = """
    sources:
      energy: {{url: https://energy.example/api{source}}}
    jobs:
      pods:
        source: energy
        {schedule}
        request: {request}
        {job}
        metrics:
          pods_running:
            type: gauge
            help: Pods that run.
            value: $.running
            {metric}
    """

KEY_AS_USER = 'basic_auth: {username_file: token, password: ""}'


def load(directory: Path, text: str, **environ: str) -> Config:
    """The config of a text, in a directory in which ``token`` is a file."""
    (directory / "token").write_text("abc")
    path = directory / "config.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load_config(path, environ)


def small(directory: Path, environ: Mapping[str, str] | None = None, **parts: str) -> Job:
    """The job of a small config, of which some parts are given."""
    standard = {"source": "", "schedule": "every: 30m", "request": "{get: /pods}", "job": "", "metric": ""}
    return load(directory, SMALL.format(**{**standard, **parts}), **(environ or {})).jobs[0]


def metric_of(job: Job) -> MetricSpec:
    """The one metric of a job."""
    (metric,) = job.metrics.values()
    return metric


def http_of(job: Job) -> HttpPolling:
    """The polling of a job from a file."""
    assert isinstance(job.polling, HttpPolling)
    return job.polling


def problems(directory: Path, text: str) -> list[str]:
    """What a user reads about a bad config, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(directory, text)
    return [f"{problem.line}: {problem.path}: {problem.message}" for problem in caught.value.problems]


def without_mapping(lines: list[str]) -> list[str]:
    """Without the words for paths, which belong to another room."""
    return [line.partition(": '$")[0] for line in lines]
