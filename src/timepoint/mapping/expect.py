"""What a usable document holds (R11).

Owns: the paths of ``expect`` and the sentence for a document that does not hold them. Must not know: rows and metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from timepoint.errors import ContentError
from timepoint.mapping.nodes import equal
from timepoint.mapping.paths import Path
from timepoint.mapping.signals import Query, compile_query, is_empty
from timepoint.mapping.spec import ExpectSpec, SpecProblem
from timepoint.mapping.strangers import reason
from timepoint.mapping.unusable import show


@dataclass(frozen=True, slots=True)
class Expectation:
    """The compiled ``expect``; called with a document it raises ContentError if something is not as it must be.

    ``is_beyond``: the document is a page behind the last row, where nothing need be there.
    """

    values: tuple[Path, ...]
    existences: tuple[Path, ...]
    equals: tuple[tuple[str, Query, Any], ...]
    present: tuple[tuple[str, Query], ...]
    absent: tuple[tuple[str, Query], ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        return self.values + self.existences

    def __call__(self, document: Any, *, is_beyond: bool = False) -> None:
        for text, query, required in self.equals:
            found = [node for _, node in query(document, document)]
            if (not found and not is_beyond) or not all(equal(node, required) for node in found):
                shown = show(found[0]) if found else "nothing"
                raise ContentError("expect", f"{text} is {shown}, expected {show(required)}{reason(document)}")
        for text, query in () if is_beyond else self.present:
            if not any(not is_empty(node) for _, node in query(document, document)):
                raise ContentError("expect", f"{text} must be present, and there is nothing{reason(document)}")
        for text, query in self.absent:
            for _, node in query(document, document):
                if not is_empty(node):
                    raise ContentError("expect", f"{text} must be absent, and there is {show(node)}")


def compile_expect(spec: ExpectSpec, problems: list[SpecProblem]) -> Expectation:
    """Compiles ``expect``; mistakes are added to ``problems``."""
    paths: dict[str, list[Path]] = {"equal": [], "present": [], "absent": []}

    def compiled(text: str, *where: str) -> list[Query]:
        found = compile_query(text, ("expect", *where), problems)
        if found is None:
            return []
        paths[where[0]].append(found[0])
        return [found[1]]

    equals = [(text, query, must) for text, must in spec.equal.items() for query in compiled(text, "equal", text)]
    present = [(text, query) for text in spec.present for query in compiled(text, "present")]
    absent = [(text, query) for text in spec.absent for query in compiled(text, "absent")]
    return Expectation(
        tuple(paths["equal"]), tuple(paths["present"] + paths["absent"]), tuple(equals), tuple(present), tuple(absent)
    )
