"""The published page of a job.

Owns: how lanes become a page, what it is told by, and what a page says of the ledger that it was rendered from. Pure.
Must not know: files, stores, runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b

from timepoint.exposition.family import JobSnapshot
from timepoint.job import Job
from timepoint.ledger.shown import shown
from timepoint.ledger.state import LaneState, MetricState
from timepoint.model import MetricSpec
from timepoint.poller.report import MetricStanding
from timepoint.request.each.lanes import LONE
from timepoint.version import __version__


def render(job: Job, lanes: Sequence[LaneState], now: int) -> JobSnapshot:
    """What the lanes of a job show, for the server. Its commit is the newest of theirs."""
    names = [lane.lane for lane in lanes]
    families = shown(job.metrics, lanes, now)
    return JobSnapshot(job.name, families, version_of(lanes), now, fingerprint(job.metrics, names))


def version_of(lanes: Iterable[LaneState]) -> int:
    """The newest commit of some lanes: commits are numbered over the whole ledger, so it names a state of all."""
    return max((lane.version for lane in lanes), default=0)


def fingerprint(metrics: Mapping[str, MetricSpec], lanes: Sequence[str] = (LONE.name,)) -> str:
    """Names how a job is rendered: other metrics, other lanes, or another release, make another page of one ledger."""
    text = "\n".join((__version__, *(repr(spec) for spec in metrics.values())))
    if tuple(lanes) != (LONE.name,):
        text += "\0" + "\0".join(lanes)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def behind_text(job: str, version: int, commit: int) -> str:
    """What is said of a ledger that is older than a page rendered from it."""
    return (
        f"job {job}: its page shows commit {commit}, but the newest that the ledger knows of it is {version}: the "
        "ledger or its -wal file was lost, or replaced by an older one, and counters would go back; restore the newest "
        "copy with its -wal file, or see timepoint doctor"
    )


def metric_standing(lanes: Iterable[LaneState], spec: MetricSpec) -> MetricStanding:
    """What a job shows of one metric, over its lanes."""
    metrics: list[MetricState] = [metric for lane in lanes if (metric := lane.metric(spec)) is not None]
    counts = spec.temporality is not None
    newest = [metric.newest for metric in metrics if metric.newest is not None]
    shown_newest = [metric.newest for metric in metrics if metric.newest is not None and metric.series]
    return MetricStanding(
        series=sum(len(metric.series) for metric in metrics),
        newest=max(newest, default=None),
        debt=sum(metric.debt() for metric in metrics) if counts else None,
        max_age=spec.max_age,
        is_forecast=bool(spec.horizons),
        kept=sum(len(metric.absent) for metric in metrics),
        oldest=min(shown_newest, default=None),
    )
