"""A report as a person reads it.

Owns: the words and their order. Pure. Must not know: how anything was found, colours, terminals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from timepoint.clock import DAY, HOUR, MINUTE, SECOND, format_duration
from timepoint.doctor.report import JobReport, Report, readable
from timepoint.ledger.examine import Check, LaneFacts
from timepoint.ledger.queues import QueueFacts

_KIB = 1024
_LANES = 5  # so many are told one by one


def text_lines(report: Report) -> Iterator[str]:
    """The lines of a report, most important last, where the eye is when a command ends."""
    yield f"{report.data_dir}: {report.in_use or 'not in use'}"
    if report.trouble:
        yield f"its exporter polls nothing: {report.trouble}"
    yield from _ledger(report)
    if report.jobs:
        yield ""
        yield "Jobs"
        for job in report.jobs:
            yield from _job(job, report.at)
    yield from _queues(report)
    yield from _begun_anew(report)
    yield ""
    yield "Checks"
    for check in report.checks:
        yield from _check(check)
    if report.next_steps:
        yield ""
        yield "Next steps"
        for number, step in enumerate(report.next_steps, 1):
            yield f"  {number}. {step}"
    yield ""
    broken = sum(not check.is_kept for check in report.checks)
    if broken:
        yield f"{broken} of {_count(len(report.checks), 'check')} found something."
    else:
        yield f"All {len(report.checks)} checks are well."
    if all(job.configured is None for job in report.jobs):
        yield "Without --config jobs and pages were not compared with what is configured."


def _begun_anew(report: Report) -> Iterator[str]:
    if report.begins_anew:
        yield ""
        yield "With this config totals begin anew"
    for job, metric, reason in report.begins_anew:
        yield f"  {job}{f' {metric}' if metric else ''}: {reason}"


def _ledger(report: Report) -> Iterator[str]:
    facts = report.facts
    if facts is not None:
        closed = "closed properly" if facts.is_clean else "in use, or not closed properly"
        sizes = f"{_size(facts.size)}, log {_size(facts.log)}, free {_size(facts.free)}"
        counts = f"{_count(facts.commits, 'commit')}, opened {_count(facts.opened, 'time')}"
        yield f"ledger: version {facts.version}, {counts}, {closed}; {sizes}"
    elif not report.fails("file"):
        yield "ledger: none yet; a start makes it"


def _job(job: JobReport, now: int) -> Iterator[str]:
    yield f"  {job.name}{' (not in the config)' if job.configured is False else ''}"
    if not job.lanes:
        yield "    the ledger knows nothing of it yet"
    if len(job.lanes) > _LANES:
        yield from _summed_up(job.lanes, now)
    for lane in sorted(job.lanes, key=_how_far)[:_LANES] if len(job.lanes) > _LANES else job.lanes:
        yield from _lane(lane, now)
    if job.page is not None:
        page = job.page
        yield (
            f"    page: commit {page.commit}, rendered {_ago(page.rendered_at, now)}, "
            f"{_count(page.series, 'sample')}, {_size(page.size)}"
        )
    else:
        yield "    page: none"


def _queues(report: Report) -> Iterator[str]:
    if report.queues:
        yield ""
        yield "Receivers of remote write"
    for queue in report.queues:
        yield from _queue(queue, report.at)


def _queue(queue: QueueFacts, now: int) -> Iterator[str]:
    """Where every sample is that ever went into a queue, and why the dead are dead."""
    protocol = f" (protocol {queue.protocol})" if queue.protocol else ""
    yield f"  {queue.receiver}{protocol}"
    sums = f"{queue.acknowledged} acknowledged + {queue.dead} dead + {queue.pending} waiting"
    if queue.late_amounts:
        sums += f" + {_count(queue.late_amounts, 'late amount')}"
    if queue.dismissed:
        sums += f" + {queue.dismissed} dismissed"
    yield f"    {queue.enqueued} enqueued {'=' if queue.is_balanced else 'is not'} {sums}"
    if queue.oldest is not None:
        parked = f"; {queue.parked} set aside" if queue.parked else ""
        yield f"    waiting: {readable(queue.oldest)}, {_ago(queue.oldest, now)}, to {readable(queue.newest)}{parked}"
    if queue.dead:
        reasons = ", ".join(f"{reason} {count}" for reason, count in queue.reasons.items())
        yield f"    dead: {reasons}; {_count(queue.letters, 'letter')} kept"


def _how_far(lane: LaneFacts) -> int:
    return lane.watermark or 0


def _summed_up(lanes: Sequence[LaneFacts], now: int) -> Iterator[str]:
    """Many lanes in a few lines; those that are furthest behind follow."""
    never = sum(not lane.version for lane in lanes)
    failing = sum((lane.last_attempt or 0) > (lane.last_accepted or 0) for lane in lanes)
    series, absent, size = (sum(getattr(lane, name) for lane in lanes) for name in ("series", "absent", "size"))
    newest = max((lane.watermark for lane in lanes if lane.watermark is not None), default=None)
    yield (
        f"    {_count(len(lanes), 'lane')}: {failing} without an answer to their newest request, {never} without any; "
        f"{series} series on the page, {absent} kept until forgotten; {_size(size)}"
    )
    yield f"    data up to {readable(newest)}, {_ago(newest, now)}; furthest behind are:"


def _lane(lane: LaneFacts, now: int) -> Iterator[str]:
    if lane.lane:
        yield f"    lane {lane.lane}"
    if lane.version:
        yield f"    data up to {readable(lane.watermark)}, {_ago(lane.watermark, now)} (commit {lane.version})"
        yield f"    last accepted run {_ago(lane.last_accepted, now)}, last asked {_ago(lane.last_attempt, now)}"
    else:
        yield f"    no accepted run yet, last asked {_ago(lane.last_attempt, now)}"
    debt = f", debt {lane.debt:g}" if lane.debt else ""
    yield f"    {lane.series} series on the page, {lane.absent} kept until forgotten{debt}; {_size(lane.size)}"


def _check(check: Check) -> Iterator[str]:
    yield f"  {'ok  ' if check.is_kept else 'FAIL'}  {check.name}: {check.promise}"
    for finding in check.findings:
        yield f"          {finding}"
    if check.count > len(check.findings):
        yield f"          and {check.count - len(check.findings)} more"


def _ago(at: int | None, now: int) -> str:
    """How far an instant is from now, with two units at most."""
    if at is None:
        return "never"
    length = abs(now - at)
    unit = next((small for large, small in ((2 * DAY, HOUR), (2 * HOUR, MINUTE)) if length >= large), SECOND)
    words = format_duration(length // unit * unit)
    return f"{words} ago" if at <= now else f"{words} in the future"


def _size(count: int) -> str:
    if count < _KIB:
        return f"{count} B"
    size, unit = count / _KIB, "KiB"
    for larger in ("MiB", "GiB"):
        if size >= _KIB:
            size, unit = size / _KIB, larger
    return f"{size:.1f} {unit}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
