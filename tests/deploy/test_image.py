"""The built image, really run: what docs/deploy/container.md says of it.

``TIMEPOINT_IMAGE`` names the image; scripts/try-image builds one where no registry can be reached, and
runs these tests. ``TIMEPOINT_PODMAN`` is the command, with options if need be.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.containers import CONFIG_FILE, DATA, Containers, containers
from tests.deploy.test_container import EXTRAS
from tests.system.support import wait_for
from timepoint.version import __version__


@pytest.fixture
def image() -> str:
    """The name of a built image."""
    name = os.environ.get("TIMEPOINT_IMAGE")
    if not name:
        pytest.skip("no built image is named (TIMEPOINT_IMAGE; scripts/try-image builds one)")
    return name


@pytest.fixture
def these(image: str, tmp_path: Path) -> Iterator[Containers]:
    """The containers of one test."""
    with containers(shlex.split(os.environ.get("TIMEPOINT_PODMAN", "podman")), image, tmp_path) as found:
        yield found


def test_the_image_says_what_kubernetes_must_know(these: Containers) -> None:
    """User, first process, volume and signal are in the image as they are in the Containerfile."""
    told = these.told()["Config"]
    assert told["User"] == "65532:65532"
    assert told["Entrypoint"] == ["timepoint"]
    assert told["Cmd"] == ["run", "/etc/timepoint/timepoint.yaml", "--data-dir", DATA]
    assert list(told["Volumes"]) == ["/data"]
    assert told["StopSignal"] == "SIGTERM"


VERSIONS = ["3.11", "3.12", "3.13", "3.14"]

INSTALLED = """
import importlib.metadata, json
found = {dist.metadata["Name"]: dist.requires or [] for dist in importlib.metadata.distributions(path=PATH)}
print(json.dumps(found))
"""


def applies(need: Requirement, extra: str) -> bool:
    """Whether a requirement is one of an extra; the image's Python may be another than this one, so both are taken."""
    return need.marker is None or any(need.marker.evaluate({"extra": extra, "python_version": v}) for v in VERSIONS)


def test_only_what_runs_is_installed(these: Containers) -> None:
    """Each package of the image is timepoint, or one that it needs: nothing that builds or installs is there (A38)."""
    path = "import sys; PATH = [place for place in sys.path if place.startswith('/opt/timepoint')]"
    found = json.loads(these.python(path + INSTALLED))
    needs = {str(canonicalize_name(name)): [Requirement(text) for text in texts] for name, texts in found.items()}
    reached = set[tuple[str, str]]()
    fresh = {("timepoint-exporter", extra) for extra in ["", *EXTRAS]}
    while fresh:
        reached |= fresh
        wanted = [need for name, extra in fresh for need in needs.get(name, []) if applies(need, extra)]
        fresh = {
            (str(canonicalize_name(need.name)), extra) for need in wanted for extra in ["", *need.extras]
        } - reached
    needed = {name for name, _ in reached}
    assert len(needed) > 20
    assert set(needs) - needed == set()


def test_it_is_of_this_version(these: Containers) -> None:
    """The command of the image is of the version of this checkout."""
    said = these.must("run", "--rm", "--no-healthcheck", "--network", "none", these.image, "--version")
    assert said == f"timepoint {__version__}\n"


def test_it_serves_with_nothing_writable_but_its_volume(these: Containers) -> None:
    """Without root, capabilities and a writable image the exporter gets ready, with a credential and a jq program."""
    exporter = these.run("exporter", *these.options(these.volume()))
    these.shown(exporter, 100.0)
    wait_for("readiness", lambda: these.page(exporter, "/-/ready"))
    written = "import sys, pathlib; pathlib.Path(sys.argv[1], 'x').touch()"
    outcome = {at: these.call("exec", exporter, "python3", "-c", written, at) for at in ("/opt", "/data", "/tmp")}
    assert {at: done.returncode for at, done in outcome.items()} == {"/opt": 1, "/data": 0, "/tmp": 0}
    assert "Read-only file system" in outcome["/opt"].stderr
    status = these.must("exec", exporter, "cat", "/proc/1/status")
    assert dict(re.findall(r"^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):\s+(\w+)", status, re.MULTILINE)) == {
        "Uid": "65532",
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


def test_counters_go_on_in_a_new_container(these: Containers) -> None:
    """An upgrade by stop, remove and run with the same volume adds what is new to what was counted."""
    volume = these.volume()
    first = these.run("first", *these.options(volume))
    these.shown(first, 100.0)
    these.must("stop", "-t", "60", first)
    these.remove(first)
    these.measure(2.0)
    second = these.run("second", *these.options(volume))
    these.shown(second, 102.0)


def test_it_ends_with_0(these: Containers) -> None:
    """As process 1 it obeys the signal of the image, ends its children, and its exit code is 0."""
    exporter = these.run("exporter", *these.options(these.volume()))
    these.shown(exporter, 100.0)
    these.must("stop", "-t", "60", exporter)
    assert these.ended(exporter) == 0


def test_the_health_check_tells_health(these: Containers) -> None:
    """The command of the image's health check succeeds beside an exporter, and fails beside a process that is none."""
    check = these.told()["HealthCheck" if "HealthCheck" in these.told() else "Healthcheck"]["Test"]
    assert check[0] == "CMD"
    exporter = these.run("exporter", *these.options(these.volume()))
    wait_for("health", lambda: these.call("exec", exporter, *check[1:]).returncode == 0)
    these.must("stop", "-t", "60", exporter)
    assert these.call("exec", f"{these.prefix}-api", *check[1:]).returncode == 1


def test_a_second_one_is_refused(these: Containers) -> None:
    """A container on a volume that another one has ends with 75, and the first goes on."""
    volume = these.volume()
    first = these.run("first", *these.options(volume))
    these.shown(first, 100.0)
    second = these.run("second", *these.options(volume), args=["poll", "--once", CONFIG_FILE, "--data-dir", DATA])
    assert these.ended(second) == 75
    these.measure(2.0)
    these.shown(first, 102.0)


KILL = """
import os, pathlib, signal
for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
    pid, parent = int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])
    if parent == 1 and pid != os.getpid():
        os.kill(pid, signal.SIGKILL)
"""


def test_process_1_starts_its_children_again(these: Containers) -> None:
    """After every child of process 1 was killed, counting goes on in the same container."""
    exporter = these.run("exporter", *these.options(these.volume()))
    these.shown(exporter, 100.0)
    these.must("exec", exporter, "python3", "-c", KILL)
    these.measure(2.0)
    these.shown(exporter, 102.0)
    assert "child_died" in these.call("logs", exporter).stderr + these.call("logs", exporter).stdout


def test_a_backup_goes_into_an_empty_volume(these: Containers) -> None:
    """What ``doctor --export -`` writes beside a running exporter is what one on a new volume goes on from."""
    first = these.run("first", *these.options(these.volume()))
    these.shown(first, 100.0)
    backup = these.must("exec", first, "timepoint", "doctor", DATA, "--export", "-")
    restored = these.volume()
    options = ["--rm", "-i", "--no-healthcheck", "--network", "none", "-v", f"{restored}:/data"]
    these.must("run", *options, these.image, "doctor", DATA, "--import", "-", given=backup)
    these.must("stop", "-t", "60", first)
    these.measure(2.0)
    second = these.run("second", *these.options(restored))
    these.shown(second, 102.0)
