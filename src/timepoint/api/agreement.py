"""What the metrics of a job get from around them, and what all jobs on a page must agree on.

Owns: who gets a metric, and which families exclude each other. Must not know: how a job is declared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from timepoint.api.declared import Counter, Gauge
from timepoint.config.names import claims
from timepoint.config.remote_write_build import age_complaint, age_parts
from timepoint.job import Job
from timepoint.model import FamilySpec, MetricSpec, Receiver
from timepoint.remote_write.spec import ReceiverSpec


def complete(spec: MetricSpec, max_age: int, polled: str) -> MetricSpec:
    """Adds what follows from the job: the default of max_age, and how the metric is got, at the end of its help."""
    family = replace(spec.family, help=f"{spec.family.help} ({polled})")
    return replace(spec, family=family, max_age=spec.max_age or max_age)


def is_sent(metric: Counter | Gauge) -> bool:
    """Whether a metric goes by remote write. Raises ValueError."""
    if metric.deliver not in ("scrape", "remote_write"):
        raise ValueError(f"{metric.name}: deliver is scrape or remote_write, not {metric.deliver!r}")
    if metric.deliver == "scrape" and metric.receivers:
        raise ValueError(f'{metric.name}: receivers needs deliver="remote_write"')
    return metric.deliver == "remote_write"


def receivers_of(
    job: Job, metric: str, named: Sequence[str], known: Mapping[str, ReceiverSpec]
) -> tuple[Receiver, ...]:
    """The receivers that are named for a metric; all if none is. Raises ValueError."""
    found = []
    for name in named or known:
        if name in known and known[name].backfill_only:
            if named:
                raise ValueError(f"{metric}: the receiver {name!r} is for backfill only (backfill_only)")
            continue
        if name not in known:
            raise ValueError(f"{metric}: there is no receiver {name!r}: name it in Exporter(remote_write=[...])")
        parts = age_parts(job.window, job.schedule.every, job.timeout)
        if job.window.longest_step and (complaint := age_complaint(known[name], parts)):  # else points are about now
            raise ValueError(f"job {job.name!r}: {complaint}")
        found.append(Receiver(name, known[name].is_strict, known[name].oldest))
    if not found:
        raise ValueError(f"{metric} goes by remote write, and there is no receiver: Exporter(remote_write=[...])")
    return tuple(found)


def on_one_page(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """The jobs with one help for each family. Raises ValueError for families that exclude each other."""
    families: dict[str, FamilySpec] = {}
    owners: dict[str, str] = {}
    ways: dict[str, bool] = {}
    agreed = []
    for job in jobs:
        metrics = {}
        for name, spec in job.metrics.items():
            first = families.setdefault(name, spec.family)
            if (first.type, first.unit) != (spec.family.type, spec.family.unit):
                raise ValueError(f"job {job.name!r}: {name} has another type or unit in another job")
            if ways.setdefault(name, bool(spec.receivers)) != bool(spec.receivers):
                raise ValueError(f"job {job.name!r}: {name} goes by another way in another job: choose one for both")
            for claim in claims(name, first.type):
                if owners.setdefault(claim, name) != name:
                    raise ValueError(
                        f"job {job.name!r}: {name} cannot stand beside {owners[claim]}: both take the name {claim} in"
                        " OpenMetrics. Rename one of them"
                    )
            metrics[name] = replace(spec, family=first)
        agreed.append(replace(job, metrics=metrics))
    return tuple(agreed)
