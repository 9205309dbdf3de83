"""The poller: all jobs of one config, from start to end.

Owns: what happens at the start (open, load, restore the pages), when the heart beats, the end within three seconds.
Must not know: the stages of a run, when a job fires, what a heartbeat tells, the server.

    start   open the ledger ──> load each lane ──> publish each page that is older than its lane, missing, damaged or
            made by another config ──> first heartbeat, which makes the exporter ready for restored jobs
    run     one loop per job on the event loop; answers become commits in one worker thread; beside them one sender per
            receiver of remote write
    reload  jobs that the new config does not have end, those that it changes begin as after a restart, new ones begin;
            what was committed stays; nothing else is touched (``switch``)
    beat    every 3 s, and soon after each change (``heartbeat``)
    without a ledger   no run; the same heartbeats, which say why; the ledger is tried again every 5 s to 60 s
    end     no new run, requests cancelled, the commit in hand gets its time, the ledger is closed
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from timepoint import log
from timepoint.errors import DataDirectoryError, PublishError, StoreError
from timepoint.job import Job, Workload
from timepoint.ledger.store import Store
from timepoint.model import Outcome
from timepoint.poller import restoring
from timepoint.poller.cost_metrics import ProcessCost
from timepoint.poller.desk import JobDesk
from timepoint.poller.errands import DIRECTORY
from timepoint.poller.freshness import Rhythm
from timepoint.poller.heartbeat import Heartbeat, Standing
from timepoint.poller.job_loop import JobLoop, log_anew
from timepoint.poller.journal import JobJournal, series_limit, write_config
from timepoint.poller.listing import Listing
from timepoint.poller.origin import open_origin
from timepoint.poller.pipeline import Pipeline
from timepoint.poller.process import give_back_memory, read_process
from timepoint.poller.reloads import Reloading, Reloads
from timepoint.poller.sending import OpenPost, Sending
from timepoint.poller.sources import OpenFetcher, Sources, open_http
from timepoint.poller.switch import Change, compare
from timepoint.poller.tally import JobTally
from timepoint.poller.timing import Timing
from timepoint.poller.worker import ThreadWorker, Worker
from timepoint.remote_write.post import open_post

LOGGER = logging.getLogger(__name__)

HEARTBEAT = 3.0
_SOONEST_BEAT = 0.25
_END = 2.5
_DRAIN = 30.0  # seconds in which a single call sends what waits
_AFTER_BUG = 60.0
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
    reloads: Reloads | None = None


class Runner:
    """Runs the jobs of a workload with one ledger and one directory of pages."""

    def __init__(self, work: Workload, around: Surroundings) -> None:
        self._work = work
        self.tallies = {job.name: JobTally(job.name, _rhythm(job), job.max_series) for job in work.jobs}
        self._around = around
        self._timing = around.timing
        self._worker = around.make_worker()
        self._loader = around.make_worker()
        clock, published = around.timing.clock, around.published
        self._heartbeat = Heartbeat(published, clock, around.read_process, around.make_worker)
        self._loops: list[JobLoop] = []
        self._tasks: dict[JobLoop, asyncio.Task[None]] = {}
        self._sources = Sources(work.jobs, around.timing)
        self._switching = asyncio.Lock()  # between workloads, and between having no ledger and having one
        self._is_open = False
        self._changed = asyncio.Event()
        self._sending = Sending(work.receivers, around.timing, around.open_post, self._changed.set)
        self._senders: list[asyncio.Task[None]] = []
        self._posts = AsyncExitStack()
        self._store: Store
        self._trouble = ""  # why the ledger cannot be used
        self._pause = _FIRST_PAUSE
        self._reloading: Reloading | None = None
        if around.reloads is not None:
            self._reloading = Reloading(around.reloads, clock, self.go_over, self._changed.set)
        self._reload_task: asyncio.Task[None] | None = None

    async def run(self, stop: asyncio.Event) -> int:
        """Runs all jobs at their fire times until told to stop.

        While the ledger cannot be used nothing is polled: the process stays, says why, and tries again. It never begins
        a new ledger in place of one that is damaged or lost, since that would count everything again.
        """
        with self._workers():
            if self._reloading is not None:
                reloads = self._reloading.run(self._loader)
                self._reload_task = asyncio.create_task(reloads, name="reload")
            while not stop.is_set():
                try:
                    async with self._opened() as loops:
                        await self._run_jobs(loops, stop)
                except (DataDirectoryError, StoreError) as error:
                    await self._sit_out(str(error), stop)
            await self._end_reloads()
        return 0

    async def run_once(self, *, force: bool = False, only: Collection[str] = ()) -> int:
        """Runs each job once, if it is due or ``force``; 1 if a run failed. ``only`` names jobs, empty means all.

        Raises StoreError, DataDirectoryError if the ledger cannot be used; what is published says so then, too.
        """
        self._heartbeat.take_up(self._standing())
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
        for loop in loops:
            self._start(loop)
        self._start_senders()
        others = [
            asyncio.create_task(self._beat_forever(), name="heartbeat"),
            asyncio.create_task(self._prune_forever(), name="prune"),
        ]
        stopped = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait((stopped, *others), return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # one that ended by itself raises: the parent starts a whole poller in its place
        finally:
            log.event(LOGGER, logging.DEBUG, "poller_stopping")
            await self._end_reloads()  # first: it starts jobs
            await _end([*self._tasks.values(), *self._senders, *others, stopped])

    def _start(self, loop: JobLoop) -> None:
        self._tasks[loop] = asyncio.create_task(self._guarded(loop), name=f"job {loop.job.name}")

    def _start_senders(self) -> None:
        errands = self._around.published.parent / DIRECTORY
        self._senders = [asyncio.create_task(serving, name="sender") for serving in self._sending.loops(errands)]

    async def _end_reloads(self) -> None:
        if self._reload_task is not None:
            await _end([self._reload_task])

    async def go_over(self, work: Workload) -> Change:
        """Goes over to another workload; what is the same in both is not disturbed.

        Raises StoreError, DataDirectoryError: then nothing has changed, but that runs of changed jobs began again.
        """
        async with self._switching:
            change = compare(self._work, work)
            sources = Sources(work.jobs, self._timing, self._sources)
            tallies = {job.name: self.tallies.get(job.name) or _awaited_by_nobody(job) for job in work.jobs}
            if self._is_open:
                await self._exchange(work, change, sources, tallies)
                await self._exchange_senders(work)
            else:
                self._sending = self._sending.successor(work.receivers)
                self._take_over(work, sources, tallies)
            return change

    async def _exchange(self, work: Workload, change: Change, sources: Sources, tallies: dict[str, JobTally]) -> None:
        """Ends what ends, reads what begins, and only then changes anything. Raises StoreError, DataDirectoryError."""
        before, store = self._sources, self._store
        ending = [loop for loop in self._loops if loop.job.name in change.ending]
        await _end([self._tasks.pop(loop) for loop in ending])
        given_up = {loop.job.name: loop.last_begin for loop in ending}
        try:
            await self._worker.do(lambda: self._leave(ending, store, sources))
            await sources.open(store, self._worker, self._around.open_fetcher, before)
            jobs = [job for job in work.jobs if job.name in change.beginning]
            loops = [self._make_loop(job, store, sources, tallies[job.name], len(work.jobs)) for job in jobs]
            listed = await self._worker.do(lambda: restoring.take_up(loops))
            anew = await self._worker.do(lambda: list(restoring.begun_anew(loops, work.jobs, store)))
        except BaseException:
            await sources.close(before)
            for loop in ending:
                self._start(loop)
            raise
        mine = {loop.job.name: loop for loop in (*self._loops, *loops)}
        self._loops = [mine[job.name] for job in work.jobs]
        self._take_over(work, sources, tallies)
        log_anew(anew)
        try:
            await self._worker.do(lambda: self._show(loops, listed))
        finally:
            for loop in loops:
                loop.last_begin = given_up.get(loop.job.name, loop.last_begin)
                self._start(loop)
            await before.close(sources)

    async def _exchange_senders(self, work: Workload) -> None:
        """If a receiver is new, another, or gone, all senders begin anew; what they have counted goes on."""
        if self._sending.receivers == work.receivers:
            return
        await _end(self._senders)
        await self._posts.aclose()
        self._sending = self._sending.successor(work.receivers)
        with contextlib.suppress(StoreError):  # senders meet it, too, and say it
            await self._sending.open(self._store, self._worker, self._posts)
        self._start_senders()

    def _take_over(self, work: Workload, sources: Sources, tallies: dict[str, JobTally]) -> None:
        self._work, self._sources, self.tallies = work, sources, tallies
        for job in work.jobs:
            tallies[job.name].rhythm, tallies[job.name].max_series = _rhythm(job), job.max_series

    def _leave(self, loops: Iterable[JobLoop], store: Store, after: Sources) -> None:
        """What runs that were given up after their commit have left to do. Runs in the worker."""
        for loop in loops:
            with contextlib.suppress(PublishError, StoreError):
                loop.desk.finish()
            loop.journal.finish()
        with contextlib.suppress(StoreError):
            self._sources.finish(store, after)

    def _show(self, loops: Sequence[JobLoop], listed: Mapping[str, int | None]) -> None:
        """Runs in the worker."""
        restoring.withdraw_strangers(self._around.published, self.tallies)
        write_config(self._around.published, self._work.text, self._timing.clock.now())
        with contextlib.suppress(StoreError):  # the runs meet it too, and say it
            restoring.show(loops, listed, self._sources)
            self._prune()

    async def _sit_out(self, trouble: str, stop: asyncio.Event) -> None:
        """Writes heartbeats for a while, until the ledger is tried again or all ends."""
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
            self._heartbeat.close()
            self._loader.close()

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[list[JobLoop]]:
        """The ledger opened, every lane loaded, every page in place. Raises StoreError, DataDirectoryError."""
        async with AsyncExitStack() as stack:
            async with self._switching:
                await self._open(stack)
                self._is_open = True
            try:
                yield self._loops
            finally:
                self._is_open = False
                self._tasks.clear()

    async def _open(self, stack: AsyncExitStack) -> None:
        self._loops = []
        store = self._store = await self._worker.do(self._around.open_store)
        stack.push_async_callback(self._close, store)
        sources, tallies, count = self._sources, self.tallies, len(self._work.jobs)
        await sources.open(store, self._worker, self._around.open_fetcher)
        stack.push_async_callback(self._close_connections)
        await self._sending.open(store, self._worker, self._posts)
        self._loops = [self._make_loop(job, store, sources, tallies[job.name], count) for job in self._work.jobs]
        await self._worker.do(lambda: self._restore(self._loops, store))
        gc.freeze()  # what was loaded stays: the collector need not walk through it again and again
        stack.callback(gc.unfreeze)
        if self._trouble:
            log.event(LOGGER, logging.INFO, "ledger_usable", after=self._trouble)
        self._trouble, self._pause = "", _FIRST_PAUSE
        await self._beat()

    async def _close_connections(self) -> None:
        """Of sources and receivers as they are now; a reload may have exchanged them."""
        await self._posts.aclose()
        await self._sources.close()

    def _make_loop(self, job: Job, store: Store, sources: Sources, tally: JobTally, jobs: int) -> JobLoop:
        clock, published = self._timing.clock, self._around.published
        desk = JobDesk(job, store, published, clock, lambda: (loop.desk for loop in self._loops))
        fetchers, gate = sources.fetchers, sources.gate_of(job)
        listing = Listing(job, desk, self._worker, clock, fetchers)
        journal = JobJournal(job, published, clock, series_limit(jobs))
        origin = open_origin(job, fetchers)
        pipeline = Pipeline(job, origin, desk, self._worker, self._timing, gate, listing, journal.take)
        return JobLoop(pipeline, journal, tally, self._has_changed)

    def _has_changed(self) -> None:
        self._changed.set()
        self._sending.wake()

    def _restore(self, loops: Sequence[JobLoop], store: Store) -> None:
        """Takes up what the ledger holds. Runs in the worker."""
        listed = restoring.take_up(loops)
        anew = list(restoring.begun_anew(loops, self._work.jobs, store))
        restoring.withdraw_strangers(self._around.published, self.tallies)
        write_config(self._around.published, self._work.text, self._timing.clock.now())
        log_anew(anew)
        restoring.show(loops, listed, self._sources)
        self._prune()  # last: a page may show the lanes that are forgotten here until it is rendered anew

    def _prune(self) -> None:
        restoring.prune(self._loops, self._store, self._timing.clock)

    async def _prune_forever(self) -> None:
        while True:
            await self._timing.sleep(_PRUNE_EVERY)
            with contextlib.suppress(StoreError):  # the runs meet it too, and say it
                await self._worker.do(self._prune)
            await self._worker.do(give_back_memory)

    async def _guarded(self, loop: JobLoop) -> None:
        """One bad job costs one job, and that for a minute."""
        while True:
            try:
                await loop.run_forever()
            except Exception:
                LOGGER.exception("BUG: job %s begins again in a minute", loop.job.name)
            await self._timing.sleep(_AFTER_BUG)

    async def _beat_forever(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                beat_at = self._timing.clock.monotonic() + self._around.heartbeat
                await self._timing.within(beat_at, self._changed.wait())
            self._changed.clear()
            await self._beat()
            await self._publish_old_pages()
            await self._timing.sleep(_SOONEST_BEAT)

    async def _beat(self, *, durable: bool = False) -> None:
        await self._heartbeat.beat(self._standing(), durable=durable)

    def _standing(self) -> Standing:
        config = self._reloading.facts if self._reloading is not None else None
        return Standing(self.tallies, self._sources, self._sending, self._trouble, config)

    async def _publish_old_pages(self) -> None:
        """Tries again what could not be published; the run that met it has said so. And what somebody has deleted."""
        for loop in tuple(self._loops):
            if loop in self._loops and (loop.desk.page_is_old or loop.desk.page_is_gone()):
                with contextlib.suppress(PublishError, StoreError):
                    await self._worker.do(partial(self._publish, loop))

    def _publish(self, loop: JobLoop) -> None:
        if loop in self._loops:  # it may have left the config meanwhile
            loop.desk.publish()

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
        for loop in self._loops:
            with contextlib.suppress(PublishError, StoreError):  # a start does it, too
                loop.desk.finish()
            loop.journal.finish()
        with contextlib.suppress(StoreError):
            self._sources.finish(store)
        store.close()


def _rhythm(job: Job) -> Rhythm:
    return Rhythm(job.schedule.every, job.timeout, job.window.longest_step, job.window.delay)


def _awaited_by_nobody(job: Job) -> JobTally:
    """The tally of a job that a reload brings: the exporter was ready before it."""
    return JobTally(job.name, is_awaited=False)


async def _end(tasks: Collection[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
