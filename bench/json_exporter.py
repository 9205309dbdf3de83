"""The peer json_exporter, where it is on the PATH.

Owns: its config, the flat copy of the body that it needs, one probe. Must not know: timepoint.

It has no way to bind nested keys as labels and none to choose a timepoint, so it gets a list of objects with the last
value of each pod.
"""

from __future__ import annotations

import json
import shutil
import urllib.parse
import urllib.request

from bench.bodies import Shape, make_bodies
from bench.processes import Program, free_port
from bench.setting import Setting
from bench.source import Source

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
    port = free_port()
    command = [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
    with Source([flat]).serving() as source, Program(command, setting.work / "json_exporter.log", port) as running:
        query = urllib.parse.urlencode({"module": "default", "target": source.url})
        before = running.cpu()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/probe?{query}", timeout=600) as response:
            response.read()
        return running.cpu() - before


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
