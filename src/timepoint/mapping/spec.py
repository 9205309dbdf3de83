"""What a mapping says, before it is compiled.

Owns: the value objects that the config hands to ``mapping.compile_mapping``. All paths are still text; the defaults of
the job and the entries of each metric stand apart, since what a default means depends on the walk that a metric
belongs to (R1, R2). Must not know: YAML, files, lines. A mistake is reported with ``where``, the path of the key inside
the job, and whoever has the file turns that into a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from timepoint.model import MetricSpec

Where = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class WalkSpec:
    """One entry of ``rows``: a path, and the names that turn the arrays it passes into objects (R10)."""

    path: str
    columns: str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LookupSpec:
    """One entry of ``lookups``: of all nodes of ``path``, the one whose ``key`` equals ``equals``, path by path.

    ``unmatched`` says what becomes of a row that has no such node.
    """

    path: str
    key: tuple[str, ...]
    equals: tuple[str, ...]
    unmatched: Literal["reject", "keep", "drop"] = "reject"


@dataclass(frozen=True, slots=True)
class TimeSpec:
    """When a point is (R6): ``at``, or ``at, interval[, labelled]``, or ``start, end``, or ``start, step[, index]``.

    A bare path in the config is ``at``. All entries are text as written: a path if it begins with ``$``, a window
    template such as ``{window.start}``, else a literal. Several texts are the parts of one stamp, joined by blanks.
    ``first`` is the number of the first interval in ``index``. ``length_unit`` is what a number counts that the path of
    ``step`` or ``interval`` finds: a word of ``stamps.LENGTH_UNITS``.
    """

    at: str | tuple[str, ...] | None = None
    start: str | tuple[str, ...] | None = None
    end: str | tuple[str, ...] | None = None
    step: str | None = None
    index: str | None = None
    interval: str | None = None
    labelled: str = "start"
    first: int = 0
    format: str | None = None
    timezone: str | None = None
    length_unit: str = "seconds"


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """Conversion of the body's unit into the name's suffix."""

    from_: str
    to: str


@dataclass(frozen=True, slots=True)
class RelabelRule:
    """One of Prometheus' relabel rules. Source: Prometheus, "Configuration", ``<relabel_config>``."""

    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = "(.*)"
    modulus: int | None = None
    target_label: str | None = None
    replacement: str = "$1"
    action: str = "replace"


@dataclass(frozen=True, slots=True)
class Rules:
    """What may stand at the job as a default and at a metric as its own (R2). None means: not said here.

    ``labels`` maps a label name to a path, a literal, or None (takes a default or a capture away); the name ``*``
    spreads an object (R9). ``missing`` lists JSON values that mean no value. ``combine`` is ``sum``, ``min``, ``max``,
    ``mean``, ``first`` or ``last``.
    """

    labels: Mapping[str, str | None] = field(default_factory=dict)
    time: TimeSpec | None = None
    relabel: tuple[RelabelRule, ...] = ()
    missing: tuple[Any, ...] | None = None
    unit: UnitSpec | None = None
    combine: str | None = None


@dataclass(frozen=True, slots=True)
class MetricMapping:
    """How one metric reads the document.

    ``value`` is a path or a literal number; None for an info. A histogram or summary read from the body has ``count``,
    ``sum`` and either ``buckets`` (upper bound -> count up to it) or ``quantiles`` (quantile -> value), each a path to
    an object or to a list of pairs; a histogram whose ``value`` is observed has ``bounds``. A stateset has ``states``.
    ``row`` names the walk if the paths alone do not. ``value_map`` is the config's ``map``, looked up by the text of
    the JSON value. ``strip`` are texts that are taken out of a value that is text. ``short_list`` is ``align_start``,
    ``align_end`` or None (R17).
    """

    metric: MetricSpec
    value: str | float | None
    own: Rules = field(default_factory=Rules)
    row: str | None = None
    value_map: Mapping[str, float] = field(default_factory=dict)
    decimal: str = "."
    strip: tuple[str, ...] = ()
    short_list: str | None = None
    states: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    buckets: str | None = None
    quantiles: str | None = None
    sum: str | None = None
    count: str | None = None


@dataclass(frozen=True, slots=True)
class SignalSpec:
    """What gives a signal, of which any one suffices: path -> value, paths that are there, paths that are not."""

    equal: Mapping[str, Any] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExpectSpec:
    """What a usable document holds (R11): path -> required value, paths that must be there, paths that must not.

    ``empty`` are the signals that there is nothing yet, ``partial`` those that something is missing.
    """

    equal: Mapping[str, Any] = field(default_factory=dict)
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    empty: SignalSpec | None = None
    partial: SignalSpec | None = None

    @property
    def tells(self) -> bool:
        """Whether it says how a good answer is told from others."""
        return bool(self.equal or self.present or self.absent)


@dataclass(frozen=True, slots=True)
class SettledSpec:
    """Where an answer says up to when its data are final. ``is_mapping``: the config has keys for it, not a path alone.

    ``timezone`` is that of a stamp without offset.
    """

    at: str
    format: str | None = None
    timezone: str = "UTC"
    is_mapping: bool = False


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """The whole mapping of a job. Label values longer than ``label_length`` characters are cut and end with a hash."""

    rows: Mapping[str, WalkSpec]
    metrics: tuple[MetricMapping, ...]
    defaults: Rules = field(default_factory=Rules)
    expect: ExpectSpec = field(default_factory=ExpectSpec)
    settled: SettledSpec | None = None
    label_length: int = 256
    lookups: Mapping[str, LookupSpec] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpecProblem:
    """One mistake: the key inside the job, as in ``("metrics", "x_total", "value")``, and a sentence for its author."""

    where: Where
    message: str


class SpecError(ValueError):
    """The mapping cannot be compiled; carries every mistake found."""

    def __init__(self, problems: list[SpecProblem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{'.'.join(map(str, p.where))}: {p.message}" for p in problems))
