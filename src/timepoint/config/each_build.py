"""The fan-out of a job, from its shape.

Owns: the checks of ``each`` and of the templates that name its values. Must not know: how a job runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path

from timepoint.clock import HOUR, format_duration
from timepoint.config.checks import Check
from timepoint.config.job_build import JobBuilder, each_named
from timepoint.config.job_shape import EachShape, JobShape
from timepoint.config.names import LABELS_OF_TYPES, captures_in
from timepoint.config.places import Path as Where
from timepoint.mapping.engine import Mapping as CompiledMapping
from timepoint.mapping.labels import check_label_name
from timepoint.mapping.spec import SpecError, WalkSpec
from timepoint.model import LABEL_NAME
from timepoint.request.each.lanes import ListError, lanes_of
from timepoint.request.each.lists import as_value, compile_list
from timepoint.request.each.spec import MAX_LANES, Discovery, EachSpec, Entry, ListFile, Values
from timepoint.request.spec import RequestSpec, SourceSpec


class EachBuilder:
    """Builds the fan-out of one job. ``job`` builds the requests of its discoveries."""

    def __init__(self, job: JobBuilder, sources: Mapping[str, SourceSpec]) -> None:
        self.findings = job.findings
        self.where: Where = (*job.where, "each")
        self.job = job
        self.sources = sources

    def build(self, shape: JobShape, source: SourceSpec | None, request: RequestSpec) -> EachSpec | None:
        """The fan-out; None if there is none, or it cannot be used."""
        if shape.each is None:
            if shape.max_lanes is not None:
                self.findings.add(Check.NO_EFFECT, (*self.job.where, "max_lanes"), "has no effect without each")
            return None
        if not shape.each:
            self._add((), "", Check.EMPTY, "names no values: write each: {zone: [DE, FR]}")
            return None
        found = [self._values(name, each, source) for name, each in shape.each.items()]
        values = tuple(one for one in found if one is not None)
        fits = self._fits(shape.each)
        self._check_labels(values)
        self._check_used(shape.each, request)
        if len(values) < len(found) or not fits:
            return None
        spec = EachSpec(values, shape.max_lanes or MAX_LANES)
        self._check_count(spec, shape, source)
        return spec

    def _add(self, inside: Where, key: str, check: Check, message: str) -> None:
        self.findings.add(check, (*self.where, *inside, *((key,) if key else ())), message)

    def _values(self, name: str, shape: EachShape, source: SourceSpec | None) -> Values | None:
        if LABEL_NAME.fullmatch(name) is None:
            self._add((name,), "", Check.EACH, "is no name: use letters, digits and _, not beginning with a digit")
            return None
        label = shape.label if "label" in shape.model_fields_set else name
        if label is not None and not self._check_label(name, label, is_own="label" in shape.model_fields_set):
            return None
        origin = self._origin(name, shape, source)
        return None if origin is None else Values(name, origin, label, shape.beside or "")

    def _check_label(self, name: str, label: str, *, is_own: bool) -> bool:
        complaint = None
        if label in LABELS_OF_TYPES:
            complaint = f"the label {label} is for {LABELS_OF_TYPES[label]}"
        else:
            try:
                check_label_name(label)
            except ValueError as error:
                complaint = str(error)
        if complaint is not None:
            hint = "" if is_own else ": give the label another name with label, or null for none"
            self._add((name,), "label" if is_own else "", Check.LABEL_RESERVED, f"{complaint}{hint}")
        return complaint is None

    def _origin(
        self, name: str, shape: EachShape, source: SourceSpec | None
    ) -> tuple[Entry, ...] | ListFile | Discovery | None:
        for key in _without_effect(shape):
            self._add((name,), key, Check.NO_EFFECT, f"has no effect without {_NEEDS[key]}")
        if shape.file is None and shape.request is None:
            return self._listed(name, shape)
        complaint = _complaint(shape)
        if complaint is not None:
            self._add((name,), "", Check.EACH, complaint)
            return None
        mapping = self._mapping(name, shape) if shape.values is not None else None
        if shape.file is not None and (shape.values is None or mapping is not None):
            return ListFile(self._file(name, shape.file), mapping)
        return self._discovery(name, shape, source, mapping)

    def _listed(self, name: str, shape: EachShape) -> tuple[Entry, ...] | None:
        if not isinstance(shape.values, list):
            what = "needs a list of values" if shape.values is None else "is a path, and there is no document"
            self._add((name,), "", Check.EACH, f"{what}: write [DE, FR], or say with file or request who tells them")
            return None
        if not shape.values:
            self._add((name,), "values", Check.EMPTY, "must not be an empty list")
            return None
        entries = []
        for value in shape.values:
            try:
                entries.append(Entry(as_value(value)))
            except ValueError as error:
                self._add((name,), "values", Check.EACH, str(error))
                return None
        twice = next((value for place, value in enumerate(shape.values) if value in shape.values[:place]), None)
        if twice is not None and not shape.beside:
            self._add((name,), "values", Check.EACH, f"holds {twice!r} twice")
        return tuple(entries)

    def _file(self, name: str, written: str) -> Path:
        path = self.job.sources.directory / written
        if not os.path.isfile(path):  # noqa: PTH113 (Path's raises for a name that is too long, until Python 3.14)
            message = f"the file {path} is not there: the job has no lanes until it is"
            self._add((name,), "file", Check.MISSING_FILE, message)
        return path

    def _mapping(self, name: str, shape: EachShape) -> CompiledMapping | None:
        walks = {
            walk: WalkSpec(at.path, tuple(at.columns) if isinstance(at.columns, list) else at.columns)
            for walk, at in (shape.rows or {}).items()
        }
        try:
            return compile_list(name, str(shape.values), walks, shape.labels or {})
        except SpecError as error:
            for problem in error.problems:
                where = problem.where
                key: Where = where[-1:] if where[:1] == ("metrics",) else where
                is_value = not shape.rows or key == (name,)
                at = (*self.where, name, "values") if is_value else (*self.where, name, *where[-2:])
                self.findings.add_new(Check.MAPPING, self.findings.places.known(at), problem.message)
            return None

    def _discovery(
        self, name: str, shape: EachShape, source: SourceSpec | None, mapping: CompiledMapping | None
    ) -> Discovery | None:
        if shape.request is None:
            return None
        if shape.source is not None:
            source = self.sources.get(shape.source)
            if source is None:
                close = get_close_matches(shape.source, self.sources, 1)
                hint = f", did you mean {close[0]!r}?" if close else ""
                self._add((name,), "source", Check.UNKNOWN_SOURCE, f"there is no source {shape.source!r}{hint}")
        builder = JobBuilder(self.findings, (*self.where, name), self.job.sources)
        request = builder.request(shape.request, source)
        if source is None or mapping is None:
            return None
        picked = shape.model_dump(include={"values", "rows", "labels"})
        definition = blake2b(repr(picked).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return Discovery(source, request, mapping, shape.every or HOUR, definition)

    def _fits(self, shapes: Mapping[str, EachShape]) -> bool:
        """Whether what stands beside something does."""
        fits = True
        for name, shape in shapes.items():
            other = shapes.get(shape.beside or "")
            if shape.beside is None:
                continue
            if other is None or shape.beside == name:
                others = ", ".join(known for known in shapes if known != name) or "none"
                self._add(
                    (name,), "beside", Check.EACH, f"there are no other values {shape.beside!r}; there are {others}"
                )
            elif other.beside is not None:
                message = f"{shape.beside} stands beside {other.beside} itself: write beside: {other.beside}"
                self._add((name,), "beside", Check.EACH, message)
            else:
                continue
            fits = False
        return fits

    def _check_labels(self, values: tuple[Values, ...]) -> None:
        seen: dict[str, str] = {}
        for one in values:
            if one.label is not None and seen.setdefault(one.label, one.name) != one.name:
                self._add((one.name,), "", Check.EACH, f"and {seen[one.label]} would both become the label {one.label}")

    def _check_used(self, shapes: Mapping[str, EachShape], request: RequestSpec) -> None:
        """Whether each list changes the request: all lanes would get the same answer otherwise."""
        used = each_named(request)
        for name, shape in shapes.items():
            together = [shape, *(at for at in shapes.values() if at.beside == name)]
            told = {name, *(other for other, at in shapes.items() if at.beside == name)}.union(*map(_told, together))
            if shape.beside is None and not told & used and not _is_open(shapes):
                message = f"changes nothing: {{each.{name}}} stands nowhere in the request"
                self._add((name,), "", Check.EACH, message)

    def _check_count(self, spec: EachSpec, shape: JobShape, source: SourceSpec | None) -> None:
        """What is known now of the number of lanes: all of it if every list stands in the config."""
        lists = {one.name: one.origin for one in spec.values if isinstance(one.origin, tuple)}
        if len(lists) < len(spec.values):
            return
        try:
            count = len(lanes_of(spec, lists))
        except ListError as error:
            check = Check.LANES if error.reason == "max_lanes" else Check.EACH
            self._add((), "", check, str(error))
            return
        if source is not None and source.min_interval and shape.every:
            needed = count * source.min_interval
            if needed > shape.every:
                message = (
                    f"makes {count} requests in each run, and the source {source.name} allows one every "
                    f"{format_duration(source.min_interval)}: that takes {format_duration(needed)}, and the period is "
                    f"{format_duration(shape.every)}"
                )
                self._add((), "", Check.TIMEOUT, message)


_NEEDS = {
    "source": "request",
    "every": "request",
    "rows": "file or request",
    "labels": "file or request",
}


def _complaint(shape: EachShape) -> str | None:
    """What is wrong with values that a file or a request tells."""
    if shape.file is not None and shape.request is not None:
        return "file and request exclude each other: keep one"
    if isinstance(shape.values, list):
        return "has a list of values, and somebody else who tells them: keep one, or say with a path where they stand"
    if shape.values is None and (shape.request is not None or shape.rows or shape.labels):
        return "needs values: the path at which they stand, as in $.zones[*].id"
    return None


def _without_effect(shape: EachShape) -> Iterator[str]:
    for key, needed in _NEEDS.items():
        if getattr(shape, key) is not None and not any(getattr(shape, one) is not None for one in needed.split(" or ")):
            yield key


def each_names(shape: JobShape) -> frozenset[str] | None:
    """What templates of the job may name: values, and what else is known of them; None if only the lists tell."""
    shapes = shape.each or {}
    return None if _is_open(shapes) else frozenset(shapes).union(*map(_told, shapes.values()))


def _is_open(shapes: Mapping[str, EachShape]) -> bool:
    return any("*" in (shape.labels or {}) for shape in shapes.values())


def _told(shape: EachShape) -> Iterator[str]:
    """What else is known of some values."""
    yield from shape.labels or ()
    for walk in (shape.rows or {}).values():
        yield from captures_in(walk.path)
