"""The Python API: a function that yields points is a job like any other.

Owns: ``Exporter`` and what a user declares with it. Must not know: how a job runs, the form of a config file.

    from timepoint import Counter, Exporter, Point

    exporter = Exporter()

    @exporter.job(every="30m", step="5m", delay="10m", metrics=[Counter("pod_energy_joules_total", "Energy used.")])
    def pod_energy(window):
        for row in ask_my_api(window.start, window.end):
            yield Point("pod_energy_joules_total", row["joules"], {"pod_name": row["pod"]},
                        start=row["from"], end=row["to"])

    if __name__ == "__main__":
        exporter.run()

A mistake in a declaration is a ValueError where it stands; a mistake in a point is a reject, and costs that point.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from timepoint.clock import parse_duration
from timepoint.config import load_config
from timepoint.config.cron import cron_gaps
from timepoint.config.defaults import FORGET_AFTER, ZERO_FIRST, guard_of, max_age_of, polled_text, timeout_of
from timepoint.config.kinds import calendar_span, calendar_step
from timepoint.config.names import (
    claims,
    grammar_complaint,
    plain_name_complaint,
    reserved_complaint,
    suffix_complaint,
    unit_complaint,
)
from timepoint.config.remote_write_build import age_complaint, age_parts, read_receivers
from timepoint.config.window_checks import window_complaints
from timepoint.config.zones import zone_complaint
from timepoint.job import MAX_SERIES, FunctionPolling, GuardSpec, Job, ScheduleSpec, Workload
from timepoint.mapping.labels import check_label_name
from timepoint.mapping.stamps import Length
from timepoint.model import FamilySpec, MetricSpec, MetricType, Points, Receiver, Temporality, Window
from timepoint.poller.function_points import Point
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.each.lanes import lanes_of
from timepoint.request.each.lists import as_value
from timepoint.request.each.spec import EachSpec, Entry, Values
from timepoint.request.spec import WindowSpec

__all__ = ["Counter", "Exporter", "Gauge", "JobWindow", "Point"]


@dataclass(frozen=True, slots=True)
class JobWindow:
    """The range of data time that a call is asked for: from ``start`` up to, but not including, ``end``, in UTC."""

    start: datetime
    end: datetime

    def steps(self, length: str) -> Iterator[tuple[datetime, datetime]]:
        """The start and end of each whole timepoint in the window, for an API that gives one value per step."""
        step = _duration("length", length)
        if step == 0:
            raise ValueError("a step of 0s has no end")
        end = round(self.end.timestamp() * 1000)
        for begin in range(round(self.start.timestamp() * 1000), end - step + 1, step):
            yield _moment(begin), _moment(begin + step)


@dataclass(frozen=True, slots=True)
class Counter:
    """A metric that adds up: its name ends in ``_total``.

    ``temporality`` says what a point's value is: ``delta``, the amount of its interval, which is counted exactly once;
    or ``cumulative``, a running reading. A series new to the page shows 0 for ``zero_first``, so that PromQL sees its
    first increment; the total of one that vanished is kept for ``forget_after``. No value is shown for longer than
    ``max_age`` (default: three periods and the delay). With ``created_timestamps`` OpenMetrics pages say when the total
    of a ``delta`` counter began. With ``deliver="remote_write"`` each timepoint is sent to the ``receivers`` (default:
    all), and nothing is on the page.
    """

    name: str
    help: str
    temporality: str = "delta"
    unit: str = ""
    max_age: str | None = None
    zero_first: str = "2m"
    forget_after: str = "7d"
    created_timestamps: bool = False
    deliver: str = "scrape"
    receivers: Sequence[str] = ()

    def spec(self) -> MetricSpec:
        """The declaration as the rooms know it. Raises ValueError."""
        if self.temporality not in ("delta", "cumulative"):
            raise ValueError(f"{self.name}: temporality is delta or cumulative, not {self.temporality!r}")
        return MetricSpec(
            family=_family(self.name, MetricType.COUNTER, self.help, self.unit),
            temporality=Temporality(self.temporality),
            max_age=_duration("max_age", self.max_age or "0s"),
            timed=False,
            zero_first=_duration("zero_first", self.zero_first),
            forget_after=_duration("forget_after", self.forget_after),
            shows_created=self.created_timestamps and self.temporality == "delta",
        )


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric that goes up and down.

    ``points`` says which timepoints of a run it shows: ``last``, or the ``sum``, ``mean``, ``min``, ``max`` or
    ``count`` of them. No value is shown for longer than ``max_age`` (default: three periods and the delay).
    ``deliver`` and ``receivers`` are those of ``Counter``.
    """

    name: str
    help: str
    points: str = "last"
    unit: str = ""
    max_age: str | None = None
    deliver: str = "scrape"
    receivers: Sequence[str] = ()

    def spec(self) -> MetricSpec:
        """The declaration as the rooms know it. Raises ValueError."""
        if self.points not in {word.value for word in Points}:
            raise ValueError(f"{self.name}: points is one of {', '.join(Points)}, not {self.points!r}")
        return MetricSpec(
            family=_family(self.name, MetricType.GAUGE, self.help, self.unit),
            points=Points(self.points),
            max_age=_duration("max_age", self.max_age or "0s"),
            timed=False,
            zero_first=ZERO_FIRST,
            forget_after=FORGET_AFTER,
        )


Function = TypeVar("Function", bound=Callable[..., Iterable[Any]])


class Exporter:
    """Jobs written in Python, run together with those of a config file.

    ``remote_write`` are receivers of metrics with ``deliver="remote_write"``, with the keys that they have in a config
    file. Raises ValueError for what cannot work.
    """

    def __init__(self, *, remote_write: Sequence[Mapping[str, Any]] = ()) -> None:
        self._jobs: dict[str, Job] = {}
        self._receivers = read_receivers(remote_write, Path())
        self._sent: dict[tuple[str, str], Sequence[str]] = {}  # by job and metric; empty for all receivers

    def job(  # noqa: PLR0913 - one keyword for each thing that a job of a config file can say
        self,
        *,
        metrics: Sequence[Counter | Gauge],
        every: str | None = None,
        cron: str | None = None,
        timezone: str = "UTC",
        jitter: str | None = None,
        step: str = "0s",
        align: str = "0s",
        delay: str = "0s",
        overlap: str = "0s",
        catch_up: str = "7d",
        initial: str = "0s",
        max_span: str = "0s",
        timeout: str | None = None,
        name: str | None = None,
        min_series_ratio: float | None = None,
        max_series: int = MAX_SERIES,
        each: Mapping[str, Sequence[str]] | None = None,
    ) -> Callable[[Function], Function]:
        """Makes a job of a function, which is called with a ``JobWindow`` and yields or returns ``Point`` objects.

        The words are those of a config file: fire times stand on a grid (``every``) or follow ``cron`` in a
        ``timezone``; the window ends at the fire time less ``delay``, floored to ``step``, and begins where the last
        accepted one ended, less ``overlap``, but at most ``catch_up`` earlier. A ``step`` may be a ``day``, ``week``,
        ``month``, ``quarter`` or ``year`` of the ``timezone``, ``align`` moves its begin, and ``max_span`` may be so
        many of them (``7 days``). A first run asks for ``initial``, or for one period. A call that takes longer than
        ``timeout`` (default 5m, or nine tenths of the period if that is shorter) is given up. An exception fails the
        run, and the next one asks for the same window and its own. ``name`` is the function's unless given. A call
        without any point, where ten series or more are on the page, must come twice before it is believed;
        ``min_series_ratio`` asks for a share of them, three times, and 0 believes everything. New series beyond
        ``max_series`` are rejects. With ``each`` the function is called for each value, or combination of values, which
        it is given by name; the values become labels, a call that fails fails alone, and the default of ``timeout``
        is nine tenths of the period. Raises ValueError for what cannot work.
        """
        schedule, longest = _schedule(every, cron, timezone, jitter)
        window = WindowSpec(
            step=_step(step),
            delay=_duration("delay", delay),
            overlap=_duration("overlap", overlap),
            catch_up=_duration("catch_up", catch_up),
            initial=_duration("initial", initial),
            max_span=calendar_span(max_span) or _duration("max_span", max_span),
            align=_duration("align", align),
            timezone=timezone,
        )
        _check_window(window)
        guard = _guard(min_series_ratio, max_series)

        def register(function: Function) -> Function:
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise ValueError(
                    "a job is a plain function, not an async one: it has a thread of its own and may block"
                )
            job_name = name or str(getattr(function, "__name__", ""))
            how = polled_text(schedule.every, cron, timezone, f"by {job_name}", window.delay)
            fan_out = _fan_out(each, function)
            longest_run = timeout_of(longest, has_lanes=fan_out is not None)
            max_age = max_age_of(longest, window)
            specs = [_complete(metric.spec(), max_age, how) for metric in metrics]
            sent = {metric.name: metric.receivers for metric in metrics if _is_sent(metric)}
            self._add(
                Job(
                    name=job_name,
                    schedule=schedule,
                    window=window,
                    polling=FunctionPolling(_with_datetimes(function)),
                    metrics={spec.family.name: spec for spec in specs},
                    timeout=_duration("timeout", timeout) if timeout else longest_run,
                    max_series=max_series,
                    guard=guard,
                    each=fan_out,
                )
            )
            self._sent.update({(job_name, metric): receivers for metric, receivers in sent.items()})
            return function

        return register

    def jobs(self, config: str | Path | None = None) -> tuple[Job, ...]:
        """The jobs of a config file, if one is given, and those written in Python, ready to run.

        Raises ConfigError for the file, and ValueError where the two cannot stand on one page.
        """
        return self.workload(config).jobs

    def workload(self, config: str | Path | None = None) -> Workload:
        """The same with all receivers, as the poller takes it. Raises what ``jobs`` raises."""
        loaded = load_config(Path(config), os.environ).workload if config is not None else Workload(())
        if both := {job.name for job in loaded.jobs} & self._jobs.keys():
            raise ValueError(f"{config} has a job {min(both)!r} too: give one of them another name")
        receivers = {receiver.name: receiver for receiver in loaded.receivers}
        if again := receivers.keys() & self._receivers.keys():
            raise ValueError(f"{config} has a receiver {min(again)!r} too: give one of them another name")
        receivers |= self._receivers
        own = (self._with_receivers(job, receivers) for job in self._jobs.values())
        return replace(loaded, jobs=_on_one_page((*loaded.jobs, *own)), receivers=tuple(receivers.values()))

    def _with_receivers(self, job: Job, known: Mapping[str, ReceiverSpec]) -> Job:
        """A job that knows who gets its metrics. Raises ValueError."""
        metrics = {}
        for name, spec in job.metrics.items():
            named = self._sent.get((job.name, name))
            metrics[name] = spec if named is None else replace(spec, receivers=_found(job, name, named, known))
        return replace(job, metrics=metrics)

    def run(
        self,
        config: str | Path | None = None,
        *,
        listen: str = "0.0.0.0:8080",
        data_dir: str | Path = "timepoint-data",
        log_level: str = "info",
        log_format: str = "logfmt",
    ) -> int:
        """Polls and serves until SIGTERM or SIGINT; the exit code, 0 for an orderly end.

        Jobs of a ``config`` file run beside those written in Python. Call it from the main thread of a program without
        other threads: it forks. Raises RuntimeError if there are some, and ConfigError, ValueError, DataDirectoryError
        and ListenError, before anything is started.
        """
        from timepoint import log
        from timepoint.launch import LaunchSettings, launch
        from timepoint.server.listening import parse_listen_address

        if threading.active_count() != 1:
            raise RuntimeError("exporter.run() forks: call it in the main thread, before any other thread is started")
        work = self.workload(config)
        log.configure(log_level, log_format)
        return launch(work, LaunchSettings(data_dir=Path(data_dir), addresses=(parse_listen_address(listen),)))

    def poll_once(
        self,
        config: str | Path | None = None,
        *,
        data_dir: str | Path = "timepoint-data",
        force: bool = False,
        log_level: str = "info",
        log_format: str = "logfmt",
    ) -> int:
        """Runs each job that is due once, or with ``force`` each job; 1 if a run failed. For cron, and to try it out.

        Raises ConfigError, ValueError and DataDirectoryError before anything is run.
        """
        from timepoint import log
        from timepoint.launch import poll_once

        work = self.workload(config)
        log.configure(log_level, log_format)
        return poll_once(work, Path(data_dir), force=force)

    def _add(self, job: Job) -> None:
        if complaint := plain_name_complaint(job.name):
            raise ValueError(f"the job's name {complaint}")
        if job.name in self._jobs:
            raise ValueError(f"there is a job {job.name!r} already")
        if not job.metrics:
            raise ValueError(f"job {job.name!r} declares no metrics: nothing of it would be shown")
        self._jobs[job.name] = job


def _found(job: Job, metric: str, named: Sequence[str], known: Mapping[str, ReceiverSpec]) -> tuple[Receiver, ...]:
    """The receivers that are named for a metric; all if none is. Raises ValueError."""
    found = []
    for name in named or known:
        if name in known and known[name].backfill_only:
            if named:
                raise ValueError(f"{metric}: the receiver {name!r} is for backfill only (backfill_only)")
            continue
        if name not in known:
            raise ValueError(f"{metric}: there is no receiver {name!r}: name it in Exporter(remote_write=[...])")
        parts = age_parts(job.window, job.schedule.every, job.timeout)
        if job.window.longest_step and (complaint := age_complaint(known[name], parts)):  # else points are about now
            raise ValueError(f"job {job.name!r}: {complaint}")
        found.append(Receiver(name, known[name].is_strict, known[name].oldest))
    if not found:
        raise ValueError(f"{metric} goes by remote write, and there is no receiver: Exporter(remote_write=[...])")
    return tuple(found)


def _is_sent(metric: Counter | Gauge) -> bool:
    """Whether a metric goes by remote write. Raises ValueError."""
    if metric.deliver not in ("scrape", "remote_write"):
        raise ValueError(f"{metric.name}: deliver is scrape or remote_write, not {metric.deliver!r}")
    if metric.deliver == "scrape" and metric.receivers:
        raise ValueError(f'{metric.name}: receivers needs deliver="remote_write"')
    return metric.deliver == "remote_write"


def _with_datetimes(function: Callable[..., Iterable[Any]]) -> Callable[..., Iterable[Any]]:
    def call(window: Window, **values: str) -> Iterable[Any]:
        return function(JobWindow(_moment(window.start), _moment(window.end)), **values)

    return call


def _fan_out(each: Mapping[str, Sequence[str]] | None, function: Callable[..., Any]) -> EachSpec | None:
    """The fan-out of a function. Raises ValueError."""
    if each is None:
        return None
    if not each:
        raise ValueError('each names no values: write each={"zone": ["DE", "FR"]}')
    for name, values in each.items():
        check_label_name(name)
        if isinstance(values, str) or not values:
            raise ValueError(f"each: {name} needs a list of values")
        if len(set(values)) < len(values):
            raise ValueError(f"each: {name} holds a value twice")
    try:
        inspect.signature(function).bind(None, **dict.fromkeys(each))
    except TypeError as error:
        raise ValueError(f"the function must take a window and {', '.join(each)}: {error}") from None
    spec = EachSpec(tuple(Values(name, tuple(Entry(as_value(v)) for v in each[name]), name) for name in each))
    lanes_of(spec, {name: tuple(map(Entry, each[name])) for name in each})
    return spec


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _duration(word: str, text: str) -> int:
    try:
        return parse_duration(text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{word}: {error}") from error


def _step(text: str) -> int | Length:
    try:
        return calendar_step(text) or _duration("step", text)
    except (ValueError, TypeError) as error:
        raise ValueError(f"step: {str(error).removeprefix('step: ')}") from error


def _check_window(window: WindowSpec) -> None:
    """Raises ValueError for what the config of a file refuses, too."""
    if complaint := zone_complaint(window.timezone):
        raise ValueError(f"timezone: {complaint}")
    for key, complaint in window_complaints(window):
        raise ValueError(f"{key}: {complaint}")


def _schedule(every: str | None, cron: str | None, timezone: str, jitter: str | None) -> tuple[ScheduleSpec, int]:
    """The schedule and its longest period."""
    if (every is None) == (cron is None):
        raise ValueError("a job has either every or cron")
    most = _duration("jitter", jitter) if jitter is not None else None
    if cron is not None:
        if complaint := zone_complaint(timezone):
            raise ValueError(f"timezone: {complaint}")
        longest = cron_gaps(cron, timezone).longest
        return ScheduleSpec(every=longest, cron=cron, timezone=timezone, jitter=most), longest
    period = _duration("every", every or "")
    if period == 0:
        raise ValueError("every: must be longer than 0s")
    return ScheduleSpec(every=period, jitter=most), period


def _family(name: str, kind: MetricType, help_text: str, unit: str) -> FamilySpec:
    """A family whose name is fit for a page. Raises ValueError with what to do."""
    complaint = grammar_complaint(name) or reserved_complaint(name) or suffix_complaint(name, kind)
    if complaint is None and unit:
        complaint = unit_complaint(name, kind, unit)
    if complaint is None and not help_text.strip():
        complaint = "help must say in a sentence what is measured"
    if complaint is not None:
        raise ValueError(f"{name}: {complaint}")
    return FamilySpec(name, kind, help_text.strip(), unit)


def _guard(min_series_ratio: float | None, max_series: int) -> GuardSpec:
    if min_series_ratio is not None and not 0 <= min_series_ratio <= 1:
        raise ValueError(f"min_series_ratio is between 0 and 1, not {min_series_ratio}")
    if max_series < 1:
        raise ValueError(f"max_series is at least 1, not {max_series}")
    return guard_of(min_series_ratio)


def _complete(spec: MetricSpec, max_age: int, polled: str) -> MetricSpec:
    """Adds what follows from the job: the default of max_age, and how the metric is got, at the end of its help."""
    family = replace(spec.family, help=f"{spec.family.help} ({polled})")
    return replace(spec, family=family, max_age=spec.max_age or max_age)


def _on_one_page(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """The jobs with one help for each family. Raises ValueError for families that exclude each other."""
    families: dict[str, FamilySpec] = {}
    owners: dict[str, str] = {}
    ways: dict[str, bool] = {}
    agreed = []
    for job in jobs:
        metrics = {}
        for name, spec in job.metrics.items():
            first = families.setdefault(name, spec.family)
            if (first.type, first.unit) != (spec.family.type, spec.family.unit):
                raise ValueError(f"job {job.name!r}: {name} has another type or unit in another job")
            if ways.setdefault(name, bool(spec.receivers)) != bool(spec.receivers):
                raise ValueError(f"job {job.name!r}: {name} goes by another way in another job: choose one for both")
            for claim in claims(name, first.type):
                if owners.setdefault(claim, name) != name:
                    raise ValueError(
                        f"job {job.name!r}: {name} cannot stand beside {owners[claim]}: both take the name {claim} in"
                        " OpenMetrics. Rename one of them"
                    )
            metrics[name] = replace(spec, family=first)
        agreed.append(replace(job, metrics=metrics))
    return tuple(agreed)
