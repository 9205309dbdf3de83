"""Pollers that are forked from one process, as the supervisor does, and killed.

Owns: their lives: each is over when the block is, however that ends. Must not know: what they poll.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

# A fresh interpreter for each poller would be the most of a test's time.
_PROGRAM = """
import os, sys
from pathlib import Path
from timepoint.config import load_config
from timepoint.ledger.store import open_store
from timepoint.poller.main import poll_forever

config, data = Path(sys.argv[1]), Path(sys.argv[2])
work = load_config(config, {}).workload
for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os._exit(poll_forever(work, data / "ledger.sqlite", data / "published"))
    print(pid, flush=True)
    _, status = os.waitpid(pid, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Forker:
    """Forks pollers of a config, one at a time, with their ledger and pages in ``data``."""

    def __init__(self, config: Path, data: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, str(config), str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,  # so that poller and forker can be ended together
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def fork(self) -> int:
        """Starts a poller; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write("start\n")
        return self._read()

    def end(self, pid: int, number: signal.Signals) -> int:
        """Sends the poller a signal and waits for its end; the exit code."""
        os.kill(pid, number)
        return self._read()

    def _read(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())
