"""The demo's world: exact, stable, and alive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.demo.world import CELL, World

NOON = 1_767_268_800_000  # 2026-01-01T12:00:00Z


@given(st.integers(min_value=0, max_value=720), st.integers(min_value=1, max_value=24))
def test_energy_adds_up_over_any_cut(cells: int, count: int) -> None:
    """The energy of a range is exactly the sum of the energies of its parts."""
    world = World(lifetime=30 * MINUTE)
    start = NOON + cells * CELL
    end = start + count * CELL
    pod = next(world.pods(start, end))
    assert world.energy(pod, start, end) == sum(world.energy(pod, at, at + CELL) for at in range(start, end, CELL))


def test_the_same_seed_gives_the_same_world() -> None:
    """Two worlds of one seed have the same pods with the same energy."""
    one, two = World(seed=7), World(seed=7)
    assert [(pod, one.energy(pod, NOON, NOON + MINUTE)) for pod in one.pods(NOON, NOON + DAY)] == [
        (pod, two.energy(pod, NOON, NOON + MINUTE)) for pod in two.pods(NOON, NOON + DAY)
    ]


def test_pods_come_and_go() -> None:
    """Within a day there are far more pods than are alive at once, and no two share a name."""
    world = World(lifetime=HOUR)
    names = [pod.name for pod in world.pods(NOON, NOON + DAY)]
    alive = [pod for pod in world.pods(NOON, NOON + CELL) if pod.born <= NOON < pod.dies]
    assert (len(names) > 5 * len(alive) > 0, len(set(names))) == (True, len(names))


def test_a_pod_uses_nothing_outside_its_life() -> None:
    """Before its birth and after its death a pod has no energy and no CO2."""
    world = World(lifetime=HOUR)
    pod = next(pod for pod in world.pods(NOON, NOON + DAY) if pod.born > NOON)
    assert (world.energy(pod, pod.born - HOUR, pod.born), world.co2(pod, pod.dies, pod.dies + HOUR)) == (0, 0)


def test_the_day_has_a_shape() -> None:
    """A pod whose load follows the day uses more at noon than at midnight."""
    world = World(lifetime=365 * DAY)
    pod = max(world.pods(NOON, NOON + CELL), key=lambda pod: pod.swing)
    assert world.energy(pod, NOON, NOON + HOUR) > 1.5 * world.energy(pod, NOON - 12 * HOUR, NOON - 11 * HOUR)
