"""Runs of jobs whose answers are transformed before they are mapped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.poller.bench import Bench
from timepoint.config import load_config
from timepoint.errors import ConfigError
from timepoint.model import Outcome
from timepoint.request.answer import Answer

CONFIG = """
sources: {api: {url: "https://api.example"}}
jobs:
  pods:
    source: api
    every: 30m
    jitter: 0s
    request: {get: /pods}
    expect: {absent: [$.error], empty: {present: [$.nothing]}}
    transform: TRANSFORM
    rows: {r: "$[*]"}
    metrics: {watts: {type: gauge, help: Power., value: $r.v, labels: {pod: $r.pod}}}
"""
JQ = "{jq: '.d | fromjson'}"
BESIDE = '''
def rows(document, *, factor):
    """Rows out of a body."""
    return [{"pod": pod, "v": watts * factor} for pod, watts in document["pods"].items()]
'''


def bench(directory: Path, transform: str) -> Bench:
    """A job with a transform."""
    path = directory / "config.yaml"
    path.write_text(CONFIG.replace("TRANSFORM", transform))
    [job] = load_config(path, {}).jobs
    return Bench(directory, job, lambda _: None)


async def test_a_program_between_body_and_mapping(tmp_path: Path) -> None:
    """What jq makes of an answer is mapped."""
    b = bench(tmp_path, JQ)
    b.source.answer = lambda _: {"d": '[{"pod": "a", "v": 5}]'}
    assert (await b.run()).outcome is Outcome.OK
    assert b.samples() == {'watts{pod="a"}': 5}


async def test_a_function_beside_the_config(tmp_path: Path) -> None:
    """A module in the directory of the config is found, and its function is called with the options."""
    (tmp_path / "rows_of_ours.py").write_text(BESIDE)
    b = bench(tmp_path, "{python: 'rows_of_ours:rows', options: {factor: 2}}")
    b.source.answer = lambda _: {"pods": {"a": 2.5}}
    assert (await b.run()).outcome is Outcome.OK
    assert b.samples() == {'watts{pod="a"}': 5}


def test_a_module_that_cannot_be_imported(tmp_path: Path) -> None:
    """A mistake in the user's module is a mistake of the config, found before anything is asked."""
    (tmp_path / "broken_of_ours.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match="module broken_of_ours cannot be imported: ZeroDivisionError"):
        bench(tmp_path, "{python: 'broken_of_ours:rows'}")


async def test_a_transform_that_fails_costs_the_run_alone(tmp_path: Path) -> None:
    """What jq says is the run's error; the page stays, the window is asked for again, and secrets are masked."""
    b = bench(tmp_path, JQ)
    b.source.answer = lambda _: {"d": '[{"pod": "a", "v": 5}]'}
    await b.run()
    await b.clock.advance(minutes=30)
    b.source.answer = lambda _: Answer(
        200, "", b'{"d": "[canary"}', "https://api.example/pods", mask=lambda text: text.replace("canary", "***")
    )
    watermark = b.store.load("pods", "").watermark
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.MAPPING_ERROR, "mapping")
    assert report.error.startswith("transform jq: ")
    assert "canary" not in report.error
    assert b.store.load("pods", "").watermark == watermark
    assert b.samples() == {'watts{pod="a"}': 5}


async def test_an_error_document_does_not_reach_the_transform(tmp_path: Path) -> None:
    """``expect`` is about the answer: an error document is the source's fault, and no program need be ready for it."""
    b = bench(tmp_path, JQ)
    b.source.answer = lambda _: {"error": "over quota"}
    report = await b.run()
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "expect")


async def test_an_empty_document_does_not_reach_the_transform(tmp_path: Path) -> None:
    """A document that says that there is nothing is accepted before any program sees it."""
    b = bench(tmp_path, JQ)
    b.source.answer = lambda _: {"nothing": True}
    assert (await b.run()).outcome is Outcome.EMPTY


async def test_each_page_is_transformed(tmp_path: Path) -> None:
    """The pages of a window are transformed one by one, and mapped together."""
    b = bench(tmp_path, JQ)
    b.source.answer = lambda _: tuple({"d": f'[{{"pod": "{pod}", "v": 1}}]'} for pod in "ab")
    assert (await b.run()).outcome is Outcome.OK
    assert b.samples() == {'watts{pod="a"}': 1, 'watts{pod="b"}': 1}
