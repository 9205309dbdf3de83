"""What came of the requests to a source, in numbers.

Owns: what is counted from the start on, and how that goes on from one call of ``poll --once`` to the next.
Must not know: names of metrics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_STATUSES = frozenset(
    (*range(200, 209), 226, *range(300, 309), *range(400, 419), *range(421, 432), 451, *range(500, 512))
)
"""The codes that IANA knows; others count as their class, so that no API makes thousands of series."""


@dataclass(slots=True)
class SourceTally:
    """One source. ``requests`` counts exchanges, whatever came of them, ``cost`` what they took of its quotas.

    ``responses`` are by status, ``failures`` without a usable answer by reason, ``held_back`` requests that were not
    made by reason, ``waited`` seconds by what was waited for. ``is_up`` is None before the first answer.
    """

    name: str
    requests: int = 0
    cost: int = 0
    responses: dict[str, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)
    held_back: dict[str, int] = field(default_factory=dict)
    waited: dict[str, float] = field(default_factory=dict)
    response_bytes: int = 0
    not_modified: int = 0
    circuit_openings: int = 0
    is_up: bool | None = None

    def note_status(self, status: int) -> None:
        code = str(status) if status in _STATUSES else f"{status // 100}xx" if 100 <= status <= 599 else "other"  # noqa: PLR2004 - classes
        self.responses[code] = self.responses.get(code, 0) + 1

    def note_failure(self, reason: str) -> None:
        self.failures[reason] = self.failures.get(reason, 0) + 1

    def note_held_back(self, reason: str) -> None:
        self.held_back[reason] = self.held_back.get(reason, 0) + 1

    def note_wait(self, reason: str, seconds: float) -> None:
        self.waited[reason] = self.waited.get(reason, 0.0) + seconds

    def sums(self) -> dict[str, Any]:
        """What adds up, as JSON can hold it; the inverse of ``take_up``."""
        return {
            "requests": self.requests,
            "cost": self.cost,
            "responses": dict(self.responses),
            "failures": dict(self.failures),
            "held_back": dict(self.held_back),
            "waited": dict(self.waited),
            "response_bytes": self.response_bytes,
            "not_modified": self.not_modified,
            "circuit_openings": self.circuit_openings,
        }

    def take_up(self, sums: Mapping[str, Any]) -> None:
        """Goes on from the sums of a process before. Raises ValueError, TypeError or KeyError if they are none."""
        read = SourceTally(self.name)
        for name in ("responses", "failures", "held_back"):
            setattr(read, name, {str(word): int(count) for word, count in sums[name].items()})
        read.waited = {str(word): float(seconds) for word, seconds in sums["waited"].items()}
        for name in ("requests", "cost", "response_bytes", "not_modified", "circuit_openings"):
            setattr(self, name, int(sums[name]))
        self.responses, self.failures = read.responses, read.failures
        self.held_back, self.waited = read.held_back, read.waited
