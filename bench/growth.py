"""The row about growth.

Owns: the cost per series at several sizes, and what is called linear. Must not know: how the table is printed.
"""

from __future__ import annotations

import math
from typing import Any

from bench import fresh
from bench.bodies import Shape, make_bodies
from bench.setting import Setting
from bench.table import Row, judged

EXPONENT = 1.05
"""cost = series ** exponent. With 1.05 a series costs a quarter more among a hundred times as many."""


def rows(setting: Setting) -> list[Row]:
    """CPU of a first and a steady poll per series, from few to very many."""
    polls = {size: _measure(setting, size) for size in setting.growth}
    found = []
    for which in ("first", "steady"):
        costs = {size: poll[which] / size * 1e6 for size, poll in polls.items()}
        exponent = _exponent({size: poll[which] for size, poll in polls.items()})
        found.append(
            Row(
                f"growth, {which} poll, {min(costs):,} to {max(costs):,} series",
                ", ".join(f"{cost:.1f}" for cost in costs.values()) + " us/series",
                f"linear: exponent <= {EXPONENT}",
                f"{exponent:.3f}",
                judged(exponent, EXPONENT),
                f"CPU as in the poll rows, {setting.growth_points} points per series, at "
                f"{', '.join(f'{size:,}' for size in costs)}; the exponent is that of the last three sizes",
                {"exponent": exponent, **{str(size): cost for size, cost in costs.items()}},
            )
        )
    return found


def _measure(setting: Setting, size: int) -> dict[str, Any]:
    shape = [size, setting.growth_points, 2]
    make_bodies(setting.work, Shape(*shape), 2)
    return setting.median(lambda: fresh.call("bench.poll:poll", work=str(setting.work), shape=shape, count=2))


def _exponent(costs: dict[int, float]) -> float:
    """From the third but last size to the last: below that, what every run costs whatever its size hides the rest."""
    sizes = sorted(costs)[-3:]
    return math.log(costs[sizes[-1]] / costs[sizes[0]]) / math.log(sizes[-1] / sizes[0])
