"""Whole answers: may one be used, does it say that there is nothing, that something is missing, up to when it is final.

Owns: what ``expect`` and ``window.settled_until`` come to over the documents of one run. Must not know: rows, metrics.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from timepoint.errors import ContentError
from timepoint.mapping.boundary import Boundary, compile_boundary
from timepoint.mapping.expect import Expectation, compile_expect
from timepoint.mapping.paths import Path
from timepoint.mapping.signals import Signals, compile_signals
from timepoint.mapping.spec import MappingSpec, SpecProblem
from timepoint.mapping.strangers import is_strange, strange_text
from timepoint.model import NOTHING_SETTLED


@dataclass(frozen=True, slots=True)
class AnswerRules:
    """What the config says of whole answers. ``tells``: it says how a good answer is told from others."""

    expectation: Expectation
    boundary: Boundary | None
    empty: Signals
    partial: Signals
    tells: bool

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths that are read beside the rows, but for those of the expectation."""
        own = () if self.boundary is None else (self.boundary.path,)
        return (*own, *self.empty.paths, *self.partial.paths)


@dataclass(slots=True)
class AnswerRecord:
    """What the answers of one run said. ``partial`` is the first signal that something is missing."""

    rules: AnswerRules
    partial: str = ""
    _settled: list[float | None] = field(default_factory=list)
    _read: int = 0
    _empty: int = 0

    def take(self, answer: Any, *, is_beyond: bool) -> bool:
        """Whether an answer has rows to be read. Raises ContentError if it must not be used."""
        rules = self.rules
        self._read += 1
        if rules.empty(answer):
            self._empty += 1
            return False
        rules.expectation(answer, is_beyond=is_beyond)
        if not is_beyond:
            self.partial = self.partial or rules.partial(answer)
            if rules.boundary is not None:
                self._settled.append(rules.boundary.read(answer))
        return True

    def refuse_stranger(self, document: Any, walks: Iterable[Path]) -> None:
        """Raises ContentError for a document without rows in which they could not even stand.

        Where the config says how a good answer is told, it is believed.
        """
        walks = tuple(walks)
        if not self.rules.tells and is_strange(document, walks):
            raise ContentError("expect", strange_text(document, walks))

    @property
    def is_empty(self) -> bool:
        """Whether all answers said that there is nothing."""
        return 0 < self._read == self._empty

    def settled(self) -> float | None:
        """Up to when all answers are final; None if that is not asked. Raises ContentError if none of them says it."""
        if self.rules.boundary is None:
            return None
        return NOTHING_SETTLED if self.is_empty else self.rules.boundary.settle(self._settled)


def compile_answers(spec: MappingSpec, problems: list[SpecProblem]) -> AnswerRules:
    """Compiles ``expect`` and ``settled_until``; mistakes are added to ``problems``."""
    return AnswerRules(
        compile_expect(spec.expect, problems),
        compile_boundary(spec.settled, problems),
        compile_signals(spec.expect.empty, "empty", problems),
        compile_signals(spec.expect.partial, "partial", problems),
        spec.expect.tells,
    )
