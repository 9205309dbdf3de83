"""What of an answer may be used, where the API says itself up to when its data are final.

Owns: how the boundary in an answer (``window.settled_until``), the ``delay`` of the job and the watermark come
together. Pure. Must not know: how the boundary is found, what becomes of points.

A boundary cuts the window off. The watermark moves to the cut and no further, so the next run asks for the rest. Where
nothing of a window is final, no run took place as far as counting goes: the state stays, and values that nothing new
follows leave at their ``max_age``.
"""

from __future__ import annotations

from math import inf, isfinite

from timepoint.clock import format_instant
from timepoint.job import Job
from timepoint.model import MappedRun, Window
from timepoint.request.window import settled_part


def settled_window(job: Job, window: Window, boundary: float | None, watermark: int | None) -> Window | None:
    """The part of a window that may be used; None if there is none. ``boundary`` is the answer's, if it was asked.

    Gauges of a request that does not name its window show the newest value that is final, wherever it lies; alone they
    need no window that holds it.
    """
    if boundary is None:
        return window
    part = settled_part(job.window, window, boundary, watermark)
    if part is not None or job.window_is_asked or not isfinite(boundary):
        return part
    if any(spec.temporality for spec in job.metrics.values()):
        return None
    return Window(int(boundary), int(boundary))


def settled_instant(job: Job, now: int, boundary: float | None, watermark: int | None) -> float:
    """Up to when data are final, by the ``delay`` and by the answer. What was final once is not taken back.

    ``now`` and not the fire time: a run begins after it, and the newest value of an API is often newer, too.
    """
    settled = now - job.window.delay
    if boundary is None:
        return settled
    return min(settled, max(boundary, -inf if watermark is None else watermark))


def unsettled_text(mapped: MappedRun, window: Window) -> str:
    """What is said of a run whose answer holds nothing final."""
    boundary = mapped.settled_until
    assert boundary is not None, "BUG: nothing says that the window is not final"
    until = f"only until {format_instant(int(boundary))}" if isfinite(boundary) else "nothing of it"
    return (
        f"the answer says that its data are final {until} (window.settled_until), and the window begins at "
        f"{format_instant(window.start)}: it is asked for again"
    )


def without_points(mapped: MappedRun) -> MappedRun:
    """An answer of which nothing may be used."""
    return MappedRun({name: {} for name in mapped.series}, is_declared_empty=True, settled_until=mapped.settled_until)
