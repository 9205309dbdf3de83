"""What tests of pipelines share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from tests.poller.jobs import http_job, ones
from timepoint.model import Window


@pytest.fixture
def bench(tmp_path: Path) -> Callable[..., Bench]:
    """Makes a pipeline of one job with these answers."""

    def make(answer: Callable[[Window], Any] = ones, **options: str) -> Bench:
        return Bench(tmp_path, http_job(tmp_path, **options), answer)

    return make
