"""The peer json_exporter, where it is on the PATH.

Owns: its config, the flat copy of the body that it needs, one probe. Must not know: timepoint.

It has no way to bind nested keys as labels and none to choose a timepoint, so it gets a list of objects with the last
value of each pod.
"""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import psutil

from bench.bodies import Shape, make_bodies
from bench.setting import Setting

PROGRAM = "json_exporter"

_CONFIG = """\
modules:
  default:
    metrics:
      - name: pod_energy
        type: object
        path: '{ [*] }'
        labels: {cluster: '{ .cluster }', app: '{ .app }', namespace: '{ .namespace }', pod_name: '{ .pod_name }'}
        values: {joules: '{ .energy }'}
"""


def measure(setting: Setting) -> float | None:
    """CPU seconds of one probe; None without the program."""
    program = shutil.which(PROGRAM)
    if program is None:
        return None
    [body] = make_bodies(setting.work, Shape(setting.pods, setting.points, setting.overlap), 1)
    flat = setting.work / "flat.json"
    flat.write_text(json.dumps(_flat(json.loads(body.read_bytes()))), encoding="utf-8")
    config = setting.work / "json_exporter.yaml"
    config.write_text(_CONFIG, encoding="utf-8")
    with _file_server(setting.work) as server, socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
        probe.close()
        target = f"http://127.0.0.1:{server.server_address[1]}/{flat.name}"
        process = subprocess.Popen([program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"])
        try:
            return _probe(process.pid, port, target)
        finally:
            process.terminate()
            process.wait()


def _probe(pid: int, port: int, target: str) -> float:
    query = urllib.parse.urlencode({"module": "default", "target": target})
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    before = psutil.Process(pid).cpu_times()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/probe?{query}", timeout=600) as response:
        response.read()
    after = psutil.Process(pid).cpu_times()
    return float(after.user + after.system - before.user - before.system)


def _flat(document: dict[str, dict[str, dict[str, list[dict[str, object]]]]]) -> list[dict[str, object]]:
    return [
        {
            "cluster": cluster,
            "app": app,
            "namespace": namespace,
            "pod_name": pod["name"],
            "energy": pod["energy_consumed"][-1],  # type: ignore[index]
        }
        for cluster, apps in document.items()
        for app, namespaces in apps.items()
        for namespace, pods in namespaces.items()
        for pod in pods
    ]


def _file_server(directory: Path) -> http.server.ThreadingHTTPServer:
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, directory=str(directory), **options)  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name it has there
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
