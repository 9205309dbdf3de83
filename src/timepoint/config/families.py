"""The metric families of a whole file, which end on one page.

Owns: what two metrics of different jobs must agree on, and names that exclude each other. Must not know: how a family
is rendered.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from timepoint.config.checks import Check
from timepoint.config.names import claims
from timepoint.config.places import Findings, Path
from timepoint.model import MetricType


@dataclass(frozen=True, slots=True)
class Declaration:
    """What one metric says about its family. ``polled`` tells how its job gets it."""

    where: Path
    name: str
    type: MetricType
    unit: str
    help: str
    polled: str


@dataclass(slots=True)
class Families:
    """All declarations so far."""

    findings: Findings
    by_name: dict[str, list[Declaration]] = field(default_factory=dict)
    claimed: dict[str, Declaration] = field(default_factory=dict)

    def add(self, declaration: Declaration) -> None:
        """Adds a declaration and what is wrong between it and those before."""
        others = self.by_name.setdefault(declaration.name, [])
        others.append(declaration)
        if len(others) > 1:
            self._compare(others[0], declaration)
            return
        for name in claims(declaration.name, declaration.type):
            other = self.claimed.setdefault(name, declaration)
            if other is not declaration:
                message = (
                    f"cannot stand beside the {other.type} {other.name} of {self._place(other)}: both take the name "
                    f"{name} in OpenMetrics. Rename one of them"
                )
                self.findings.add(Check.FAMILY_CLASH, declaration.where, message, key=True)
                return

    def polled(self, name: str) -> str:
        """How a family is polled, over all of its jobs: the page has one HELP for it."""
        return "; ".join(dict.fromkeys(declaration.polled for declaration in self.by_name[name]))

    def _compare(self, first: Declaration, second: Declaration) -> None:
        for key in ("type", "unit", "help"):
            said, other = getattr(second, key), getattr(first, key)
            if said != other:
                message = (
                    f"a family has one {key} for all jobs: here {_shown(said)}, but {_shown(other)} in "
                    f"{self._place(first)}"
                )
                at = (*second.where, key)
                self.findings.add(Check.FAMILY_DISAGREES, at, message)

    def _place(self, declaration: Declaration) -> str:
        job = declaration.where[1]
        return f"job {job} (line {self.findings.places.mark(declaration.where, key=True).line})"


def _shown(said: str) -> str:
    return repr(str(said)) if said else "none"
