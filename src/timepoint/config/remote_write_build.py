"""Receivers of remote write, and who gets a metric: from shapes to what they mean.

Owns: the checks of a receiver, of ``deliver`` and ``receivers``, and whether a receiver can take timepoints as old as
they are when they first leave. Must not know: how samples are sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from timepoint.clock import SECOND, format_duration
from timepoint.config.checks import Check
from timepoint.config.misfit import did_you_mean, read_shape
from timepoint.config.names import plain_name_complaint
from timepoint.config.places import Findings, Path, Places
from timepoint.config.remote_write_shape import CapsShape, ReceiverShape
from timepoint.config.source_build import SourceBuilder
from timepoint.model import MetricSpec, Receiver
from timepoint.remote_write.outbox import Version
from timepoint.remote_write.spec import Caps, ReceiverSpec, complaints
from timepoint.request.spec import WindowSpec

if TYPE_CHECKING:
    from timepoint.config.job_build import JobHead
    from timepoint.config.job_shape import JobShape
    from timepoint.config.metric_shape import MetricShape, RulesShape

_REMOTE_TIMEOUT = 30 * SECOND
_VERSIONS = {"1.0": Version.V1, "2.0": Version.V2}
_OF_PAGES = ("zero_first", "created_timestamps")
_AS_GIVEN = ("max_samples", "spec_strict", "utf8_names", "out_of_order", "backfill_only")


class Receivers:
    """The receivers of one file, and what its metrics say of them."""

    def __init__(self, findings: Findings, builder: SourceBuilder) -> None:
        self._findings = findings
        self._builder = builder
        self._places: dict[str, Path] = {}
        self._used: set[str] = set()
        self._ways: dict[str, tuple[str, Path]] = {}
        self._is_sound = True
        self._has_strangers = False
        self.specs: dict[str, ReceiverSpec] = {}

    def read(self, items: list[Any] | None) -> None:
        """Takes up the section ``remote_write``, None if it is no list."""
        self._is_sound = items is not None
        for number, raw in enumerate(items or ()):
            where: Path = ("remote_write", number)
            shape = read_shape(ReceiverShape, raw, where, self._findings)
            if shape is None:
                self._is_sound = False  # a metric may mean the one that could not be read
                continue
            if complaint := plain_name_complaint(shape.name):
                self._findings.add(Check.NAME, (*where, "name"), complaint)
            if shape.name in self._places:
                line = self._findings.places.mark(self._places[shape.name], key=False).line
                message = f"there is a receiver {shape.name!r} already (line {line}): a queue belongs to one name"
                self._findings.add(Check.NAME, (*where, "name"), message)
                continue
            self._places[shape.name] = where
            self.specs[shape.name] = self._build(shape, where)

    def _build(self, shape: ReceiverShape, where: Path) -> ReceiverSpec:
        """The meaning of a receiver, with findings for what is wrong with it."""
        http = self._builder.http(shape.name, shape, where)
        http = replace(
            http,
            timeout=shape.remote_timeout or _REMOTE_TIMEOUT,
            connect_timeout=shape.connect_timeout or http.connect_timeout,
        )
        given = {key: getattr(shape, key) for key in _AS_GIVEN}
        spec = ReceiverSpec(
            shape.name,
            http,
            protocol=_VERSIONS.get(shape.protocol or ""),
            max_age=shape.max_age,
            external_labels=shape.external_labels or {},
            caps=_caps(shape.caps),
            **{key: value for key, value in given.items() if value is not None},
        )
        for path, message in complaints(spec):
            self._findings.add_new(Check.RECEIVER, self._findings.places.known((*where, *path)), message)
        return spec

    def note(self, where: Path, name: str, metric: MetricShape, job: JobShape | None) -> None:
        """Takes up by which way a metric goes, and what is wrong with that."""
        way = _way(metric, job)
        first, at = self._ways.setdefault(name, (way, where))
        if first != way:
            line = self._findings.places.mark(at, key=True).line
            message = (
                f"is delivered by {way} here and by {first} in job {at[1]} (line {line}): one series would be stored "
                "by both ways. Choose one for both, or give one of them another name"
            )
            self._findings.add(Check.BOTH_WAYS, where, message, key=True)
        if way == "scrape":
            if metric.receivers is not None:
                message = "needs deliver: remote_write beside it: as it stands the metric is scraped"
                self._findings.add(Check.DELIVER, (*where, "receivers"), message, key=True)
            return
        self._check_names(metric, where)
        if not self._live and self._is_sound:
            message = "goes by remote write, and there is no receiver: add the section remote_write"
            if self._places:
                message = "goes by remote write, and each receiver is for backfill only: add another to remote_write"
            self._findings.add(Check.DELIVER, where, message, key=True)
        if metric.horizon is not None:
            message = (
                "is a forecast, which never goes by remote write: a Prometheus that takes a sample of the future "
                "refuses everything else. Deliver it by scrape"
            )
            self._findings.add(Check.DELIVER, (*where, "horizon"), message, key=True)
        if metric.points is not None and metric.points != "last":
            message = "has no effect: by remote write each timepoint goes out as it is"
            self._findings.add(Check.NO_EFFECT, (*where, "points"), message)
        for key in _OF_PAGES:
            if getattr(metric, key) is not None:
                self._findings.add(Check.NO_EFFECT, (*where, key), "has no effect on a metric that is not scraped")

    def note_job(self, where: Path, job: JobShape) -> None:
        """Takes up what a job says for its metrics."""
        self._check_names(job, where)

    def check_job(self, where: Path, job: JobShape, ways: Iterable[object]) -> None:
        """Adds receivers of a job that sends nothing. ``ways`` are what its metrics say in ``deliver``, or None."""
        if job.receivers and all((way or job.deliver) in {None, "scrape"} for way in ways):
            message = "needs deliver: remote_write beside it: as it stands all metrics of the job are scraped"
            self._findings.add(Check.DELIVER, (*where, "receivers"), message, key=True)

    def _check_names(self, shape: RulesShape, where: Path) -> None:
        for number, name in enumerate(shape.receivers or ()):
            if name not in self._places and self._is_sound:
                message = f"there is no receiver {name!r}{did_you_mean(name, list(self._places))}"
                self._findings.add(Check.UNKNOWN_RECEIVER, (*where, "receivers", number), message)
                self._has_strangers = True
            elif name in self.specs and self.specs[name].backfill_only:
                message = f"the receiver {name} is for backfill only (backfill_only): name another, or leave that out"
                self._findings.add(Check.DELIVER, (*where, "receivers", number), message)

    def of(self, metric: MetricShape, job: JobShape) -> tuple[Receiver, ...]:
        """Who gets the timepoints of a metric; nobody if it is scraped."""
        if _way(metric, job) == "scrape":
            return ()
        named = metric.receivers or job.receivers or self._live
        self._used.update(named)
        specs = (self.specs[name] for name in named if name in self.specs)
        return tuple(Receiver(spec.name, spec.is_strict, spec.oldest) for spec in specs)

    def check_ages(self, where: Path, job: JobShape, head: JobHead, metrics: list[MetricSpec]) -> None:
        """Adds receivers that would refuse timepoints since they are too old when they first leave."""
        said = set()
        for metric in metrics:
            parts = age_parts(head.window, head.period, head.timeout) if metric.timed else {"timeout": head.timeout}
            for receiver in metric.receivers:
                message = age_complaint(self.specs[receiver.name], parts)
                if message and message not in said:
                    said.add(message)
                    self._findings.add(Check.RECEIVER_WINDOW, (*where, "cron" if job.cron else "every"), message)

    @property
    def _live(self) -> list[str]:
        """The names of those that get metrics while the exporter runs."""
        return [name for name, spec in self.specs.items() if not spec.backfill_only]

    def check_unused(self) -> None:
        """Warns of receivers that get nothing."""
        for name, where in self._places.items():
            is_used = name in self._used or self.specs[name].backfill_only
            if not is_used and not self._has_strangers:  # else the mistake is the metric's
                message = (
                    f"no metric goes to the receiver {name}: say deliver: remote_write at one, or backfill_only: true "
                    "here if only timepoint backfill sends to it"
                )
                self._findings.add(Check.UNUSED_RECEIVER, where, message)


def _way(metric: MetricShape, job: JobShape | None) -> str:
    return metric.deliver or (job.deliver if job is not None else None) or "scrape"


def _caps(shape: CapsShape | None) -> Caps:
    if shape is None:
        return Caps()
    given = {"rows": shape.samples, "size": shape.size, "keeps": shape.keep}
    return Caps(**{key: value for key, value in given.items() if value is not None})  # type: ignore[arg-type]  # by the shape


def age_parts(window: WindowSpec, period: int, timeout: int) -> dict[str, int]:
    """Of what the greatest age of a timepoint at its first request is made, in ms."""
    return {"delay": window.delay, "every": period, "step": window.longest_step, "timeout": timeout}


def age_complaint(receiver: ReceiverSpec, parts: Mapping[str, int]) -> str | None:
    """Whether a receiver takes timepoints that are so old when they first leave. ``parts`` add up, in ms."""
    age, oldest = sum(parts.values()), receiver.oldest
    if not oldest or age <= oldest:
        return None
    added = " + ".join(f"{name} {format_duration(length)}" for name, length in parts.items() if length)
    return (
        f"a timepoint may be {format_duration(age)} old when it first leaves ({added}), and the receiver "
        f"{receiver.name} takes none that is older than {format_duration(oldest)}: give that one an out-of-order "
        "window and say it here in out_of_order, or make these shorter"
    )


def read_receivers(items: Sequence[Mapping[str, Any]], directory: FilePath) -> dict[str, ReceiverSpec]:
    """Receivers that a program gives with the keys of a config file, by name. Raises ValueError with all mistakes."""
    findings = Findings(Places("remote_write"))
    receivers = Receivers(findings, SourceBuilder(findings, directory))
    receivers.read([dict(item) for item in items])
    if problems := findings.problems(warnings=False):
        raise ValueError("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
    return receivers.specs
