"""What tests of pipelines share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from tests.poller.jobs import http_job, ones
from tests.poller.stage import Stage
from timepoint.job import Job
from timepoint.model import Window


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    """Makes a pipeline of one job with these answers."""

    def make(answer: Callable[[Window], Any] = ones, **options: str) -> Bench:
        return Bench(tmp_path, http_job(tmp_path, **options), answer)

    return make


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """An empty stage at seven minutes past ten."""
    return Stage(tmp_path)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A half-hourly job."""
    return http_job(tmp_path)
