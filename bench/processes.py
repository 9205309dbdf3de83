"""Programs that a benchmark starts and looks at from outside.

Owns: starting them, their CPU time and memory with all their children, ending them. Must not know: what they do.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

_SAMPLE = 0.05
_PATIENCE = 120.0


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def timepoint(command: str, config: Path, data: Path, port: int) -> list[str]:
    """The command line of ``timepoint run`` or ``timepoint serve``."""
    address = f"127.0.0.1:{port}"
    options = ["--data-dir", str(data), "--web.listen-address", address]
    return [sys.executable, "-m", "timepoint", command, str(config), *options]


class Program:
    """A running program with its children, ended at the end of the block. Its messages go to ``log``."""

    def __init__(self, command: Sequence[str], log: Path, port: int) -> None:
        self._log = log.open("wb")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        self._root = psutil.Process(self._process.pid)
        self._port = port

    def __enter__(self) -> Self:
        wait_for(self.is_listening, "it does not listen")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def is_listening(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"{self._process.args!r} has ended: see {self._log.name}")
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True

    def cpu(self) -> float:
        """CPU seconds of all its processes so far, in nanosecond resolution where the system tells it."""
        return sum(_cpu(process) for process in self._tree())

    def memory(self) -> int:
        """The proportional set size of all its processes, in bytes: pages that they share count once."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(OSError):  # it has ended
                lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text("ascii").splitlines()
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        return total

    def _tree(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]


def _cpu(process: psutil.Process) -> float:
    try:
        return int(Path(f"/proc/{process.pid}/schedstat").read_text("ascii").split()[0]) / 1e9 + _threads(process)
    except OSError:
        times = process.cpu_times()
        return float(times.user + times.system)


def _threads(process: psutil.Process) -> float:
    """What the threads beside the first have used: the file of a process tells of its first thread alone."""
    total = 0
    for thread in Path(f"/proc/{process.pid}/task").iterdir():
        if thread.name != str(process.pid):
            total += int((thread / "schedstat").read_text("ascii").split()[0])
    return total / 1e9


class PeakMemory:
    """Looks at a program's memory every 50 ms for the length of the block; ``peak`` is the most it saw, in bytes."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE):
            with contextlib.suppress(psutil.Error):  # a process that ends while it is looked at
                self.peak = max(self.peak, self._program.memory())


def wait_for(condition: Callable[[], bool], otherwise: str, patience: float = _PATIENCE) -> None:
    """Waits until the condition holds. Raises TimeoutError with ``otherwise``."""
    give_up = time.monotonic() + patience
    while not condition():
        if time.monotonic() > give_up:
            raise TimeoutError(otherwise)
        time.sleep(0.005)
