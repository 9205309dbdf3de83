"""What is another job, and what only looks like one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.poller.jobs import function_job
from timepoint.config import load_config
from timepoint.job import Workload
from timepoint.poller.switch import compare, listed

CONFIG = """
sources:
  one: {url: "http://one.example", authorization: {credentials: first}}
  two: {url: "http://two.example"}
jobs:
  a:
    source: one
    every: 30m
    request: {get: /a}
    rows: {r: "$[*]"}
    metrics:
      a_watts: {type: gauge, help: Power., value: $r.v}
  b:
    source: two
    every: 30m
    request: {get: /b, params: {version: 1.10}}
    rows: {r: "$[*]"}
    metrics:
      b_watts: {type: gauge, help: Power., value: $r.v}
"""


def work(directory: Path, text: str) -> Workload:
    """What a config says is to be done."""
    path = directory / "config.yaml"
    path.write_text(text)
    return load_config(path, {}).workload


def swapped(text: str) -> str:
    """The same config with its jobs in the other order."""
    head, a, b = (
        text.partition("  a:\n")[0],
        text[text.index("  a:\n") : text.index("  b:\n")],
        text.partition("  b:\n"),
    )
    return head + "".join(b[1:]) + a


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("Power.", "Power.", ()),
        ("jobs:", "# a remark\njobs:", ()),
        ("every: 30m\n    request: {get: /a}", "request: {get: '/a'}  # quoted\n    every: 30m", ("a",)),
        ("get: /a", "get: /aa", ("a",)),
        ("credentials: first", "credentials: second", ("a",)),
        ("http://two.example", "http://two.example:8080", ("b",)),
        ("version: 1.10", "version: 1.1", ("b",)),
        ("every: 30m", "every: 20m", ("a", "b")),
    ],
)
def test_a_job_changed_if_the_file_says_something_else_of_it_or_its_source(
    tmp_path: Path, before: str, after: str, changed: tuple[str, ...]
) -> None:
    """Remarks say nothing; a secret, a URL of the source and the digits of a number do."""
    assert before in CONFIG
    change = compare(work(tmp_path, CONFIG), work(tmp_path, CONFIG.replace(before, after)))
    assert (change.new, change.changed, change.removed) == ((), changed, ())


def test_the_order_of_jobs_changes_none(tmp_path: Path) -> None:
    """Jobs are told apart by their names."""
    assert not compare(work(tmp_path, CONFIG), work(tmp_path, swapped(CONFIG))).beginning


def test_a_help_that_another_job_shares_changes_both(tmp_path: Path) -> None:
    """A family has one help on the page, which says how all of its jobs are polled."""
    shared = CONFIG.replace("b_watts", "a_watts")
    later = shared.replace("source: two\n    every: 30m", "source: two\n    every: 10m")
    assert set(compare(work(tmp_path, shared), work(tmp_path, later)).changed) == {"a", "b"}


def test_jobs_made_in_python_are_compared_as_they_are() -> None:
    """They have no text; the same job is the same, another function is not."""
    job, other = function_job(lambda _: []), function_job(lambda _: [])
    assert compare(Workload((job,)), Workload((job,))).changed == ()
    assert compare(Workload((job,)), Workload((other,))).changed == ("function",)


def test_a_change_is_told_in_one_sentence(tmp_path: Path) -> None:
    """How many jobs there are, which are new, changed and removed, and how many are as before."""
    whole = work(tmp_path, CONFIG)
    a, b = whole.jobs
    assert compare(whole, whole).sentence() == "2 jobs: 2 as before"
    assert compare(Workload((a,)), whole).sentence() == "2 jobs: 1 new (b), 1 as before"
    assert compare(whole, Workload((b,))).sentence() == "1 job: 1 removed (a), 1 as before"


def test_of_many_names_the_first_are_told() -> None:
    """A log line names five."""
    assert listed([]) == ""
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
