"""One request and paging for each kind, as the API of these tests wants them."""

from __future__ import annotations

from typing import Any

from timepoint.request.paging.continue_at import ContinueAt
from timepoint.request.paging.cursor import Cursor
from timepoint.request.paging.last_id import LastId
from timepoint.request.paging.link import Link
from timepoint.request.paging.next_url import NextUrl
from timepoint.request.paging.offset import Offset
from timepoint.request.paging.page_number import PageNumber
from timepoint.request.paging.spec import PagingSpec
from timepoint.request.spec import RequestSpec

Case = tuple[RequestSpec, PagingSpec, tuple[str, ...]]


def get(path: str, **params: str) -> RequestSpec:
    """A GET request with these parameters."""
    return RequestSpec(path=path, params=tuple(params.items()))


def post(path: str, body: Any = None, **form: str) -> RequestSpec:
    """A POST request with JSON, or with a form."""
    return RequestSpec(method="POST", path=path, body=body, form=tuple(form.items()))


SINCE = get("/since", since="{window.start:unix}", until="{window.end:unix}")
# The name of a case, its request and paging, and the keys that lead to the rows of a page. The API of the tests has
# pages of three rows, unless a test says otherwise.
CASES: dict[str, Case] = {
    "next_url": (get("/next"), PagingSpec(NextUrl(path="$.links.next")), ("data",)),
    "next_url, relative": (get("/relative"), PagingSpec(NextUrl(path="$.next")), ("data",)),
    "link": (get("/link"), PagingSpec(Link()), ()),
    "cursor": (get("/cursor"), PagingSpec(Cursor(path="$.next", param="cursor")), ("data",)),
    "cursor with a flag": (
        get("/cursor"),
        PagingSpec(Cursor(path="$.next", param="cursor", more="$.has_more")),
        ("data",),
    ),
    "cursor in JSON": (
        post("/graph", {"query": "q", "variables": {"first": 3}}),
        PagingSpec(
            Cursor(path="$.data.pageInfo.endCursor", json="$.variables.after", more="$.data.pageInfo.hasNextPage")
        ),
        ("data", "items"),
    ),
    "cursor that is an object": (
        post("/composite", {"size": 3}),
        PagingSpec(Cursor(path="$.after_key", json="$.after_key")),
        ("buckets",),
    ),
    "cursor in a form": (
        post("/token", action="list"),
        PagingSpec(Cursor(path="$.token", form="token")),
        ("data",),
    ),
    "offset": (get("/offset"), PagingSpec(Offset(param="offset"), rows="$.data"), ("data",)),
    "offset with a total": (
        get("/offset", offset="0"),
        PagingSpec(Offset(param="offset"), rows="$.data", total="$.meta.total"),
        ("data",),
    ),
    "offset with a limit": (get("/offset"), PagingSpec(Offset(param="offset"), rows="$.data", limit=3), ("data",)),
    "page": (get("/page"), PagingSpec(PageNumber(param="page"), rows="$.data"), ("data",)),
    "page with its number": (get("/page"), PagingSpec(PageNumber(param="page", pages="$.pages")), ("data",)),
    "page with a total": (
        get("/page"),
        PagingSpec(PageNumber(param="page"), rows="$.data", total="$.total"),
        ("data",),
    ),
    "page with a flag": (get("/page"), PagingSpec(PageNumber(param="page", more="$.more"), rows="$.data"), ("data",)),
    "offset with a flag": (get("/offset"), PagingSpec(Offset(param="offset", more="$.more"), rows="$.data"), ("data",)),
    "page from 0": (get("/page0"), PagingSpec(PageNumber(param="page", begin=0)), ()),
    "last_id": (
        get("/after"),
        PagingSpec(LastId(path="$.data[-1].id", param="starting_after")),
        ("data",),
    ),
    "last_id with a flag": (
        get("/after"),
        PagingSpec(LastId(path="$.data[-1].id", param="starting_after", more="$.has_more")),
        ("data",),
    ),
    "continue_at": (SINCE, PagingSpec(ContinueAt(path="$.data[*].time")), ("data",)),
    "continue_at with a limit": (
        SINCE,
        PagingSpec(ContinueAt(path="$.data[*].time"), rows="$.data", limit=3),
        ("data",),
    ),
    "continue_at behind the newest": (
        SINCE,
        PagingSpec(ContinueAt(path="$.data[*].time", add=1000)),
        ("data",),
    ),
}
