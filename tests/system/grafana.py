"""A Grafana server as a process, with a Prometheus as its data source and dashboards from files.

Owns: provisioning, starting and ending it, asking it. Must not know: what is asserted.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.system.support import PATIENCE, free_port, get, wait_for

HOME = "TIMEPOINT_GRAFANA"
SOURCE = "prometheus"

_SOURCES = """\
apiVersion: 1
datasources:
  - {name: Prometheus, uid: UID, type: prometheus, access: proxy, url: "http://127.0.0.1:PORT", isDefault: true}
"""
_DASHBOARDS = """\
apiVersion: 1
providers:
  - {name: timepoint, type: file, options: {path: "PATH"}}
"""


def home() -> Path | None:
    """The directory of an unpacked Grafana, with ``bin/grafana`` in it; None if nobody named one."""
    named = os.environ.get(HOME)
    return Path(named).resolve() if named else None


class Grafana:
    """A Grafana whose visitors may do everything, with the dashboards of one directory."""

    def __init__(self, place: Path, directory: Path, prometheus_port: int, dashboards: Mapping[str, str]) -> None:
        self.port = free_port()
        self._place = place
        self._directory = directory
        self._uids = [json.loads(text)["uid"] for text in dashboards.values()]
        provisioning, boards = directory / "provisioning", directory / "dashboards"
        for part in ("datasources", "dashboards", "plugins", "notifiers", "alerting"):
            (provisioning / part).mkdir(parents=True)
        boards.mkdir()
        for name, text in dashboards.items():
            (boards / name).write_text(text)
        sources = _SOURCES.replace("UID", SOURCE).replace("PORT", str(prometheus_port))
        (provisioning / "datasources" / "prometheus.yaml").write_text(sources)
        (provisioning / "dashboards" / "timepoint.yaml").write_text(_DASHBOARDS.replace("PATH", str(boards)))

    @contextmanager
    def running(self) -> Iterator[Grafana]:
        """Serves until the block ends."""
        command = [str(self._place / "bin" / "grafana"), "server", f"--homepath={self._place}"]
        with (self._directory / "grafana.log").open("wb") as log:
            process = subprocess.Popen(command, env=os.environ | self._settings(), stdout=log, stderr=log)
        try:
            wait_for("Grafana to be ready", lambda: self._ready(process))
            yield self
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def _settings(self) -> dict[str, str]:
        return {
            "GF_SERVER_HTTP_ADDR": "127.0.0.1",
            "GF_SERVER_HTTP_PORT": str(self.port),
            "GF_PATHS_DATA": str(self._directory / "data"),
            "GF_PATHS_LOGS": str(self._directory / "logs"),
            "GF_PATHS_PLUGINS": str(self._directory / "plugins"),
            "GF_PATHS_PROVISIONING": str(self._directory / "provisioning"),
            "GF_AUTH_ANONYMOUS_ENABLED": "true",
            "GF_AUTH_ANONYMOUS_ORG_ROLE": "Admin",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_LOG_LEVEL": "warn",
        }

    def _ready(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, (self._directory / "grafana.log").read_text()[-2000:]
        paths = ["health", *(f"dashboards/uid/{uid}" for uid in self._uids)]  # files are read after it serves
        with suppress(OSError):
            return all(get(f"http://127.0.0.1:{self.port}/api/{path}")[0] == 200 for path in paths)
        return False

    def dashboard(self, uid: str) -> dict[str, Any]:
        """A dashboard as Grafana keeps it."""
        status, body = get(f"http://127.0.0.1:{self.port}/api/dashboards/uid/{uid}")
        assert status == 200, body
        found = json.loads(body)["dashboard"]
        assert isinstance(found, dict)
        return found

    def post(self, path: str, body: object) -> tuple[int, Any]:
        """Status and answer of a POST of JSON; an error status is an answer too."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def ask(self, target: Mapping[str, Any], start: int, end: int, points: int = 600) -> tuple[str, list[Any]]:
        """What a panel's query comes to between two instants in milliseconds: the error, "" if none, and its frames.

        Grafana itself makes ``$__interval`` and ``$__range``; variables its browser would have filled in.
        """
        name = target["refId"]
        query = dict(target) | {"datasource": {"type": "prometheus", "uid": SOURCE}, "maxDataPoints": points}
        _, answer = self.post("/api/ds/query", {"from": str(start), "to": str(end), "queries": [query]})
        result = answer.get("results", {}).get(name, answer)
        return result.get("error", "" if "frames" in result else str(result)), result.get("frames", [])
