"""Which ranges of data time a run asks for.

Owns: the windows of a run, from its fire time and the watermark (architecture, "Time"). Pure. Must not know: clocks,
templates, requests, the ledger. All times are integer milliseconds.
"""

from __future__ import annotations

from timepoint.mapping.stamps import Length, find_zone
from timepoint.model import Window
from timepoint.request.borders import CalendarGrid, EvenGrid, Grid
from timepoint.request.spec import WindowSpec


def plan_windows(
    spec: WindowSpec, period: int, fire_time: int, watermark: int | None, asked_from: int | None = None
) -> list[Window]:
    """The windows of a run, oldest first, each touching the next; empty if no data time is new since the watermark.

    ``period`` is the time between two fire times, ``asked_from`` the start of the earliest window ever asked for, None
    before the first attempt. The whole reaches from the watermark less ``overlap`` to the fire time less ``delay``, all
    borders floored to the grid; ``overlap`` never reaches behind ``asked_from``. A first run (``watermark`` and
    ``asked_from`` None) asks for ``initial``, or for one ordinary run; what it asked for stays due until it was
    answered.

    How far the whole may reach back is ``catch_up``, yet never less than an ordinary run needs: a ``catch_up`` shorter
    than the period would lose data in every run. Nor does it cut off what is left of ``initial``. No window is longer
    than ``max_span``, or than one step if that is longer.
    """
    grid = grid_of(spec)
    end = grid.floor(fire_time - spec.delay)
    ordinary = grid.floor(end - max(period, 1 if spec.step else 0))
    first = grid.floor(end - spec.initial) if spec.initial else ordinary
    oldest = min(grid.floor(end - spec.catch_up), grid.floor(ordinary - spec.overlap))
    if watermark is None:
        start = first if asked_from is None else min(first, max(grid.floor(asked_from), oldest))
    elif end <= watermark:
        return []
    else:
        if asked_from is not None and watermark < asked_from + spec.initial:
            oldest = min(oldest, first)
        start = max(grid.floor(watermark - spec.overlap), oldest)
        if asked_from is not None:  # there is nothing to read again before it
            start = max(start, grid.floor(min(asked_from, watermark)))
        if spec.asks_once:
            start = max(start, watermark)
    return _split(spec, grid, start, end)


def settled_part(spec: WindowSpec, window: Window, boundary: float, watermark: int | None) -> Window | None:
    """The part of a window whose data are final up to ``boundary``, floored to the grid; None if it is empty.

    What lies before the watermark was final once and is not taken back: there a value may still be revised.
    """
    if boundary >= window.end:
        return window
    end = grid_of(spec).floor(int(boundary)) if boundary > window.start else window.start
    if watermark is not None:
        end = min(window.end, max(end, watermark))
    return Window(window.start, end) if end > window.start else None


def overlap_behind(spec: WindowSpec, watermark: int) -> int:
    """How far behind a watermark the next run reads again: ``overlap``, widened to whole steps."""
    return watermark - grid_of(spec).floor(watermark - spec.overlap)


def grid_of(spec: WindowSpec) -> Grid:
    """The borders of a job's windows."""
    if isinstance(spec.step, Length):
        return CalendarGrid(spec.step, find_zone(spec.timezone), spec.align)
    return EvenGrid(spec.step, spec.align)


def _split(spec: WindowSpec, grid: Grid, start: int, end: int) -> list[Window]:
    windows = []
    while start < end:
        border = max(grid.floor(_reach(spec, start)), grid.after(start)) if spec.max_span else end
        windows.append(Window(start, min(border, end)))
        start = border
    return windows


def _reach(spec: WindowSpec, start: int) -> int:
    """How far a window may go that begins at ``start``."""
    if isinstance(spec.max_span, Length):
        return spec.max_span.add(start, find_zone(spec.timezone))
    return start + spec.max_span
