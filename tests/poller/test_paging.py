"""A window that comes in pages is used whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.poller.jobs import STEP, TOTAL
from tests.poller.stage import Stage
from tests.request.paging.api import Ask, PagedApi, Reply, served
from timepoint.config import load_config
from timepoint.job import Job, Workload
from timepoint.poller.runner import Runner
from timepoint.request.fetch import HttpFetcher
from timepoint.request.politeness.gate import Gate
from timepoint.request.spec import SourceSpec
from timepoint.testing import fake_surroundings

CONFIG = """
sources:
  api: {{url: "{url}", attempts: 1}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    request:
      get: {path}
      params: {{start: "{{window.start}}", end: "{{window.end}}"}}
      paging: {paging}
    window: {{step: 5m, delay: 10m}}
    expect: {expect}
    rows: {{r: "$.data[*]"}}
    time: {{at: $r.t, interval: 5m, format: unix_ms}}
    labels: {{pod: $r.pod}}
    metrics:
      energy_joules_total: {{type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 0s{more}}}
"""
CURSOR = "{cursor: {path: $.next, param: cursor}}"
OFFSET = "{offset: {param: offset}, rows: $.data}"
END = 1_767_260_700_000  # 2026-01-01T09:45:00Z, less than the window's end


def energy(count: int, end: int = END) -> list[dict[str, Any]]:
    """So many rows of one pod, one for each timepoint before an instant."""
    times = range(end - count * STEP, end, STEP)
    return [{"id": f"r{number}", "pod": "a", "t": time, "v": 1} for number, time in enumerate(times)]


async def run(
    stage: Stage, directory: Path, api: PagedApi, paging: str = CURSOR, *, expect: str = "{}", more: str = ""
) -> int:
    """One run of the job on a real server; gives the exit code."""
    async with served(api) as url:
        path = directory / "paged.yaml"
        kind = paging.partition(":")[0].strip("{")
        path.write_text(CONFIG.format(url=url, path=f"/{kind}", paging=paging, expect=expect, more=more))
        [job] = load_config(path, {}).jobs
        job = replace(job, window=replace(job.window, initial=12 * 3_600_000))
        return await runner(stage, job).run_once(force=True)


def runner(stage: Stage, job: Job) -> Runner:
    """A runner that asks over real sockets."""
    around = fake_surroundings(stage.published, stage.clock, stage.source, stage.store)

    def opening(source: SourceSpec, gate: Gate) -> HttpFetcher:
        return HttpFetcher(source, stage.clock, sleep=stage.clock.sleep, gate=gate)

    return Runner(Workload((job,)), replace(around, open_fetcher=opening))


async def test_the_pages_of_a_window_are_one_answer(stage: Stage, tmp_path: Path) -> None:
    """Each row of each page counts once."""
    api = PagedApi(energy(40), size=7)
    assert await run(stage, tmp_path, api) == 0
    assert len(api.asked) == 6
    assert stage.samples()[TOTAL] == 40


async def test_an_error_on_the_seventh_page_uses_nothing_of_the_window(stage: Stage, tmp_path: Path) -> None:
    """The next run asks for the same window from its first page, and then everything counts once."""
    api = PagedApi(energy(40), size=5, plan=lambda number, _ask: Reply(status=500) if number == 7 else None)
    assert await run(stage, tmp_path, api) == 1
    assert stage.status()["outcome"] == "source_error"
    assert "page 7: source api" in stage.status()["reason"]
    assert stage.store.load("pods", "").watermark is None  # nothing was committed
    assert await run(stage, tmp_path, api) == 0
    starts = {ask.query["start"] for ask in api.asked}
    assert len(starts) == 1
    assert stage.samples()[TOTAL] == 40


async def test_u7_a_row_on_two_pages_counts_once(stage: Stage, tmp_path: Path) -> None:
    """Rows that come in front while the pages are read move others over the border of a page."""

    def before(api: PagedApi, number: int) -> None:
        if number in (2, 4):
            api.rows.insert(0, {"id": f"n{number}", "pod": "b", "t": END - number * STEP, "v": 1})

    api = PagedApi(energy(30), size=6, before=before)
    assert await run(stage, tmp_path, api, OFFSET) == 0
    assert stage.samples()[TOTAL] == 30


async def test_one_row_twice_with_another_value_is_told(stage: Stage, tmp_path: Path) -> None:
    """Two pages that contradict each other are a reject, as within one answer; the first value counts."""
    api = PagedApi([*energy(5), {**energy(5)[0], "v": 3}], size=5)
    assert await run(stage, tmp_path, api) == 0
    assert stage.samples()[TOTAL] == 5
    assert sum(stage.status()["rejects"]["counts"].values()) == 1


async def test_u5_expect_holds_for_each_page(stage: Stage, tmp_path: Path) -> None:
    """An error document under 200 in the middle fails the window, which is not used up to it."""

    def plan(number: int, _ask: Ask) -> Reply | None:
        return Reply({"error": "too much", "data": []}) if number == 3 else None

    api = PagedApi(energy(30), size=6, plan=plan)
    assert await run(stage, tmp_path, api, expect="{absent: [$.error]}") == 1
    assert "page 3: " in stage.status()["reason"]
    assert "$.error must be absent" in stage.status()["reason"]
    assert TOTAL not in stage.samples()


async def test_an_error_behind_the_last_row_is_told(stage: Stage, tmp_path: Path) -> None:
    """An error document without rows does not pass for the page behind the last one."""

    def plan(number: int, _ask: Ask) -> Reply | None:
        return Reply({"error": "too much", "data": []}) if number == 3 else None

    api = PagedApi(energy(30), size=6, plan=plan)
    assert await run(stage, tmp_path, api, OFFSET, expect="{absent: [$.error]}") == 1
    assert "$.error must be absent" in stage.status()["reason"]


async def test_the_page_behind_the_last_row_needs_nothing_present(stage: Stage, tmp_path: Path) -> None:
    """What must be in an answer need not be in a page that is asked for only to learn that it is empty."""
    api = PagedApi(energy(12), size=6)
    expect = "{present: [$.data], equal: {'$.data[0].pod': a}}"
    assert await run(stage, tmp_path, api, OFFSET, expect=expect) == 0
    assert stage.samples()[TOTAL] == 12


async def test_the_first_page_needs_what_must_be_present(stage: Stage, tmp_path: Path) -> None:
    """A window without any row is what ``expect`` was written for."""
    assert await run(stage, tmp_path, PagedApi([]), OFFSET, expect="{present: [$.data]}") == 1
    assert "$.data must be present" in stage.status()["reason"]


@pytest.mark.parametrize(("rows", "code"), [(6, 1), (5, 0)])
async def test_an_answer_that_was_cut_uses_nothing(stage: Stage, tmp_path: Path, rows: int, code: int) -> None:
    """A full page where there is no paging leaves the watermark where it was."""
    api = PagedApi([], plan=lambda _number, _ask: Reply({"data": energy(rows)}))
    paging = "{one_page: {}, rows: $.data, limit: 6}"
    assert await run(stage, tmp_path, api, paging) == code
    assert (stage.store.load("pods", "").watermark is None) == bool(code)
