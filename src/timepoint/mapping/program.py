"""A mapping becomes one function: nested loops over the walks, with each metric's cells read in its row.

Owns: the generated source and the order of work in a row (R7). Must not know: what numbers, times and labels are; it
calls what the run hands it.

The function is ``add(root, state)``. ``state`` is the run: ``takes`` holds the sink of each metric, ``problem`` reports
what is wrong with a row; ``texts`` and ``names`` hold, for each group of metrics with the same series texts, the known
texts by key and the maker of a text.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timepoint.mapping.cells import Cell
from timepoint.mapping.lone import names_of_elements
from timepoint.mapping.lookups import Index, Lookup, finder
from timepoint.mapping.paths import Path
from timepoint.mapping.plans import MetricPlan
from timepoint.mapping.rows import label_reader, missing_test, several_nodes, tabulate
from timepoint.mapping.selectors import Writer, open_segments, query_function, singular
from timepoint.mapping.spine import Spine
from timepoint.mapping.times import CellProblem
from timepoint.mapping.walks import Walk, Walks

Program = Callable[[Any, Any], None]


@dataclass(frozen=True, slots=True)
class Rows:
    """What rows are: the walks, what is looked up for their nodes, and the job's missing values."""

    walks: Walks
    lookups: list[Lookup]
    missing: tuple[Any, ...]


class _Builder:
    def __init__(self, plans: list[MetricPlan], groups: list[list[int]], rows: Rows, spine: Spine | None) -> None:
        missing = rows.missing
        self.rows = rows
        self.indexes: dict[str, str] = {}
        self.plans = plans
        self.groups = groups
        self.spine = spine
        self.writer = Writer()
        self.writer.names.update(CellProblem=CellProblem, tabulate=tabulate)
        self.nodes: dict[str, str] = {}
        self.keys: dict[str, str] = {}
        self.is_missing = self.writer.constant("missing", missing_test(missing)) if missing else None

    def build(self, document: Walk) -> Program:
        writer = self.writer
        with writer.function("add", "root, state"):
            writer.line("rows = dropped = 0")
            writer.line("problem = state.problem")
            if self.spine is not None:
                writer.line("decode = state.parts.decode")
            for group in range(len(self.groups)):
                writer.line(f"texts{group}, name{group} = state.texts[{group}].get, state.names[{group}]")
            for i in range(len(self.plans)):
                writer.line(f"take{i} = state.takes[{i}]")
                writer.line(f"seen{i} = found{i} = False")
            with writer.block("if root is not None:"):
                self._walk(document, "root", [])
            for i in range(len(self.plans)):
                writer.line(f"if seen{i} and not found{i}: state.not_found({i})")
            writer.line("state.rows += rows")
            writer.line("state.dropped += dropped")
        return writer.compile("add")

    def _walk(self, walk: Walk, node: str, location: list[str]) -> None:
        self.nodes[walk.name] = node
        with self.writer.level():
            self._look_up(walk, _tuple(location))
            self._row(walk, node, location)

    def _look_up(self, walk: Walk, here: str) -> None:
        """Finds what is looked up for the nodes of a walk; an index is made when a node is looked for in it."""
        writer = self.writer
        for lookup in self.rows.lookups:
            if lookup.start is walk:
                index = self.indexes[lookup.name] = writer.fresh("index")
                writer.line(f"{index} = None")
        for lookup in self.rows.lookups:
            if lookup.home is not walk:
                continue
            node, index = writer.fresh("n"), self.indexes[lookup.name]
            find = writer.constant("find", finder(lookup, self.rows.missing))
            with writer.block("try:"):
                writer.line(f"if {index} is None: {index} = {self._index(lookup)}")
                writer.line(f"{node} = {find}({index}, {_tuple([self._cell(cell) for cell in lookup.equals])})")
            with writer.block("except CellProblem as found:"):
                writer.line(f"problem(None, {here}, found)")
                writer.line(f"{node}, rows = None, rows + 1")
            with writer.block("else:"):
                writer.line(f"if {node} is None: rows, dropped = rows + 1, dropped + 1")
            self.nodes[lookup.name] = node
            writer.open(f"if {node} is not None:")

    def _index(self, lookup: Lookup) -> str:
        """The expression of a new index."""
        writer, name = self.writer, self.writer.fresh("fill")
        with writer.function(name, "index, node, root"):
            writer.line("enter = index.enter")
            with writer.level():
                found, _, captures = open_segments(writer, "node", lookup.path.segments)
                captures[lookup.name] = found
                parts = [singular(writer, key.segments, captures[key.start]) for key in lookup.keys]
                writer.line(f"enter({found}, {_tuple(parts)})")
            writer.line("return index")
        index = f"{writer.constant('Index', Index)}({lookup.name!r}, state.allowance)"
        return f"{name}({index}, {self.nodes[lookup.start.name]}, root)"

    def _row(self, walk: Walk, node: str, location: list[str]) -> None:
        writer = self.writer
        here = [(group, members) for group, members in enumerate(self.groups) if self.plans[members[0]].walk is walk]
        writer.line("rows += 1" if here else "pass")
        for group, members in here:
            self._group(group, members, _tuple(location))
        for child in walk.children:
            with writer.level():
                below, keys, captures = self._open(child, node, location)
                self.keys.update(captures)
                writer.open(
                    f"if {below} is not None{f' and not {self.is_missing}({below})' if self.is_missing else ''}:"
                )
                if child.columns is not None:
                    self._tabulate(child, below, [*location, *keys])
                self._walk(child, below, [*location, *keys])

    def _open(self, walk: Walk, node: str, location: list[str]) -> tuple[str, list[str], dict[str, str]]:
        """Opens the loops of a walk, and decodes on the way where the spine says so."""
        writer, segments = self.writer, walk.path.segments
        if self.spine is None or self.spine.walk is not walk:
            return open_segments(writer, node, segments, self._watch(walk, 0, location))
        depth = len(self.spine.segments)
        node, keys, captures = open_segments(writer, node, self.spine.segments, self._watch(walk, 0, location))
        with writer.block("try:"):
            writer.line(f"{node} = decode({node})")
        with writer.block("except Exception:"):  # not only msgspec's: also RecursionError
            writer.line(f"{node} = state.rescue({node}, {_tuple([*location, *keys])})")
        watch = self._watch(walk, depth, [*location, *keys])
        node, more_keys, more_captures = open_segments(writer, node, segments[depth:], watch)
        return node, [*keys, *more_keys], {**captures, **more_captures}

    def _watch(self, walk: Walk, first: int, location: list[str]) -> Callable[[int, str, list[str]], None]:
        """What looks out for elements that stand alone (lone.py); ``first`` is the place of the first segment."""

        def watch(place: int, node: str, keys: list[str]) -> None:
            names = names_of_elements(walk, first + place, self.plans)
            if not names:
                return
            has = " or ".join(f"{name!r} in {node}" for name in names)
            constant = self.writer.constant("names", names)
            with self.writer.block(f"if type({node}) is dict and ({has}):"):
                self.writer.line(f"state.watch({node}, {constant}, {_tuple([*location, *keys])})")

        return watch

    def _tabulate(self, walk: Walk, node: str, location: list[str]) -> None:
        writer = self.writer
        if isinstance(walk.columns, tuple):
            names = writer.constant("columns", list(walk.columns))
        else:
            assert walk.columns is not None, "BUG: a walk without columns"
            start = self.nodes[walk.columns.start]
            if walk.columns.is_singular:
                names = singular(writer, walk.columns.segments, start)
            else:
                names = f"[n for _, n in {query_function(writer, walk.columns.segments)}({start}, root)]"
        with writer.block("try:"):
            writer.line(f"{node} = tabulate({node}, {names})")
        with writer.block("except CellProblem as found:"):
            writer.line(f"problem(None, {_tuple(location)}, found)")
            writer.line(f"{node} = NOTHING")
        writer.open(f"if {node} is not NOTHING:")

    def _group(self, group: int, members: list[int], here: str) -> None:
        """Metrics with the same labels: their text is looked up once."""
        writer = self.writer
        with writer.block("try:"):
            writer.line(f"key = {_tuple(self._key(self.plans[members[0]]))}")
            writer.line(f"text = texts{group}(key)")
            writer.line(f"if text is None: text = name{group}(key)")
        with writer.block("except CellProblem as found:"):
            writer.line(f"for i in {_tuple(list(map(str, members)))}: problem(i, {here}, found)")
        with writer.block("else:"):
            writer.line(f"if text is False: dropped += {len(members)}")
            with writer.block("else:"):
                for i in members:
                    self._metric(i, here)

    def _metric(self, i: int, here: str) -> None:
        writer, plan = self.writer, self.plans[i]
        writer.line(f"seen{i} = True")
        if all(Path("", "", cell.path.segments).is_singular for cell in (*plan.values, *plan.time_cells)):
            self._values(i, plan, here)
            return
        with writer.block("try:"):
            self._values(i, plan, here)
        with writer.block("except CellProblem as found:"):
            writer.line(f"problem({i}, {here}, found)")

    def _values(self, i: int, plan: MetricPlan, here: str) -> None:
        writer = self.writer
        values = [self._cell(cell) for cell in plan.values]
        if not values and plan.mapping.value is not None:
            values = [writer.constant("literal", float(plan.mapping.value))]
        found = [writer.fresh("v") for _ in values]
        for variable, expression in zip(found, values, strict=True):
            writer.line(f"{variable} = {expression}")
        # A point of several parts is there if any of them is: what lacks a part must not be quiet.
        there = " or ".join(f"{variable} is not NOTHING" for variable in found) or "True"
        with writer.block(f"if {there}:"):
            writer.line(f"found{i} = True")
            cells = [self._cell(cell) for cell in plan.time_cells]
            value = found[0] if len(found) == 1 else _tuple(found)
            writer.line(f"problems = take{i}({', '.join(['text', value, *cells])})")
            with writer.block("if problems:"):
                writer.line(f"for found in problems: problem({i}, {here}, found)")

    def _key(self, plan: MetricPlan) -> list[str]:
        """The variables of what a row's labels depend on."""
        key = [self.keys[name] for name in plan.captures]
        cells = [*([("*", plan.spread)] if plan.spread is not None else []), *plan.labels]
        for name, cell in cells:
            variable = self.writer.fresh("l")
            read = self.writer.constant("label", label_reader(name, plan.missing))
            self.writer.line(f"{variable} = {self._cell(cell)}")
            if name == "*" or plan.missing:
                self.writer.line(f"{variable} = {read}({variable})")
            else:
                self.writer.line(f"if type({variable}) is not str: {variable} = {read}({variable})")
            key.append(variable)
        return key

    def _cell(self, cell: Cell) -> str:
        """The expression of a cell's node."""
        if cell.capture is not None:
            return self.keys[cell.capture]
        node = self.nodes[cell.path.start]
        segments = cell.path.segments
        if Path("", "", segments).is_singular:
            return singular(self.writer, segments, node)
        writer = self.writer
        name = writer.fresh("pick")
        several = writer.constant("several", several_nodes(cell.name, cell.path.text))
        with writer.function(name, "node, root"):
            writer.line("chosen = NOTHING")
            with writer.level():
                below, _, _ = open_segments(writer, "node", segments)
                writer.line(f"if chosen is not NOTHING: {several}()")
                writer.line(f"chosen = {below}")
            writer.line("return chosen")
        return f"{name}({node}, root)"


def _tuple(expressions: list[str]) -> str:
    return f"({''.join(expression + ', ' for expression in expressions)})"


def build_program(plans: list[MetricPlan], groups: list[list[int]], rows: Rows, spine: Spine | None) -> Program:
    """The function that adds one document to a run. Raises TooDeepError."""
    return _Builder(plans, groups, rows, spine).build(rows.walks.document)
