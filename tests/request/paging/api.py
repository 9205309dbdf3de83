"""An API that gives a list in pages and enforces how they are asked for, and a client of it.

The API is a pure function of its requests and of what it handed out before; ``served`` puts it behind a real server,
``exchange`` asks it without one, for tests that ask thousands of times.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from aiohttp import web

from tests.request.wire import FakeClock, lookup
from timepoint.errors import SourceError, StatusError
from timepoint.model import Window
from timepoint.request.answer import Answer
from timepoint.request.fetch import HttpFetcher
from timepoint.request.paging.reading import Reading
from timepoint.request.paging.spec import PagingSpec
from timepoint.request.prepare import PreparedRequest, prepare
from timepoint.request.spec import RequestSpec, SourceSpec
from timepoint.request.template import Moment

SECOND = 1000
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z
WINDOW = Window(START, START + 3_600_000)


def rows(count: int) -> list[dict[str, Any]]:
    """So many rows, one for each second of the window."""
    return [{"id": f"r{number}", "time": START // SECOND + number, "value": number} for number in range(count)]


@dataclass
class Ask:
    """One request as the API sees it."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: dict[str, str]
    url: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What the API says."""

    data: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    @property
    def body(self) -> bytes:
        return json.dumps(self.data).encode() if self.raw is None else self.raw


@dataclass
class PagedApi:
    """Rows in pages of ``size``. ``plan`` replaces the answer to a request, by its number from 1, where it gives one.

    ``before`` may change the rows before a request is answered.
    """

    rows: list[dict[str, Any]]
    size: int = 3
    plan: Callable[[int, Ask], Reply | None] = lambda _number, _ask: None
    before: Callable[[PagedApi, int], None] = lambda _api, _number: None
    asked: list[Ask] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def answer(self, ask: Ask) -> Reply:
        self.asked.append(ask)
        number = len(self.asked)
        self.before(self, number)
        planned = self.plan(number, ask)
        if planned is not None:
            return planned
        handle: Callable[[Ask], Reply] = getattr(self, f"_{ask.path.strip('/').replace('/', '_')}")
        return handle(ask)

    def _cut(self, begin: int) -> list[dict[str, Any]]:
        return self.rows[begin : begin + self.size]

    def _mark(self, begin: int) -> str | None:
        """A mark for what comes after a row; None behind the last one. It can be used once."""
        if begin >= len(self.rows):
            return None
        mark = f"m+/={next(self._numbers)}&"  # characters that a query must encode
        self.marks[mark] = begin
        return mark

    def _spend(self, mark: str) -> int | None:
        return self.marks.pop(mark, None)

    def _by_mark(self, mark: str | None) -> tuple[list[dict[str, Any]], str | None] | Reply:
        begin = 0 if mark is None else self._spend(mark)
        if begin is None:
            return Reply({"error": "the cursor is used or not known"}, 400)
        return self._cut(begin), self._mark(begin + self.size)

    def _cursor(self, ask: Ask) -> Reply:
        found = self._by_mark(ask.query.get("cursor"))
        if isinstance(found, Reply):
            return found
        return Reply({"data": found[0], "next": found[1], "has_more": found[1] is not None})

    def _graph(self, ask: Ask) -> Reply:
        """A POST whose JSON holds the cursor, with other data beside it."""
        if ask.method != "POST" or ask.json["query"] != "q":
            return Reply({"error": "not the query"}, 400)
        found = self._by_mark(ask.json["variables"].get("after"))
        if isinstance(found, Reply):
            return found
        info = {"endCursor": found[1] or "the end", "hasNextPage": found[1] is not None}
        return Reply({"data": {"items": found[0], "pageInfo": info}})

    def _composite(self, ask: Ask) -> Reply:
        """A cursor that is an object, sent back as it is."""
        after = ask.json.get("after_key")
        begin = 0 if after is None else after["position"] + 1
        cut = self._cut(begin)
        if not cut:
            return Reply({"buckets": []})
        return Reply({"buckets": cut, "after_key": {"position": begin + len(cut) - 1, "exact": 2**60 + 1}})

    def _token(self, ask: Ask) -> Reply:
        """A form that holds the cursor."""
        form = {name: values[0] for name, values in parse_qs(ask.body.decode()).items()}
        if form.get("action") != "list":
            return Reply({"error": "no action"}, 400)
        found = self._by_mark(form.get("token"))
        return found if isinstance(found, Reply) else Reply({"data": found[0], "token": found[1] or ""})

    def _next(self, ask: Ask) -> Reply:
        found = self._by_mark(ask.query.get("at"))
        if isinstance(found, Reply):
            return found
        url = None if found[1] is None else f"{ask.url}?{_query(at=found[1])}"
        return Reply({"data": found[0], "links": {"next": url}})

    def _relative(self, ask: Ask) -> Reply:
        found = self._by_mark(ask.query.get("at"))
        if isinstance(found, Reply):
            return found
        return Reply({"data": found[0], **({"next": f"?{_query(at=found[1])}"} if found[1] else {})})

    def _link(self, ask: Ask) -> Reply:
        found = self._by_mark(ask.query.get("at"))
        if isinstance(found, Reply):
            return found
        link = '<https://other.example/help>; rel="help"; title="a, b; rel=next"'
        if found[1] is not None:
            link += f", </link?{_query(at=found[1])}>; title*=UTF-8''x ; REL = \"prefetch Next\" ; hreflang=de"
        return Reply(found[0], headers={"Link": link})

    def _offset(self, ask: Ask) -> Reply:
        begin = int(ask.query["offset"])
        more = begin + self.size < len(self.rows)
        return Reply({"data": self._cut(begin), "meta": {"total": len(self.rows)}, "more": more})

    def _page(self, ask: Ask) -> Reply:
        number = int(ask.query["page"])
        if number < 1:
            return Reply({"error": "pages begin at 1"}, 400)
        pages = max(1, -(-len(self.rows) // self.size))
        begin = (number - 1) * self.size
        more = {"more": True} if begin + self.size < len(self.rows) else {}  # left out where it is false
        return Reply({"data": self._cut(begin), "pages": pages, "total": str(len(self.rows)), **more})

    def _page0(self, ask: Ask) -> Reply:
        return Reply(self._cut(int(ask.query["page"]) * self.size))

    def _after(self, ask: Ask) -> Reply:
        ids = [row["id"] for row in self.rows]
        after = ask.query.get("starting_after")
        if after is not None and after not in ids:
            return Reply({"error": "no such id"}, 400)
        cut = self._cut(0 if after is None else ids.index(after) + 1)
        return Reply({"data": cut, "has_more": bool(cut) and cut[-1] != self.rows[-1]})

    def _since(self, ask: Ask) -> Reply:
        since, until = int(ask.query["since"]), int(ask.query["until"])
        inside = [row for row in self.rows if since <= row["time"] < until]
        return Reply({"data": inside[: self.size]})


def _query(**pairs: str) -> str:
    return urlencode(pairs)


@asynccontextmanager
async def served(api: PagedApi) -> AsyncIterator[str]:
    """The URL of the API behind a server on loopback."""

    async def handle(request: web.Request) -> web.Response:
        url = str(request.url.with_query(None))
        ask = Ask(request.method, request.path, dict(request.query), await request.read(), dict(request.headers), url)
        reply = api.answer(ask)
        headers = {"Content-Type": "application/json", **reply.headers}
        return web.Response(status=reply.status, body=reply.body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def fetch(
    api: PagedApi,
    request: RequestSpec,
    paging: PagingSpec,
    source: SourceSpec | None = None,
    clock: FakeClock | None = None,
    within: float = 600,
) -> tuple[Answer, ...]:
    """What the fetcher gives for the window. The URL of ``source`` is filled in."""
    clock = clock or FakeClock()
    async with served(api) as url:
        source = replace(source or SourceSpec("s", ""), url=url)
        async with HttpFetcher(source, clock, chance=lambda: 1.0, sleep=clock.sleep, lookup=lookup) as fetcher:
            deadline = clock.monotonic() + within
            return await fetcher.fetch(replace(request, paging=paging), WINDOW, deadline, fire_time=WINDOW.end)


async def fail(
    api: PagedApi, request: RequestSpec, paging: PagingSpec, source: SourceSpec | None = None
) -> SourceError:
    """The error of a fetch that must fail."""
    try:
        pages = await fetch(api, request, paging, source)
    except SourceError as error:
        return error
    raise AssertionError(f"the fetch gave {pages!r}")


async def read_without_server(api: PagedApi, request: RequestSpec, paging: PagingSpec) -> tuple[Answer, ...]:
    """The pages as they are read when no socket is between."""
    source = SourceSpec("s", "http://api.example")

    async def exchange(asked: PreparedRequest) -> Answer:
        parts = urlsplit(str(asked.url))
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        reply = api.answer(
            Ask(asked.method, parts.path, query, asked.body or b"", {}, f"{parts.scheme}://{parts.netloc}{parts.path}")
        )
        if reply.status != 200:
            raise StatusError(reply.status, f"status {reply.status}")
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return Answer(200, "application/json", reply.body, asked.shown, headers=headers)

    def prepared(window: Window) -> PreparedRequest:
        return prepare(source, request, Moment(window, WINDOW.end))

    return await Reading("s", request, paging, WINDOW, prepared, source.max_body).read(exchange)


def found(pages: tuple[Answer, ...], *keys: str) -> list[Any]:
    """The rows of all pages in their order; ``keys`` lead to them in a page."""
    listed: list[Any] = []
    for page in pages:
        node = json.loads(page.body)
        for key in keys:
            node = node[key]
        listed.extend(node)
    return listed
