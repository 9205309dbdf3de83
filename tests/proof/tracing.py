"""strace on a committer: to kill it at its n-th system call, to let one fail, to write down what it did to the disk.

Owns: the committer's nursery, attaching strace, its options. Must not know: what is right, how a trace is read.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Self

import pytest

from tests.conftest import ROOT

WRITING = ("openat", "write", "pwrite64", "fdatasync", "fsync", "ftruncate", "rename", "unlink")
"""The calls by which a committer changes the disk."""


def require_strace() -> None:
    """Skips the test that asks where strace cannot be used."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt-get install strace)")
    done = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("strace is not allowed to trace here (it needs ptrace)")


class Committers:
    """Starts committers one after the other; ``with`` ends the process that forks them."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.proof.committer", "serve"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def run(self, directory: Path, runs: int, trace: tuple[str, ...] = (), **order: Any) -> int:
        """One life of a committer; the exit code. ``trace`` are strace's options; none, no strace."""
        assert self._process.stdin is not None
        line = json.dumps({"dir": str(directory), "runs": runs, "stop": bool(trace), **order})
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        pid = int(self._line())
        if trace:
            with attached(pid, trace):
                os.kill(pid, signal.SIGCONT)
                return int(self._line())
        return int(self._line())

    def _line(self) -> str:
        stream: IO[str] | None = self._process.stdout
        assert stream is not None
        line = stream.readline()
        assert line, "the process that forks committers ended"
        return line


class attached:  # noqa: N801 - used like a function, as the context managers of contextlib are
    """strace holds a process while the block runs."""

    def __init__(self, pid: int, options: tuple[str, ...], *, is_stopped: bool = True) -> None:
        self._pid = pid
        if is_stopped:
            self._wait_for("State:\tT", "the process does not stop itself")
        self._strace = subprocess.Popen(["strace", "-f", "-qq", "-p", str(pid), *options], stderr=subprocess.DEVNULL)

    def __enter__(self) -> None:
        self._wait_for(f"TracerPid:\t{self._strace.pid}\n", "strace does not take hold of the process")

    def _wait_for(self, line: str, otherwise: str) -> None:
        """Waits for a line of its status: it must have stopped before strace comes, and be held before it goes on."""
        deadline = time.monotonic() + 60
        status = Path(f"/proc/{self._pid}/status")
        while line not in status.read_text():
            assert time.monotonic() < deadline, otherwise
            time.sleep(0.001)

    def __exit__(self, *_: object) -> None:
        try:
            self._strace.wait(2)
        except subprocess.TimeoutExpired:  # the process lives on
            self._strace.terminate()
            self._strace.wait(60)
