"""What a change of the config does to totals, told before anybody misses them.

Owns: which counters begin anew since the config names or declares them otherwise than the ledger does, or since another
holder has shown their series, and the sentence for each. Pure. Must not know: the config file, the log.

A total belongs to a job, a metric as it is declared (type, temporality, unit), a lane and labels. A change of any of
them makes another total, which begins at 0; the old one is kept for ``forget_after``. If the change is taken back it
goes on, unless the other total has been shown as the same series meanwhile: then it begins at 0, too. No other rule
never mixes what must not be mixed, and this one must not be silent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import inf
from typing import NamedTuple, Protocol

from timepoint.job import Job
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.holders import NOBODY, Estate, Estates, Holder, estate_of, over
from timepoint.ledger.state import LaneState, MetricState, metric_key, metric_shape
from timepoint.model import MetricSpec, Temporality, split_series_text

_NAMED = 5


class Anew(NamedTuple):
    """Totals that begin anew: of a job, or of one of its metrics."""

    job: str
    metric: str | None
    reason: str


def counters_of(job: Job) -> list[MetricSpec]:
    """The metrics of a job that have totals."""
    return [spec for spec in job.metrics.values() if spec.temporality is not None]


class Books(Protocol):
    """What must be asked of a ledger to find others that have counted a series. Both raise StoreError."""

    def holders(self, names: Collection[str]) -> list[Holder]: ...

    def load_lanes(self, job: str, lanes: Collection[str]) -> dict[str, LaneState]: ...


def find_estates(
    job: Job, jobs: Iterable[Job], lanes: Collection[LaneState], books: Books, since: float = -inf
) -> dict[str, Estates]:
    """What others have counted of the counters of a job, by metric, as far as it bears on its ``lanes``.

    ``jobs`` are all of the config. A lane that was never answered is asked for nothing before ``since``.
    """
    names = {spec.family.name for spec in counters_of(job)}
    former = former_holders(job, jobs, books.holders(names)) if names else []
    bounds = {name: _bounds(name, lanes, since) for name in {holder.name for holder in former}}
    wanted: dict[str, dict[str, list[Holder]]] = {}
    for holder in former:
        kept_from, oldest = bounds[holder.name]
        if kept_from < holder.reach or oldest < holder.newest_id:
            wanted.setdefault(holder.job, {}).setdefault(holder.lane, []).append(holder)
    found: dict[str, list[Estate]] = {}
    for other, by_lane in wanted.items():
        for name, lane in books.load_lanes(other, by_lane).items():
            for holder in by_lane[name]:
                metric = lane.metrics[f"{holder.name} {holder.shape}"]
                found.setdefault(holder.name, []).append(estate_of(lane, metric))
    return {name: Estates(estates) for name, estates in found.items()}


def _bounds(name: str, lanes: Collection[LaneState], since: float) -> tuple[float, float]:
    """Beyond which instant and which id of a series what another has counted bears on one of the lanes.

    Then one of them may be offered it, or has a total that began before one of the other, and is not over yet.
    """
    kept_from = min((since if lane.kept_from is None else lane.kept_from for lane in lanes), default=-inf)
    metrics = [metric for lane in lanes for metric in lane.metrics.values() if metric.name == name]
    states = (state for metric in metrics for by in (metric.series, metric.absent) for state in by.values())
    return kept_from, min((state.id for state in states if state.created), default=inf)


def former_holders(job: Job, jobs: Iterable[Job], holders: Iterable[Holder]) -> list[Holder]:
    """Who else had series of the job's counters, and has them no longer in a config of these ``jobs``.

    Lanes of the job itself count where they are of before ``each`` was added or taken away: the lanes of one fan-out
    have their own rules, and other declarations in one lane are seen there.
    """
    names, by_name = {spec.family.name for spec in counters_of(job)}, {other.name: other for other in jobs}

    def is_former(holder: Holder) -> bool:
        if holder.job == job.name:
            return (job.each is None) != (holder.lane == "")
        other = by_name.get(holder.job)
        spec = other.metrics.get(holder.name) if other is not None else None
        return spec is None or metric_shape(spec) != holder.shape

    return [holder for holder in holders if holder.name in names and is_former(holder)]


def totals_over(
    job: Job, lane: LaneState, estates: Mapping[str, Estates]
) -> Iterable[tuple[MetricSpec, Mapping[str, Holder]]]:
    """The counters of a lane of which totals are over, since others have begun to count their series after it."""
    for spec in counters_of(job):
        found = over(lane, spec, estates.get(spec.family.name, NOBODY))
        if found:
            yield spec, found


def begun_behind(job: Job, spec: MetricSpec, holders: Mapping[str, Holder]) -> Anew:
    """The totals of a counter that begin at 0 behind those of others; ``holders`` are by series."""
    others = sorted({_told(holder, job) for holder in holders.values()})
    reason = (
        f"{len(holders)} of its series have been counted by {_listed(others)} since, and begin at 0 behind that: their "
        "old totals would be an increase once more; what was counted is not counted again"
    )
    return Anew(job.name, spec.family.name, reason)


def _told(holder: Holder, job: Job) -> str:
    if holder.job != job.name:
        return f"job {holder.job}"
    if holder.shape != metric_shape(job.metrics[holder.name]):
        return f"the metric declared as {_declared(holder.shape)}"
    return "the job with each" if holder.lane else "the job without each"


def changed_jobs(jobs: Iterable[Job], known: Collection[str]) -> list[Anew]:
    """Jobs of which the ledger knows nothing, while it ``known`` others that are no longer there: renamed, perhaps."""
    jobs = list(jobs)
    gone = sorted(set(known) - {job.name for job in jobs})
    if not gone:
        return []
    return [
        Anew(
            job.name,
            None,
            f"the ledger does not know this job, and knows {_listed(gone)}, which the config no longer has: a job that "
            "was renamed begins with new totals, and with its old name it would go on",
        )
        for job in jobs
        if job.name not in known and counters_of(job)
    ]


def changed_metrics(job: Job, lanes: Iterable[LaneState]) -> list[Anew]:
    """Metrics of a known job of which no lane has a total yet, though it has one that may be theirs."""
    ran = [lane for lane in lanes if lane.version]
    held = {key: metric for lane in ran for key, metric in lane.metrics.items()}
    declared = {metric_key(spec) for spec in job.metrics.values()}
    gone = [metric for key, metric in held.items() if key not in declared and (metric.series or metric.absent)]
    return [
        Anew(job.name, spec.family.name, reason)
        for spec in counters_of(job)
        if ran and metric_key(spec) not in held and (reason := _why(spec, gone))
    ]


def _why(spec: MetricSpec, gone: Iterable[MetricState]) -> str:
    shape = metric_shape(spec)
    before = [metric for metric in gone if metric.name == spec.family.name]
    if before:
        newest = max(before, key=lambda metric: metric.last_run)
        return (
            f"it is declared as {_declared(shape)}, and the ledger has its totals as {_declared(newest.shape)}: they "
            "would not add up, so new ones begin; if that is taken back before the first run, the old go on"
        )
    renamed = sorted({metric.name for metric in gone if metric.shape == shape})
    if renamed:
        return (
            f"the ledger has no total of it, but of {_listed(renamed)}, which the job no longer has: a metric that was "
            "renamed begins with new totals, and with its old name it would go on"
        )
    return ""


def changed_lanes(job: Job, known: Collection[str]) -> list[Anew]:
    """A job that got a fan-out, or lost it: its totals belong to lanes that are no longer polled, or ``known``."""
    if not counters_of(job) or not known:
        return []
    if job.each is not None and "" in known and len(known) == 1:
        return [Anew(job.name, None, "it has each now, and had not: each lane begins with totals of its own")]
    if job.each is None and "" not in known:
        return [Anew(job.name, None, "it had each, and has not now: its totals belong to lanes, and new ones begin")]
    return []


def changed_labels(metrics: Mapping[str, MetricSpec], lane: LaneState, change_set: ChangeSet, since: int) -> list[Anew]:
    """Counters all of whose series went and came again with other labels; ``lane`` is as the change set left it.

    ``since`` is when the run began. Series that come and go with the labels of others are no change of the config.
    """
    found = []
    for name, spec in metrics.items():
        left = change_set.metrics[metric_key(spec)].left
        state = lane.metric(spec)
        if spec.temporality is None or not left or state is None or not state.series:
            continue
        if any(series.created < since for series in state.series.values()):
            continue
        before, after = set(map(_labels_of, left)), set(map(_labels_of, state.series))
        if not before & after:
            reason = (
                f"all of its {len(left)} series had the labels {_listed(max(before))}, and now have "
                f"{_listed(max(after))}: other labels are other totals; the old are kept for forget_after, and go on "
                "if that is taken back"
            )
            found.append(Anew(lane.job, name, reason))
    return found


def _labels_of(text: str) -> tuple[str, ...]:
    return tuple(split_series_text(text)[1])


def _declared(shape: str) -> str:
    """A shape in words: ``counter, delta, unit joules``."""
    kind, temporality, unit = shape.split("/")
    words = [kind, *filter(None, [Temporality(temporality).value if temporality else ""])]
    return ", ".join([*words, f"unit {unit}" if unit else "no unit"])


def _listed(words: Collection[str]) -> str:
    shown = list(words)[:_NAMED]
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return (", ".join(shown) or "none") + more
