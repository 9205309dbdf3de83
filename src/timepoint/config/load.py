"""From a file to a config that can run.

Owns: the order of the steps: text, environment, shape, meaning; and the promise that all mistakes of a file are
reported together. Must not know: any single check.

A mistake must not hide others, so shapes are read piece by piece: a source, a job without its metrics, and each metric
stand or fall alone, and what stands is looked at further.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from timepoint.config.checks import Check
from timepoint.config.defaults import guard_of, max_age_of, polled_text, rhythm_of
from timepoint.config.each_build import EachBuilder, each_names
from timepoint.config.environ import Environment
from timepoint.config.families import Declaration, Families
from timepoint.config.job_build import JobBuilder, Plan
from timepoint.config.job_shape import JobShape
from timepoint.config.metric_build import MetricBuilder, Policy, check_captures, check_labels, check_walks_named, rules
from timepoint.config.metric_shape import MetricShape
from timepoint.config.misfit import did_you_mean, read_shape
from timepoint.config.names import plain_name_complaint
from timepoint.config.paging_build import check_paged
from timepoint.config.places import Findings, Places
from timepoint.config.places import Path as Where
from timepoint.config.politeness_shape import check_quotas, check_second_request, check_shared_interval
from timepoint.config.remote_write_build import Receivers
from timepoint.config.settled_shape import check_settled, settled_spec
from timepoint.config.shape import ConfigShape
from timepoint.config.shown import shown_config
from timepoint.config.signal_shape import signal_spec
from timepoint.config.source_build import SourceBuilder
from timepoint.config.source_shape import SourceShape
from timepoint.config.window_checks import (
    check_effect,
    check_expect,
    check_grid,
    check_max_age,
    check_once,
    check_times,
    check_zones,
)
from timepoint.config.yaml import MAX_BYTES, Written, YamlStopError, read_yaml
from timepoint.errors import ConfigError, Problem
from timepoint.job import MAX_SERIES, GuardSpec, HttpPolling, Job, Workload
from timepoint.mapping.engine import Mapping as CompiledMapping
from timepoint.mapping.engine import compile_mapping
from timepoint.mapping.labels import MAX_LENGTH
from timepoint.mapping.spec import ExpectSpec, MappingSpec, MetricMapping, SpecError, TimeSpec, WalkSpec
from timepoint.model import Temporality
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.each.lanes import least_lanes
from timepoint.request.each.spec import EachSpec
from timepoint.request.spec import SourceSpec, secrets_in

_WINDOW = TimeSpec(start="{window.start}", end="{window.end}")


@dataclass(frozen=True, slots=True)
class Config:
    """A config that can run. ``warnings`` do not stop it, but somebody should look at them.

    ``raw`` are the bytes of the file, which may hold credentials.
    """

    path: Path
    sources: Mapping[str, SourceSpec]
    jobs: tuple[Job, ...]
    warnings: tuple[Problem, ...]
    receivers: tuple[ReceiverSpec, ...] = ()
    raw: bytes = field(default=b"", repr=False)

    @property
    def workload(self) -> Workload:
        """All of it that the poller needs."""
        live = tuple(receiver for receiver in self.receivers if not receiver.backfill_only)
        return Workload(self.jobs, live, shown_config(self.raw, self._secrets()))

    def _secrets(self) -> Iterator[str]:
        """Every credential that the config itself holds, also from the environment."""
        known = (tuple(self.sources.values()), self.jobs, self.receivers)
        for one in secrets_in(known):
            if one.text is not None:
                yield one.text.reveal()


def load_config(path: Path, environ: Mapping[str, str], raw: bytes | None = None) -> Config:
    """Reads a config file and everything that can be wrong with it. Raises ConfigError with all problems.

    ``environ`` gives the values of ``${NAME}``. Files of credentials are looked for, but not read. ``raw`` is what the
    file held before, to be read in its place.
    """
    config, findings = examine(path, environ, raw)
    if config is None:
        raise ConfigError(findings.problems(warnings=False))
    return config


def examine(path: Path, environ: Mapping[str, str], raw: bytes | None = None) -> tuple[Config | None, Findings]:
    """As ``load_config``, with the check behind each problem; the config is None if there is more than a warning."""
    findings = Findings(Places(str(path)))
    raw = _read(path, findings) if raw is None else raw
    text = _text(raw, findings) if raw is not None else None
    try:
        data = read_yaml(text, findings) if text is not None else None
    except YamlStopError:
        data = None
    if data is None and findings.all:
        return None, findings
    config = _Loader(path, findings).load(Environment(environ, findings).fill(data))
    if config is None or findings.problems(warnings=False):
        return None, findings
    return replace(config, raw=raw or b""), findings


def _read(path: Path, findings: Findings) -> bytes | None:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        findings.add(Check.FILE, (), f"cannot be read: {error.strerror or error}")
        return None
    if len(raw) > MAX_BYTES:
        findings.add(Check.FILE_SIZE, (), f"is larger than {MAX_BYTES // 1024} KiB: split it into several files")
        return None
    return raw


def _text(raw: bytes, findings: Findings) -> str | None:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        findings.add(Check.FILE_ENCODING, (), f"is not UTF-8: line {line} has the byte 0x{raw[error.start]:02x}")
        return None


@dataclass(slots=True)
class _JobParts:
    """A job on its way: what of it could be read."""

    name: str
    where: Where
    shape: JobShape | None
    plan: Plan | None
    metrics: dict[str, MetricBuilder]
    each: EachSpec | None = None
    definition: str = ""


class _Loader:
    """The meaning of one file."""

    def __init__(self, path: Path, findings: Findings) -> None:
        self.path = path
        self.findings = findings
        self.sources: dict[str, SourceSpec] = {}
        self.has_sources = False
        self.families = Families(findings)
        self.source_builder = SourceBuilder(findings, path.parent)
        self.receivers = Receivers(findings, self.source_builder)

    def load(self, data: Any) -> Config | None:
        data = self._top(data)
        self.has_sources = "sources" in data
        named = data.get("sources", {})
        for name, raw in named.items():
            shape = read_shape(SourceShape, raw, ("sources", name), self.findings)
            if shape is not None:
                self.sources[name] = self.source_builder.build(name, shape)
        self.receivers.read(data.get("remote_write", []))
        parts = [self._job(name, raw, named) for name, raw in data.get("jobs", {}).items()]
        self._check_unused(named, data.get("jobs", {}))
        for source in self.sources.values():
            plans = {part.name: part.plan for part in parts if part.shape and part.shape.source == source.name}
            check_shared_interval(source, {name: plan.period for name, plan in plans.items() if plan}, self.findings)
            lanes = {part.name: least_lanes(part.each) for part in parts}
            uses = {name: (plan.period, plan.request.cost * lanes[name]) for name, plan in plans.items() if plan}
            check_quotas(source, uses, self.findings)
        jobs = tuple(job for part in parts if (job := self._assemble(part)) is not None)
        assert len(jobs) == len(parts) or self.findings.problems(warnings=False), "BUG: a job is lost without a word"
        if jobs or not parts:
            self.receivers.check_unused()
        receivers = tuple(self.receivers.specs.values())
        return Config(self.path, self.sources, jobs, tuple(self.findings.problems(warnings=True)), receivers)

    def _top(self, data: Any) -> dict[str, Any]:
        """The sections of the file; keys that begin with ``x-`` are a place for anchors."""
        if isinstance(data, dict):
            data = {key: value for key, value in data.items() if not key.startswith("x-")}
            hollow = {key: _hollow(value) for key, value in data.items()}
        else:
            hollow = data
        read_shape(ConfigShape, hollow, (), self.findings)
        kinds: dict[str, Any] = {"sources": {}, "jobs": {}, "remote_write": []}
        found = hollow if isinstance(hollow, dict) else {}
        sections = {key: data[key] for key, kind in kinds.items() if key in found and found[key] == kind}
        if "remote_write" in found:
            sections.setdefault("remote_write", None)
        if sections.get("jobs") == {}:
            self.findings.add(Check.EMPTY, ("jobs",), "there is no job: nothing would be polled", key=True)
        return sections

    def _job(self, name: str, raw: Any, sources: Mapping[str, Any]) -> _JobParts:
        where: Where = ("jobs", name)
        if complaint := plain_name_complaint(name):
            self.findings.add(Check.NAME, where, complaint, key=True)
        metrics = raw.get("metrics") if isinstance(raw, dict) else None
        head = {**raw, "metrics": {}} if isinstance(metrics, dict) else raw
        shape = read_shape(JobShape, head, where, self.findings)
        parts = _JobParts(name, where, shape, None, {}, definition=_definition(raw))
        written = raw.get("source") if isinstance(raw, dict) else None
        self._check_source(shape.source if shape else written, where, sources)
        if shape is not None:
            builder = JobBuilder(self.findings, where, self.source_builder)
            source = self.sources.get(shape.source)
            parts.plan = builder.build(shape, source, each_names(shape))
            parts.each = EachBuilder(builder, self.sources).build(shape, source, parts.plan.request)
            check_labels(shape, where, self.findings)
            check_captures(shape, where, self.findings)
            check_walks_named(shape, shape.rows or {}, where, self.findings)
            self.receivers.note_job(where, shape)
        if metrics == {}:
            self.findings.add(
                Check.EMPTY, (*where, "metrics"), "there is no metric: the job would make nothing", key=True
            )
        for metric_name, metric in metrics.items() if isinstance(metrics, dict) else ():
            self._metric(parts, metric_name, metric)
        if shape is not None and isinstance(metrics, dict) and metrics:
            ways = [metric.get("deliver") for metric in metrics.values() if isinstance(metric, dict)]
            self.receivers.check_job(where, shape, ways)
        return parts

    def _check_source(self, name: Any, where: Where, sources: Mapping[str, Any]) -> None:
        if self.has_sources and isinstance(name, str) and name and name not in sources:
            message = f"there is no source {name!r}{did_you_mean(name, list(sources))}"
            self.findings.add(Check.UNKNOWN_SOURCE, (*where, "source"), message)

    def _metric(self, parts: _JobParts, name: str, raw: Any) -> None:
        where = (*parts.where, "metrics", name)
        shape = read_shape(MetricShape, raw, where, self.findings)
        if shape is None:
            return
        builder = MetricBuilder(self.findings, where, shape)
        check_walks_named(shape, (parts.shape.rows if parts.shape else None) or {}, where, self.findings)
        if builder.check(parts.shape):
            parts.metrics[name] = builder
        self.receivers.note(where, name, shape, parts.shape)
        polled = _polled(parts.shape, parts.plan) if parts.shape and parts.plan else ""
        unit = builder.unit(parts.shape)
        self.families.add(Declaration(where, name, builder.type, unit, shape.help.strip(), polled))

    def _check_unused(self, sources: Mapping[str, Any], jobs: Mapping[str, Any]) -> None:
        used = {str(raw.get("source")) if isinstance(raw, dict) else "" for raw in jobs.values()}
        used |= {name for raw in jobs.values() for name in _discovering(raw)}
        for name in sources if used and used <= set(sources) else ():  # else the mistake is the job's
            if name not in used:
                self.findings.add(Check.UNUSED_SOURCE, ("sources", name), "no job uses this source", key=True)

    def _assemble(self, parts: _JobParts) -> Job | None:
        shape, plan = parts.shape, parts.plan
        if shape is None or plan is None:
            return None
        max_age = max_age_of(plan.period, plan.window)
        metrics = [
            builder.build(shape, Policy(max_age, self.families.polled(name), self.receivers.of(builder.shape, shape)))
            for name, builder in parts.metrics.items()
        ]
        shapes = {name: builder.shape for name, builder in parts.metrics.items()}
        window = plan.window
        if plan.window_is_asked and shape.time is None:
            metrics = [_of_its_window(mapped) for mapped in metrics]
            window = replace(window, asks_once=any(map(_counts_windows, metrics)))
        if shape.time is None:
            metrics = [_untimed(mapped) for mapped in metrics]
        check_grid(parts.where, shape, shapes, window, self.findings)
        check_once(parts.where, window, self.findings)
        check_paged(parts.where, shape, shapes, self.findings)
        if shape.window is not None and shape.window.settled_until is not None:
            cuts = plan.window_is_asked or any(mapped.metric.temporality for mapped in metrics)
            counts = any(mapped.own.time is _WINDOW for mapped in metrics)
            check_settled(parts.where, window, self.findings, cuts_windows=cuts, counts_windows=counts)
        if not plan.window_is_asked:
            check_effect(parts.where, shape, shapes.values(), self.findings)
        check_times(parts.where, shape, shapes, self.findings)
        check_zones(parts.where, shape, shapes, self.findings)
        check_expect(parts.where, shape, self.findings)
        if shape.overflow == "aggregate" and not any(builder.can_sum(shape) for builder in parts.metrics.values()):
            message = "has no effect: only counters with temporality delta and gauges with combine: sum are added up"
            self.findings.add(Check.NO_EFFECT, (*parts.where, "overflow"), message)
        check_max_age(parts.where, shape, shapes, rhythm_of(plan.period, plan.window), self.findings)
        self.receivers.check_ages(parts.where, shape, plan, [mapped.metric for mapped in metrics])
        mapping = self._compile(parts.where, shape, metrics)
        source = self.sources.get(shape.source)
        if mapping is None or source is None:
            return None
        check_second_request(source, plan.request, plan.timeout, parts.where, self.findings)
        return Job(
            name=parts.name,
            schedule=plan.schedule,
            window=window,
            polling=HttpPolling(source, plan.request, mapping, plan.transform),
            metrics={mapped.metric.family.name: mapped.metric for mapped in metrics},
            timeout=plan.timeout,
            window_is_asked=plan.window_is_asked,
            max_series=shape.max_series or MAX_SERIES,
            guard=_guard(shape),
            each=parts.each,
            definition=parts.definition,
        )

    def _compile(self, where: Where, shape: JobShape, metrics: list[MetricMapping]) -> CompiledMapping | None:
        expect = shape.expect
        spec = MappingSpec(
            rows={name: _walk(walk.path, walk.columns) for name, walk in (shape.rows or {}).items()},
            metrics=tuple(metrics),
            defaults=rules(shape),
            label_length=shape.label_length or MAX_LENGTH,
            settled=settled_spec(shape),
            expect=ExpectSpec(
                equal=(expect.equal if expect else None) or {},
                present=tuple((expect.present if expect else None) or ()),
                absent=tuple((expect.absent if expect else None) or ()),
                empty=signal_spec(expect.empty if expect else None),
                partial=signal_spec(expect.partial if expect else None),
            ),
        )
        try:
            return compile_mapping(spec)
        except SpecError as error:
            for problem in error.problems:
                at = self.findings.places.known((*where, *problem.where))
                self.findings.add_new(Check.MAPPING, at, problem.message)
            return None


def _definition(raw: Any) -> str:
    """Stands for what a file says of a job, in the order in which it does; a credential in it cannot be read back."""
    return blake2b(_said(raw).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _said(raw: Any) -> str:
    if isinstance(raw, dict):
        return "{" + ",".join(f"{key!r}:{_said(value)}" for key, value in raw.items()) + "}"
    if isinstance(raw, list):
        return "[" + ",".join(map(_said, raw)) + "]"
    return f"number {raw.written}" if isinstance(raw, Written) else repr(raw)


def _hollow(section: Any) -> Any:
    """A section without what is in it."""
    return type(section)() if isinstance(section, dict | list) else section


def _discovering(job: Any) -> Iterator[str]:
    """The sources that the discoveries of a job name."""
    each = job.get("each") if isinstance(job, dict) else None
    for values in each.values() if isinstance(each, dict) else ():
        if isinstance(values, dict) and isinstance(values.get("source"), str):
            yield values["source"]


def _walk(path: str, columns: str | list[str] | None) -> WalkSpec:
    return WalkSpec(path, tuple(columns) if isinstance(columns, list) else columns)


def _of_its_window(mapped: MetricMapping) -> MetricMapping:
    """A counter without a time counts what the request asked for: its interval is the window."""
    if mapped.metric.temporality is None or mapped.own.time is not None:
        return mapped
    return replace(mapped, own=replace(mapped.own, time=_WINDOW))


def _untimed(mapped: MetricMapping) -> MetricMapping:
    """A metric without a time is about the fire time."""
    return mapped if mapped.own.time is not None else replace(mapped, metric=replace(mapped.metric, timed=False))


def _counts_windows(mapped: MetricMapping) -> bool:
    return mapped.own.time is _WINDOW and mapped.metric.temporality is Temporality.DELTA


def _guard(shape: JobShape) -> GuardSpec:
    expect = shape.expect
    return guard_of(expect.min_series_ratio, expect.max_refusals) if expect is not None else GuardSpec()


def _polled(shape: JobShape, plan: Plan) -> str:
    return polled_text(plan.period, shape.cron, shape.timezone, f"from {shape.source}", plan.window.delay)
