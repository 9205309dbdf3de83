"""The published snapshots as the server holds them.

Owns: noticing that a file of the published directory has changed, reading it, and swapping what is served. All of it
happens in a thread of its own: a scrape takes the reference that is there and never waits for a file. A damaged file is
counted once and the snapshot before it stays. Must not know: who publishes, HTTP.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from timepoint.clock import Clock
from timepoint.errors import PublishError
from timepoint.exposition.formats import OPENMETRICS, TEXT
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import POLLER, read_published, snapshot_path
from timepoint.exposition.segment import PublishedJob
from timepoint.log import event

LOGGER = logging.getLogger(__name__)

INTERVAL = 0.2
"""Seconds between two looks at the directory."""

AHEAD = 3000
"""Milliseconds before something appears or vanishes by its age, at which the pages for that moment are made."""

GRACE = 10.0
"""Seconds for which a job's file may be gone before the job leaves the page: the poller brings a file back that was
deleted by accident. Without a file of the poller itself there is nobody who took the job away, and it stays."""

RETRY = 5.0
"""Seconds until a file that could not be read is tried again, if it has not changed before."""

_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Held:
    """What is served at one moment. Immutable: a change makes a new one.

    ``heartbeat`` is when the poller's last one came, on the monotonic clock in seconds, None if there never was one;
    ``poller_spoke`` that one came since this loader was made. ``upcoming`` is the next instant at which something
    appears or vanishes, and the pages for it.
    """

    pages: Pages
    jobs: Sequence[PublishedJob] = ()
    poller: PublishedJob | None = None
    read_failures: int = 0
    heartbeat: float | None = None
    poller_spoke: bool = False
    upcoming: tuple[int, Pages] | None = None

    def pages_at(self, now: int) -> Pages:
        """The pages for an instant: those made ahead, once it is their time."""
        return self.upcoming[1] if self.upcoming is not None and now >= self.upcoming[0] else self.pages


@dataclass(slots=True)
class _File:
    """One file: the signature of the last snapshot in it that was whole, and that snapshot.

    ``trouble`` is why it could not be read at the last try, and with which signature; it is tried again at ``retry_at``
    (seconds of the monotonic clock), since not every failure is damage. ``gone_at`` is when the file was first missed.
    """

    path: Path
    signature: _Signature | None = None
    published: PublishedJob | None = None
    trouble: tuple[_Signature | None, str] | None = None
    retry_at: float = 0.0
    gone_at: float | None = None


@dataclass(slots=True)
class SnapshotLoader:
    """Keeps ``held`` up to date. Only the jobs of ``job_names`` are read, and the poller's own snapshot.

    Which jobs there are is what the poller says, from its first word after the start of this loader on: its config may
    have been reloaded.
    """

    directory: Path
    job_names: Sequence[str]
    clock: Clock
    held: Held = field(init=False)
    _files: dict[str, _File] = field(init=False)
    _born: int = field(init=False)
    _limits: list[int] = field(init=False, default_factory=list)
    _told: set[str] = field(init=False, default_factory=set)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.held = Held(Pages(()))
        self._files = {name: _File(snapshot_path(self.directory, name)) for name in (*self.job_names, POLLER)}
        self._born = self.clock.now()

    def start(self) -> None:
        """Reads everything once, here, so that the first scrape is whole; then goes on in a thread."""
        self.refresh()
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)  # a large file may be half read; the process ends anyway

    def refresh(self) -> bool:
        """Looks at every file once; says whether what is served has changed."""
        failures = 0
        changed: set[str] = set()
        for name, file in self._files.items():
            signature = None
            try:
                signature = _signature(file.path)
                if self._take(file, signature):
                    changed.add(name)
            except (PublishError, OSError) as error:
                failures += self._note(name, file, (signature, str(error)))
        if POLLER in changed and self._follow():
            self.held = self._hold(changed, failures)
            return self.refresh()
        if changed or failures:
            self.held = self._hold(changed, failures)
        self._look_ahead()
        return bool(changed)

    def _follow(self) -> bool:
        """Takes the names of jobs from the poller; says whether they are others than before."""
        poller = self._files[POLLER].published
        if poller is None or not (self.held.poller is not None or poller.rendered_at >= self._born):
            return False
        jobs = poller.status.get("jobs")
        if not isinstance(jobs, dict) or list(jobs) == list(self.job_names):
            return False
        files = {name: self._files.get(name) or _File(snapshot_path(self.directory, name)) for name in (*jobs, POLLER)}
        self.job_names, self._files = tuple(jobs), files
        return True

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.refresh()
            except Exception:
                LOGGER.exception("BUG: the published snapshots cannot be refreshed; those held stay")

    def _take(self, file: _File, signature: _Signature | None) -> bool:
        """Reads the file if it is another one than before. A file that stays gone is no longer served."""
        if signature is None:
            return self._is_withdrawn(file)
        file.gone_at = None
        if signature == file.signature or self._is_to_wait(file, signature):
            return False
        file.published = read_published(file.path)
        file.signature, file.trouble = signature, None
        return True

    def _is_withdrawn(self, file: _File) -> bool:
        """Lets a file that is gone go, once it is sure that this is meant; says whether it did so now."""
        if file.published is None:
            file.signature = file.trouble = None
            return False
        now = self.clock.monotonic()
        file.gone_at = now if file.gone_at is None else file.gone_at
        if now - file.gone_at < GRACE or not self._files[POLLER].path.exists():
            return False
        file.signature = file.published = file.trouble = None
        return True

    def _is_to_wait(self, file: _File, signature: _Signature) -> bool:
        tried = file.trouble is not None and file.trouble[0] == signature
        return tried and self.clock.monotonic() < file.retry_at

    def _note(self, name: str, file: _File, trouble: tuple[_Signature | None, str]) -> int:
        """Remembers why a file cannot be used; 1 if that is news, which is logged, else 0."""
        file.retry_at = self.clock.monotonic() + RETRY
        if trouble == file.trouble:
            return 0
        file.trouble = trouble
        kept = file.published is not None
        event(LOGGER, logging.ERROR, "snapshot_unusable", job=name, error=trouble[1], kept=kept)
        return 1

    def _look_ahead(self) -> None:
        """Has the pages ready for the moment at which something appears or vanishes by its age.

        Where two jobs of 100,000 series share a family, putting the page together anew takes 0.7 s: not in a scrape.
        """
        held, now = self.held, self.clock.now()
        if held.upcoming is not None and now >= held.upcoming[0]:
            held = replace(held, pages=held.upcoming[1], upcoming=None)
        place = bisect_right(self._limits, now)
        limit = self._limits[place] if place < len(self._limits) else None
        if limit is not None and limit - now <= AHEAD and (held.upcoming is None or held.upcoming[0] != limit):
            held = replace(held, upcoming=(limit, self._prepare(held.pages.published, limit)))
        self.held = held

    def _prepare(self, published: Sequence[PublishedJob], now: int) -> Pages:
        """Pages put together for both formats, so that not even the first scrape of them has to."""
        pages = Pages(published)
        for format_ in (TEXT, OPENMETRICS):
            pages.page(format_, gzip=True, now=now)
        for problem in pages.problems:
            key = problem.lstrip("0123456789")  # how many series it is about changes from run to run
            if key not in self._told:
                self._told.add(key)
                event(LOGGER, logging.WARNING, "jobs_contradict", problem=problem)
        return pages

    def _hold(self, changed: set[str], failures: int) -> Held:
        before = self.held
        poller = self._files[POLLER].published
        jobs = [file.published for name, file in self._files.items() if name != POLLER and file.published is not None]
        everything = [*jobs, poller] if poller is not None else jobs
        heartbeat, spoke = before.heartbeat, before.poller_spoke
        if POLLER in changed and poller is not None:
            spoke = spoke or before.poller is not None or poller.rendered_at >= self._born
            age = 0 if before.poller is not None else max(0, self.clock.now() - poller.rendered_at)
            heartbeat = self.clock.monotonic() - age / 1000
        if changed:
            self._limits = _limits(everything)
        return Held(
            pages=self._prepare(everything, self.clock.now()) if changed else before.pages,
            jobs=jobs,
            poller=poller,
            read_failures=before.read_failures + failures,
            heartbeat=heartbeat,
            poller_spoke=spoke,
            upcoming=None if changed else before.upcoming,
        )


def _signature(path: Path) -> _Signature | None:
    """What tells one version of a file from another; None if there is no file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _limits(published: Sequence[PublishedJob]) -> list[int]:
    """The instants at which something appears or vanishes, ascending."""
    batches = (batch for job in published for family in job.families for batch in family.batches)
    limits = {limit for batch in batches for limit in (batch.visible_from, batch.visible_until)}
    return sorted(limit for limit in limits if limit is not None)
