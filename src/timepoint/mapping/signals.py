"""What an answer says of itself: that there is nothing yet, or that something is missing in it.

Owns: the paths of ``expect.empty`` and ``expect.partial``, and the sentence for what was found. Must not know: what
follows from a signal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timepoint.mapping.nodes import equal
from timepoint.mapping.paths import Path, PathError, path_from_document
from timepoint.mapping.selectors import TooDeepError, Writer, query_function
from timepoint.mapping.spec import SignalSpec, SpecProblem, Where
from timepoint.mapping.unusable import show

Query = Callable[[Any, Any], Any]
_EMPTY: tuple[Any, ...] = (None, "", [], {})


def is_empty(node: Any) -> bool:
    """Whether a node counts as absent: ``null``, ``""``, ``[]`` and ``{}`` do (R11)."""
    return node in _EMPTY


@dataclass(frozen=True, slots=True)
class Signals:
    """Compiled signals, of which any one suffices."""

    paths: tuple[Path, ...] = ()
    equals: tuple[tuple[str, Query, Any], ...] = ()
    present: tuple[tuple[str, Query], ...] = ()
    absent: tuple[tuple[str, Query], ...] = ()

    def __call__(self, document: Any) -> str:
        """What gives a signal in a document, as a sentence; "" if nothing does."""
        for text, query, wanted in self.equals:
            if any(equal(node, wanted) for _, node in query(document, document)):
                return f"{text} is {show(wanted)}"
        for text, query in self.present:
            for _, node in query(document, document):
                if not is_empty(node):
                    return f"{text} is {show(node)}"
        for text, query in self.absent:
            if all(is_empty(node) for _, node in query(document, document)):
                return f"{text} is not there"
        return ""


def compile_query(text: str, where: Where, problems: list[SpecProblem]) -> tuple[Path, Query] | None:
    """A path from the document on and its query, None with the mistake among ``problems``."""
    try:
        path = path_from_document(text)
        writer = Writer()
        return path, writer.compile(query_function(writer, path.segments))
    except (PathError, TooDeepError) as error:
        problems.append(SpecProblem(where, str(error)))
        return None


def compile_signals(spec: SignalSpec | None, key: str, problems: list[SpecProblem]) -> Signals:
    """Compiles what stands under ``expect.KEY``; mistakes are added to ``problems``."""
    if spec is None:
        return Signals()
    paths: list[Path] = []

    def compiled(text: str, *where: str) -> list[Query]:
        found = compile_query(text, ("expect", key, *where), problems)
        if found is None:
            return []
        paths.append(found[0])
        return [found[1]]

    equals = [(text, query, must) for text, must in spec.equal.items() for query in compiled(text, "equal", text)]
    present = [(text, query) for text in spec.present for query in compiled(text, "present")]
    absent = [(text, query) for text in spec.absent for query in compiled(text, "absent")]
    return Signals(tuple(paths), tuple(equals), tuple(present), tuple(absent))
