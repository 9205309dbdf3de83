"""The parser of the answer keys, on lines made for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.examples.keys import POLL, Series, milliseconds, read_keys

T = datetime(2024, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def read(directory: Path, *lines: str, heading: str = "### 7. body.json — R") -> dict[int, list[Series]]:
    """The keys of a README with one block."""
    readme = directory / "README.md"
    readme.write_text("\n".join(["# Title", heading, "Prose.", "```key", *lines, "```"]), "utf-8")
    return read_keys(readme)


@pytest.mark.parametrize(
    ("time", "intervals"),
    [
        ("2024-01-01T00:00:00Z", [(T, T)]),
        ("2024-01-01T00:00:00Z..2024-01-01T01:00:00Z", [(T, T + HOUR)]),
        ("2024-01-01T00:00:00Z/PT1H", [(T, T), (T + HOUR, T + HOUR)]),
        ("2024-01-01T00:00:00Z//PT1H", [(T, T + HOUR), (T + HOUR, T + 2 * HOUR)]),
        ("2024-01-01T00:00:00Z//P1D", [(T, T + 24 * HOUR), (T + 24 * HOUR, T + 48 * HOUR)]),
        ("poll", [POLL]),
    ],
)
def test_times(time: str, intervals: list[object], tmp_path: Path) -> None:
    """Each notation of time gives its instants or intervals, one per value."""
    values = " ".join("1" for _ in intervals)
    ((series,),) = read(tmp_path, f"x{{}} @{time}: {values}").values()
    assert list(series.values) == intervals


def test_labels_values_slots_and_remarks(tmp_path: Path) -> None:
    """Empty labels are none, ``_`` is no sample, and a remark is no value."""
    line = 'x{a="b#1",c=""} @2024-01-01T00:00:00Z//PT1H: 1.5 _   # sum 1.5'
    ((series,),) = read(tmp_path, line).values()
    assert (series.name, series.labels) == ("x", {"a": "b#1"})
    assert list(series.values.values()) == [1.5, None]


def test_lines_of_one_series_are_joined(tmp_path: Path) -> None:
    """A series that is written in two lines is one."""
    lines = ["x{} @2024-01-01T00:00:00Z: 1", "x{} @2024-01-01T01:00:00Z: 2"]
    ((series,),) = read(tmp_path, *lines).values()
    assert series.values == {(T, T): 1.0, (T + HOUR, T + HOUR): 2.0}


def test_bodies_may_share_a_key(tmp_path: Path) -> None:
    """A heading right after another means that both bodies have the key below."""
    keys = read(tmp_path, "x{} @poll: 1", heading="### 7. a.json — D\n### 8. b.json — D")
    assert keys[7] is keys[8]


@pytest.mark.parametrize("line", ["x @poll: 1", "x{} poll: 1", "x{} @2024-01-01T00:00:00+00:00: 1"])
def test_other_lines_are_refused(line: str, tmp_path: Path) -> None:
    """A line in another notation is never passed over."""
    with pytest.raises(AssertionError):
        read(tmp_path, line)


def test_a_line_without_enough_values_is_refused(tmp_path: Path) -> None:
    """A value that the notation of time has no place for is never passed over."""
    with pytest.raises(ValueError, match="zip"):
        read(tmp_path, "x{} @2024-01-01T00:00:00Z: 1 2")


def test_milliseconds_are_exact() -> None:
    """Fractions of a second become whole milliseconds."""
    assert milliseconds(datetime(2015, 7, 1, 20, 10, 30, 781_000, tzinfo=UTC)) == 1_435_781_430_781
