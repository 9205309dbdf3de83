"""What PromQL's ``increase()`` makes of samples: the growth that it sees, extended to the ends of the range.

Owns: the rule, written again from its description, so that the figures of the experiment can be explained to the last
digit. Pure. Must not know: where samples come from. Source: Prometheus 2.42, ``promql/functions.go``, extrapolatedRate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Samples = Sequence[tuple[float, float]]
"""(seconds, value), in order."""


@dataclass(frozen=True, slots=True)
class Increase:
    """What was seen to grow, resets counted as a start from 0, and the factor by which that is multiplied."""

    growth: float
    factor: float

    @property
    def value(self) -> float:
        return self.growth * self.factor


def increase(samples: Samples, start: float, end: float) -> Increase | None:
    """``increase()`` over the range [start, end]; None if there are fewer than two samples in it."""
    inside = [(at, value) for at, value in samples if start <= at <= end]
    if len(inside) < 2:
        return None
    growth = inside[-1][1] - inside[0][1]
    growth += sum(before for (_, before), (_, after) in pairwise(inside) if after < before)
    sampled = inside[-1][0] - inside[0][0]
    between = sampled / (len(inside) - 1)
    to_start, to_end = inside[0][0] - start, end - inside[-1][0]
    if growth > 0 and inside[0][1] >= 0:
        to_start = min(to_start, sampled * inside[0][1] / growth)  # a counter was not below 0 before
    extended = sampled
    for gap in (to_start, to_end):
        extended += gap if gap < 1.1 * between else between / 2
    return Increase(growth, extended / sampled)
