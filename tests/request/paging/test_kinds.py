"""Each kind of paging against an API that enforces it, and without sockets for any list."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.request.paging.api import Ask, PagedApi, Reply, fail, fetch, found, read_without_server, rows
from tests.request.paging.kinds import CASES, SINCE, get, post
from timepoint.errors import SourceError
from timepoint.request.answer import Answer
from timepoint.request.paging.continue_at import ContinueAt
from timepoint.request.paging.cursor import Cursor
from timepoint.request.paging.kinds import KINDS
from timepoint.request.paging.next_url import NextUrl
from timepoint.request.paging.offset import Offset
from timepoint.request.paging.page_number import PageNumber
from timepoint.request.paging.spec import PagingSpec
from timepoint.request.paging.times import TimesSpec
from timepoint.request.spec import RequestSpec


def once(listed: list[Any]) -> list[Any]:
    """The rows, each as often as the mapping would see it: rows that two pages hold are one (R8)."""
    return list({row["id"]: row for row in listed}.values())


@pytest.mark.parametrize("name", CASES)
async def test_a_kind_gives_all_rows(name: str) -> None:
    """Ten rows in pages of three come whole and in their order, from an API that takes each mark once."""
    request, paging, keys = CASES[name]
    api = PagedApi(rows(10))
    assert once(found(await fetch(api, request, paging), *keys)) == api.rows


def test_every_kind_is_tested() -> None:
    """No kind that the config knows, but for the one without pages, is without a case here."""
    tested = {type(paging.kind) for _, paging, _ in CASES.values()}
    assert set(KINDS.values()) - tested == {KINDS["one_page"]}


@pytest.mark.parametrize("name", CASES)
@given(count=st.integers(0, 40), size=st.integers(2, 13))
@settings(max_examples=12, deadline=None)
async def test_any_list_in_any_pages(name: str, count: int, size: int) -> None:
    """Whatever the length of a list and of its pages, what is read is the list."""
    request, paging, keys = CASES[name]
    if paging.limit:
        paging = replace(paging, limit=size)
    api = PagedApi(rows(count), size)
    pages = await read_without_server(api, request, paging)
    assert once(found(pages, *keys)) == api.rows
    assert len(pages) <= count // (size - 1) + 2


BROKEN = [
    Reply(status=500),
    Reply(status=410),
    Reply(raw=b"<html>log in</html>"),
    Reply(raw=b'{"data": [{"id": "r'),
    Reply(raw=b""),
    Reply(raw=b"\xff\xfe\x00"),
]


@pytest.mark.parametrize("name", [name for name in CASES if name != "link"])
@given(count=st.integers(0, 20), page=st.integers(1, 8), reply=st.sampled_from(BROKEN))
@settings(max_examples=15, deadline=None)
async def test_a_broken_page_gives_nothing(name: str, count: int, page: int, reply: Reply) -> None:
    """Whichever page is broken and however: an error, or the page was not needed; never a part of the list (A28)."""
    request, paging, keys = CASES[name]
    api = PagedApi(rows(count), plan=lambda number, _ask: reply if number == page else None)
    pages: tuple[Answer, ...] | None = None
    with suppress(SourceError):
        pages = await read_without_server(api, request, paging)
    assert len(api.asked) == (page if pages is None else len(pages))
    assert pages is None or once(found(pages, *keys)) == api.rows
    assert (pages is None) == (len(api.asked) == page)


@pytest.mark.parametrize("name", [name for name in CASES if "continue_at" not in name])
@given(count=st.integers(0, 40))
@settings(max_examples=8, deadline=None)
async def test_pages_of_one_row(name: str, count: int) -> None:
    """The shortest pages that there are."""
    request, paging, keys = CASES[name]
    paging = replace(paging, limit=min(paging.limit, 1))
    api = PagedApi(rows(count), 1)
    assert found(await read_without_server(api, request, paging), *keys) == api.rows


@pytest.mark.parametrize(
    ("name", "requests"),
    [
        ("cursor", 2),
        ("offset", 3),
        ("offset with a total", 2),
        ("offset with a limit", 3),
        ("page with its number", 2),
        ("last_id", 3),
        ("last_id with a flag", 2),
        ("continue_at behind the newest", 3),
    ],
)
async def test_how_many_requests_a_kind_takes(name: str, requests: int) -> None:
    """Six rows in pages of three take two requests where the API tells its last page, else one more."""
    api = PagedApi(rows(6))
    request, paging, _ = CASES[name]
    await fetch(api, request, paging)
    assert len(api.asked) == requests


async def test_an_empty_list_is_one_page() -> None:
    """Where there is nothing, one request finds it out."""
    for name, (request, paging, _) in CASES.items():
        api = PagedApi([])
        assert (name, len(await fetch(api, request, paging))) == (name, 1)


async def test_an_api_that_gives_fewer_rows_than_it_was_asked_for() -> None:
    """An offset moves by the rows that came, so an API that caps its pages loses none."""
    api = PagedApi(rows(10), size=4)
    pages = await fetch(api, get("/offset", limit="1000"), PagingSpec(Offset(param="offset"), rows="$.data"))
    assert found(pages, "data") == api.rows
    assert [ask.query["offset"] for ask in api.asked] == ["0", "4", "8", "10"]


async def test_a_value_of_the_config_gives_way() -> None:
    """A parameter that the request already has is replaced, not repeated, and all others stay."""
    api = PagedApi(rows(4))
    await fetch(api, get("/offset", offset="0", zone="a b&c"), PagingSpec(Offset(param="offset"), rows="$.data"))
    assert [ask.query for ask in api.asked] == [{"zone": "a b&c", "offset": place} for place in ("0", "3", "4")]


async def test_the_next_page_is_asked_in_the_same_way() -> None:
    """A next URL that is posted again goes with the same body and the same credentials, as cost reports want it."""
    api = PagedApi(rows(5))
    secret = RequestSpec(method="POST", path="/next", body={"granularity": "Daily"})
    await fetch(api, secret, PagingSpec(NextUrl(path="$.links.next")))
    assert [(ask.method, ask.json) for ask in api.asked] == [("POST", {"granularity": "Daily"})] * 2


async def test_a_cursor_that_looks_like_a_template_is_no_template() -> None:
    """What an API says is never read as a template."""
    marks = iter(["{window.start}", None])
    api = PagedApi([], plan=lambda _number, _ask: Reply({"next": next(marks)}))
    await fetch(api, get("/x"), PagingSpec(Cursor(path="$.next", param="cursor")))
    assert api.asked[1].query == {"cursor": "{window.start}"}


@pytest.mark.parametrize("number", ["12345678901234567890123", "1e3", "1.10", "true"])
async def test_a_cursor_that_is_no_text_is_sent_as_it_is_written(number: str) -> None:
    """A number keeps its digits, however many they are."""
    replies = iter([f'{{"next": {number}}}', "{}"])
    api = PagedApi([], plan=lambda _number, _ask: Reply(raw=next(replies).encode()))
    await fetch(api, get("/x"), PagingSpec(Cursor(path="$.next", param="cursor")))
    assert api.asked[1].query == {"cursor": number}


async def test_a_cursor_that_is_an_object_cannot_stand_in_a_query() -> None:
    """It is an error that says where such a cursor can be sent."""
    api = PagedApi([], plan=lambda _number, _ask: Reply({"next": {"a": 1}}))
    error = await fail(api, get("/x"), PagingSpec(Cursor(path="$.next", param="cursor")))
    assert "is an object or a list, which only a JSON body can hold" in str(error)


async def test_more_without_a_cursor() -> None:
    """A flag that says that there is more, and no way to it, is no end."""
    api = PagedApi([], plan=lambda _number, _ask: Reply({"has_more": True}))
    error = await fail(api, get("/x"), PagingSpec(Cursor(path="$.next", param="cursor", more="$.has_more")))
    assert error.reason == "paging"
    assert str(error).startswith("page 1: source s: GET http://127.0.0.1:")
    assert str(error).endswith("/x: $.has_more says that there are more pages, and $.next holds no mark to go on from")


async def test_pages_of_a_csv_body() -> None:
    """The Link header needs nothing of the body, whatever it is."""
    head = {"Content-Type": "text/csv"}
    replies = iter(
        [Reply(raw=b"a\n1\n", headers={**head, "Link": "<?p=2>; rel=next"}), Reply(raw=b"a\n2\n", headers=head)]
    )
    api = PagedApi([], plan=lambda _number, _ask: next(replies))
    pages = await fetch(api, get("/x"), CASES["link"][1])
    assert [bytes(page.body) for page in pages] == [b"a\n1\n", b"a\n2\n"]


async def test_a_feed_that_runs_newest_first_ends_at_the_window() -> None:
    """No page is asked for after one that lies wholly before the window."""
    old = [{"id": f"o{number}", "time": WINDOW_START - number, "value": 0} for number in range(1, 30)]
    api = PagedApi(list(reversed(rows(4))) + old)
    until = TimesSpec(path="$.data[*].time")
    paging = PagingSpec(Cursor(path="$.next", param="cursor"), until=until, rows="$.data")
    pages = await fetch(api, get("/cursor"), paging)
    assert len(pages) == 3
    assert found(pages, "data")[:4] == list(reversed(rows(4)))


async def test_a_page_behind_the_last_may_be_a_status() -> None:
    """An API that says 404 for a page that is not there has come to its end, if the config says that this means so."""

    def plan(_number: int, ask: Ask) -> Reply | None:
        return Reply({"error": "no such page"}, 404) if int(ask.query["page"]) > 2 else None

    api = PagedApi(rows(6), plan=plan)
    request = replace(get("/page"), empty_status=(404,))
    pages = await fetch(api, request, PagingSpec(PageNumber(param="page"), rows="$.data"))
    assert [page.empty for page in pages] == [False, False, True]


async def test_a_full_page_of_one_instant_cannot_be_continued() -> None:
    """More rows of one timepoint than a page holds would be lost: that is an error, not the end."""
    api = PagedApi([{**row, "time": WINDOW_START} for row in rows(9)])
    paging = PagingSpec(ContinueAt(path="$.data[*].time"), rows="$.data", limit=3)
    error = await fail(api, SINCE, paging)
    assert "the page is full and has one timepoint alone" in str(error)


async def test_rows_of_one_instant_inside_the_window() -> None:
    """A page that comes again since all its rows are of the newest timepoint is the end, and no API that is stuck."""
    api = PagedApi([{**row, "time": WINDOW_START + 60} for row in rows(2)])
    assert once(found(await fetch(api, SINCE, PagingSpec(ContinueAt(path="$.data[*].time"))), "data")) == api.rows
    assert len(api.asked) == 2


@given(st.lists(st.integers(0, 3), max_size=15), st.integers(4, 9))
@settings(max_examples=30, deadline=None)
async def test_several_rows_of_one_instant(counts: list[int], size: int) -> None:
    """However many rows a timepoint has, if fewer than a page holds, each of them is read."""
    listed = [
        {"id": f"{second}-{pod}", "time": WINDOW_START + second, "value": 1}
        for second, count in enumerate(counts)
        for pod in range(count)
    ]
    api = PagedApi(listed, size)
    pages = await read_without_server(
        api, SINCE, PagingSpec(ContinueAt(path="$.data[*].time"), rows="$.data", limit=size)
    )
    assert once(found(pages, "data")) == listed


async def test_a_flag_that_is_left_out() -> None:
    """Where the flag is not there, as where false is not written, the mark alone decides."""
    replies = iter([Reply({"next": "b"}), Reply({})])
    api = PagedApi([], plan=lambda _number, _ask: next(replies))
    paging = PagingSpec(Cursor(path="$.next", param="cursor", more="$.has_more"))
    assert len(await fetch(api, get("/x"), paging)) == 2


async def test_times_in_another_format_and_zone() -> None:
    """The times of a page are read as the config says, local ones in their zone."""
    api = PagedApi(
        [],
        plan=lambda number, _ask: Reply({"t": ["01.01.2026 01:10"] if number == 1 else []}),
    )
    paging = PagingSpec(ContinueAt(path="$.t[*]", format="%d.%m.%Y %H:%M", timezone="Europe/Berlin"))
    await fetch(api, SINCE, paging)
    assert api.asked[1].query["since"] == str(WINDOW_START + 600)


async def test_a_path_through_what_the_fast_decoder_refuses() -> None:
    """A body with NaN, which the mapping still reads, does not end the paging."""
    replies = iter([b'{"v": NaN, "next": "b"}', b'{"v": 1}'])
    api = PagedApi([], plan=lambda _number, _ask: Reply(raw=next(replies)))
    assert len(await fetch(api, get("/x"), PagingSpec(Cursor(path="$.next", param="cursor")))) == 2


async def test_json_is_put_where_it_belongs() -> None:
    """Objects on the way to the place are made, and what stands beside it stays."""
    marks = iter(["b", None])
    api = PagedApi([], plan=lambda _number, _ask: Reply({"next": next(marks)}))
    paging = PagingSpec(Cursor(path="$.next", json="$.a.b['c d'].mark"))
    await fetch(api, post("/x", {"a": {"x": [1]}}), paging)
    assert api.asked[1].json == {"a": {"x": [1], "b": {"c d": {"mark": "b"}}}}


WINDOW_START = rows(1)[0]["time"]
