"""Which samples leave next, and which never may. Pure.

Owns: the order in which a backlog goes out, how much of it fits a request, and what a sample must be to leave. Must not
know: HTTP, the outbox beyond its words, what a receiver answers.

The order is by timestamp over all series of the receiver: a Prometheus without an out-of-order window refuses whatever
is an hour older than the newest that it has, of any series. For a strict receiver a slice is the longest beginning of
that order in which no series comes twice; such a request may be repeated, and nothing newer overtakes what stays. Where
the receiver has a window, a slice is the beginning of the order, and a series may come several times. No slice spans
more time than the window: its newest samples, stored and not heard of, would make the repeated older ones too old.

A sample that lies in the future waits for its time: an old Prometheus takes it and then refuses everything else. It is
not given up, since it is this machine's clock that may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from itertools import pairwise
from typing import NamedTuple

from timepoint.model import LABEL_NAME, METRIC_NAME
from timepoint.remote_write.outbox import Labels, Letter, OutSeries, Pending
from timepoint.remote_write.spec import ReceiverSpec

MAX_NAME = 1024  # bytes; Mimir's default limit for the name of a label
MAX_VALUE = 2048  # bytes; Mimir's default limit for the value of a label
_MAX_KNOWN = 100_000  # series whose check is remembered
WITNESSES = 16

REASONS = (
    "receiver_window",  # older than the receiver accepts
    "late",  # older than what the receiver has of the series
    "duplicate",  # the receiver has the series at this instant
    "no_name",  # a series without a metric name
    "name",  # the metric name is not one
    "label",  # a label name is not one, or its value is empty or no text
    "label_order",  # labels are not sorted, or one comes twice
    "too_long",  # a name or a value is longer than receivers take
    "full",  # more waits than the caps allow
    "conflict",  # the receiver refused it, and it is young: somebody else writes the series
    "too_large",  # the receiver calls a request with nothing but this sample too large
    "poison_5xx",  # the receiver fails over it, and over nothing else
    "refused",  # refused, and spec_strict allows no other request with it
)
"""Every reason of a dead letter in this room."""


class Ready(NamedTuple):
    """A sample that may leave, and the labels under which it does."""

    row: Pending
    labels: Labels


Rows = tuple[Ready, ...]


class Reach(Enum):
    """How far away from some samples others are sought, in the order in which that does less harm."""

    NEAR = auto()  # of other series, no newer than the receiver's window behind the oldest of them
    WIDE = auto()  # of other series
    NEXT = auto()  # of any series
    NEWEST = auto()  # of any series, and among the newest there are


@dataclass(frozen=True, slots=True)
class Slice:
    """What leaves in one request, what is given up beside it, and when the first that waits for its time may leave."""

    rows: tuple[Ready, ...] = ()
    letters: tuple[Letter, ...] = ()
    next_at: int | None = None


class _Known(NamedTuple):
    series: OutSeries
    labels: Labels
    reason: str


class Screen:
    """The rules of one receiver. It remembers what it found of a series, and nothing of a sample."""

    def __init__(self, spec: ReceiverSpec) -> None:
        self._spec = spec
        self._external = tuple(spec.external_labels.items())
        self._known: dict[int, _Known] = {}

    def cut(self, rows: Iterable[Pending], now: int, limit: int) -> Slice:
        """The next slice of rows in their order, at most ``limit`` of them."""
        taken: list[Ready] = []
        letters: list[Letter] = []
        seen: set[object] = set()
        for row in rows:
            if row.at > now:
                return Slice(tuple(taken), tuple(letters), row.at)
            known = self._look(row.series)
            reason = self.reason(row, now)
            if reason:
                letters.append(Letter(row.number, reason))
                continue
            key = known.labels if self._spec.is_strict else (known.labels, row.at)
            if key in seen:
                if self._spec.is_strict:
                    break
                letters.append(Letter(row.number, "duplicate"))
                continue
            if len(taken) >= limit or (taken and row.at - taken[0].row.at > self._spec.span):
                break
            seen.add(key)
            taken.append(Ready(row, known.labels))
        return Slice(tuple(taken), tuple(letters))

    def reason(self, row: Pending, now: int) -> str:
        """Why a sample can never leave; empty if it may."""
        known = self._look(row.series)
        if known.reason:
            return known.reason
        if self.is_too_old(row, now):
            return "receiver_window"
        if row.sent_until is not None and row.at <= row.sent_until:
            if row.at == row.sent_until:
                return "duplicate"
            if self._spec.is_strict:
                return "late"
        return ""

    def is_too_old(self, row: Pending, now: int) -> bool:
        """Whether the receiver would refuse it for its age; asked again before each retry."""
        return bool(self._spec.oldest) and row.at < now - self._spec.oldest

    def ready(self, row: Pending) -> Ready:
        """A sample with the labels under which it leaves."""
        return Ready(row, self._look(row.series).labels)

    def witnesses(
        self,
        rows: Iterable[Pending],
        beside: Rows,
        now: int,
        reach: Reach = Reach.NEAR,
        but: Rows = (),
        most: int = WITNESSES,
    ) -> Rows:
        """The first sample of each of some other series: the receiver may take them, and so show that it is well.

        They are none of those ``beside``, nor one of ``but``, and lie as near to these as ``reach`` wants.
        """
        seen = {ready.labels for ready in beside}
        others = {ready.row.number for ready in but}
        latest = now
        if reach is Reach.NEAR:
            latest = min(now, min((ready.row.at for ready in beside), default=now) + self._spec.span)
        found: list[Ready] = []
        for row in rows:
            if row.at > latest or len(found) == most:
                break
            ready = self.ready(row)
            if ready.labels not in seen and row.number not in others and not self.reason(row, now):
                seen.add(ready.labels)
                found.append(ready)
        return tuple(found)

    def _look(self, series: OutSeries) -> _Known:
        known = self._known.get(series.id)
        if known is not None and (known.series is series or known.series == series):
            return known
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        labels = self._with_external(series.labels)
        known = _Known(series, labels, series_reason(labels, utf8_names=self._spec.utf8_names))
        self._known[series.id] = known
        return known

    def _with_external(self, labels: Labels) -> Labels:
        own = {name for name, _ in labels}
        added = [(name, value) for name, value in self._external if name not in own]
        return tuple(sorted((*labels, *added), key=lambda label: encoded(label[0]))) if added else labels


def encoded(text: str) -> bytes:
    """UTF-8, also for what is no text, so that it can be ordered and measured. Source: WTF-8."""
    return text.encode("utf-8", "surrogatepass")


def series_reason(labels: Labels, *, utf8_names: bool) -> str:
    """Why no sample of a series can leave; empty if they may. Source: Remote Write 1.0 and 2.0, "Labels".

    No receiver before Prometheus 2.46 looks at these itself: it stores what nobody can ask for, or fails for ever.
    """
    names = [encoded(name) for name, _ in labels]
    if any(earlier >= later for earlier, later in pairwise(names)):
        return "label_order"
    values = dict(labels)
    if not values.get("__name__"):
        return "no_name"
    if max(map(len, names)) > MAX_NAME or max(len(encoded(value)) for value in values.values()) > MAX_VALUE:
        return "too_long"
    if not utf8_names and not METRIC_NAME.fullmatch(values["__name__"]):
        return "name"
    return "" if all(_is_label(*label, utf8_names=utf8_names) for label in labels) else "label"


def _is_label(name: str, value: str, *, utf8_names: bool) -> bool:
    if not (name and value and _is_text(name) and _is_text(value)):
        return False
    return name == "__name__" or (not name.startswith("__") and (utf8_names or bool(LABEL_NAME.fullmatch(name))))


def _is_text(text: str) -> bool:
    """Whether UTF-8 can say it: a lone surrogate is no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
