"""Answers of an energy API, made once and kept.

Owns: their shape, names and numbers, the same on every machine. Must not know: who reads them.

The shape is the one of the first user: pods in lists by cluster, application and namespace, a list of amounts per pod.
Body k covers timepoints [k * new, k * new + points) with new = points - overlap, and gives a timepoint that stands in
two bodies the same value in both, so that the second one is an overlap and not a revision.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CLUSTERS, APPS, PODS_PER_NAMESPACE = 4, 25, 100
MOST = 3
"""Numbers are drawn for so many answers, however few of them are written, so that an answer is always the same."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many pods and timepoints an answer holds; the first ``overlap`` of them stood in the answer before."""

    pods: int
    points: int
    overlap: int

    @property
    def new(self) -> int:
        return self.points - self.overlap


def make_bodies(directory: Path, shape: Shape, count: int) -> list[Path]:
    """The first ``count`` answers of this shape as files, written unless they are there; at most ``MOST``."""
    directory.mkdir(parents=True, exist_ok=True)
    name = f"{shape.pods}x{shape.points}-{shape.overlap}"
    paths = [directory / f"pods-{name}-{k}.json" for k in range(count)]
    if not all(path.exists() for path in paths):
        _write(paths, shape)
    return paths


def _write(paths: list[Path], shape: Shape) -> None:
    """Writes all bodies side by side, namespace by namespace, so that no more than one is in memory."""
    beside = [path.with_suffix(".new") for path in paths]
    files = [path.open("w", encoding="ascii") for path in beside]
    chance = random.Random(shape.pods)
    total = shape.new * MOST + shape.overlap
    for opening, pods in _namespaces(shape.pods, chance):
        for file in files:
            file.write(opening)
        for i, name in enumerate(pods):
            values = [str(n / 10_000) for n in chance.choices(range(1_000_000), k=total)]
            for k, file in enumerate(files):
                listed = ",".join(values[k * shape.new : k * shape.new + shape.points])
                file.write(f'{"," if i else ""}{{"name":"{name}","energy_consumed":[{listed}]}}')
    for file, path, written in zip(files, paths, beside, strict=True):
        file.write("]}}}")
        file.close()
        written.rename(path)


def _namespaces(pods: int, chance: random.Random) -> Iterator[tuple[str, list[str]]]:
    """What opens each namespace's list (and closes what stood open), and the names of its pods."""
    namespaces = -(-pods // PODS_PER_NAMESPACE)
    places = sorted((j % CLUSTERS, j // CLUSTERS % APPS, j // (CLUSTERS * APPS)) for j in range(namespaces))
    before: tuple[int, int, int] | None = None
    for number, place in enumerate(places):
        cluster, app, namespace = place
        if before is None:
            opening = f'{{"cluster-{cluster}":{{"app-{app:03d}":{{'
        elif before[0] != cluster:
            opening = f']}}}},"cluster-{cluster}":{{"app-{app:03d}":{{'
        elif before[1] != app:
            opening = f']}},"app-{app:03d}":{{'
        else:
            opening = "],"
        before = place
        count = min(PODS_PER_NAMESPACE, pods - number * PODS_PER_NAMESPACE)
        names = [f"app-{app:03d}-{chance.getrandbits(40):010x}-{i:03d}" for i in range(count)]
        yield f'{opening}"ns-{namespace}":[', names
