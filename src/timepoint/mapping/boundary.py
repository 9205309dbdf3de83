"""How far an answer says that its own data are final.

Owns: the path of ``window.settled_until`` and how its nodes become one instant. Must not know: windows, rows, what
becomes of points that are not final yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from timepoint.errors import ContentError
from timepoint.mapping.paths import Path, PathError, path_from_document
from timepoint.mapping.selectors import TooDeepError, Writer, query_function
from timepoint.mapping.spec import SettledSpec, SpecProblem
from timepoint.mapping.stamps import StampReader, find_zone, localise
from timepoint.mapping.unusable import Unusable, show
from timepoint.model import NOTHING_SETTLED

_WHERE = ("window", "settled_until")


@dataclass(frozen=True, slots=True)
class Boundary:
    """The compiled path. ``read`` gives what one document says, ``settle`` what all documents of a window come to."""

    path: Path
    query: Callable[[Any, Any], Any]
    stamps: StampReader
    zone: tzinfo

    def read(self, document: Any) -> float | None:
        """Up to when the document is final, in milliseconds; None if it does not say.

        Of several nodes the earliest counts. ``null`` and ``""`` mean that nothing is final yet. A local time that
        occurs twice is the earlier one. Raises ContentError for what is no time.
        """
        found = [self._instant(node) for _, node in self.query(document, document)]
        return min(found, default=None)

    def settle(self, told: Iterable[float | None]) -> float:
        """The earliest of what the documents of a window say. Raises ContentError if none of them says anything."""
        said = [instant for instant in told if instant is not None]
        if not said:
            raise ContentError("expect", f"{self.path.text} (window.settled_until) is nowhere in the answer")
        return min(said)

    def _instant(self, node: Any) -> float:
        if node is None or node == "":
            return NOTHING_SETTLED
        try:
            stamp = self.stamps.read(node)
            return stamp if isinstance(stamp, int) else localise(stamp, self.zone)[0]
        except Unusable as error:
            raise ContentError(
                "expect", f"{self.path.text} (window.settled_until) is {show(node)}: {error.shown}"
            ) from error


def compile_boundary(spec: SettledSpec | None, problems: list[SpecProblem]) -> Boundary | None:
    """Compiles ``settled_until``; mistakes are added to ``problems``."""
    if spec is None:
        return None
    before = len(problems)

    def say(message: str, key: str) -> None:
        problems.append(SpecProblem((*_WHERE, key) if spec.is_mapping else _WHERE, message))

    path, query = None, None
    try:
        path = path_from_document(spec.at)
        writer = Writer()
        query = writer.compile(query_function(writer, path.segments))
    except (PathError, TooDeepError) as error:
        say(str(error), "at")
    stamps = StampReader()
    try:
        stamps = StampReader(spec.format)
    except ValueError as error:
        say(str(error), "format")
    try:
        zone = find_zone(spec.timezone)
    except Unusable as error:
        say(error.shown, "timezone")
    if len(problems) > before or path is None or query is None:
        return None
    return Boundary(path, query, stamps, zone)
