"""How a backfill shares the limits of a source with the exporter that polls it.

Owns: what of a limit is the backfill's, and where requests are noted. Must not know: windows, samples, who asks.

While the exporter runs, its ledger has one writer, and that is not this process. So the backfill takes a share of each
limit, counts its requests in a ledger of its own, and what the exporter has noted of a quota counts for it, too. While
no exporter runs, requests are noted in the exporter's ledger, as its own: whoever starts it next goes on from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from timepoint.datadir import DataDirectory, Layout, looked_at
from timepoint.errors import InUseError
from timepoint.job import HttpPolling, Job
from timepoint.ledger.beginnings import read_asked, read_beginnings, read_spent
from timepoint.ledger.store import Store, open_store
from timepoint.request.each.spec import Discovery, EachSpec, Values
from timepoint.request.spec import SourceSpec

DEFAULT_SHARE = 0.5


class Exporter:
    """The exporter of a data directory, seen from outside; there need not be any."""

    def __init__(self, data_dir: Path) -> None:
        self.layout = Layout(data_dir)

    @property
    def is_there(self) -> bool:
        """Whether there is a ledger."""
        return self.layout.ledger.exists()

    @contextlib.contextmanager
    def looked_at(self) -> Iterator[bool]:
        """Whether it runs now; one that does not, cannot start meanwhile. Raises DataDirectoryError."""
        with looked_at(self.layout) as holder:
            yield holder is not None

    def beginnings(self) -> dict[str, int | None]:
        """Per job where its counting began. Raises StoreError, DataDirectoryError."""
        if not self.is_there:
            return {}
        with self.looked_at() as runs:
            return read_beginnings(self.layout.ledger, in_use=runs)

    def runs(self) -> bool:
        """Whether it runs now. Raises DataDirectoryError."""
        if not self.is_there:
            return False
        with self.looked_at() as runs:
            return runs


class SharedNotes:
    """What the gates note: see above. Runs in the worker; every method raises StoreError, DataDirectoryError."""

    def __init__(self, own: Store, exporter: Exporter) -> None:
        self._own = own
        self._exporter = exporter

    def last_request(self, source: str) -> int | None:
        asked = [self._own.last_request(source)]
        if self._exporter.is_there:
            with self._exporter.looked_at() as runs:
                asked.append(read_asked(self._exporter.layout.ledger, source, in_use=runs))
        return max((at for at in asked if at is not None), default=None)

    def note_request(self, source: str, at: int) -> None:
        self._own.note_request(source, at)
        with self._held() as store:
            if store is not None:
                store.note_request(source, at)

    def spend(self, source: str, period: str, start: int, count: int) -> int:
        if not self._exporter.is_there:
            return self._own.spend(source, period, start, count)
        with self._held() as store:
            if store is not None:
                return store.spend(source, period, start, count) + self._own.spend(source, period, start, 0)
        own = self._own.spend(source, period, start, count)
        with self._exporter.looked_at() as runs:
            return own + read_spent(self._exporter.layout.ledger, source, period, start, in_use=runs)

    @contextlib.contextmanager
    def _held(self) -> Iterator[Store | None]:
        """The exporter's ledger to write in, for a moment; None if the exporter runs, or if there is none."""
        with contextlib.ExitStack() as stack:
            store: Store | None = None
            if self._exporter.is_there and not self._exporter.runs():
                # One that starts at this moment waits longer than this takes; one that was quicker is the writer.
                with contextlib.suppress(InUseError):
                    data = stack.enter_context(DataDirectory(self._exporter.layout.path))
                    store = stack.enter_context(contextlib.closing(open_store(data.layout.ledger)))
            yield store


def with_share(job: Job, share: float) -> Job:
    """The job with a share of what its sources allow. A quota's reserve stays untouched."""
    if not isinstance(job.polling, HttpPolling) or share >= 1:
        return job
    polling = replace(job.polling, source=shared_source(job.polling.source, share))
    each = job.each
    if each is not None:
        each = EachSpec(tuple(_shared_values(values, share) for values in each.values), each.max_lanes)
    return replace(job, polling=polling, each=each)


def _shared_values(values: Values, share: float) -> Values:
    origin = values.origin
    if not isinstance(origin, Discovery):
        return values
    return replace(values, origin=replace(origin, source=shared_source(origin.source, share)))


def shared_source(source: SourceSpec, share: float) -> SourceSpec:
    """A source of which a share may be used: of its rate, its quotas, its concurrency; its pauses are longer."""
    rate = source.rate
    return replace(
        source,
        rate=None
        if rate is None
        else replace(rate, per=round(rate.per / share), burst=max(1, int(rate.burst * share))),
        quotas=tuple(replace(quota, requests=int(quota.usable * share), reserve=0) for quota in source.quotas),
        min_interval=round(source.min_interval / share),
        concurrency=max(1, int(source.concurrency * share)),
    )
