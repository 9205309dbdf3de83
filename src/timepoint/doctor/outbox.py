"""The queues of remote write in a data directory: what is in them, and what is done with dead letters.

Owns: how queues are read beside an exporter and without one, what is told of them, how letters are exported. Must not
know: SQL, how a report is printed.
"""

from __future__ import annotations

import contextlib
import json
import math
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from timepoint.clock import SECOND, SystemClock, format_instant
from timepoint.datadir import DataDirectory, Layout, looked_at
from timepoint.doctor.pages import read_pages
from timepoint.errors import DataDirectoryError
from timepoint.ledger.reading_queues import reading_queues
from timepoint.ledger.store import open_store
from timepoint.model import series_text
from timepoint.poller.errands import DIRECTORY, ask
from timepoint.remote_write.letters import MEANINGS, Choice, Deed, do_some
from timepoint.remote_write.outbox import Counts, DeadLetter, Labels, LateAmount, Pending, Queues

_AT_ONCE = 2000
_PATIENCE, _MOMENT = 20.0, 0.2  # seconds in which an exporter does an errand, and between two looks
_ENDED = 0x7FF0000000000002
_BEAT_IS_NEW = 60_000  # ms; a heartbeat comes every three seconds


@dataclass(frozen=True, slots=True)
class QueueReport:
    """One receiver's queue. ``sender`` is what the exporter that runs says of it, None if there is none that does."""

    name: str
    counts: Counts
    reasons: dict[str, int] = field(default_factory=dict)
    version: str | None = None
    sender: dict[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """All of it, with words for each reason."""
        told = {
            reason: {"count": count, **(MEANINGS[reason]._asdict() if reason in MEANINGS else {})}
            for reason, count in self.reasons.items()
        }
        return {
            "receiver": self.name,
            **asdict(self.counts),
            "protocol": self.version,
            "reasons": told,
            "sender": self.sender,
        }


@contextlib.contextmanager
def opened(data_dir: Path) -> Iterator[Queues]:
    """The queues of a directory, to be looked at. Raises DataDirectoryError and StoreError."""
    layout = Layout(data_dir)
    with looked_at(layout) as holder:
        if not layout.ledger.exists():
            raise DataDirectoryError(f"{layout.ledger} is not there: no exporter has used this directory")
        with reading_queues(layout.ledger, in_use=holder is not None) as queues:
            yield queues


def read_queues(data_dir: Path, receivers: Sequence[str] = ()) -> list[QueueReport]:
    """How each queue stands, or each of some. Raises DataDirectoryError and StoreError."""
    senders = _senders(data_dir)
    with opened(data_dir) as queues:
        names = _chosen(queues, receivers, senders)
        return [
            QueueReport(
                name,
                queues.counts(name),
                queues.reasons(name),
                version.value if (version := queues.version(name)) is not None else None,
                senders.get(name),
            )
            for name in names
        ]


def _chosen(queues: Queues, receivers: Sequence[str], senders: Iterable[str] = ()) -> list[str]:
    known = sorted({*queues.receivers(), *senders})
    for name in receivers:
        if name not in known:
            there = ", ".join(known) or "none yet"
            raise DataDirectoryError(f"nothing is known of a receiver {name!r}; the receivers are {there}")
    return list(receivers) or known


def _senders(data_dir: Path) -> dict[str, dict[str, Any]]:
    """What the exporter says of its senders, if a heartbeat came within a minute."""
    poller = read_pages(Layout(data_dir).published).poller
    if poller is None or abs(SystemClock().now() - poller.rendered_at) > _BEAT_IS_NEW:
        return {}
    return {str(told["name"]): told for told in poller.status.get("receivers", ())}


def letters(queues: Queues, choice: Choice) -> Iterator[DeadLetter]:
    """Dead letters that are kept, by number. Raises DataDirectoryError and StoreError."""
    _chosen(queues, [choice.receiver])
    after = 0
    while found := queues.dead(choice.receiver, _AT_ONCE, after):
        yield from filter(choice.has, found)
        after = found[-1].row.number


def late_amounts(queues: Queues, receiver: str) -> Iterator[LateAmount]:
    """Amounts that came late, the newest of them, by number. Raises DataDirectoryError and StoreError."""
    _chosen(queues, [receiver])
    after = 0
    while found := queues.late_amounts(receiver, _AT_ONCE, after):
        yield from found
        after = found[-1].row.number


def waiting(queues: Queues, receiver: str) -> Iterator[Pending]:
    """What waits for a receiver in its order, parked samples left out. Raises DataDirectoryError and StoreError."""
    _chosen(queues, [receiver])
    last = None
    while found := queues.oldest(receiver, _AT_ONCE, last):
        yield from found
        last = found[-1]


def do(data_dir: Path, deed: Deed, choice: Choice) -> int:
    """Does something with dead letters, by the exporter if one runs: with how many.

    Raises DataDirectoryError, StoreError.
    """
    layout = Layout(data_dir)
    with opened(data_dir) as queues:
        _chosen(queues, [choice.receiver])
    with looked_at(layout) as holder:
        pass
    if holder is not None:
        give_up = time.monotonic() + _PATIENCE

        def pause() -> bool:
            time.sleep(_MOMENT)
            return time.monotonic() < give_up

        return ask(layout.path / DIRECTORY, deed, choice, pause)
    with DataDirectory(data_dir) as data, contextlib.closing(open_store(data.layout.ledger)) as store:
        done = 0
        after: int | None = 0
        while after is not None:
            some, after = do_some(store.outbox, deed, choice, after)
            done += some
        return done


def letter_json(letter: DeadLetter) -> dict[str, Any]:
    """One dead letter."""
    return {
        **sample_json(letter.row),
        "reason": letter.reason,
        "status": letter.status,
        "said": letter.text,
        "given_up": format_instant(letter.at),
    }


def late_json(late: LateAmount) -> dict[str, Any]:
    """One amount that came late. Its time is the end of its interval."""
    return {**sample_json(late.row), "came": format_instant(late.came)}


def sample_json(row: Pending) -> dict[str, Any]:
    """One sample. A value that JSON does not have is a text."""
    value: float | str | None = row.value if math.isfinite(row.value) else _special(row.value)
    return {
        "number": row.number,
        "series": series_name(row.series.labels),
        "labels": dict(row.series.labels),
        "time": format_instant(row.at),
        "timestamp": row.at,
        "value": value,
    }


def series_name(labels: Labels) -> str:
    """A series as PromQL writes it."""
    found = dict(labels)
    return found.pop("__name__", "") + series_text(found)


def openmetrics(rows: Iterable[Pending], added: Mapping[str, str]) -> Iterator[str]:
    """Lines that ``promtool tsdb create-blocks-from openmetrics`` takes: series by series, each in the order of time.

    ``added`` are labels for each series that has none of the name. There are no types: samples of one family may come
    from several of them. Markers of an end have no place there.
    """
    for labels, samples in _by_series(rows, added):
        name = series_name(labels)
        for at, value in samples:
            sign, whole = "-" if at < 0 else "", abs(at)
            yield f"{name} {_number(value)} {sign}{whole // SECOND}.{whole % SECOND:03}\n"
    yield "# EOF\n"


def json_lines(rows: Iterable[Pending], added: Mapping[str, str]) -> Iterator[str]:
    """Lines that ``/api/v1/import`` of VictoriaMetrics takes: one for each series, with labels as ``openmetrics``."""
    for labels, samples in _by_series(rows, added):
        values = [
            value if math.isfinite(value) else None if math.isnan(value) else _special(value) for _, value in samples
        ]
        line = {"metric": dict(labels), "values": values, "timestamps": [at for at, _ in samples]}
        yield json.dumps(line, ensure_ascii=False) + "\n"


def _by_series(rows: Iterable[Pending], added: Mapping[str, str]) -> Iterator[tuple[Labels, list[tuple[int, float]]]]:
    found: dict[Labels, dict[int, float]] = {}
    for row in rows:
        if _bits(row.value) != _ENDED:
            found.setdefault(row.series.labels, {}).setdefault(row.at, row.value)
    for labels in sorted(found):
        yield tuple(sorted({**added, **dict(labels)}.items())), sorted(found[labels].items())


def _bits(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")


def _special(value: float) -> str:
    if _bits(value) == _ENDED:
        return "ended"
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _number(value: float) -> str:
    return repr(value) if math.isfinite(value) else "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
