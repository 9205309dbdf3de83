"""What of a replayed run leaves, and what stands at the seam to live polling.

Owns: readings that no counter may show, the seam, samples as columns. Pure. Must not know: files, receivers, runs.

Live polling begins each total at 0, so at the seam a total of history is followed by a 0, which PromQL takes for a new
start: what both sides count adds up, whatever the first total is that somebody scrapes. The 0 stands at the seam
itself, where a metric that is sent by remote write has its own first 0; a total of history that belongs there stands a
millisecond earlier. A running reading goes on as it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import isfinite

from timepoint.backfill.spool import Column
from timepoint.ledger.change import ChangeSet, MetricChanges
from timepoint.ledger.outgoing import Leaving, Outgoing
from timepoint.ledger.state import metric_key
from timepoint.model import MetricSpec, MetricType, Rejects, Temporality


def settle_outgoing(
    change_set: ChangeSet,
    counted: Mapping[str, MetricSpec],
    specs: Mapping[str, MetricSpec],
    seam: int | None,
) -> None:
    """Brings what leaves with a change set into its last form.

    ``counted`` are the metrics as they were replayed, ``specs`` as they are declared. ``seam`` is where live polling
    goes on, None if it does not.
    """
    for name, replayed in counted.items():
        changes, spec = change_set.metrics[metric_key(replayed)], specs[name]
        outgoing = changes.outgoing
        if outgoing is None:
            continue
        outgoing.family = spec.family
        if spec.temporality is Temporality.CUMULATIVE:
            outgoing.series = _readings(outgoing, spec, change_set.rejects)
        elif spec.temporality is Temporality.DELTA and seam is not None:
            _meet(outgoing, changes, spec, seam, is_last=change_set.watermark == seam)
        counts = changes.counts
        change_set.counts.enqueued -= counts.enqueued
        counts.enqueued = outgoing.enqueued()
        change_set.counts.enqueued += counts.enqueued


def _readings(outgoing: Outgoing, spec: MetricSpec, rejects: Rejects) -> list[Leaving]:
    """Readings that a counter may show: neither below zero nor without a number (R14). A quantile may be any number."""
    kept = []
    for leaving in outgoing.series:
        if _is_quantile(leaving.text, spec) or all(map(_is_reading, leaving.values)):
            kept.append(leaving)
            continue
        good = [i for i, value in enumerate(leaving.values) if _is_reading(value)]
        for value in leaving.values:
            if not _is_reading(value):
                rejects.add("negative" if value < 0 else "not_finite", f"{spec.family.name}{leaving.text}")
        if good:
            ats, values = tuple(leaving.ats[i] for i in good), [leaving.values[i] for i in good]
            kept.append(leaving._replace(ats=ats, values=values))
    return kept


def _is_reading(value: float) -> bool:
    return value >= 0 and isfinite(value)


def _is_quantile(text: str, spec: MetricSpec) -> bool:
    return spec.family.type is MetricType.SUMMARY and not text.startswith("_")


def _meet(outgoing: Outgoing, changes: MetricChanges, spec: MetricSpec, seam: int, *, is_last: bool) -> None:
    """Leaves the seam to a 0, and sets it once history is complete: for each series of its last piece."""
    for place, leaving in enumerate(outgoing.series):
        if leaving.ats and leaving.ats[-1] >= seam and not _is_quantile(leaving.text, spec):
            outgoing.series[place] = leaving._replace(ats=(*leaving.ats[:-1], seam - 1))
    if not is_last:
        return
    known = {text: number for text, number, *_ in changes.updates}
    for text, number in (*known.items(), *((text, 0) for text in changes.new)):
        if not _is_quantile(text, spec):
            outgoing.series.append(Leaving(text, number, (seam,), array("d", [0.0])))


def columns_of(change_set: ChangeSet) -> dict[str, dict[str, Column]]:
    """What leaves, per family and series; whoever keeps it takes it out of the change set. Ends are left out."""
    found: dict[str, dict[str, Column]] = {}
    for changes in change_set.metrics.values():
        outgoing = changes.outgoing
        if outgoing is None:
            continue
        series = found.setdefault(outgoing.family.name, {})
        parts = [(leaving.text, leaving.ats, leaving.values) for leaving in outgoing.series]
        parts += [(late.text, (late.at,), (late.value,)) for late in outgoing.late if not late.is_amount]
        for text, ats, values in parts:
            if ats:
                before = series.get(text, ((), array("d")))
                series[text] = (
                    (before[0] + ats, before[1] + array("d", values)) if before[0] else (ats, array("d", values))
                )
        changes.outgoing = None
        change_set.counts.enqueued -= changes.counts.enqueued
        changes.counts.enqueued = 0
    return found


def not_before(columns: Mapping[str, Mapping[str, Column]], earliest: int) -> dict[str, dict[str, Column]]:
    """The columns, with no 0 of a new series alone before an instant: it stands there.

    The first interval of such a series may begin in a day that is written, and end in the one that is open.
    """
    moved: dict[tuple[int, ...], tuple[int, ...]] = {}

    def within(ats: tuple[int, ...]) -> tuple[int, ...]:
        if len(ats) == 1 or ats[0] >= earliest or ats[1] <= earliest:
            return ats
        return moved.setdefault(ats, (earliest, *ats[1:]))

    return {
        name: {text: (within(ats), values) for text, (ats, values) in series.items()}
        for name, series in columns.items()
    }
