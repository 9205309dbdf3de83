"""Schedules under a clock that drifts, and of very many jobs at once."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.poller.jobs import TOTAL
from tests.poller.stage import Stage
from timepoint.clock import HOUR, MINUTE
from timepoint.job import Job, ScheduleSpec
from timepoint.poller.schedule import begin_of, next_fire

HOURS = 4


@pytest.mark.parametrize("drift", [0.01, -0.01])
async def test_k3_a_clock_that_drifts_passes_over_and_doubles_no_run(stage: Stage, job: Job, drift: float) -> None:
    """K3: with a clock that is a hundredth too fast or too slow, each fire time of this clock has one run, in time."""
    async with stage.running(job) as runner:
        begun, windows = stage.clock.now(), len(stage.source.windows)
        while stage.clock.now() < begun + HOURS * HOUR:
            await stage.clock.advance(seconds=60)
            stage.clock.jump(60 * drift)
            due = (stage.clock.now() - 70_000) // (30 * MINUTE) - begun // (30 * MINUTE)
            assert len(stage.source.windows) - windows >= due
        fired = stage.clock.now() // (30 * MINUTE) - begun // (30 * MINUTE)
        assert runner.tallies["pods"].runs == 1 + fired
        assert runner.tallies["pods"].failures == {}
        newest = stage.source.windows[-1].end
    # One joule for each five minutes, each once, from the first window to the last.
    assert stage.samples()[TOTAL] == (newest - stage.source.windows[0].start) / (5 * MINUTE)


def test_c9_ten_thousand_jobs_are_spread_over_a_minute() -> None:
    """C9: jobs that all fire at second 0 begin within the tenth of their period, none of its seconds takes many."""
    at = 1_750_000_200_000 // (10 * MINUTE) * (10 * MINUTE)
    spec = ScheduleSpec(every=10 * MINUTE)
    names = [f"job-{number}" for number in range(10_000)]
    assert {next_fire(spec, name, at - 1) for name in names} == {at}
    starts = [begin_of(spec, name, at) for name in names]
    by_second = Counter((start - min(starts)) // 1000 for start in starts)

    assert max(starts) - min(starts) <= MINUTE
    assert len(by_second) >= 59
    assert max(by_second.values()) < 3 * 10_000 / 60
