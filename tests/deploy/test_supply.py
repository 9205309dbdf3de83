"""What is installed and shipped: no version with a known hole, and wheels that are the same each time."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

FIXED = {
    "aiohttp": (3, 14, 1),  # decompression bombs: CVE-2025-69223, CVE-2026-54278
    "jinja2": (3, 1, 6),  # CVE-2025-27516
    "protobuf": (6, 31, 1),  # recursion: CVE-2025-4565
    "pyyaml": (6, 0, 1),
    "urllib3": (2, 6, 3),  # CVE-2025-66418, CVE-2025-66471, CVE-2026-21441
    "requests": (2, 32, 4),  # CVE-2024-47081
    "h11": (0, 16, 0),  # CVE-2025-43859
    "starlette": (1, 3, 1),  # CVE-2025-62727
    "orjson": (3, 11, 6),  # CVE-2025-67221
    "cryptography": (44, 0, 1),  # CVE-2024-12797
    "certifi": (2024, 7, 4),  # CVE-2024-39689
    "idna": (3, 7),  # CVE-2024-3651
}
"""The first version without the hole. What is not locked needs no entry, but may come as somebody's dependency."""


def pinned(lock: Path) -> dict[str, tuple[int, ...]]:
    """The versions of a lock file."""
    found = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([0-9.]+)", lock.read_text("utf-8"), re.MULTILINE)
    return {name.lower(): tuple(map(int, version.strip(".").split("."))) for name, version in found}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a38_no_version_with_a_known_hole_is_locked(lock: Path) -> None:
    """A38: each locked version is at least the one in which the holes that matter here were closed."""
    versions = pinned(lock)
    assert versions, "the lock could not be read"
    assert {name: version for name, version in versions.items() if version < FIXED.get(name, ())} == {}


def test_a38_the_holes_are_of_what_is_installed() -> None:
    """A38: the list would find something: the dependencies that speak to the network are in it and in a lock."""
    everywhere = {name for lock in LOCKS for name in pinned(lock)}
    assert {"aiohttp", "jinja2", "pyyaml", "protobuf"} <= FIXED.keys() & everywhere


def test_a38_a_wheel_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    """A38: whoever builds a commit again can compare, whatever the day, the user's mask and the time zone."""
    source = tmp_path / "source"
    for name in ("src", "examples"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, source)
    sums = set()
    for number, (mask, zone) in enumerate([(0o022, "UTC"), (0o077, "Asia/Tokyo")]):
        directory = tmp_path / str(number)
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(directory), "-t", "wheel"]
        environ = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
        subprocess.run(command, cwd=source, check=True, capture_output=True, env={**environ, "TZ": zone}, umask=mask)
        (wheel,) = directory.iterdir()
        sums.add(hashlib.sha256(wheel.read_bytes()).hexdigest())
    assert len(sums) == 1
