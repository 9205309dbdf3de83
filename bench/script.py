"""The peer: what a person writes in sixty lines with prometheus_client.

Owns: that script, without its sleep and its request. Must not know: timepoint.
"""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Script:
    """A labelled counter that is fed with each answer, and the page it gives."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ["cluster", "app", "namespace", "pod_name"]
        self._counter = Counter("pod_energy_joules", "Energy consumed by the pod.", names, registry=self.registry)

    def take(self, body: bytes) -> None:
        for cluster, apps in json.loads(body).items():
            for app, namespaces in apps.items():
                for namespace, pods in namespaces.items():
                    for pod in pods:
                        joules = sum(pod["energy_consumed"]) * 3600
                        self._counter.labels(cluster, app, namespace, pod["name"]).inc(joules)

    def page(self) -> bytes:
        # Level 9 is gzip's default and what prometheus_client's own server takes.
        return gzip.compress(generate_latest(self.registry))


def poll(bodies: list[str]) -> dict[str, float]:
    """CPU seconds of the first poll, of a later one, and of a page; each poll with one page."""
    script = Script()
    figures = {}
    for name, path in zip(("first", "steady"), bodies, strict=True):
        body = Path(path).read_bytes()
        begin = time.process_time()
        script.take(body)
        taken = time.process_time()
        script.page()
        figures[name] = time.process_time() - begin
        figures["page"] = time.process_time() - taken
    return figures
