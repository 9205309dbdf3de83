"""Paging by the number of the page.

Owns: that kind. Must not know: how its request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepoint.request.paging.flag import Flagged
from timepoint.request.paging.keys import key
from timepoint.request.paging.nodes import whole_number
from timepoint.request.paging.pager import Kind, Page, paging_error
from timepoint.request.prepare import PreparedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNumber(Flagged, Kind):
    """Counts pages."""

    says: ClassVar[str] = (
        "The number of a page asks for it. The last page is the one that `pages` or `more` says, or the one that makes "
        "up the `total`, or the one without rows, or the one with fewer rows than `limit`."
    )
    by_position: ClassVar[bool] = True

    begin: int = key("count", "The number of the first page. Default: `1`.", 0, default=1)
    pages: str = key(
        "path",
        "The path to the number of pages. Default: pages are asked for until one has no rows.",
        "$.total_pages",
        default="",
    )

    @property
    def counts_rows(self) -> bool:
        return not self.pages

    @property
    def ends_short(self) -> bool:
        return not (self.pages or self.more)

    def first(self, asked: PreparedRequest) -> PreparedRequest:
        return self.send(asked, self.begin, is_own=True)

    def following(self, page: Page) -> PreparedRequest | None:
        if self.pages:
            pages = whole_number(page.document.node(self.pages))
            if pages is None:
                raise paging_error(f"{self.pages} (pages) is not the number of pages")
            is_last = page.number >= pages
        else:
            has_more = self.has_more(page)
            is_last = not page.rows if has_more is None else not has_more
        return None if is_last else self.send(page.asked, self.begin + page.number, is_own=True)
