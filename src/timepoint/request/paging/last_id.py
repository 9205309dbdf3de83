"""Paging by the id of the last row.

Owns: that kind. Must not know: how its request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepoint.request.paging.cursor import Cursor
from timepoint.request.paging.keys import key
from timepoint.request.paging.pager import Page, paging_error
from timepoint.request.prepare import PreparedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class LastId(Cursor):
    """A cursor that every row has."""

    says: ClassVar[str] = (
        "The id of the last row of a page asks for the rows after it. The last page is the one without rows, or the "
        "one that says so by `more`, or the one with fewer rows than `limit`."
    )

    path: str = key("path", "The path to the id of the last row.", "$.data[-1].id")

    def following(self, page: Page) -> PreparedRequest | None:
        following = Cursor.following(self, page)
        if following is None and not self.more and page.document.is_misread(self.path, is_first=page.number == 1):
            raise paging_error(f"{self.path} finds no id in a page with rows")
        return following

    @property
    def ends_short(self) -> bool:
        return not self.more
