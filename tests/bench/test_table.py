"""The benchmark runs from end to end; what it measures is not asserted, since a figure is no property of the code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from bench import __main__ as benchmark
from bench.setting import QUICK
from bench.table import Row, Verdict, judged, render


def test_a_part_prints_its_rows_and_writes_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The poll of a tiny body goes through the real pipeline and its peers, and ends as a table and as JSON."""
    monkeypatch.setattr(benchmark, "QUICK", replace(QUICK, pods=20, points=6, overlap=2, work=tmp_path))
    figures = tmp_path / "figures.json"

    assert benchmark.main(["--quick", "--only", "poll", "--json", str(figures)]) == 0

    printed = capsys.readouterr().out
    rows = json.loads(figures.read_text())["rows"]
    assert [row["work"].split(",")[0] for row in rows[:2]] == ["steady poll", "first poll"]
    assert all(row["measured"] in printed for row in rows)
    assert all(row["figures"]["cpu"] > 0 for row in rows[:2])


def test_a_table_lines_up() -> None:
    """Each line of a table is as wide as the others, so that it reads in a terminal."""
    rows = [Row("poll", "1.2 s", "<= 3 x", "2.8", Verdict.MET, "CPU seconds"), Row("- peer", "10 s")]

    table, _, notes = render(rows).partition("\n\n")

    assert len({len(line) for line in table.splitlines()}) == 1
    assert notes == "- poll: CPU seconds"


@pytest.mark.parametrize(
    ("value", "at_least", "verdict"),
    [(3.0, False, Verdict.MET), (3.1, False, Verdict.MISSED), (3.0, True, Verdict.MET), (2.9, True, Verdict.MISSED)],
)
def test_a_limit_may_be_reached(value: float, *, at_least: bool, verdict: Verdict) -> None:
    """A figure that equals its limit keeps it, from either side."""
    assert judged(value, 3.0, at_least=at_least) is verdict
