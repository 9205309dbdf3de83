"""From a file to a config that can run.

Owns: the order of the steps: text, environment, shape, meaning; which piece is read by itself; and the promise that all
mistakes of a file are reported together. Must not know: any single check.

A mistake must not hide others, so shapes are read piece by piece: a source, a job without its metrics, and each metric
stand or fall alone, and what stands is looked at further.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from timepoint.config.assemble import Assembler, JobParts
from timepoint.config.checks import Check
from timepoint.config.defaults import polled_text
from timepoint.config.each_build import EachBuilder, each_names
from timepoint.config.environ import Environment
from timepoint.config.families import Declaration, Families
from timepoint.config.job_build import JobBuilder, JobHead
from timepoint.config.job_shape import JobShape
from timepoint.config.metric_build import (
    MetricBuilder,
    check_captures,
    check_labels,
    check_walks_named,
    names_of_rows,
)
from timepoint.config.metric_shape import MetricShape
from timepoint.config.misfit import did_you_mean, read_shape
from timepoint.config.names import plain_name_complaint
from timepoint.config.places import Findings, Places
from timepoint.config.places import Path as Where
from timepoint.config.politeness_shape import check_quotas, check_shared_interval
from timepoint.config.remote_write_build import Receivers
from timepoint.config.shape import ConfigShape
from timepoint.config.shown import shown_config
from timepoint.config.source_build import SourceBuilder
from timepoint.config.source_shape import SourceShape
from timepoint.config.yaml import MAX_BYTES, Written, YamlStopError, read_yaml
from timepoint.errors import ConfigError, Problem
from timepoint.job import Job, Workload, given_secrets
from timepoint.remote_write.spec import ReceiverSpec
from timepoint.request.each.lanes import least_lanes
from timepoint.request.spec import SourceSpec, secrets_in


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
        """Every credential that the config itself holds, also of sources and receivers that nothing uses now."""
        yield from (secret.reveal() for secret in given_secrets(Workload(self.jobs, self.receivers)))
        yield from (one.text.reveal() for one in secrets_in(tuple(self.sources.values())) if one.text is not None)


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
            heads = {part.name: part.head for part in parts if part.shape and part.shape.source == source.name}
            check_shared_interval(source, {name: head.period for name, head in heads.items() if head}, self.findings)
            lanes = {part.name: least_lanes(part.each) for part in parts}
            uses = {name: (head.period, head.request.cost * lanes[name]) for name, head in heads.items() if head}
            check_quotas(source, uses, self.findings)
        assembler = Assembler(self.findings, self.sources, self.families, self.receivers)
        jobs = tuple(job for part in parts if (job := assembler.job(part)) is not None)
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

    def _job(self, name: str, raw: Any, sources: Mapping[str, Any]) -> JobParts:
        where: Where = ("jobs", name)
        if complaint := plain_name_complaint(name):
            self.findings.add(Check.NAME, where, complaint, key=True)
        metrics = raw.get("metrics") if isinstance(raw, dict) else None
        raw_head = {**raw, "metrics": {}} if isinstance(metrics, dict) else raw
        shape = read_shape(JobShape, raw_head, where, self.findings)
        parts = JobParts(name, where, shape, None, {}, definition=_definition(raw))
        written = raw.get("source") if isinstance(raw, dict) else None
        self._check_source(shape.source if shape else written, where, sources)
        if shape is not None:
            builder = JobBuilder(self.findings, where, self.source_builder)
            source = self.sources.get(shape.source)
            parts.head = builder.build(shape, source, each_names(shape))
            parts.each = EachBuilder(builder, self.sources).build(shape, source, parts.head.request)
            check_labels(shape, where, self.findings)
            check_captures(shape, where, self.findings)
            check_walks_named(shape, names_of_rows(shape), where, self.findings)
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

    def _metric(self, parts: JobParts, name: str, raw: Any) -> None:
        where = (*parts.where, "metrics", name)
        shape = read_shape(MetricShape, raw, where, self.findings)
        if shape is None:
            return
        builder = MetricBuilder(self.findings, where, shape)
        check_walks_named(shape, names_of_rows(parts.shape), where, self.findings)
        if builder.check(parts.shape):
            parts.metrics[name] = builder
        self.receivers.note(where, name, shape, parts.shape)
        polled = _polled(parts.shape, parts.head) if parts.shape and parts.head else ""
        unit = builder.unit(parts.shape)
        self.families.add(Declaration(where, name, builder.type, unit, shape.help.strip(), polled))

    def _check_unused(self, sources: Mapping[str, Any], jobs: Mapping[str, Any]) -> None:
        used = {str(raw.get("source")) if isinstance(raw, dict) else "" for raw in jobs.values()}
        used |= {name for raw in jobs.values() for name in _discovering(raw)}
        for name in sources if used and used <= set(sources) else ():  # else the mistake is the job's
            if name not in used:
                self.findings.add(Check.UNUSED_SOURCE, ("sources", name), "no job uses this source", key=True)


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


def _polled(shape: JobShape, head: JobHead) -> str:
    return polled_text(head.period, shape.cron, shape.timezone, f"from {shape.source}", head.window.delay)
