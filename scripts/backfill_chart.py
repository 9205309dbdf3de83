"""Draws what loading history costs, from the figures of ``python -m bench.backfill --growth``.

python scripts/backfill_chart.py FIGURES.json docs/images/backfill.svg
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from math import log10
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 760, 300
TOP, BOTTOM = 50, 240
LOWEST, HIGHEST = 5, 8  # powers of ten of samples

_STYLE = """\
    .axis { stroke: #8c959f; stroke-width: 1; }
    .grid { stroke: #d8dee4; stroke-width: 1; }
    .long { stroke: #0969da; fill: #0969da; stroke-width: 2; }
    .wide { stroke: #1a7f37; fill: #1a7f37; stroke-width: 2; }
    .line { fill: none; }
    .note { font-size: 12px; fill: #57606a; }
    .head { font-size: 13px; fill: #24292f; font-weight: 600; }
    .mid { text-anchor: middle; }
    .end { text-anchor: end; }"""

_LABEL = (
    "Time grows with the number of samples, from a second for a day to a minute for 90 days of 1,000 series; "
    "memory does not grow with the length of history, but with the series"
)


@dataclass(frozen=True)
class Panel:
    """One picture: where it stands, what it shows of a row, and up to which power of ten."""

    left: int
    title: str
    key: str
    unit: str
    lowest: int
    highest: int

    def x(self, samples: float) -> float:
        return self.left + 280 * (log10(samples) - LOWEST) / (HIGHEST - LOWEST)

    def y(self, value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (log10(value) - self.lowest) / (self.highest - self.lowest)

    def frame(self) -> list[str]:
        """Axes, their figures and the title."""
        parts = [f'<text class="head" x="{self.left}" y="30">{self.title}</text>']
        for power in range(self.lowest, self.highest + 1):
            y = self.y(10**power)
            parts.append(f'<path class="grid" d="M{self.left} {y:.1f} h280"/>')
            parts.append(f'<text class="note end" x="{self.left - 6}" y="{y + 4:.1f}">{10**power:,} {self.unit}</text>')
        names = {5: "100,000", 6: "1 M", 7: "10 M", 8: "100 M"}
        for power in range(LOWEST, HIGHEST + 1):
            x = self.x(10**power)
            parts.append(f'<text class="note mid" x="{x:.1f}" y="{BOTTOM + 18}">{names[power]}</text>')
        parts.append(f'<path class="axis line" d="M{self.left} {TOP} V{BOTTOM} h280"/>')
        return parts

    def curve(self, rows: list[dict[str, Any]], kind: str) -> list[str]:
        """The points of some rows, joined."""
        places = [(self.x(row["samples"]), self.y(row[self.key])) for row in rows]
        joined = " L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        dots = [f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places]
        return [f'<path class="{kind} line" style="fill: none" d="M{joined}"/>', *dots]


PANELS = (
    Panel(90, "Time", "seconds", "s", 0, 3),
    Panel(464, "Peak memory", "peak_mib", "MiB", 1, 4),
)


def picture(rows: list[dict[str, Any]]) -> str:
    """The SVG."""
    long = [row for row in rows if row["series"] == 1000]  # noqa: PLR2004 - the series of the longest history
    wide = [row for row in rows if row["days"] == 1]
    parts = []
    for panel in PANELS:
        parts += [*panel.frame(), *panel.curve(long, "long"), *panel.curve(wide, "wide")]
    parts.append(
        '<path class="long" d="M90 277 h24"/><text class="note" x="120" y="281">1,000 series, 1 to 90 days</text>'
    )
    parts.append(
        '<path class="wide" d="M330 277 h24"/><text class="note" x="360" y="281">1 day, 1,000 to 100,000 series</text>'
    )
    parts.append('<text class="note end" x="750" y="281">samples, into files</text>')
    body = "\n  ".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_LABEL}"'
        f' font-family="system-ui, sans-serif">\n  <style>\n{_STYLE}\n  </style>\n'
        f'  <rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n  {body}\n</svg>\n'
    )


def main() -> None:
    """Reads the figures, writes the picture."""
    figures, target = sys.argv[1:]
    rows = json.loads(Path(figures).read_text(encoding="utf-8"))["growth"]
    Path(target).write_text(picture(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
