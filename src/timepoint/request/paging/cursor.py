"""Paging by a cursor: the answer holds a mark that is sent back to ask for what comes after it.

Owns: that kind. Must not know: how its request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepoint.request.paging.flag import Flagged
from timepoint.request.paging.keys import key
from timepoint.request.paging.nodes import is_absent
from timepoint.request.paging.pager import Kind, Page, paging_error
from timepoint.request.prepare import PreparedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor(Flagged, Kind):
    """Sends the mark of each page, until there is none or a flag says that nothing is left."""

    says: ClassVar[str] = (
        "The body holds a mark of where it ends, which is sent back to ask for what comes after it. The last page has "
        "none (or `null`, or an empty text), or says so by `more`."
    )

    path: str = key("path", "The path to the mark in the answer.", "$.next_page")

    @property
    def looks_at(self) -> str:
        return "" if self.more else self.path

    def following(self, page: Page) -> PreparedRequest | None:
        has_more = self.has_more(page)
        if has_more is False:
            return None
        mark = page.document.node(self.path)  # decides where the flag is left out
        if not is_absent(mark):
            return self.send(page.asked, mark)
        if has_more:
            raise paging_error(
                f"{self.more} says that there are more pages, and {self.path} holds no mark to go on from"
            )
        return None
