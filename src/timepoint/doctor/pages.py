"""Published pages, compared with the ledger that they were rendered from.

Owns: what must be true of the files that the server reads. Must not know: how a ledger is read, repairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timepoint.errors import PublishError, StoreError
from timepoint.exposition.publish import POLLER, pack, published_paths, read_published, unpack
from timepoint.exposition.segment import PublishedJob
from timepoint.job import Job
from timepoint.ledger.examine import Check
from timepoint.ledger.state import LaneState
from timepoint.poller.owners import part
from timepoint.poller.page import fingerprint, render, version_of

Line = tuple[str, bytes, int | None, int | None]
"""Family, sample line, from when, until when."""

BESIDE = "*.snapshot.new"
"""What a write that was interrupted leaves."""


@dataclass(slots=True)
class Pages:
    """The files of a directory: those that are whole, by job, and why the others are not, by path."""

    whole: dict[str, PublishedJob] = field(default_factory=dict)
    damaged: dict[Path, str] = field(default_factory=dict)
    poller: PublishedJob | None = None


def read_pages(directory: Path) -> Pages:
    """Every page of a directory, verified."""
    pages = Pages()
    for path in published_paths(directory):
        try:
            page = read_published(path)
        except PublishError as error:
            pages.damaged[path] = str(error)
            continue
        if page.job_name == POLLER:
            pages.poller = page
        else:
            pages.whole[page.job_name] = page
    return pages


@dataclass(frozen=True, slots=True)
class Beside:
    """What pages are compared with. ``versions`` are the newest commits of each job, None if the ledger is unreadable.

    ``listed`` are those of the lanes that the page of the job should show. ``load`` reads these lanes, None if this
    release cannot (an older one wrote the ledger). ``jobs`` are those of the config, None if none was given.
    """

    versions: Mapping[str, int] | None
    listed: Mapping[str, int]
    load: Callable[[str], list[LaneState]] | None
    jobs: Mapping[str, Job] | None
    in_use: bool


def check_pages(directory: Path, pages: Pages, beside: Beside) -> list[Check]:
    """The promises of the published directory, each with what was found; only those that can be checked."""
    searches: list[tuple[str, str, Iterator[str]]] = [
        ("pages_whole", "every published page is whole, to the last bit", iter(pages.damaged.values())),
    ]
    if not beside.in_use:  # else a write may be under way
        searches.append(("leftovers", "no write was interrupted", _leftovers(directory)))
    if beside.versions is not None:
        searches += [
            ("pages_known", "every page is of a job that the ledger knows", _strangers(pages, beside)),
            ("pages_not_ahead", "no page shows a commit that the ledger does not have", _ahead(pages, beside)),
            ("pages_not_behind", "every page shows the newest commit of its job", _behind(pages, beside)),
        ]
    if beside.versions is not None and beside.jobs is not None:
        searches.append(("pages_match", "every page is what the ledger renders to", _different(pages, beside)))
    checks = []
    for name, promise, search in searches:
        check = Check(name, promise)
        for finding in search:
            check.find(finding)
        checks.append(check)
    return checks


def _leftovers(directory: Path) -> Iterator[str]:
    if directory.parent.joinpath("ledger.sqlite.new").exists():
        yield "ledger.sqlite.new: an import was interrupted; it holds nothing that is used"
    for path in sorted(directory.glob(BESIDE)):
        yield f"published/{path.name}: a page was being written; the one before it is in place"


def _strangers(pages: Pages, beside: Beside) -> Iterator[str]:
    """Pages of jobs that the ledger never had. One that only the config does not have is its owner's wish, and goes."""
    for name, page in pages.whole.items():
        if beside.versions is None or name in beside.versions:
            continue
        if page.commit == 0 and page.families:
            continue  # published before the job's first attempt
        yield f"job {name}: the ledger knows nothing of it"


def _ahead(pages: Pages, beside: Beside) -> Iterator[str]:
    for name, page in pages.whole.items():
        version = (beside.versions or {}).get(name, 0)
        if beside.versions is not None and page.commit > version:
            yield (
                f"job {name}: its page shows commit {page.commit}, but the newest of it in the ledger is {version}: "
                "the ledger or its -wal file was lost, or replaced by an older one"
            )


def _behind(pages: Pages, beside: Beside) -> Iterator[str]:
    for name, version in beside.listed.items():
        page = pages.whole.get(name)
        if beside.in_use or (beside.jobs is not None and name not in beside.jobs):
            continue
        if page is not None and page.commit < version:
            yield f"job {name}: its page shows commit {page.commit} of {version}"
        elif page is None and beside.jobs is not None:
            yield f"job {name}: it has no page"


def _different(pages: Pages, beside: Beside) -> Iterator[str]:
    """Needs the config, and a page that was rendered by this release from this config: others cannot be compared."""
    for name, page in pages.whole.items():
        job = (beside.jobs or {}).get(name)
        if job is None or beside.load is None or name not in (beside.versions or {}):
            continue
        try:
            lanes = beside.load(name)
        except StoreError as error:
            yield f"job {name}: {error}"
            continue
        names = [lane.lane for lane in lanes]
        if (page.commit, page.fingerprint) != (version_of(lanes), fingerprint(job.metrics, names)):
            continue
        if job.each is not None:
            part(job.metrics, lanes)
        extra, missing = difference(page, job, lanes)
        if extra or missing:
            lines = sorted(line[1].decode().strip() for line in extra or missing)
            which = "does not come from the ledger" if extra else "is missing"
            yield f"job {name}: {len(extra)} lines too many, {len(missing)} too few; {lines[0]} {which}"


def difference(page: PublishedJob, job: Job, lanes: Sequence[LaneState]) -> tuple[set[Line], set[Line]]:
    """The lines of a page that its lanes do not render to, and those that are missing from it."""
    again = unpack(b"".join(pack(render(job, lanes, page.rendered_at))))
    shown, expected = _lines(page), _lines(again)
    return shown - expected, expected - shown


def _lines(page: PublishedJob) -> set[Line]:
    return {
        (family.spec.name, line, batch.visible_from, batch.visible_until)
        for family in page.families
        for batch in family.batches
        for line in b"".join(batch.lines.plain()).split(b"\n")
        if line
    }
