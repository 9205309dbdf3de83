"""The metrics of each source: how it is asked, and what it allows.

Owns: their names, types, labels and help, and how they are read from the gate of a source. Must not know: other
metrics, rendering. Pure.

Labels are bounded: the names of sources, periods of quotas and short words from closed sets; a status that IANA does
not know counts as its class. Label values are in the order of the declaration, after ``source``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from timepoint.model import FamilySpec, MetricType
from timepoint.request.politeness.breaker import State
from timepoint.request.politeness.gate import GateFacts
from timepoint.request.politeness.quota import QuotaFacts

Read = Callable[[GateFacts], Iterable[tuple[tuple[str, ...], float]]]

_GAUGE, _COUNTER = MetricType.GAUGE, MetricType.COUNTER
# From the start at 0, so that increase() sees the first one.
_NO_FAILURES = dict.fromkeys(("connect", "timeout", "transport", "status"), 0)
_NONE_HELD_BACK = dict.fromkeys(("min_interval", "rate", "quota", "rate_limit", "circuit_open"), 0)


def _one(value: Callable[[GateFacts], float | None]) -> Read:
    def read(facts: GateFacts) -> Iterator[tuple[tuple[str, ...], float]]:
        found = value(facts)
        if found is not None:
            yield (), float(found)

    return read


def _by_word(words: Callable[[GateFacts], Mapping[str, float]]) -> Read:
    return lambda facts: (((word,), found) for word, found in words(facts).items())


def _by_quota(value: Callable[[QuotaFacts], float]) -> Read:
    return lambda facts: (((quota.period,), float(value(quota))) for quota in facts.quotas)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


OF_SOURCES: tuple[tuple[FamilySpec, tuple[str, ...], Read], ...] = (
    (
        FamilySpec(
            "timepoint_source_up",
            _GAUGE,
            "1 if the newest exchange with the source was answered by it, else 0: no connection, no answer in time, or "
            "a status that says that it cannot or will not (401, 407, 429, 5xx).",
        ),
        (),
        _one(lambda facts: facts.tally.is_up),
    ),
    (
        FamilySpec("timepoint_source_requests_total", _COUNTER, "HTTP exchanges begun with the source, over all jobs."),
        (),
        _one(lambda facts: facts.tally.requests),
    ),
    (
        FamilySpec(
            "timepoint_source_cost_total",
            _COUNTER,
            "What the requests to the source took of its rate and quotas, as their cost says.",
        ),
        (),
        _one(lambda facts: facts.tally.cost),
    ),
    (
        FamilySpec("timepoint_source_responses_total", _COUNTER, "Answers of the source by status."),
        ("code",),
        _by_word(lambda facts: facts.tally.responses),
    ),
    (
        FamilySpec(
            "timepoint_source_request_failures_total",
            _COUNTER,
            "Exchanges with the source that gave no usable answer, by reason.",
        ),
        ("reason",),
        _by_word(lambda facts: {**_NO_FAILURES, **facts.tally.failures}),
    ),
    (
        FamilySpec(
            "timepoint_source_response_bytes_total",
            _COUNTER,
            "Bytes of bodies of the source as they came over the wire.",
            unit="bytes",
        ),
        (),
        _one(lambda facts: facts.tally.response_bytes),
    ),
    (
        FamilySpec(
            "timepoint_source_not_modified_total",
            _COUNTER,
            "Conditional requests to which the source said that its answer is the same as before.",
        ),
        (),
        _one(lambda facts: facts.tally.not_modified),
    ),
    (
        FamilySpec(
            "timepoint_source_held_back_total",
            _COUNTER,
            "Requests that were not made, by reason: min_interval, rate, quota, rate_limit (the API's own) or "
            "circuit_open.",
        ),
        ("reason",),
        _by_word(lambda facts: {**_NONE_HELD_BACK, **facts.tally.held_back}),
    ),
    (
        FamilySpec(
            "timepoint_source_wait_seconds_total",
            _COUNTER,
            "How long the line of requests to the source waited, by what for: concurrency, min_interval, rate, told "
            "(by the API), circuit.",
            unit="seconds",
        ),
        ("reason",),
        _by_word(lambda facts: facts.tally.waited),
    ),
    (
        FamilySpec("timepoint_source_requests_in_flight", _GAUGE, "Requests to the source that are under way."),
        (),
        _one(lambda facts: facts.in_flight),
    ),
    (
        FamilySpec("timepoint_source_requests_waiting", _GAUGE, "Requests that wait for their turn at the source."),
        (),
        _one(lambda facts: facts.waiting),
    ),
    (
        FamilySpec("timepoint_source_concurrency", _GAUGE, "How many requests may be under way at once."),
        (),
        _one(lambda facts: facts.concurrency),
    ),
    (
        FamilySpec("timepoint_source_tokens", _GAUGE, "Requests that might go out now by the rate of the source."),
        (),
        _one(lambda facts: facts.tokens),
    ),
    (
        FamilySpec(
            "timepoint_source_circuit_state",
            _GAUGE,
            "1 for the state of the circuit breaker: closed, open (the source is left alone) or half_open (one request "
            "tries it again); 0 for the others.",
        ),
        ("state",),
        _by_word(lambda facts: {state.value: float(state is facts.circuit) for state in State}),
    ),
    (
        FamilySpec("timepoint_source_circuit_openings_total", _COUNTER, "How often the circuit breaker has opened."),
        (),
        _one(lambda facts: facts.tally.circuit_openings),
    ),
    (
        FamilySpec(
            "timepoint_source_held_until_timestamp_seconds",
            _GAUGE,
            "Until when the source is not asked, since it said so or refused too much; absent if it may be asked.",
            unit="seconds",
        ),
        (),
        _one(lambda facts: _seconds(facts.held_until)),
    ),
    (
        FamilySpec(
            "timepoint_source_told_remaining",
            _GAUGE,
            "How many requests the source itself said are left until its limit is renewed; absent if it does not tell.",
        ),
        (),
        _one(lambda facts: facts.told_remaining),
    ),
    (
        FamilySpec(
            "timepoint_source_told_reset_timestamp_seconds",
            _GAUGE,
            "When the source said that its limit is renewed.",
            unit="seconds",
        ),
        (),
        _one(lambda facts: _seconds(facts.told_reset)),
    ),
    (
        FamilySpec(
            "timepoint_source_quota_limit",
            _GAUGE,
            "How much the config lets the source be asked in a period, reserve left out.",
        ),
        ("period",),
        _by_quota(lambda quota: quota.limit),
    ),
    (
        FamilySpec(
            "timepoint_source_quota_used", _GAUGE, "How much of the quota is used in this period, over restarts."
        ),
        ("period",),
        _by_quota(lambda quota: quota.used),
    ),
    (
        FamilySpec("timepoint_source_quota_remaining", _GAUGE, "How much of the quota is left in this period."),
        ("period",),
        _by_quota(lambda quota: quota.left),
    ),
    (
        FamilySpec(
            "timepoint_source_quota_low",
            _GAUGE,
            "1 if less than a tenth of the quota is left, else 0: runs will be skipped.",
        ),
        ("period",),
        _by_quota(lambda quota: quota.is_low),
    ),
    (
        FamilySpec(
            "timepoint_source_quota_reset_timestamp_seconds",
            _GAUGE,
            "When the next period of the quota begins.",
            unit="seconds",
        ),
        ("period",),
        _by_quota(lambda quota: quota.resets / 1000),
    ),
)
