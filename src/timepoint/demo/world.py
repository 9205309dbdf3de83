"""A data centre that never was: energy, CO2 and CPU per pod as pure functions of time.

Owns: the truth of the demo, so that a test can compute what any counter must hold. Must not know: HTTP, the exporter,
the clock.

Time is cut into cells of five seconds, counted from the epoch. A pod's energy in a cell is a whole number of 1/1024 Wh
and its CO2 a whole number of 1/1024 g: sums over any number of cells are exact in float64, so totals can be compared
with ``==``.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from timepoint.clock import DAY, HOUR, MINUTE, SECOND

CELL = 5 * SECOND
QUANTUM = 1 / 1024

# cluster -> grams of CO2 per kWh at the mean of its day
CLUSTERS = {"eu-north": 45.0, "eu-west": 230.0, "us-east": 390.0}

# app -> (namespace, replicas, watts of one pod at full load, how much of it follows the time of day)
APPS = {
    "checkout": ("shop", 4, 95.0, 0.8),
    "catalogue": ("shop", 3, 60.0, 0.7),
    "search": ("shop", 2, 180.0, 0.6),
    "ingest": ("data", 3, 140.0, 0.2),
    "training": ("research", 2, 310.0, 0.1),
    "gateway": ("platform", 2, 40.0, 0.5),
}


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod, alive in [born, dies), in milliseconds since the epoch, both on cell borders."""

    cluster: str
    app: str
    namespace: str
    name: str
    born: int
    dies: int
    watts: float
    swing: float


def _chance(*key: object) -> float:
    """A number in [0, 1) that depends on nothing but the key: stable over runs, machines and versions."""
    return zlib.crc32("/".join(map(str, key)).encode()) / 2**32


class World:
    """The pods of a seed, and what they use.

    ``lifetime`` is the mean life of a pod in milliseconds. Every replica is replaced by a pod with a new name when its
    life is over; a few pods live only for minutes, so that short-lived series are part of every picture.
    """

    def __init__(self, seed: int = 1, lifetime: int = 6 * HOUR) -> None:
        self.seed = seed
        self._lifetime = max(lifetime // CELL, 4) * CELL

    def pods(self, start: int, end: int) -> Iterator[Pod]:
        """Every pod that is alive at some instant of [start, end), in a stable order."""
        for cluster in CLUSTERS:
            for app, (namespace, replicas, watts, swing) in APPS.items():
                for replica in range(replicas):
                    yield from self._replica(cluster, app, replica, (start, end), (namespace, watts, swing))

    def _replica(
        self, cluster: str, app: str, replica: int, window: tuple[int, int], kind: tuple[str, float, float]
    ) -> Iterator[Pod]:
        # Lives are cut from slots of twice the mean life; each slot holds a long life, a short one, and a pause.
        start, end = window
        namespace, watts, swing = kind
        slot_length = 2 * self._lifetime
        phase = int(_chance(self.seed, cluster, app, replica) * slot_length) // CELL * CELL
        for slot in range((start - phase) // slot_length, (end - 1 - phase) // slot_length + 1):
            key = (self.seed, cluster, app, replica, slot)
            begin = phase + slot * slot_length
            long_life = int(slot_length * (0.55 + 0.3 * _chance(*key, "long"))) // CELL * CELL
            short_life = max(int((slot_length - long_life) * 0.6) // CELL, 1) * CELL
            lives = ((begin, begin + long_life), (begin + slot_length - short_life, begin + slot_length))
            for number, (born, dies) in enumerate(lives):
                if born < end and dies > start:
                    code = zlib.crc32(repr((*key, number)).encode())
                    name = f"{app}-{code >> 12:05x}-{code & 0xFFF:03x}"
                    yield Pod(cluster, app, namespace, name, born, dies, watts, swing)

    def load(self, pod: Pod, cell: int) -> float:
        """The pod's CPU use in a cell, as a ratio in [0, 1]: a day's curve, a ripple of ten minutes, and noise."""
        instant = cell * CELL
        day = 0.5 - 0.5 * math.cos(2 * math.pi * (instant % DAY) / DAY)
        ripple = 0.5 + 0.5 * math.sin(2 * math.pi * (instant % (10 * MINUTE)) / (10 * MINUTE) + len(pod.name))
        steady = 0.35 + 0.15 * ripple + 0.2 * _chance(self.seed, pod.name, cell)
        return min(1.0, steady * (1 - pod.swing) + (0.15 + 0.85 * day) * steady * 1.6 * pod.swing)

    def energy_quanta(self, pod: Pod, cell: int) -> int:
        """Energy of a cell in quanta of 1/1024 Wh; 0 outside the pod's life."""
        if not pod.born <= cell * CELL < pod.dies:
            return 0
        watts = pod.watts * (0.2 + 0.8 * self.load(pod, cell))
        return round(watts * CELL / HOUR / QUANTUM)

    def co2_quanta(self, pod: Pod, cell: int) -> int:
        """CO2 of a cell in quanta of 1/1024 g: energy times the grid's intensity, which falls at noon."""
        instant = cell * CELL
        sun = math.sin(2 * math.pi * (instant % DAY) / DAY - math.pi / 2)
        intensity = CLUSTERS[pod.cluster] * (1 - 0.25 * sun)
        return round(self.energy_quanta(pod, cell) * intensity / 1000)

    def energy(self, pod: Pod, start: int, end: int) -> float:
        """Wh used in [start, end), exact."""
        return sum(self.energy_quanta(pod, cell) for cell in range(start // CELL, end // CELL)) * QUANTUM

    def co2(self, pod: Pod, start: int, end: int) -> float:
        """Grams of CO2 caused in [start, end), exact."""
        return sum(self.co2_quanta(pod, cell) for cell in range(start // CELL, end // CELL)) * QUANTUM

    def cpu(self, pod: Pod, start: int, end: int) -> float:
        """The mean CPU ratio in [start, end), rounded to four digits."""
        cells = range(start // CELL, end // CELL)
        return round(sum(self.load(pod, cell) for cell in cells) / len(cells), 4)
