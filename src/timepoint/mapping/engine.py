"""A compiled mapping: documents in, points and rejects out.

Owns: the compiling of a whole mapping, what is remembered between its runs (series texts), and what one run gathers.
Must not know: where documents come from, what is new, late or summed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Any

from timepoint.errors import ContentError, MappingError
from timepoint.mapping.answers import AnswerRecord, AnswerRules, compile_answers
from timepoint.mapping.boundary import Boundary
from timepoint.mapping.documents import Decoder, Parts
from timepoint.mapping.lone import is_lone
from timepoint.mapping.lookups import build_lookups, check_used
from timepoint.mapping.nodes import location_text, printable
from timepoint.mapping.parts import sink_of
from timepoint.mapping.plans import MetricPlan, check_defaults, plan_metric
from timepoint.mapping.program import Program, Rows, build_program
from timepoint.mapping.selectors import TooDeepError
from timepoint.mapping.sinks import NumberSink
from timepoint.mapping.spec import MappingSpec, SpecError, SpecProblem
from timepoint.mapping.spine import find_spine
from timepoint.mapping.texts import Admission, Key, Text, TextMemory, groups_of
from timepoint.mapping.times import CellProblem
from timepoint.mapping.unusable import show
from timepoint.mapping.walks import build_walks
from timepoint.mapping.weight import Allowance
from timepoint.model import OVERFLOW, MappedRun, Refused, Rejects, Window

_SHOWN = 160
_LANES = 4096  # whose texts are remembered at a time


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run tells the mapping: its window, its fire time, literal labels of its lane, how many series are new."""

    window: Window
    fire_time: int
    labels: MappingOf[str, str] = field(default_factory=dict)
    admission: Admission | None = None


class Mapping:
    """Compiled rules from documents to points. Not for use by several threads at once: runs share a memory of texts."""

    def __init__(
        self,
        plans: list[MetricPlan],
        rows: Rows,
        answers: AnswerRules,
    ) -> None:
        self.plans = plans
        self.answers = answers
        walks = rows.walks
        spine = find_spine(walks, plans, answers.expectation, answers.paths, rows.lookups)
        self.decoder = Decoder(spine)
        self.groups = groups_of(plans)
        self.whole: Program = build_program(plans, self.groups, rows, None)
        self.cut = self.whole
        if spine is not None:
            self.cut = build_program(plans, self.groups, rows, spine)
        self._memories: dict[tuple[tuple[str, str], ...], list[TextMemory]] = {}
        # Whether all rows lie below the document. Nothing at all (null, as Go writes an empty list) has no rows; a text
        # has none either, but it is no answer that would let the watermark move on.
        self.outermost = tuple(walk.path for walk in walks.document.children)
        self.looks_inside = all(plan.walk is not walks.document for plan in plans) and all(
            walk.path.segments for walk in walks.document.children
        )

    @property
    def boundary(self) -> Boundary | None:
        """How far an answer says that its own data are final; None if it is not asked."""
        return self.answers.boundary

    def keep_lanes(self, lanes: Collection[MappingOf[str, str]]) -> None:
        """Forgets what was remembered of lanes that are gone; ``lanes`` are the labels of those that there are."""
        if len(self._memories) > len(lanes):
            known = {_lane_key(labels) for labels in lanes}
            self._memories = {key: memories for key, memories in self._memories.items() if key in known}

    def start(self, context: RunContext, allowance: Allowance | None = None) -> MappingRun:
        """A run of the mapping; ``allowance`` is what its documents may weigh, as much as usual unless said."""
        lane = _lane_key(context.labels)
        if lane not in self._memories:
            if len(self._memories) >= _LANES:
                self._memories.pop(next(iter(self._memories)))
            self._memories[lane] = [
                TextMemory([self.plans[place] for place in group], context.labels) for group in self.groups
            ]
        return MappingRun(self, context, self._memories[lane], allowance or Allowance())


class MappingRun:
    """The documents of one run on their way to points.

    What has no underscore before its name and is not ``add``, ``finish`` or ``allowance`` is for the generated program
    (program.py).
    """

    def __init__(self, mapping: Mapping, context: RunContext, memories: list[TextMemory], allowance: Allowance) -> None:
        self._mapping = mapping
        self.allowance = allowance
        self._sinks = [sink_of(plan, context.window, context.fire_time) for plan in mapping.plans]
        self._memories = memories
        self.texts: list[dict[Key, Text]] = [memory.texts for memory in memories]
        self.names: list[Callable[[Key], Text]] = [memory.make for memory in memories]
        self.takes = [sink.take for sink in self._sinks]
        self._admit(context.admission)
        self.parts: Parts | None = None
        self.answers = AnswerRecord(mapping.answers)
        self.rejects = Rejects()
        self.rows = 0
        self.dropped = 0

    def _admit(self, admission: Admission | None) -> None:
        for memory, group in zip(self._memories, self._mapping.groups, strict=True):
            sinks = [sink for place in group if isinstance(sink := self._sinks[place], NumberSink)]
            memory.begin_run(admission, _summing(sinks))
        for place, plan in enumerate(self._mapping.plans):
            if admission is not None and admission.sums and plan.name not in admission.sums:
                self.takes[place] = _without_overflow(self.takes[place])

    def check(self, answer: Any, *, is_beyond: bool = False) -> bool:
        """Whether a decoded answer has rows to be read, by what ``expect`` and ``settled_until`` say of it.

        ``is_beyond``: it is a page behind the last row, of which an error document is still to be told. Raises
        ContentError, RecursionError for an answer that is nested too deep for their filters.
        """
        return self.answers.take(answer, is_beyond=is_beyond)

    def tell_partial(self, why: str) -> None:
        """Notes that something is missing in an answer, by what was told outside of it."""
        self.answers.partial = self.answers.partial or why

    def add(self, document: Any, *, is_checked: bool = False) -> None:
        """Maps one document: a JSON-like value, or a ``msgspec.Raw``. Raises ContentError or MappingError.

        ``is_checked``: the document was made of an answer that ``check`` has seen.
        """
        mapping = self._mapping
        root, self.parts = mapping.decoder.decode(document, self.rejects, self.allowance)
        if mapping.looks_inside and isinstance(root, str | int | float):
            raise ContentError("not_a_document", f"the body is {show(root)} alone, in which there can be no rows")
        try:
            if not is_checked and not self.check(root):
                self.parts = None
                return
            rows = self.rows
            program = mapping.whole if self.parts is None else mapping.cut
            program(root, self)
            if self.rows == rows and mapping.looks_inside:
                self.answers.refuse_stranger(root, mapping.outermost)
        except RecursionError as error:
            raise MappingError("the document is nested too deep for the filters of the mapping") from error
        if self.parts is not None:
            self.parts.check()
            self.parts = None

    def finish(self) -> MappedRun:
        """What all documents came to. Raises ContentError if none of them says up to when it is final, and must."""
        settled = self.answers.settled()
        series = {
            plan.name: sink.finish(self.rejects, plan.name)
            for plan, sink in zip(self._mapping.plans, self._sinks, strict=True)
        }
        refused: dict[str, Refused] = {}
        for group, memory in zip(self._mapping.groups, self._memories, strict=True):
            names = [self._mapping.plans[place].name for place in group]
            memory.end_run(self.dropped + max(len(series[name]) for name in names))
            for name in names if memory.refused.count else ():
                refused[name] = Refused(memory.refused.count, list(memory.refused.texts))
            if memory.drops_refused:
                self.dropped -= memory.refused.count * len(group)
        return MappedRun(
            series,
            self.rejects,
            self.rows,
            self.dropped,
            is_declared_empty=self.answers.is_empty,
            refused=refused,
            settled_until=settled,
            partial=self.answers.partial,
        )

    def problem(self, metric: int | None, location: tuple[Any, ...], problem: CellProblem) -> None:
        """Counts a row's problem at the node where it was found."""
        if len(self.rejects.examples.get(problem.reason, ())) >= Rejects.KEEP:
            self.rejects.add(problem.reason, "", problem.count)  # counted, and no text is made that nobody keeps
            return
        where = location_text(location)
        if metric is not None:
            where = self._cell_text(self._mapping.plans[metric], where, problem)
        shown = problem.shown if len(problem.shown) <= _SHOWN else f"{problem.shown[:_SHOWN]}..."
        self.rejects.add(problem.reason, f"{printable(where)}: {shown}", problem.count)

    def watch(self, node: dict[str, Any], names: tuple[str, ...], location: tuple[Any, ...]) -> None:
        """Counts an element that stands where a list of elements should; ``names`` are what is read of elements.

        It is a row, too: an answer that has nothing else has not been read, and is no answer without data.
        """
        if is_lone(node, names):
            self.rows += 1
            found = next(name for name in names if name in node)
            shown = f"an object with {show(found)}, which is read of elements, stands in place of their list"
            self.problem(None, location, CellProblem("rows", "lone_element", f"{shown}: see lone_lists"))

    def rescue(self, raw: Any, location: tuple[Any, ...]) -> Any:
        """The value of a part that the fast decoder refused, NOTHING if it is no JSON at all."""
        assert self.parts is not None, "BUG: a part of a whole document"
        return self.parts.rescue(raw, location, self.rejects)

    def not_found(self, metric: int) -> None:
        """Counts a value path that no row of a document had (R4)."""
        plan = self._mapping.plans[metric]
        shown = ", ".join(cell.path.text for cell in plan.values)
        self.rejects.add("no_such_node", f"{shown}: in no row of {plan.name}")

    def _cell_text(self, plan: MetricPlan, row: str, problem: CellProblem) -> str:
        cell = next((cell for cell in plan.cells if cell.name == problem.cell), None)
        index = "" if problem.index is None else f"[{problem.index}]"
        if cell is None:
            return row + index
        if cell.walk is plan.walk and cell.is_in_row:
            return row + cell.path.rest + index
        return f"{row} {cell.path.text}{index}"


def _lane_key(labels: MappingOf[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _summing(sinks: list[NumberSink]) -> Callable[[], None]:
    def sum_up() -> None:
        for sink in sinks:
            sink.sum_up()

    return sum_up


def _without_overflow(take: Callable[..., Any]) -> Callable[..., Any]:
    """What takes the rows of a metric that is not added up, beside one in the same rows that is."""

    def take_some(text: str, *cells: Any) -> Any:
        return () if text == OVERFLOW else take(text, *cells)

    return take_some


def compile_mapping(spec: MappingSpec) -> Mapping:
    """Compiles a mapping. Raises SpecError with every mistake in it."""
    problems: list[SpecProblem] = []
    walks = build_walks(spec.rows, problems, spec.lookups)
    lookups = build_lookups(spec.lookups, walks, problems)
    check_defaults(spec.defaults, walks, problems)
    plans = [plan_metric(metric, walks, spec, problems) for metric in spec.metrics]
    answers = compile_answers(spec, problems)
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))
    whole = [plan for plan in plans if plan is not None]
    check_used(lookups, [cell for plan in whole for cell in plan.cells], problems)
    if problems:
        raise SpecError(problems)
    try:
        return Mapping(whole, Rows(walks, lookups, spec.defaults.missing or ()), answers)
    except TooDeepError as error:
        raise SpecError([SpecProblem(("rows",), f"the walks pass {error.what}")]) from None
