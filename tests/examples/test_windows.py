"""The windows of the examples fit the data: the newest point of a body is used by the first run that may use it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.examples.support import EXAMPLES, FIRE_TIME, load, own_body, run
from timepoint.ledger.change import RunFacts
from timepoint.ledger.decide import decide
from timepoint.ledger.shown import shown
from timepoint.ledger.state import LaneState
from timepoint.model import Window
from timepoint.request.window import plan_windows

NOT_ASKED_LIKE_THIS = {
    "opencost": "the body is about a week, the example asks hour by hour",
    "azure_monitor": "the body's grid begins where its window began, which was not on the hour",
}


def _names() -> list[str]:
    stems = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
    return [name for name in stems if name not in NOT_ASKED_LIKE_THIS]


@pytest.mark.parametrize("name", _names())
def test_newest_point_is_used(name: str) -> None:
    """A run that is the first after the newest point has settled counts it, or shows it."""
    (job,) = load(name).jobs
    mapped = run(name, own_body(name).read_bytes())
    # As if all of it were scraped: what is sent is decided by the same rules.
    metrics = {name: replace(spec, receivers=()) for name, spec in job.metrics.items() if not spec.horizons}
    for metric, spec in metrics.items():
        grids = [points.times for points in mapped.series[metric].values()]
        newest = max(times.ends[-1] for times in grids)
        is_instant = any(times.starts[-1] == times.ends[-1] == newest for times in grids)
        window = job.window
        step = window.longest_step or 1
        end = newest if newest == FIRE_TIME else -(-(newest + is_instant) // step) * step
        fire_time = end if newest == FIRE_TIME else end + window.delay
        period = max(job.schedule.every, window.longest_step)
        windows = plan_windows(window, job.schedule.every, fire_time, end - period)
        window_of_run = Window(windows[0].start, windows[-1].end)
        facts = RunFacts(
            fire_time=fire_time,
            window=window_of_run,
            now=fire_time,
            window_is_asked=job.window_is_asked,
            settled=fire_time - window.delay,
            overlap=window.overlap,
        )
        lane = LaneState(job.name, "")
        changes = decide(lane, mapped, {metric: spec}, facts)
        changes.commit = 1
        changes.apply(lane)
        (family,) = shown({metric: spec}, [lane], fire_time + spec.zero_first)
        assert sum(len(batch.values) for batch in family.batches) > 0
