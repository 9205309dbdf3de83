"""A day as a document: OpenMetrics and JSON lines."""

from __future__ import annotations

import io
import json
import subprocess
from array import array
from pathlib import Path

import pytest

from tests.exposition.oracle import parse_openmetrics
from timepoint.backfill import json_lines, openmetrics
from timepoint.backfill.openmetrics import stamp
from timepoint.backfill.spool import Columns, Day, Spool
from timepoint.clock import DAY, HOUR
from timepoint.model import FamilySpec, MetricType, series_text

FIRST = 20454  # 2026-01-01
BEGIN = FIRST * DAY
KEY = ("job", "", BEGIN + HOUR)
ENDS = (BEGIN + 1000, BEGIN + 2500)

FAMILIES = {
    "x_joules_total": FamilySpec("x_joules_total", MetricType.COUNTER, 'Energy of "x".', "joules"),
    "h_seconds": FamilySpec("h_seconds", MetricType.HISTOGRAM, "Times.", "seconds"),
    "s_seconds": FamilySpec("s_seconds", MetricType.SUMMARY, "Times.", "seconds"),
    "state": FamilySpec("state", MetricType.STATESET, "States."),
    "build_info": FamilySpec("build_info", MetricType.INFO, "What it is."),
    "g": FamilySpec("g", MetricType.GAUGE, ""),
}


def spooled(directory: Path, columns: Columns) -> Day:
    """A day with these samples."""
    spool = Spool(directory / "spool", BEGIN + DAY)
    spool.append(KEY, columns)
    return spool.close(FIRST, 1)


def written(day: Day, added: dict[str, str] | None = None) -> str:
    """The document of OpenMetrics."""
    file = io.BytesIO()
    openmetrics.write_day(file, day, FAMILIES, added or {})
    return file.getvalue().decode()


def lines(day: Day, added: dict[str, str] | None = None) -> list[dict[str, object]]:
    """The JSON lines."""
    file = io.BytesIO()
    json_lines.write_day(file, day, FAMILIES, added or {})
    return [json.loads(line) for line in file.getvalue().splitlines()]


def counted(text: str) -> dict[str, int]:
    """How many samples each family has, by another parser."""
    return {family.name: len(family.samples) for family in parse_openmetrics(text.encode())}


def ones(*values: float) -> tuple[tuple[int, ...], array[float]]:
    """Two samples."""
    return ENDS, array("d", values)


ALL = {
    "x_joules_total": {'{a="1"}': ones(1, 2), '{a="q\\"\\n\\\\"}': ones(3, 4.25)},
    "h_seconds": {
        '_sum{a="1"}': ones(1, 2.5),
        '_bucket{a="1",le="+Inf"}': ones(2, 3),
        '_bucket{a="1",le="0.5"}': ones(1, 1),
        '_count{a="1"}': ones(2, 3),
    },
    "s_seconds": {'{quantile="0.5"}': ones(0.1, 0.2), "_sum": ones(1, 2), "_count": ones(2, 3)},
    "state": {'{state="off"}': ones(0, 1), '{state="on"}': ones(1, 0)},
    "build_info": {'{version="1"}': ones(1, 1)},
    "g": {"": ones(float("nan"), float("inf"))},
}


def test_all_types_are_valid_openmetrics(tmp_path: Path) -> None:
    """Another parser, which is strict about the order of lines, reads every sample of every type.

    Instant by instant: of several, it takes the parts of a histogram but the first for repetitions.
    """
    text = written(spooled(tmp_path, ALL))
    for end in ENDS:
        at_once = [
            line for line in text.splitlines(keepends=True) if line[0] == "#" or line.endswith(f" {stamp(end)}\n")
        ]
        assert counted("".join(at_once)) == {
            "x_joules": 2,
            "h_seconds": 4,
            "s_seconds": 3,
            "state": 2,
            "build": 1,
            "g": 1,
        }


def test_promtool_takes_it(tmp_path: Path, promtool: str) -> None:
    """A block is made of it that dumps the same samples."""
    path = tmp_path / "day.om"
    path.write_text(written(spooled(tmp_path, ALL), {"job": "timepoint"}))
    blocks = tmp_path / "blocks"
    subprocess.run([promtool, "tsdb", "create-blocks-from", "openmetrics", "-q", str(path), str(blocks)], check=True)
    (blocks / "wal").mkdir()  # which dump wants to see
    dumped = subprocess.run(
        [promtool, "tsdb", "dump", str(blocks)], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert len(dumped) == 26
    assert f'{{__name__="x_joules_total", a="1", job="timepoint"}} 2 {ENDS[1]}' in dumped


def test_lines_of_a_histogram_stand_by_timestamp(tmp_path: Path) -> None:
    """All lines of an instant stand together, buckets ascending, then those of the next."""
    text = written(spooled(tmp_path, {"h_seconds": ALL["h_seconds"]}))
    places = [(float(line.split(" ")[2]), line.split(" ")[0]) for line in text.splitlines()[3:-1]]
    order = ['_bucket{a="1",le="0.5"}', '_bucket{a="1",le="+Inf"}', '_count{a="1"}', '_sum{a="1"}']
    assert places == [(end / 1000, "h_seconds" + part) for end in ENDS for part in order]


def test_stamps_are_seconds() -> None:
    """Whole seconds have no fraction, and no millisecond is lost."""
    assert (stamp(1_767_225_600_000), stamp(1_767_225_599_999)) == ("1767225600", "1767225599.999")


def test_a_day_larger_than_memory_is_written_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a family has too many samples for one reading, its series come part by part, each whole."""
    many = {series_text({"n": str(n)}): ones(n, n + 1) for n in range(40)}
    day = spooled(tmp_path, {"x_joules_total": many})
    whole = sorted(written(day).splitlines())
    monkeypatch.setattr(openmetrics, "PART", 7)
    parts = written(day)
    assert sorted(parts.splitlines()) == whole
    assert counted(parts) == {"x_joules": 80}


def test_a_json_line_is_a_series(tmp_path: Path) -> None:
    """A line has all labels with the name, values, and timestamps in milliseconds."""
    found = lines(spooled(tmp_path, {"h_seconds": {'_sum{a="q\\""}': ones(1, 2.5)}}), {"job": "timepoint"})
    assert found == [
        {
            "metric": {"__name__": "h_seconds_sum", "a": 'q"', "job": "timepoint"},
            "values": [1, 2.5],
            "timestamps": list(ENDS),
        }
    ]


def test_what_json_cannot_say_is_left_out(tmp_path: Path) -> None:
    """The import knows neither NaN nor infinity; a series without any other value has no line."""
    found = lines(
        spooled(tmp_path, {"g": {'{a="1"}': ones(float("nan"), 3), '{a="2"}': ones(float("inf"), float("nan"))}})
    )
    assert found == [{"metric": {"__name__": "g", "a": "1"}, "values": [3], "timestamps": [ENDS[1]]}]
