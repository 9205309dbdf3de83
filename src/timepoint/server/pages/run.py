"""One run, stage by stage.

Owns: which stages are told, and what each of them came to. Must not know: HTTP, files.
"""

from __future__ import annotations

from dataclasses import dataclass

from timepoint.journal.told import RunTold
from timepoint.server.pages.library import Library
from timepoint.server.pages.render import render
from timepoint.server.pages.views import Site
from timepoint.server.status import JobStatus

_STAGES = (
    ("fetch", "Ask"),
    ("map", "Read"),
    ("decide", "Decide"),
    ("commit", "Commit"),
    ("publish", "Publish"),
)

COUNT_WORDS = {
    "new": "new: counted now",
    "late": "of them late: older than the watermark",
    "seen": "seen before, with the same value",
    "revised": "revised: seen before, with another value",
    "stale": "readings older than the newest",
    "unused": "unused: of another window, or not settled yet",
    "resets": "new starts of the source's own counters",
    "born": "series new to the page",
    "returned": "series that came back",
    "left": "series that left the page",
    "forgotten": "series forgotten, with their totals",
    "given_up": "milliseconds of data time passed over",
    "enqueued": "samples enqueued for receivers",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: its title, how long it took, and which part of the run that was, from where to where (0 to 1)."""

    key: str
    title: str
    seconds: float | None
    begin: float
    share: float


def run_page(site: Site, status: JobStatus, library: Library, began: int) -> str | None:
    """The page of the run that began then; None if it is not told, or no longer."""
    told = library.job(status.name)
    runs = told.runs if told is not None else []
    place = next((place for place, run in enumerate(runs) if run.began == began), None)
    if place is None:
        return None
    run = runs[place]
    return render(
        "run.html",
        site,
        job=status,
        run=run,
        stages=stages(run),
        counts=[(COUNT_WORDS.get(name, name), count) for name, count in _ordered(run.counts)],
        newer=runs[place - 1] if place else None,
        older=runs[place + 1] if place + 1 < len(runs) else None,
    )


def stages(run: RunTold) -> list[Stage]:
    """The stages in their order. They overlap where several answers are on their way, so a share may not be exact."""
    whole = max(run.duration, sum(run.stages.values()), 1e-9)
    begin = 0.0
    told = []
    for key, title in _STAGES:
        took = run.stages.get(key)
        share = (took or 0.0) / whole
        told.append(Stage(key, title, took, begin, share))
        begin += share
    return told


def _ordered(counts: dict[str, int]) -> list[tuple[str, int]]:
    order = list(COUNT_WORDS)
    return sorted(counts.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
