"""Answers with too few series, too many, or odd labels, from the request to the page."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.poller.bench import Bench
from tests.poller.jobs import http_job, ones
from timepoint.model import Outcome, Window, split_series_text
from timepoint.request.answer import Answer
from timepoint.testing import published_page, read_samples


def pods(window: Window, count: int) -> list[dict[str, Any]]:
    """The ordinary answer for so many pods."""
    return [{**row, "pod": f"pod-{number}"} for number in range(count) for row in ones(window)]


async def test_an_answer_without_series_is_refused_once_and_asked_again(bench: Callable[..., Bench]) -> None:
    """The page and the watermark stay; the next run asks for both windows, so nothing is lost."""
    made = bench(lambda window: pods(window, 12))
    await made.run()
    made.source.answer = lambda _: []
    await made.clock.advance(minutes=30)
    report = await made.run()
    assert (report.outcome, report.reason, report.is_refused) == (Outcome.SOURCE_ERROR, "expect", True)
    assert "0 series in the answer, 12 on the page" in report.error
    assert len([name for name in made.samples() if name.startswith("energy")]) == 12
    made.source.answer = lambda window: pods(window, 12)
    await made.clock.advance(minutes=30)
    report = await made.run()
    assert (report.outcome, report.counts.new) == (Outcome.OK, 12 * 12)


async def test_a_change_that_stays_is_believed(bench: Callable[..., Bench]) -> None:
    """After one refusal in a row an empty answer empties the page and moves the watermark."""
    made = bench(lambda window: pods(window, 12))
    await made.run()
    made.source.answer = lambda _: []
    await made.clock.advance(minutes=30)
    report = await made.run(refused=1)
    assert report.outcome is Outcome.EMPTY
    assert not [name for name in made.samples() if name.startswith("energy")]


async def test_a_status_that_means_nothing_there_is_believed_at_once(bench: Callable[..., Bench]) -> None:
    """Who says in the config what an empty answer looks like need not be asked twice."""
    made = bench(lambda window: pods(window, 12))
    await made.run()
    made.source.answer = lambda _: Answer(404, "", b"", "https://fake.example/", empty=True)
    await made.clock.advance(minutes=30)
    assert (await made.run()).outcome is Outcome.EMPTY


async def test_a_hole_in_the_data_does_not_hold_up_a_catch_up(bench: Callable[..., Bench]) -> None:
    """A run that is to be believed is believed in all its windows, or each of them would cost two runs."""
    made = bench(lambda window: pods(window, 12), max_span="5m")
    await made.run()
    made.source.answer = lambda _: []
    await made.clock.advance(hours=2)
    assert (await made.run()).is_refused
    report = await made.run(refused=1)
    assert (report.outcome, report.committed) == (Outcome.EMPTY, 24)


def with_budget(directory: Path, answer: Callable[[Window], Any], **budget: Any) -> Bench:
    """A pipeline whose job, or whose metric, has a budget."""
    job = http_job(directory)
    [(name, spec)] = job.metrics.items()
    sums = budget.pop("sums_overflow", False)
    metrics = {name: replace(spec, sums_overflow=sums)}
    return Bench(directory, replace(job, metrics=metrics, **budget), answer)


async def test_a_flood_of_new_series_costs_the_existing_ones_nothing(tmp_path: Path) -> None:
    """Page and ledger stay within the budget; the report names the label that makes them so many (A17, P10)."""
    made = with_budget(tmp_path, lambda window: pods(window, 3), max_series=5)
    await made.run()
    made.source.answer = lambda window: [*pods(window, 500)[::-1], *pods(window, 3)]
    await made.clock.advance(minutes=30)
    report = await made.run()
    samples = {name: value for name, value in made.samples().items() if name.startswith("energy")}
    assert report.outcome is Outcome.OK
    assert len(samples) == 5
    assert [samples[f'energy_joules_total{{pod="pod-{number}"}}'] for number in range(3)] == [12, 12, 12]
    assert report.rejects.counts["series_budget"] == 495
    assert "the label pod has 495 values" in report.rejects.examples["series_budget"][0]


async def test_the_overflow_keeps_the_sum_of_a_counter(tmp_path: Path) -> None:
    """With one series for the rest, the sum over the page is the sum of the answer, run after run (A17)."""
    made = with_budget(tmp_path, lambda window: pods(window, 40), max_series=5, sums_overflow=True)
    for _ in range(2):
        await made.run()
        await made.clock.advance(minutes=30)
    samples = {name: value for name, value in made.samples().items() if name.startswith("energy")}
    assert len(samples) == 6
    assert sum(samples.values()) == 2 * 6 * 40


ODD = {
    "quotes": 'say "hi" \\ and\nmore',
    "controls": "a\x00b\x1bc\x7f\x9bd\re",
    "half a surrogate pair": "\ud83d and \udc00",
    "line separators": "a\u2028b\u2029c\x85",
    "right to left": "\u202eabc\u200f",
    "long": "é" * 1_000_000,
    "long and odd": '"\\\n\x00' * 100_000,
}


async def test_p9_odd_label_values_cost_nothing_but_themselves(bench: Callable[..., Bench], promtool: str) -> None:
    """Whatever an API sends as text: the page is whole, UTF-8, as Prometheus wants it, and holds every pod once."""
    made = bench(lambda window: [{**row, "pod": text} for text in (*ODD.values(), "plain") for row in ones(window)])
    report = await made.run()
    assert (report.outcome, report.rejects.total) == (Outcome.OK, 0)
    page = published_page(made.published, made.clock.now())
    check = partial(subprocess.run, [promtool, "check", "metrics"], input=page.encode(), capture_output=True)
    checked = await asyncio.to_thread(check)
    assert (checked.returncode, len(checked.stderr)) == (0, 0)
    labels = [split_series_text(name.removeprefix("energy_joules_total"))[1]["pod"] for name in read_samples(page)]
    assert len(labels) == len(ODD) + 1
    assert max(map(len, labels)) == 256
    assert not any(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", label) for label in labels)
    assert labels[0] == ODD["quotes"]
