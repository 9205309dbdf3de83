"""The lanes of a job, for a command that runs it once and keeps nothing.

Owns: who is asked for them, which one is meant, and the words about them. Must not know: what is asked of a lane.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from timepoint.cli.choosing import count_of
from timepoint.clock import SystemClock, format_duration
from timepoint.errors import SourceError

if TYPE_CHECKING:
    from timepoint.job import Job
    from timepoint.poller.listing import Listing
    from timepoint.request.each.lanes import Lane

_SHOWN = 8


async def listed_lanes(job: Job, fire_time: int, *, offline: bool) -> tuple[Lane, ...]:
    """The lanes that a run would have; empty if only a discovery knows them and nobody may be asked.

    Raises SourceError if they cannot be told.
    """
    from timepoint.ledger.memory import MemoryStore
    from timepoint.poller.closing import Failed
    from timepoint.poller.desk import JobDesk
    from timepoint.poller.listing import Listing, sources_of
    from timepoint.poller.report import LanesReport, RunReport
    from timepoint.poller.worker import InlineWorker
    from timepoint.request.fetch import HttpFetcher

    clock = SystemClock()
    async with AsyncExitStack() as stack:
        discovering = () if offline else sources_of(job)
        fetchers = {source.name: await stack.enter_async_context(HttpFetcher(source)) for source in discovering}
        worker = InlineWorker()
        listing: Listing = Listing(job, JobDesk(job, MemoryStore(), None, clock), worker, clock, fetchers)
        listing.take_up()
        if offline:
            return listing.known or ()
        try:
            lanes, trouble = await listing.lanes(
                RunReport(job.name, fire_time, clock.now(), lanes=LanesReport()),
                clock.monotonic() + job.timeout / 1000,
            )
        except Failed as failure:
            raise SourceError(failure.reason, failure.error) from None
        if trouble:
            click.echo(f"{job.name}: {trouble}", err=True)
        return lanes


def chosen_lane(job: Job, lanes: Sequence[Lane], name: str | None) -> Lane:
    """The lane that is meant: by its name, or by one of its values; without a name the first."""
    from timepoint.request.each.lanes import LONE, Lane

    if job.each is None:
        if name is not None:
            raise click.UsageError(f"job {job.name} has no fan-out, and so no lanes")
        return LONE
    if name is None:
        return lanes[0] if lanes else LONE
    for lane in lanes:
        if name == lane.name or name in lane.values.values():
            return lane
    if lanes:
        raise click.UsageError(f"job {job.name} has no lane {name!r}; there are {_some(lanes)}")
    values = dict(part.partition("=")[::2] for part in name.split(","))
    labels = {one.label: values[one.name] for one in job.each.values if one.label and one.name in values}
    return Lane(name, values, labels)


def lane_lines(job: Job, lanes: Sequence[Lane], lane: Lane, *, offline: bool) -> Iterator[str]:
    """What a person must know of the lanes of a job."""
    if job.each is None:
        return
    if not lanes and lane.name:
        return
    if not lanes:
        yield "  its lanes are listed by a request that was not made: name one with --lane, as in --lane zone=DE"
        return
    yield f"  {count_of(len(lanes), 'lane')}: {_some(lanes)}"
    if len(lanes) > 1:
        yield f"  {'read as' if offline else 'asked for'} {lane.name} alone (--lane)"


def each_text(job: Job) -> str:
    """How many requests a run of a fan-out makes, as far as the config tells."""
    from timepoint.request.each.lanes import lanes_of
    from timepoint.request.each.spec import Discovery, ListFile

    assert job.each is not None, "BUG: no fan-out"
    told = []
    for values in job.each.values:
        if isinstance(values.origin, Discovery):
            every = format_duration(values.origin.every)
            told.append(f"{values.name} told by {values.origin.source.name} every {every}")
        elif isinstance(values.origin, ListFile):
            told.append(f"{values.name} told by {values.origin.path}")
    if told:
        return f"a request for each of {', '.join(told)}; at most {job.each.max_lanes} (max_lanes)"
    lists = {values.name: values.origin for values in job.each.values if isinstance(values.origin, tuple)}
    count = len(lanes_of(job.each, lists))
    return f"{count_of(count, 'request')} for each window: {', '.join(lists)}"


def _some(lanes: Sequence[Lane]) -> str:
    names = [lane.name for lane in lanes[:_SHOWN]]
    return ", ".join(names) + (f" and {len(lanes) - _SHOWN} more" if len(lanes) > _SHOWN else "")
