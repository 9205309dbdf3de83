"""What could be read of a job becomes a job.

Owns: what the window, the metrics and the mapping of one job mean together, and the order of the checks that need all
of it. Must not know: how a file is read, other jobs, any single check.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from timepoint.config.checks import Check
from timepoint.config.defaults import guard_of, max_age_of, rhythm_of
from timepoint.config.families import Families
from timepoint.config.job_build import JobHead
from timepoint.config.job_shape import JobShape
from timepoint.config.lookup_shape import lookup_specs
from timepoint.config.metric_build import MetricBuilder, Policy, check_overflow, rules
from timepoint.config.paging_build import check_paged
from timepoint.config.places import Findings
from timepoint.config.places import Path as Where
from timepoint.config.politeness_shape import check_second_request
from timepoint.config.remote_write_build import Receivers
from timepoint.config.settled_shape import check_settled, settled_spec
from timepoint.config.signal_shape import signal_spec
from timepoint.config.window_checks import (
    check_effect,
    check_expect,
    check_grid,
    check_max_age,
    check_once,
    check_times,
    check_zones,
)
from timepoint.job import MAX_SERIES, GuardSpec, HttpPolling, Job
from timepoint.mapping.engine import Mapping as CompiledMapping
from timepoint.mapping.engine import compile_mapping
from timepoint.mapping.labels import MAX_LENGTH
from timepoint.mapping.spec import ExpectSpec, MappingSpec, MetricMapping, SpecError, TimeSpec, WalkSpec
from timepoint.model import Temporality
from timepoint.request.each.spec import EachSpec
from timepoint.request.spec import SourceSpec, WindowSpec

_WINDOW = TimeSpec(start="{window.start}", end="{window.end}")


@dataclass(slots=True)
class JobParts:
    """A job on its way: what of it could be read."""

    name: str
    where: Where
    shape: JobShape | None
    head: JobHead | None
    metrics: dict[str, MetricBuilder]
    each: EachSpec | None = None
    definition: str = ""


@dataclass(frozen=True, slots=True)
class Assembler:
    """Makes jobs of their parts. What else there is of the file stands beside the findings."""

    findings: Findings
    sources: Mapping[str, SourceSpec]
    families: Families
    receivers: Receivers

    def job(self, parts: JobParts) -> Job | None:
        """The job; None, and a finding, if it cannot run."""
        shape, head = parts.shape, parts.head
        if shape is None or head is None:
            return None
        metrics, window = self._meant(parts, shape, head)
        self._check(parts, shape, head, metrics, window)
        mapping = self._compile(parts.where, shape, metrics)
        source = self.sources.get(shape.source)
        if mapping is None or source is None:
            return None
        check_second_request(source, head.request, head.timeout, parts.where, self.findings)
        return Job(
            name=parts.name,
            schedule=head.schedule,
            window=window,
            polling=HttpPolling(source, head.request, mapping, head.transform),
            metrics={mapped.metric.family.name: mapped.metric for mapped in metrics},
            timeout=head.timeout,
            window_is_asked=head.window_is_asked,
            max_series=shape.max_series or MAX_SERIES,
            guard=_guard(shape),
            each=parts.each,
            definition=parts.definition,
        )

    def _meant(self, parts: JobParts, shape: JobShape, head: JobHead) -> tuple[list[MetricMapping], WindowSpec]:
        """The metrics and the window, where what each of them leaves out depends on the other."""
        max_age = max_age_of(head.period, head.window)
        metrics = [
            builder.build(shape, Policy(max_age, self.families.polled(name), self.receivers.of(builder.shape, shape)))
            for name, builder in parts.metrics.items()
        ]
        window = head.window
        if head.window_is_asked and shape.time is None:
            metrics = [_of_its_window(mapped) for mapped in metrics]
            window = replace(window, asks_once=any(map(_counts_windows, metrics)))
        if shape.time is None:
            metrics = [_untimed(mapped) for mapped in metrics]
        return metrics, window

    def _check(
        self, parts: JobParts, shape: JobShape, head: JobHead, metrics: list[MetricMapping], window: WindowSpec
    ) -> None:
        """Adds what does not go together."""
        shapes = {name: builder.shape for name, builder in parts.metrics.items()}
        check_grid(parts.where, shape, shapes, window, self.findings)
        check_once(parts.where, window, self.findings)
        check_paged(parts.where, shape, shapes, self.findings)
        if shape.window is not None and shape.window.settled_until is not None:
            cuts = head.window_is_asked or any(mapped.metric.temporality for mapped in metrics)
            counts = any(mapped.own.time is _WINDOW for mapped in metrics)
            check_settled(parts.where, window, self.findings, cuts_windows=cuts, counts_windows=counts)
        if not head.window_is_asked:
            check_effect(parts.where, shape, shapes.values(), self.findings)
        check_times(parts.where, shape, shapes, self.findings)
        check_zones(parts.where, shape, shapes, self.findings)
        check_expect(parts.where, shape, self.findings)
        check_overflow(shape, parts.metrics.values(), parts.where, self.findings)
        check_max_age(parts.where, shape, shapes, rhythm_of(head.period, head.window), self.findings)
        self.receivers.check_ages(parts.where, shape, head, [mapped.metric for mapped in metrics])

    def _compile(self, where: Where, shape: JobShape, metrics: list[MetricMapping]) -> CompiledMapping | None:
        expect = shape.expect
        spec = MappingSpec(
            rows={name: _walk(walk.path, walk.columns) for name, walk in (shape.rows or {}).items()},
            lookups=lookup_specs(shape.lookups),
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
