"""The poller: all jobs of one config, from start to end.

Owns: what happens at the start (open, load, restore the pages), the heartbeat, the end within three seconds.
Must not know: the stages of a run, when a job fires, the server.

    start   open the ledger ──> load each lane ──> publish each page that is older than its lane, missing, damaged or
            made by another config ──> first heartbeat, which makes the exporter ready for restored jobs
    run     one loop per job on the event loop; answers become commits in one worker thread; beside them one sender per
            receiver of remote write
    beat    every 3 s, and soon after each change: the poller's own metrics and the status of each job, not fsynced,
            written by a thread of its own so that a slow disk or a large answer does not look like a dead poller
    without a ledger   no run; the same signs of life, which say why; the ledger is tried again every 5 s to 60 s
    end     no new run, requests cancelled, the commit in hand gets its time, the ledger is closed
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from timepoint import log
from timepoint.errors import DataDirectoryError, PublishError, StoreError
from timepoint.exposition.family import JobSnapshot
from timepoint.exposition.publish import POLLER, publish, published_paths, read_published, snapshot_path
from timepoint.job import Job, Workload
from timepoint.journal.files import strangers
from timepoint.ledger.store import Store
from timepoint.model import Outcome
from timepoint.poller.desk import JobDesk
from timepoint.poller.edits import Anew, changed_jobs, changed_lanes, changed_metrics
from timepoint.poller.errands import DIRECTORY
from timepoint.poller.freshness import Rhythm
from timepoint.poller.job_loop import JobLoop, log_anew
from timepoint.poller.journal import JobJournal, series_limit, write_config
from timepoint.poller.listing import Listing
from timepoint.poller.origin import open_origin
from timepoint.poller.pipeline import Pipeline
from timepoint.poller.process import give_back_memory, read_process
from timepoint.poller.selfmetrics import PollerFacts, ProcessCost, families
from timepoint.poller.sending import OpenPost, Sending
from timepoint.poller.sources import OpenFetcher, Sources, open_http
from timepoint.poller.tally import JobTally, poller_status
from timepoint.poller.timing import Timing
from timepoint.poller.worker import ThreadWorker, Worker
from timepoint.remote_write.post import open_post
from timepoint.version import __version__

LOGGER = logging.getLogger(__name__)

HEARTBEAT = 3.0
_SOONEST_BEAT = 0.25
_END = 2.5
_DRAIN = 30.0  # seconds in which a single call sends what waits
_FIRST_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # until a ledger that cannot be used is tried again
_PRUNE_EVERY = 3600.0
_BAD = frozenset({Outcome.PARTIAL, Outcome.SOURCE_ERROR, Outcome.MAPPING_ERROR, Outcome.STORE_ERROR})


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that the poller touches outside of itself; tests put fakes in.

    ``open_store`` runs in the worker. ``heartbeat`` is the longest silence, in seconds.
    """

    open_store: Callable[[], Store]
    published: Path
    timing: Timing = field(default_factory=Timing)
    open_fetcher: OpenFetcher = open_http
    open_post: OpenPost = open_post
    make_worker: Callable[[], Worker] = ThreadWorker
    read_process: Callable[[], ProcessCost] = read_process
    heartbeat: float = HEARTBEAT


class Runner:
    """Runs the jobs of a workload with one ledger and one directory of pages."""

    def __init__(self, work: Workload, around: Surroundings) -> None:
        jobs = self._jobs = work.jobs
        self.tallies = {job.name: JobTally(job.name, _rhythm(job), job.max_series) for job in jobs}
        self._text = work.text
        self._around = around
        self._timing = around.timing
        self._started = around.timing.clock.now()
        self._worker = around.make_worker()
        self._beater = around.make_worker()
        self._desks: list[JobDesk] = []
        self._loops: list[JobLoop] = []
        self._sources = Sources(jobs, around.timing)
        self._sending = Sending(work.receivers, around.timing, around.open_post)
        self._store: Store
        self._trouble = ""  # why the ledger cannot be used
        self._pause = _FIRST_PAUSE
        self._changed = asyncio.Event()
        self._beat_fails = False

    async def run(self, stop: asyncio.Event) -> int:
        """Runs all jobs at their fire times until told to stop.

        While the ledger cannot be used nothing is polled: the process stays, says why, and tries again. It never begins
        a new ledger in place of one that is damaged or lost, since that would count everything again.
        """
        with self._workers():
            while not stop.is_set():
                try:
                    async with self._opened() as loops:
                        await self._run_jobs(loops, stop)
                except (DataDirectoryError, StoreError) as error:
                    await self._sit_out(str(error), stop)
        return 0

    async def run_once(self, *, force: bool = False, only: Collection[str] = ()) -> int:
        """Runs each job once, if it is due or ``force``; 1 if a run failed. ``only`` names jobs, empty means all.

        Raises StoreError, DataDirectoryError if the ledger cannot be used; what is published says so then, too.
        """
        self._take_up_sums()
        with self._workers():
            try:
                async with self._opened() as loops:
                    chosen = [loop for loop in loops if not only or loop.job.name in only]
                    reports = await asyncio.gather(*(loop.run_once(force=force) for loop in chosen))
                    await self._sending.drain(_DRAIN)
                    await self._beat(durable=True)
            except (DataDirectoryError, StoreError) as error:
                self._trouble = str(error)
                await self._beat(durable=True)
                raise
        return int(any(report is not None and report.outcome in _BAD for report in reports))

    async def _run_jobs(self, loops: Iterable[JobLoop], stop: asyncio.Event) -> None:
        tasks = [asyncio.create_task(self._guarded(loop), name=f"job {loop.job.name}") for loop in loops]
        tasks.append(asyncio.create_task(self._beat_forever(), name="heartbeat"))
        tasks.append(asyncio.create_task(self._prune_forever(), name="prune"))
        tasks += (
            asyncio.create_task(serving, name="sender")
            for serving in self._sending.loops(self._around.published.parent / DIRECTORY)
        )
        await stop.wait()
        log.event(LOGGER, logging.DEBUG, "poller_stopping")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async def _sit_out(self, trouble: str, stop: asyncio.Event) -> None:
        """Gives signs of life for a while, until the ledger is tried again or all ends."""
        if trouble != self._trouble:
            log.event(LOGGER, logging.ERROR, "ledger_unusable", error=trouble, polling=False, hint="timepoint doctor")
        self._trouble = trouble
        retry_at = self._timing.clock.monotonic() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        while not stop.is_set() and (now := self._timing.clock.monotonic()) < retry_at:
            await self._beat()
            with contextlib.suppress(TimeoutError):
                await self._timing.within(min(retry_at, now + self._around.heartbeat), stop.wait())

    @contextlib.contextmanager
    def _workers(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._worker.close()
            self._beater.close()

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[list[JobLoop]]:
        """The ledger opened, every lane loaded, every page in place. Raises StoreError, DataDirectoryError."""
        async with AsyncExitStack() as stack:
            self._desks.clear()
            self._loops = []
            store = self._store = await self._worker.do(self._around.open_store)
            stack.push_async_callback(self._close, store)
            await self._sources.open(store, self._worker, self._around.open_fetcher, stack)
            await self._sending.open(store, self._worker, stack)
            loops = [self._make_loop(job, store) for job in self._jobs]
            self._loops = loops
            await self._worker.do(lambda: self._restore(loops))
            gc.freeze()  # what was loaded stays: the collector need not walk through it again and again
            stack.callback(gc.unfreeze)
            if self._trouble:
                log.event(LOGGER, logging.INFO, "ledger_usable", after=self._trouble)
            self._trouble, self._pause = "", _FIRST_PAUSE
            await self._beat()
            yield loops

    def _make_loop(self, job: Job, store: Store) -> JobLoop:
        desk = JobDesk(job, store, self._around.published, self._timing.clock)
        self._desks.append(desk)
        fetchers, gate = self._sources.fetchers, self._sources.gate_of(job)
        listing = Listing(job, desk, self._worker, self._timing.clock, fetchers)
        journal = JobJournal(job, self._around.published, self._timing.clock, series_limit(len(self._jobs)))
        origin = open_origin(job, fetchers)
        pipeline = Pipeline(job, origin, desk, self._worker, self._timing, gate, listing, journal)
        return JobLoop(pipeline, self.tallies[job.name], self._has_changed)

    def _has_changed(self) -> None:
        self._changed.set()
        self._sending.wake()

    def _restore(self, loops: Iterable[JobLoop]) -> None:
        """Takes up what the ledger holds. Runs in the worker."""
        listed = [loop.listing.take_up() for loop in loops]
        for desk in self._desks:  # all of them, before anything is changed
            desk.take_up()
        self._withdraw_strangers()
        write_config(self._around.published, self._text, self._timing.clock.now())
        log_anew(self._begun_anew())
        for loop, desk, asked_at in zip(loops, self._desks, listed, strict=True):
            try:
                desk.restore()
            except PublishError as error:
                log.event(LOGGER, logging.ERROR, "publish_failed", job=loop.job.name, error=error)
            lanes = desk.load_all()
            loop.last_begin = _newest([asked_at, *(lane.last_attempt for lane in lanes)])
            loop.tally.is_known = any(lane.version for lane in lanes)
            loop.tally.last_success = _newest(lane.last_accepted for lane in lanes)
            loop.tally.accepted = _newest(lane.last_fire for lane in lanes)
            loop.tally.standing = desk.standing()
            if loop.job.each is not None:
                loop.tally.lanes = loop.listing.standing()
            loop.journal.begin(lanes)
            gate = self._sources.gate_of(loop.job)
            if loop.last_begin is not None and gate is not None:
                gate.remember(loop.last_begin)
        self._prune()  # last: a page may show the lanes that are forgotten here until it is rendered anew

    def _begun_anew(self) -> Iterator[Anew]:
        """Totals that a change of the config makes begin anew."""
        yield from changed_jobs(self._jobs, self._store.jobs())
        for job, desk in zip(self._jobs, self._desks, strict=True):
            yield from changed_lanes(job, self._store.lanes(job.name))
            yield from changed_metrics(job, desk.load_all())

    def _withdraw_strangers(self) -> None:
        """Takes pages of jobs that are no longer configured away. Their state stays in the ledger."""
        directory = self._around.published
        own = {snapshot_path(directory, name) for name in (*self.tallies, POLLER)}
        for path in (*published_paths(directory), *strangers(directory, set(self.tallies))):
            if path not in own:
                with contextlib.suppress(OSError):  # the server serves configured jobs only
                    path.unlink()

    def _prune(self) -> None:
        """Forgets what left the config long enough ago. Runs in the worker. Raises StoreError."""
        keep = {(loop.job.name, lane) for loop in self._loops for lane in loop.lanes}
        for loop in self._loops:
            if loop.listing.known is None:  # somebody may list them again
                keep.update((loop.job.name, lane) for lane in self._store.lanes(loop.job.name))
        for job, lane in self._store.prune(keep, self._timing.clock.now()):
            log.event(LOGGER, logging.INFO, "forgotten", job=job, lane=lane or None, reason="no longer in the config")

    async def _prune_forever(self) -> None:
        while True:
            await self._timing.sleep(_PRUNE_EVERY)
            with contextlib.suppress(StoreError):  # the runs meet it too, and say it
                await self._worker.do(self._prune)
            await self._worker.do(give_back_memory)

    async def _guarded(self, loop: JobLoop) -> None:
        """One bad job costs one job."""
        try:
            await loop.run_forever()
        except Exception:
            LOGGER.exception("BUG: job %s runs no more", loop.job.name)

    async def _beat_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                beat_at = self._timing.clock.monotonic() + self._around.heartbeat
                await self._timing.within(beat_at, self._changed.wait())
            self._changed.clear()
            await self._beat()
            await self._publish_old_pages()
            await self._timing.sleep(_SOONEST_BEAT)

    def _take_up_sums(self) -> None:
        """Goes on with the counters of the call before: each alone would count to one for ever.

        A process that lives begins at 0, as any exporter does: its heartbeats are not fsynced, and after a power cut an
        older one would make counters go back.
        """
        try:
            status = read_published(snapshot_path(self._around.published, POLLER)).status
            jobs = status["jobs"]
        except (PublishError, KeyError):
            return
        self._sources.take_up(status.get("sources", {}))
        self._sending.take_up(status.get("sent", {}))
        for name, tally in self.tallies.items():
            # Those of another release begin at 0.
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                tally.take_up(jobs[name]["sums"])

    async def _beat(self, *, durable: bool = False) -> None:
        """Publishes the poller's own metrics and the status of each job."""
        around, clock = self._around, self._timing.clock
        tallies = list(self.tallies.values())
        facts = PollerFacts(
            tallies,
            around.read_process(),
            clock.now(),
            self._started,
            not self._trouble,
            self._sources.facts(),
            self._sending.standing,
        )
        status: dict[str, Any] = poller_status(tallies, version=__version__, started=self._started)
        status["ledger_trouble"] = self._trouble
        status["sources"] = self._sources.sums()
        status["receivers"], status["sent"] = self._sending.status(), self._sending.sums()
        snapshot = JobSnapshot(POLLER, families(facts), 0, facts.now, __version__, status)
        try:
            await self._beater.do(lambda: publish(around.published, snapshot, durable=durable))
        except PublishError as error:
            if not self._beat_fails:  # once, not every three seconds
                log.event(LOGGER, logging.ERROR, "publish_failed", job=POLLER, error=error)
            self._beat_fails = True
        else:
            self._beat_fails = False

    async def _publish_old_pages(self) -> None:
        """Tries again what could not be published; the run that met it has said so. And what somebody has deleted."""
        for desk in self._desks:
            if desk.page_is_old or desk.page_is_gone():
                with contextlib.suppress(PublishError, StoreError):
                    await self._worker.do(desk.publish)

    async def _close(self, store: Store) -> None:
        """Closes the ledger when the work in hand is done, if that is soon; the ledger survives it otherwise too."""
        give_up = self._timing.clock.monotonic() + _END
        try:
            await self._timing.within(give_up, self._worker.do(lambda: self._finish(store)))
        except TimeoutError:
            log.event(LOGGER, logging.WARNING, "not_closed", reason="an answer is still being worked on")
        except StoreError as error:
            log.event(LOGGER, logging.WARNING, "not_closed", reason=error)

    def _finish(self, store: Store) -> None:
        """What a run that was cancelled after its commit has left to do. Runs in the worker."""
        for desk in self._desks:
            with contextlib.suppress(PublishError, StoreError):  # a start does it, too
                desk.finish()
        for loop in self._loops:
            loop.journal.finish()
        with contextlib.suppress(StoreError):
            self._sources.finish(store)
        store.close()


def _rhythm(job: Job) -> Rhythm:
    return Rhythm(job.schedule.every, job.timeout, job.window.longest_step, job.window.delay)


def _newest(instants: Iterable[int | None]) -> int | None:
    return max((instant for instant in instants if instant is not None), default=None)
