"""Named points at which a process can be told to die, so that tests reach the instant between two steps.

Owns: which point is armed. Must not know: what happens around a point.

Nothing is armed unless TIMEPOINT_FAILPOINT names a point, as ``name`` or ``name:3`` for the third time that it is
passed; a point that is not armed costs 50 ns, and there is none in the path of a single row. The process dies as by
``kill -9``: no handler runs, nothing is flushed.

    after_fetch        an answer is there, nothing of it is decided
    before_commit      the change set is decided, no transaction is open
    in_commit          all rows of the change set are written, COMMIT is not
    after_commit       it is durable, the lane in memory is as before
    before_publish     the lane in memory is new, the page is old
    before_rename      the new page is written and synced under another name
    after_rename       it has its name, the directory is not synced
    after_publish      all is done
    before_checkpoint  the log is large, nothing was moved
    after_checkpoint   the log was moved into the file
    in_migration       some statements of a migration have run
    before_close       the end has begun, the file is not marked as closed

On the way to a receiver:

    before_post        a slice is cut, its request has not left
    after_post         the answer is there, nothing of it is durable
    in_settle          all rows that a settlement changes are written, COMMIT is not
    after_settle       it is durable, the next slice is not cut
"""

from __future__ import annotations

import os
import signal

VARIABLE = "TIMEPOINT_FAILPOINT"

SENDING = frozenset({"before_post", "after_post", "in_settle", "after_settle"})
"""Those that only a sender passes."""

NAMES = SENDING | frozenset(
    {
        "after_fetch",
        "before_commit",
        "in_commit",
        "after_commit",
        "before_publish",
        "before_rename",
        "after_rename",
        "after_publish",
        "before_checkpoint",
        "after_checkpoint",
        "in_migration",
        "before_close",
    }
)

_passes: dict[str, int] = {}
"""How often the armed point may still be passed, plus one."""


def arm(order: str) -> None:
    """Arms ``name`` or ``name:n``; empty disarms. Raises ValueError for a name that is not a point."""
    name, _, count = order.partition(":")
    _passes.clear()
    if not name:
        return
    if name not in NAMES or (count and not (count.isdecimal() and int(count))):
        raise ValueError(f"{VARIABLE}={order}: name one of {', '.join(sorted(NAMES))}, perhaps with :n behind it")
    _passes[name] = int(count or 1)


def failpoint(name: str) -> None:
    """Ends the process here, if this point is armed and its turn has come."""
    if not _passes or name not in _passes:
        return
    _passes[name] -= 1
    if not _passes[name]:
        os.kill(os.getpid(), signal.SIGKILL)


arm(os.environ.get(VARIABLE, ""))
