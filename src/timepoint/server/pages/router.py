"""Which path is which status page.

Owns: paths and queries of the pages, and that a page costs a scrape nothing: one is made at a time, in a thread, a few
may wait, and who comes then is told to come again. Must not know: what a page shows, how it is sent.

    /                       the jobs
    /jobs/J                 a job             /jobs/J/runs/BEGAN   one run, named by when it began (ms)
    /jobs/J/lanes           its lanes         ?q=WORDS&page=N
    /series                 all metrics       ?job=J&metric=M&q=WORDS&page=N   the series of one
    /series/one             one series        ?job=J&metric=M&series=TEXT
    /receivers, /config
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from timepoint.exposition.segment import PublishedJob
from timepoint.server.pages.config import config_page
from timepoint.server.pages.job import job_page, lanes_page
from timepoint.server.pages.library import Library
from timepoint.server.pages.overview import overview
from timepoint.server.pages.receivers import receivers_page
from timepoint.server.pages.run import run_page
from timepoint.server.pages.series import LONGEST_QUERY, Asked, index_page, one_page, series_page
from timepoint.server.pages.views import Site

WAITING = 8
"""Pages that may wait for their turn."""

_LAST_PAGE = 1_000_000
_INSTANT_DIGITS = 15


class BusyError(Exception):
    """Too many pages are asked for at once."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One request: its path in parts, its query, and what is served at this moment.

    ``status`` is the poller's, ``published`` by the name of the job.
    """

    parts: tuple[str, ...]
    query: Mapping[str, str]
    site: Site
    status: Mapping[str, Any]
    published: Mapping[str, PublishedJob]

    def given(self, name: str, most: int = LONGEST_QUERY) -> str:
        """A value of the query, cut."""
        return self.query.get(name, "")[:most]

    @property
    def page(self) -> int:
        """The number of a page, from 1; 1 for whatever is none."""
        text = self.query.get("page", "1")
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(_LAST_PAGE)) else 1
        return min(max(1, number), _LAST_PAGE)


def parts_of(raw_path: str) -> tuple[str, ...]:
    """The segments of a path, decoded one by one, so that an encoded slash makes no other path."""
    return tuple(unquote(part) for part in raw_path[1:].split("/")) if raw_path != "/" else ()


@dataclass(slots=True)
class StatusPages:
    """Makes pages, one after the other."""

    library: Library
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _waiting: int = 0

    async def page(self, asking: Asking) -> str | None:
        """The page that is asked for, as HTML; None if there is none. Raises BusyError."""
        make = self._maker(asking.parts)
        if make is None:
            return None
        if self._waiting >= WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(make, asking)
        finally:
            self._waiting -= 1

    def _maker(self, parts: tuple[str, ...]) -> Callable[[Asking], str | None] | None:
        match parts:
            case ("jobs", _):
                return self._job
            case ("jobs", _, "lanes"):
                return self._lanes
            case ("jobs", _, "runs", began) if began.isascii() and began.isdigit() and len(began) <= _INSTANT_DIGITS:
                return self._run
        alone: Mapping[tuple[str, ...], Callable[[Asking], str | None]] = {
            (): lambda asking: overview(asking.site),
            ("series",): self._series,
            ("series", "one"): self._one,
            ("receivers",): lambda asking: receivers_page(asking.site, asking.status),
            ("config",): lambda asking: config_page(asking.site, self.library),
        }
        return alone.get(parts)

    def _job(self, asking: Asking) -> str | None:
        status = asking.site.job(asking.parts[1])
        return job_page(asking.site, status, self.library) if status is not None else None

    def _lanes(self, asking: Asking) -> str | None:
        status = asking.site.job(asking.parts[1])
        if status is None:
            return None
        return lanes_page(asking.site, status, self.library, asking.given("q"), asking.page)

    def _run(self, asking: Asking) -> str | None:
        status = asking.site.job(asking.parts[1])
        return run_page(asking.site, status, self.library, int(asking.parts[3])) if status is not None else None

    def _series(self, asking: Asking) -> str | None:
        if "job" not in asking.query:
            return index_page(asking.site, self.library)
        status = asking.site.job(asking.query["job"])
        if status is None:
            return None
        asked = Asked(asking.query.get("metric", ""), asking.given("q"), asking.page)
        return series_page(asking.site, status, asking.published.get(status.name), self.library, asked)

    def _one(self, asking: Asking) -> str | None:
        status = asking.site.job(asking.query.get("job", ""))
        if status is None:
            return None
        asked = Asked(asking.query.get("metric", ""), asking.query.get("series", ""))
        return one_page(asking.site, status, asking.published.get(status.name), self.library, asked)
