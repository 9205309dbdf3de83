"""How large a benchmark is, and where it keeps its files.

Owns: the sizes of the architecture's targets and those of a quick run. Must not know: what is measured with them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.fresh import ROOT


@dataclass(frozen=True, slots=True)
class Setting:
    """Sizes. ``pods`` x ``points`` is the large answer; ``growth`` are the sizes at which the growth is measured."""

    pods: int = 100_000
    points: int = 48
    overlap: int = 12
    repeats: int = 3
    scraped_series: int = 10_000
    scrapes: int = 300
    seconds: float = 15.0
    growth: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)
    growth_points: int = 8
    most_series: int = 1_000_000
    memory_step: int = 600  # ms of a timepoint in the memory rows: a second poll must come soon, but after the first
    work: Path = ROOT / "bench" / ".work"

    def median(self, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The median of each figure over the repeats."""
        return medians(measure() for _ in range(self.repeats))


QUICK = Setting(
    pods=400,
    repeats=1,
    scraped_series=400,
    scrapes=20,
    seconds=1.0,
    growth=(100, 400),
    most_series=800,
    memory_step=60,
)
"""Small enough for a test: it shows that everything runs, its figures mean nothing."""


def medians(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The median of each key over several results of the same shape."""
    found = list(results)
    return {key: statistics.median(result[key] for result in found) for key in found[0]}
