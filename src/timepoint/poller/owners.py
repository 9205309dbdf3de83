"""Which lane of a job a series belongs to, and which job, if it goes to a receiver.

Owns: what becomes of points whose series another lane shows, or another job sends.
Must not know: runs, pages, the store.

A value of the fan-out is a label, so the series of two lanes differ by themselves. Where its label is turned off, or
rules take it away, two lanes may come to one series. Each would count its own total, and a page may hold a series only
once: the lane that has it keeps it, and points of the others are rejects (``other_lane``). A series that left the page
of its lane is free: a lane that then has it begins with a total of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from timepoint.job import Job
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.state import LaneState, MetricState, metric_key
from timepoint.model import MappedRun, MetricSpec


class Owners:
    """The lane of each series of a job, by name."""

    def __init__(self, metrics: Mapping[str, MetricSpec]) -> None:
        self._metrics = metrics
        self._owners: dict[str, dict[str, str]] = {name: {} for name in metrics}

    def take(self, lane: LaneState, others: Mapping[str, LaneState | None]) -> None:
        """A lane was loaded: what it shows is its own, unless another one has shown it since.

        The series of the one that has it no longer goes among those that left its page: on a page it would stand in
        place of the other's. ``others`` are all lanes that are looked after, by name.
        """
        for name, spec in self._metrics.items():
            metric, owners = lane.metric(spec), self._owners[name]
            for text in list(metric.series) if metric is not None else ():
                owner = owners.setdefault(text, lane.lane)
                if owner != lane.lane and metric is not None:
                    self._part(name, text, metric, _shown_by(others.get(owner), spec, text), lane.lane)

    def _part(self, name: str, text: str, metric: MetricState, other: MetricState | None, lane: str) -> None:
        loser = metric
        if other is not None and other.series[text].seen_at < metric.series[text].seen_at:
            loser = other
            self._owners[name][text] = lane
        loser.absent[text] = loser.series.pop(text)

    def leave(self, lane: LaneState) -> None:
        """A lane is no longer looked after here: what it showed is free."""
        for name, spec in self._metrics.items():
            metric = lane.metric(spec)
            self._free(name, metric.series if metric is not None else (), lane.lane)

    def screen(self, mapped: MappedRun, lane: str) -> None:
        """Takes series that belong to other lanes out of an answer, and counts their points as rejects."""
        for name, offered in mapped.series.items():
            owners = self._owners[name]
            for text in [text for text in offered if owners.get(text, lane) != lane]:
                points = offered.pop(text)
                mapped.rejects.add("other_lane", f"{name}{text}: lane {owners[text]} has it", len(points.times) or 1)

    def claim(self, change_set: ChangeSet) -> None:
        """What a lane is about to show belongs to it."""
        for name, spec in self._metrics.items():
            changes = change_set.metrics[metric_key(spec)]
            for text in (*changes.new, *changes.returned):
                self._owners[name][text] = change_set.lane

    def settle(self, change_set: ChangeSet, *, committed: bool) -> None:
        """Frees what left the page with a commit, or what was claimed for one that failed."""
        for name, spec in self._metrics.items():
            changes = change_set.metrics[metric_key(spec)]
            texts = changes.left if committed else (*changes.new, *changes.returned)
            self._free(name, texts, change_set.lane)

    def _free(self, name: str, texts: Iterable[str], lane: str) -> None:
        owners = self._owners[name]
        for text in texts:
            if owners.get(text) == lane:
                del owners[text]


def part(metrics: Mapping[str, MetricSpec], lanes: Sequence[LaneState]) -> None:
    """Leaves each series of some lanes, all that a job has now, to the one lane that has it: as on the job's page."""
    owners, by_name = Owners(metrics), {lane.lane: lane for lane in lanes}
    for lane in lanes:
        owners.take(lane, by_name)


def screen_sent(mapped: MappedRun, names: Iterable[str], other: Job, lanes: Sequence[LaneState]) -> None:
    """Takes series that another job sends to a receiver out of an answer, and counts their points as rejects.

    ``lanes`` are what the other job has in memory; a series that left them is free.
    """
    for name in names:
        spec = other.metrics.get(name)
        if spec is None or not spec.receivers:
            continue
        held = [metric.series for lane in lanes if (metric := lane.metric(spec)) is not None]
        offered = mapped.series[name]
        for text in [text for text in offered if any(text in series for series in held)]:
            points = offered.pop(text)
            mapped.rejects.add("other_job", f"{name}{text}: job {other.name} sends it", len(points.times) or 1)


def _shown_by(lane: LaneState | None, spec: MetricSpec, text: str) -> MetricState | None:
    """The metric of a lane, if it shows a series; None for one that only claims it."""
    metric = None if lane is None else lane.metric(spec)
    return metric if metric is not None and text in metric.series else None
