"""Where a body may be cut into parts.

Owns: the question whether anything but the rows below looks at what would be cut. Must not know: how a body is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from jsonpath_rfc9535.filter_expressions import (
    ComparisonExpression,
    FilterExpression,
    FilterQuery,
    FunctionExtension,
    LogicalExpression,
    PrefixExpression,
    RootFilterQuery,
)

from timepoint.mapping.expect import Expectation
from timepoint.mapping.lookups import Lookup
from timepoint.mapping.paths import Capture, Filter, Name, Path, Segment, Wild, segments_of
from timepoint.mapping.plans import MetricPlan
from timepoint.mapping.walks import Walk, Walks

# Each of these doubles the type by which a body is cut: 6 of them are made in 0.1 ms, 15 took 2 s and 20 took 139 s.
_MOST_WILD = 6


@dataclass(frozen=True, slots=True)
class Spine:
    """The first segments of an outermost walk, below which each node is a part that is decoded by itself.

    ``beside`` are the places, as names from the document on, that other paths look at; they branch off above the parts.
    """

    walk: Walk
    segments: tuple[Segment, ...]
    beside: tuple[tuple[str, ...], ...]


def find_spine(
    walks: Walks,
    plans: list[MetricPlan],
    expectation: Expectation,
    others: Iterable[Path] = (),
    lookups: Iterable[Lookup] = (),
) -> Spine | None:
    """Where a body may be cut, None if it must be decoded whole. ``others`` are paths that are read beside the rows."""
    if not walks.document.children:
        return None
    walk, *branches = walks.document.children
    cells = [*(cell for plan in plans for cell in plan.cells), *(cell for found in lookups for cell in found.equals)]
    lists = [found.path for found in lookups]
    segments = _simple(walk.path.segments)
    is_bare = any(cell.walk is walk and cell.is_in_row and not cell.path.segments for cell in cells)
    if is_bare and len(segments) == len(walk.path.segments):
        segments = segments[:-1]  # a part that is a mere number is not worth a call
    paths = [cell.path.segments for cell in cells if not cell.path.start]
    paths += [branch.path.segments for branch in branches]
    paths += [w.columns.segments for w in walks.by_name.values() if isinstance(w.columns, Path) and not w.columns.start]
    paths += [path.segments for path in lists if not path.start]
    paths += [path.segments for path in (*expectation.values, *others)]
    above = [walk.path for walk in walks.by_name.values()]
    every = [*(cell.path for cell in cells), *above, *lists, *expectation.paths, *others]
    paths += [query for path in every for segment in path.segments for query in _root_queries(segment)]
    # Whether a container is empty can be seen before it is cut.
    paths += [path.segments for path in expectation.existences if path.segments not in _above(segments)]
    beside = [_branches_off(path, segments) for path in paths]
    if not segments or None in beside:
        return None
    return Spine(walk, segments, tuple(dict.fromkeys(place for place in beside if place)))


def _above(segments: tuple[Segment, ...]) -> list[tuple[Segment, ...]]:
    """The places on the spine above the parts."""
    return [segments[:length] for length in range(1, len(segments))]


def _simple(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """The first segments that a type can say, and few enough of those that pass objects and arrays alike."""
    length = wilds = 0
    while length < len(segments) and isinstance(sole := segments[length].sole, Name | Wild | Capture):
        wilds += isinstance(sole, Wild)
        if wilds > _MOST_WILD:
            break
        length += 1
    return segments[:length]


def _branches_off(path: tuple[Segment, ...], spine: tuple[Segment, ...]) -> tuple[str, ...] | None:
    """The names that lead to where a path leaves the spine, None if it does not leave it by a name."""
    names = []
    for mine, other in zip(path, spine, strict=False):
        if not isinstance(mine.sole, Name) or not isinstance(other.sole, Name):
            return None
        names.append(mine.sole.name)
        if mine.sole.name != other.sole.name:
            return tuple(names)
    return None


def _root_queries(segment: Segment) -> Iterator[tuple[Segment, ...]]:
    """The queries inside a segment's filters that start at the document."""
    for selector in segment.selectors:
        if isinstance(selector, Filter):
            yield from _root_queries_of(selector.expression)


def _root_queries_of(expression: Any) -> Iterator[tuple[Segment, ...]]:
    match expression:
        case FilterExpression():
            yield from _root_queries_of(expression.expression)
        case LogicalExpression() | ComparisonExpression():
            yield from _root_queries_of(expression.left)
            yield from _root_queries_of(expression.right)
        case PrefixExpression():
            yield from _root_queries_of(expression.right)
        case FunctionExtension():
            for argument in expression.args:
                yield from _root_queries_of(argument)
        case FilterQuery():
            segments = segments_of(expression.query)
            if isinstance(expression, RootFilterQuery):
                yield segments
            for segment in segments:
                yield from _root_queries(segment)
