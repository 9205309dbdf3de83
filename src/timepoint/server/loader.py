"""The published snapshots as the server holds them.

Owns: noticing that a file of the published directory has changed, reading it, and swapping what is served. All of it
happens in a thread of its own: a scrape takes the reference that is there and never waits for a file. A damaged file is
counted once and the snapshot before it stays. Must not know: who publishes, HTTP.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timepoint.clock import Clock
from timepoint.errors import PublishError
from timepoint.exposition.formats import OPENMETRICS, TEXT
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import read_published, snapshot_path
from timepoint.exposition.segment import PublishedJob
from timepoint.log import event
from timepoint.server.status import POLLER

log = logging.getLogger(__name__)

INTERVAL = 0.2
"""Seconds between two looks at the directory."""

RETRY = 5.0
"""Seconds until a file that could not be read is tried again, if it has not changed before."""

_Signature = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Held:
    """What is served at one moment. Immutable: a change makes a new one.

    ``heartbeat`` is when the poller last gave a sign of life, on the monotonic clock in seconds, None if it never did;
    ``poller_spoke`` that it did so since this loader was made.
    """

    pages: Pages
    jobs: Sequence[PublishedJob] = ()
    poller: PublishedJob | None = None
    read_failures: int = 0
    heartbeat: float | None = None
    poller_spoke: bool = False


@dataclass(slots=True)
class _File:
    """One file: the signature of the last snapshot in it that was whole, and that snapshot.

    ``trouble`` is why it could not be read at the last try, and with which signature; it is tried again at ``retry_at``
    (seconds of the monotonic clock), since not every failure is damage.
    """

    signature: _Signature | None = None
    published: PublishedJob | None = None
    trouble: tuple[_Signature | None, str] | None = None
    retry_at: float = 0.0


@dataclass(slots=True)
class SnapshotLoader:
    """Keeps ``held`` up to date. Only the jobs of ``job_names`` are read, and the poller's own snapshot."""

    directory: Path
    job_names: Sequence[str]
    clock: Clock
    held: Held = field(init=False)
    _files: dict[str, _File] = field(init=False)
    _born: int = field(init=False)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.held = Held(Pages(()))
        self._files = {name: _File() for name in (*self.job_names, POLLER)}
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
                signature = self._signature(name)
                if self._take(name, file, signature):
                    changed.add(name)
            except (PublishError, OSError) as error:
                failures += self._note(name, file, (signature, str(error)))
        if changed or failures:
            self.held = self._hold(changed, failures)
        return bool(changed)

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.refresh()
            except Exception:
                log.exception("BUG: the published snapshots cannot be refreshed; those held stay")

    def _signature(self, name: str) -> _Signature | None:
        """What tells one version of a file from another; None if there is no file."""
        try:
            stat = snapshot_path(self.directory, name).stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _take(self, name: str, file: _File, signature: _Signature | None) -> bool:
        """Reads the file if it is another one than before. A file that is gone is no longer served."""
        if signature is None:
            was_there = file.published is not None
            file.signature = file.published = file.trouble = None
            return was_there
        if signature == file.signature or self._is_to_wait(file, signature):
            return False
        file.published = read_published(snapshot_path(self.directory, name))
        file.signature, file.trouble = signature, None
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
        event(log, logging.ERROR, "snapshot_unusable", job=name, error=trouble[1], kept=kept)
        return 1

    def _prepare(self, published: Sequence[PublishedJob]) -> Pages:
        """Pages put together for both formats, so that not even the first scrape of them has to."""
        pages = Pages(published)
        for format_ in (TEXT, OPENMETRICS):
            pages.page(format_, gzip=True, now=self.clock.now())
        for problem in pages.problems:
            if problem not in self.held.pages.problems:
                event(log, logging.WARNING, "jobs_contradict", problem=problem)
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
        return Held(
            pages=self._prepare(everything) if changed else before.pages,
            jobs=jobs,
            poller=poller,
            read_failures=before.read_failures + failures,
            heartbeat=heartbeat,
            poller_spoke=spoke,
        )
