"""The plan of a job in words: what a run asks for, what the next one would, what is given up.

Owns: these sentences. Must not know: how windows are found, what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from timepoint.cli.choosing import count_of
from timepoint.clock import format_duration, format_instant
from timepoint.model import Window

if TYPE_CHECKING:
    from timepoint.job import Job

_SHOWN = 10


def window_lines(windows: Sequence[Window]) -> Iterator[str]:
    """A line for each window; of many the oldest and the newest."""
    few = windows if len(windows) <= _SHOWN else windows[: _SHOWN - 1]
    yield from (f"  window {_range(window)}" for window in few)
    if len(few) < len(windows):
        left_out = len(windows) - len(few) - 1
        yield f"  ... and {count_of(left_out, 'window')} more"
        yield f"  window {_range(windows[-1])}"


def given_up_line(job: Job, windows: Sequence[Window], watermark: int | None) -> Iterator[str]:
    """What lies too far back to be asked for, if anything does."""
    if watermark is not None and windows and windows[0].start > watermark:
        lost = Window(watermark, windows[0].start)
        catch_up = format_duration(job.window.catch_up)
        yield f"  {_range(lost)} would never be asked for: catch_up reaches back {catch_up}"


def next_run_line(job: Job, fire_time: int, windows: Sequence[Window], watermark: int | None) -> str:
    """What the run after this one would ask for, if this one is accepted. ``watermark`` is the one before both."""
    from timepoint.poller.run_windows import windows_of_run
    from timepoint.poller.schedule import begin_of, next_fire

    begin = begin_of(job.schedule, job.name, fire_time)
    following = next_fire(job.schedule, job.name, begin)
    reached = max(windows[-1].end, watermark or windows[-1].end) if windows else watermark
    asked_from = windows[0].start if windows else None
    planned = windows_of_run(job, following, reached, asked_from)
    when = f"  the run at {format_instant(following)} would"
    if not planned:
        return f"{when} find nothing new to ask for"
    whole = Window(planned[0].start, planned[-1].end)
    count = f" in {len(planned)} windows" if len(planned) > 1 else ""
    if not job.window_is_asked:
        return f"{when} use what the answer holds of {_range(whole)}"
    return f"{when} ask for {_range(whole)}{count}"


def _range(window: Window) -> str:
    return f"{format_instant(window.start)}..{format_instant(window.end)}"
