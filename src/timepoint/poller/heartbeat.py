"""The heartbeat: the poller's own metrics and the status of each job, published as if the poller were a job.

Owns: what stands in it, how it is written, what a call goes on with that follows another one. Must not know: when it is
due, where what it tells comes from.

It is not fsynced while a process lives, and written by a thread of its own, so that a slow disk or a large answer does
not look like a dead poller.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from timepoint import log
from timepoint.clock import Clock
from timepoint.errors import PublishError
from timepoint.exposition.family import JobSnapshot
from timepoint.exposition.publish import POLLER, publish, read_published, snapshot_path
from timepoint.poller.cost_metrics import ProcessCost
from timepoint.poller.self_facts import PollerFacts
from timepoint.poller.selfmetrics import families
from timepoint.poller.sending import Sending
from timepoint.poller.sources import Sources
from timepoint.poller.tally import JobTally, poller_status
from timepoint.poller.worker import Worker
from timepoint.reload import ReloadFacts
from timepoint.version import __version__

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a poller stands. ``trouble``: why its ledger cannot be used. ``config`` is None where nothing is reloaded."""

    tallies: Mapping[str, JobTally]
    sources: Sources
    sending: Sending
    trouble: str
    config: ReloadFacts | None


class Heartbeat:
    """Publishes how a poller stands that began when this was made."""

    def __init__(
        self, published: Path, clock: Clock, read_process: Callable[[], ProcessCost], make_worker: Callable[[], Worker]
    ) -> None:
        self._published = published
        self._clock = clock
        self._read_process = read_process
        self._worker = make_worker()
        self._started = clock.now()
        self._is_failing = False

    async def beat(self, standing: Standing, *, durable: bool) -> None:
        """Publishes the metrics and the status of now."""
        tallies, sources, sending = list(standing.tallies.values()), standing.sources, standing.sending
        config = standing.config or ReloadFacts(self._started)
        facts = PollerFacts(
            tallies,
            self._read_process(),
            self._clock.now(),
            self._started,
            not standing.trouble,
            sources.facts(),
            sending.standing,
            config,
        )
        status: dict[str, Any] = poller_status(tallies, version=__version__, started=self._started)
        status["ledger_trouble"] = standing.trouble
        status["sources"] = sources.sums()
        status["receivers"], status["sent"] = sending.status(), sending.sums()
        status["config"] = {"since": config.at, "trouble": config.trouble}
        snapshot = JobSnapshot(POLLER, families(facts), 0, facts.now, __version__, status)
        try:
            await self._worker.do(lambda: publish(self._published, snapshot, durable=durable))
        except PublishError as error:
            if not self._is_failing:  # once, not every three seconds
                log.event(LOGGER, logging.ERROR, "publish_failed", job=POLLER, error=error)
            self._is_failing = True
        else:
            self._is_failing = False

    def take_up(self, standing: Standing) -> None:
        """Goes on with the counters of the call before: each alone would count to one for ever.

        A process that lives begins at 0, as any exporter does: its heartbeats are not fsynced, and after a power cut an
        older one would make counters go back.
        """
        try:
            status = read_published(snapshot_path(self._published, POLLER)).status
            jobs = status["jobs"]
        except (PublishError, KeyError):
            return
        standing.sources.take_up(status.get("sources", {}))
        standing.sending.take_up(status.get("sent", {}))
        for name, tally in standing.tallies.items():
            # Those of another release begin at 0.
            with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
                tally.take_up(jobs[name]["sums"])

    def close(self) -> None:
        """Ends the thread that writes."""
        self._worker.close()
