"""The whole exporter as a person starts it, killed in part or as a whole while it is scraped.

Owns: which of its processes die, and that a restart shows the last page at once. Must not know: what is right
(``oracle``).
"""

from __future__ import annotations

import http.client
import random
import threading
from pathlib import Path

import psutil

from tests.proof.campaign import CONFIG, Api, looking
from tests.proof.oracle import Oracle
from tests.system.support import PATIENCE, Exporter, get, wait_for
from timepoint.datadir import Layout

WAYS = ("all", "all", "all", "parent", "parent", "poller", "server")


class Tree:
    """``timepoint run`` on the hostile API."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.api = Api(seed)
        (directory / "config.yaml").write_text(CONFIG.replace("http://127.0.0.1:PORT", self.api.url))
        self.exporter = Exporter(directory / "config.yaml", directory / "data", {})
        self.oracle = Oracle(self.api.world, Layout(directory / "data"))
        self.kills = 0
        self.restarts = 0
        self.has_shown = False

    def run(self, kills: int) -> None:
        """Kills so many times, then lets it come up to a peaceful API; findings are the oracle's."""
        self.exporter.start()
        try:
            with looking(self.look, 0.03):
                for _ in range(kills):
                    self._wait_for_pages(5)
                    threading.Event().wait(self.chance.uniform(0.1, 1.0))
                    self.kill(self.chance.choice(WAYS))
                    if self.oracle.findings:
                        return
                self.api.get("peace")
                runs = len(self.exporter.accepted())
                wait_for("new runs in peace", lambda: len(self.exporter.accepted()) > runs + 60)
            code = self.exporter.stop()
            if code:
                self.oracle.blame(f"the exporter ended with {code}")
            self.oracle.look_at_the_end()
        finally:
            if self.exporter.process is not None and self.exporter.process.poll() is None:
                self.exporter.kill()
            self.api.close()

    def _wait_for_pages(self, count: int) -> None:
        """A life that nobody has looked at says nothing."""
        enough = self.oracle.pages_seen + count
        wait_for("some pages", lambda: self.oracle.pages_seen >= enough or self.oracle.findings)

    def look(self) -> None:
        """One scrape. One that was refused, or died with the server, is none. After a full page no page is empty."""
        try:
            status, body = get(f"{self.exporter.url}/metrics", timeout=5)
        except (OSError, http.client.HTTPException):
            return
        text = body.decode()
        if status != 200:
            self.oracle.blame(f"a scrape was answered with {status}")
            return
        has_counters = "late_joules_total{" in text
        if self.has_shown and not has_counters:
            self.oracle.blame("a page was empty after a restart")
        self.has_shown = self.has_shown or has_counters
        self.oracle.look_at_page(text)

    def kill(self, way: str) -> None:
        """SIGKILL to one process or to all; looks at what is left, and starts again what does not start by itself."""
        assert self.exporter.process is not None
        parent = psutil.Process(self.exporter.process.pid)
        children = parent.children()
        self.kills += 1
        if way in {"poller", "server"}:
            started = {record["child"]: int(record["pid"]) for record in self.exporter.log("child_started")}
            for child in children:
                if child.pid == started[way]:
                    child.kill()
            return
        for process in [parent, *(children if way == "all" else [])]:
            process.kill()
        self.exporter.process.wait(PATIENCE)
        _, alive = psutil.wait_procs(children, timeout=PATIENCE)
        if alive:
            self.oracle.blame("a child outlived the parent")
        self.oracle.look_at_rest()
        self.restarts += 1
        self.exporter.start()
