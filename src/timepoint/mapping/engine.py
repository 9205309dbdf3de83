"""A compiled mapping: documents in, points and rejects out.

Owns: the compiling of a whole mapping, what is remembered between its runs (series texts), and what one run gathers. Must
not know: where documents come from, what is new, late or summed.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Any

from timepoint.mapping.documents import Decoder, find_spine
from timepoint.mapping.expect import Expectation, compile_expect
from timepoint.mapping.labels import label_value
from timepoint.mapping.nodes import location_text
from timepoint.mapping.plans import MetricPlan, check_defaults, plan_metric
from timepoint.mapping.program import Program, build_program
from timepoint.mapping.selectors import TooDeep
from timepoint.mapping.sinks import NumberSink
from timepoint.mapping.spec import MappingSpec, SpecError, SpecProblem
from timepoint.mapping.times import CellProblem
from timepoint.mapping.walks import Walks, build_walks
from timepoint.model import MappedRun, Rejects, Window, series_text

_SHOWN = 60

Key = tuple[Any, ...]
Text = str | bool  # a series text, or False for a row that relabeling drops


@dataclass(frozen=True, slots=True)
class RunContext:
    """What a run tells the mapping: its window, its fire time, and literal labels of its lane."""

    window: Window
    fire_time: int
    labels: MappingOf[str, str] = field(default_factory=dict)


class Mapping:
    """Compiled rules from documents to points. Not for use by several threads at once: runs share a memory of texts."""

    def __init__(self, plans: list[MetricPlan], walks: Walks, expectation: Expectation, decoder: Decoder) -> None:
        self.plans = plans
        self.expectation = expectation
        self.decoder = decoder
        missing = decoder.missing
        self.whole: Program = build_program(plans, walks.document, missing)
        self.cut: Program | None = None
        if decoder.spine is not None:
            self.cut = build_program(plans, walks.document, missing, decoder.spine)
        self._memories: dict[tuple[tuple[str, str], ...], list[TextMemory]] = {}

    def start(self, context: RunContext) -> MappingRun:
        lane = tuple(sorted(context.labels.items()))
        if lane not in self._memories:
            self._memories[lane] = [TextMemory(plan, context.labels) for plan in self.plans]
        return MappingRun(self, context, self._memories[lane])


class TextMemory:
    """The series texts of one metric by what its rows' labels depend on.

    Pods come and go: texts that neither this run nor the one before has asked for are forgotten.
    """

    def __init__(self, plan: MetricPlan, lane: MappingOf[str, str]) -> None:
        self._plan = plan
        self._lane = lane
        self.texts: dict[Key, Text] = {}
        self._before: dict[Key, Text] = {}

    def begin_run(self) -> None:
        self._before = self.texts
        self.texts = {}

    def make(self, key: Key) -> Text:
        """The text of a key that this run has not met yet. Raises CellProblem."""
        text = self._before.get(key)
        if text is None:
            text = self._make(key)
        self.texts[key] = text
        return text

    def _make(self, key: Key) -> Text:
        plan = self._plan
        labels = dict(self._lane)
        raw = iter(key)
        for name in plan.captures:
            labels[name] = label_value(str(next(raw)))
        if plan.spread is not None:
            labels.update(next(raw))
        labels.update(plan.literals)
        for name, _ in plan.labels:
            labels[name] = label_value(next(raw))
        labels["__name__"] = plan.name
        kept = plan.relabel(labels)
        return False if kept is None else series_text(kept)


class MappingRun:
    """The documents of one run on their way to points. ``texts``, ``names`` and ``takes`` are the program's (program.py)."""

    def __init__(self, mapping: Mapping, context: RunContext, memories: list[TextMemory]) -> None:
        self._mapping = mapping
        self._sinks = [NumberSink(plan, context.window, context.fire_time) for plan in mapping.plans]
        for memory in memories:
            memory.begin_run()
        self.texts: list[dict[Key, Text]] = [memory.texts for memory in memories]
        self.names: list[Callable[[Key], Text]] = [memory.make for memory in memories]
        self.takes = [sink.take for sink in self._sinks]
        self.decode = mapping.decoder.part
        self.rejects = Rejects()
        self.rows = 0
        self.dropped = 0

    def add(self, document: Any) -> None:
        """Maps one document: a JSON-like value, or a ``msgspec.Raw``. Raises ContentError."""
        mapping = self._mapping
        root, is_cut = mapping.decoder.decode(document, self.rejects)
        mapping.expectation(root)
        program = mapping.cut if is_cut and mapping.cut is not None else mapping.whole
        program(root, self)

    def finish(self) -> MappedRun:
        series = {
            plan.name: sink.finish(self.rejects, plan.name)
            for plan, sink in zip(self._mapping.plans, self._sinks, strict=True)
        }
        return MappedRun(series, self.rejects, self.rows, self.dropped)

    def problem(self, metric: int | None, location: tuple[Any, ...], problem: CellProblem) -> None:
        """Counts a row's problem at the node where it was found."""
        where = location_text(location)
        if metric is not None:
            where = self._cell_text(self._mapping.plans[metric], where, problem)
        self.rejects.add(problem.reason, f"{where}: {problem.shown[:_SHOWN]}")

    def rescue(self, raw: Any, location: tuple[Any, ...]) -> Any:
        """The value of a part that the fast decoder refused, NOTHING if it is no JSON at all."""
        return self._mapping.decoder.rescue(raw, location, self.rejects)

    def not_found(self, metric: int) -> None:
        """Counts a value path that no row of a document had (R4)."""
        plan = self._mapping.plans[metric]
        shown = ", ".join(cell.path.text for cell in plan.values)
        self.rejects.add("no_such_node", f"{shown}: in no row of {plan.name}")

    def _cell_text(self, plan: MetricPlan, row: str, problem: CellProblem) -> str:
        cells = [*plan.values, *plan.time_cells, *(cell for _, cell in plan.labels)]
        cell = next((cell for cell in cells if cell.name == problem.cell), None)
        index = "" if problem.index is None else f"[{problem.index}]"
        if cell is None:
            return row + index
        if cell.walk is plan.walk and cell.capture is None:
            return row + cell.path.rest + index
        return f"{row} {cell.path.text}{index}"


def compile_mapping(spec: MappingSpec) -> Mapping:
    """Compiles a mapping. Raises SpecError with every mistake in it."""
    problems: list[SpecProblem] = []
    walks = build_walks(spec.rows, problems)
    check_defaults(spec.defaults, walks, problems)
    plans = [plan_metric(metric, walks, spec.defaults, problems) for metric in spec.metrics]
    expectation = compile_expect(spec.expect, problems)
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))
    ready = [plan for plan in plans if plan is not None]
    decoder = Decoder(find_spine(walks, ready, expectation), spec.defaults.missing or ())
    try:
        return Mapping(ready, walks, expectation, decoder)
    except TooDeep:
        message = "the walks pass more than 15 levels of wildcards, captures and filters in one another"
        raise SpecError([SpecProblem(("rows",), message)]) from None
