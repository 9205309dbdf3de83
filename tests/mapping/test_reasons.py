"""The words that rejects are counted by."""

from __future__ import annotations

import re
from pathlib import Path

import timepoint.mapping
from timepoint.mapping.reasons import REASONS

_USED = re.compile(r'(?:Unusable\(|CellProblem\([^,()]+(?:\([^()]*\))?,|rejects\.add\()\s*"([a-z_]+)"')


def test_reasons_are_a_closed_set() -> None:
    """Every reason in the room's source has its sentence, and every sentence is of a reason in use."""
    (folder,) = timepoint.mapping.__path__
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(Path(folder).glob("*.py")))
    used = set(_USED.findall(source)) | set(re.findall(r'"(negative|not_finite)" if', source))
    used |= {"not_finite"} if 'else "not_finite"' in source else set()
    assert used == set(REASONS)


def test_each_reason_has_a_sentence() -> None:
    """The documentation prints the sentences."""
    assert [reason for reason, sentence in REASONS.items() if not sentence.endswith(".") or "\n" in sentence] == []
