"""What a job and its runs are for a person who looks at the status pages.

Owns: how reports, specs and lanes become what the journal tells, in words and within its bounds. Pure.
Must not know: files, the server, HTML.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

from timepoint.clock import format_duration
from timepoint.job import HttpPolling, Job, ScheduleSpec
from timepoint.journal.told import (
    LANES,
    TEXT,
    WINDOWS,
    LanesTold,
    LaneTold,
    MetricTold,
    RejectTold,
    RequestTold,
    RunTold,
)
from timepoint.ledger.change import Counts
from timepoint.ledger.state import LaneState
from timepoint.mapping.stamps import Length
from timepoint.model import MetricSpec, MetricType, Temporality
from timepoint.poller.report import LanesReport, MetricStanding, RequestReport, RunReport
from timepoint.request.each.spec import Discovery, EachSpec, ListFile, Values
from timepoint.request.shown import shown_request, shown_url
from timepoint.request.spec import SourceSpec, WindowSpec

Mask = Callable[[str], str]
Facts = list[tuple[str, list[tuple[str, str]]]]

_URL = 8000  # characters of a URL or a body

_TYPES = {
    MetricType.GAUGE: "a gauge",
    MetricType.INFO: "labels with the value 1",
    MetricType.STATESET: "one state of several",
    MetricType.UNKNOWN: "a value of unknown kind",
}


def run_told(report: RunReport, mask: Mask) -> RunTold:
    """One run. ``mask`` takes known secrets out of a text."""
    standing = report.standing
    return RunTold(
        fire_time=report.fire_time,
        began=report.began,
        outcome=report.outcome.value,
        failed=report.failed,
        reason=report.reason,
        error=mask(_short(report.error)),
        duration=report.duration,
        windows=[(window.start, window.end) for window in report.windows[:WINDOWS]],
        window_count=len(report.windows),
        committed=report.committed,
        attempts=report.attempts,
        response_bytes=report.response_bytes,
        requests=[_request(request, mask) for request in sorted(report.requests, key=lambda one: not one.error)],
        request_count=report.request_count,
        rows=report.rows,
        dropped=report.dropped,
        points=report.points,
        rejects=[
            RejectTold(reason, count, [mask(_short(text)) for text in report.rejects.examples.get(reason, ())])
            for reason, count in sorted(report.rejects.counts.items())
        ],
        counts={part.name: count for part in fields(Counts) if (count := getattr(report.counts, part.name))},
        stages=dict(report.stages),
        series=sum(metric.series for metric in standing.values()) if standing is not None else None,
        lanes=_lanes(report.lanes, mask) if report.lanes is not None else None,
        notes=[mask(_short(note)) for note in _notes(report)],
    )


def _request(request: RequestReport, mask: Mask) -> RequestTold:
    asked = request.asked
    return RequestTold(
        method=asked.method,
        url=mask(_short(asked.url, _URL)),
        window=(request.window.start, request.window.end),
        lane=request.lane,
        headers=[(name, mask(_short(value))) for name, value in asked.headers],
        body=mask(_short(asked.body, _URL)),
        status=request.status,
        content_type=mask(_short(request.content_type)),
        wire_bytes=request.wire_bytes,
        body_bytes=request.body_bytes,
        attempts=request.attempts,
        error=mask(_short(request.error)),
    )


def _lanes(lanes: LanesReport, mask: Mask) -> LanesTold:
    return LanesTold(
        listed=lanes.listed,
        ok=lanes.ok,
        idle=lanes.idle,
        failed=lanes.failed,
        unreached=lanes.unreached,
        reasons=sorted((outcome.value, reason, count) for (outcome, reason), count in lanes.reasons.items()),
        examples=[mask(_short(text)) for text in lanes.examples],
        trouble=mask(_short(lanes.trouble)),
    )


def _notes(report: RunReport) -> Iterator[str]:
    if report.brought_back:
        yield report.brought_back
    yield from report.doubts.values()
    for _, metric, reason in dict.fromkeys(report.begun_anew):
        yield f"{metric or 'the job'} begins anew: {reason}"
    if report.is_refused:
        yield "An answer held too few series to be believed, so nothing of it was used."
    if report.counts.given_up:
        yield f"{format_duration(report.counts.given_up)} of data time was passed over, out of the reach of catch_up."
    if report.bug is not None:
        yield "This run met an error that is not foreseen: the log has the traceback. Please report it."


def metrics_told(metrics: Mapping[str, MetricSpec], standing: Mapping[str, MetricStanding]) -> list[MetricTold]:
    """The metrics of a job, in the order of the config."""
    told = []
    for name, spec in metrics.items():
        now = standing.get(name)
        told.append(
            MetricTold(
                name=name,
                type=spec.family.type.value,
                help=_short(spec.family.help),
                unit=spec.family.unit,
                how=_how(spec),
                max_age=spec.max_age,
                series=now.series if now is not None else 0,
                kept=now.kept if now is not None else 0,
                newest=now.newest if now is not None else None,
                debt=now.debt if now is not None else None,
                receivers=[receiver.name for receiver in spec.receivers],
                is_amounts=spec.temporality is Temporality.DELTA,
            )
        )
    return told


def _how(spec: MetricSpec) -> str:
    """What the metric shows, in a few words."""
    if spec.temporality is Temporality.DELTA:
        return "the sum of all intervals, each counted once"
    if spec.temporality is Temporality.CUMULATIVE:
        return "the source's own running totals, through its restarts"
    if spec.horizons:
        return "what is forecast for " + ", ".join(format_duration(horizon) for horizon in spec.horizons) + " ahead"
    if spec.family.type is MetricType.GAUGE:
        return f"the {spec.points.value} of the timepoints of a run"
    return _TYPES.get(spec.family.type, "")


def lanes_told(lanes: Iterable[LaneState]) -> list[LaneTold]:
    """Some lanes: those that fail, then those that are furthest behind."""
    told = (_lane(lane) for lane in lanes if lane.lane)
    return heapq.nsmallest(LANES, told, key=lambda lane: (not lane.fails, lane.watermark or 0, lane.name))


def _lane(lane: LaneState) -> LaneTold:
    return LaneTold(_short(lane.lane), lane.watermark, lane.last_attempt, lane.last_accepted, lane.is_failing)


def job_facts(job: Job, mask: Mask) -> Facts:
    """What the config says of a job, in sections of terms and texts; what does not apply is left out."""
    sections: Facts = [("Schedule", [*_schedule(job.schedule), ("timeout", format_duration(job.timeout))])]
    sections.append(("Window", list(_window(job.window))))
    if isinstance(job.polling, HttpPolling):
        request, source = job.polling.request, job.polling.source
        asked = [("request", shown_request(request))]
        asked += [("pages", "several, read one after the other")] if request.paging is not None else []
        asked += [("decoded as", request.decode)] if request.decode else []
        asked += [("transform", _many(len(job.polling.transform), "step"))] if job.polling.transform else []
        sections.append(("Source", [*_source(source), *asked]))
    else:
        function = job.polling.function
        name = f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', repr(function))}"
        sections.append(("Source", [("function", name)]))
    if job.each is not None:
        sections.append(("Lanes", _each(job.each)))
    sections.append(("Limits", [("max_series", f"{job.max_series:,}".replace(",", " "))]))
    return [(title, [(term, mask(_short(text))) for term, text in terms]) for title, terms in sections]


def _schedule(schedule: ScheduleSpec) -> Iterator[tuple[str, str]]:
    if schedule.cron is not None:
        yield "cron", f"{schedule.cron} ({schedule.timezone})"
    else:
        yield "every", format_duration(schedule.every)
    if schedule.jitter is not None:
        yield "jitter", format_duration(schedule.jitter)


def _window(window: WindowSpec) -> Iterator[tuple[str, str]]:
    yield "step", _length(window.step) or "none: the window is not aligned"
    for term, length in (("delay", window.delay), ("overlap", window.overlap), ("initial", window.initial)):
        if length:
            yield term, format_duration(length)
    yield "catch_up", format_duration(window.catch_up)
    if window.max_span:
        yield "max_span", _length(window.max_span)
    if window.timezone != "UTC":
        yield "timezone", window.timezone


def _length(length: int | Length) -> str:
    if not isinstance(length, Length):
        return format_duration(length) if length else ""
    parts = [_many(length.months, "month"), _many(length.days, "day")]
    parts.append(format_duration(length.milliseconds) if length.milliseconds else "")
    return ", ".join(part for part in parts if part)


def _many(count: int, word: str) -> str:
    many = f"{word[:-1]}ies" if word.endswith("try") else f"{word}s"
    return f"{count} {word if count == 1 else many}" if count else ""


def _source(source: SourceSpec) -> Iterator[tuple[str, str]]:
    yield "source", source.name
    yield "URL", shown_url(source)
    yield "authentication", _authentication(source)
    yield "one try", f"at most {format_duration(source.timeout)}; {_many(source.attempts, 'try')} of each request"
    if source.min_interval:
        yield "min_interval", format_duration(source.min_interval)
    if source.rate is not None:
        yield "rate", f"{source.rate.requests} in {format_duration(source.rate.per)}"
    for quota in source.quotas:
        yield "quota", f"{quota.usable} requests per {quota.per} ({quota.timezone})"


def _authentication(source: SourceSpec) -> str:
    if source.basic_auth is not None:
        return "basic_auth"
    if source.authorization is not None:
        return f"authorization ({source.authorization.type})"
    if source.auth is not None:
        return type(source.auth).__name__.removesuffix("Spec")
    return "headers or parameters of the source" if source.headers or source.params else "none"


def _each(each: EachSpec) -> list[tuple[str, str]]:
    return [(values.name, _values(values)) for values in each.values]


def _values(values: Values) -> str:
    if isinstance(values.origin, ListFile):
        return f"listed in the file {values.origin.path}"
    if isinstance(values.origin, Discovery):
        origin = values.origin
        return (
            f"discovered at {origin.source.name} every {format_duration(origin.every)}: {shown_request(origin.request)}"
        )
    named: Sequence[str] = [entry.value for entry in values.origin]
    return f"{len(named)} in the config" if len(named) > 10 else ", ".join(named)  # noqa: PLR2004 - more are no fact but a list


def _short(text: str, most: int = TEXT) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
