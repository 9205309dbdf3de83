"""A report shape into what the request room needs.

Owns: the checks of reports. Must not know: how a report is run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from timepoint.config.checks import Check
from timepoint.config.paging_build import path_complaints
from timepoint.config.places import Findings, Path
from timepoint.config.report_shape import DownloadShape, PollShape, ReportShape
from timepoint.request.report.spec import REPORT_ID, PlaceSpec, ReportSpec
from timepoint.request.spec import RequestSpec
from timepoint.request.template import template_problems

_HOST = re.compile(r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")

Complaint = tuple[tuple[str, ...], str]


def build_report(shape: ReportShape, request: RequestSpec, where: Path, findings: Findings) -> ReportSpec:
    """The report of a request. What is wrong with it is added to the findings."""
    for key, message in _complaints(shape, request):
        findings.add(Check.REPORT, (*where, *key), message)
    poll, download = shape.poll or PollShape(), shape.download
    default = ReportSpec(PlaceSpec())
    return ReportSpec(
        poll=_place(poll),
        download=_place(download) if download is not None else None,
        id=shape.id or "",
        pause=poll.every or default.pause,
        pending_status=default.pending_status if poll.pending_status is None else tuple(poll.pending_status),
        done=_conditions(poll.done),
        failed=_conditions(poll.failed),
        hosts=tuple(download.hosts or ()) if download is not None else (),
    )


def _place(shape: PollShape | DownloadShape) -> PlaceSpec:
    return PlaceSpec(shape.get or "", shape.url or "", shape.header or "")


def _conditions(given: dict[str, Any] | None) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    return tuple((path, tuple(value) if isinstance(value, list) else (value,)) for path, value in (given or {}).items())


def _complaints(shape: ReportShape, request: RequestSpec) -> Iterator[Complaint]:
    poll, download = shape.poll, shape.download
    if poll is None or _place(poll) == PlaceSpec():
        if request.method != "GET":
            message = "a POST that is made again orders another report: say get, url or header"
            yield (("poll",) if poll is not None else ()), message
    elif not poll.done and download is None and poll.pending_status == []:
        yield ("poll",), "never waits: say done, or pending_status"
    if poll is not None:
        yield from ((("poll", *inside), message) for inside, message in _place_complaints(poll, shape, request))
        yield from _condition_complaints(poll)
    if download is not None:
        yield from ((("download", *inside), message) for inside, message in _place_complaints(download, shape, request))
    if shape.id is not None:
        yield from ((("id",), message) for message in path_complaints(shape.id, several=False))
        if not any(place is not None and REPORT_ID in (place.get or "") for place in (poll, download)):
            yield ("id",), f"has no effect: write {REPORT_ID} in get of poll or download"


def _condition_complaints(poll: PollShape) -> Iterator[Complaint]:
    for name, conditions in (("done", poll.done), ("failed", poll.failed)):
        for path in conditions or {}:
            for message in path_complaints(path, several=False):
                yield ("poll", name, path), message


def _place_complaints(
    place: PollShape | DownloadShape, shape: ReportShape, request: RequestSpec
) -> Iterator[Complaint]:
    """What is wrong with where a request goes."""
    if place.url is not None:
        yield from ((("url",), message) for message in path_complaints(place.url, several=False))
    if place.get is not None:
        if not place.get.startswith("/"):
            yield ("get",), f"a path begins with /: write /{place.get}"
        if REPORT_ID in place.get and shape.id is None:
            yield ("get",), f"has {REPORT_ID}, and nothing says where the id is: write id in the report"
        bare = replace(request, path=place.get, params=(), form=(), headers={}, body=None)
        yield from ((("get",), message) for _, message in template_problems(bare))
    if isinstance(place, DownloadShape) and place.hosts is not None:
        if place.get is not None:
            yield ("hosts",), "has no effect: get goes to the source itself"
        for host in place.hosts:
            if not _HOST.fullmatch(host):
                yield ("hosts",), f"{host!r} is not a host: write it like storage.example.com or *.example.com"
