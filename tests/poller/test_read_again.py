"""What was passed over is read again: rows that were not final, and metrics whose mapping was wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.poller.bench import Bench
from timepoint.clock import HOUR, MINUTE
from timepoint.config import load_config
from timepoint.model import Outcome, Window

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 1h
    jitter: 0s
    request: {get: /pods, params: {start: "{window.start}", end: "{window.end}"}}
    window: {WINDOW}
    rows: {ROWS}
    time: {at: $r.t, interval: 30m, format: unix_ms}
    labels: {pod: $r.pod}
    zero_first: 0s
    metrics:
      energy_joules_total: {type: counter, temporality: delta, help: Energy., value: $r.v}
      cost_usd_total: {type: counter, temporality: delta, help: Cost., value: COST}
"""
ALL = 'r: "$[*]"'
FINAL = 'r: "$[?@.final == true]"'
STEP = 30 * MINUTE
ENERGY = 'energy_joules_total{pod="a"}'
COST = 'cost_usd_total{pod="a"}'


def with_config(b: Bench | Path, window: str, rows: str = ALL, cost: str = "$r.c") -> Bench:
    """A bench with this config; one that is there goes on with it, as after a restart. ``cost`` may be left out."""
    directory = b if isinstance(b, Path) else b.published.parent
    path = directory / "config.yaml"
    text = CONFIG.replace("WINDOW", window).replace("ROWS", rows)
    path.write_text(text.replace("COST", cost) if cost else text[: text.index("      cost_usd_total")])
    [job] = load_config(path, {}).jobs
    if isinstance(b, Path):
        return Bench(directory, job, lambda _: [])
    b.job = job
    b.restart()
    return b


def finishing(b: Bench, after: int) -> Any:
    """Rows that are final so long after their end; until then their value is wrong."""

    def answer(window: Window) -> list[dict[str, Any]]:
        now = b.clock.now()
        return [
            {"pod": "a", "t": t, "v": 1 if t + STEP + after <= now else 9, "c": 1, "final": t + STEP + after <= now}
            for t in range(window.start, window.end, STEP)
        ]

    return answer


@pytest.mark.parametrize("hours", [0, 1, 3])
async def test_rows_count_once_when_they_become_final(tmp_path: Path, hours: int) -> None:
    """With an overlap as long as rows take to become final, and one period, none is missed and none counts early."""
    b = with_config(tmp_path, f"step: 30m, overlap: {hours + 1}h", FINAL)
    b.source.answer = finishing(b, hours * HOUR)
    late = 0
    first = b.clock.now() - HOUR
    for _ in range(8):
        report = await b.run()
        assert (report.failed, report.rejects.total, report.counts.revised) == (False, 0, 0)
        late += report.counts.late
        final = max(0, (b.clock.now() - hours * HOUR - first) // STEP)
        assert b.samples().get(ENERGY, 0) == final
        await b.clock.advance(hours=1)
    assert bool(late) == bool(hours)


async def test_rows_that_become_final_beyond_the_overlap_are_missed(tmp_path: Path) -> None:
    """The overlap is what it takes: without the period on top a row falls out before it is final."""
    b = with_config(tmp_path, "step: 30m, overlap: 2h", FINAL)
    b.source.answer = finishing(b, 3 * HOUR)
    for _ in range(8):
        await b.run()
        await b.clock.advance(hours=1)
    assert ENERGY not in b.samples()


@pytest.mark.parametrize("window", ["step: 30m", "step: 30m, max_span: 1h", "step: 30m, overlap: 1h"])
async def test_a_misspelt_metric_is_read_again_once_it_is_mended(tmp_path: Path, window: str) -> None:
    """Its window is done, and the reject says so in each run; an overlap brings it back, and doubles nothing."""
    b = with_config(tmp_path, window, cost="$r.costs")
    b.source.answer = finishing(b, 0)
    for hours in range(1, 5):
        report = await b.run()
        assert (report.outcome, set(report.rejects.counts)) == (Outcome.OK, {"no_such_node"})
        assert b.samples() == {ENERGY: 2 * hours}
        await b.clock.advance(hours=1)
    mended = window.replace(", overlap: 1h", "") + ", overlap: 5h"
    await with_config(b, mended).run()
    assert b.samples() == {ENERGY: 10, COST: 10}
    with_config(b, window)
    await b.clock.advance(hours=1)
    await b.run()
    assert b.samples() == {ENERGY: 12, COST: 12}


async def test_a_metric_that_was_misspelt_by_an_edit_is_read_again(tmp_path: Path) -> None:
    """It had counted before; what lies between is known not to be counted."""
    b = with_config(tmp_path, "step: 30m")
    b.source.answer = finishing(b, 0)
    for cost in ("$r.c", "$r.c", "$r.costs", "$r.costs"):
        await with_config(b, "step: 30m", cost=cost).run()
        await b.clock.advance(hours=1)
    assert b.samples() == {ENERGY: 8}
    await with_config(b, "step: 30m, max_span: 1h, overlap: 4h").run()
    assert b.samples() == {ENERGY: 10, COST: 10}


async def test_a_window_of_what_is_too_old_alone_is_no_failure(tmp_path: Path) -> None:
    """It would stay open, and be asked for again for ever."""
    b = with_config(tmp_path, "step: 30m")
    b.source.answer = finishing(b, 0)
    for _ in range(4):
        await b.run()
        await b.clock.advance(hours=1)
    report = await with_config(b, "step: 30m, max_span: 1h, overlap: 4h").run()
    assert (report.outcome, report.rejects.counts) == (Outcome.OK, {"too_old": 14})
    assert b.samples() == {ENERGY: 10, COST: 10}


async def test_a_metric_that_is_added_gets_its_past(tmp_path: Path) -> None:
    """An overlap reads what was there before, as far back as nothing else was asked for earlier."""
    b = with_config(tmp_path, "step: 30m, initial: 4h", cost="")
    b.source.answer = finishing(b, 0)
    await b.run()
    assert b.samples() == {ENERGY: 8}
    await b.clock.advance(hours=1)
    await with_config(b, "step: 30m, overlap: 4h").run()
    assert b.samples() == {ENERGY: 10, COST: 10}
