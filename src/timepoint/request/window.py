"""Which ranges of data time a run asks for.

Owns: the windows of a run, from its fire time and the watermark (architecture, "Time"). Pure. Must not know: clocks,
templates, requests, the ledger. All times are integer milliseconds.
"""

from __future__ import annotations

from timepoint.model import Window
from timepoint.request.spec import WindowSpec


def plan_windows(spec: WindowSpec, period: int, fire_time: int, watermark: int | None) -> list[Window]:
    """The windows of a run, oldest first, each touching the next; empty if no data time is new since the watermark.

    ``period`` is the time between two fire times. The whole reaches from the watermark less ``overlap`` to the fire
    time less ``delay``, all borders floored to ``step``. How far it may reach back is ``catch_up``, yet never less than
    an ordinary run needs: a ``catch_up`` shorter than the period would lose data in every run. A first run
    (``watermark`` None) asks for ``initial``, or for one ordinary run. No window is longer than ``max_span``, or than
    one step if that is longer.
    """
    step = spec.step
    end = _floor(fire_time - spec.delay, step)
    ordinary = _ceil(max(period, step), step)
    if watermark is None:
        start = end - (_ceil(spec.initial, step) or ordinary)
    elif end <= watermark:
        return []
    else:
        reach = max(_floor(spec.catch_up, step), ordinary + _ceil(spec.overlap, step))
        start = max(_floor(watermark - spec.overlap, step), end - reach)
    return _split(start, end, max(_floor(spec.max_span, step), step) if spec.max_span else 0)


def _floor(instant: int, step: int) -> int:
    return instant - instant % step if step else instant


def _ceil(length: int, step: int) -> int:
    return -_floor(-length, step)


def _split(start: int, end: int, span: int) -> list[Window]:
    if span == 0 or end - start <= span:
        return [Window(start, end)] if start < end else []
    return [Window(border, min(border + span, end)) for border in range(start, end, span)]
