"""The keys that limit how a source is asked, and their checks.

Owns: the shapes of ``rate``, ``quota`` and ``circuit_breaker``, and what they mean. Must not know: how a limit is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, InstanceOf, WithJsonSchema

from timepoint.clock import DAY, HOUR, format_duration, parse_duration
from timepoint.config.checks import Check
from timepoint.config.kinds import FilledText, PositiveDuration, Shape, as_list, as_text, described, refuse, required
from timepoint.config.places import Findings, Path
from timepoint.config.zones import zone_complaint
from timepoint.request.politeness.spec import BreakerSpec, QuotaSpec, RateSpec
from timepoint.request.spec import RequestSpec, SourceSpec

if TYPE_CHECKING:
    from timepoint.config.source_shape import SourceShape

RATE_PATTERN = "^[1-9][0-9]{0,8}/([1-9][0-9]{0,8})?(ms|s|m|h|d)$"
_RATE = re.compile(RATE_PATTERN)
_LENGTHS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 30 * DAY}
_MOST = 1_000_000_000


def _as_rate(value: Any) -> RateSpec:
    text = as_text(value)
    if _RATE.fullmatch(text) is None:
        refuse(Check.LIMIT, f"{text!r} is not a rate: write it like 10/s, 400/m or 50/10s")
    requests, _, per = text.partition("/")
    return RateSpec(int(requests), parse_duration(per if per[0].isdigit() else f"1{per}"))


Rate = Annotated[
    InstanceOf[RateSpec], BeforeValidator(_as_rate), WithJsonSchema({"type": "string", "pattern": RATE_PATTERN})
]
Count = Annotated[int, Field(ge=1, le=_MOST)]


class QuotaShape(Shape):
    """How many requests may be made in an hour, a day, a week or a month of the calendar."""

    place: ClassVar[str] = "quota of a source"

    requests: Count = required("The most requests in a period.", 1000)
    per: Literal["hour", "day", "week", "month"] = required("The period. A week begins on Monday.", "month")
    timezone: FilledText | None = described("The time zone in which days begin. Default: `UTC`.", "Europe/Berlin")
    reserve: Annotated[int, Field(ge=0, le=_MOST)] | None = described(
        "So many of the requests are left to others who use the same account. Default: `0`.", 50
    )


Quotas = Annotated[
    list[QuotaShape],
    Field(min_length=1),
    BeforeValidator(as_list, json_schema_input_type=QuotaShape | list[QuotaShape]),
]


class BreakerShape(Shape):
    """When a source that does not answer is left alone."""

    place: ClassVar[str] = "circuit_breaker of a source"

    failures: Annotated[int, Field(ge=0, le=1_000_000)] | None = described(
        "After so many exchanges in a row that failed (no connection, no answer in time, 401, 407, 429, 502, 503 or "
        "504) no request is made. `0` turns it off. Default: `20`.",
        50,
    )
    pause: PositiveDuration | None = described(
        "How long, until one request may try again. A run that begins meanwhile waits for that. Default: `1m`.", "30s"
    )


def limits_of(shape: SourceShape, where: Path, findings: Findings) -> dict[str, Any]:
    """The limits of a source as its spec has them; only those that are given."""
    found: dict[str, Any] = {"concurrency": shape.concurrency, "rate": shape.rate}
    if shape.burst is not None and shape.rate is None:
        findings.add(Check.LIMIT, (*where, "burst"), "is how much more than the rate may go at once: write rate, too")
    elif shape.burst is not None and shape.rate is not None:
        found["rate"] = RateSpec(shape.rate.requests, shape.rate.per, shape.burst)
    if shape.quota is not None:
        found["quotas"] = _quotas(shape.quota, (*where, "quota"), findings)
    if shape.circuit_breaker is not None:
        given = shape.circuit_breaker.model_dump(exclude_none=True)
        found["circuit_breaker"] = BreakerSpec(**given)
    return {key: value for key, value in found.items() if value is not None}


def _quotas(shapes: list[QuotaShape], where: Path, findings: Findings) -> tuple[QuotaSpec, ...]:
    quotas: list[QuotaSpec] = []
    for number, shape in enumerate(shapes):
        at = (*where, number) if len(shapes) > 1 else where
        complaint = zone_complaint(shape.timezone or "UTC")
        if complaint is not None:
            findings.add(Check.ZONE, (*at, "timezone"), complaint)
        spec = QuotaSpec(shape.requests, shape.per, "UTC" if complaint else shape.timezone or "UTC", shape.reserve or 0)
        if spec.usable < 1:
            findings.add(Check.LIMIT, (*at, "reserve"), f"leaves nothing of {spec.requests} requests")
        elif any(other.key == spec.key for other in quotas):
            findings.add(Check.LIMIT, (*at, "per"), f"there is a quota per {spec.per} already: keep the smaller one")
        else:
            quotas.append(spec)
    return tuple(quotas)


def check_cost(request: RequestSpec, source: SourceSpec, where: Path, findings: Findings) -> None:
    """Adds a request that costs more than its source can ever give at once."""
    limits = [(spec.usable, f"the quota per {spec.per}") for spec in source.quotas]
    if source.rate is not None:
        limits.append((source.rate.burst, "the burst"))
    for most, what in limits:
        if request.cost > most:
            message = f"{request.cost} is more than {what} of the source {source.name} ever allows, {most}"
            findings.add(Check.LIMIT, (*where, "cost"), message)


def check_second_request(
    source: SourceSpec, request: RequestSpec, timeout: int, where: Path, findings: Findings
) -> None:
    """Warns of answers in several requests whose second one can never be made within a run (``timeout``, ms)."""
    pages = request.paging is not None and request.paging.kind.is_paging
    several = "pages" if pages else "report" if request.report is not None else ""
    if several and source.min_interval >= timeout:
        message = (
            f"an answer of {several} takes several requests, and the source {source.name} allows one every "
            f"{format_duration(source.min_interval)}, longer than a run: it is never read to its end. Bound them by "
            "rate or quota of the source instead of min_interval"
        )
        findings.add(Check.TIMEOUT, (*where, "request", "paging" if pages else "report"), message, key=True)


def check_shared_interval(source: SourceSpec, periods: Mapping[str, int], findings: Findings) -> None:
    """Adds a source whose jobs together ask more often than it allows: some of them would starve."""
    alone = [name for name, period in periods.items() if period < source.min_interval]
    share = sum(Fraction(source.min_interval, period) for period in periods.values())
    if len(periods) > 1 and not alone and share > 1:
        message = f"the jobs {', '.join(periods)} together ask more often than this allows: make their periods longer"
        findings.add(Check.MIN_INTERVAL, ("sources", source.name, "min_interval"), message)


def check_quotas(source: SourceSpec, uses: Mapping[str, tuple[int, int]], findings: Findings) -> None:
    """Warns of quotas that the schedules of the jobs use up. ``uses`` is by job its period (ms) and the cost of a run.

    One request per run and lane is counted, which is the least: more windows, pages and attempts come on top.
    """
    for number, quota in enumerate(source.quotas):
        length = _LENGTHS[quota.per]
        needed = sum(Fraction(length * cost, period) for period, cost in uses.values())
        if needed > quota.usable:
            at: Path = ("sources", source.name, "quota")
            message = (
                f"the jobs {', '.join(uses)} make at least {int(needed)} requests per {quota.per}, and the quota "
                f"leaves {quota.usable}: they will be skipped from then on; make their periods longer"
            )
            findings.add(Check.QUOTA, (*at, number) if len(source.quotas) > 1 else at, message)
