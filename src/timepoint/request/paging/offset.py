"""Paging by an offset: how many rows to pass over.

Owns: that kind. Must not know: how its request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepoint.request.paging.flag import Flagged
from timepoint.request.paging.pager import Kind, Page, paging_error
from timepoint.request.prepare import PreparedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset(Flagged, Kind):
    """Counts the rows that came: an API that gives fewer than it was asked for loses none."""

    says: ClassVar[str] = (
        "The number of rows that came so far asks for the rows after them, from `0`. The last page is the one that "
        "makes up the `total`, or the one that says so by `more`, or the one without rows, or the one with fewer rows "
        "than `limit`."
    )
    by_position: ClassVar[bool] = True

    @property
    def counts_rows(self) -> bool:
        return True

    @property
    def ends_short(self) -> bool:
        return not self.more

    def first(self, asked: PreparedRequest) -> PreparedRequest:
        return self.send(asked, 0, is_own=True)

    def following(self, page: Page) -> PreparedRequest | None:
        has_more = self.has_more(page)
        if has_more and not page.rows:
            raise paging_error(f"{self.more} says that there are more pages, and this one has no rows to count")
        if has_more is False or not page.rows:
            return None
        return self.send(page.asked, page.rows_before + page.rows, is_own=True)
