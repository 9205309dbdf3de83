"""The demo's energy API: a time range in, a value per timepoint out, nested by cluster, app and namespace.

Owns: the HTTP face of ``World`` with the habits of real APIs: a token, a limit on the range, values that settle late,
an occasional 500 and an occasional odd row. Must not know: the exporter.

    GET /api/v1/pods?start=2026-01-01T00:00:00Z&end=2026-01-01T00:30:00Z&step=5m
    {"eu-west": {"checkout": {"shop": [
        {"name": "checkout-1a2b3-c4d",
         "energy_consumed": [5.25, null], "co2_emitted": [1.5, null], "cpu_usage": [0.4, null]}]}}}

Lists have one value per step; null stands where the pod was not alive or the timepoint is still to come. Timepoints
that ended less than ``settle`` ago are still being measured and come out low.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from timepoint.clock import DAY, SECOND, Clock, parse_duration
from timepoint.demo.world import CELL, Pod, World

TOKEN = "demo-token"  # noqa: S105 - printed in the documentation; it protects nothing


@dataclass(frozen=True, slots=True)
class Habits:
    """How the API misbehaves. ``settle`` in milliseconds; ``failures`` and ``oddities`` are shares of the requests."""

    settle: int = 10 * SECOND
    failures: float = 0.05
    oddities: float = 0.3
    max_range: int = 2 * DAY


class BadRequestError(ValueError):
    """The caller's mistake, answered with status 400 and this text."""


def _instant(request: web.Request, name: str) -> int:
    text = request.query.get(name)
    if text is None:
        raise BadRequestError(f"the parameter {name!r} is missing")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequestError(f"{name}={text!r} is not an RFC 3339 time") from None
    if moment.tzinfo is None:
        raise BadRequestError(f"{name}={text!r} has no zone")
    return round(moment.timestamp() * 1000)


class EnergyApi:
    """Answers requests out of a ``World``. ``requests`` counts the calls and seeds each one's luck."""

    def __init__(self, world: World, clock: Clock, habits: Habits | None = None) -> None:
        self.world = world
        self.requests = 0
        self._clock = clock
        self._habits = habits or Habits()

    def application(self) -> web.Application:
        """The aiohttp application, ready to be served."""
        application = web.Application()
        application.router.add_get("/api/v1/pods", self.pods)
        return application

    async def pods(self, request: web.Request) -> web.Response:
        self.requests += 1
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "a bearer token is needed"}, status=401)
        if self._luck("failure") < self._habits.failures:
            return web.json_response({"error": "the meter database is busy"}, status=500)
        try:
            start, end, step = self._range(request)
        except BadRequestError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(self.body(start, end, step))

    def _range(self, request: web.Request) -> tuple[int, int, int]:
        start, end = _instant(request, "start"), _instant(request, "end")
        try:
            step = parse_duration(request.query.get("step", "5m"))
        except ValueError as error:
            raise BadRequestError(str(error)) from None
        if step <= 0 or step % CELL or start % step or end % step:
            raise BadRequestError(f"step must be a multiple of {CELL // SECOND}s, start and end multiples of step")
        if not start < end <= start + self._habits.max_range:
            raise BadRequestError(f"ask for more than nothing and at most {self._habits.max_range // SECOND}s at once")
        return start, end, step

    def body(self, start: int, end: int, step: int) -> dict[str, Any]:
        """The answer for [start, end) as the API would give it now."""
        now = self._clock.now()
        tree: dict[str, dict[str, dict[str, list[Any]]]] = {}
        for pod in self.world.pods(start, end):
            namespaces = tree.setdefault(pod.cluster, {}).setdefault(pod.app, {})
            namespaces.setdefault(pod.namespace, []).append(self._row(pod, range(start, end, step), step, now))
        if tree and self._luck("oddity") < self._habits.oddities:
            self._spoil(tree)
        return tree

    def _row(self, pod: Pod, starts: range, step: int, now: int) -> dict[str, Any]:
        readings = [self._reading(pod, begin, begin + step, now) for begin in starts]
        energy, co2, cpu = (list(column) for column in zip(*readings, strict=True))
        return {"name": pod.name, "energy_consumed": energy, "co2_emitted": co2, "cpu_usage": cpu}

    def _reading(self, pod: Pod, begin: int, end: int, now: int) -> tuple[float | None, float | None, float | None]:
        if begin >= now or not (pod.born < end and pod.dies > begin):
            return None, None, None
        # Not settled yet: the meters have reported only the first half of the interval.
        known = begin + (end - begin) // 2 // CELL * CELL if end > now - self._habits.settle else end
        return self.world.energy(pod, begin, known), self.world.co2(pod, begin, known), self.world.cpu(pod, begin, end)

    def _spoil(self, tree: dict[str, dict[str, dict[str, list[Any]]]]) -> None:
        """Adds a row that no mapping can use, beside the good ones: a pod without readings that says so in words."""
        cluster = next(iter(tree.values()))
        namespace = next(iter(next(iter(cluster.values())).values()))
        odd = ({"name": "unscheduled", "energy_consumed": "n/a", "co2_emitted": "n/a", "cpu_usage": "n/a"}, "evicted")
        namespace.append(odd[int(self._luck("which") * len(odd))])

    def _luck(self, what: str) -> float:
        return zlib.crc32(f"{self.world.seed}/{self.requests}/{what}".encode()) / 2**32


def rows(body: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """Every row of an answer with its cluster, app and namespace; for tests and for the curious."""
    for cluster, apps in body.items():
        for app, namespaces in apps.items():
            for namespace, pods in namespaces.items():
                for pod in pods:
                    yield (cluster, app, namespace), pod
