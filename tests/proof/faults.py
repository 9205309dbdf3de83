"""What a campaign meets besides kills: a full, read-only or failing disk, a clock that jumps, a process that sleeps.

Owns: making these faults, and saying why one cannot be made here. Must not know: what is right (``oracle``).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proof.campaign import LIVENESS, Campaign
from timepoint.errors import PublishError
from timepoint.exposition.publish import read_published, snapshot_path


@contextmanager
def small_disk(directory: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own, of so many kilobytes, in memory. Skips the test where that cannot be mounted."""
    directory.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k,mode=700", "timepoint-proof", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("mounting a small disk is not allowed here")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def remount(directory: Path, how: str) -> None:
    """Makes a small disk ``ro`` or ``rw``."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(directory)], check=True)


def fill(directory: Path) -> Path:
    """Takes all the space that is left; the file that holds it."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (64 * 1024, 4096, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def commit_on_page(campaign: Campaign, job: str) -> int:
    """The commit that the page of a job shows, 0 if there is none."""
    try:
        return read_published(snapshot_path(campaign.layout.published, job)).commit
    except PublishError:
        return 0


def goes_on(campaign: Campaign, job: str, seconds: float = LIVENESS) -> bool:
    """Whether the page of a job comes to a newer commit in time."""
    before, give_up = commit_on_page(campaign, job), time.monotonic() + seconds
    while time.monotonic() < give_up:
        if commit_on_page(campaign, job) > before:
            return True
        time.sleep(0.05)
    return False


def says(campaign: Campaign, word: str, times: int, seconds: float = LIVENESS) -> bool:
    """Whether the log of the pollers comes to hold a word so many times."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if campaign.log().count(word) >= times:
            return True
        time.sleep(0.05)
    return False


class FakeTime:
    """The clock of a nursery and its pollers, by libfaketime. Skips the test where that is not installed."""

    def __init__(self, directory: Path) -> None:
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not libraries:
            pytest.skip("libfaketime is not installed (apt-get install faketime)")
        self._file = directory / "faketime"
        self.set(0)
        self.environ = {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, seconds: float) -> None:
        """The clock is so many seconds ahead of the real one."""
        beside = self._file.with_suffix(".new")
        beside.write_text(f"{seconds:+.3f}s\n")
        beside.replace(self._file)
