"""Which samples must have gone out: a pure function of the API's world.

Owns: names, labels, instants and values. Must not know: the product, receivers, what was lost on the way.

What is settled from the start goes out exactly: of each interval its end, with the running total or with the amount
itself; a counter that adds amounts up begins with a 0 at the start of its first interval. Of what comes late or is
revised nobody can foretell what is said first; of these only laws are known (``oracle``).
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.proof.remote.proxy import Key, Labels
from tests.proof.world import World

NAME = "central"
CLUSTER = "proof"
TOTAL = "firm_sent_joules_total"
READING = "firm_sent_reading_joules_total"
LEVEL = "firm_sent_level_joules"
LATE_TOTAL = "late_sent_joules_total"
LATE_LEVEL = "late_sent_level_joules"
FORETOLD = (TOTAL, READING, LEVEL)
METRICS = (*FORETOLD, LATE_TOTAL, LATE_LEVEL)


def labels(metric: str, pod: int) -> Labels:
    """The labels under which a series goes out, sorted."""
    return (("__name__", metric), ("cluster", CLUSTER), ("pod", f"pod-{pod}"))


def metric_and_pod(series: Labels) -> tuple[str, int]:
    """What ``labels`` was made of."""
    found = dict(series)
    return found["__name__"], int(found["pod"].removeprefix("pod-"))


def sent_in(world: World, first: int, end: int) -> Iterator[tuple[Key, float]]:
    """Every foretold sample that goes out for the intervals of a half-open range."""
    for pod in world.pods(first, end):
        for number in range(max(first, world.genesis), end):
            amount = world.settled(pod, number)
            if amount is None:
                continue
            at = (number + 1) * world.step
            if not world.total(pod, number):
                yield (labels(TOTAL, pod), number * world.step), 0.0
            yield (labels(TOTAL, pod), at), float(world.total(pod, number + 1))
            yield (labels(READING, pod), at), float(world.total(pod, number + 1))
            yield (labels(LEVEL, pod), at), float(amount)
