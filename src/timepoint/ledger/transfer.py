r"""A ledger as lines of JSON, and back, to the last bit.

Owns: the format, its version and its checksum; what is refused on the way in. Must not know: the rules of counting,
files beside the ledger.

    {"format":"timepoint-ledger","format_version":1,"ledger_version":1,"timepoint":"0.1.0","exported_at":...,"commits":9}
    {"lane":{"job":"pod_energy","lane":"","version":9,"watermark":1767261000000,...}}
    {"metric":{"name":"pod_energy_joules_total","shape":"counter/delta/joules",...}}       of the lane before it
    {"series":{"id":1,"text":"{pod_name=\"cart-1\"}","value":"0x1.9p+3",...,"recent":{...}}} of the metric before
    {"source":{"name":"energy","last_request":1767261000000}}                              after all lanes
    {"quota":{"source":"energy","period":"day UTC","start":1767225600000,"used":17}}
    {"kept_list":{"job":"prices","name":"zone","asked_at":...,"text":"..."}}                as a fan-out was last listed
    {"receiver":{"id":1,"name":"central","enqueued":9,"acknowledged":8,"dead":0,"pending":1,...}}
    {"out_family":{"id":1,"name":"pod_energy_joules_total","type":"counter",...}}
    {"out_series":{"id":1,"family_id":1,"text":"pod_energy_joules_total{pod_name=\"cart-1\"}"}}
    {"life":{"id":1,"out_series_id":1,"start":1767225600000,"series":1}}                   the first series of this file
    {"pending":{"receiver_id":1,"at":1767261000000,"number":9,"life_id":1,"value":"0x1.9p+3"}}
    {"parked":...}, {"dead_letter":...}, {"buried":...}, {"sent":...}                      as the tables of the ledger
    {"late_amount":...}                                                                    likewise, from version 5 on
    {"end":{"lanes":1,"metrics":1,"series":1,"sha256":"..."}}                              over all lines before it

Instants are integer milliseconds since the epoch. What the ledger keeps as float64 is a hexadecimal float (C99,
``%a``), or null for NaN: decimal digits need care to be exact, these do not. ``recent`` holds the counted intervals,
``{"first", "length", "step", "count"}`` if regular, else ``{"starts", "ends"}``, and their ``values``. A column that a
later version of the ledger adds stands under its own name: ``ledger_version`` says which there are, and an import makes
a file of that version, which is brought to the newest as any older file. Ids of series stay, since they tell who began
later (``holders``); of an export that does not say them rows keep their order. Ids of what goes out by remote write are
the file's own. A sample's value that is NaN or -0.0 is said by its bits, ``{"bits":"020000000000f07f"}``
(little-endian).
"""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from timepoint.durable import sync_directory
from timepoint.errors import DataDirectoryError
from timepoint.ledger.outbox_rows import restored, stored
from timepoint.ledger.packed_points import Packer, Unpacker
from timepoint.ledger.reading import COMPANIONS, companion, opened_to_read
from timepoint.ledger.schema import LEDGER
from timepoint.model import Times

FORMAT = "timepoint-ledger"
FORMAT_VERSION = 1

_VALUE = 8
_OF_SOURCES = ("source", "quota", "kept_list")
_FIRST_WITH_SOURCES = 3  # the version of the ledger
_OF_QUEUES = (
    "receiver",
    "out_family",
    "out_series",
    "life",
    "pending",
    "parked",
    "dead_letter",
    "buried",
    "sent",
    "late_amount",
)
_FIRST_WITH_QUEUES = 4
_FIRST_WITH = {"late_amount": 5}
_KINDS = {
    **{kind: f"{kind}s" for kind in ("lane", "metric", "source", "quota", "kept_list", "receiver")},
    **{kind: f"{kind}s" for kind in ("dead_letter", "late_amount")},
    **{kind: kind for kind in ("series", "out_series", "pending", "parked", "buried", "sent")},
    "out_family": "out_families",
    "life": "lives",
}
_NOT_EXPORTED = frozenset({"id", "lane_id", "metric_id"})


@dataclass(frozen=True, slots=True)
class Counted:
    """How much was imported. ``waiting`` are samples that wait for receivers, ``letters`` the dead that are kept."""

    lanes: int
    metrics: int
    series: int
    sources: int = 0
    quotas: int = 0
    receivers: int = 0
    waiting: int = 0
    letters: int = 0


def export_lines(path: Path, *, in_use: bool, by: str, at: int) -> Iterator[bytes]:
    """The lines of a ledger, each with its line feed, in one read transaction. ``by`` names the release, ``at`` is now.

    Raises StoreError if the file cannot be read; what came before is then cut short, which an import refuses.
    """
    digest = hashlib.sha256()
    counts = {"lanes": 0, "metrics": 0, "series": 0}
    with opened_to_read(path, in_use=in_use) as connection:
        for kind, fields in _rows(connection, by, at):
            line = msgspec.json.encode(fields if kind is None else {kind: fields}) + b"\n"
            digest.update(line)
            if kind is not None:
                name = _KINDS[kind]
                counts[name] = counts.get(name, 0) + 1
            yield line
    yield msgspec.json.encode({"end": {**counts, "sha256": digest.hexdigest()}}) + b"\n"


def import_lines(lines: Iterable[bytes], path: Path) -> Counted:
    """Makes a ledger of the lines of an export, under a name where none is.

    The file is written under another name, checked, synced and renamed. Raises DataDirectoryError: what is wrong with
    the lines (with the number of the line) or the file; nothing is left then.
    """
    beside = path.with_name(f"{path.name}.new")
    for file in (path, *(companion(path, suffix) for suffix in COMPANIONS)):
        if file.exists() or file.is_symlink():
            raise DataDirectoryError(f"{file}: it is there already; import into an empty directory")
    _remove(beside)
    try:
        counted = _fill(lines, beside)
        beside.replace(path)
        sync_directory(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise DataDirectoryError(f"{path}: it could not be written ({error})") from error
    finally:
        _remove(beside)
    return counted


def _remove(path: Path) -> None:
    for file in (path, *(companion(path, suffix) for suffix in COMPANIONS)):
        file.unlink(missing_ok=True)


def _rows(connection: sqlite3.Connection, by: str, at: int) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """The head without a kind, then each row with its kind."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    commits, byte_order = connection.execute("SELECT commits, byte_order FROM ledger").fetchone()
    if byte_order != sys.byteorder:
        raise DataDirectoryError(f"the ledger is {byte_order}-endian: export it on a machine that is, too")
    yield (
        None,
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "ledger_version": version,
            "timepoint": by,
            "exported_at": at,
            "commits": commits,
        },
    )
    places: dict[int, int] = {}
    if version >= _FIRST_WITH_QUEUES:
        places = dict.fromkeys((row[0] for row in connection.execute(_SERIES_WITH_LIVES)), 0)
    yield from _lane_rows(connection, places)
    for table in _OF_SOURCES if version >= _FIRST_WITH_SOURCES else ():
        for row in _plain(connection, f"SELECT * FROM {table} ORDER BY 1, 2"):  # noqa: S608  # names are our own
            yield table, row
    if version >= _FIRST_WITH_QUEUES:
        yield from _queue_rows(connection, places)


def _lane_rows(connection: sqlite3.Connection, places: dict[int, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lanes, metrics and series. ``places`` learns which series of the file those are that it has ids of."""
    unpacker = Unpacker()
    reals = {name for table in ("series", "state") for name, kind in _columns(connection, table) if kind == "REAL"}
    place = 0
    for lane_id, lane in _named(connection, "SELECT * FROM lane ORDER BY id"):
        yield "lane", lane
        select = "SELECT * FROM metric WHERE lane_id = ? ORDER BY id"
        for metric_id, metric in _named(connection, select, lane_id):
            yield "metric", metric
            select = "SELECT * FROM series JOIN state USING (id) WHERE metric_id = ? ORDER BY id"
            for number, series in _named(connection, select, metric_id):
                place += 1
                if number in places:
                    places[number] = place
                for name in reals:
                    series[name] = None if series[name] is None else float(series[name]).hex()
                series["recent"] = _points_out(*unpacker.unpack(series["recent"]))
                yield "series", {"id": number, **series}


_SERIES_WITH_LIVES = "SELECT series_id FROM life WHERE series_id IS NOT NULL"


def _queue_rows(connection: sqlite3.Connection, places: dict[int, int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What goes out by remote write. ``places`` say which series of the file a life counts for."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    for table in (name for name in _OF_QUEUES if version >= _FIRST_WITH.get(name, 0)):
        for row in _plain(connection, f"SELECT * FROM {table} ORDER BY 1, 2, 3"):  # noqa: S608  # names are our own
            if table == "life":
                row["series"] = places.get(row.pop("series_id"))
            elif "value" in row:
                row["value"] = _sample_out(row["value"])
            yield table, row


def _sample_out(value: float | bytes) -> Any:
    if isinstance(value, bytes):
        return {"bits": value.hex()}
    return restored(value).hex()


def _sample_in(value: Any) -> float | bytes:
    if isinstance(value, dict):
        return stored(restored(bytes.fromhex(value["bits"])))
    return stored(float.fromhex(value))


def _plain(connection: sqlite3.Connection, select: str) -> Iterator[dict[str, Any]]:
    cursor = connection.execute(select)
    names = [column[0] for column in cursor.description]
    return (dict(zip(names, row, strict=True)) for row in cursor)


def _named(connection: sqlite3.Connection, select: str, *of: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows as id and the columns that are exported, by name."""
    cursor = connection.execute(select, of)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        fields = dict(zip(names, row, strict=True))
        yield fields["id"], {name: value for name, value in fields.items() if name not in _NOT_EXPORTED}


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({table})")]


def _points_out(times: Times, raw: bytes) -> dict[str, Any]:
    values = [value.hex() for value in struct.unpack(f"={len(times)}d", raw)]
    starts, ends = times.starts, times.ends
    if len(times):
        length = ends[0] - starts[0]
        step = starts[1] - starts[0] if len(times) > 1 else 0
        if all(
            s == starts[0] + i * step and e - s == length for i, (s, e) in enumerate(zip(starts, ends, strict=True))
        ):
            return {"first": starts[0], "length": length, "step": step, "count": len(times), "values": values}
    return {"starts": starts, "ends": ends, "values": values}


def _points_in(points: dict[str, Any], packer: Packer) -> bytes:
    values = [float.fromhex(value) for value in points["values"]]
    count = points["count"] if "first" in points else len(points["starts"])
    if count != len(values):
        raise ValueError(f"{len(values)} values for {count} intervals")
    if "first" in points:
        starts = [points["first"] + i * points["step"] for i in range(count)]
        times = Times(starts, (start + points["length"] for start in starts))
    else:
        times = Times(points["starts"], points["ends"])
    if len(times.ends) != count:
        raise ValueError(f"{len(times.ends)} ends for {count} intervals")
    return packer.pack_grid(times) + struct.pack(f"={len(values)}d", *values)


def _fill(lines: Iterable[bytes], path: Path) -> Counted:
    reader = _Reader(lines)
    head = reader.head()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        path.chmod(0o600)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("BEGIN IMMEDIATE")
        for statements in LEDGER.migrations[: head["ledger_version"]]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(
            "INSERT INTO ledger (id, commits, opened, is_clean, byte_order) VALUES (1, ?, 1, 0, ?)",
            (head["commits"], sys.byteorder),
        )
        _Writer(connection).take(reader)
        connection.execute(f"PRAGMA application_id={LEDGER.application_id}")
        connection.execute(f"PRAGMA user_version={head['ledger_version']}")
        connection.execute("COMMIT")
    return reader.counted


class _Reader:
    """The lines of an export, each verified as far as it can be by itself; the whole at the end."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._digest = hashlib.sha256()
        self._counts = {"lanes": 0, "metrics": 0, "series": 0}
        self.number = 0
        self.counted = Counted(0, 0, 0)

    def head(self) -> dict[str, Any]:
        """The first line. Raises DataDirectoryError if it is not one that this release reads."""
        fields = self._next()
        if fields.get("format") != FORMAT:
            raise self.refusal(f"it is no export of timepoint: the line does not say {FORMAT}")
        for name, newest in (("format_version", FORMAT_VERSION), ("ledger_version", LEDGER.version)):
            found = fields.get(name)
            if not isinstance(found, int) or found < 1:
                raise self.refusal(f"{name} is {found!r}")
            if found > newest:
                raise self.refusal(
                    f"a newer release wrote it ({name} {found}, this one knows {newest}): use that one or a newer one"
                )
        if not isinstance(fields.get("commits"), int):
            raise self.refusal("it does not say how many commits there were")
        return fields

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Kind and columns of each row. Raises DataDirectoryError, at the end for a wrong sum or checksum."""
        while True:
            before = self._digest.hexdigest()
            line = self._next()
            [(kind, fields)] = line.items() if len(line) == 1 else [("", line)]
            if kind == "end":
                self._check_end(fields, before)
                return
            if kind not in _KINDS or not isinstance(fields, dict):
                raise self.refusal(f"it is neither {', '.join(_KINDS)} nor end")
            name = _KINDS[kind]
            self._counts[name] = self._counts.get(name, 0) + 1
            yield kind, fields

    def refusal(self, text: str) -> DataDirectoryError:
        return DataDirectoryError(f"line {self.number} of the export: {text}; nothing was imported")

    def _next(self) -> dict[str, Any]:
        self.number += 1
        line = next(self._lines, b"")
        if not line.endswith(b"\n"):
            raise self.refusal("the file is cut short here")
        self._digest.update(line)
        try:
            fields = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self.refusal(f"it is damaged ({error})") from error
        if not isinstance(fields, dict):
            raise self.refusal("it is no object")
        return fields

    def _check_end(self, fields: dict[str, Any], digest: str) -> None:
        if fields != {**self._counts, "sha256": digest}:
            raise self.refusal(
                "sums and checksum are not those of the lines before it: the file was changed or damaged"
            )
        if next(self._lines, b""):
            raise self.refusal("more follows after the end")
        counts = self._counts
        waiting = counts.get("pending", 0) + counts.get("parked", 0)
        named = [counts.get(name, 0) for name in ("lanes", "metrics", "series", "sources", "quotas", "receivers")]
        lanes, metrics, series, sources, quotas, receivers = named
        letters = counts.get("dead_letters", 0)
        self.counted = Counted(lanes, metrics, series, sources, quotas, receivers, waiting, letters)


class _Writer:
    """Rows into tables. The names of columns are compared with the tables, so none of an export reaches a statement."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        tables = ("lane", "metric", "series", "state", *_OF_SOURCES, *_OF_QUEUES)
        self._kinds = {table: dict(_columns(connection, table)) for table in tables}
        self._packer = Packer()
        self._lane = self._metric = 0
        self._series: list[int] = []

    def take(self, reader: _Reader) -> None:
        for kind, fields in reader.rows():
            try:
                self._take_row(kind, fields)
            except (sqlite3.IntegrityError, KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
                raise reader.refusal(f"its values cannot be kept ({error})") from error

    def _take_row(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "lane":
            self._lane, self._metric = self._insert("lane", fields), 0
        elif kind == "metric":
            self._metric = self._insert("metric", {**fields, "lane_id": self._lane})
        elif kind in _OF_SOURCES:
            self._insert(kind, fields)
        elif kind in _OF_QUEUES:
            self._take_of_queues(kind, fields)
        else:
            fields = {**fields, "recent": _points_in(fields["recent"], self._packer)}
            known = self._kinds["series"]
            unknown = fields.keys() - known.keys() - self._kinds["state"].keys()
            if unknown:
                raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
            own = {name: value for name, value in fields.items() if name in known}
            number = self._insert("series", {**own, "metric_id": self._metric})
            self._insert("state", {**{n: v for n, v in fields.items() if n not in known}, "id": number})
            self._series.append(number)

    def _take_of_queues(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "life":
            place = fields.pop("series")
            if place is not None and not 0 < place <= len(self._series):
                raise ValueError(f"there is no series {place}")
            fields["series_id"] = None if place is None else self._series[place - 1]
        self._insert(kind, fields)

    def _insert(self, table: str, fields: dict[str, Any]) -> int:
        kinds = self._kinds[table]
        if fields.keys() - kinds.keys():
            raise ValueError(f"unknown: {', '.join(sorted(fields.keys() - kinds.keys()))}")
        is_sample = table in _OF_QUEUES
        values = [_sample_in(v) if is_sample and n == "value" else _stored(v, kinds[n]) for n, v in fields.items()]
        cursor = self._connection.execute(
            f"INSERT INTO {table} ({', '.join(fields)}) VALUES ({', '.join('?' * len(fields))})",  # noqa: S608  # checked
            values,
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid


_TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes}


def _stored(value: Any, kind: str) -> Any:
    """A value as its column keeps it. SQLite would take anything anywhere: refuse what is of another type."""
    if value is None:
        return None
    if kind == "REAL":
        return float.fromhex(value)
    if not isinstance(value, _TYPES[kind]) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no {kind}")
    return value
