"""How the lanes of a job are told: freshness, doctor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.poller.fanned import Zones, fan_job
from tests.poller.stage import Stage
from timepoint.clock import MINUTE
from timepoint.datadir import Layout
from timepoint.doctor.look import examine_directory
from timepoint.doctor.words import text_lines
from timepoint.ledger.store import open_store
from timepoint.model import Outcome
from timepoint.poller.freshness import Freshness, Rhythm
from timepoint.poller.report import LanesStanding, MetricStanding, RunReport
from timepoint.poller.tally import JobTally

RHYTHM = Rhythm(period=30 * MINUTE, timeout=10 * MINUTE, step=5 * MINUTE)
NOW = 600 * MINUTE
LAST, BEFORE, LONG_AGO = NOW, NOW - 30 * MINUTE, NOW - 300 * MINUTE


def word(accepted: dict[int, tuple[int, int]], outcome: Outcome, *, committed: int = 1) -> Freshness:
    """The word of a metric after a run that left the lanes so; values are shown for two hours."""
    metric = MetricStanding(3, NOW - MINUTE, None, 120 * MINUTE, oldest=NOW - MINUTE)
    tally = JobTally("pods", RHYTHM, due=NOW, next_begin=NOW + 30 * MINUTE)
    report = RunReport("pods", NOW, NOW, committed=committed, standing={"x": metric})
    failing = sum(bad for _, bad in accepted.values())
    report.lanes_standing = LanesStanding(3, failing, accepted)
    tally.accepted = NOW
    tally.add(report.close(outcome))
    return tally.freshness()["x"][0].state


@pytest.mark.parametrize(
    ("accepted", "outcome", "expected"),
    [
        ({LAST: (3, 0)}, Outcome.OK, Freshness.FRESH),
        ({LAST: (2, 0), BEFORE: (1, 1)}, Outcome.PARTIAL, Freshness.STALE),
        ({LAST: (2, 0), BEFORE: (1, 0)}, Outcome.PARTIAL, Freshness.LATE),
        ({LAST: (2, 0), LONG_AGO: (1, 1)}, Outcome.PARTIAL, Freshness.FRESH),
    ],
    ids=["all good", "one fails", "one was not reached", "one is long gone from the page"],
)
def test_a_metric_is_as_fresh_as_what_is_shown_of_it(
    accepted: dict[int, tuple[int, int]], outcome: Outcome, expected: Freshness
) -> None:
    """The lane that is furthest behind among those on the page says how fresh it is."""
    assert word(accepted, outcome) is expected


def test_a_run_that_fails_as_a_whole_is_stale() -> None:
    """Without a list, or with a source that is down for all, no lane has tried."""
    assert word({BEFORE: (3, 0)}, Outcome.SOURCE_ERROR, committed=0) is Freshness.STALE


class Scene:
    """A data directory that a job with a discovery has filled."""

    def __init__(self, directory: Path) -> None:
        self.layout = Layout(directory / "data")
        self.layout.path.mkdir(mode=0o700)
        self.api = Zones()
        self.stage = Stage(self.layout.path)
        self.stage.source.answer = self.api
        self.job = fan_job(directory, '{zone: {request: {get: /zones}, values: "$[*]", every: 10m}}')

    async def run(self, *zones: str) -> None:
        """A life of the exporter, with one run, while the API lists these."""
        self.api.listed = list(zones)
        self.stage.store = open_store(self.layout.ledger)
        async with self.stage.running(replace(self.job)):
            await self.stage.clock.advance(minutes=30)

    def told(self) -> str:
        report = examine_directory(self.layout.path, [self.job], self.stage.clock.now())
        return "\n".join(text_lines(report))


async def test_doctor_finds_a_fan_out_well(tmp_path: Path) -> None:
    """The page is what the listed lanes render to, also after one has left with the newest commit of all."""
    scene = Scene(tmp_path)
    await scene.run("AT", "DE", "FR")
    assert "FAIL" not in scene.told()
    scene.api.broken = {"AT", "DE"}
    await scene.run("AT", "DE")
    told = scene.told()
    assert "FAIL" not in told
    assert "lane zone=FR" in told


async def test_doctor_sums_up_many_lanes(tmp_path: Path) -> None:
    """Of many lanes those that are furthest behind are told one by one."""
    scene = Scene(tmp_path)
    scene.api.broken = {"Z3"}
    await scene.run(*(f"Z{number}" for number in range(8)))
    told = scene.told()
    assert "8 lanes: 1 without an answer to their newest request, 1 without any" in told
    assert told.count("    lane zone=") == 5
    assert "lane zone=Z3" in told
