"""What a job's paging says, whatever its kind.

Owns: that value object. Must not know: YAML, how pages are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timepoint.request.paging.pager import Pager
    from timepoint.request.paging.times import TimesSpec

MAX_PAGES = 100


@dataclass(frozen=True, slots=True)
class PagingSpec:
    """How the pages of a window are read.

    ``kind`` leads from one page to the next. ``rows`` and ``total`` are paths into a page: to the list (or object)
    that holds its rows, and to the number of rows on all pages; "" if there are none. ``limit`` is how many rows a full
    page has, 0 if that is not said. ``until`` finds the times of a page of a feed that runs newest first. ``max_pages``
    bounds the pages of one window.
    """

    kind: Pager
    rows: str = ""
    limit: int = 0
    total: str = ""
    until: TimesSpec | None = None
    max_pages: int = MAX_PAGES
