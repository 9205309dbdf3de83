"""Where the points of a job come from: a request and a mapping, or a user's function.

Owns: the two ways to ask for a window, behind one protocol: ``ask`` waits for the world and runs on the event loop,
``read`` turns what came into columns and runs in the worker.
Must not know: when a job runs, what becomes of points.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from timepoint.errors import ContentError, MappingError, SourceError
from timepoint.job import FunctionPolling, HttpPolling, Job
from timepoint.mapping.engine import MappingRun, RunContext
from timepoint.mapping.weight import Allowance
from timepoint.model import NOTHING_SETTLED, MappedRun, MetricSpec, Window
from timepoint.poller.function_points import collect
from timepoint.request.answer import Answer
from timepoint.request.decode import documents
from timepoint.request.spec import RequestSpec
from timepoint.request.transform.chain import decoded


@dataclass(frozen=True, slots=True)
class Material:
    """What asking gave, still to be read.

    ``size`` is what came over the wire, in bytes; ``said_at`` what the source's clock showed, None if it does not tell.
    ``pages`` are the answers of an API, none of a function.
    """

    content: Any
    attempts: int = 1
    size: int = 0
    said_at: int | None = None
    pages: tuple[Answer, ...] = ()


def material_of(pages: tuple[Answer, ...]) -> Material:
    """The pages of a window as one. The source's clock is as it was at the first of them."""
    said_at = min((page.said_at for page in pages if page.said_at is not None), default=None)
    attempts, size = sum(page.attempts for page in pages), sum(page.wire_bytes for page in pages)
    return Material(pages, attempts, size, said_at, pages)


class Origin(Protocol):
    """Gives the points of a window."""

    def busy(self) -> str:
        """Why it cannot be asked now, as a sentence; empty if it can."""
        ...

    async def ask(self, window: Window, fire_time: int, deadline: float, values: Mapping[str, str]) -> Material:
        """Waits for the answer. ``values`` are those of the lane, by name. Raises SourceError."""
        ...

    def read(self, material: Material, context: RunContext) -> MappedRun:
        """The points in the answer. Raises ContentError or MappingError."""
        ...

    def keep_lanes(self, lanes: Collection[Mapping[str, str]]) -> None:
        """Forgets what was remembered of lanes that are gone; ``lanes`` are the labels of those that there are."""
        ...


class Fetcher(Protocol):
    """What a job needs of the request room; ``timepoint.testing`` ships a fake."""

    async def fetch(
        self,
        request: RequestSpec,
        window: Window,
        deadline: float,
        *,
        fire_time: int | None = None,
        values: Mapping[str, str] | None = None,
    ) -> tuple[Answer, ...]:
        """The pages of a window in their order, one at least. ``values`` are those of a fan-out, for templates."""
        ...


class HttpOrigin:
    """An API behind HTTP."""

    def __init__(self, polling: HttpPolling, metrics: Mapping[str, MetricSpec], fetcher: Fetcher) -> None:
        self._polling = polling
        self._metrics = metrics
        self._fetcher = fetcher

    def busy(self) -> str:
        return ""

    async def ask(self, window: Window, fire_time: int, deadline: float, values: Mapping[str, str]) -> Material:
        request = self._polling.request
        pages = await self._fetcher.fetch(request, window, deadline, fire_time=fire_time, values=values)
        return material_of(pages)

    def read(self, material: Material, context: RunContext) -> MappedRun:
        pages: tuple[Answer, ...] = material.content
        # A status may say that there is nothing: there is no body then that a mapping could miss a path in.
        told = [page for page in pages if not page.empty]
        if not told:
            settled = None if self._polling.mapping.boundary is None else NOTHING_SETTLED
            return MappedRun({name: {} for name in self._metrics}, is_declared_empty=True, settled_until=settled)
        run = self._polling.mapping.start(context, Allowance(self._polling.source.max_memory))
        rows = [0]
        for number, page in enumerate(pages, 1):
            if not page.empty:
                self._add(page, run, f"page {number}: " if len(pages) > 1 else "")
            rows.append(run.rows)
        mapped = run.finish()
        mapped.page_rows = tuple(after - before for before, after in itertools.pairwise(rows))
        for examples in mapped.rejects.examples.values():
            for mask in {page.mask for page in told}:
                examples[:] = map(mask, examples)
        return mapped

    def keep_lanes(self, lanes: Collection[Mapping[str, str]]) -> None:
        self._polling.mapping.keep_lanes(lanes)

    def _add(self, page: Answer, run: MappingRun, which: str) -> None:
        try:
            add_page(page, self._polling, run)
        except ContentError as error:
            named = str(error) if str(error).startswith(page.url) else f"{page.url}: {error}"
            # Without its cause, whose text is not masked. Kept in no variable, whose frame would keep the body, too.
            raise ContentError(error.reason, which + page.mask(named)) from None
        except MappingError as error:
            raise MappingError(which + page.mask(str(error))) from None


def add_page(page: Answer, polling: HttpPolling, run: MappingRun) -> None:
    """Decodes an answer and hands it to the mapping. Raises ContentError or MappingError.

    With a transform ``expect`` is about the answer, not about what is made of it: what is no usable answer, an error
    document say, is the source's fault, and no program or function need be ready for it.
    """
    if page.status in polling.request.partial_status:
        run.tell_partial(f"status {page.status}")
    for document in documents(page, polling.request, polling.source.max_body, run.allowance):
        _add_document(document, polling, run, is_beyond=page.is_beyond)


def _add_document(document: Any, polling: HttpPolling, run: MappingRun, *, is_beyond: bool) -> None:
    if not (polling.transform or is_beyond):
        run.add(document)
        return
    try:
        if not run.check(decoded(document, run.allowance), is_beyond=is_beyond) or is_beyond:
            return
        for step in polling.transform:
            document = step(document)
    except RecursionError as error:
        raise MappingError("the document is nested too deep for expect or transform") from error
    run.add(document, is_checked=True)


class FunctionOrigin:
    """A user's function, called in a thread of its own for each window.

    A thread cannot be ended from outside. One that outlives its deadline is left behind, and the job is busy until it
    ends by itself.
    """

    def __init__(self, job_name: str, polling: FunctionPolling, metrics: Mapping[str, MetricSpec]) -> None:
        self._name = job_name
        self._function = polling.function
        self._metrics = metrics
        self._thread: threading.Thread | None = None

    def busy(self) -> str:
        if self._thread is not None and self._thread.is_alive():
            return "the function of an earlier run has not come back yet"
        return ""

    async def ask(
        self,
        window: Window,
        fire_time: int,  # noqa: ARG002 - the protocol's
        deadline: float,  # noqa: ARG002 - the protocol's
        values: Mapping[str, str],
    ) -> Material:
        call = _Call(partial(self._function, **values), window)
        self._thread = threading.Thread(target=call.run, name=f"job {self._name}", daemon=True)
        self._thread.start()
        try:
            return Material(await call.result)
        finally:
            call.is_wanted = False

    def read(self, material: Material, context: RunContext) -> MappedRun:
        return collect(material.content, self._metrics, context.fire_time, context.window, context.labels)

    def keep_lanes(self, lanes: Collection[Mapping[str, str]]) -> None:
        """Nothing is remembered."""


class _Call:
    """One call of a function: runs in its thread, gives its result to the loop."""

    def __init__(self, function: Callable[[Window], Iterable[Any]], window: Window) -> None:
        self._function = function
        self._window = window
        self._loop = asyncio.get_running_loop()
        self.result: asyncio.Future[list[Any]] = self._loop.create_future()
        self.is_wanted = True

    def run(self) -> None:
        points: list[Any] = []
        error = None
        try:
            given = self._function(self._window)
            if given is None:
                raise TypeError("it gave None: let it yield points, or return them")  # noqa: TRY301 - told like any other
            for point in given:
                if not self.is_wanted:
                    return
                points.append(point)
        except BaseException as raised:  # noqa: BLE001 - also a SystemExit costs this run alone
            error = _as_source_error(raised)
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._settle, points, error)

    def _settle(self, points: list[Any], error: SourceError | None) -> None:
        if self.result.done():
            return
        if error is not None:
            self.result.set_exception(error)
        else:
            self.result.set_result(points)


def _as_source_error(raised: BaseException) -> SourceError:
    """For the exporter the function is the source: whatever it raises says that no answer came."""
    if isinstance(raised, SourceError):
        raised.attempts = 1
        return raised
    frames = traceback.extract_tb(raised.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    error = SourceError("function", f"the function raised {type(raised).__name__}: {raised}{where}")
    error.attempts = 1
    error.__cause__ = raised
    return error


def open_origin(job: Job, fetchers: Mapping[str, Fetcher]) -> Origin:
    """The origin of a job. ``fetchers`` are by the name of their source."""
    if isinstance(job.polling, FunctionPolling):
        return FunctionOrigin(job.name, job.polling, job.metrics)
    return HttpOrigin(job.polling, job.metrics, fetchers[job.polling.source.name])
