"""How often one client may ask.

Owns: a bucket of tokens for each client. Per client and not for all together, as exporter-toolkit has it: there anybody
can use up what Prometheus needs. Pure. Must not know: requests, what a client is.
"""

from __future__ import annotations

from collections import OrderedDict

from timepoint.server.web.spec import RateSpec

KEPT = 1024
"""Clients that are remembered; of more, those that have not asked for the longest time are forgotten."""


class Rates:
    """The buckets of all clients. Moments are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._spec: RateSpec | None = None
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, spec: RateSpec, peer: str, now: float) -> bool:
        """Takes a token of a client, if there is one. Another spec than before begins with full buckets."""
        if spec != self._spec:
            self._spec = spec
            self._buckets.clear()
        tokens, since = self._buckets.pop(peer, (float(spec.burst), now))
        tokens = min(float(spec.burst), tokens + (now - since) / spec.interval)
        is_there = tokens >= 1
        self._buckets[peer] = (tokens - is_there, now)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        return is_there
