"""The table that a benchmark prints.

Owns: rows, their verdicts, the layout. Must not know: how anything is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """How a row stands to its target. A peer has none; what could not be measured says why in ``measured``."""

    MET = "met"
    MISSED = "missed"
    PEER = ""
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Row:
    """One line. ``figures`` are the numbers behind it, for ``--json``; ``how`` says how it was measured."""

    work: str
    measured: str
    target: str = ""
    ratio: str = ""
    verdict: Verdict = Verdict.PEER
    how: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


def judged(value: float, limit: float, *, at_least: bool = False) -> Verdict:
    """Met if the value keeps the limit."""
    return Verdict.MET if (value >= limit if at_least else value <= limit) else Verdict.MISSED


_HEADINGS = ("work", "target", "measured", "ratio", "verdict")


def render(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, aligned, and below it how each was measured."""
    cells = [_HEADINGS, *((row.work, row.target, row.measured, row.ratio, row.verdict.value) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(_HEADINGS))]
    lines = [_line(line, widths) for line in cells]
    lines.insert(1, _line(["-" * width for width in widths], widths))
    notes = [f"- {row.work}: {row.how}" for row in rows if row.how]
    return "\n".join([*lines, "", *notes])


def as_data(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows for a JSON file."""
    return [asdict(row) for row in rows]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"
