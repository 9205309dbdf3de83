"""From one workload to the next: which jobs begin, end, change or go on as they are.

Owns: that comparison, in words for a person. Pure. Must not know: files, loops, the ledger.

A job goes on untouched if the config says the same of it and of all its sources, however the file is arranged. Whatever
else is new about it makes it a changed job, of which nothing is kept in memory: it begins as after a restart, with what
the ledger holds.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from timepoint.job import Job, Workload
from timepoint.poller.sources import sources_of

_NAMED = 5


@dataclass(frozen=True, slots=True)
class Change:
    """Names of jobs, in the order of the config. ``jobs`` is how many there are from now on."""

    jobs: int
    new: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def beginning(self) -> frozenset[str]:
        return frozenset((*self.new, *self.changed))

    @property
    def ending(self) -> frozenset[str]:
        return frozenset((*self.changed, *self.removed))

    def sentence(self) -> str:
        """For whoever asked: ``3 jobs: 1 new (a), 2 as before``."""
        parts = [
            f"{len(names)} {word} ({listed(names)})"
            for word, names in (("new", self.new), ("changed", self.changed), ("removed", self.removed))
            if names
        ]
        same = self.jobs - len(self.beginning)
        if same or not parts:
            parts.append(f"{same} as before")
        return f"{self.jobs} job{'s' if self.jobs != 1 else ''}: {', '.join(parts)}"


def compare(before: Workload, after: Workload) -> Change:
    """What is to be done to go from one workload to the other."""
    known = {job.name: job for job in before.jobs}
    names = {job.name for job in after.jobs}
    return Change(
        jobs=len(after.jobs),
        new=tuple(job.name for job in after.jobs if job.name not in known),
        changed=tuple(job.name for job in after.jobs if job.name in known and not is_same(known[job.name], job)),
        removed=tuple(name for name in known if name not in names),
    )


def is_same(before: Job, after: Job) -> bool:
    """Whether one can go on in the place of the other. Compiled mappings cannot be compared, definitions can."""
    if before == after:
        return True
    said = before.definition != "" and before.definition == after.definition
    return said and before.metrics == after.metrics and sources_of((before,)) == sources_of((after,))


def listed(names: Collection[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(list(names)[:_NAMED]) + more
