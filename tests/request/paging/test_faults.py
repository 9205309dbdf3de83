"""APIs whose pages do not come to an end that can be believed, and what a user reads then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.request.paging.api import Ask, PagedApi, Reply, fail, fetch, found, rows, served
from tests.request.paging.kinds import CASES, SINCE, get
from tests.request.wire import FakeClock
from timepoint.errors import HeldBackError, SourceError, StatusError
from timepoint.request.paging.continue_at import ContinueAt
from timepoint.request.paging.cursor import Cursor
from timepoint.request.paging.last_id import LastId
from timepoint.request.paging.link import Link
from timepoint.request.paging.next_url import NextUrl
from timepoint.request.paging.offset import Offset
from timepoint.request.paging.one_page import OnePage
from timepoint.request.paging.page_number import PageNumber
from timepoint.request.paging.spec import PagingSpec
from timepoint.request.paging.times import TimesSpec
from timepoint.request.spec import RequestSpec, SecretSource, SourceSpec
from timepoint.secret import Secret

CURSOR = PagingSpec(Cursor(path="$.next", param="cursor"))
OFFSET = PagingSpec(Offset(param="offset"), rows="$.data")
SECRET = "canary-1f0c9e7b"


def saying(*replies: Reply) -> PagedApi:
    """An API that gives these answers in turn, the last one for ever."""
    return PagedApi([], plan=lambda number, _ask: replies[min(number, len(replies)) - 1])


def at(number: int, reply: Reply) -> Callable[[int, Ask], Reply | None]:
    """A plan that replaces one answer."""
    return lambda asked, _ask: reply if asked == number else None


async def test_a_page_that_fails_is_named() -> None:
    """The error says which page it was, and counts the attempts of all pages."""
    api = PagedApi(rows(30), plan=lambda number, _ask: Reply(status=500) if number >= 7 else None)
    error = await fail(api, *CASES["offset"][:2], source=SourceSpec("s", "", attempts=2))
    assert isinstance(error, StatusError)
    assert str(error).startswith("page 7: source s: GET http://127.0.0.1:")
    assert str(error).endswith("/offset?offset=18: status 500 Internal Server Error (attempt 2 of 2)")
    assert error.attempts == 8


async def test_u2_a_storm_of_429_in_the_middle() -> None:
    """Each page has the attempts of a request, keeps to Retry-After, and the pages go on where they were."""
    api = PagedApi(
        rows(9),
        plan=lambda number, _ask: Reply(status=429, headers={"Retry-After": "7"}) if number in (2, 3, 5) else None,
    )
    clock = FakeClock()
    pages = await fetch(api, *CASES["cursor"][:2], clock=clock)
    assert found(pages, "data") == api.rows
    assert [page.attempts for page in pages] == [1, 3, 2]
    assert clock.slept == [7, 7, 7]


async def test_a_cursor_that_was_spent_by_a_lost_answer() -> None:
    """An API that takes a cursor once, and lost its answer to it, cannot go on: the window fails and begins anew."""
    lost: list[str] = []

    def plan(number: int, ask: Ask) -> Reply | None:
        if number == 2:
            lost.append(ask.query["cursor"])
            api.marks.pop(ask.query["cursor"])
            return Reply(status=502)
        return None

    api = PagedApi(rows(9), plan=plan)
    error = await fail(api, *CASES["cursor"][:2])
    assert isinstance(error, StatusError)
    assert error.status == 400
    assert str(error).startswith("page 2: ")
    api.plan = lambda _number, _ask: None
    assert found(await fetch(api, *CASES["cursor"][:2]), "data") == api.rows


async def test_u11_a_cursor_that_expires() -> None:
    """410 for a cursor ends the window with an error; the next run needs no cursor, since it begins at its window."""
    api = PagedApi(rows(9), plan=at(3, Reply({"error": "the cursor has expired"}, 410)))
    error = await fail(api, *CASES["cursor"][:2])
    assert "status 410 Gone" in str(error)
    assert "the cursor has expired" in str(error)


async def test_u6_an_endless_next() -> None:
    """Pages that never end are an error at the page budget (A28)."""
    api = PagedApi([], plan=lambda number, _ask: Reply({"data": [], "next": f"c{number}"}))
    error = await fail(api, get("/x"), replace(CURSOR, max_pages=5))
    assert len(api.asked) == 5
    assert error.reason == "paging"
    assert str(error).endswith(
        "the window has more than 5 pages (max_pages): allow more, or ask for less at once (max_span of the window)"
    )


async def test_a_budget_that_is_just_enough() -> None:
    """As many pages as are allowed are no error."""
    assert len(await fetch(PagedApi(rows(15)), get("/cursor"), replace(CURSOR, max_pages=5))) == 5


async def test_pages_that_lead_in_a_circle() -> None:
    """A request that was made before is not made again, whatever its page says beside the cursor (A28)."""
    marks = ["a", "b", "a"]
    api = PagedApi([], plan=lambda number, _ask: Reply({"number": number, "next": marks[number - 1]}))
    error = await fail(api, get("/x"), CURSOR)
    assert len(api.asked) == 3
    assert str(error).startswith("page 3: ")
    assert str(error).endswith("the request would be that for page 2 again: the API leads in a circle")


async def test_a_cursor_that_does_not_move() -> None:
    """An API that does not know the parameter gives its first page, and its first cursor, again and again (A28)."""
    api = saying(Reply({"data": rows(2), "next": "c"}))
    error = await fail(api, get("/x"), CURSOR)
    assert len(api.asked) == 2
    assert "the page is the same as page 1, byte for byte: the API does not move on" in str(error)


async def test_u7_rows_that_were_there_before() -> None:
    """A page is the same if its rows are, though an id of the request beside them is new."""
    api = PagedApi([], plan=lambda number, _ask: Reply({"request": number, "data": rows(2)}))
    error = await fail(api, get("/x"), OFFSET)
    assert len(api.asked) == 2
    assert "the page is the same as page 1" in str(error)


async def test_empty_pages_may_be_alike() -> None:
    """Pages without rows say the same with every right, where a link leads on."""
    link = {"Link": "</y>; rel=next"}
    api = PagedApi(
        [],
        plan=lambda number, _ask: Reply([], headers={"Link": f"</{number}>; rel=next"} if number < 4 else {}),
    )
    assert len(await fetch(api, get("/x"), PagingSpec(Link()))) == 4
    api = saying(Reply([], headers=link))
    error = await fail(api, get("/x"), PagingSpec(Link()))
    assert "leads in a circle" in str(error)


async def test_rows_come_in_front_while_reading() -> None:
    """A row that comes in front moves all others back: one is read twice, none is lost."""

    def before(api: PagedApi, number: int) -> None:
        if number == 2:
            api.rows.insert(0, {"id": "new", "time": 0, "value": 0})

    api = PagedApi(rows(7), before=before)
    pages = await fetch(api, *CASES["offset with a total"][:2])
    assert {row["id"] for row in found(pages, "data")} >= {row["id"] for row in rows(7)}


async def test_rows_go_while_reading() -> None:
    """A row that goes moves all others forward, so that one is passed over: the total tells, and it is an error."""

    def before(api: PagedApi, number: int) -> None:
        if number == 2:
            del api.rows[0]

    error = await fail(PagedApi(rows(9), before=before), *CASES["offset with a total"][:2])
    assert str(error).endswith(
        "the total fell from 9 to 8 rows while the pages were read: rows may have been passed over"
    )


@pytest.mark.parametrize("name", ["offset with a total", "page with a total"])
async def test_fewer_rows_than_the_total(name: str) -> None:
    """An API that stops before its own total has cut the list."""
    request, paging, _ = CASES[name]
    empty = Reply({"data": [], "meta": {"total": 9}, "total": 9})
    error = await fail(PagedApi(rows(9), plan=at(3, empty)), request, paging)
    assert str(error).endswith("the API says that there are 9 rows, and gave 6")


async def test_a_cursor_that_ends_before_the_total() -> None:
    """A total is also held against an API that tells its last page itself."""
    api = saying(Reply({"data": rows(3), "count": 5}))
    error = await fail(api, get("/x"), replace(CURSOR, rows="$.data", total="$.count"))
    assert "says that there are 5 rows, and gave 3" in str(error)


@pytest.mark.parametrize(("count", "is_cut"), [(2, False), (3, True), (4, True)])
async def test_a_full_page_where_there_is_no_paging(count: int, *, is_cut: bool) -> None:
    """An answer with as many rows as the API gives at most was probably cut, and nothing of it is used (A28)."""
    paging = PagingSpec(OnePage(), rows="$.data", limit=3)
    api = saying(Reply({"data": rows(count)}))
    if not is_cut:
        assert len(await fetch(api, get("/x"), paging)) == 1
        return
    error = await fail(api, get("/x"), paging)
    assert str(error).startswith("source s: GET http://127.0.0.1:")
    assert str(error).endswith(
        f"the answer has {count} rows, as many as the API gives at most (3, limit), so it was probably cut: ask for "
        "less at once (max_span of the window), or say how its next page is found"
    )


async def test_one_page_with_a_total() -> None:
    """A total tells for certain whether the one page is all."""
    paging = PagingSpec(OnePage(), rows="$.data", limit=3, total="$.total")
    assert len(await fetch(saying(Reply({"data": rows(3), "total": 3})), get("/x"), paging)) == 1
    error = await fail(saying(Reply({"data": rows(3), "total": 4})), get("/x"), paging)
    assert "says that there are 4 rows, and gave 3" in str(error)


@pytest.mark.parametrize(
    "given",
    [
        "http://other.example/x",
        "https://127.0.0.1:{port}/x",
        "//other.example/x",
        "http://127.0.0.1:{port}/x",
        "ftp://a/x",
    ],
)
async def test_a_next_url_that_leads_elsewhere(given: str) -> None:
    """Another scheme, host or port is never asked, since the credentials would go there (A11)."""
    hits = PagedApi([])
    async with served(hits) as url:
        port = url.rpartition(":")[2]
        for api, paging in (
            (saying(Reply({"next": given.format(port=port)})), PagingSpec(NextUrl(path="$.next"))),
            (saying(Reply([], headers={"Link": f"<{given.format(port=port)}>; rel=next"})), PagingSpec(Link())),
        ):
            error = await fail(api, get("/x"), paging)
            assert error.reason == "paging"
            assert "only the scheme, host and port of the source are asked" in str(error)
            assert len(api.asked) == 1
    assert hits.asked == []


@pytest.mark.parametrize("given", ["http://[x/", "http://exa mple:x/", "http:// /", "\u0000", "http://a:99999999/"])
async def test_a_next_url_that_is_none(given: str) -> None:
    """A text that is no URL is an error and not a crash."""
    error = await fail(saying(Reply({"next": given})), get("/x"), PagingSpec(NextUrl(path="$.next")))
    assert error.reason == "paging"


@pytest.mark.parametrize("given", [7, {"a": 1}, ["/x"]])
async def test_a_next_url_that_is_no_text(given: object) -> None:
    """The path leads to something else than a URL."""
    error = await fail(saying(Reply({"next": given})), get("/x"), PagingSpec(NextUrl(path="$.next")))
    assert "$.next is no text that could be the URL of the next page" in str(error)


async def test_a_next_url_goes_with_the_credentials_of_the_source() -> None:
    """Each page is asked for as the first one is; userinfo that an API writes into its URL is not used."""
    source = SourceSpec("s", "", headers={"X-Key": SecretSource(text=Secret(SECRET))})

    def plan(number: int, ask: Ask) -> Reply:
        return Reply({"links": {"next": ask.url.replace("//", "//u:p@") + "?at=2"}} if number == 1 else {})

    api = PagedApi([], plan=plan)
    await fetch(api, *CASES["next_url"][:2], source=source)
    assert [ask.headers.get("X-Key") for ask in api.asked] == [SECRET, SECRET]
    assert "Authorization" not in api.asked[1].headers


@pytest.mark.parametrize("place", ["?key={}", "/pages/{}/2", "?{}"])
async def test_a_secret_in_a_next_url_is_not_shown(place: str) -> None:
    """What an API writes into the URL of the next page may be a credential, and so may what it says of it."""

    def plan(number: int, ask: Ask) -> Reply:
        if number == 1:
            return Reply({"next": place.format(SECRET)})
        return Reply({"error": f"bad {ask.url} {ask.query}"}, 403)

    error = await fail(PagedApi([], plan=plan), get("/pages/x"), PagingSpec(NextUrl(path="$.next")))
    assert "status 403" in str(error)
    assert SECRET not in str(error)
    assert "***" in str(error)


async def test_a_cursor_is_not_shown() -> None:
    """A cursor may hold what identifies a customer: an echo of it is masked."""

    def plan(number: int, ask: Ask) -> Reply:
        return Reply({"next": SECRET}) if number == 1 else Reply({"error": f"bad {ask.query}"}, 403)

    error = await fail(PagedApi([], plan=plan), get("/x"), CURSOR)
    assert SECRET not in str(error)
    assert "/x?cursor=***: status 403" in str(error)


async def test_the_bodies_are_bounded_together() -> None:
    """No page may be larger than what the pages before it have left of max_body."""
    api = PagedApi(rows(30), plan=lambda _number, ask: Reply({"data": ["x" * 400], "next": f"{ask.query}"}))
    error = await fail(api, get("/x"), CURSOR, SourceSpec("s", "", max_body=1000))
    assert error.reason == "too_large"
    assert str(error).startswith("page 3: ")
    assert str(error).endswith("; the 3 pages so far would have more than 1000 bytes together")


async def test_the_interval_of_a_source_lies_between_pages() -> None:
    """Every page waits for its turn, as every request does."""
    clock = FakeClock()
    await fetch(PagedApi(rows(9)), *CASES["cursor"][:2], source=SourceSpec("s", "", min_interval=20_000), clock=clock)
    assert sum(clock.slept) == pytest.approx(40)


async def test_the_deadline_holds_for_all_pages() -> None:
    """Pages that would come after the deadline of the run are not asked for."""
    api = PagedApi(rows(30))
    source = SourceSpec("s", "", min_interval=20_000)
    with pytest.raises(
        SourceError, match=r"^page 4: .*; the window needs more requests than there is time for"
    ) as caught:
        await fetch(api, *CASES["cursor"][:2], source=source, within=50)
    assert len(api.asked) == 3
    assert caught.value.attempts == 3
    assert not isinstance(
        caught.value, HeldBackError
    )  # a window that was begun and not ended is no run that was skipped


async def test_a_page_that_is_no_document() -> None:
    """A login page in the middle is told as it is for a single request, with its page."""
    html = Reply(raw=b"<html>log in</html>", headers={"Content-Type": "application/json"})
    error = await fail(PagedApi(rows(9), plan=at(2, html)), *CASES["cursor"][:2])
    assert error.reason == "not_a_document"
    assert str(error).startswith("page 2: http://127.0.0.1:")
    assert error.attempts == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"items": []}, "$.data (rows) is not in the answer"),
        ({"data": 5}, "$.data (rows) is neither a list nor an object"),
    ],
)
async def test_rows_that_are_not_there(body: object, message: str) -> None:
    """A misspelt path does not look like an empty page."""
    error = await fail(saying(Reply(body)), get("/x"), OFFSET)
    assert message in str(error)


async def test_a_page_number_needs_to_know_the_rows() -> None:
    """Where nothing says how many pages there are, a page whose rows nobody can count is not taken for the last."""
    error = await fail(PagedApi(rows(9)), get("/page"), PagingSpec(PageNumber(param="page")))
    assert "`rows` must say where in it the rows of a page are" in str(error)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/after", LastId(path="$.data[-1].key", param="starting_after")),
        ("/after", LastId(path="$.date[-1].id", param="starting_after")),
        ("/since", ContinueAt(path="$.data[*].when")),
        ("/since", ContinueAt(path="$.date[*].time")),
    ],
)
async def test_a_misspelt_path_is_not_the_last_page(path: str, kind: LastId | ContinueAt) -> None:
    """A page with rows in which nothing is found to go on from is an error, not the end."""
    request = SINCE if path == "/since" else get(path)
    error = await fail(PagedApi(rows(9)), request, PagingSpec(kind))
    assert "in a page with rows" in str(error)


async def test_a_feed_that_runs_newest_first_is_not_continued_at_its_newest_row() -> None:
    """What such an API cuts off is the oldest part, which the newest timepoint does not lead to."""
    api = PagedApi(list(reversed(rows(9))))
    error = await fail(api, SINCE, PagingSpec(ContinueAt(path="$.data[*].time")))
    assert "the page runs newest first" in str(error)


async def test_a_status_behind_the_last_page_does_not_excuse_a_gap() -> None:
    """204 before the total is reached has cut the list."""
    plan = at(2, Reply(status=204))
    error = await fail(PagedApi(rows(9), plan=plan), *CASES["page with a total"][:2])
    assert "says that there are 9 rows, and gave 3" in str(error)


async def test_no_rows_where_the_total_is_0() -> None:
    """An API may leave its list out where nothing is in it, and the number of its rows with it."""
    assert len(await fetch(saying(Reply({"total": 0})), get("/x"), replace(OFFSET, total="$.total"))) == 1
    assert len(await fetch(saying(Reply({"kind": "report"})), get("/x"), replace(OFFSET, total="$.total"))) == 1


async def test_an_answer_that_is_no_list_and_no_path_to_its_rows() -> None:
    """What must be counted must be found."""
    error = await fail(saying(Reply({"data": []})), get("/x"), replace(OFFSET, rows=""))
    assert "`rows` must say where in it the rows of a page are" in str(error)


@pytest.mark.parametrize(("total", "pages"), [("$.none", "$.pages"), ("", "$.none"), ("", "$.data")])
async def test_numbers_that_are_not_there(total: str, pages: str) -> None:
    """A path that finds no number does not look like the end."""
    paging = PagingSpec(PageNumber(param="page", pages=pages), rows="$.data", total=total)
    error = await fail(PagedApi(rows(4)), get("/page"), paging)
    assert "is not the number of" in str(error)


async def test_until_that_finds_no_time() -> None:
    """A misspelt path does not read the feed to its end."""
    paging = replace(CURSOR, until=TimesSpec(path="$.data[*].when"), rows="$.data")
    error = await fail(PagedApi(rows(9)), get("/cursor"), paging)
    assert "$.data[*].when (until) finds no time in a page with rows" in str(error)


async def test_until_that_finds_what_is_no_time() -> None:
    """The error says what was found."""
    paging = replace(CURSOR, until=TimesSpec(path="$.data[*].id"))
    error = await fail(PagedApi(rows(9)), get("/cursor"), paging)
    assert "$.data[*].id: 'r0' is not a time" in str(error)


async def test_json_that_is_put_where_no_object_is() -> None:
    """A place that leads through a number of the body is an error."""
    api = saying(Reply({"next": "b"}))
    request = RequestSpec(method="POST", path="/x", body={"a": 5})
    error = await fail(api, request, PagingSpec(Cursor(path="$.next", json="$.a.b")))
    assert "$.a.b (json) leads through something else than the objects of the JSON body" in str(error)
