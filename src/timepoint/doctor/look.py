"""A whole data directory, examined and left as it is.

Owns: the order of the examination, what follows from findings. Must not know: SQL, how a report is printed.

A directory that nobody holds is held for reading meanwhile, so that no exporter starts in the middle. One in use is
read beside its exporter, pages first and the ledger after them, so that a page ahead of its ledger is a finding and one
behind it is none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from timepoint.datadir import Layout, foreign_fault, looked_at
from timepoint.doctor.pages import Beside, Pages, check_pages, read_pages
from timepoint.doctor.report import JobReport, PageFacts, Report, readable
from timepoint.errors import StoreError
from timepoint.job import Job
from timepoint.ledger.examine import Check, Examination, Reader, examine, reading
from timepoint.ledger.schema import LEDGER
from timepoint.ledger.state import LaneState
from timepoint.poller.edits import (
    Anew,
    begun_behind,
    changed_jobs,
    changed_lanes,
    changed_metrics,
    find_estates,
    totals_over,
)
from timepoint.poller.listing import known_lanes
from timepoint.request.each.lanes import LONE

_BEAT_IS_NEW = 60_000  # ms; a heartbeat comes every three seconds


def examine_directory(path: Path, jobs: Sequence[Job] | None, now: int) -> Report:
    """Looks at everything in a data directory. ``jobs`` are those of the config, None without one.

    Raises DataDirectoryError if the directory cannot be read at all.
    """
    layout = Layout(path)
    with looked_at(layout) as holder:
        return examine_held(layout, jobs, now, holder)


def examine_held(layout: Layout, jobs: Sequence[Job] | None, now: int, holder: str | None = None) -> Report:
    """The same for a directory that the caller holds, or that ``holder`` does."""
    in_use = holder is not None
    pages = read_pages(layout.published)
    examination = examine(layout.ledger, in_use=in_use)
    report = Report(str(layout.path), now, holder, facts=examination.facts)
    report.trouble = _trouble(pages, now) if in_use else ""
    by_name = None if jobs is None else {job.name: job for job in jobs}
    is_newest = examination.facts is not None and examination.facts.version == LEDGER.version
    with contextlib.ExitStack() as stack:
        load = None
        if is_newest and jobs is not None:
            reader = stack.enter_context(reading(layout.ledger, in_use=in_use))
            listed = {name: listed_lanes(job, examination) for name, job in (by_name or {}).items()}
            load = partial(_load, reader, listed)
        beside = Beside(_versions(examination), _listed_versions(examination, by_name), load, by_name, in_use)
        pages_checks = check_pages(layout.published, pages, beside)
        if load is not None and examination.is_sound:
            report.begins_anew = list(_begun_anew(jobs or (), examination, load, reader))
    report.checks = [_check_directory(layout.path), *examination.checks, *pages_checks]
    report.jobs = _jobs(examination, pages, by_name)
    report.queues = examination.queues
    report.next_steps = [*_next_steps(report), *_forsaken(report, jobs)]
    return report


def _load(reader: Reader, lanes: Mapping[str, Sequence[str]], job: str) -> list[LaneState]:
    return list(reader.load_lanes(job, lanes[job]).values())


def _begun_anew(
    jobs: Sequence[Job], examination: Examination, load: Callable[[str], list[LaneState]], reader: Reader
) -> Iterator[Anew]:
    """What a start with this config would begin anew."""
    yield from changed_jobs(jobs, {lane.job for lane in examination.lanes if lane.version})
    for job in jobs:
        known = [lane.lane for lane in examination.lanes if lane.job == job.name]
        yield from changed_lanes(job, known)
        with contextlib.suppress(StoreError):  # the checks have said it
            lanes = load(job.name) if known else []
            yield from changed_metrics(job, lanes)
            estates = find_estates(job, jobs, lanes, reader) if lanes else {}
            for lane in lanes:
                for spec, others in totals_over(job, lane, estates):
                    yield begun_behind(job, spec, others)


def listed_lanes(job: Job, examination: Examination) -> list[str]:
    """The lanes of a job in the config, as far as they are known without asking anybody."""
    if job.each is None:
        return [LONE.name]
    return [lane.name for lane in known_lanes(job.each, examination.lists.get(job.name, {})) or ()]


def _check_directory(path: Path) -> Check:
    check = Check("directory", "it belongs to who uses it, and not everybody can write to it")
    fault = foreign_fault(path)
    if fault is not None:
        check.find(fault)
    return check


def _trouble(pages: Pages, now: int) -> str:
    """Why the poller that runs now cannot use its ledger, as it says itself.

    It may have spoken after ``now``: whoever asks has waited for the directory meanwhile.
    """
    if pages.poller is None or abs(now - pages.poller.rendered_at) > _BEAT_IS_NEW:
        return ""
    return str(pages.poller.status.get("ledger_trouble") or "")


def _versions(examination: Examination) -> dict[str, int] | None:
    """The newest commit of each job; None if the ledger is there and cannot be read."""
    if examination.facts is None and not examination.is_sound:
        return None
    versions: dict[str, int] = {}
    for lane in examination.lanes:
        versions[lane.job] = max(versions.get(lane.job, 0), lane.version)
    return versions


def _listed_versions(examination: Examination, by_name: Mapping[str, Job] | None) -> dict[str, int]:
    """The newest commit of each job that its page should show: that of the lanes that are listed now."""
    versions = _versions(examination) or {}
    for name, job in (by_name or {}).items():
        if job.each is not None and name in versions:
            listed = set(listed_lanes(job, examination))
            own = [lane.version for lane in examination.lanes if lane.job == name and lane.lane in listed]
            versions[name] = max(own, default=0)
    return versions


def _jobs(examination: Examination, pages: Pages, by_name: Mapping[str, Job] | None) -> list[JobReport]:
    names = dict.fromkeys([*(by_name or ()), *(lane.job for lane in examination.lanes), *pages.whole])
    reports = []
    for name in names:
        job = JobReport(name, None if by_name is None else name in by_name)
        job.lanes = [lane for lane in examination.lanes if lane.job == name]
        page = pages.whole.get(name)
        if page is not None:
            series = sum(batch.series for family in page.families for batch in family.batches)
            job.page = PageFacts(page.commit, page.rendered_at, page.size, series)
        reports.append(job)
    return reports


LEDGER_CHECKS = frozenset(
    {"integrity", "references", "tables", "book", "versions", "metrics", "halves", "texts", "totals", "debts"}
    | {"carries", "readings", "intervals", "presence"}
    | {"queues", "queue_rows", "queue_numbers", "samples", "out_series"}
)
"""What is damage, and not a question of clock, machine or release."""


def _next_steps(report: Report) -> Iterator[str]:
    command = f"timepoint doctor {report.data_dir}"
    if report.fails("directory"):
        yield "give the directory to the user who runs the exporter, and take it from the others (chmod o-w)"
    if report.fails("byte_order"):
        yield f"on the machine that wrote it: {command} --export FILE; here: timepoint doctor NEW_DIR --import FILE"
    if report.fails("release"):
        yield "use the release that wrote it, or a newer one"
    if report.fails("file") or report.fails(*LEDGER_CHECKS):
        yield "keep a copy of the whole directory, then restore the newest backup of the ledger if there is one"
        yield f"without a backup, begin anew by declaration: {command} --quarantine (its counters start at 0)"
    elif report.fails("pages_not_ahead"):
        yield "restore the newest copy of ledger.sqlite with the ledger.sqlite-wal beside it, if there is one"
        yield f"or go on with the ledger that is there: {command} --accept-ledger (counters go back to what it holds)"
    if report.fails("watermarks"):
        yield "compare the machine's clock with a time server"
    if report.fails("leftovers", "pages_whole", "pages_known", "pages_not_behind", "pages_match"):
        yield f"start the exporter, which renders its pages again, or: {command} --config CONFIG --repair"
    for job in report.jobs:
        if job.configured is False and job.lanes:
            until = readable(max(lane.forget_at for lane in job.lanes))
            page = ", its page until the exporter starts with this config" if job.page is not None else ""
            yield (
                f"job {job.name} is not in this config, so its state is kept until {until}{page}; "
                f"nothing is to be done, unless it is to be forgotten now: {command} --forget {job.name}"
            )


def _forsaken(report: Report, jobs: Sequence[Job] | None) -> Iterator[str]:
    """What to do about queues that nothing joins any more, and that hold something."""
    named = {receiver.name for job in jobs or () for spec in job.metrics.values() for receiver in spec.receivers}
    for queue in report.queues if jobs is not None else ():
        if queue.receiver not in named and (queue.pending or queue.letters):
            yield (
                f"no metric of the config goes to receiver {queue.receiver}, and its queue holds {queue.pending} "
                f"waiting and {queue.letters} dead samples: name it again, or let it be forgotten: "
                f"timepoint doctor {report.data_dir} --forget-receiver {queue.receiver}"
            )
