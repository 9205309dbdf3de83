"""One job: how it stands, its runs, metrics and lanes, and what the config says of it.

Owns: what these pages show. Must not know: HTTP, files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from timepoint.journal.told import JobTold, LaneTold, RunTold
from timepoint.server.pages.library import Library
from timepoint.server.pages.render import render
from timepoint.server.pages.views import Site
from timepoint.server.status import JobStatus, state_of

LANES = 50
"""Lanes on one page."""

_FIRST_LANES = 10
_STRIP = (640, 64)  # pixels of the picture of the runs


@dataclass(frozen=True, slots=True)
class Bar:
    """A run in the picture of the runs: where it stands, how high it is, its colour and its words."""

    x: float
    width: float
    y: float
    height: float
    state: str
    run: RunTold


def job_page(site: Site, status: JobStatus, library: Library) -> str:
    """The page of a configured job."""
    told = library.job(status.name)
    runs = told.runs if told is not None else []
    return render(
        "job.html",
        site,
        job=status,
        told=told,
        fresh=status.fresh(site.now),
        bars=bars(runs),
        strip=_STRIP,
        lanes=told.lanes[:_FIRST_LANES] if told is not None else [],
    )


def lanes_page(site: Site, status: JobStatus, library: Library, query: str, page: int) -> str:
    """The lanes of a job that hold the words of a query."""
    told = library.job(status.name)
    found = _matching(told, query)
    first = (page - 1) * LANES
    return render(
        "lanes.html",
        site,
        job=status,
        told=told,
        query=query,
        lanes=found[first : first + LANES],
        total=len(found),
        first=first,
        page=page,
        pages=-(-len(found) // LANES),
    )


def _matching(told: JobTold | None, query: str) -> list[LaneTold]:
    words = query.lower().split()
    lanes: Sequence[LaneTold] = told.lanes if told is not None else ()
    return [lane for lane in lanes if all(word in lane.name.lower() for word in words)]


def bars(runs: Sequence[RunTold]) -> list[Bar]:
    """The runs as bars, the oldest on the left; as high as they took long, and never too low to be seen."""
    if not runs:
        return []
    width, height = _STRIP
    longest = max(run.duration for run in runs) or 1.0
    each = width / max(len(runs), 20)
    drawn = []
    for place, run in enumerate(reversed(runs)):
        tall = max(4.0, run.duration / longest * height)
        state = state_of(run.outcome, failed=run.failed)
        drawn.append(
            Bar(round(place * each + 1, 1), round(each - 2, 1), round(height - tall, 1), round(tall, 1), state, run)
        )
    return drawn
