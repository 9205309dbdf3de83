"""What a start, or a reload of the config, does with jobs before they run.

Owns: the order of it: first all that may fail is read, then what is shown is brought to what the ledger holds; who is
forgotten. Must not know: when jobs run, tasks, the heartbeat. Everything here runs in the worker.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from timepoint import log
from timepoint.clock import Clock
from timepoint.errors import PublishError
from timepoint.exposition.publish import POLLER, published_paths, snapshot_path
from timepoint.job import Job
from timepoint.journal.files import strangers
from timepoint.ledger.store import Store
from timepoint.poller.edits import Anew, changed_jobs, changed_lanes, changed_metrics
from timepoint.poller.job_loop import JobLoop
from timepoint.poller.sources import Sources

LOGGER = logging.getLogger(__name__)


def take_up(loops: Iterable[JobLoop]) -> dict[str, int | None]:
    """Reads what the ledger holds of jobs; by name, when somebody was last asked for their lanes.

    Raises StoreError, and DataDirectoryError for a page that is ahead of the ledger.
    """
    listed = {loop.job.name: loop.listing.take_up() for loop in loops}
    for loop in loops:  # all of them, before anything is changed
        loop.desk.take_up()
    return listed


def begun_anew(loops: Iterable[JobLoop], jobs: Iterable[Job], store: Store) -> Iterator[Anew]:
    """Totals of the jobs of ``loops`` that a change of the config makes begin anew. ``jobs`` are all. StoreError.

    Those that are over, since another job or declaration has shown their series, end here.
    """
    mine, jobs = {loop.job.name for loop in loops}, list(jobs)
    yield from (anew for anew in changed_jobs(jobs, store.jobs()) if anew.job in mine)
    for loop in loops:
        yield from changed_lanes(loop.job, store.lanes(loop.job.name))
        yield from changed_metrics(loop.job, loop.desk.load_all())
        yield from loop.desk.take_over(jobs)


def withdraw_strangers(directory: Path, names: Collection[str]) -> None:
    """Takes away what is published of jobs that are no longer configured. Their state stays in the ledger."""
    own = {snapshot_path(directory, name) for name in (*names, POLLER)}
    for path in (*published_paths(directory), *strangers(directory, set(names))):
        if path not in own:
            with contextlib.suppress(OSError):  # the server serves configured jobs only
                path.unlink()


def show(loops: Iterable[JobLoop], listed: Mapping[str, int | None], sources: Sources) -> None:
    """Brings pages and tallies to what was taken up. Raises StoreError."""
    for loop in loops:
        desk, tally = loop.desk, loop.tally
        try:
            desk.restore()
        except PublishError as error:
            log.event(LOGGER, logging.ERROR, "publish_failed", job=loop.job.name, error=error)
        lanes = desk.load_all()
        loop.last_begin = newest([listed[loop.job.name], *(lane.last_attempt for lane in lanes)])
        tally.is_known |= any(lane.version for lane in lanes)
        tally.last_success = newest(lane.last_accepted for lane in lanes)
        tally.accepted = newest(lane.last_fire for lane in lanes)
        tally.standing = desk.standing()
        tally.lanes = loop.listing.standing() if loop.job.each is not None else None
        loop.journal.begin(lanes)
        gate = sources.gate_of(loop.job)
        if loop.last_begin is not None and gate is not None:
            gate.remember(loop.last_begin)


def prune(loops: Sequence[JobLoop], store: Store, clock: Clock) -> None:
    """Forgets what left the config long enough ago. Raises StoreError."""
    keep = {(loop.job.name, lane) for loop in loops for lane in loop.lanes}
    for loop in loops:
        if loop.listing.known is None:  # somebody may list them again
            keep.update((loop.job.name, lane) for lane in store.lanes(loop.job.name))
    for job, lane in store.prune(keep, clock.now()):
        log.event(LOGGER, logging.INFO, "forgotten", job=job, lane=lane or None, reason="no longer in the config")


def newest(instants: Iterable[int | None]) -> int | None:
    """The latest of those that are known; None if none is."""
    return max((instant for instant in instants if instant is not None), default=None)
