"""Products that are wrong on purpose. An oracle that lets one of them pass proves nothing.

Owns: the patches, applied to the real classes in a process of the proof before it starts pollers; nothing of them is
in the product. Must not know: the oracle.

Each is a mistake that real exporters make. Where a mistake shows only if a kill hits the gap between two steps, the gap
is made GAP seconds wide, so that some dozens of kills find it and not some thousands.
"""

from __future__ import annotations

import copy
import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from timepoint.durable import replacing
from timepoint.exposition import publish as publish_module
from timepoint.exposition.family import JobSnapshot
from timepoint.ledger import counters, decide, sqlite
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.lane_run import MetricRun
from timepoint.ledger.sqlite_store import SqliteStore
from timepoint.model import SeriesPoints, Times
from timepoint.poller import desk as desk_module
from timepoint.poller.desk import JobDesk
from timepoint.poller.page import render
from timepoint.request.each.lanes import LONE

GAP = 0.02


def watermark_before() -> None:
    """The watermark is committed, then the totals."""
    real = SqliteStore.commit

    def commit(self: SqliteStore, change_set: ChangeSet) -> int:
        _move_watermark(self, change_set, change_set.watermark, change_set.kept_from)
        time.sleep(GAP)
        change_set.started_from = change_set.watermark if change_set.version else None
        return real(self, change_set)

    _replace(SqliteStore, "commit", commit)


def watermark_after() -> None:
    """The totals are committed, then the watermark."""
    real = SqliteStore.commit

    def commit(self: SqliteStore, change_set: ChangeSet) -> int:
        lane = self.load(change_set.job, LONE.name)
        watermark, kept_from = change_set.watermark, change_set.kept_from
        change_set.watermark, change_set.kept_from = lane.watermark, lane.kept_from
        number = real(self, change_set)
        change_set.watermark, change_set.kept_from = watermark, kept_from
        time.sleep(GAP)
        _move_watermark(self, change_set, watermark, kept_from)
        return number

    _replace(SqliteStore, "commit", commit)


def by_arrival() -> None:
    """Whatever an answer holds is added: what it was counted for before is not asked."""
    real = vars(counters)["plan_delta"]

    def plan(_known: Times, offered: Times, usable: Sequence[int], memory: Any) -> Any:
        return real(Times((), ()), offered, usable, replace(memory, kept_from=None))

    _replace(counters, "plan_delta", plan)


def newest_only() -> None:
    """Of each answer the newest point is counted, as a script does that shows the last value."""
    real = vars(counters)["plan_delta"]

    def plan(known: Times, offered: Times, usable: Sequence[int], memory: Any) -> Any:
        return real(known, offered, usable[-1:], memory)

    _replace(counters, "plan_delta", plan)


def publish_before() -> None:
    """The page shows a run, then the run is committed."""
    real = JobDesk.commit_all

    def commit_all(self: JobDesk, change_sets: Sequence[ChangeSet]) -> None:
        lanes = {lane.lane: copy.deepcopy(lane) for lane in self.load_all()}
        number = self._store.newest_commit() + 1
        for change_set in change_sets:
            change_set.commit = number
            change_set.apply(lanes[change_set.lane])
        assert self._published is not None
        publish_module.publish(self._published, render(self._job, list(lanes.values()), self._clock.now()))
        time.sleep(GAP)
        real(self, change_sets)

    _replace(JobDesk, "commit_all", commit_all)


def forgiven_debt() -> None:
    """A downward revision is dropped and not owed."""
    real = counters.count_deltas

    def count(metric: MetricRun, offered: Mapping[str, SeriesPoints]) -> None:
        real(metric, offered)
        updates = metric.changes.updates
        updates[:] = [(text, number, value, carry, 0.0, *rest) for text, number, value, carry, _, *rest in updates]  # type: ignore[misc]  # a tuple cut and joined again

    _replace(decide, "count_deltas", count)


def page_in_place() -> None:
    """The page is written over the old one, and not beside it and renamed."""

    @contextmanager
    def in_place(path: Path, *, is_synced: bool = True, **_: object) -> Iterator[io.FileIO]:
        with path.open("wb", buffering=0) as file:
            yield file
            if is_synced:
                os.fsync(file.fileno())

    _replace(publish_module, "replacing", in_place)


def page_of_two_commits() -> None:
    """The first metric of a page is of the commit before."""
    before: dict[str, Any] = {}
    real = publish_module.publish

    def publish(directory: Path, snapshot: JobSnapshot) -> None:
        families = list(snapshot.families)
        before[snapshot.job_name], families[0] = families[0], before.get(snapshot.job_name, families[0])
        real(directory, replace(snapshot, families=families))

    _replace(desk_module, "publish", publish)


def unsynced() -> None:
    """Commits are not synced: a kill loses nothing, a power cut does."""
    real = sqlite._use_log

    def use_log(connection: Any, path: Path) -> None:
        real(connection, path)
        connection.execute("PRAGMA synchronous=NORMAL")

    _replace(sqlite, "_use_log", use_log)


def never_synced() -> None:
    """Nothing is ever synced: a power cut damages the file."""
    real = sqlite._use_log

    def use_log(connection: Any, path: Path) -> None:
        real(connection, path)
        connection.execute("PRAGMA synchronous=OFF")

    _replace(sqlite, "_use_log", use_log)


def page_unsynced() -> None:
    """The page is renamed before it is synced."""

    def unsynced_file(path: Path, **more: Any) -> Any:
        return replacing(path, **(more | {"is_synced": False}))

    _replace(publish_module, "replacing", unsynced_file)


FOUND_BY_KILLS: tuple[Callable[[], None], ...] = (
    watermark_before,
    watermark_after,
    by_arrival,
    newest_only,
    publish_before,
    forgiven_debt,
    page_in_place,
    page_of_two_commits,
)
FOUND_BY_POWER_CUTS: tuple[Callable[[], None], ...] = (unsynced, never_synced, page_unsynced)
BY_NAME = {mutant.__name__: mutant for mutant in (*FOUND_BY_KILLS, *FOUND_BY_POWER_CUTS)}


def apply(name: str) -> None:
    """Makes this process wrong; an empty name leaves it right."""
    if name:
        BY_NAME[name]()


def _replace(owner: Any, name: str, wrong: Any) -> None:
    assert hasattr(owner, name), f"{owner}: there is no {name} to make wrong"
    setattr(owner, name, wrong)


def _move_watermark(store: SqliteStore, change_set: ChangeSet, watermark: int | None, kept_from: int | None) -> None:
    with store._database.writing() as connection:
        connection.execute(
            "UPDATE lane SET watermark = ?, kept_from = ? WHERE job = ? AND version > 0",
            (watermark, kept_from, change_set.job),
        )
