"""A lane from its rows.

Owns: how the tables become a lane in memory, and which lanes hold a metric. Must not know: who asks, how rows are
written.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from timepoint.errors import StoreError
from timepoint.ledger.holders import Holder
from timepoint.ledger.packed_points import Unpacker
from timepoint.ledger.state import LaneState, MetricState, SeriesState

_LANE_FIELDS = "version, watermark, kept_from, last_attempt, last_fire, last_accepted, page_since, open_run, asked_from"

_HOLDERS = (
    "SELECT job, lane, name, shape, coalesce((SELECT max(id) FROM series WHERE metric_id = metric.id), 0), "
    "coalesce(newest, 0) FROM metric JOIN lane ON lane.id = lane_id "
    "WHERE name IN (SELECT value FROM json_each(?)) ORDER BY metric.id"
)


def read_holders(connection: sqlite3.Connection, names: Collection[str]) -> list[Holder]:
    """Whoever has series of these metrics. Within a transaction of the caller. Raises sqlite3.Error."""
    return [Holder(*row) for row in connection.execute(_HOLDERS, (json.dumps(sorted(names)),))]


def read_lane(connection: sqlite3.Connection, path: Path, job: str, lane: str) -> LaneState:
    """What was last committed for a lane, an empty state if it is not known. Within a transaction of the caller.

    Raises StoreError, with the name of the file, for points that are damaged, and sqlite3.Error.
    """
    row = connection.execute(
        f"SELECT id, {_LANE_FIELDS} FROM lane WHERE job = ? AND lane = ?",  # noqa: S608  # names are our own
        (job, lane),
    ).fetchone()
    if row is None:
        return LaneState(job, lane)
    state = LaneState(job, lane, *row[1:])
    _read_metrics(connection, path, row[0], state)
    return state


def _read_metrics(connection: sqlite3.Connection, path: Path, lane_id: int, lane: LaneState) -> None:
    metrics = connection.execute(
        "SELECT id, name, shape, forget_after, newest, last_run FROM metric WHERE lane_id = ? ORDER BY id",
        (lane_id,),
    ).fetchall()
    unpacker = Unpacker()
    for metric_id, *fields in metrics:
        metric = MetricState(*fields)
        lane.metrics[f"{metric.name} {metric.shape}"] = metric
        rows = connection.execute(
            "SELECT text, value, carry, debt, recent, seen_at, created, zero_until, id "
            "FROM series JOIN state USING (id) WHERE metric_id = ? ORDER BY id",
            (metric_id,),
        )
        try:
            _fill(metric, rows, unpacker, lane.page_since)
            metric.note_leaving(metric.absent, lane.last_accepted or 0)
        except ValueError as error:
            raise StoreError(
                f"{path}: the points of a series of {metric.name} are damaged ({error}); restore a backup"
            ) from error


def _fill(metric: MetricState, rows: Iterable[tuple[Any, ...]], unpacker: Unpacker, page_since: int) -> None:
    """Puts each series on the page or among the absent, these in the order in which they left.

    Equal instants become one object and zeros the constant: 140 of the 470 bytes that a series would take.
    """
    absent: list[tuple[str, SeriesState]] = []
    instants: dict[int, int] = {}
    share = instants.setdefault
    for text, value, carry, debt, blob, seen_at, created, zero_until, number in rows:
        times, recent = unpacker.unpack(blob)
        state = SeriesState(
            math.nan if value is None else value,
            carry or 0.0,
            debt or 0.0,
            times,
            recent,
            share(seen_at, seen_at),
            share(created, created),
            share(zero_until, zero_until),
            number,
        )
        if seen_at >= page_since:
            metric.series[text] = state
        else:
            absent.append((text, state))
    absent.sort(key=lambda item: item[1].seen_at)
    metric.absent.update(absent)
