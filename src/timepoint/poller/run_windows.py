"""Which windows a run of a job asks for.

Owns: how a job's window, its schedule and what its request says of windows come together. Must not know: the ledger,
clocks, requests that go out. Pure.
"""

from __future__ import annotations

from math import inf

from timepoint.job import Job
from timepoint.model import Window
from timepoint.poller import schedule
from timepoint.request.window import plan_windows


def windows_of_run(job: Job, fire_time: int, watermark: int | None, asked_from: int | None = None) -> list[Window]:
    """The windows of the run at a fire time, oldest first; empty if there is nothing new to ask for.

    ``watermark`` and ``asked_from`` say how far the lane has come, as in its state. If the request does not name its
    window, one answer serves all of it, and there is always something to ask.
    """
    period = schedule.period(job.schedule, fire_time)
    windows = plan_windows(job.window, period, fire_time, watermark, asked_from)
    if job.window_is_asked:
        return windows
    windows = windows or plan_windows(job.window, period, fire_time, None)
    return [Window(windows[0].start, windows[-1].end)] if windows else []


def earliest_asked(job: Job, now: int) -> float:
    """From when on a lane that was never answered may be asked for in any run from ``now`` on, in ms."""
    fire_time = now - schedule.period(job.schedule, now)  # a run may begin late
    windows = windows_of_run(job, fire_time, None, 0)
    return windows[0].start if windows else -inf
