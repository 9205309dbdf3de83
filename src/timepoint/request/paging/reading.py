"""The pages of one window, one after the other, and the checks that hold for all kinds of paging.

Owns: when there is another page, and when the pages cannot be believed. Must not know: sockets, retries, any kind.

What ends in an error, so that nothing of the window is used and the next run asks for all of it again:

    a page that was there before, or a request that was made before: the API does not move on
    more than ``max_pages``, or more than ``max_body`` in sum
    fewer rows than the ``total``, or a total that falls while rows are found by their position
    a full page where there is no paging
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import msgspec

from timepoint.errors import ContentError, HeldBackError, SourceError
from timepoint.mapping.nodes import NOTHING
from timepoint.mapping.weight import DEFAULT_MEMORY
from timepoint.model import Window
from timepoint.request.answer import Answer
from timepoint.request.paging.nodes import whole_number
from timepoint.request.paging.pager import Page, paging_error
from timepoint.request.paging.signs import misspelt
from timepoint.request.paging.spec import PagingSpec
from timepoint.request.paging.times import TimesSpec
from timepoint.request.prepare import PreparedRequest
from timepoint.request.spec import RequestSpec

_TOO_MANY = "the window needs more requests than there is time for: ask for less at once (max_span of the window)"

Exchange = Callable[[PreparedRequest], Awaitable[Answer]]


@dataclass
class Reading:
    """The pages of one window so far.

    ``name`` is the source's, ``prepare`` gives the job's request for a window, ``most`` bounds the sum of the bodies in
    bytes, ``memory`` what a page may take decoded.
    """

    name: str
    request: RequestSpec
    spec: PagingSpec
    window: Window
    prepare: Callable[[Window], PreparedRequest]
    most: int
    memory: int = DEFAULT_MEMORY
    pages: list[Answer] = field(default_factory=list)
    _size: int = 0
    _rows: int = 0
    _total: int | None = None
    _asked: dict[bytes, int] = field(default_factory=dict)
    _bodies: dict[bytes, int] = field(default_factory=dict)

    async def read(self, exchange: Exchange) -> tuple[Answer, ...]:
        """All pages. Raises SourceError, which names the page."""
        asked = self.spec.kind.first(self.prepare(self.window))
        self._count(asked)
        while True:
            answer = await self._ask(exchange, asked)
            try:
                # in a thread, since decoding a large page would hold up the loop
                following = await asyncio.to_thread(self._follow, asked, answer)
            except SourceError as error:
                raise self._doubtful(error, answer, asked) from None
            if following is None:
                return tuple(self.pages)
            asked = following

    async def _ask(self, exchange: Exchange, asked: PreparedRequest) -> Answer:
        try:
            answer = await exchange(replace(asked, most=self.most - self._size))
        except SourceError as error:
            raise self._unread(error) from error.__cause__
        self.pages.append(answer)
        self._size += len(answer.body)
        return answer

    def _unread(self, error: SourceError) -> SourceError:
        """The error of a page that did not come."""
        number = len(self.pages) + 1
        if number > 1:
            text = f"page {number}: {error}"
            if error.reason == "too_large":
                text += f"; the {number} pages so far would have more than {self.most} bytes together"
            if isinstance(error, HeldBackError):  # what was begun and not ended is a failure, and no run was skipped
                attempts = error.attempts
                error = SourceError(error.reason, f"{text}; {_TOO_MANY}")
                error.attempts = attempts
            else:
                error.args = (text,)
        error.attempts += sum(page.attempts for page in self.pages)
        return error

    def _doubtful(self, error: SourceError, answer: Answer, asked: PreparedRequest) -> SourceError:
        """The error of a page that came, and cannot be believed."""
        text = answer.mask(str(error))
        if not isinstance(error, ContentError):
            text = f"source {self.name}: {asked.method} {asked.shown}: {text}"
        told = type(error)(error.reason, f"page {len(self.pages)}: {text}" if self.spec.kind.is_paging else text)
        told.attempts = sum(page.attempts for page in self.pages)
        return told

    def _count(self, asked: PreparedRequest) -> None:
        """Notes a request. Raises SourceError if it was made before, or if it is one too many."""
        number = len(self.pages) + 1
        before = self._asked.setdefault(_identity(asked), number)
        if before != number:
            raise paging_error(f"the request would be that for page {before} again: the API leads in a circle")
        if number > self.spec.max_pages:
            raise paging_error(
                f"the window has more than {self.spec.max_pages} pages (max_pages): allow more, or ask for less at "
                "once (max_span of the window)"
            )

    def _follow(self, asked: PreparedRequest, answer: Answer) -> PreparedRequest | None:
        """What one page leads to, after it was checked."""
        if answer.empty:  # a status that says "nothing there", as some APIs do behind their last page
            self._check_end(0)
            return None
        spec, kind = self.spec, self.spec.kind
        page = Page(
            number=len(self.pages),
            answer=answer,
            asked=asked,
            window=self.window,
            request=self.request,
            rows_path=spec.rows,
            limit=spec.limit,
            rows_before=self._rows,
            prepare=self._move,
            memory=self.memory,
        )
        self._read_total(page)
        rows = self._read_rows(page)
        self._refuse_repeated(page)
        if rows == 0 and page.number > 1:
            self.pages[-1] = replace(answer, is_beyond=True)
        if spec.until is not None and self._is_before(spec.until, page):
            return None
        is_last = kind.by_position and self._total is not None and self._rows >= self._total
        is_last |= kind.ends_short and self._total is None and rows is not None and rows < spec.limit
        following = None if is_last else kind.following(page)
        if following is None:
            self._check_end(rows)
            self._doubt(page)
        else:
            self._count(following)
        return following

    def _doubt(self, page: Page) -> None:
        """Notes that a page is probably not the only one: a path that is misspelt looks like the last page."""
        path = self.spec.kind.looks_at
        if path and page.number == 1 and self._total is None and (text := misspelt(page.document, path)):
            self.pages[-1] = replace(self.pages[-1], doubt=text)

    def _move(self, window: Window) -> PreparedRequest:
        self.window = window
        return self.prepare(window)

    def _read_total(self, page: Page) -> None:
        if not self.spec.total:
            return
        node = page.document.node(self.spec.total)
        if node is NOTHING and self._total is not None:
            return  # some say it once
        total = whole_number(node)
        if node is NOTHING and page.rows_path and page.document.node(page.rows_path) is NOTHING:
            total = 0  # neither rows nor their number: so protobuf's JSON, which leaves out what is 0 or empty
        if total is None:
            raise paging_error(f"{self.spec.total} (total) is not the number of rows")
        if self.spec.kind.by_position and self._total is not None and total < self._total:
            raise paging_error(
                f"the total fell from {self._total} to {total} rows while the pages were read: rows may have been "
                "passed over"
            )
        self._total = total

    def _read_rows(self, page: Page) -> int | None:
        """How many rows a page has, None if nobody has to know."""
        spec = self.spec
        if not (spec.rows or spec.limit or spec.total or spec.kind.counts_rows):
            return None
        try:
            rows = page.rows
        except SourceError:
            if self._total != 0:
                raise
            rows = 0  # no list at all, where there is nothing
        if rows is None:
            raise paging_error("the answer is no list, so `rows` must say where in it the rows of a page are")
        self._rows += rows
        return rows

    def _refuse_repeated(self, page: Page) -> None:
        """Raises SourceError for a page with rows that was there before, byte for byte."""
        if self.spec.kind.may_repeat:
            return
        before = self._bodies.setdefault(_digest(page), page.number)
        if before != page.number and page.rows != 0:
            raise paging_error(
                f"the page is the same as page {before}, byte for byte: the API does not move on. Does it know what it "
                "was sent to ask for the page?"
            )

    def _is_before(self, until: TimesSpec, page: Page) -> bool:
        """Whether a page of a feed that runs newest first lies wholly before the window."""
        times = until.read(page.document)
        if not times and page.document.is_misread(until.path, is_first=page.number == 1):
            raise paging_error(f"{until.path} (until) finds no time in a page with rows")
        return bool(times) and max(times) < self.window.start

    def _check_end(self, rows: int | None) -> None:
        """Raises SourceError if what has come cannot be all."""
        spec = self.spec
        if self._total is not None and self._rows < self._total:
            raise paging_error(f"the API says that there are {self._total} rows, and gave {self._rows}")
        if not spec.kind.is_paging and spec.limit and rows is not None and rows >= spec.limit and self._total is None:
            raise paging_error(
                f"the answer has {rows} rows, as many as the API gives at most ({spec.limit}, limit), so it was "
                "probably cut: ask for less at once (max_span of the window), or say how its next page is found"
            )


def _identity(asked: PreparedRequest) -> bytes:
    return hashlib.blake2b(b"\0".join((str(asked.url).encode(), asked.body or b"")), digest_size=16).digest()


def _digest(page: Page) -> bytes:
    """What tells two pages apart: their rows, since what is beside them (a time, a request id) may change; or all."""
    node = page.document.node(page.rows_path) if page.rows_path else None
    return hashlib.blake2b(node if isinstance(node, msgspec.Raw) else page.answer.body, digest_size=16).digest()
