"""Senders and ledgers that are wrong on purpose. An oracle that lets one of them pass proves nothing.

Owns: the patches, applied to the real classes in a process of the proof before it starts pollers. Must not know: the
oracle.

Those of a sender are shared with the tests of its rules. Those of the ledger are here.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from tests.proof.mutants import GAP
from tests.remote_write import wrong_senders
from timepoint.ledger import sampled
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.interval_plan import Plan
from timepoint.ledger.lane_run import MetricRun
from timepoint.ledger.outgoing import Leaving
from timepoint.ledger.sqlite_outbox import SqliteOutbox
from timepoint.ledger.sqlite_store import SqliteStore
from timepoint.ledger.state import SeriesState
from timepoint.remote_write.outbox import Settlement


class _ForGood:
    """A patch that lasts as long as the process."""

    def setattr(self, target: Any, name: str, value: Any, /) -> None:
        assert hasattr(target, name), f"{target}: there is no {name} to make wrong"
        setattr(target, name, value)


_PATCH = _ForGood()


def enqueued_after_the_commit() -> None:
    """What goes out is enqueued in a transaction of its own, behind that of the run."""
    write, commit = SqliteStore._write_outgoing, SqliteStore.commit_all
    left: list[Sequence[Any]] = []

    def commit_all(self: SqliteStore, change_sets: Sequence[ChangeSet]) -> None:
        left.clear()
        commit(self, change_sets)
        time.sleep(GAP)
        with self._alone(), self._database.writing() as connection:
            for lane_id, changes, now in left:
                write(self, connection, lane_id, changes, now)
        self.outbox.forget_words()

    _PATCH.setattr(SqliteStore, "_write_outgoing", lambda self, _connection, *rest: left.append(rest))
    _PATCH.setattr(SqliteStore, "commit_all", commit_all)


def revisions_sent() -> None:
    """A point that comes again with another value is sent again."""
    leave = sampled._leave

    def leave_again(metric: MetricRun, plan: Plan, text: str, state: SeriesState, values: array[float]) -> None:
        known = array("d", state.recent)
        assert metric.outgoing is not None
        for i, j in plan.seen:
            if values[i] != known[j]:
                at = plan.offered.ends[i]
                metric.outgoing.series.append(Leaving(text, state.id, (at,), array("d", [values[i]])))
                metric.changes.counts.enqueued += len(metric.outgoing.receivers)
        leave(metric, plan, text, state, values)

    _PATCH.setattr(sampled, "_leave", leave_again)


def forgotten_in_doubt() -> None:
    """A start drops what was under way when the process died, as a queue does that keeps its position elsewhere."""
    begin = SqliteOutbox.__init__

    def began(self: SqliteOutbox, *rest: Any) -> None:
        begin(self, *rest)
        for name in self.receivers():
            rows = self.oldest(name, 20)
            self.settle(name, Settlement(acknowledged=tuple(row.number for row in rows)), 0)

    _PATCH.setattr(SqliteOutbox, "__init__", began)


FOUND_BY_KILLS: dict[str, Callable[[], None]] = {
    **{mutant.__name__: partial(mutant, _PATCH) for mutant in wrong_senders.MUTANTS},
    "enqueued_after_the_commit": enqueued_after_the_commit,
    "revisions_sent": revisions_sent,
    "forgotten_in_doubt": forgotten_in_doubt,
}
