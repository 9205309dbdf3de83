"""What can be seen of a sender: facts, and the metrics that show them.

Owns: the names, types and help of the metrics, and how they are read from the facts. Must not know: rendering, how the
facts come about. Where Prometheus has a metric for its own sender, the name and the meaning are that one's, so alerts
and dashboards for it work here: ``storage/remote/queue_manager.go``. The labels are its own, too: ``remote_name``, to
which ``url`` would add nothing but what must not be shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from timepoint.model import FamilySpec, MetricType
from timepoint.remote_write.outbox import Counts, Version
from timepoint.remote_write.slices import REASONS
from timepoint.remote_write.spec import ReceiverSpec

ALARM_SHARE = 0.7
"""From this share of the receiver's window on, what waits will soon be refused."""

FULL_SHARE = 0.8
"""From this share of a cap on, the oldest will soon be given up."""


_REFUSALS = frozenset({"conflict", "too_large", "poison_5xx", "refused"})
# From the start at 0, so that increase() sees the first one.
_NOTHING_DROPPED = {reason: 0 for reason in REASONS if reason not in _REFUSALS}


class State(StrEnum):
    """What a sender does now."""

    IDLE = "idle"  # nothing waits, or nothing whose time has come
    SENDING = "sending"
    RETRYING = "retrying"  # the receiver fails, or asks for time
    HELD = "held"  # somebody must mend something
    CLOCK = "clock"  # the clocks of both sides differ
    LEDGER = "ledger"  # the outbox cannot be read or written


@dataclass(slots=True)
class SenderFacts:
    """What a sender knows of itself since it began. Durations in seconds, instants in ms.

    ``why`` is for people and empty while all is well. ``attempted`` counts samples in requests, ``sent`` those
    acknowledged, ``retried`` those in repetitions, ``dropped`` those given up, by reason. ``unwritten`` are those that
    a receiver acknowledged and says not to have stored. ``skew`` is how far our clock is ahead of the receiver's.
    """

    state: State = State.IDLE
    why: str = ""
    since: int = 0
    version: Version | None = None
    limit: int = 0
    requests: int = 0
    attempted: int = 0
    sent: int = 0
    retried: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    unwritten: int = 0
    sent_bytes: int = 0
    seconds: float = 0.0
    exchanges: int = 0
    newest_sent: int | None = None
    last_success: int | None = None
    skew: int | None = None
    next_at: int | None = None
    counts: Counts = field(default_factory=Counts)

    def drop(self, reason: str, count: int = 1) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + count

    def oldest_age(self, now: int) -> int | None:
        """How old the oldest sample is that waits, in ms; None if none does."""
        return None if self.counts.oldest is None else now - self.counts.oldest

    def warnings(self, spec: ReceiverSpec, now: int) -> list[str]:
        """What will be lost if nobody does anything, in words, before it is."""
        found = []
        age, caps, counts = self.oldest_age(now), spec.caps, self.counts
        if age is not None and spec.oldest and age >= ALARM_SHARE * spec.oldest:
            found.append(
                f"the oldest sample that waits is {age // 1000} s old; from {spec.oldest // 1000} s on it becomes a "
                "dead letter, since the receiver would refuse it"
            )
        full = max(
            (float(used) / cap for used, cap in ((counts.pending, caps.rows), (counts.size, caps.size)) if cap),
            default=0.0,
        )
        if full >= FULL_SHARE:
            found.append(f"the queue is {full:.0%} full; when it is full, the oldest samples leave it unsent")
        return found


Read = Callable[[SenderFacts, ReceiverSpec], Iterable[tuple[tuple[str, ...], float]]]

_GAUGE, _COUNTER = MetricType.GAUGE, MetricType.COUNTER


def _one(value: Callable[[SenderFacts], float | None]) -> Read:
    def read(facts: SenderFacts, _: ReceiverSpec) -> Iterable[tuple[tuple[str, ...], float]]:
        found = value(facts)
        return () if found is None else (((), float(found)),)

    return read


def _set(value: Callable[[ReceiverSpec], float]) -> Read:
    return lambda _, spec: (((), float(value(spec))),)


def _by_word(words: Callable[[SenderFacts], Mapping[str, float]]) -> Read:
    return lambda facts, _: (((word,), float(found)) for word, found in words(facts).items())


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _dropped(facts: SenderFacts) -> dict[str, float]:
    found = {word: count for word, count in facts.dropped.items() if word not in _REFUSALS}
    return {word: float(count) for word, count in (_NOTHING_DROPPED | found).items()}


def _metric(
    name: str, kind: MetricType, text: str, read: Read, *labels: str
) -> tuple[FamilySpec, tuple[str, ...], Read]:
    return FamilySpec(name, kind, text), labels, read


OF_RECEIVERS: tuple[tuple[FamilySpec, tuple[str, ...], Read], ...] = (
    _metric(
        "prometheus_remote_storage_samples_total",
        _COUNTER,
        "Samples in requests to the receiver, repetitions among them.",
        _one(lambda facts: facts.attempted),
    ),
    _metric(
        "prometheus_remote_storage_samples_failed_total",
        _COUNTER,
        "Samples that were given up after the receiver refused them.",
        _one(lambda facts: sum(facts.dropped.get(reason, 0) for reason in _REFUSALS)),
    ),
    _metric(
        "prometheus_remote_storage_samples_retried_total",
        _COUNTER,
        "Samples in requests that were repeated after a failure that may pass.",
        _one(lambda facts: facts.retried),
    ),
    _metric(
        "prometheus_remote_storage_samples_dropped_total",
        _COUNTER,
        "Samples that were given up before they were sent, by reason.",
        _by_word(_dropped),
        "reason",
    ),
    _metric(
        "prometheus_remote_storage_samples_pending",
        _GAUGE,
        "Samples that wait for the receiver.",
        _one(lambda facts: facts.counts.pending),
    ),
    _metric(
        "prometheus_remote_storage_bytes_total",
        _COUNTER,
        "Compressed bytes of samples in requests to the receiver.",
        _one(lambda facts: facts.sent_bytes),
    ),
    _metric(
        "prometheus_remote_storage_max_samples_per_send",
        _GAUGE,
        "The most samples that go in one request; less than the config says after the receiver called one too large.",
        _one(lambda facts: facts.limit),
    ),
    _metric(
        "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
        _GAUGE,
        "Timestamp of the newest sample that the receiver has acknowledged.",
        _one(lambda facts: _seconds(facts.newest_sent)),
    ),
    _metric(
        "timepoint_remote_write_exchange_seconds_total",
        _COUNTER,
        "Time that requests to the receiver took.",
        _one(lambda facts: facts.seconds),
    ),
    _metric(
        "timepoint_remote_write_requests_total",
        _COUNTER,
        "Requests to the receiver, those without samples among them.",
        _one(lambda facts: facts.exchanges),
    ),
    _metric(
        "timepoint_remote_write_enqueued_total",
        _COUNTER,
        "Samples that were ever to go to the receiver: acknowledged, dead, pending and dismissed ones and late "
        "amounts together.",
        _one(lambda facts: facts.counts.enqueued),
    ),
    _metric(
        "timepoint_remote_write_acknowledged_total",
        _COUNTER,
        "Samples that the receiver has acknowledged, over all restarts.",
        _one(lambda facts: facts.counts.acknowledged),
    ),
    _metric(
        "timepoint_remote_write_dead",
        _GAUGE,
        "Samples that were given up and not dealt with: over all restarts, but for those that were made to wait again "
        "or dismissed.",
        _one(lambda facts: facts.counts.dead),
    ),
    _metric(
        "timepoint_remote_write_dismissed_total",
        _COUNTER,
        "Samples that were given up and then dismissed by somebody who has dealt with them, over all restarts.",
        _one(lambda facts: facts.counts.dismissed),
    ),
    _metric(
        "timepoint_remote_write_late_amounts_total",
        _COUNTER,
        "Amounts of counters that came late and did not go out by themselves, over all restarts: the next total has "
        "them, and nothing is lost.",
        _one(lambda facts: facts.counts.late_amounts),
    ),
    _metric(
        "timepoint_remote_write_parked",
        _GAUGE,
        "Samples that are set aside, since the receiver fails over them and over nothing else.",
        _one(lambda facts: facts.counts.parked),
    ),
    _metric(
        "timepoint_remote_write_unwritten_total",
        _COUNTER,
        "Samples that the receiver acknowledged and says not to have stored.",
        _one(lambda facts: facts.unwritten),
    ),
    _metric(
        "timepoint_remote_write_oldest_pending_timestamp_seconds",
        _GAUGE,
        "Timestamp of the oldest sample that waits.",
        _one(lambda facts: _seconds(facts.counts.oldest)),
    ),
    _metric(
        "timepoint_remote_write_receiver_window_seconds",
        _GAUGE,
        "The age at which a sample that waits becomes a dead letter; 0 if none is too old.",
        _set(lambda spec: spec.oldest / 1000),
    ),
    _metric(
        "timepoint_remote_write_last_success_timestamp_seconds",
        _GAUGE,
        "When the receiver last acknowledged samples.",
        _one(lambda facts: _seconds(facts.last_success)),
    ),
    _metric(
        "timepoint_remote_write_clock_skew_seconds",
        _GAUGE,
        "How far this machine's clock is ahead of the receiver's.",
        _one(lambda facts: _seconds(facts.skew)),
    ),
    _metric(
        "timepoint_remote_write_state",
        _GAUGE,
        "1 for what the sender does now, else 0.",
        _by_word(lambda facts: {state.value: float(state is facts.state) for state in State}),
        "state",
    ),
)
"""Each metric with its labels after ``remote_name``, and how it is read."""
