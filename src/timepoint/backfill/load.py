"""A backfill as a whole: what was asked for becomes plans, and these a replay into a target.

Owns: what is opened where, and that it is closed. Must not know: terminals, the command line, the stages of a replay.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timepoint.backfill import json_lines, openmetrics
from timepoint.backfill.files import DayFiles, Shape
from timepoint.backfill.job_plan import JobPlan, Live, Range, plan_job
from timepoint.backfill.progress import Progress
from timepoint.backfill.receiving import Delivery, check_reach
from timepoint.backfill.replay import TRIES, Around, Reached, Replay
from timepoint.backfill.sharing import DEFAULT_SHARE, Exporter, SharedNotes, with_share
from timepoint.backfill.spool import Spool
from timepoint.backfill.state import Kept, Order, State
from timepoint.errors import BackfillError
from timepoint.job import Job
from timepoint.ledger.store import Store, open_store
from timepoint.model import Receiver
from timepoint.poller.sending import OpenPost
from timepoint.poller.sources import OpenFetcher, open_http
from timepoint.poller.timing import Timing
from timepoint.poller.worker import ThreadWorker, Worker
from timepoint.remote_write.outbox import Outbox
from timepoint.remote_write.post import open_post
from timepoint.remote_write.spec import ReceiverSpec, check_receiver

SHAPES = {
    "openmetrics": Shape(openmetrics.SUFFIX, openmetrics.write_day),
    "json-lines": Shape(json_lines.SUFFIX, json_lines.write_day),
}

_FILES = Receiver("files", is_strict=False)
_HIDDEN = ".backfill"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants. Either ``receiver``, or ``shape`` and ``directory``.

    ``labels`` are added to each series that has none of the name. ``share`` of the limits of a source is used; None is
    all of them, or half while the exporter runs.
    """

    jobs: Sequence[Job]
    wanted: Range
    data_dir: Path
    receiver: ReceiverSpec | None = None
    shape: str = ""
    directory: Path = Path()
    labels: Mapping[str, str] = field(default_factory=dict)
    share: float | None = None
    tries: int = TRIES
    skips_failed: bool = False

    @property
    def target_name(self) -> str:
        """Who gets it, in words."""
        return self.shape if self.receiver is None else f"receiver {self.receiver.name}"

    def order(self) -> Order:
        """What must be the same at the next call."""
        wanted = self.wanted
        names, metrics = [job.name for job in self.jobs], sorted(wanted.metrics)
        return Order(wanted.start, wanted.end, wanted.span, names, metrics, self.target_name, dict(self.labels))

    def state(self) -> Path:
        """Where the state of this backfill stands."""
        if self.receiver is None:
            return self.directory / _HIDDEN
        return self.data_dir / "backfill" / f"{self.receiver.name}-{self.order().mark()}"


@dataclass(slots=True)
class Loading:
    """A backfill that is ready to run. ``files`` are those that were completed, of this call alone."""

    asked: Asked
    state: State
    plans: list[JobPlan]
    progress: Progress
    runs_beside: bool
    share: float
    timing: Timing = field(default_factory=Timing)
    open_fetcher: OpenFetcher = open_http
    make_worker: Callable[[], Worker] = ThreadWorker
    open_post: OpenPost = open_post
    files: DayFiles | None = None
    delivery: Delivery | None = None

    @property
    def is_done(self) -> bool:
        """Whether an earlier call has done all of it."""
        return self.state.kept is not None and self.state.kept.is_done

    def now(self) -> Progress:
        """How far it is."""
        if self.files is not None:
            self.progress.samples = self.files.samples
        if self.delivery is not None:
            facts = self.delivery.facts
            self.progress.samples, self.progress.receiver = facts.sent, facts.why
        return self.progress

    async def run(self) -> None:
        """All that is left of it. Raises BackfillError, StoreError, DataDirectoryError."""
        worker = self.make_worker()
        try:
            store = await worker.do(lambda: open_store(self.state.ledger))
            try:
                await self._load(store, store.outbox, worker)
            finally:
                await worker.do(store.close)
        finally:
            worker.close()
        assert self.state.kept is not None, "BUG: a backfill without an order has run"
        self.state.kept.is_done = True
        self.state.keep(self.state.kept)

    async def _load(self, store: Store, outbox: Outbox, worker: Worker) -> None:
        asked, timing = self.asked, self.timing
        exporter = Exporter(asked.data_dir)
        notes = SharedNotes(store, exporter)
        around = Around(store, notes, worker, timing, self.open_fetcher, asked.tries, asked.skips_failed)
        if asked.receiver is None:
            files = self.files = await worker.do(lambda: self._open_files(store))

            async def complete(reached: Reached) -> None:
                await worker.do(lambda: files.complete(reached.all, is_end=reached.is_end))

            await Replay(self.plans, around, files.take, complete, self.progress).run()
            return
        async with self._opened_delivery(outbox, worker) as delivery:

            async def send(reached: Reached) -> None:
                if reached.is_even or not delivery.is_strict:
                    await delivery.send_all(is_end=reached.is_end)

            await Replay(self.plans, around, lambda _: None, send, self.progress).run()

    def _open_files(self, store: Store) -> DayFiles:
        """The files, with what an interrupted call has left. Runs in the worker."""
        versions: dict[tuple[str, str], int] = {}
        reached = []
        for plan in self.plans:
            lanes = [store.load(plan.job.name, name) for name in store.lanes(plan.job.name)]
            versions |= {(plan.job.name, lane.lane): lane.version for lane in lanes}
            marks = [lane.watermark for lane in lanes]
            reached.append(min((plan.start if mark is None else mark for mark in marks), default=plan.start))
        end = max(plan.end for plan in self.plans)
        files = DayFiles(
            self.asked.directory,
            Spool(self.state.spool, end),
            SHAPES[self.asked.shape],
            {name: spec.family for plan in self.plans for name, spec in plan.specs.items()},
            self.asked.labels,
            start=min(plan.start for plan in self.plans),
        )
        files.keep(versions, min(reached))
        return files

    @contextlib.asynccontextmanager
    async def _opened_delivery(self, outbox: Outbox, worker: Worker) -> AsyncIterator[Delivery]:
        spec, timing = self.asked.receiver, self.timing
        assert spec is not None, "BUG: no receiver"
        async with self.open_post(spec.http, timing.clock) as post:
            self.delivery = Delivery(
                spec, outbox, worker, post, timing.clock, added=self.asked.labels, sleep=timing.sleep
            )
            yield self.delivery


@contextlib.contextmanager
def opened(asked: Asked, timing: Timing | None = None, *, is_dry: bool = False) -> Iterator[Loading]:
    """A backfill, ready to run; with ``is_dry`` only to be looked at, and nothing is written.

    Raises BackfillError, DataDirectoryError, StoreError; nothing was asked for then.
    """
    timing = timing or Timing()
    now = timing.clock.now()
    receiver = _reached_receiver(asked, now)
    exporter = Exporter(asked.data_dir)
    with contextlib.nullcontext(State(asked.state())) if is_dry else State.open(asked.state(), asked.order()) as state:
        runs = exporter.runs()
        share = asked.share if asked.share is not None else DEFAULT_SHARE if runs else 1.0
        plans = _plans(asked, state.kept, exporter, receiver, (share, now))
        if state.kept is None and not is_dry:
            _refuse_strangers(asked)
            ends = {plan.job.name: plan.end for plan in plans}
            state.keep(Kept(asked.order(), ends, {plan.job.name: plan.meets_live for plan in plans}))
        total = sum(plan.end - plan.start for plan in plans)
        yield Loading(asked, state, plans, Progress(total), runs, share, timing)


def _refuse_strangers(asked: Asked) -> None:
    """Raises BackfillError if files stand where a new backfill would write: nobody could tell them apart."""
    if asked.receiver is None and any(asked.directory.glob(f"*{SHAPES[asked.shape].suffix}")):
        raise BackfillError(
            f"{asked.directory} holds files of another backfill: choose another directory, or remove it"
        )


def _reached_receiver(asked: Asked, now: int) -> Receiver:
    """Who gets the samples, as counting knows it. Raises BackfillError if it would refuse them."""
    if asked.receiver is None:
        return _FILES
    try:
        check_receiver(asked.receiver)
    except ValueError as error:
        raise BackfillError(f"receiver {asked.receiver.name}: {error}") from None
    check_reach(asked.receiver, asked.wanted, now)
    return Receiver(asked.receiver.name, asked.receiver.is_strict)


def _plans(
    asked: Asked, kept: Kept | None, exporter: Exporter, receiver: Receiver, how: tuple[float, int]
) -> list[JobPlan]:
    """How each job is replayed; an interrupted backfill ends where it was to end. ``how``: the share, and the time."""
    share, now = how
    beginnings = exporter.beginnings() if kept is None else {}
    plans = []
    for job in asked.jobs:
        wanted, live = asked.wanted, Live(beginnings.get(job.name), job.name in beginnings)
        if kept is not None:
            end = kept.ends[job.name]
            wanted = dataclasses.replace(wanted, end=end)
            live = Live(end, is_known=True) if kept.meets_live[job.name] else Live()
        plans.append(plan_job(with_share(job, share), wanted, live, receiver, now))
    return plans
