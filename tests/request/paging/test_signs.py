"""What an answer tells of further pages where the config does not look, for a person."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.request.paging.api import PagedApi, Reply, fetch
from tests.request.paging.kinds import get
from timepoint.request.paging.cursor import Cursor
from timepoint.request.paging.next_url import NextUrl
from timepoint.request.paging.nodes import Document
from timepoint.request.paging.pager import Pager
from timepoint.request.paging.signs import sign_of_more, total_beyond
from timepoint.request.paging.spec import PagingSpec


def document(value: Any) -> Document:
    """A page that is not decoded yet."""
    return Document(msgspec.Raw(json.dumps(value).encode()))


@pytest.mark.parametrize(
    ("answer", "sign"),
    [
        ({"next_page": "abc"}, "$.next_page names a next page"),
        ({"nextPageToken": "abc"}, "$.nextPageToken names a next page"),
        ({"@odata.nextLink": "https://x"}, '$["@odata.nextLink"] names a next page'),
        ({"_links": {"next": {"href": "/p2"}}}, "$._links.next.href names a next page"),
        ({"meta": {"next": 2}}, "$.meta.next names a next page"),
        ({"data": {"pageInfo": {"hasNextPage": True}}}, "$.data.pageInfo.hasNextPage is true"),
        ({"isTruncated": "true"}, "$.isTruncated is true"),
    ],
)
def test_what_names_a_next_page_is_found(answer: Any, sign: str) -> None:
    """The words that APIs have for a next page are known, however they are written and wherever they stand."""
    assert sign_of_more(document(answer)) == sign


@pytest.mark.parametrize(
    "answer",
    [
        {"next_page": None},
        {"next": ""},
        {"has_more": False},
        {"nextOffset": 0},
        {"links": {"next": None, "last": "/p9"}},
        {"rows": [{"next": "abc"}]},
        {f"pod-{number}": {"next": "x"} for number in range(60)},
        [{"next": "x"}],
        "next",
    ],
)
def test_last_pages_and_rows_are_no_signs(answer: Any) -> None:
    """What says that there is nothing more, and whatever stands in rows, is no sign."""
    assert sign_of_more(document(answer)) == ""


def test_a_total_that_is_more_than_what_came() -> None:
    """A total counts only if it is of more rows than the answer had."""
    answer = document({"rows": [1], "meta": {"totalCount": "500"}})
    assert total_beyond(answer, 499) == "$.meta.totalCount is 500"
    assert total_beyond(answer, 500) == ""


@pytest.mark.parametrize("kind", [Cursor(path="$.nextpage", param="c"), NextUrl(path="$.nextpage")])
async def test_a_misspelt_path_is_doubted(kind: Pager) -> None:
    """An answer without anything at the path to the next page, that names one elsewhere, comes with a doubt."""
    api = PagedApi([], plan=lambda _number, _ask: Reply({"data": [1], "next_page": "abc"}))
    [page] = await fetch(api, get("/list"), PagingSpec(kind))
    assert page.doubt.startswith("nothing stands at $.nextpage, which leads to the next page, and $.next_page names a")


@pytest.mark.parametrize("last", [{"data": [1], "next": None, "next_page": "x"}, {"data": [1]}])
async def test_a_last_page_is_not_doubted(last: dict[str, Any]) -> None:
    """Where the path finds that there is none, or nothing else names one, nothing is told."""
    api = PagedApi([], plan=lambda _number, _ask: Reply(last))
    [page] = await fetch(api, get("/list"), PagingSpec(Cursor(path="$.next", param="c")))
    assert page.doubt == ""
