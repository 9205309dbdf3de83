"""When a job fires.

Owns: fire times (a grid or cron in a zone), the stable jitter of a job, which fire time is due and which were missed.
Must not know: the clock (moments are arguments), tasks, requests, the ledger. Pure.

Two instants belong to a fire: the **fire time** stands on the grid (or is what cron says) and is what windows, and
points without a time of their own, are computed from; the run **begins** at the fire time plus the job's jitter. So
jitter spreads the load of many jobs and never shows in data: two jobs with the same schedule ask for the same window.
"After" and "at" in this module compare moments of beginning, which is what a clock is compared with.

Cron follows Debian's rules for daylight saving (cronsim): a job at a fixed hour runs once when that hour occurs twice
and once, right after the gap, when it does not occur; wildcard minutes or hours just follow real time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from zoneinfo import ZoneInfo

from cronsim import CronSim

from timepoint.clock import BELIEVED_AHEAD, DAY, HOUR, MINUTE
from timepoint.job import ScheduleSpec

# Looking back for the last fire of a cron expression gives up here, as cronsim does when it looks forward.
# A 29 February that is a Sunday may be 40 years away.
_FARTHEST = 50 * 366 * DAY


@dataclass(frozen=True, slots=True)
class Due:
    """What a schedule wants at one moment.

    ``fire_time`` is to run now, None if nothing is; ``newest`` is the newest fire time whose run should have begun, now
    or before. ``missed`` holds the first and the last fire time that are passed over because a newer one is due.
    ``last_begin`` is what to give to the next question, ``next_begin`` the moment at which to ask it.
    """

    fire_time: int | None
    newest: int
    missed: tuple[int, int] | None
    last_begin: int | None
    next_begin: int


def jitter(spec: ScheduleSpec, job_name: str) -> int:
    """By how much the runs of a job begin after their fire times: always the same, spread evenly over jobs.

    At most the jitter of the spec; without one a tenth of the period, at most a minute, and nothing for cron, since
    whoever writes a cron expression names the moment.
    """
    most = spec.jitter
    if most is None:
        most = 0 if spec.cron else min(spec.every // 10, MINUTE)
    digest = blake2b(job_name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") % (most + 1)


def begin_of(spec: ScheduleSpec, job_name: str, fire_time: int) -> int:
    """The moment at which the run of a fire time begins."""
    return fire_time + jitter(spec, job_name)


def next_fire(spec: ScheduleSpec, job_name: str, after: int) -> int:
    """The first fire time whose run begins after a moment. Raises ValueError for a cron expression that never fires."""
    after -= jitter(spec, job_name)
    if spec.cron is None:
        return (after // spec.every + 1) * spec.every
    return next(_cron_fires(spec, after))


def last_fire(spec: ScheduleSpec, job_name: str, at: int) -> int:
    """The newest fire time whose run begins at or before a moment.

    Raises ValueError for a cron expression that did not fire for decades.
    """
    at -= jitter(spec, job_name)
    if spec.cron is None:
        return at // spec.every * spec.every
    # Forward from ever earlier instants: cronsim's way back does not always meet the fires of its way forward at a
    # change of the clock, and both must agree or a run would be doubled.
    reach = HOUR
    while reach < 4 * _FARTHEST:
        last = None
        for fire in _cron_fires(spec, at - min(reach, _FARTHEST)):
            if fire > at:
                break
            last = fire
        if last is not None:
            return last
        reach *= 4
    raise ValueError(f"cron expression {spec.cron!r} did not fire in the last 50 years")


def period(spec: ScheduleSpec, fire_time: int) -> int:
    """How long a run at this fire time follows the one before."""
    if spec.cron is None:
        return spec.every
    return fire_time - last_fire(ScheduleSpec(cron=spec.cron, timezone=spec.timezone), "", fire_time - 1)


def due(spec: ScheduleSpec, job_name: str, last_begin: int | None, now: int) -> Due:
    """What is to run now, if the last run (of any fire time) began at ``last_begin``; None if there was none.

    The newest fire time that is due runs, however late; older ones are missed, so a machine that slept runs each job
    once. A ``last_begin`` more than five minutes (or a period) in the future means that the clock was set back: it is
    not believed, and the newest fire time runs at once, for the job would stand still until the wrong time comes again.
    Nearer ones are, so a small step back doubles no run.
    """
    newest = last_fire(spec, job_name, now)
    if last_begin is not None and last_begin - now > min(BELIEVED_AHEAD, period(spec, newest)):
        last_begin = None
    if last_begin is not None and begin_of(spec, job_name, newest) <= last_begin:
        after = max(now, last_begin)
        return Due(None, newest, None, last_begin, begin_of(spec, job_name, next_fire(spec, job_name, after)))
    missed = None
    if last_begin is not None:
        first = next_fire(spec, job_name, last_begin)
        missed = None if first == newest else (first, newest - period(spec, newest))
    return Due(newest, newest, missed, now, begin_of(spec, job_name, next_fire(spec, job_name, now)))


def _cron_fires(spec: ScheduleSpec, after: int) -> Iterator[int]:
    """The fire times after an instant, ascending, without repetition."""
    assert spec.cron is not None
    start = datetime.fromtimestamp(after // 1000, UTC).astimezone(ZoneInfo(spec.timezone))
    fire = after
    for moment in CronSim(spec.cron, start):
        instant = int(moment.timestamp()) * 1000
        if instant > fire:
            fire = instant
            yield fire
    raise ValueError(f"cron expression {spec.cron!r} never fires")
