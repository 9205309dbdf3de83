"""A paging shape into what the request room needs.

Owns: the checks of paging. Must not know: how pages are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from timepoint.config.checks import Check
from timepoint.config.job_shape import JobShape
from timepoint.config.metric_shape import MetricShape
from timepoint.config.paging_shape import PagingShape, given_keys
from timepoint.config.places import Findings, Path
from timepoint.config.window_checks import step_from_window
from timepoint.mapping.stamps import StampReader, find_zone
from timepoint.mapping.unusable import Unusable
from timepoint.request.paging.keys import keys_of
from timepoint.request.paging.kinds import KINDS
from timepoint.request.paging.nodes import is_singular, steps_of
from timepoint.request.paging.spec import MAX_PAGES, PagingSpec
from timepoint.request.paging.times import TimesSpec
from timepoint.request.spec import RequestSpec

_SEVERAL = TimesSpec.__dataclass_fields__["path"].metadata["says"]  # the one path that may find many nodes

_ADDING = ("sum", "mean")  # of which a row that comes twice makes another value


def build_paging(
    shape: PagingShape, request: RequestSpec, where: Path, findings: Findings, *, asks_window: bool
) -> PagingSpec:
    """The paging of a request. What is wrong with it is added to the findings."""
    name = next(name for name in KINDS if getattr(shape, name) is not None)
    given = given_keys(getattr(shape, name))
    until = given_keys(shape.until) if shape.until is not None else None
    common = {key: getattr(shape, key) for key in ("rows", "total") if getattr(shape, key) is not None}
    complaints = [
        *_complaints_of(KINDS[name], given, (name,)),
        *(_complaints_of(TimesSpec, until, ("until",)) if until is not None else ()),
        *((key, text) for key, path in common.items() for text in path_complaints(path, several=False)),
    ]
    complaints += [*_place_complaints(name, given, request), *_rule_complaints(name, shape, asks_window=asks_window)]
    for key, message in complaints:
        findings.add(Check.PAGING, (*where, *(key if isinstance(key, tuple) else (key,))), message)
    return PagingSpec(
        kind=KINDS[name](**given),
        rows=shape.rows or "",
        limit=shape.limit or 0,
        total=shape.total or "",
        until=TimesSpec(**until) if until is not None else None,
        max_pages=shape.max_pages or MAX_PAGES,
    )


def check_paged(where: Path, job: JobShape, metrics: Mapping[str, MetricShape], findings: Findings) -> None:
    """Adds what does not go with pages of which each begins at the newest timepoint of the one before."""
    paging = job.request.paging
    continue_at = getattr(paging, "continue_at", None) if paging is not None else None
    if continue_at is None:
        return
    shapes: dict[Path, JobShape | MetricShape] = {where: job}
    shapes.update({(*where, "metrics", name): shape for name, shape in metrics.items()})
    for at, shape in shapes.items():
        if shape.combine in _ADDING and not given_keys(continue_at).get("add"):
            message = (
                f"{shape.combine} would add up the newest timepoint of a page, which comes twice: write add: 1s "
                "under continue_at, or the finest step of the API"
            )
            findings.add(Check.PAGING, (*at, "combine"), message)
        if step_from_window(shape.time) is not None:
            message = "a list that begins at the window has a known length, and continue_at cuts the window: write at"
            findings.add(Check.PAGING, (*at, "time"), message)


def _complaints_of(spec: type[Any], given: dict[str, Any], where: tuple[str, ...]) -> Iterator[tuple[Any, str]]:
    """What is wrong with the values of keys, each by itself."""
    for key in keys_of(spec):
        value = given.get(key.name)
        if value is None:
            continue
        if key.kind in ("path", "place"):
            for message in path_complaints(value, several=key.says == _SEVERAL):
                yield (*where, key.name), message
        elif key.name == "format":
            try:
                StampReader(value)
            except ValueError as error:
                yield (*where, key.name), str(error)
        elif key.name == "timezone":
            try:
                find_zone(value)
            except Unusable as error:
                yield (*where, key.name), error.shown


def path_complaints(path: str, *, several: bool) -> Iterator[str]:
    """What is wrong with a path into an answer; ``several``: it may find more than one node."""
    try:
        steps_of(path)
    except ValueError as error:
        yield str(error)
        return
    if not several and not is_singular(path):
        yield f"{path!r} may find several nodes: write the position of the one that is meant, such as [0] or [-1]"


def _place_complaints(name: str, given: dict[str, Any], request: RequestSpec) -> Iterator[tuple[Any, str]]:
    """What is sent in a body needs one."""
    if "json" in given and request.body is None:
        yield (name, "json"), "is a place in the JSON that is posted, and there is none: write json in the request"
    if "form" in given and not request.form:
        yield (name, "form"), "is a field of the form that is posted, and there is none: write form in the request"


def _rule_complaints(name: str, shape: PagingShape, *, asks_window: bool) -> Iterator[tuple[Any, str]]:
    """Keys that do not fit together."""
    if name == "continue_at" and not asks_window:
        yield name, "moves {window.start}, and the request does not name it"
    if name == "one_page" and shape.limit is None and shape.total is None:
        yield name, "tells nothing without limit or total: how else could a cut answer be known?"
    for key in ("until", "max_pages"):
        if name == "one_page" and getattr(shape, key) is not None:
            yield key, "is for several pages, and one_page has one"
    if name in ("next_url", "link", "cursor") and shape.limit is not None:
        yield "limit", f"has no effect: {name} says itself which page is the last one"
