"""The mains of the poller: as a process that lives, and once.

Owns: the event loop, the signals, what is opened where, and the exit code.
Must not know: who calls, the config file, the command line.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from timepoint import log
from timepoint.errors import DataDirectoryError, StoreError
from timepoint.job import Workload, given_secrets
from timepoint.ledger.store import open_store
from timepoint.poller.process import read_process_and_ledger
from timepoint.poller.reloads import Loaded, Reloads
from timepoint.poller.runner import Runner, Surroundings
from timepoint.poller.worker import Crew
from timepoint.reload import AskedEnd, ReloadFacts
from timepoint.vitals import Vitals
from timepoint.watchdog import watched

LOGGER = logging.getLogger(__name__)


Load = Callable[[bytes | None], Loaded]
"""Reads the config file, or takes the bytes that it held. Raises ConfigError."""


class FileReloads:
    """Reloads that are asked for at an end of the switchboard, of a config that is a file."""

    def __init__(self, end: AskedEnd, load: Load, facts: ReloadFacts) -> None:
        self.facts = facts
        self._load = load
        self.asked = end.asked
        self.answer = end.answer

    def load(self) -> Loaded:
        loaded = self._load(None)
        log.hide(given_secrets(loaded.work))
        return loaded


def poll_forever(
    work: Workload, ledger: Path, published: Path, reloads: Reloads | None = None, vitals: Vitals | None = None
) -> int:
    """Polls all jobs until SIGTERM or SIGINT; the exit code: 0, or 1 if the ledger cannot be used.

    ``vitals`` take the signs of life of this process.
    """
    crew = Crew()

    def beat() -> None:
        if vitals is not None and not crew.is_lost:  # a loop that lives beside work without end is no life
            vitals.beat()

    async def main(stop: asyncio.Event) -> int:
        around = _surroundings(work, ledger, published)
        async with watched("poller", beat=beat) as dog:
            cost = partial(read_process_and_ledger, ledger, lambda: dog.longest)
            around = replace(around, read_process=cost, reloads=reloads, make_worker=crew.worker)
            return await Runner(work, around).run(stop)

    return _run(main)


def poll_once(work: Workload, ledger: Path, published: Path, *, force: bool = False, only: Collection[str] = ()) -> int:
    """Runs each job that is due, or with ``force`` each job, once; the exit code.

    It is 1 if a run failed or was interrupted, or if the ledger cannot be used, else 0. ``work`` is all of the
    config; ``only`` names those to run, empty for all. Even with ``force`` a source is not asked before its
    ``min_interval`` is over.
    """

    async def main(stop: asyncio.Event) -> int:
        runner = Runner(work, _surroundings(work, ledger, published))
        runs = asyncio.create_task(runner.run_once(force=force, only=only))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait((runs, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not runs.done():
            runs.cancel()
            await asyncio.wait((runs,))
            return 1
        return runs.result()

    return _run(main)


def _surroundings(work: Workload, ledger: Path, published: Path) -> Surroundings:
    log.hide(given_secrets(work))
    return Surroundings(open_store=lambda: open_store(ledger), published=published)


def _run(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    async def until_told() -> int:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await main(stop)

    try:
        return asyncio.run(until_told())
    except (DataDirectoryError, StoreError) as error:
        log.event(LOGGER, logging.ERROR, "ledger_unusable", error=error)
        return 1
