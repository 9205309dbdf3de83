"""The web config that is in force.

Owns: noticing that its file, or a certificate that it names, has changed; the swap; what is told when the new one
cannot be used. A scrape takes the reference that is there: no request and no handshake reads a file.
Must not know: how the file is read, what its settings do.

A file that is half written may look whole: an empty one means plain HTTP for everybody. So a reload never takes a
protection away; who wants that starts the exporter again.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from pathlib import Path

from timepoint.clock import Clock
from timepoint.errors import ConfigError, Problem
from timepoint.log import event
from timepoint.server.web.spec import LoadedWeb, WebSource

LOGGER = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks at the files."""

RETRY = 5.0
"""Seconds until files that could not be used are read again, if they have not changed before."""

_Signature = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class ReloadFacts:
    """How the last reload went. ``at`` is when the config in force was read, in milliseconds since the epoch."""

    good: bool
    at: int


@dataclass(slots=True)
class CurrentWeb:
    """Keeps ``loaded`` up to date. Begins with what the file said when the exporter started."""

    source: WebSource
    clock: Clock
    loaded: LoadedWeb = field(init=False)
    facts: ReloadFacts = field(init=False)
    _signature: _Signature | None = field(init=False, default=None)
    _trouble: str = field(init=False, default="")
    _retry_at: float = field(init=False, default=0.0)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.loaded = self.source.first
        self.facts = ReloadFacts(good=True, at=self.clock.now())
        for warning in self.loaded.warnings:
            event(LOGGER, logging.WARNING, "web_config_warning", file=self.source.path, warning=warning)

    def start(self) -> None:
        """Looks once, here, then goes on in a thread."""
        self.refresh()
        self._thread = threading.Thread(target=self._run, name="web-config", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def refresh(self) -> bool:
        """Reads the file anew if something has changed; says whether other settings are in force now."""
        signature = self._look()
        first, waits = self._signature is None, self._trouble and self.clock.monotonic() >= self._retry_at
        if signature == self._signature and not waits:
            return False
        self._signature = signature
        try:
            loaded = self.source.load()
            self._check(loaded)
        except ConfigError as error:
            self._refuse(str(error))
            return False
        self._trouble = ""
        self.loaded = loaded
        if self._look() != signature:
            self._signature = ()  # it names other files now, or one has changed since: look again
        self.facts = ReloadFacts(good=True, at=self.clock.now())
        if not first:
            event(LOGGER, logging.INFO, "web_config_reloaded", file=self.source.path)
        return True

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self.refresh()
            except Exception:
                LOGGER.exception("BUG: the web config cannot be looked at; the settings before stay")

    def _check(self, loaded: LoadedWeb) -> None:
        """Raises ConfigError if less would keep strangers out than before."""
        gone = sorted(self.loaded.spec.protections() - loaded.spec.protections())
        if gone:
            message = f"{', '.join(gone)} would be switched off, which a reload never does: start the exporter again"
            raise ConfigError([Problem(str(self.source.path), 0, 0, "", message)])

    def _refuse(self, trouble: str) -> None:
        self._retry_at = self.clock.monotonic() + RETRY
        self.facts = ReloadFacts(good=False, at=self.facts.at)
        if trouble != self._trouble:
            self._trouble = trouble
            event(LOGGER, logging.ERROR, "web_config_unusable", file=self.source.path, error=trouble, kept=True)

    def _look(self) -> _Signature:
        tls = self.loaded.spec.tls
        return tuple(_signature(path) for path in (self.source.path, *(tls.files if tls is not None else ())))


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
