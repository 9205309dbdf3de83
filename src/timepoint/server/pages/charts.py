"""Timepoints as lines: where everything of a chart stands.

Owns: scales, ticks, and the paths of lines and bars, as numbers for an SVG. Pure. Must not know: templates, colours,
where timepoints come from. Instants in milliseconds, places in pixels of the view box.

A gauge is a line from timepoint to timepoint, with a gap where one is missing for longer than usual. What counts
intervals is a bar for each interval, as wide as it lasts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median

from timepoint.clock import DAY, HOUR, MINUTE, SECOND

_STEPS = (
    *(SECOND * many for many in (1, 5, 15, 30)),
    *(MINUTE * many for many in (1, 5, 15, 30)),
    *(HOUR * many for many in (1, 3, 6, 12)),
    *(DAY * many for many in (1, 2, 7, 14, 30, 91, 182, 365)),
)
_GAP = 2.5  # times the usual distance of two timepoints: what is longer is a gap and not a line
_LARGEST = 1e300  # what is larger has no place: the room above it would have no number
_NICE = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Points:
    """The timepoints of one series, ascending by their ends. An instant has start = end."""

    starts: Sequence[int]
    ends: Sequence[int]
    values: Sequence[float]

    def finite(self) -> Points:
        """Those that have a place on a chart."""
        kept = [i for i, number in enumerate(self.values) if abs(number) <= _LARGEST]
        return Points([self.starts[i] for i in kept], [self.ends[i] for i in kept], [self.values[i] for i in kept])


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its place and its words."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """The box of a chart and the part of it in which data are drawn."""

    width: float
    height: float
    left: float = 0.0
    right: float = 0.0
    top: float = 2.0
    bottom: float = 2.0


SPARK = Frame(160, 32)
WIDE = Frame(880, 260, left=64, right=16, top=14, bottom=30)


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn. ``line`` and ``bars`` are SVG paths; ``dots`` are places of single timepoints."""

    frame: Frame
    line: str
    bars: str
    dots: Sequence[tuple[float, float]]
    horizontal: Sequence[Tick]
    vertical: Sequence[Tick]
    base: float


def chart(points: Points, frame: Frame, *, bars: bool) -> Chart | None:
    """The chart of some timepoints; None if none has a place."""
    points = points.finite()
    if not points.values:
        return None
    first, last = min(points.starts), points.ends[-1]
    if first == last:
        first, last = first - MINUTE, last + MINUTE
    low, high = min(points.values), max(points.values)
    if bars:
        low, high = min(0.0, low), max(0.0, high)
    marks = nice(low, high)
    low, high = min(low, marks[0]), max(high, marks[-1])
    inner_width = frame.width - frame.left - frame.right
    inner_height = frame.height - frame.top - frame.bottom

    def across(at: float) -> float:
        return round(frame.left + (at - first) / (last - first) * inner_width, 1)

    def down(number: float) -> float:
        return round(frame.top + (high - number) / (high - low) * inner_height, 1)

    has_length = any(start < end for start, end in zip(points.starts, points.ends, strict=True))
    is_bars = bars and has_length
    places = [(across(end), down(number)) for end, number in zip(points.ends, points.values, strict=True)]
    return Chart(
        frame=frame,
        line="" if is_bars else _line(points, places),
        bars=_bars(points, across, down) if is_bars else "",
        dots=[] if is_bars else _alone(points, places),
        horizontal=[Tick(across(at), text) for at, text in instants(first, last, inner_width)],
        vertical=[Tick(down(number), _number(number, marks)) for number in marks],
        base=down(max(low, min(0.0, high))),
    )


def nice(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``."""
    if low == high:
        room = abs(low) / 2 or 1.0
        low, high = low - room, high + room
    raw = (high - low) / most
    if not math.isfinite(raw) or raw < 5e-324:  # noqa: PLR2004 - the whole range of float64, or its smallest numbers
        return [low, high]
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next((unit * many for many in _NICE if unit * many >= raw), unit * 10)
    if not step:
        return [low, high]
    begin, end = math.floor(low / step), math.ceil(high / step)
    return [number * step for number in range(begin, end + 1)]


def instants(first: int, last: int, width: float) -> list[tuple[int, str]]:
    """Round instants of UTC between two, as many as there is room for, and how each is written."""
    room = max(2, int(width // 90))
    step = next((length for length in _STEPS if (last - first) / length <= room), (last - first) // room or 1)
    begin = -(-first // step) * step
    found = []
    day = ""
    for at in range(begin, last + 1, step):
        moment = datetime.fromtimestamp(at / 1000, UTC)
        date = moment.strftime("%b %d")
        time = moment.strftime("%H:%M:%S" if step < MINUTE else "%H:%M")
        found.append((at, date if step >= DAY else time if date == day else f"{date} {time}"))
        day = date
    return found


def _number(number: float, marks: Sequence[float]) -> str:
    step = abs(marks[1] - marks[0]) if len(marks) > 1 else 1.0
    largest = max(map(abs, marks))
    if largest >= 1e6 or (largest and largest < 1e-3):  # noqa: PLR2004 - what is longer than six digits is told shorter
        return f"{number:.3g}"
    digits = max(0, -math.floor(math.log10(step))) + (1 if f"{step:e}"[:3] == "2.5" else 0) if step else 0
    return f"{number + 0.0:.{min(digits, 9)}f}"


def _usual(points: Points) -> float:
    gaps = [after - before for before, after in pairwise(points.ends)]
    return median(gaps) * _GAP if gaps else 0.0


def _pieces(points: Points, places: Sequence[tuple[float, float]]) -> Iterator[list[tuple[float, float]]]:
    """The places in pieces without a gap."""
    usual = _usual(points)
    piece: list[tuple[float, float]] = []
    before = points.ends[0]
    for end, place in zip(points.ends, places, strict=True):
        if piece and end - before > usual:
            yield piece
            piece = []
        piece.append(place)
        before = end
    yield piece


def _line(points: Points, places: Sequence[tuple[float, float]]) -> str:
    return " ".join(
        "M" + " L".join(f"{x:g} {y:g}" for x, y in piece) for piece in _pieces(points, places) if len(piece) > 1
    )


def _alone(points: Points, places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [piece[0] for piece in _pieces(points, places) if len(piece) == 1]


def _bars(points: Points, across: Callable[[float], float], down: Callable[[float], float]) -> str:
    """A rectangle for each interval, less a hair on its left so that neighbours can be told apart."""
    zero = down(0.0)
    drawn = []
    for start, end, number in zip(points.starts, points.ends, points.values, strict=True):
        left, right = across(start), across(end)
        hair = min(1.0, (right - left) / 4)
        drawn.append(f"M{left + hair:g} {zero:g}V{down(number):g}H{right:g}V{zero:g}Z")
    return "".join(drawn)
