"""Two jobs that come to one series, and send it to a receiver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.poller.jobs import STEP, http_job
from tests.poller.stage import Stage
from timepoint.job import Job
from timepoint.model import Outcome, Receiver, Window

CENTRAL = (Receiver("central", is_strict=True),)


def sending(directory: Path, name: str, receivers: tuple[Receiver, ...] = CENTRAL) -> Job:
    """A job of which each timepoint goes to a receiver."""
    job = http_job(directory, name)
    return replace(job, metrics={of: replace(spec, receivers=receivers) for of, spec in job.metrics.items()})


def rows(window: Window, *pods: str) -> list[dict[str, Any]]:
    """One timepoint with the value 1 for each step of a window."""
    return [{"pod": pod, "t": start, "v": 1} for pod in pods for start in range(window.start, window.end, STEP)]


def sent(stage: Stage) -> dict[str, list[float]]:
    """The values that wait for the receiver, by pod, in their order."""
    found: dict[str, list[float]] = {}
    for row in stage.store.outbox.oldest("central", 1000):
        found.setdefault(dict(row.series.labels)["pod"], []).append(row.value)
    return found


async def test_c8_a_series_that_another_job_sends_is_a_reject(stage: Stage, tmp_path: Path) -> None:
    """C8: what the receiver gets is the series of one job, not a mixture; the other says whose it is."""
    one, two = sending(tmp_path, "one"), sending(tmp_path, "two")
    stage.source.answer = lambda window: rows(window, "a")
    async with stage.running(one, two) as runner:
        await stage.clock.advance(minutes=30)
        outcomes = {name: tally.last.outcome for name, tally in runner.tallies.items() if tally.last is not None}
        rejects = [tally.last.rejects for name, tally in runner.tallies.items() if tally.last is not None]
    assert sent(stage) == {"a": [float(number) for number in range(13)]}
    assert sorted(outcomes.values()) == [Outcome.MAPPING_ERROR, Outcome.OK]
    (told,) = [each for each in rejects if each.total]
    assert set(told.counts) == {"other_job"}
    assert "sends it" in str(told.examples)


async def test_c8_what_only_one_has_is_sent_by_it(stage: Stage, tmp_path: Path) -> None:
    """C8: series of the same metric that differ are not held back, and a restart does not change whose they are."""
    one, two = sending(tmp_path, "one"), sending(tmp_path, "two")
    answers = iter([("a", "b"), ("b", "c")] * 3)
    stage.source.answer = lambda window: rows(window, *next(answers))
    async with stage.running(one, two):
        await stage.clock.advance(minutes=30)
    async with stage.running(two, one):
        pass
    values = sent(stage)
    assert values.keys() == {"a", "b", "c"}
    assert all(each == [float(number) for number in range(13)] for each in values.values())


async def test_c8_a_series_that_left_one_job_may_go_on_in_another(stage: Stage, tmp_path: Path) -> None:
    """C8: once the job that had it has a run without it, the other sends it, from 0 as a series of its own."""
    one, two = sending(tmp_path, "one"), sending(tmp_path, "two")
    answers = iter([("a", "b"), ("c", "d"), ("a",), ("b", "c", "d")])
    stage.source.answer = lambda window: rows(window, *next(answers))
    async with stage.running(one, two):
        await stage.clock.advance(minutes=30)
    assert len(sent(stage)["b"]) > 7


async def test_jobs_that_are_scraped_share_a_series_as_before(stage: Stage, tmp_path: Path) -> None:
    """On a page the first by name shows it; what one job sends is nothing to one that is scraped."""
    one, two = sending(tmp_path, "one"), sending(tmp_path, "two", ())
    async with stage.running(one, two) as runner:
        assert {tally.last.outcome for tally in runner.tallies.values() if tally.last is not None} == {Outcome.OK}
