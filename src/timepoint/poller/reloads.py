"""Reloads of the config, as the poller takes part in them.

Owns: the steps of one reload, what is logged and answered of it. Must not know: files, sockets, how jobs are exchanged.

    asked ──> load (a thread of its own: a large config takes seconds) ──> go over ──> answer
                 a mistake: nothing has changed            the ledger cannot be read: nothing has changed
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from timepoint import log
from timepoint.clock import Clock
from timepoint.errors import ConfigError, DataDirectoryError, StoreError
from timepoint.job import Workload
from timepoint.poller.switch import Change, listed
from timepoint.poller.worker import Worker
from timepoint.reload import Answer, ReloadFacts

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A config that can run: what is to be done, the bytes of its file, and what somebody should look at."""

    work: Workload
    raw: bytes = field(default=b"", repr=False)
    warnings: Sequence[str] = ()


class Reloads(Protocol):
    """Who asks for reloads, and where configs come from."""

    facts: ReloadFacts

    async def asked(self) -> None:
        """Waits until a reload is asked for."""
        ...

    def load(self) -> Loaded:
        """Reads the config. Runs in a thread. Raises ConfigError."""
        ...

    def answer(self, answer: Answer) -> None: ...


class Reloading:
    """The reloads of a poller. ``facts`` say how the newest went; ``changed`` is called when they are others."""

    def __init__(
        self,
        reloads: Reloads,
        clock: Clock,
        go_over: Callable[[Workload], Awaitable[Change]],
        changed: Callable[[], None],
    ) -> None:
        self.facts = reloads.facts
        self._changed = changed
        self._reloads = reloads
        self._clock = clock
        self._go_over = go_over

    async def run(self, worker: Worker) -> None:
        """Reloads whenever it is asked for, until it is cancelled."""
        while True:
            await self._reloads.asked()
            answer = await self._reload(worker)
            at = answer.at if answer.good else self.facts.at
            self.facts = ReloadFacts(at, "" if answer.good else answer.text)
            self._changed()
            self._reloads.answer(answer)

    async def _reload(self, worker: Worker) -> Answer:
        try:
            loaded = await worker.do(self._reloads.load)
            change = await self._go_over(loaded.work)
        except ConfigError as error:
            return _refused(str(error), problems=len(error.problems))
        except (StoreError, DataDirectoryError) as error:
            return _refused(f"the config is good, but the ledger cannot go over to it: {error}")
        except Exception as error:
            LOGGER.exception("BUG: the config cannot be reloaded")
            return _refused(f"BUG: {type(error).__name__}: {error}")
        for warning in loaded.warnings:
            log.event(LOGGER, logging.WARNING, "config_warning", warning=warning)
        log.event(
            LOGGER,
            logging.INFO,
            "config_reloaded",
            jobs=change.jobs,
            new=listed(change.new) or None,
            changed=listed(change.changed) or None,
            removed=listed(change.removed) or None,
        )
        names = tuple(job.name for job in loaded.work.jobs)
        return Answer(good=True, text=change.sentence(), at=self._clock.now(), jobs=names, raw=loaded.raw)


def _refused(text: str, problems: int | None = None) -> Answer:
    log.event(LOGGER, logging.ERROR, "config_unusable", problems=problems, error=text, kept=True)
    return Answer(good=False, text=log.mask(text))
