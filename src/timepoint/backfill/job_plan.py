"""What a backfill asks for, and where it ends.

Owns: which of a job can be loaded, in which windows, up to which instant; the job as it is replayed. Pure. Must not
know: files, clocks, the ledger, who receives samples.

History ends where live polling began, so no amount is in both. It is asked for in pieces, each a run that might have
taken place: its fire time is its end and the job's ``delay``. All rules of counting are then those of live polling.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from timepoint.clock import DAY, format_duration, format_instant
from timepoint.errors import BackfillError
from timepoint.job import HttpPolling, Job
from timepoint.model import MetricSpec, MetricType, Points, Receiver, Temporality, Window
from timepoint.poller import schedule
from timepoint.request.each.lanes import least_lanes
from timepoint.request.window import grid_of, plan_windows

DEFAULT_SPAN = DAY


@dataclass(frozen=True, slots=True)
class Range:
    """What is wanted. ``end`` None: up to where live polling began. ``span`` None: a day at a time.

    ``metrics`` names those that are wanted, empty for all.
    """

    start: int
    end: int | None = None
    span: int | None = None
    metrics: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Live:
    """What is known of the live polling of a job.

    ``began`` is the start of all that it ever asked for, None if nobody knows; ``is_known`` False: it never took place.
    """

    began: int | None = None
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class JobPlan:
    """A job as it is replayed.

    ``pieces`` touch, oldest first; each is one run. ``specs`` are the metrics that are loaded, as they are declared;
    the others are counted, since the mapping gives them, and go nowhere. ``readings`` names those whose readings go out
    as they are. ``meets_live``: live polling goes on from the end. ``notes`` are sentences about what is left out.
    """

    job: Job
    start: int
    end: int
    pieces: tuple[Window, ...]
    specs: Mapping[str, MetricSpec]
    readings: frozenset[str]
    meets_live: bool
    notes: tuple[str, ...] = ()

    def fire_time(self, piece: Window) -> int:
        """When the run of a piece would have taken place."""
        return piece.end + self.job.window.delay

    def job_of(self, piece: Window) -> Job:
        """The job for the run of a piece: a lane without a watermark begins at the start of all."""
        initial = piece.end - self.start
        return replace(self.job, window=replace(self.job.window, initial=initial, catch_up=initial))


def plan_job(job: Job, wanted: Range, live: Live, receiver: Receiver, now: int) -> JobPlan:
    """How a job is replayed. Raises BackfillError with a sentence for whoever asked."""
    if not job.window_is_asked:
        raise BackfillError(
            f"job {job.name}: its request does not name a window ({{window.start}}), so its API cannot be asked for the"
            " past: leave it out with --job"
        )
    specs, notes = _chosen(job, wanted.metrics)
    end, meets_live = _end(job, wanted, live, now)
    grid = grid_of(job.window)
    start = grid.floor(wanted.start)
    if end <= start:
        raise BackfillError(
            f"job {job.name}: there is nothing between {format_instant(start)} and {format_instant(end)}"
            + (", where live polling began" if meets_live else "")
        )
    readings = frozenset(name for name, spec in specs.items() if spec.temporality is Temporality.CUMULATIVE)
    replayed = replace(
        job,
        metrics={
            name: _replayed(spec, (receiver,) if name in specs else (), is_reading=name in readings)
            for name, spec in job.metrics.items()
        },
        window=replace(job.window, overlap=0),
    )
    pieces = _pieces(replayed, start, end, _span(job, specs, wanted.span))
    return JobPlan(replayed, start, pieces[-1].end, pieces, specs, readings, meets_live, tuple(notes))


def _end(job: Job, wanted: Range, live: Live, now: int) -> tuple[int, bool]:
    """Where history ends, and whether live polling goes on from there."""
    grid = grid_of(job.window)
    settled = grid.floor(now - job.window.delay)
    if live.began is not None and (wanted.end is None or wanted.end >= live.began):
        return min(live.began, settled), live.began <= settled
    if wanted.end is not None:
        return min(grid.floor(wanted.end), settled), False
    if live.is_known:
        raise BackfillError(
            f"job {job.name}: its ledger is of a release that did not note where counting began: say --to, the instant"
            " of the first window that was ever polled, or what lies behind it counts twice"
        )
    raise BackfillError(
        f"job {job.name} was never polled in this data directory: start the exporter first, and history is loaded up to"
        " where it began; or say --to"
    )


def _chosen(job: Job, wanted: Collection[str]) -> tuple[dict[str, MetricSpec], list[str]]:
    """The metrics that are loaded, and a sentence for each that is not."""
    specs: dict[str, MetricSpec] = {}
    notes = []
    for name, spec in job.metrics.items():
        if wanted and name not in wanted:
            continue
        why = ""
        if spec.horizons:
            why = "a forecast has no past"
        elif spec.points is not Points.LAST and spec.family.type is MetricType.GAUGE and not spec.receivers:
            why = f"it shows the {spec.points} of a run's timepoints, and no single one"
        if why:
            notes.append(f"job {job.name}: {name} is left out: {why}")
        else:
            specs[name] = spec
    if not specs:
        raise BackfillError("; ".join(notes) or f"job {job.name} has none of the metrics {', '.join(sorted(wanted))}")
    return specs, notes


def _replayed(spec: MetricSpec, receivers: tuple[Receiver, ...], *, is_reading: bool) -> MetricSpec:
    """A metric as it is counted in a backfill.

    A running reading goes out as it is, like a gauge: PromQL itself takes a fall for a new start, and at the seam the
    last reading of history must be what live polling goes on from, not a total over earlier starts.
    """
    family = replace(spec.family, type=MetricType.GAUGE) if is_reading else spec.family
    temporality = None if is_reading else spec.temporality
    return replace(spec, family=family, temporality=temporality, receivers=receivers, zero_first=0)


def _span(job: Job, specs: Mapping[str, MetricSpec], wanted: int | None) -> int:
    """How much is asked for at once.

    What has no time of its own is about its window as a whole, which must then be as long as that of a live run.
    """
    if job.window.asks_once or not all(spec.timed for spec in specs.values()):
        return max(schedule.period(job.schedule, 0), job.window.longest_step)
    return wanted or DEFAULT_SPAN


def _pieces(job: Job, start: int, end: int, span: int) -> tuple[Window, ...]:
    spec = replace(job.window, delay=0, initial=end - start, catch_up=end - start, max_span=span)
    return tuple(plan_windows(spec, 0, end, None))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan costs its source at least. ``seconds`` follow from the limits that the config sets for it."""

    windows: int
    requests: int
    seconds: float


def estimate(plan: JobPlan) -> Estimate:
    """How many windows and requests a plan has, if no answer has several pages; lanes that others list count once."""
    window = plan.job.window
    spec = replace(window, delay=0, initial=plan.end - plan.start, catch_up=plan.end - plan.start)
    windows = sum(
        len(plan_windows(replace(spec, initial=piece.end - piece.start), 0, piece.end, None)) for piece in plan.pieces
    )
    requests = windows * max(1, least_lanes(plan.job.each))
    polling = plan.job.polling
    if not isinstance(polling, HttpPolling):
        return Estimate(windows, requests, 0.0)
    source, cost = polling.source, requests * polling.request.cost
    seconds = requests * source.min_interval / 1000
    if source.rate is not None:
        seconds = max(seconds, (cost - source.rate.burst) * source.rate.per / source.rate.requests / 1000)
    return Estimate(windows, requests, max(0.0, seconds))


def estimate_text(plan: JobPlan) -> str:
    """The estimate in a line."""
    found = estimate(plan)
    requests = "1 request" if found.requests == 1 else f"{found.requests} requests"
    if plan.job.each is not None:
        requests += " for each lane" if found.requests == found.windows else ""
    least = f", at least {format_duration(round(found.seconds) * 1000)} by its limits" if found.seconds >= 1 else ""
    until = ", where live polling began" if plan.meets_live else ""
    return (
        f"job {plan.job.name}: {format_instant(plan.start)} to {format_instant(plan.end)}{until}: "
        f"{found.windows} windows, {requests} or more{least}"
    )
