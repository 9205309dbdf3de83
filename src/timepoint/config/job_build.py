"""A job's shape into schedule, window and request.

Owns: the checks of schedules, windows, requests and their templates. Must not know: metrics.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from timepoint.clock import DAY, MINUTE, format_duration
from timepoint.config.checks import Check
from timepoint.config.cron import Gaps, cron_gaps
from timepoint.config.defaults import timeout_of
from timepoint.config.job_shape import JobShape, RequestShape, WindowShape
from timepoint.config.paging_build import build_paging
from timepoint.config.places import Findings, Path
from timepoint.config.politeness_shape import check_cost
from timepoint.config.report_build import build_report
from timepoint.config.source_build import SourceBuilder, has_secret
from timepoint.config.transform_shape import build_transform
from timepoint.config.window_checks import window_complaints
from timepoint.config.zones import zone_complaint
from timepoint.job import ScheduleSpec
from timepoint.mapping.stamps import Length
from timepoint.request.charsets import charset_complaint
from timepoint.request.spec import CsvSpec, RequestSpec, SourceSpec, WindowSpec
from timepoint.request.template import template_doubts, template_names, template_problems, uses_window
from timepoint.request.transform.chain import Step
from timepoint.secret import Secret

_EACH = "each."
_REQUEST_KEYS = {"body": "json", "headers": "http_headers"}


@dataclass(frozen=True, slots=True)
class JobHead:
    """What a job does before its answer is mapped."""

    schedule: ScheduleSpec
    window: WindowSpec
    request: RequestSpec
    window_is_asked: bool
    timeout: int
    period: int
    transform: tuple[Step, ...] = ()


class JobBuilder:
    """Builds the head of one job."""

    def __init__(self, findings: Findings, where: Path, sources: SourceBuilder) -> None:
        self.findings = findings
        self.where = where
        self.sources = sources

    def build(self, shape: JobShape, source: SourceSpec | None, each: Collection[str] | None = ()) -> JobHead:
        """``each`` are what templates may name of the fan-out, None for anything."""
        gaps = self._gaps(shape)
        if source is not None:
            self._check_interval(shape, source, gaps)
        schedule = ScheduleSpec(
            every=gaps.longest, cron=shape.cron, timezone=shape.timezone or "UTC", jitter=shape.jitter
        )
        if shape.jitter is not None and shape.jitter > gaps.shortest:
            self._add(Check.SCHEDULE, "jitter", f"must not be longer than the period, {format_duration(gaps.shortest)}")
        if shape.timeout is not None and shape.timeout > gaps.longest:
            message = f"is longer than the period, {format_duration(gaps.longest)}: a slow run makes the next one late"
            self._add(Check.TIMEOUT, "timeout", message)
        empty = (shape.expect.empty_status if shape.expect else None) or []
        alone = [item.status for item in empty if item.body is None]
        request = self.request(shape.request, source, alone, each)
        request = replace(
            request,
            empty_bodies=tuple((item.status, item.body) for item in empty if item.body is not None),
            partial_status=tuple((shape.expect.partial_status if shape.expect else None) or ()),
        )
        return JobHead(
            schedule=schedule,
            window=self._window(shape.window, shape.request.timezone),
            request=request,
            window_is_asked=_asks_for_window(request),
            timeout=shape.timeout or timeout_of(gaps.longest, has_lanes=bool(shape.each)),
            period=gaps.longest,
            transform=build_transform(
                shape.transform, (*self.where, "transform"), str(self.sources.directory.resolve()), self.findings
            ),
        )

    def _add(self, check: Check, key: str, message: str) -> None:
        self.findings.add(check, (*self.where, *key.split(".")), message)

    def _gaps(self, shape: JobShape) -> Gaps:
        if shape.cron is None:
            every = shape.every or MINUTE
            if shape.timezone is not None:
                message = "is the time zone of cron, and every has none: leave it out, or put it under time or request"
                self._add(Check.SCHEDULE, "timezone", message)
            return Gaps(every, every)
        zone = shape.timezone or "UTC"
        if not self._check_zone(zone, "timezone"):
            zone = "UTC"
        try:
            return cron_gaps(shape.cron, zone)
        except ValueError as error:
            self._add(Check.CRON, "cron", str(error))
            return Gaps(DAY, DAY)

    def _check_interval(self, shape: JobShape, source: SourceSpec, gaps: Gaps) -> None:
        if gaps.shortest < source.min_interval:
            key = "cron" if shape.cron else "every"
            most = format_duration(source.min_interval)
            message = (
                f"{format_duration(gaps.shortest)} is more often than the source {source.name} allows, every {most}"
            )
            self._add(Check.MIN_INTERVAL, key, message)

    def _check_zone(self, name: str, key: str) -> bool:
        message = zone_complaint(name)
        if message is not None:
            self._add(Check.ZONE, key, message)
        return message is None

    def _window(self, shape: WindowShape | None, zone_of_request: str | None) -> WindowSpec:
        if shape is None:
            return WindowSpec()
        given = {name: getattr(shape, name) for name in WindowShape.model_fields if name != "settled_until"}
        given["timezone"] = shape.timezone or zone_of_request
        window = WindowSpec(**{name: value for name, value in given.items() if value is not None})
        for key, message in window_complaints(window):
            self._add(Check.WINDOW, f"window.{key}", message)
        if shape.timezone is None:
            is_known = zone_complaint(window.timezone) is None  # else the finding is the request's
        else:
            is_known = self._check_zone(shape.timezone, "window.timezone")
            if not isinstance(window.step, Length) and not isinstance(window.max_span, Length):
                message = "is for steps of the calendar, and a duration such as 1d is always 24 hours: write step: day"
                self._add(Check.WINDOW, "window.timezone", message)
        return window if is_known else replace(window, timezone="UTC")

    def request(
        self,
        shape: RequestShape,
        source: SourceSpec | None,
        empty_status: Sequence[int] = (),
        each: Collection[str] | None = (),
    ) -> RequestSpec:
        """A request that stands under the key ``request``.

        ``empty_status`` means that there is nothing yet; ``each`` are what templates may name of a fan-out, None for
        anything.
        """
        has_authorization = source is not None and source.sets_authorization
        key = "post" if shape.get is None else "get"
        path = shape.get or shape.post or ""
        self._check_path(path, key)
        bodies = {"json": shape.json_, "form": shape.form, "text": shape.text}
        body = next((name for name, given in bodies.items() if given is not None), None)
        if key == "get" and body is not None:
            self._add(Check.REQUEST, f"request.{body}", "a GET request has no body: write post instead of get")
        zone = shape.timezone or "UTC"
        request = RequestSpec(
            method=key.upper(),
            path=path,
            params=_pairs(shape.params),
            headers=self.sources.headers(
                shape.http_headers, (*self.where, "request"), has_authorization=has_authorization
            ),
            body=shape.json_,
            form=_pairs(shape.form),
            text=shape.text,
            timezone=zone,
            decode=shape.decode,
            charset=self._charset(shape),
            member=shape.member,
            csv=self._csv(shape),
            empty_status=tuple(empty_status),
            hidden=tuple(map(Secret, self.findings.variables_below((*self.where, "request")))),
            cost=shape.cost or 1,
            conditional=bool(shape.conditional),
        )
        if source is not None:
            check_cost(request, source, (*self.where, "request"), self.findings)
        if source is not None and has_secret(shape.http_headers):
            self.sources.check_cleartext(source.url, (*self.where, "request", "http_headers"))
        if self._check_zone(zone, "request.timezone"):
            self._check_templates(request, key, each)
        return self._with_answers(request, shape)

    def _with_answers(self, request: RequestSpec, shape: RequestShape) -> RequestSpec:
        """The request with what leads from its first answer to all of them."""
        at = (*self.where, "request")
        if shape.paging is not None:
            asks = _asks_for_window(request)
            paging = build_paging(shape.paging, request, (*at, "paging"), self.findings, asks_window=asks)
            return replace(request, paging=paging)
        if shape.report is not None:
            return replace(request, report=build_report(shape.report, request, (*at, "report"), self.findings))
        return request

    def _charset(self, shape: RequestShape) -> str | None:
        complaint = charset_complaint(shape.charset) if shape.charset is not None else None
        if complaint is not None:
            self._add(Check.REQUEST, "request.charset", complaint)
        return shape.charset

    def _csv(self, shape: RequestShape) -> CsvSpec:
        if shape.csv is None:
            return CsvSpec()
        if shape.csv.columns and shape.csv.header_line:
            self._add(Check.REQUEST, "request.csv", "write header_line or columns: the names stand in one place")
        given = {name: value for name, value in shape.csv.model_dump().items() if value is not None}
        return CsvSpec(**given | {"columns": tuple(shape.csv.columns or ())})

    def _check_path(self, path: str, key: str) -> None:
        if "://" in path.partition("?")[0]:
            message = "the URL stands at the source: write only the path that comes after it"
        elif path and path[0] not in "/?":
            message = f"a path begins with /: write /{path}"
        elif "#" in path:
            message = "a fragment (#...) is never sent: leave it out"
        else:
            return
        self._add(Check.REQUEST, f"request.{key}", message)

    def _check_templates(self, request: RequestSpec, method: str, each: Collection[str] | None) -> None:
        for inside, message in template_problems(request, each_named(request) if each is None else each):
            key = method if inside[0] == "path" else _REQUEST_KEYS.get(str(inside[0]), inside[0])
            where = (*self.where, "request", key, *inside[1:])
            # what the message quotes may be part of a credential
            safe = "has a template that cannot be read" if where in self.findings.hidden else message
            self.findings.add(Check.TEMPLATE, where, safe)
        for inside, message in template_doubts(request):
            key = method if inside[0] == "path" else _REQUEST_KEYS.get(str(inside[0]), inside[0])
            where = (*self.where, "request", key, *inside[1:])
            if where not in self.findings.hidden:
                self.findings.add(Check.TEMPLATE_DOUBT, where, message)


def each_named(request: RequestSpec) -> frozenset[str]:
    """What the templates of a request name of a fan-out."""
    try:
        return frozenset(name.removeprefix(_EACH) for name in template_names(request) if name.startswith(_EACH))
    except ValueError:  # a template that cannot be read is a finding already
        return frozenset()


def _asks_for_window(request: RequestSpec) -> bool:
    try:
        return uses_window(request)
    except ValueError:  # a template that cannot be read is a finding already
        return True


def _pairs(texts: dict[str, list[str]] | None) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, values in (texts or {}).items() for value in values)
