"""A job: one request to a source, its schedule and its mapping.

Owns: the value objects that both a config file and the Python API produce, and that the poller runs.
Must not know: YAML, files, processes, the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from timepoint.clock import MINUTE
from timepoint.mapping.engine import Mapping as CompiledMapping
from timepoint.model import MetricSpec
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.each.spec import EachSpec
from timepoint.request.spec import RequestSpec, SourceSpec, WindowSpec, secrets_in
from timepoint.request.transform.chain import Step
from timepoint.secret import Secret

MAX_SERIES = 1_000_000
"""What one exporter is built and measured for."""


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """When a job fires: every so many milliseconds on a grid, or by a cron expression in a named zone.

    ``jitter`` is the most by which the stable offset of the job may move it on the grid; None means a tenth of the
    period, at most a minute.
    """

    every: int = 30 * MINUTE
    cron: str | None = None
    timezone: str = "UTC"
    jitter: int | None = None


@dataclass(frozen=True, slots=True)
class GuardSpec:
    """When an answer that holds far fewer series than the page is refused.

    ``min_series_ratio`` is the share that an answer must hold; None means any series at all, 0 that nothing is refused.
    After ``max_refusals`` runs in a row it is believed.
    """

    min_series_ratio: float | None = None
    max_refusals: int = 1


@dataclass(frozen=True, slots=True)
class HttpPolling:
    """Points that come from an API through a request, a transform of each answer, and a mapping."""

    source: SourceSpec
    request: RequestSpec
    mapping: CompiledMapping
    transform: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class FunctionPolling:
    """Points that a user's function yields. It is given the window, and by name the values of the lane.

    It runs in a thread of its own.
    """

    function: Callable[..., Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Job:
    """One job, ready to run. ``timeout`` bounds a whole run, in milliseconds.

    ``max_series`` is how many series of the job the ledger holds at most, on the page or since they left it.
    ``window_is_asked`` says that the request names its window; points outside it are then not used (R15). ``each`` is
    the fan-out, None for a job that asks for one thing. ``definition`` stands for all that a config file says of the
    job itself: two jobs with the same one do the same, if their metrics and sources are equal too. It is empty for a
    job of no file.
    """

    name: str
    schedule: ScheduleSpec
    window: WindowSpec
    polling: HttpPolling | FunctionPolling
    metrics: Mapping[str, MetricSpec] = field(default_factory=dict)
    timeout: int = 5 * MINUTE
    window_is_asked: bool = True
    max_series: int = MAX_SERIES
    guard: GuardSpec = field(default_factory=GuardSpec)
    each: EachSpec | None = None
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Workload:
    """All that one exporter is to do: its jobs, and the receivers of remote write that they name.

    ``text`` is the config as a status page may show it: without comments and credentials; "" if there is no file.
    """

    jobs: tuple[Job, ...]
    receivers: tuple[ReceiverSpec, ...] = ()
    text: str = ""


def given_secrets(work: Workload) -> Iterator[Secret]:
    """The credentials that a config itself holds, also from the environment; those in files are read where they go."""
    return (one.text for one in secrets_in((work.jobs, work.receivers)) if one.text is not None)
