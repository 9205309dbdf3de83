"""What the doctor may change in a data directory, and only when told to.

Owns: repairs that lose nothing, jobs forgotten by name, and files moved aside. It never changes a total.
Must not know: how a report is printed, the command line.

Each function returns sentences that say what was done. Those that write hold the directory alone, as an exporter does,
and raise InUseError if they cannot; an exporter that stays up without a usable ledger is no obstacle to moving that
ledger aside, since it does not touch it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from timepoint.datadir import DataDirectory, Layout, looked_at
from timepoint.doctor.look import LEDGER_CHECKS, examine_held
from timepoint.doctor.pages import BESIDE, difference, read_pages
from timepoint.doctor.report import Report
from timepoint.durable import replacing, sync_directory
from timepoint.errors import DataDirectoryError, InUseError
from timepoint.exposition.publish import POLLER, publish, published_paths, withdraw
from timepoint.job import Job
from timepoint.ledger.reading import COMPANIONS, companion
from timepoint.ledger.sqlite_store import SqliteStore
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import open_store
from timepoint.ledger.transfer import export_lines, import_lines
from timepoint.poller.listing import known_lanes
from timepoint.poller.owners import part
from timepoint.poller.page import fingerprint, render, version_of
from timepoint.request.each.lanes import LONE
from timepoint.version import __version__

_WORTH_IT = 10
"""Vacuuming is worth it if it gives back more than one part in so many of the file."""


_ANEW = """\
The next start begins a new ledger. Counters start at 0 by declaration: Prometheus sees a reset, and increase() counts
the new totals from 0. First runs ask for what a new job asks for (initial); what the old counters held of it is counted
again in the new ones."""
_BACK = """\
Polling goes on from the ledger that is there. Counters are lower than what was shown: Prometheus sees a reset, and
increase() counts the next totals from 0. What the lost commits held is asked for again, as far as catch_up reaches and
the API still answers."""


def repair(path: Path, jobs: Sequence[Job] | None, now: int) -> list[str]:
    """Removes what crashed writes left, moves the log into the file, gives free space back, renders pages again.

    Without ``jobs`` a damaged page can only be removed. A damaged ledger, or one that is older than its pages, is left
    alone: that is the operator's decision. Raises InUseError, DataDirectoryError, StoreError and PublishError.
    """
    with DataDirectory(path) as data:
        layout = data.layout
        report = examine_held(layout, jobs, now)
        done = list(_remove_leftovers(layout))
        if report.fails("file", "release", "byte_order", *LEDGER_CHECKS):
            return [*done, "the ledger was left alone: it is damaged, or not for this release or machine"]
        if report.fails("pages_not_ahead"):
            return [*done, "the ledger was left alone, since it is older than what was published from it"]
        if not layout.ledger.exists():
            return done
        store = open_store(layout.ledger)
        try:
            if report.facts is not None and report.facts.free * _WORTH_IT > report.facts.size:
                store.vacuum()
                done.append(f"ledger.sqlite: vacuumed, {report.facts.free} bytes given back")
            done += _repair_pages(layout, jobs, store, now)
        finally:
            store.close()
        if report.facts is not None and report.facts.log:
            done.append(f"ledger.sqlite: its log of {report.facts.log} bytes was moved into it")
    return done


def forget(path: Path, names: Iterable[str]) -> list[str]:
    """Deletes all that is known of jobs: watermarks, totals, pages. One that comes back begins anew.

    Raises InUseError, DataDirectoryError, StoreError, PublishError.
    """
    done = []
    with DataDirectory(path) as data, contextlib.closing(open_store(data.layout.ledger)) as store:
        for name in names:
            lanes = store.forget_job(name)
            withdraw(data.layout.published, name)
            done.append(f"job {name}: forgotten ({lanes} lane{'' if lanes == 1 else 's'}); its counters start anew")
    return done


def forget_receivers(path: Path, names: Iterable[str]) -> list[str]:
    """Deletes the queues of receivers with all that waits and all dead letters. Raises as ``forget`` does."""
    done = []
    with DataDirectory(path) as data, contextlib.closing(open_store(data.layout.ledger)) as store:
        for name in names:
            held = store.outbox.forget(name)
            done.append(
                f"receiver {name}: its queue is forgotten, with {held.pending} samples that were not sent and "
                f"{held.letters} dead letters"
            )
    return done


def quarantine(path: Path, now: int) -> list[str]:
    """Moves a damaged ledger and its pages into ``quarantine/<time>/``, so that the next start begins a new one.

    Refuses one that is sound. Raises InUseError, DataDirectoryError.
    """
    with _held_or_unused(path, now) as (layout, holder):
        report = examine_held(layout, None, now, holder)
        if not report.fails("file", "release", "byte_order", "pages_not_ahead", *LEDGER_CHECKS):
            raise DataDirectoryError(f"{layout.ledger}: the ledger is sound; nothing was moved (see also --forget)")
        # Log before file, ledger before pages: whatever moment a start hits, it refuses what it finds, or begins anew.
        files = [companion(layout.ledger, suffix) for suffix in (*COMPANIONS, "")]
        target = _set_aside(layout, [*files, *_job_pages(layout)], report)
    return [f"moved to {target}", _ANEW]


def accept_ledger(path: Path, now: int) -> list[str]:
    """Moves pages aside that show more than the ledger holds: polling goes on from the ledger.

    Refuses if there are none, or if the ledger is damaged. Raises InUseError, DataDirectoryError.
    """
    with _held_or_unused(path, now) as (layout, holder):
        report = examine_held(layout, None, now, holder)
        if report.fails("file", "release", "byte_order", *LEDGER_CHECKS):
            raise DataDirectoryError(f"{layout.ledger}: the ledger is damaged and cannot be accepted")
        if not report.fails("pages_not_ahead"):
            raise DataDirectoryError(f"{layout.ledger}: the ledger is not older than its pages; nothing was moved")
        target = _set_aside(layout, _job_pages(layout), report)
    return [f"pages moved to {target}", _BACK]


def export_to(path: Path, file: Path, now: int) -> list[str]:
    """Writes the ledger as lines of JSON; ``-`` is standard output. The exporter may run meanwhile.

    A file is replaced whole or not at all. Raises DataDirectoryError, StoreError.
    """
    layout = Layout(path)
    if not layout.ledger.exists():
        raise DataDirectoryError(f"{layout.ledger}: there is no ledger to export")
    with looked_at(layout) as holder:
        lines = export_lines(layout.ledger, in_use=holder is not None, by=__version__, at=now)
        if str(file) == "-":
            sys.stdout.buffer.writelines(lines)
            sys.stdout.flush()
            return []
        try:
            with replacing(file) as out:
                out.writelines(lines)
        except OSError as error:
            raise DataDirectoryError(f"{file}: it could not be written ({error.strerror or error})") from error
    return [f"exported to {file}"]


def import_from(path: Path, file: Path) -> list[str]:
    """Makes the ledger of an empty data directory from an export; ``-`` is standard input.

    Raises InUseError, DataDirectoryError.
    """
    with DataDirectory(path) as data:
        if published_paths(data.layout.published):
            raise DataDirectoryError(f"{data.layout.published}: it holds pages already; import into an empty directory")
        try:
            with contextlib.nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as lines:
                counted = import_lines(lines, data.layout.ledger)
        except OSError as error:
            raise DataDirectoryError(f"{file}: it could not be read ({error.strerror or error})") from error
    done = [f"imported {counted.lanes} lanes, {counted.metrics} metrics and {counted.series} series from {file}"]
    if counted.receivers:
        done.append(
            f"and the queues of {counted.receivers} receivers: {counted.waiting} samples wait, {counted.letters} dead "
            "letters are kept"
        )
    return done


@contextlib.contextmanager
def _held_or_unused(path: Path, now: int) -> Iterator[tuple[Layout, str | None]]:
    """The directory, held; or not held, if the exporter that has it says that it does not use the ledger."""
    try:
        data = DataDirectory(path)
    except InUseError:
        layout = Layout(path)
        with looked_at(layout) as holder:
            if holder is None or not examine_held(layout, None, now, holder).trouble:
                raise
            yield layout, holder
    else:
        with data:
            yield data.layout, None


def _remove_leftovers(layout: Layout) -> Iterator[str]:
    beside = companion(layout.ledger, ".new")
    for file in (*(companion(beside, suffix) for suffix in ("", *COMPANIONS)), *sorted(layout.published.glob(BESIDE))):
        if file.exists():
            file.unlink()
            yield f"{file.relative_to(layout.path)}: removed, a write was interrupted"


def _repair_pages(layout: Layout, jobs: Sequence[Job] | None, store: SqliteStore, now: int) -> Iterator[str]:
    pages = read_pages(layout.published)
    for path in pages.damaged:
        path.unlink()
        yield f"published/{path.name}: removed, it was damaged"
    if jobs is None:
        return
    for name in sorted(pages.whole.keys() - {job.name for job in jobs}):
        withdraw(layout.published, name)
        yield f"job {name}: page removed, it is not in the config"
    for job in jobs:
        lanes = _listed(job, store)
        version, names = version_of(lanes), [lane.lane for lane in lanes]
        page = pages.whole.get(job.name)
        if page is None or (page.commit, page.fingerprint) != (version, fingerprint(job.metrics, names)):
            why = "there was none" if page is None else f"it showed commit {page.commit}"
        elif any(difference(page, job, lanes)):
            why = "it was not what the ledger holds"
        else:
            continue
        publish(layout.published, render(job, lanes, now))
        yield f"job {job.name}: page of commit {version} rendered, {why}"


def _listed(job: Job, store: SqliteStore) -> list[LaneState]:
    """The lanes that the page of a job shows, as far as they are known without asking anybody."""
    if job.each is None:
        return [store.load(job.name, LONE.name)]
    names = [lane.name for lane in known_lanes(job.each, store.kept_lists(job.name)) or ()]
    lanes = list(store.load_lanes(job.name, names).values())
    part(job.metrics, lanes)
    return lanes


def _job_pages(layout: Layout) -> list[Path]:
    return [path for path in published_paths(layout.published) if path.stem != POLLER]


def _set_aside(layout: Layout, files: Iterable[Path], report: Report) -> Path:
    stamp = datetime.fromtimestamp(report.at / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    target = layout.quarantine / stamp
    number = 1
    while target.exists():
        number += 1
        target = layout.quarantine / f"{stamp}-{number}"
    try:
        target.mkdir(mode=0o700, parents=True)
        found = [f"{check.name}: {text}\n" for check in report.checks for text in check.findings]
        (target / "reason.txt").write_text("".join([*found, report.trouble]), encoding="utf-8")
        for file in files:
            if file.exists() or file.is_symlink():
                file.rename(target / file.name)
        for directory in (target, layout.quarantine, layout.path, layout.published):
            if directory.is_dir():
                sync_directory(directory)
    except OSError as error:
        raise DataDirectoryError(f"{target}: files could not be moved there ({error.strerror or error})") from error
    return target
