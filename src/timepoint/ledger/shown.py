"""What of the ledger's state stands on the page.

Owns: which series are shown, for how long, and in which order. Must not know: rendering, files, the store. Pure.

Four limits meet here. A series is shown while it was in the newest whole run of its lane (``LaneState``); nothing is
shown longer than ``max_age`` after the fire time of that run, whoever serves the page; a new counter series shows 0
until its ``zero_until``, since PromQL cannot see an increment from nothing; and it stays until it has shown its total
for as long, in the newest run or not (``shown_until``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import inf, nan

from timepoint.exposition.family import FamilySnapshot, SampleBatch
from timepoint.ledger.state import LaneState, MetricState, SeriesState, group_of, shown_until
from timepoint.model import BOUND_LABELS, MetricSpec, MetricType, split_series_text

Shown = tuple[str, float, float, int]
"""text, value, what is shown before zero_until, zero_until."""

_PART_ORDER = {"_sum": 1, "_count": 2}


def shown(metrics: Mapping[str, MetricSpec], lanes: Sequence[LaneState], now: int) -> list[FamilySnapshot]:
    """The families of a job, in the order of ``metrics``; a family without visible series has no batch.

    Series keep the order in which they came, lane by lane, so two pages differ only where something changed; the lines
    of one histogram, summary or stateset stand together, as OpenMetrics 1.0 asks for. What is visible only later or
    only until some moment is in batches of its own: the server needs no ledger to leave it out. What goes out by remote
    write is not on the page.
    """
    return [
        FamilySnapshot(spec.family, _joined([_of_lane(spec, lane, now) for lane in lanes]))
        for spec in metrics.values()
        if not spec.receivers
    ]


def _of_lane(spec: MetricSpec, lane: LaneState, now: int) -> list[SampleBatch]:
    metric = lane.metric(spec)
    if metric is None or lane.last_fire is None:
        return []
    limit = min(lane.last_fire, now) + spec.max_age  # a fire time of a clock that was ahead gives no more
    batches = list(_batches(_in_order(spec, metric.series, now), limit, now))
    for until, samples in _leaving(spec, metric, now).items():
        batches += _batches(samples, min(until, limit), now)
    return list(_with_created(spec, metric, batches, now)) if spec.shows_created else batches


def _joined(lanes: list[list[SampleBatch]]) -> list[SampleBatch]:
    """The batches of all lanes, those that are visible at the same time as one: 10,000 lanes have few fire times.

    A series that has left one lane may have come to another while it is still shown: it is on a page only once, and
    what comes first stays.
    """
    if len(lanes) == 1:
        return lanes[0]
    joined: dict[tuple[int | None, int | None], tuple[list[str], list[float], list[float]]] = {}
    has_created = any(batch.created is not None for batches in lanes for batch in batches)
    seen: set[str] = set()
    for batches in lanes:
        for batch in batches:
            texts, values, created = joined.setdefault((batch.visible_from, batch.visible_until), ([], [], []))
            fresh = [i for i, text in enumerate(batch.texts) if text not in seen] if seen else range(len(batch.texts))
            texts += [batch.texts[i] for i in fresh]
            values += [batch.values[i] for i in fresh]
            created += [batch.created[i] for i in fresh] if batch.created is not None else ()
        for batch in batches:
            seen.update(batch.texts)
    return [
        SampleBatch(texts, values, *when, created if has_created else None)
        for when, (texts, values, created) in joined.items()
        if texts
    ]


def _with_created(
    spec: MetricSpec, metric: MetricState, batches: Iterable[SampleBatch], now: int
) -> Iterator[SampleBatch]:
    """The batches with the moments at which their totals began: behind each counter, or the sum of each group."""

    def began(text: str) -> float:
        return min((metric.series.get(text) or metric.absent[text]).created, now) / 1000

    for batch in batches:
        if spec.family.type is MetricType.COUNTER:
            yield replace(batch, created=[began(text) for text in batch.texts])
            continue
        parts = [(*group_of(text, BOUND_LABELS[spec.family.type]), text) for text in batch.texts]
        first: dict[frozenset[tuple[str, str]], float] = {}
        for group, suffix, text in parts:
            if suffix:
                first[group] = min(first.get(group, inf), began(text))
        yield replace(batch, created=[first[group] if suffix == "_sum" else nan for group, suffix, _ in parts])


def _batches(samples: list[Shown], until: int, now: int) -> Iterable[SampleBatch]:
    if until <= now:
        return
    waiting: dict[int, list[Shown]] = {}
    if any(zero_until > now for _, _, _, zero_until in samples):
        for sample in samples:
            waiting.setdefault(max(sample[3], now), []).append(sample)
        samples = waiting.pop(now, [])
    if samples:
        yield SampleBatch([sample[0] for sample in samples], [sample[1] for sample in samples], None, until)
    for zero_until, young in waiting.items():
        texts = [sample[0] for sample in young]
        yield SampleBatch(texts, [sample[2] for sample in young], None, min(zero_until, until))
        if zero_until < until:
            yield SampleBatch(texts, [sample[1] for sample in young], zero_until, until)


def _leaving(spec: MetricSpec, metric: MetricState, now: int) -> dict[int, list[Shown]]:
    """What left the page before it was shown long enough, by the moment at which it has been.

    The parts of a histogram or summary stay as long as all of them would. Without its count a part stays no longer:
    then the others have been shown long enough, and alone it would be half a histogram.
    """
    samples: dict[int, list[Shown]] = {}
    if not metric.leaving:
        return samples
    series = {text: metric.absent[text] for text in metric.leaving}
    if spec.family.type in BOUND_LABELS:
        label = BOUND_LABELS[spec.family.type]
        groups = [
            group for group in _groups(series, label, _bound, now) if any(s[0].startswith("_count") for s in group)
        ]
    else:
        groups = [[sample] for sample in _in_order(spec, series, now)]
    for group in groups:
        samples.setdefault(min(shown_until(series[sample[0]]) for sample in group), []).extend(group)
    return samples


def _in_order(spec: MetricSpec, series: Mapping[str, SeriesState], now: int) -> list[Shown]:
    kind = spec.family.type
    if kind in BOUND_LABELS:
        return _grouped(series, BOUND_LABELS[kind], _bound, now)
    if kind is MetricType.STATESET:
        return _grouped(series, spec.family.name, lambda _value: 0.0, now)
    return [(text, state.value, 0.0, _zero_until(state, now)) for text, state in series.items()]


def _zero_until(state: SeriesState, now: int) -> int:
    """Until when a series shows 0. One that was made in what is now the future may have shown its total already.

    The clock was set back then, and a counter must not fall to 0 for as long as that was.
    """
    return state.zero_until if state.created <= now else 0


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _grouped(series: Mapping[str, SeriesState], label: str, rank: Callable[[str], float], now: int) -> list[Shown]:
    return [sample for group in _groups(series, label, rank, now) for sample in group]


def _groups(series: Mapping[str, SeriesState], label: str, rank: Callable[[str], float], now: int) -> list[list[Shown]]:
    """The parts of each group together: by ``label``, then sum, then count.

    A group shows 0 only while all its parts are new: a bucket that comes later joins the others as it is, or the group
    would contradict itself. A part without suffix is no counter and shows its value from the start.
    """
    groups: dict[frozenset[tuple[str, str]], list[tuple[tuple[int, float], str, str, SeriesState]]] = {}
    for text, state in series.items():
        suffix, labels = split_series_text(text)
        own = labels.pop(label, "")
        place = (_PART_ORDER.get(suffix, 0), rank(own))
        groups.setdefault(frozenset(labels.items()), []).append((place, suffix, text, state))
    ordered: list[list[Shown]] = []
    for parts in groups.values():
        parts.sort(key=lambda part: part[0])
        zero_until = min((_zero_until(state, now) for _, suffix, _, state in parts if suffix), default=0)
        ordered.append(
            [(text, state.value, 0.0 if suffix else state.value, zero_until) for _, suffix, text, state in parts]
        )
    return ordered
