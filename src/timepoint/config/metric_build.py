"""A metric's shape into its declaration and its mapping.

Owns: the checks of names, types, units and labels of one metric. Must not know: other metrics, paths, schedules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from timepoint.config.checks import Check
from timepoint.config.defaults import FORGET_AFTER, ZERO_FIRST
from timepoint.config.job_shape import JobShape
from timepoint.config.metric_shape import MetricShape, RelabelShape, RulesShape, TimeShape
from timepoint.config.names import (
    LABELS_OF_TYPES,
    captures_in,
    grammar_complaint,
    reserved_complaint,
    suffix_complaint,
    unit_complaint,
)
from timepoint.config.places import Findings, Path
from timepoint.mapping.labels import check_label_name
from timepoint.mapping.spec import MetricMapping, RelabelRule, Rules, TimeSpec, UnitSpec
from timepoint.model import FamilySpec, MetricSpec, MetricType, OnRevision, Points, Receiver, Temporality

_GAUGE, _COUNTER, _HISTOGRAM = MetricType.GAUGE, MetricType.COUNTER, MetricType.HISTOGRAM
_SUMMARY, _INFO, _STATESET, _UNKNOWN = MetricType.SUMMARY, MetricType.INFO, MetricType.STATESET, MetricType.UNKNOWN
_SUMMED = (_COUNTER, _HISTOGRAM, _SUMMARY)
_NUMBERS = (_GAUGE, _COUNTER, _HISTOGRAM, _SUMMARY, _UNKNOWN)
_VALUED = (*_NUMBERS, _STATESET)
# Which types have a key; keys that are not here belong to all.
TYPES_OF: Mapping[str, tuple[MetricType, ...]] = {
    "temporality": _SUMMED,
    "value": (_GAUGE, _COUNTER, _HISTOGRAM, _UNKNOWN, _STATESET),
    "map": _VALUED,
    "missing": _VALUED,
    "decimal": _NUMBERS,
    "strip": _NUMBERS,
    "unit": _NUMBERS,
    "short_list": _VALUED,
    "points": (_GAUGE, _UNKNOWN),
    "horizon": (_GAUGE,),
    "states": (_STATESET,),
    "bounds": (_HISTOGRAM,),
    "buckets": (_HISTOGRAM,),
    "quantiles": (_SUMMARY,),
    "sum": (_HISTOGRAM, _SUMMARY),
    "count": (_HISTOGRAM, _SUMMARY),
    "zero_first": _SUMMED,
    "created_timestamps": _SUMMED,
    "forget_after": _SUMMED,
    "on_revision": _SUMMED,
}
NEEDED: Mapping[MetricType, tuple[str, ...]] = {
    _GAUGE: ("value",),
    _COUNTER: ("value",),
    _UNKNOWN: ("value",),
    _STATESET: ("value", "states"),
    _SUMMARY: ("quantiles", "sum", "count"),
    _INFO: (),
}
_DOLLAR = re.compile(r"\$(?![$.\[\w]|$)|\$\d")
_NO_DOLLAR = re.compile(r"(\w+)[.\[]")


@dataclass(frozen=True, slots=True)
class Policy:
    """What a metric gets: how long values may be shown, the words that end its HELP, and who is sent its timepoints."""

    max_age: int
    polled: str
    receivers: tuple[Receiver, ...] = ()


class MetricBuilder:
    """Checks and builds one metric that stands at ``where``."""

    def __init__(self, findings: Findings, where: Path, shape: MetricShape) -> None:
        self.findings = findings
        self.where = where
        self.shape = shape
        self.name = str(where[-1])
        self.type = MetricType(shape.type)

    def check(self, job: JobShape | None) -> bool:
        """Adds what is wrong with the metric; whether it is sound enough to look at its paths."""
        for complain in (grammar_complaint, reserved_complaint):
            if complaint := complain(self.name):
                check = Check.METRIC_NAME if complain is grammar_complaint else Check.METRIC_RESERVED
                self.findings.add(check, self.where, complaint, key=True)
        if complaint := suffix_complaint(self.name, self.type):
            self.findings.add(Check.METRIC_SUFFIX, self.where, complaint, key=True)
        elif (unit := self.unit(job)) and (complaint := unit_complaint(self.name, self.type, unit)):
            at = (*self.where, "unit", "to") if self.shape.unit else self.where
            self.findings.add(Check.UNIT_SUFFIX, at, complaint, key=not self.shape.unit)
        if not self.shape.help.strip():
            self.findings.add(Check.HELP, (*self.where, "help"), "must say in a sentence what is measured")
        check_labels(self.shape, self.where, self.findings)
        self._check_own_labels()
        self._check_created()
        return self._check_temporality() & self._check_keys()

    def unit(self, job: JobShape | None) -> str:
        """The unit that the metric's name must carry."""
        if self.shape.unit is not None:
            return self.shape.unit.to
        if job is None or job.unit is None or self.type not in _NUMBERS:
            return ""
        return job.unit.to

    def _check_own_labels(self) -> None:
        """Labels that the type itself sets."""
        own = []
        if self.shape.horizon and len(self.shape.horizon) > 1:
            own.append(("horizon", "several horizons set the label horizon themselves"))
        if self.type is _STATESET:
            own.append((self.name, "a stateset gives its state in the label of its own name"))
        for name, why in own:
            if name in (self.shape.labels or {}):
                at = (*self.where, "labels", name)
                self.findings.add(Check.LABEL_RESERVED, at, f"{why}: choose another name", key=True)

    def _check_temporality(self) -> bool:
        if self.type in _SUMMED and self.shape.temporality is None:
            message = (
                f"a {self.type} needs temporality, since a guess would count twice: delta if a value is the amount of "
                "its interval, cumulative if it is a running reading"
            )
            self.findings.add(Check.TEMPORALITY, self.where, message, key=True)
            return False
        return True

    def _check_keys(self) -> bool:
        given = {key for key in TYPES_OF if getattr(self.shape, key) is not None}
        wrong = [key for key in TYPES_OF if key in given and self.type not in TYPES_OF[key]]
        for key in wrong:
            types = ", ".join(TYPES_OF[key])
            hint = "leave it out" if len(TYPES_OF[key]) > len(_SUMMED) else f"it is for {types}"
            message = f"{key} means nothing for type {self.type}: {hint}"
            self.findings.add(Check.KEY_FOR_TYPE, (*self.where, key), message, key=True)
        lacking = [key for key in self._needed(given) if key not in given]
        if lacking:
            message = f"type {self.type} needs {' and '.join(lacking)}"
            self.findings.add(Check.KEY_FOR_TYPE, self.where, message, key=True)
        return not wrong and not lacking

    def _check_created(self) -> None:
        if self.shape.created_timestamps and self.shape.temporality == "cumulative":
            message = "has no effect on running readings: nobody knows when the source began to count"
            self.findings.add(Check.NO_EFFECT, (*self.where, "created_timestamps"), message)

    def _needed(self, given: set[str]) -> tuple[str, ...]:
        if self.type is _HISTOGRAM:
            return ("value", "bounds") if given & {"value", "bounds"} else ("buckets", "sum", "count")
        return NEEDED[self.type]

    def can_sum(self, job: JobShape) -> bool:
        """Whether the values of different series may be added up: amounts, and what the config itself adds up."""
        if self.type is _COUNTER:
            return self.shape.temporality == "delta"
        return self.type in (_GAUGE, _UNKNOWN) and (self.shape.combine or job.combine) == "sum"

    def build(self, job: JobShape, policy: Policy) -> MetricMapping:
        """The declaration and the mapping of a metric that was found sound."""
        shape = self.shape
        help_text = f"{shape.help.strip()} ({policy.polled})"
        points = shape.points or job.points or "last"
        metric = MetricSpec(
            family=FamilySpec(self.name, self.type, help_text, self.unit(job)),
            temporality=Temporality(shape.temporality) if shape.temporality else None,
            points=Points(points) if self.type in (_GAUGE, _UNKNOWN) else Points.LAST,
            max_age=shape.max_age or job.max_age or policy.max_age,
            zero_first=_first(shape.zero_first, job.zero_first, ZERO_FIRST),
            forget_after=shape.forget_after or job.forget_after or FORGET_AFTER,
            on_revision=OnRevision(shape.on_revision or "debt"),
            horizons=tuple(shape.horizon or ()),
            max_series=shape.max_series or 0,
            sums_overflow=job.overflow == "aggregate" and self.can_sum(job),
            shows_created=shape.temporality == "delta"
            and bool(_first(shape.created_timestamps, job.created_timestamps, 0)),
            receivers=policy.receivers,
        )
        return MetricMapping(
            metric=metric,
            value=shape.value,
            own=rules(shape),
            row=shape.row,
            value_map=shape.map or {},
            decimal=shape.decimal or job.decimal or ".",
            strip=tuple(shape.strip if shape.strip is not None else job.strip or ()),
            short_list=shape.short_list,
            states=tuple(shape.states or ()),
            bounds=tuple(shape.bounds or ()),
            buckets=shape.buckets,
            quantiles=shape.quantiles,
            sum=shape.sum,
            count=shape.count,
        )


def _first(*values: int | None) -> int:
    return next(value for value in values if value is not None)


def check_labels(shape: RulesShape, where: Path, findings: Findings) -> None:
    """Adds what is wrong with the names of labels at a job or a metric. A name ``__x`` lives until relabel is done."""
    for name, text in (shape.labels or {}).items():
        at = (*where, "labels", name)
        if name == "*":
            continue
        if (text or "").startswith(("{window.", "{fire_time", "{each.")):
            message = "a label is a path or a text: templates are for requests and times"
            message += ", and a value of each is a label by itself" if (text or "").startswith("{each.") else ""
            findings.add(Check.TEMPLATE, at, message)
        if _DOLLAR.match(text or ""):
            findings.add(Check.LITERAL, at, f"is no path: a text that begins with $ is written with $$, as in ${text}")
        if name in LABELS_OF_TYPES:
            message = f"the label {name} is for {LABELS_OF_TYPES[name]}: choose another name"
            findings.add(Check.LABEL_RESERVED, at, message, key=True)
            continue
        try:
            check_label_name(name)
        except ValueError as error:
            check = Check.LABEL_RESERVED if name.isidentifier() else Check.LABEL_NAME
            findings.add(check, at, str(error), key=True)


def check_walks_named(shape: RulesShape, walks: Iterable[str], where: Path, findings: Findings) -> None:
    """Warns of labels that are texts, and look like paths that begin at a walk."""
    for name, text in (shape.labels or {}).items():
        match = _NO_DOLLAR.match(text or "")
        if match and match[1] in walks:
            message = f"{text!r} is a text and no path: write ${text}, if the value stands in the answer"
            findings.add(Check.LITERAL_DOUBT, (*where, "labels", name), message)


def names_of_rows(shape: JobShape | None) -> tuple[str, ...]:
    """The names at which a path of a row may begin, but for captures."""
    return () if shape is None else (*(shape.rows or ()), *(shape.lookups or ()))


def check_captures(shape: JobShape, where: Path, findings: Findings) -> None:
    """Adds the captures of ``rows`` that would become a label which belongs to a type."""
    for name, walk in (shape.rows or {}).items():
        for capture in captures_in(walk.path):
            if capture in LABELS_OF_TYPES:
                message = f"{{{capture}}} would become the label for {LABELS_OF_TYPES[capture]}: choose another name"
                findings.add(Check.LABEL_RESERVED, (*where, "rows", name), message)


def check_overflow(job: JobShape, metrics: Iterable[MetricBuilder], where: Path, findings: Findings) -> None:
    """Warns of an ``overflow`` that adds nothing up."""
    if job.overflow == "aggregate" and not any(builder.can_sum(job) for builder in metrics):
        message = "has no effect: only counters with temporality delta and gauges with combine: sum are added up"
        findings.add(Check.NO_EFFECT, (*where, "overflow"), message)


def rules(shape: RulesShape) -> Rules:
    """What a job or a metric says about labels, time, relabeling, missing values, units and joins (R2)."""
    return Rules(
        labels=shape.labels or {},
        time=_time(shape.time),
        relabel=tuple(_relabel_rule(rule) for rule in shape.relabel or ()),
        missing=None if shape.missing is None else tuple(shape.missing),
        unit=None if shape.unit is None else UnitSpec(shape.unit.from_, shape.unit.to),
        combine=shape.combine,
    )


def _relabel_rule(shape: RelabelShape) -> RelabelRule:
    given: dict[str, Any] = {key: value for key, value in shape.model_dump().items() if value is not None}
    given["source_labels"] = tuple(shape.source_labels or ())
    return RelabelRule(**given)


def _time(shape: TimeShape | None) -> TimeSpec | None:
    if shape is None:
        return None
    said: dict[str, Any] = {key: value for key, value in shape.model_dump().items() if value is not None}
    said.update({key: tuple(value) for key, value in said.items() if isinstance(value, list)})
    return TimeSpec(**said)
