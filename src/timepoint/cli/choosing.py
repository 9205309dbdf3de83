"""Which jobs of a config are meant, and amounts in words.

Owns: what is said to whoever names a job that there is not. Must not know: what a command does with jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from timepoint.job import Job


def named_jobs(jobs: Sequence[Job], names: Iterable[str]) -> list[Job]:
    """The jobs with these names, each once, in their order. Ends the command for a name that no job has."""
    known = {job.name: job for job in jobs}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no job {name!r}; the jobs are {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(names)]


def count_of(number: int, noun: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
