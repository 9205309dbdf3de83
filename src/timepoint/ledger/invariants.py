"""What must be true of a ledger between any two transactions, as named checks on its tables.

Owns: the promises of ``schema`` and ``state``, and how each is checked. Must not know: how a file is opened, who asks.

A check is a name, a sentence that says what is promised, and a search that yields one text per finding.
"""

from __future__ import annotations

import sqlite3
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from math import isclose, isfinite, isnan, ulp

from timepoint.clock import format_instant
from timepoint.ledger.packed_points import Unpacker
from timepoint.ledger.source_rows import KEPT_PERIODS
from timepoint.model import METRIC_NAME, MetricType, Temporality, Times, series_text, split_series_text

_SERIES = """
SELECT job, lane, name, shape, text, value, carry, debt, recent, seen_at, watermark, last_fire, page_since, open_run,
    last_accepted
FROM series JOIN state USING (id) JOIN metric ON metric.id = series.metric_id JOIN lane ON lane.id = metric.lane_id
"""
_SHAPE_PARTS = 3
_TYPES = frozenset(MetricType)
_TEMPORALITIES = frozenset({"", *Temporality})


def _one_book(connection: sqlite3.Connection) -> Iterator[str]:
    rows = connection.execute("SELECT commits, opened FROM ledger").fetchall()
    if len(rows) != 1:
        yield f"there are {len(rows)} of it"
    for commits, opened in rows:
        if commits < 0 or opened < 1:
            yield f"it counts {commits} commits and was opened {opened} times"


def _byte_order(connection: sqlite3.Connection) -> Iterator[str]:
    for (found,) in connection.execute("SELECT byte_order FROM ledger WHERE byte_order <> ?", (sys.byteorder,)):
        yield f"it is {found}-endian and this machine is {sys.byteorder}-endian: export it there, import it here"


def _versions(connection: sqlite3.Connection) -> Iterator[str]:
    for job, lane, version, commits in connection.execute(
        "SELECT job, lane, version, commits FROM lane, ledger WHERE version > commits OR version < 0"
    ):
        yield f"{_lane(job, lane)} is at commit {version}, and the ledger's newest is {commits}"
    for version, jobs in connection.execute(
        "SELECT version, group_concat(job, ', ') FROM lane WHERE version > 0 GROUP BY version HAVING count(*) > 1"
    ):
        yield f"commit {version} belongs to several lanes: {jobs}"


def _watermarks(connection: sqlite3.Connection) -> Iterator[str]:
    for job, lane, version, watermark, kept_from, last_fire, last_accepted in connection.execute(
        "SELECT job, lane, version, watermark, kept_from, last_fire, last_accepted FROM lane"
    ):
        known = [at for at in (watermark, kept_from, last_fire, last_accepted) if at is not None]
        if bool(known) != bool(version) or (version and len(known) < 4):  # noqa: PLR2004  # all of them or none
            yield f"{_lane(job, lane)} is at commit {version} and knows {len(known)} of its 4 instants"
        elif known and watermark > last_fire:
            yield (
                f"{_lane(job, lane)} has data up to {_when(watermark)}, after its last fire time {_when(last_fire)}: "
                "the clock was set back, and the job asks for nothing before it has caught up"
            )
        elif known and kept_from > watermark:
            yield f"{_lane(job, lane)} remembers points from {_when(kept_from)} on, after its watermark"


def _metrics(connection: sqlite3.Connection) -> Iterator[str]:
    for job, lane, name, shape, forget_after in connection.execute(
        "SELECT job, lane, name, shape, forget_after FROM metric JOIN lane ON lane.id = lane_id"
    ):
        parts = shape.split("/", _SHAPE_PARTS - 1)
        if len(parts) != _SHAPE_PARTS or parts[0] not in _TYPES or parts[1] not in _TEMPORALITIES:
            yield f"{_lane(job, lane)}: {name} has the shape {shape!r}"
        if not METRIC_NAME.fullmatch(name) or forget_after < 0:
            yield f"{_lane(job, lane)}: {name!r} is kept for {forget_after} ms"


def _halves(connection: sqlite3.Connection) -> Iterator[str]:
    for (number,) in connection.execute("SELECT id FROM series WHERE id NOT IN (SELECT id FROM state)"):
        yield f"series {number} has no state"
    for (number,) in connection.execute("SELECT id FROM state WHERE id NOT IN (SELECT id FROM series)"):
        yield f"state {number} has no series"


def _texts(connection: sqlite3.Connection) -> Iterator[str]:
    for name, text, count in connection.execute(
        "SELECT name, text, count(*) FROM series JOIN metric ON metric.id = metric_id "
        "GROUP BY metric_id, text HAVING count(*) > 1"
    ):
        yield f"{name}{text} stands there {count} times"
    for name, text in connection.execute("SELECT name, text FROM series JOIN metric ON metric.id = metric_id"):
        suffix, labels = split_series_text(text)
        if series_text(labels, suffix) != text:
            yield f"{name}{text} is no series text"


def _totals(connection: sqlite3.Connection) -> Iterator[str]:
    for series in _counting(connection):
        value = series.value
        if value is None or not isfinite(value) or value < 0.0:
            yield f"{series}: its total is {value}"


def _debts(connection: sqlite3.Connection) -> Iterator[str]:
    for series in _counting(connection):
        if not isfinite(series.debt) or series.debt < 0.0:
            yield f"{series}: it owes {series.debt}"


def _carries(connection: sqlite3.Connection) -> Iterator[str]:
    for series in _counting(connection):
        total = series.value if series.value is not None and isfinite(series.value) else 0.0
        if not isfinite(series.carry):
            yield f"{series}: its carry is {series.carry}"
        elif series.is_delta and abs(series.carry) > ulp(total):
            yield f"{series}: {series.carry} is more than rounding takes from a total of {total}"


def _readings(connection: sqlite3.Connection) -> Iterator[str]:
    for series in _counting(connection):
        if series.is_delta or series.value is None:
            continue
        _, values = series.points()
        told = series.carry + (values[-1] if values else 0.0) + series.debt
        if not values or not isclose(series.value, told, rel_tol=1e-12, abs_tol=1e-300):
            yield f"{series}: it shows {series.value}, and its readings come to {told if values else 'nothing'}"


def _intervals(connection: sqlite3.Connection) -> Iterator[str]:
    checked: dict[tuple[Times, bool], str | None] = {}
    for series in _counting(connection):
        times, values = series.points()
        key = (times, series.is_delta)
        if key not in checked:
            checked[key] = _disorder(times, disjoint=series.is_delta)
        fault = checked[key]
        if fault is None and times.ends and times.ends[-1] > series.reach:
            fault = f"{_when(times.ends[-1])} lies beyond what the lane has committed"
        if fault is None and any(value < 0.0 or (not isfinite(value) and not series.may_be(value)) for value in values):
            fault = "a counter cannot have counted these values"
        if fault is not None:
            yield f"{series}: {fault}"


def _presence(connection: sqlite3.Connection) -> Iterator[str]:
    for job, lane, name, text, seen_at in connection.execute(
        "SELECT job, lane, name, text, seen_at FROM series JOIN state USING (id) "
        "JOIN metric ON metric.id = series.metric_id JOIN lane ON lane.id = metric.lane_id "
        "WHERE seen_at > max(page_since, coalesce(open_run, page_since))"
    ):
        yield f"{_lane(job, lane)}: {name}{text} was seen {_when(seen_at)}, in no run of its lane"


def _quotas(connection: sqlite3.Connection) -> Iterator[str]:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'quota'").fetchone() is None:
        return  # of an older release
    for source, period, start, used in connection.execute(
        "SELECT source, period, start, used FROM quota WHERE typeof(used) <> 'integer' OR used < 0 OR start < 0"
    ):
        yield f"source {source}: {used} requests in the {period} from {_when(start)} on"
    for source, period, count in connection.execute(
        "SELECT source, period, count(*) FROM quota GROUP BY source, period HAVING count(*) > ?", (KEPT_PERIODS,)
    ):
        yield f"source {source}: {count} periods of its {period} are kept"


def _disorder(times: Times, *, disjoint: bool) -> str | None:
    last_start: int | None = None
    last_end = 0
    for start, end in zip(times.starts, times.ends, strict=True):
        if start > end:
            return f"an interval ends at {_when(end)}, before it starts"
        if last_start is not None:
            if (end, start) <= (last_end, last_start):
                return f"its intervals are not in order at {_when(end)}"
            if disjoint and start < last_end:
                return f"two of its intervals overlap at {_when(start)}: something was counted twice"
        last_start, last_end = start, end
    return None


class _Series:
    """One row of a counting metric."""

    __slots__ = ("_blob", "_unpacker", "_where", "carry", "debt", "is_delta", "reach", "value")

    def __init__(self, row: Sequence[object], unpacker: Unpacker) -> None:
        job, lane, name, shape, text, value, carry, debt, blob, _, watermark, last_fire, _, _, last_accepted = row
        self._where = (job, lane, name, text)
        self._blob = blob
        self._unpacker = unpacker
        self.value: float | None = None if value is None else float(value)  # type: ignore[arg-type]  # REAL
        self.carry: float = carry  # type: ignore[assignment]  # REAL NOT NULL
        self.debt: float = debt  # type: ignore[assignment]  # REAL NOT NULL
        self.is_delta = str(shape).split("/")[1] == Temporality.DELTA
        # A reading may be newer than the fire time, if the request does not name its window.
        latest = last_fire if self.is_delta else last_accepted
        instants = [at for at in (watermark, latest) if isinstance(at, int)]
        self.reach = max(instants, default=0)

    def may_be(self, value: float) -> bool:
        """Whether an amount that is no number may be remembered: another holder has counted it (``holders``)."""
        return self.is_delta and isnan(value)

    def points(self) -> tuple[Times, array[float]]:
        """The intervals that are remembered and their values. Raises ValueError if they are damaged."""
        try:
            times, raw = self._unpacker.unpack(self._blob)  # type: ignore[arg-type]  # BLOB NOT NULL
        except (ValueError, IndexError) as error:
            raise ValueError(f"{self}: {error}") from error
        return times, array("d", raw)

    def __str__(self) -> str:
        job, lane, name, text = self._where
        return f"{_lane(str(job), str(lane))}: {name}{text}"


def _counting(connection: sqlite3.Connection) -> Iterator[_Series]:
    """The series that are counters: those with a temporality, but for the quantiles of a summary."""
    unpacker = Unpacker()
    for row in connection.execute(_SERIES):
        kind, _, rest = row[3].partition("/")
        if not rest.startswith("/") and (kind != MetricType.SUMMARY or row[4].startswith("_")):
            yield _Series(row, unpacker)


def _lane(job: str, lane: str) -> str:
    return f"job {job}, lane {lane}" if lane else f"job {job}"


def _when(at: int) -> str:
    try:
        return format_instant(at)
    except (ValueError, OverflowError, OSError):
        return f"{at} ms"


Search = Callable[[sqlite3.Connection], Iterator[str]]

OF_THE_LEDGER: tuple[tuple[str, str, Search], ...] = (
    ("book", "there is one row of facts about the ledger", _one_book),
    ("byte_order", "packed numbers are in the byte order of this machine", _byte_order),
    ("versions", "no lane is newer than the ledger, and each commit belongs to one lane", _versions),
    ("watermarks", "a lane knows all its instants or none; its data end before its last fire time", _watermarks),
    ("metrics", "every metric has a name, a shape and a time after which it is forgotten", _metrics),
    ("halves", "every series has one state, and every state one series", _halves),
    ("texts", "every series stands in its metric once, and can be read back into labels", _texts),
    ("totals", "every total is a finite number that is not negative", _totals),
    ("debts", "no debt is negative or infinite", _debts),
    ("carries", "the carry of a delta counter is below the last digit of its total", _carries),
    ("readings", "a cumulative counter shows its earlier lives, its newest reading and its debt", _readings),
    ("intervals", "counted intervals are in order, overlap nowhere and end before what was committed", _intervals),
    ("quotas", "of each quota the last few periods are kept, with a number of requests that is not negative", _quotas),
    ("presence", "no series was seen later than the newest run of its lane", _presence),
)
"""Name, promise and search of every check."""
