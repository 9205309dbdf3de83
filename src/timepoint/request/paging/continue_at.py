"""Paging by time: the newest timepoint of a page is where the next one begins.

Owns: that kind. Must not know: how its request is sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from timepoint.model import Window
from timepoint.request.paging.keys import key
from timepoint.request.paging.pager import Kind, Page, paging_error
from timepoint.request.paging.times import TimesSpec
from timepoint.request.prepare import PreparedRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueAt(TimesSpec, Kind):
    """Moves ``{window.start}`` to the newest timepoint of a page, until no page brings a newer one."""

    says: ClassVar[str] = (
        "An API that cuts long answers is asked again from the newest timepoint of the page on: it becomes the "
        "`{window.start}` of the next request. The last page is the one without a newer timepoint, or the one with "
        "fewer rows than `limit`."
    )

    may_repeat: ClassVar[bool] = True

    add: int = key(
        "duration",
        "How much later than the newest timepoint the next request begins. Default: `0s`, so that the newest timepoint "
        "comes twice and counts once.",
        "1ms",
        default=0,
    )

    @property
    def ends_short(self) -> bool:
        return True

    def following(self, page: Page) -> PreparedRequest | None:
        times = self.read(page.document)
        if not times and page.document.is_misread(self.path, is_first=page.number == 1):
            raise paging_error(f"{self.path} finds no time in a page with rows")
        if len(set(times)) > 1 and times == sorted(times, reverse=True):
            raise paging_error(
                "the page runs newest first, so what is cut off lies before it, where this does not look"
            )
        if not times or (start := max(times) + self.add) >= page.window.end:
            return None
        if start <= page.window.start:
            if page.limit and (page.rows or 0) >= page.limit:
                raise paging_error("the page is full and has one timepoint alone: the rest of it cannot be asked for")
            return None
        return page.prepare(Window(start, page.window.end))
