"""Elements that stand where their list should: JSON that an API makes of XML writes a list of one as its element.

Owns: by what such an element is told from an object whose members are the rows. Must not know: what is done about it.

A wildcard passes the members of an object as it passes the elements of an array (RFC 9535, 2.3.2), so the row of such
an element would be lost without a word wherever another list of the body has two. What tells it is that the object
itself has what is read of the rows, and that none of its members has: an object that holds rows, and totals of them
beside, is none. It costs a look for one or two names in each object that a walk passes by a wildcard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from timepoint.mapping.paths import Capture, Filter, Name, Slice, Wild
from timepoint.mapping.plans import MetricPlan
from timepoint.mapping.walks import Walk


def names_of_elements(walk: Walk, place: int, plans: Iterable[MetricPlan]) -> tuple[str, ...]:
    """Of which members' names any must be in an element that the segment at ``place`` of a walk passes.

    Nothing is known, and the answer is empty, where the segment does not pass elements, or where they are read whole.
    """
    segments = walk.path.segments
    sole = segments[place].sole
    if not isinstance(sole, Wild | Filter | Slice) and not (isinstance(sole, Capture) and not sole.of_object):
        return ()
    if place + 1 < len(segments):
        return _first_names([segments[place + 1 :]])
    if walk.columns is not None:
        return ()
    values = [cell for plan in plans for cell in plan.values if cell.capture is None and cell.path.start == walk.name]
    return _first_names([*(cell.path.segments for cell in values), *(child.path.segments for child in walk.children)])


def _first_names(ways: list[Any]) -> tuple[str, ...]:
    firsts = [way[0].sole if way else None for way in ways]
    return tuple(dict.fromkeys(first.name for first in firsts if isinstance(first, Name)))


def is_lone(node: dict[str, Any], names: tuple[str, ...]) -> bool:
    """Whether an object that has one of these names is an element itself: none of its members has one."""
    return not any(_has(member, names) for member in node.values())


def _has(member: Any, names: tuple[str, ...]) -> bool:
    if isinstance(member, msgspec.Raw):
        try:
            member = msgspec.json.decode(member)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return False
    if isinstance(member, list):
        return any(_has(element, names) for element in member[:1])
    return isinstance(member, dict) and any(name in member for name in names)
