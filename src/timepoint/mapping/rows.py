"""What a row's code calls for the odd cases: labels that are not text, tables, values that mean none.

Owns: reading a label's node (R4, R9), making an array an object by its columns (R10). Must not know: paths, times,
values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from timepoint.mapping.labels import scalar_text, spread
from timepoint.mapping.nodes import NOTHING, equal
from timepoint.mapping.times import CellProblem
from timepoint.mapping.unusable import Unusable, show


def missing_test(missing: tuple[Any, ...]) -> Callable[[Any], bool]:
    """Whether a node means that nothing is there; null is not asked."""
    numbers = {str(m) for m in missing if isinstance(m, int | float) and not isinstance(m, bool)}

    def is_missing(node: Any) -> bool:
        if isinstance(node, dict | list):
            return False
        return (isinstance(node, str) and node.strip() in numbers) or any(equal(node, m) for m in missing)

    return is_missing


def label_reader(name: str, missing: tuple[Any, ...]) -> Callable[[Any], Any]:
    """A function from a label's node to the text that stands for it in a row's key; of ``*`` to a tuple of pairs."""
    is_missing = missing_test(missing)

    def read(node: Any) -> str:
        if node is None or node is NOTHING or (missing and is_missing(node)):
            return ""
        if isinstance(node, dict | list):
            raise CellProblem(f"labels.{name}", "not_a_label", f"{show(node)} cannot be a label")
        try:
            return scalar_text(node)
        except Unusable as problem:
            raise CellProblem(f"labels.{name}", problem.reason, problem.shown) from problem

    def read_spread(node: Any) -> tuple[tuple[str, str], ...]:
        if node is NOTHING:
            return ()
        try:
            if missing and isinstance(node, dict):
                node = {key: member for key, member in node.items() if not is_missing(member)}
            return tuple(spread(node).items())
        except Unusable as problem:
            raise CellProblem(f"labels.{name}", problem.reason, problem.shown) from problem

    return read_spread if name == "*" else read


def several_nodes(name: str, path: str) -> Callable[[], NoReturn]:
    """A function that reports a second hit of a cell's filter (R3)."""

    def report() -> NoReturn:
        raise CellProblem(name, "several_nodes", f"{path} selects more than one node")

    return report


def tabulate(node: Any, names: Any) -> Any:
    """The object that an array becomes by the names of its columns (R10); any other node stays what it is."""
    if not isinstance(node, list):
        return node
    if not isinstance(names, list):
        raise CellProblem("columns", "length_mismatch", "the columns are not a list of names")
    if len(names) != len(node):
        raise CellProblem("columns", "length_mismatch", f"{len(node)} values for {len(names)} columns")
    try:
        table = dict(zip(map(scalar_text, names), node, strict=True))
    except Unusable as problem:
        raise CellProblem("columns", problem.reason, problem.shown) from problem
    if len(table) != len(names):
        raise CellProblem("columns", "duplicate_key", "two columns have one name")
    return table
