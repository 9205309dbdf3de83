"""The energy API of the experiment: five kinds of pods, an outage, an odd row; its truth is a pure function.

Owns: what each pod uses, when it lives, what the API answers. Must not know: who asks, Prometheus.

Time is cut into steps, counted from ``genesis``; a run of the exporter covers PERIOD of them. Amounts are whole Wh, so
sums of joules are exact. Steps that ended less than SETTLE steps ago are still being measured and come out at half.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.proof.world import mix
from timepoint.clock import SystemClock

PERIOD = 5
SETTLE = 2
ALWAYS = 1 << 40
OUTAGE = range(24, 30)
ODD_FROM = 34
JOULES_PER_WH = 3600


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, and the half-open ranges of steps in which it lives."""

    app: str
    name: str
    story: str
    lives: tuple[tuple[int, int], ...]

    def is_alive(self, step: int) -> bool:
        return any(born <= step < dies for born, dies in self.lives)


PODS = (
    Pod("checkout", "cart-0", "stays", ((0, ALWAYS),)),
    Pod("checkout", "cart-1", "goes, and returns", ((0, 12), (28, ALWAYS))),
    Pod("checkout", "cart-7d9f", "stays", ((0, ALWAYS),)),
    Pod("search", "index-0", "stays", ((0, ALWAYS),)),
    Pod("search", "index-4c1b", "goes", ((0, 17),)),
    Pod("search", "index-8e20", "comes", ((19, ALWAYS),)),
    Pod("search", "job-1", "lives for one step", ((21, 22),)),
    Pod("search", "job-2", "lives for two steps", ((31, 33),)),
)


class Feed:
    """The API; ``genesis`` and ``step`` in milliseconds. Before ``begin`` there are no pods."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.genesis: int | None = None
        self.url = ""

    def begin(self, genesis: int) -> None:
        """From this instant on pods live."""
        self.genesis = genesis

    def amount(self, pod: Pod, step: int) -> int:
        """Wh of a pod in a step; 0 where it does not live."""
        return 1 + mix(7, PODS.index(pod), step) % 40 if pod.is_alive(step) else 0

    def joules(self, pod: Pod, start: int, end: int) -> int:
        """The API's own sum over a range of instants, which lie on borders of steps."""
        assert self.genesis is not None
        first, last = (max(0, (at - self.genesis) // self.step) for at in (start, end))
        return sum(self.amount(pod, step) for step in range(first, last)) * JOULES_PER_WH

    def answer(self, start: int, end: int, now: int) -> dict[str, Any]:
        """The document for the steps that begin in a range of instants."""
        tree: dict[str, Any] = {}
        if self.genesis is None:
            return tree
        first, last = (-((self.genesis - at) // self.step) for at in (start, end))
        current = (now - self.genesis) // self.step
        numbers = range(first, last)
        for pod in PODS:
            if any(pod.is_alive(number) for number in numbers):
                rows = tree.setdefault("cluster-a", {}).setdefault(pod.app, {}).setdefault("shop", [])
                values = [self._said(pod, number, current) for number in numbers]
                rows.append({"name": pod.name, "energy_consumed": values})
        if ODD_FROM in numbers and "cluster-a" in tree:
            tree["cluster-a"]["checkout"]["shop"].insert(1, {"name": "unscheduled", "energy_consumed": "n/a"})
        return tree

    def _said(self, pod: Pod, number: int, current: int) -> float | None:
        if not pod.is_alive(number) or number >= current:  # what has not ended has no value
            return None
        return self.amount(pod, number) / (2 if number >= current - SETTLE else 1)

    def is_out(self, now: int) -> bool:
        """Whether the API fails at an instant."""
        return self.genesis is not None and (now - self.genesis) // self.step in OUTAGE

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Answers on a free port until the block ends."""
        feed, clock = self, SystemClock()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                now = clock.now()
                query = parse_qs(urlsplit(self.path).query)
                start, end = (
                    round(datetime.fromisoformat(query[key][0]).timestamp() * 1000) for key in ("start", "end")
                )
                is_out = feed.is_out(now)
                body = json.dumps({"error": "busy"} if is_out else feed.answer(start, end, now)).encode()
                self.send_response(500 if is_out else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                """Nobody reads it."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
