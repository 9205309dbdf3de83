"""The hostile API, as a process that is never killed.

Owns: how an honest answer is spoiled: failing, truncated, stalling, reordered, repeated, too wide, too early. Must not
know: the product. ``python -m tests.proof.feed SEED UNIT SLOTS`` prints the port and the first interval, then serves.

    /late/?start=..&end=..    amounts that come late and are revised until they settle
    /firm/?start=..&end=..    amounts and meter readings that are settled from the start
    /peace                    from now on everything is settled and nothing is spoiled
    /stats                    what was served: how often each way to spoil an answer was used

The n-th answer is spoiled by a function of (seed, n); what it holds is a function of (seed, range, time).
"""

from __future__ import annotations

import json
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.proof import fasttime
from tests.proof.world import DELAY, OVERLAP, SETTLED, SKEW, STEP, World, mix

FAULTS = (
    *("status_500",) * 3,
    *("status_503", "status_429", "html", "error_document", "empty_list", "no_body", "half_a_body"),
    *("truncated",) * 2,
    *("reset",) * 2,
    *("stall",) * 2,
)
OUTAGE_EVERY, OUTAGE = 30_000, 2_500
STALL = 1.0
WIDE = 3


class Feed:
    """The state of the API: what it has served so far, and whether there is peace."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stats: Counter[str] = Counter()
        self.peace = False
        self.lock = threading.Lock()
        self._asked: dict[str, int] = {}

    def now(self) -> int:
        """The API's clock, in the units of its world."""
        return fasttime.now() // self.world.unit

    def fault(self, kind: str, end: int) -> tuple[int, str | None]:
        """The number of this answer and how it is spoiled."""
        with self.lock:
            number = self.stats["answers"]
            self.stats["answers"] += 1
            self.stats["asked_again"] += end <= self._asked.get(kind, 0)
            self._asked[kind] = max(end, self._asked.get(kind, 0))
            if self.peace:
                return number, None
            if (self.now() - self.world.genesis * STEP) % OUTAGE_EVERY > OUTAGE_EVERY - OUTAGE:
                fault: str | None = "outage"
            else:
                roll = mix(self.world.seed, 4, number) % 100
                fault = FAULTS[roll] if roll < len(FAULTS) else None
            if fault:
                self.stats[fault] += 1
            return number, fault

    def document(self, kind: str, number: int, start: int, end: int) -> dict[str, Any]:
        """The answer for the intervals that touch a range of milliseconds."""
        chance = random.Random(mix(self.world.seed, 5, number))
        first, last = start // self.world.step, -(-end // self.world.step)
        if not self.peace and chance.random() < 0.2:
            self.stats["wide"] += 1
            first, last = first - WIDE, last + WIDE
        now = self.now() + (0 if self.peace else chance.randint(-SKEW, SKEW))
        rows = self._late if kind == "late" else self._firm
        pods = []
        for pod in self.world.pods(first, last):
            points = list(rows(pod, range(first, last), now, chance))
            if points or pod < 8:
                pods += self._spoil(pod, points, chance)
        if not self.peace and chance.random() < 0.5:
            chance.shuffle(pods)
        return {"pods": pods}

    def _late(self, pod: int, numbers: range, now: int, chance: random.Random) -> Iterator[dict[str, Any]]:
        stats = self.stats
        for number in numbers:
            settled = self.world.settled(pod, number)
            if settled is None:
                continue
            age = now - (number + 1) * STEP
            if self.peace or age >= SETTLED:
                amount: Any = settled
            else:
                amount = self.world.claim(pod, number, age)
                if amount is None:
                    stats["not_yet"] += 1
                    continue
                stats["too_high"] += amount > settled
                stats["too_low"] += amount < settled
                roll = chance.random()
                if roll < 0.05:
                    stats["missing"] += 1
                    continue
                if roll < 0.07:
                    stats["unusable"] += 1
                    odd: Any = chance.choice([None, -5, "ND", []])
                    yield {"t": number * self.world.step, "v": odd, "w": odd}
                    continue
            as_text = not self.peace and chance.random() < 0.1
            yield {"t": number * self.world.step, "v": str(amount) if as_text else amount, "w": 2 * amount}

    def _firm(self, pod: int, numbers: range, now: int, chance: random.Random) -> Iterator[dict[str, Any]]:
        for number in numbers:
            settled = self.world.settled(pod, number)
            if settled is not None:
                yield {"t": number * self.world.step, "v": settled, "r": self.world.total(pod, number + 1)}

    def _spoil(self, pod: int, points: list[dict[str, Any]], chance: random.Random) -> list[dict[str, Any]]:
        """One pod as one entry or as several, in some order, some points twice."""
        if self.peace:
            return [{"pod": f"pod-{pod}", "points": points}]
        roll = chance.random()
        if roll < 0.3:
            self.stats["newest_first"] += 1
            points.reverse()
        elif roll < 0.6:
            self.stats["shuffled"] += 1
            chance.shuffle(points)
        if points and chance.random() < 0.3:
            self.stats["repeated"] += 1
            points = points + chance.choices(points, k=3)
        cut = chance.randint(0, len(points)) if chance.random() < 0.3 else len(points)
        parts = [points[:cut], points[cut:]] if cut < len(points) else [points]
        return [{"pod": f"pod-{pod}", "points": part} for part in parts]


class Handler(BaseHTTPRequestHandler):
    """One exchange. The class attribute ``feed`` is set before serving."""

    protocol_version = "HTTP/1.1"
    feed: Feed

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        kind = address.path.strip("/")
        if kind == "stats":
            self._send(200, json.dumps(self.feed.stats).encode())
        elif kind == "peace":
            self.feed.peace = True
            self._send(200, b"{}")
        else:
            query = parse_qs(address.query)
            self._serve(kind, int(query["start"][0]), int(query["end"][0]))

    def _serve(self, kind: str, start: int, end: int) -> None:
        number, fault = self.feed.fault(kind, end)
        if fault in {"outage", "reset"}:
            # Closing with a pending RST, as a crashing server does.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if fault == "stall":
            time.sleep(STALL)
            self.close_connection = True
            return
        if fault and fault.startswith("status_"):
            self._send(int(fault[-3:]), b'{"pods": [{"pod": "pod-0", "points": []}]}')
        elif fault == "html":
            self._send(200, b"<html><body>Please log in</body></html>", "text/html")
        elif fault == "error_document":
            self._send(200, b'{"error": "try again", "pods": [{"pod": "pod-0", "points": []}]}')
        elif fault == "empty_list":
            self._send(200, b'{"pods": []}')
        elif fault == "no_body":
            self._send(200, b"")
        else:
            body = json.dumps(self.feed.document(kind, number, start, end)).encode()
            if fault == "half_a_body":
                self._send(200, body[: len(body) // 2])
            elif fault == "truncated":
                self._send(200, body[: len(body) // 2], length=len(body))
                self.close_connection = True
            else:
                self._send(200, body)

    def _send(self, status: int, body: bytes, kind: str = "application/json", length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if status == 429:
            self.send_header("Retry-After", "soon")
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return fasttime.http_date()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed client breaks its connection: that is the test."""


def main() -> None:
    """Serves until the standard input ends, so that it never outlives the oracle."""
    if fast := fasttime.FastTime.of_environment():
        fast.install()
    seed, unit, slots = map(int, sys.argv[1:])
    world = World(seed, fasttime.now() // (STEP * unit) + 1, unit, slots)
    Handler.feed = Feed(world)
    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(server.server_address[1], world.genesis, flush=True)
    sys.stdin.read()


assert SETTLED + SKEW < OVERLAP + DELAY, "the API would break its promise"

if __name__ == "__main__":
    main()
