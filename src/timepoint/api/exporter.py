"""The exporter of a program.

Owns: which jobs and receivers it has, and how it is run. Must not know: the stages of a run, processes.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from timepoint.api.agreement import complete, is_sent, on_one_page, receivers_of
from timepoint.api.declared import Counter, Gauge, duration_of
from timepoint.api.keywords import checked_guard, fan_out_of, schedule_of, window_of, with_datetimes
from timepoint.config import load_config
from timepoint.config.defaults import max_age_of, polled_text, timeout_of
from timepoint.config.names import plain_name_complaint
from timepoint.config.remote_write_build import read_receivers
from timepoint.job import MAX_SERIES, FunctionPolling, Job, Workload
from timepoint.remote_write.spec import ReceiverSpec

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
        schedule, longest = schedule_of(every, cron, timezone, jitter)
        window = window_of(
            timezone,
            step,
            max_span,
            delay=delay,
            overlap=overlap,
            catch_up=catch_up,
            initial=initial,
            align=align,
        )
        guard = checked_guard(min_series_ratio, max_series)

        def register(function: Function) -> Function:
            if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
                raise ValueError(
                    "a job is a plain function, not an async one: it has a thread of its own and may block"
                )
            job_name = name or str(getattr(function, "__name__", ""))
            how = polled_text(schedule.every, cron, timezone, f"by {job_name}", window.delay)
            fan_out = fan_out_of(each, function)
            longest_run = timeout_of(longest, has_lanes=fan_out is not None)
            max_age = max_age_of(longest, window)
            specs = [complete(metric.spec(), max_age, how) for metric in metrics]
            sent = {metric.name: metric.receivers for metric in metrics if is_sent(metric)}
            self._add(
                Job(
                    name=job_name,
                    schedule=schedule,
                    window=window,
                    polling=FunctionPolling(with_datetimes(function)),
                    metrics={spec.family.name: spec for spec in specs},
                    timeout=duration_of("timeout", timeout) if timeout else longest_run,
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
        return replace(loaded, jobs=on_one_page((*loaded.jobs, *own)), receivers=tuple(receivers.values()))

    def _with_receivers(self, job: Job, known: Mapping[str, ReceiverSpec]) -> Job:
        """A job that knows who gets its metrics. Raises ValueError."""
        metrics = {}
        for name, spec in job.metrics.items():
            named = self._sent.get((job.name, name))
            metrics[name] = spec if named is None else replace(spec, receivers=receivers_of(job, name, named, known))
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
