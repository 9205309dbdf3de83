"""What the tests of the examples share: where they are, how one is loaded and run on a body."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT
from timepoint.config.load import Config, load_config
from timepoint.job import HttpPolling
from timepoint.mapping.engine import RunContext
from timepoint.model import MappedRun, Window, split_series_text
from timepoint.request.answer import Answer
from timepoint.request.decode import decode

EXAMPLES = ROOT / "examples"
FIRE_TIME = 1_800_000_000_000
ENVIRON = {
    "ALPHAVANTAGE_API_KEY": "key",
    "AZURE_SUBSCRIPTION": "00000000-0000-0000-0000-000000000000",
    "AZURE_WORKSPACE": "00000000-0000-0000-0000-000000000000",
    "EIA_API_KEY": "key",
    "ENTSOE_TOKEN": "token",
    "GCP_PROJECT": "project",
    "OCTOPUS_MPAN": "1",
    "OCTOPUS_SERIAL": "2",
    "SOLAREDGE_API_KEY": "key",
    "SOLAREDGE_SITE": "1",
}

Points = dict[tuple[str, frozenset[tuple[str, str]]], dict[tuple[int, int], float]]


def load(name: str) -> Config:
    """The config of an example."""
    return load_config(EXAMPLES / f"{name}.yaml", ENVIRON)


def body_of(name: str, shared: Path) -> bytes:
    """The real body that belongs to an example, whatever its format."""
    (path,) = (shared / "payloads").glob(f"{name}.*")
    return path.read_bytes()


def run(name: str, body: bytes) -> MappedRun:
    """The only job of an example, on one body."""
    (job,) = load(name).jobs
    assert isinstance(job.polling, HttpPolling)
    answer = Answer(200, "application/json", body, "https://api.example/")
    run = job.polling.mapping.start(RunContext(Window(0, FIRE_TIME), FIRE_TIME))
    run.add(decode(answer, job.polling.request))
    return run.finish()


def produced(mapped: MappedRun) -> Points:
    """The values of a run by metric, labels and interval."""
    points: Points = {}
    for name, series in mapped.series.items():
        for text, of_series in series.items():
            times = of_series.times
            points[name, frozenset(split_series_text(text)[1].items())] = dict(
                zip(zip(times.starts, times.ends, strict=True), of_series.values, strict=True)
            )
    return points
