"""A built image in containers of its own, beside an API, with the options of docs/deploy/container.md.

Owns: the calls of podman, and the end of what they started. Must not know: what is asserted.

All containers of a test share the loopback of one that has no network, so that nothing here has a port of the host.
"""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.support import wait_for

API = """
import http.server
class Api(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization") == "Bearer for-the-meter"
        super().do_GET() if known else self.send_error(401)
http.server.ThreadingHTTPServer(("127.0.0.1", 8000), Api).serve_forever()
"""

CONFIG = """
sources:
  meter:
    url: http://127.0.0.1:8000
    authorization: {credentials_file: /etc/timepoint-credentials/meter}
jobs:
  energy:
    source: meter
    every: 2s
    max_age: 1h
    request: {get: /energy.json}
    transform: {jq: .data}
    metrics:
      meter_energy_joules_total:
        type: counter
        temporality: cumulative
        help: Energy that went through the meter.
        value: $.joules
"""
"""The transform runs in a process of its own: the walls of the container are around more than the two processes."""

WALLS = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
DATA = "/data/timepoint"
CONFIG_FILE = "/etc/timepoint/timepoint.yaml"
FETCH = "import sys, urllib.request; sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"


@dataclass
class Containers:
    """What runs of an image for one test."""

    podman: list[str]
    image: str
    directory: Path
    prefix: str = field(default_factory=lambda: f"timepoint-test-{secrets.token_hex(6)}")
    volumes: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    def call(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """What a command of podman says; it gets two minutes."""
        command = [*self.podman, *words]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)

    def must(self, *words: str, given: str = "") -> str:
        """What a command of podman says that has to succeed."""
        done = self.call(*words, given=given)
        assert done.returncode == 0, f"podman {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def volume(self) -> str:
        """The name of a new volume."""
        name = f"{self.prefix}-{len(self.volumes)}"
        self.must("volume", "create", name)
        self.volumes.append(name)
        return name

    def told(self) -> dict[str, Any]:
        """What the image says of itself."""
        (found,) = json.loads(self.must("image", "inspect", self.image))
        assert isinstance(found, dict)
        return found

    def python(self, code: str, *args: str) -> str:
        """What the image's Python prints, in a container that has nothing."""
        options = ["--rm", "--no-healthcheck", "--network", "none", *WALLS, "--entrypoint", "python3"]
        return self.must("run", *options, self.image, "-c", code, *args)

    def prepare(self) -> None:
        """Writes the config and the credential as the page says, and starts the API."""
        for name in ("api", "config", "credentials"):
            (self.directory / name).mkdir()
            (self.directory / name).chmod(0o755)
        (self.directory / "config" / "timepoint.yaml").write_text(CONFIG)
        credential = self.directory / "credentials" / "meter"
        credential.write_text("for-the-meter")
        credential.chmod(0o444)  # another owner and 0400 is better, and needs root
        self.measure(100.0)
        mount = f"{self.directory}/api:/api:ro"
        self.run("api", "--network", "none", "-v", mount, "-w", "/api", "--entrypoint", "python3", args=["-c", API])

    def measure(self, joules: float) -> None:
        """What the meter shows from now on. If that is less it has begun anew, and is added to what was counted."""
        path = self.directory / "api" / "energy.json"
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps({"data": {"joules": joules}}))
        beside.chmod(0o644)
        beside.replace(path)

    def run(self, name: str, *options: str, args: list[str] | None = None) -> str:
        """Starts a container in the background; its whole name."""
        full = f"{self.prefix}-{name}"
        self.started.append(full)
        self.must("run", "-d", "--name", full, "--no-healthcheck", *options, self.image, *(args or []))
        return full

    def options(self, volume: str) -> list[str]:
        """The options with which the page runs the exporter, on the network of the API."""
        mounts = [f"{volume}:/data", f"{self.directory}/config:/etc/timepoint:ro"]
        mounts.append(f"{self.directory}/credentials:/etc/timepoint-credentials:ro")
        return [
            "--network",
            f"container:{self.prefix}-api",
            *WALLS,
            *(word for mount in mounts for word in ("-v", mount)),
        ]

    def page(self, name: str, path: str) -> str | None:
        """A page of the exporter as its own container gets it, or None while there is none."""
        done = self.call("exec", name, "python3", "-c", FETCH, f"http://127.0.0.1:8080{path}")
        return done.stdout if done.returncode == 0 else None

    def shown(self, name: str, amount: float) -> str:
        """The page with the metrics, once the counter shows an amount."""
        line = f"meter_energy_joules_total {amount}"

        def look() -> str | None:
            page = self.page(name, "/metrics")
            return page if page is not None and line in page.splitlines() else None

        try:
            return wait_for(line, look)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.call('logs', name).stdout[-4000:]}") from error

    def ended(self, name: str) -> int:
        """The exit code of a container, once it has ended."""
        return int(self.must("wait", name).split()[-1])

    def remove(self, name: str) -> None:
        """Takes a container away, as an upgrade does."""
        self.must("rm", name)
        self.started.remove(name)

    def close(self) -> None:
        """Ends and removes everything."""
        for name in reversed(self.started):
            self.call("rm", "-f", "-v", "-t", "0", name)
        for name in self.volumes:
            self.call("volume", "rm", "-f", name)


@contextmanager
def containers(podman: list[str], image: str, directory: Path) -> Iterator[Containers]:
    """The containers of one test, and the API among them."""
    these = Containers(podman, image, directory)
    try:
        these.prepare()
        yield these
    finally:
        these.close()
