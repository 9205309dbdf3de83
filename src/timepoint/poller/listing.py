"""Which lanes a job has now.

Owns: when a list is read or asked for again, what of it is believed, and what is kept for the time in which nobody can
tell. Must not know: how a list becomes values and values lanes, what lanes are for.

Values that stand in the config are there. A file is looked at before each run and read again when it has changed. A
discovery is asked by the first run after its ``every``. Whatever cannot be read, or makes no lanes, changes nothing:
the list of before stays, also over a restart, since the ledger keeps it, and the next run tries again. A list without
values, where there were some, must come twice in a row before it is believed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from timepoint.clock import Clock
from timepoint.errors import MappingError, SourceError
from timepoint.job import HttpPolling, Job
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import KeptList
from timepoint.mapping.engine import RunContext
from timepoint.model import Outcome, Window
from timepoint.poller.closing import Failed, closing
from timepoint.poller.desk import JobDesk
from timepoint.poller.origin import Fetcher, HttpOrigin, Material
from timepoint.poller.report import LanesStanding, RunReport
from timepoint.poller.worker import Worker
from timepoint.request.each.lanes import LONE, Lane, ListError, lanes_of
from timepoint.request.each.lists import LISTED, entries_of, read_list_file, read_written, written
from timepoint.request.each.spec import Discovery, EachSpec, Entry, ListFile, Values
from timepoint.request.spec import SourceSpec

_BELIEVED_EMPTY = 2  # lists without values in a row, after which there are none

Lists = dict[str, tuple[Entry, ...]]


@dataclass(slots=True)
class _Told:
    """What is known of a list that others tell.

    ``stamp`` is that of the file that was read, ``seen_at`` (ms) when it was last found as it had been read.
    """

    kept: KeptList = field(default_factory=KeptList)
    stamp: tuple[int, int, int] | None = None
    seen_at: int | None = None

    @property
    def listed_at(self) -> int | None:
        """When the list was last known to be what there is."""
        return self.kept.listed_at if self.seen_at is None else self.seen_at


class Listing:
    """The lanes of a job, now. Everything but ``lanes`` runs in the worker."""

    def __init__(
        self, job: Job, desk: JobDesk, worker: Worker, clock: Clock, fetchers: Mapping[str, Fetcher] | None = None
    ) -> None:
        self._job = job
        self._each = job.each
        self._desk = desk
        self._worker = worker
        self._clock = clock
        self._fetchers = fetchers or {}
        self._told: dict[str, _Told] = {}
        self._lists: Lists = {}
        self._news: Lists = {}  # told, and not taken over: together with the others they make no lanes
        self._lanes: tuple[Lane, ...] | None = (LONE,) if job.each is None else None

    def take_up(self) -> int | None:
        """Lists the lanes as far as they are known at the start; when somebody was last asked for them.

        Until a first list is told there are none, and nothing of the job is shown. Raises StoreError.
        """
        if self._each is None:
            return None
        kept = self._desk.kept_lists()
        for values in _told_by_others(self._each):
            self._told[values.name] = _Told(kept.get(values.name, KeptList()))
        self._lists = known_lists(self._each, kept)
        self._settle()  # what was believed before stays, whatever a file says by now
        for values in self._each.values:
            if isinstance(values.origin, ListFile):
                self._read_file(values)
        self._settle()
        self._desk.list_lanes([lane.name for lane in self._lanes or ()])
        asked = [told.kept.asked_at for told in self._told.values() if told.kept.asked_at is not None]
        return max(asked, default=None)

    @property
    def known(self) -> tuple[Lane, ...] | None:
        """The lanes as they were last told; None if nobody has yet."""
        return self._lanes

    async def lanes(self, report: RunReport, deadline: float) -> tuple[tuple[Lane, ...], str]:
        """The lanes for a run, and why the list is one of before, empty if it is not. Raises Failed without a list."""
        if self._each is None:
            return (LONE,), ""
        troubles = []
        for values in self._each.values:
            if isinstance(values.origin, ListFile):
                troubles.append(await self._worker.do(partial(self._read_file, values)))
            elif isinstance(values.origin, Discovery) and self._is_due(values.origin, self._told[values.name].kept):
                troubles.append(await self._discover(values, values.origin, report, deadline))
        troubles.append(await self._worker.do(self._settle))
        trouble = "; ".join(filter(None, troubles))
        if self._lanes is None:
            raise Failed(Outcome.SOURCE_ERROR, "list", trouble or "no list of lanes is known yet")
        return self._lanes, trouble

    def time_of_lists(self, fire_time: int, now: int) -> int:  # noqa: ARG002 - whoever replays the past asks for it
        """The fire time for which a run asks for lists: its own."""
        return fire_time

    def _is_due(self, discovery: Discovery, kept: KeptList) -> bool:
        if kept.listed_at is None or kept.empty or read_written(kept.text)[1] != discovery.definition:
            return True
        age = self._clock.now() - kept.listed_at
        return not 0 <= age < discovery.every  # a list from the future was read under a wrong clock

    def _read_file(self, values: Values) -> str:
        """Reads a file that has changed; what is wrong with it, empty if nothing is."""
        told, file = self._told[values.name], values.origin
        assert isinstance(file, ListFile), "BUG: no file"
        try:
            found = file.path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if stamp == told.stamp and not told.kept.empty:
                if values.name not in self._news:
                    told.seen_at = self._clock.now()
                return ""
            entries = read_list_file(file, values.name)
        except OSError as error:
            return f"{file.path}: the list of {values.name} cannot be read ({error.strerror})"
        except ListError as error:
            return str(error)
        told.stamp = stamp
        return self._believe(values, entries, str(file.path))

    async def _discover(self, values: Values, discovery: Discovery, report: RunReport, deadline: float) -> str:
        """Asks for a list; what is wrong with it, empty if nothing is."""
        fire_time = self.time_of_lists(report.fire_time, self._clock.now())
        told = self._told[values.name]
        kept = dataclasses.replace(told.kept, asked_at=self._clock.now())
        await self._worker.do(lambda: self._keep({values.name: kept}))
        polling = HttpPolling(discovery.source, discovery.request, discovery.mapping)
        origin = HttpOrigin(polling, {LISTED.family.name: LISTED}, self._fetchers[discovery.source.name])
        window = Window(fire_time - discovery.every, fire_time)
        try:
            with closing(Outcome.SOURCE_ERROR, "list"):
                material = await origin.ask(window, fire_time, deadline, {})
                report.attempts += material.attempts
                report.response_bytes += material.size

            def read(material: Material = material) -> str:
                mapped = origin.read(material, RunContext(window, fire_time))
                return self._believe(values, entries_of(mapped, values.name), f"the discovery of {values.name}")

            return await self._worker.do(read)
        except Failed as failure:
            return f"the discovery of {values.name} failed ({failure.reason}: {failure.error})"
        except (SourceError, MappingError, ListError) as error:
            return f"the discovery of {values.name} cannot be used: {error}"

    def _believe(self, values: Values, entries: tuple[Entry, ...], where: str) -> str:
        """Makes a list one of the news, unless it is empty for the first time."""
        kept = self._told[values.name].kept
        known = self._lists.get(values.name)
        if not entries and kept.empty + 1 < _BELIEVED_EMPTY and known != ():
            self._keep({values.name: dataclasses.replace(kept, empty=kept.empty + 1)})
            then = f": the {len(known)} values of before stay until it comes again" if known else ""
            return f"{where} gives no values{then}"
        if entries and kept.empty:
            self._keep({values.name: dataclasses.replace(kept, empty=0)})
        self._news[values.name] = entries
        return ""

    def _keep(self, lists: Mapping[str, KeptList]) -> None:
        self._desk.keep_lists(lists)
        for name, kept in lists.items():
            self._told[name].kept = kept

    def _settle(self) -> str:
        """Makes lanes of the lists and takes the news over; why it cannot, empty if it can. Raises StoreError.

        News that make no lanes change nothing, here or in the ledger: a restart goes on with the lists of before.
        """
        assert self._each is not None, "BUG: a job without a fan-out has no lists"
        lists = {**self._lists, **self._news}
        lanes = self._lanes
        if all(values.name in lists for values in self._each.values):
            try:
                lanes = lanes_of(self._each, lists)
            except ListError as error:
                return str(error)
        self._take_over()
        self._lists, self._lanes = lists, lanes
        return ""

    def _take_over(self) -> None:
        """Keeps the news, all at once: lists that belong together must not be half of one time and half of another."""
        assert self._each is not None, "BUG: a job without a fan-out has no lists"
        now = self._clock.now()
        changed: dict[str, KeptList] = {}
        for values in self._each.values:
            if values.name not in self._news:
                continue
            told, is_file = self._told[values.name], isinstance(values.origin, ListFile)
            definition = values.origin.definition if isinstance(values.origin, Discovery) else ""
            text = written(self._news[values.name], definition)
            if not (is_file and text == told.kept.text and told.kept.listed_at is not None and not told.kept.empty):
                changed[values.name] = dataclasses.replace(told.kept, listed_at=now, empty=0, text=text)
            if is_file:
                told.seen_at = now
        if changed:
            self._keep(changed)
        self._news.clear()

    def standing(self, unreached: Collection[str] = ()) -> LanesStanding:
        """How the lanes stand; ``unreached`` are those that had no turn in the newest run. Raises StoreError."""
        listed = [told.listed_at for told in self._told.values() if told.listed_at is not None]
        return lanes_standing(self._desk.load_all(), min(listed, default=None), unreached)


def lanes_standing(lanes: Sequence[LaneState], listed_at: int | None, unreached: Collection[str]) -> LanesStanding:
    """How lanes stand, by what the ledger knows of them: one fails whose newest attempt gave no commit."""
    accepted: dict[int, tuple[int, int]] = {}
    failing = 0
    for lane in lanes:
        fails = lane.is_failing and lane.lane not in unreached
        failing += fails
        if lane.last_fire is not None:
            count, bad = accepted.get(lane.last_fire, (0, 0))
            accepted[lane.last_fire] = (count + 1, bad + fails)
    watermarks = [lane.watermark for lane in lanes if lane.watermark is not None]
    return LanesStanding(len(lanes), failing, accepted, min(watermarks, default=None), listed_at)


def sources_of(job: Job) -> list[SourceSpec]:
    """The sources of a job's discoveries."""
    values = job.each.values if job.each is not None else ()
    return [one.origin.source for one in values if isinstance(one.origin, Discovery)]


def _told_by_others(each: EachSpec) -> list[Values]:
    return [values for values in each.values if not isinstance(values.origin, tuple)]


def known_lists(each: EachSpec, kept: Mapping[str, KeptList]) -> Lists:
    """The lists of a fan-out without asking anybody: from the config and from what is kept."""
    lists: Lists = {}
    for values in each.values:
        if isinstance(values.origin, tuple):
            lists[values.name] = values.origin
        elif values.name in kept and kept[values.name].listed_at is not None:
            lists[values.name] = read_written(kept[values.name].text)[0]
    return lists


def known_lanes(each: EachSpec, kept: Mapping[str, KeptList]) -> tuple[Lane, ...] | None:
    """The lanes of a fan-out without asking anybody; None if they are not known."""
    lists = known_lists(each, kept)
    if any(values.name not in lists for values in each.values):
        return None
    try:
        return lanes_of(each, lists)
    except ListError:
        return None
