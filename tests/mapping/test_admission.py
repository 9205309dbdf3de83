"""Answers with more series than there is room for: what the mapping makes of them before anything is counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from tests.mapping.build import FIRE_TIME, START, STEP, WINDOW, mapping_of, points
from timepoint.mapping.engine import RunContext
from timepoint.mapping.texts import Admission
from timepoint.model import OVERFLOW, MappedRun

ROWS = """
rows: {r: "$[*]"}
labels: {pod: $r.pod}
metrics:
  x_total: {type: counter, value: $r.x, time: {start: "{window.start}", step: 5m}}
  y: {value: $r.y}
"""


def answered(
    rows: Iterable[dict[str, Any]], room: int, known: Iterable[str] = (), sums: Iterable[str] = (), config: str = ROWS
) -> MappedRun:
    """One run with room for so many new series of each metric."""
    exists = {f'{{pod="{name}"}}' for name in known}
    mapping = mapping_of(config)
    rooms = {plan.name: room for plan in mapping.plans}
    admission = Admission(rooms, lambda _, text: text in exists, frozenset(sums))
    run = mapping.start(RunContext(WINDOW, FIRE_TIME, admission=admission))
    run.add(msgspec.Raw(msgspec.json.encode(list(rows))))
    return run.finish()


def rows_of(*names: str) -> list[dict[str, Any]]:
    """A row for each pod, with a list and a number."""
    return [{"pod": name, "x": [1, 2, 3], "y": 5} for name in names]


def test_rows_beyond_the_room_make_no_series() -> None:
    """They are counted for each metric, with their texts, and are no rows that relabeling dropped."""
    mapped = answered(rows_of("a", "b", "c", "d"), room=2)
    assert {name: len(series) for name, series in mapped.series.items()} == {"x_total": 2, "y": 2}
    assert {name: refused.count for name, refused in mapped.refused.items()} == {"x_total": 2, "y": 2}
    assert mapped.refused["y"].texts == ['{pod="c"}', '{pod="d"}']
    assert mapped.dropped == 0


def test_rows_of_known_series_always_pass() -> None:
    """Existing series work on, also when they come last (A17)."""
    mapped = answered(rows_of("a", "b", "c", "d"), room=0, known=["d"])
    assert list(mapped.series["x_total"]) == ['{pod="d"}']


def test_rows_beyond_are_added_up_for_the_metrics_that_may() -> None:
    """The counter gets one series with the sums of each interval, the gauge beside it nothing."""
    mapped = answered(rows_of("a", "b", "c"), room=1, sums=["x_total"])
    assert points(mapped) == {
        'x_total{pod="a"}': [(START + i * STEP, START + (i + 1) * STEP, i + 1.0) for i in range(3)],
        f"x_total{OVERFLOW}": [(START + i * STEP, START + (i + 1) * STEP, 2 * (i + 1.0)) for i in range(3)],
        'y{pod="a"}': [(FIRE_TIME, FIRE_TIME, 5)],
    }
    assert mapped.refused["x_total"].count == 2


@pytest.mark.parametrize("value", ["$r.x", "$r.y"])
def test_sums_are_kept_small_while_rows_come(value: str) -> None:
    """Ten thousand rows beyond the room are one series with the exact sum, of lists as of single numbers."""
    config = f'{{rows: {{r: "$[*]"}}, labels: {{pod: $r.pod}}, metrics: {{g: {{value: {value}, time: $r.t}}}}}}'
    rows = ({"pod": str(number), "x": [1, 2], "y": 3, "t": START / 1000} for number in range(10_000))
    if value == "$r.x":
        rows = ({**row, "t": [START / 1000, START / 1000 + 60]} for row in rows)
    mapped = answered(rows, room=0, sums=["g"], config=config)
    assert sum(mapped.series["g"][OVERFLOW].values) == 30_000
    assert mapped.refused["g"].count == 10_000
    assert len(mapped.refused["g"].texts) == 1000


def test_nothing_of_a_refused_row_is_remembered() -> None:
    """The memory for texts is bounded by the room, whatever an answer holds."""
    mapping = mapping_of(ROWS)
    admission = Admission({"x_total": 5, "y": 5}, lambda *_: False)
    run = mapping.start(RunContext(WINDOW, FIRE_TIME, admission=admission))
    run.add(rows_of(*map(str, range(1000))))
    assert [len(texts) for texts in run.texts] == [5]


def test_without_an_admission_there_is_no_bound() -> None:
    """A preview shows all that an answer holds."""
    run = mapping_of(ROWS).start(RunContext(WINDOW, FIRE_TIME))
    run.add(rows_of("a", "b", "c"))
    assert len(run.finish().series["y"]) == 3
