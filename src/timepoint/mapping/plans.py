"""Metrics become plans: what each reads, from which walk, with which labels (R1, R2, R3, R5).

Owns: the merging of a job's defaults with a metric's own entries, the walk that a metric belongs to, the check of each
entry, and the sentences for what cannot work. Must not know: how a plan is executed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from timepoint.mapping.cells import Cell, read_cell
from timepoint.mapping.labels import check_label_name
from timepoint.mapping.numbers import NumberReader
from timepoint.mapping.paths import PathError, is_path
from timepoint.mapping.relabel import Relabel, RelabelError, compile_relabel
from timepoint.mapping.series import COMBINES
from timepoint.mapping.spec import MappingSpec, MetricMapping, Rules, SpecProblem, TimeSpec, Where
from timepoint.mapping.stamps import Length, StampReader, find_zone, parse_length
from timepoint.mapping.times import DATED, TEMPLATES, TimePlan
from timepoint.mapping.units import IDENTITY, Conversion, compile_unit
from timepoint.mapping.unusable import Unusable
from timepoint.mapping.walks import BrokenWalkError, Walk, Walks

_TIME_ENTRIES = ("at", "start", "end", "step", "index", "interval", "timezone")
_SHAPES = (
    {"at"},
    {"at", "interval"},
    {"start", "end"},
    {"start", "step"},
    {"start", "step", "index"},
    set[str](),
)


@dataclass(frozen=True, slots=True)
class MetricPlan:
    """One metric, ready to be turned into code.

    ``captures`` are the captures that become labels, ``labels`` the entries that are paths, ``literals`` those that
    are not, ``spread`` the object whose members are labels (R9), but for those ``taken_away``. ``parts`` are the paths
    beside ``value``: the buckets, sum and count of a histogram, the quantiles of a summary.
    """

    mapping: MetricMapping
    walk: Walk
    values: tuple[Cell, ...]
    time: TimePlan
    time_cells: tuple[Cell, ...]
    captures: tuple[str, ...]
    labels: tuple[tuple[str, Cell], ...]
    literals: Mapping[str, str]
    spread: Cell | None
    taken_away: frozenset[str]
    relabel: Relabel
    relabels: bool
    reader: NumberReader
    conversion: Conversion
    missing: tuple[Any, ...]
    combine: str | None
    label_length: int

    @property
    def name(self) -> str:
        return self.mapping.metric.family.name

    @property
    def cells(self) -> list[Cell]:
        """All entries that are paths."""
        spread = [self.spread] if self.spread is not None else []
        return [*self.values, *self.time_cells, *(cell for _, cell in self.labels), *spread]


@dataclass(slots=True)
class _Draft:
    """A metric while its plan is made. ``say`` reports a mistake at a key of the metric, or of the job."""

    mapping: MetricMapping
    walks: Walks
    defaults: Rules
    problems: list[SpecProblem]
    where: Where = ()

    def say(self, message: str, *keys: str | int) -> None:
        self.problems.append(SpecProblem((*self.where, *keys), message))


def plan_metric(
    mapping: MetricMapping, walks: Walks, spec: MappingSpec, problems: list[SpecProblem]
) -> MetricPlan | None:
    """The plan of one metric, or None if a mistake keeps it from having one."""
    defaults = spec.defaults
    draft = _Draft(mapping, walks, defaults, problems, ("metrics", mapping.metric.family.name))
    before = len(problems)
    own = mapping.own
    values = _value_cells(draft)
    time_cells, time = _time(draft, *_time_spec(draft))
    own_labels = _label_cells(draft, own.labels, ("labels",))
    walk = _home(draft, [*values, *(time_cells if own.time is not None else ()), *own_labels[0].values()])
    missing = own.missing if own.missing is not None else defaults.missing or ()
    conversion = _conversion(draft)
    if walk is None or time is None or len(problems) > before or not _sees(draft, walk, time_cells):
        return None
    labels, literals = _merge_labels(draft, own_labels, walk)
    spread = labels.pop("*", None)
    plan = MetricPlan(
        mapping=mapping,
        walk=walk,
        values=tuple(values),
        time=time,
        time_cells=tuple(time_cells),
        captures=_captures(draft, walk, time_cells, {*labels, *literals}),
        labels=tuple(labels.items()),
        literals=literals,
        spread=spread,
        taken_away=_taken_away(draft) if spread is not None else frozenset(),
        relabel=_relabel(draft),
        relabels=bool(own.relabel or defaults.relabel),
        reader=NumberReader(missing, mapping.value_map, mapping.decimal, conversion, mapping.strip),
        conversion=conversion,
        missing=missing,
        combine=_combine(draft),
        label_length=spec.label_length,
    )
    return plan if len(problems) == before else None


def _time_spec(draft: _Draft) -> tuple[TimeSpec, Where]:
    """The metric's time, or the job's, or none; and where it stands."""
    own = draft.mapping.own.time
    if own is not None:
        return own, (*draft.where, "time")
    return draft.defaults.time or TimeSpec(), ("time",)


def _sees(draft: _Draft, walk: Walk, time_cells: list[Cell]) -> bool:
    """Whether a row sees what the time names; a job's time may name a walk that some metric's rows do not see."""
    for cell in time_cells:
        if cell.walk not in walk.line:
            row = f"${walk.name}" if walk.name else "the document"
            draft.say(
                f"the time names ${cell.path.start}, which a row of {row} does not see:"
                " give this metric its own time, or say its row"
            )
            return False
    return True


def _taken_away(draft: _Draft) -> frozenset[str]:
    """The names of labels that are null in the config."""
    both = (*draft.mapping.own.labels.items(), *draft.defaults.labels.items())
    return frozenset(name for name, text in both if text is None)


def _captures(draft: _Draft, walk: Walk, time_cells: list[Cell], named: set[str]) -> tuple[str, ...]:
    """The captures that become labels: those that no entry names or takes away, and time does not use (R5)."""
    left_out = {cell.capture for cell in time_cells} | named | _taken_away(draft)
    captures = tuple(name for step in walk.line for name in step.captures if name not in left_out)
    for name in captures:
        if not name.startswith("__"):
            try:
                check_label_name(name)
            except ValueError as error:
                draft.problems.append(SpecProblem(("rows", draft.walks.owner[name].name), f"{{{name}}}: {error}"))
    return captures


def _cell(draft: _Draft, name: str, text: str, keys: tuple[str | int, ...], *, is_own: bool = True) -> Cell | None:
    """The cell of a path, checked: known start, at most one node (R3), no capture."""
    try:
        return read_cell(name, text, draft.walks)
    except BrokenWalkError:
        return None
    except PathError as error:
        draft.problems.append(SpecProblem((*draft.where, *keys) if is_own else tuple(keys), str(error)))
        return None


def _value_cells(draft: _Draft) -> list[Cell]:
    """The cells of ``value`` and of the parts beside it."""
    mapping = draft.mapping
    entries: dict[str, Any] = {
        "value": mapping.value,
        "buckets": mapping.buckets,
        "quantiles": mapping.quantiles,
        "sum": mapping.sum,
        "count": mapping.count,
    }
    cells = []
    for name, text in entries.items():
        if isinstance(text, str) and is_path(text):
            cell = _cell(draft, name, text, (name,))
            if cell is not None:
                cells.append(cell)
        elif isinstance(text, str):
            try:
                float(text)
            except ValueError:
                draft.say(f"{text!r} is neither a path nor a number: a path begins with $", name)
    return cells


def _home(draft: _Draft, cells: Iterable[Cell]) -> Walk | None:
    """The deepest walk that a metric's own entries name (R1)."""
    named = {cell.path.start: cell.walk for cell in cells}
    row = draft.mapping.row
    if row is not None:
        try:
            named[row] = draft.walks.find(row)
        except BrokenWalkError:
            return None
        except PathError as error:
            draft.say(str(error), "row")
            return None
    deepest = max(named.values(), key=lambda walk: len(walk.line), default=draft.walks.document)
    for name, walk in named.items():
        if walk not in deepest.line:
            other = next(n for n, w in named.items() if w is deepest)
            first, second = (n for n in named if n in (name, other))
            draft.say(f"${first} and ${second} are on two branches of rows; a metric sees one walk and those above it")
            return None
    return deepest


_Labels = tuple[dict[str, Cell], dict[str, str]]


def _label_cells(
    draft: _Draft, labels: Mapping[str, str | None], where: tuple[str, ...], *, is_own: bool = True
) -> _Labels:
    cells: dict[str, Cell] = {}
    literals: dict[str, str] = {}
    for name, text in labels.items():
        if text is None:
            continue
        if name != "*":
            try:
                check_label_name(name)
            except ValueError as error:
                draft.problems.append(
                    SpecProblem((*draft.where, *where, name) if is_own else (*where, name), str(error))
                )
                continue
        if is_path(text):
            cell = _cell(draft, f"labels.{name}", text, (*where, name), is_own=is_own)
            if cell is not None:
                cells[name] = cell
        elif name == "*":
            draft.say("'*' spreads an object: give it a path", *where, name)
        else:
            literals[name] = text[1:] if text.startswith("$$") else text
    return cells, literals


def _default_labels(draft: _Draft) -> _Labels:
    """The job's labels. Their mistakes are the job's and are reported once, by the caller."""
    quiet = _Draft(draft.mapping, draft.walks, draft.defaults, [])
    return _label_cells(quiet, draft.defaults.labels, ("labels",), is_own=False)


def check_defaults(defaults: Rules, walks: Walks, problems: list[SpecProblem]) -> None:
    """Reports the mistakes in the job's labels and relabel rules, which belong to no metric."""
    draft = _Draft(None, walks, defaults, problems)  # type: ignore[arg-type]  # no metric is looked at here
    _label_cells(draft, defaults.labels, ("labels",), is_own=False)
    try:
        compile_relabel(defaults.relabel)
    except RelabelError as error:
        problems.extend(SpecProblem(("relabel", index), sentence) for index, sentence in error.problems)


def _merge_labels(draft: _Draft, own: _Labels, walk: Walk) -> _Labels:
    """R2: entries merge by name, the metric's before the job's; what a metric does not see is left out."""
    defaults = _default_labels(draft)
    cells = {name: cell for name, cell in defaults[0].items() if cell.walk in walk.line}
    literals = dict(defaults[1])
    for name in draft.mapping.own.labels:
        cells.pop(name, None)
        literals.pop(name, None)
    cells.update(own[0])
    literals.update(own[1])
    return cells, literals


def _relabel(draft: _Draft) -> Relabel:
    try:
        compile_relabel(draft.mapping.own.relabel)
        return compile_relabel((*draft.defaults.relabel, *draft.mapping.own.relabel))
    except RelabelError as error:
        if draft.mapping.own.relabel:
            for index, sentence in error.problems:
                draft.say(sentence, "relabel", index)
        return lambda labels: labels


def _conversion(draft: _Draft) -> Conversion:
    """The conversion that ``unit`` says."""
    mapping = draft.mapping
    unit = mapping.own.unit if mapping.own.unit is not None else draft.defaults.unit
    conversion = IDENTITY
    if unit is not None:
        where: Where = (*draft.where, "unit") if mapping.own.unit is not None else ("unit",)
        try:
            conversion = compile_unit(unit, mapping.metric.family.type)
        except ValueError as error:
            draft.problems.append(SpecProblem(where, str(error)))
    if mapping.decimal not in (".", ","):
        draft.say(f"{mapping.decimal!r} is not a decimal sign: say '.' or ','", "decimal")
    for i, part in enumerate(mapping.strip):
        if part.strip() in ("", mapping.decimal, "+", "-", "e", "E") or any(map(str.isdigit, part)):
            draft.say(f"{part!r} may be part of a number: without it another one would be read", "strip", i)
    return conversion


def _combine(draft: _Draft) -> str | None:
    own, default = draft.mapping.own.combine, draft.defaults.combine
    combine = own if own is not None else default
    if combine is not None and combine not in COMBINES:
        draft.problems.append(
            SpecProblem(
                (*draft.where, "combine") if own is not None else ("combine",),
                f"{combine!r} does not join points: use one of {', '.join(COMBINES)}",
            )
        )
    return combine


def _time(draft: _Draft, spec: TimeSpec, where: Where) -> tuple[list[Cell], TimePlan | None]:
    said = {name for name in _TIME_ENTRIES if getattr(spec, name) is not None}

    def say(message: str, *keys: str | int) -> None:
        draft.problems.append(SpecProblem((*where, *keys), message))

    before = len(draft.problems)
    if said - {"timezone"} not in _SHAPES:
        say(
            "time is a path, or {at}, {at, interval}, {start, end}, {start, step} or {start, step, index};"
            f" this has {', '.join(sorted(said - {'timezone'}))}"
        )
        return [], None
    if spec.labelled not in ("start", "end"):
        say(f"{spec.labelled!r} is not start or end", "labelled")
    short_list = draft.mapping.short_list
    if short_list not in (None, "align_start", "align_end"):
        draft.say(f"{short_list!r} is not align_start or align_end", "short_list")
    stamps = _stamps(spec, say)
    entries = _time_entries(spec)
    found = [_cell(draft, *entry[:2], (*where, *entry.keys), is_own=False) for entry in entries if is_path(entry.text)]
    cells = [cell for cell in found if cell is not None]
    constants = _constants([entry for entry in entries if not is_path(entry.text)], stamps, say)
    if len(draft.problems) > before or stamps is None:
        return [], None
    zone = constants.pop("timezone", None if "timezone" in said else find_zone("UTC"))
    parts: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if entry.is_part:
            parts[entry.key] = (*parts.get(entry.key, ()), entry.name)
    return cells, TimePlan(spec, tuple(cell.name for cell in cells), constants, stamps, zone, short_list, parts)


class _Entry(NamedTuple):
    """One text of ``time``: how it is called in a plan, and the keys where it stands."""

    name: str
    text: str
    keys: tuple[str | int, ...]

    @property
    def key(self) -> str:
        return str(self.keys[0])

    @property
    def is_part(self) -> bool:
        """Whether it is one of several parts of a stamp."""
        return len(self.keys) > 1


def _time_entries(spec: TimeSpec) -> list[_Entry]:
    """The texts of ``time`` one by one; the parts of a stamp are called ``at``, ``at[1]``, ``at[2]``."""
    entries = []
    for key in _TIME_ENTRIES:
        said = getattr(spec, key)
        if isinstance(said, tuple):
            entries += [_Entry(f"{key}[{i}]" if i else key, text, (key, i)) for i, text in enumerate(said)]
        elif said is not None:
            entries.append(_Entry(key, said, (key,)))
    return entries


def _constants(entries: list[_Entry], stamps: StampReader | None, say: Callable[..., None]) -> dict[str, Any]:
    """What the entries of ``time`` that are no paths come to; mistakes are said."""
    constants = {}
    for entry in entries:
        try:
            constants[entry.name] = _part(entry.text) if entry.is_part else _constant(entry.name, entry.text, stamps)
        except Unusable as error:
            say(error.shown, *entry.keys)
        except ValueError as error:
            say(str(error), *entry.keys)
    return constants


def _part(text: str) -> str:
    """A part of a stamp that is the same for all rows."""
    text = text[1:] if text.startswith("$$") else text
    if text.startswith("{") and DATED.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no part of a time: say its form, as in {{window.start:%Y-%m-%d}}")
    return text


def _stamps(spec: TimeSpec, say: Callable[..., None]) -> StampReader | None:
    """The reader of the stamps' format, or None with its mistake said."""
    try:
        return StampReader(spec.format)
    except ValueError as error:
        say(str(error), "format")
        return None


def _constant(name: str, text: str, stamps: StampReader | None) -> Any:
    """A template, a stamp, a length or a zone that is the same for all rows."""
    text = text[1:] if text.startswith("$$") else text
    if name == "timezone":
        return find_zone(text)
    if name in ("interval", "step"):
        length: Length = parse_length(text)
        return length
    if name == "index":
        raise ValueError(f"index {text!r} is not a path: capture the place with [{{i}}] and say $i")
    if text.startswith("{"):
        if text not in TEMPLATES:
            raise ValueError(f"{text!r} is not a template for time: there is {', '.join(TEMPLATES)}")
        return text
    if stamps is not None:
        stamps.read(text)
    return text
