"""Looks at a data directory from outside and says what is wrong with it.

Owns: the checks. It is never killed, and calls nothing of the product but its readers: ``store.load`` on a copy of the
ledger, and the page that a server would give. Must not know: how pollers are started and killed.

- The ledger balances at any instant: of each series, total + carry - debt is the API's settled sum of all intervals
  that left the overlap, plus what is remembered of those in it; and each of these is something that the API said.
- The file is whole: ``PRAGMA integrity_check``, every series one state, no version above the number of commits.
- No total ever goes back, neither in the ledger nor on a page; no page shows what the ledger does not hold.
- A page is of one commit: two counters of one job, one the double of the other, agree on every page.
- In the end, in peace: total + carry - debt is the API's own sum at the watermark, for every pod that ever lived.
"""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tests.proof import fasttime
from tests.proof.world import World
from timepoint.datadir import Layout
from timepoint.errors import PublishError
from timepoint.exposition.formats import TEXT
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import read_published, snapshot_path
from timepoint.ledger.state import LaneState, MetricState, SeriesState
from timepoint.ledger.store import Store, open_store
from timepoint.model import split_series_text
from timepoint.testing import read_samples

LATE, FIRM = "late_pods", "firm_pods"
AMOUNT, DOUBLED = "late_joules_total", "late_doubled_joules_total"
FIRM_AMOUNT, READING = "firm_joules_total", "firm_reading_joules_total"
FACTORS = {AMOUNT: 1, DOUBLED: 2, FIRM_AMOUNT: 1}
COUNTERS = {*FACTORS, READING}
ENOUGH = 5
"""So many findings are told; a wrong product makes thousands."""

_POD = re.compile(r"pod-(\d+)")

_BALANCES = {
    "a series without a state": "SELECT count(*) FROM series LEFT JOIN state USING (id) WHERE state.id IS NULL",
    "a state without a series": "SELECT count(*) FROM state LEFT JOIN series USING (id) WHERE series.id IS NULL",
    "a series twice": "SELECT count(*) - count(DISTINCT metric_id || text) FROM series",
    "a lane ahead of the ledger": "SELECT count(*) FROM lane, ledger WHERE lane.version > ledger.commits",
    "a negative debt": "SELECT count(*) FROM state WHERE debt < 0",
}


def pod_of(text: str) -> int:
    """The number of the pod that a series is about."""
    found = _POD.fullmatch(split_series_text(text)[1]["pod"])
    assert found is not None, text
    return int(found[1])


@dataclass(slots=True)
class Oracle:
    """``findings`` is empty as long as the product keeps its promises.

    ``now`` is the product's clock; ``zero_first`` how long its new series show 0 at the most. ``forgets``: it forgets
    series within the story, and what they were last counted as is what they are held to.
    """

    world: World
    layout: Layout
    now: Callable[[], int] = fasttime.now
    zero_first: int = 10_000
    forgets: bool = False
    findings: list[str] = field(default_factory=list)
    pages_seen: int = 0
    rests_seen: int = 0
    stale_pages: int = 0
    lost_runs: int = 0
    debts_seen: int = 0
    shown: dict[str, float] = field(default_factory=dict)
    kept: dict[str, float] = field(default_factory=dict)
    commit: dict[str, int] = field(default_factory=dict)
    watermarks: dict[str, int] = field(default_factory=dict)
    counted: dict[str, dict[int, float]] = field(default_factory=dict)

    def blame(self, finding: str) -> None:
        if len(self.findings) < ENOUGH:
            self.findings.append(finding)

    # -- pages --------------------------------------------------------------------------------------------------

    def look_at_files(self) -> None:
        """The page that a server would put together from the files of this moment."""
        now = self.now()
        jobs = []
        for name in (LATE, FIRM):
            path = snapshot_path(self.layout.published, name)
            was_there = name in self.commit or path.exists()  # asked first: a first page may come after the look
            try:
                job = read_published(path)
            except PublishError as error:
                if was_there:
                    self.blame(f"a page that was there cannot be read: {error}")
                continue
            if job.commit < self.commit.get(name, 0):
                self.blame(f"the page of {name} went back from commit {self.commit[name]} to {job.commit}")
            self.commit[name] = job.commit
            jobs.append(job)
        if jobs:
            self.look_at_page(b"".join(Pages(jobs).page(TEXT, gzip=False, now=now).parts).decode())

    def look_at_page(self, text: str) -> None:
        """A scraped page: nothing goes back, and it is of one commit."""
        self.pages_seen += 1
        samples = {name: value for name, value in read_samples(text).items() if "joules_total{" in name}
        for name, value in samples.items():
            if value < self.shown.get(name, 0.0):
                self.blame(f"{name} went back on the page from {self.shown[name]} to {value}")
        self.shown.update(samples)
        self._look_at_doubles(samples)

    def _look_at_doubles(self, samples: Mapping[str, float]) -> None:
        single = {name.removeprefix(AMOUNT): value for name, value in samples.items() if name.startswith(AMOUNT)}
        double = {name.removeprefix(DOUBLED): value for name, value in samples.items() if name.startswith(DOUBLED)}
        if {labels: 2 * value for labels, value in single.items()} != double:
            wrong = {
                labels for labels in single.keys() | double.keys() if 2 * single.get(labels, -1) != double.get(labels)
            }
            self.blame(f"two counters of one commit do not agree on a page: {sorted(wrong)[:3]}")

    # -- the ledger ---------------------------------------------------------------------------------------------

    def look_at_rest(self) -> None:
        """Everything, while no poller lives: the ledger, and the page beside it."""
        if not self.layout.ledger.exists():
            return
        lanes = self._read()
        self.look_at_files()
        if lanes is None:
            return
        self.rests_seen += 1
        for lane in lanes:
            self._look_at_lane(lane)
            self._look_at_agreement(lane)

    def _read(self) -> list[LaneState] | None:
        """The lanes, read from a copy: the poller that comes next must recover the file by itself."""
        copy = self._empty_copy()
        for file in self.layout.path.glob("ledger.sqlite*"):
            shutil.copy(file, copy)
        return self._read_copy(copy / self.layout.ledger.name)

    def look_at_living(self) -> None:
        """The ledger beside a poller that lives: one of its commits, whole, read in one transaction."""
        path = self._empty_copy() / self.layout.ledger.name
        living = sqlite3.connect(f"{self.layout.ledger.as_uri()}?mode=ro", uri=True)
        with closing(living), closing(sqlite3.connect(path)) as copy:
            living.backup(copy)
        self.rests_seen += 1
        for lane in self._read_copy(path) or ():
            self._look_at_lane(lane)

    def _empty_copy(self) -> Path:
        copy = self.layout.path.with_name("copy")
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir()
        return copy

    def _read_copy(self, path: Path) -> list[LaneState] | None:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
            if found != [("ok",)]:
                self.blame(f"integrity_check says {found[:3]}")
                return None
            if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'state'").fetchone()[0]:
                return None
            for what, query in _BALANCES.items():
                if connection.execute(query).fetchone()[0] > 0:
                    self.blame(f"the ledger holds {what}")
        store = open_store(path)
        try:
            lanes = [store.load(job, "") for job in (LATE, FIRM)]
            self.look_at_store(store, lanes)
            return lanes
        finally:
            store.close()

    def look_at_store(self, store: Store, lanes: Sequence[LaneState]) -> None:
        """What else a ledger holds: nothing here."""

    def _look_at_lane(self, lane: LaneState) -> None:
        if lane.watermark is None:
            return
        counted = [state.times.ends[-1] for state in _all_series(lane) if state.times.ends]
        if lane.watermark < min(self.watermarks.get(lane.job, 0), max(counted, default=0)):
            self.blame(f"the watermark of {lane.job} went back behind what was counted")
        self.watermarks[lane.job] = lane.watermark
        missed = lane.job, (lane.kept_from or 0) // self.world.step
        for metric in _counters(lane):
            series = metric.series | metric.absent
            if len(series) != len(metric.series) + len(metric.absent):
                self.blame(f"{metric.name}: a series is on the page and absent")
            for text, state in series.items():
                name = metric.name + text
                if state.value < self.kept.get(name, 0.0):
                    self.blame(f"{name} went back in the ledger from {self.kept[name]} to {state.value}")
                self.kept[name] = state.value
                self.debts_seen += state.debt > 0
                if metric.name in FACTORS:
                    self._look_at_balance(name, pod_of(text), state, missed[1], FACTORS[metric.name])
            self._look_for_missing(metric.name, self._note(metric.name, series), missed[1])

    def _note(self, metric: str, series: Mapping[str, SeriesState]) -> Mapping[int, float]:
        """What each pod is counted as."""
        counted = self.counted.setdefault(metric, {})
        if not self.forgets:
            counted.clear()
        for text, state in series.items():
            counted[pod_of(text)] = state.value + (-state.debt if metric == READING else state.carry - state.debt)
        return counted

    def _look_at_balance(self, name: str, pod: int, state: SeriesState, kept_from: int, factor: int) -> None:
        remembered = 0.0
        values = memoryview(state.recent).cast("d")
        for start, value in zip(state.times.starts, values, strict=True):
            number = start // self.world.step
            if number < kept_from:  # left behind in a series that left the page
                if value != factor * (self.world.settled(pod, number) or 0):
                    self.blame(f"{name}: interval {number} left the overlap with {value}")
                continue
            remembered += value
            if value / factor not in self.world.claims(pod, number) and not name.startswith("firm"):
                self.blame(f"{name}: interval {number} is remembered with {value}, which the API never said")
        expected = factor * self.world.total(pod, kept_from) + remembered
        found = state.value + state.carry - state.debt
        if found != expected:
            self.blame(f"{name}: the ledger counts {found}, the API says {expected} ({found - expected:+})")

    def _look_for_missing(self, metric: str, found: Container[int], kept_from: int) -> None:
        for pod in self.world.pods(self.world.genesis, kept_from):
            if pod not in found and self.world.total(pod, kept_from):
                self.blame(f"{metric}: pod {pod} was never counted")

    def _look_at_agreement(self, lane: LaneState) -> None:
        """The page beside the ledger: of the same commit or of one before, never ahead."""
        path = snapshot_path(self.layout.published, lane.job)
        if not path.exists():
            return
        try:
            page = read_published(path)
        except PublishError as error:
            self.blame(f"the page that was left cannot be read: {error}")
            return
        if page.commit > lane.version:
            self.blame(f"the page of {lane.job} shows commit {page.commit}, the ledger is at {lane.version}")
        self.stale_pages += page.commit < lane.version
        later = max(page.rendered_at, self.now()) + self.zero_first  # new series show 0 no longer
        text = b"".join(Pages([page]).page(TEXT, gzip=False, now=later).parts).decode()
        kept = {m.name + text: s.value for m in lane.metrics.values() for text, s in (m.series | m.absent).items()}
        for name, value in read_samples(text).items():
            if value > kept.get(name, -1.0):
                self.blame(f"the page shows {name} {value}, the ledger holds {kept.get(name)}")
            elif page.commit == lane.version and value != kept[name]:
                self.blame(f"page and ledger are of commit {page.commit} and differ in {name}")

    # -- the end ------------------------------------------------------------------------------------------------

    def look_at_the_end(self) -> None:
        """After peace: every total is the API's own sum at the watermark, to the last unit."""
        self.look_at_rest()
        for lane in self._read() or ():
            end = (lane.watermark or 0) // self.world.step
            for metric in _counters(lane):
                self._look_at_totals(metric.name, self._note(metric.name, metric.series | metric.absent), end)

    def _look_at_totals(self, metric: str, counted: Mapping[int, float], end: int) -> None:
        factor = FACTORS.get(metric, 1)
        truth = {pod: float(factor * self.world.total(pod, end)) for pod in self.world.pods(self.world.genesis, end)}
        for pod, total in truth.items():
            if counted.get(pod, 0.0) != total:
                self.blame(f"{metric}: pod {pod} is counted as {counted.get(pod)} and used {total}")
        if strangers := counted.keys() - truth.keys():
            self.blame(f"{metric}: pods {sorted(strangers)} never lived")


def _counters(lane: LaneState) -> Iterator[MetricState]:
    return (metric for metric in lane.metrics.values() if metric.name in COUNTERS)


def _all_series(lane: LaneState) -> Iterator[SeriesState]:
    for metric in _counters(lane):
        yield from metric.series.values()
        yield from metric.absent.values()
