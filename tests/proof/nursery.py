"""Forks a poller for each order that it reads, as the supervisor does.

Owns: starting pollers fast: a fresh interpreter for each of thousands would be most of the time. Must not know: what
becomes of them, what is right.

    python -m tests.proof.nursery CONFIG DATA_DIR LOG [MUTANT]

Orders are lines of its standard input: a JSON object with ``failpoint`` (or null). It answers with the process id; who
ordered kills the poller, and reads its exit code from the next line.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

from tests.proof import mutants
from timepoint import log
from timepoint.config import load_config
from timepoint.datadir import Layout
from timepoint.ledger import sqlite
from timepoint.poller.main import poll_forever

REMOTE = "remote:"
"""Before the name of a mutant: it is one of remote write."""

LOG_LIMIT = 256 * 1024
"""The log is moved into the file when it is larger: in every second or third life instead of once in hundreds."""


def _make_wrong(mutant: str) -> None:
    """Makes what is forked wrong on purpose; an empty name leaves it right."""
    if mutant.startswith(REMOTE):
        from tests.proof.remote.mutants import FOUND_BY_KILLS

        FOUND_BY_KILLS[mutant.removeprefix(REMOTE)]()
    else:
        mutants.apply(mutant)


def main() -> None:
    """Forks until the standard input ends."""
    config, layout = Path(sys.argv[1]), Layout(Path(sys.argv[2]))
    _make_wrong(sys.argv[4] if len(sys.argv) > 4 else "")
    sqlite.PASSIVE_ABOVE = LOG_LIMIT
    sqlite.TRUNCATE_ABOVE = 2 * LOG_LIMIT
    work = load_config(config, {}).workload
    log_file = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(log_file, 2)
            log.configure("warning")
            if order.get("failpoint"):
                from timepoint import failpoints

                failpoints.arm(order["failpoint"])
            os._exit(poll_forever(work, layout.ledger, layout.published))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
