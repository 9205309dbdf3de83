"""Days of polls in minutes: the whole exporter on the hostile API, in fast time, watched for anything that grows.

Owns: the processes of a soak, what is read of them, what must be flat. Must not know: how a trend is judged (``flat``),
what is right (``oracle``).

A poll asks for no more at once than it always does, however much is missing: the API, too, lives in fast time.

Pods come and go, data come late and are revised, a quarter of the answers is spoiled, every ten hours the API is gone
for 50 minutes, and both formats are scraped the whole time. The ledger forgets pods twelve hours after they left: what
it must hold is the same on each day, and so must be what it takes.
"""

from __future__ import annotations

import http.client
import os
import random
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT
from tests.proof.campaign import Api, looking
from tests.proof.fasttime import FastTime
from tests.proof.flat import Trend, change, trend
from tests.proof.oracle import FIRM_AMOUNT, Oracle
from tests.proof.world import DELAY, OVERLAP
from tests.system.support import Exporter, get, wait_for
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.datadir import Layout

UNIT = 1200
"""Milliseconds of the API's time for one of its world's: an interval of 50 ms becomes one of a minute."""

SLOTS = 60
RATE = 180.0
WARM_UP = DAY + 2 * HOUR
"""Data time until the ledger has forgotten its first pods and holds what it will always hold."""

READ_EVERY = 5.0
LOOK_EVERY = 30.0

CONFIG = """
sources:
  api: {url: "http://127.0.0.1:PORT", attempts: 2, timeout: 5m, connect_timeout: 5m}
jobs:
  late_pods:
    source: api
    every: 10m
    jitter: 0s
    timeout: 9m
    max_age: 6h
    zero_first: 10m
    forget_after: 12h
    request: {get: /late, params: {start: "{window.start:unix_ms}", end: "{window.end:unix_ms}"}}
    window: {step: 1m, delay: 4m, overlap: 20m, initial: 1h, catch_up: 7d, max_span: 30m}
    expect: {present: [$.pods], absent: [$.error]}
    rows: {p: "$.pods[*]", t: "$p.points[*]"}
    time: {at: $t.t, format: unix_ms, interval: 1m, labelled: start}
    labels: {pod: $p.pod}
    metrics:
      late_joules_total: {type: counter, temporality: delta, help: Amounts., value: $t.v}
      late_doubled_joules_total: {type: counter, temporality: delta, help: Twice the amounts., value: $t.w}
  firm_pods:
    source: api
    every: 10m
    jitter: 0s
    timeout: 9m
    max_age: 6h
    zero_first: 0s
    forget_after: 12h
    request: {get: /firm, params: {start: "{window.start:unix_ms}", end: "{window.end:unix_ms}"}}
    window: {step: 1m, delay: 4m, initial: 1h, catch_up: 7d, max_span: 30m}
    expect: {present: [$.pods], absent: [$.error]}
    rows: {p: "$.pods[*]", t: "$p.points[*]"}
    time: {at: $t.t, format: unix_ms, interval: 1m, labelled: start}
    labels: {pod: $p.pod}
    metrics:
      firm_joules_total: {type: counter, temporality: delta, help: Amounts., value: $t.v}
      firm_reading_joules_total: {type: counter, temporality: cumulative, help: Readings., value: $t.r}
      firm_level_joules: {type: gauge, help: The newest amount., value: $t.v}
      firm_amount_joules:
        {type: histogram, temporality: delta, help: Amounts by size., value: $t.v, bounds: [10, 100, 500]}
"""

ACCEPT = (
    {"Accept-Encoding": "gzip"},
    {"Accept": "application/openmetrics-text; version=1.0.0"},
    {"Accept": "application/openmetrics-text; version=1.0.0", "Accept-Encoding": "gzip"},
)


class FastExporter(Exporter):
    """``timepoint run`` in fast time."""

    def command(self) -> list[str]:
        command = super().command()
        return [command[0], "-m", "tests.proof.fasttime", *command[3:]]


@dataclass(slots=True)
class Readings:
    """What was read of the processes, by name. ``times`` are seconds since the start, ``data`` the time of the API."""

    times: list[float] = field(default_factory=list)
    data: list[int] = field(default_factory=list)
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, at: float, data: int, values: Mapping[str, float]) -> None:
        self.times.append(at)
        self.data.append(data)
        for name, value in values.items():
            self.values.setdefault(name, []).append(value)

    def trends(self, since: int) -> list[Trend]:
        """The trends of all quantities from an instant of data time on."""
        first = next((number for number, at in enumerate(self.data) if at >= since), len(self.data))
        times = self.times[first:]
        return [_judged(name, times, values[first:]) for name, values in self.values.items()]


def _judged(name: str, times: list[float], values: list[float]) -> Trend:
    """By chance may grow: memory by half a megabyte or 2 %, files by some pages or 2 %, what is counted not at all."""
    if name.endswith("kB"):
        return trend(name, times, values, share=0.02, least=512)
    return trend(name, times, values, share=0.02, least=65_536) if name.endswith("bytes") else change(name, values)


@dataclass(frozen=True, slots=True)
class SoakReport:
    """What a soak did and found."""

    trends: list[Trend]
    findings: list[str]
    story: str

    @property
    def is_good(self) -> bool:
        return not self.findings and all(trend.is_flat for trend in self.trends)

    def lines(self) -> list[str]:
        """The report, ready to print."""
        verdict = (
            "PASS" if self.is_good else "FOUND " + "; ".join([*self.findings, "growth"][: len(self.findings) or 1])
        )
        return [self.story, *(trend.line() for trend in self.trends), verdict]


class Soak:
    """An exporter, an API and an oracle in one fast time; ``run`` ends them."""

    def __init__(self, directory: Path, seed: int, rate: float) -> None:
        self.fast = FastTime(rate, time.time_ns() // 1_000_000)
        self.api = Api(seed, UNIT, SLOTS, self.fast.environ())
        (directory / "config.yaml").write_text(CONFIG.replace("http://127.0.0.1:PORT", self.api.url))
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environ = {**self.fast.environ(), "PYTHONPATH": paths}
        options = ("--poller-deadline=1h",)
        self.exporter = FastExporter(directory / "config.yaml", directory / "data", environ, options)
        layout = Layout(directory / "data")
        self.oracle = Oracle(self.api.world, layout, self.fast.now, zero_first=10 * MINUTE, forgets=True)
        self.readings = Readings()
        self.scrapes = 0
        self._chance = random.Random(seed)
        self._begun = self._looked_at = time.monotonic()

    def run(self, minutes: float, warm_up: int, say: Callable[[str], object]) -> SoakReport:
        """So many real minutes; then peace, the end, and the whole truth."""
        begin = self.fast.now()
        try:
            self.exporter.start()
            with looking(self._scrape, 0.2):
                self._watch(minutes * 60, say)
                self._make_peace()
            code = self.exporter.stop()
            if code:
                self.oracle.blame(f"the exporter ended with {code}")
            end = self.fast.now()
            self._look_at_the_end()
            for finding in self.oracle.findings:
                say(f"found: {finding}")  # at once: a soak that ended early has too few readings for a trend
            return SoakReport(self.readings.trends(begin + warm_up), self.oracle.findings, self._story(begin, end))
        finally:
            if self.exporter.process is not None and self.exporter.process.poll() is None:
                self.exporter.kill()
            self.api.close()

    def _watch(self, seconds: float, say: Callable[[str], object]) -> None:
        """Reads and looks until the time is over or something is found."""
        begin = self._looked_at = time.monotonic()
        pids = {name: self.exporter.pid(name) for name in ("server", "poller")} | {"parent": self._parent()}
        while (at := time.monotonic() - begin) < seconds and not self.oracle.findings:
            values = {**_of_processes(pids), **_of_files(self.exporter.data_dir)}
            self.readings.add(at, self.fast.now(), values)
            if self._look_now_and_then():
                shown = ", ".join(f"{name} {value:,.0f}" for name, value in values.items())
                say(f"{at:.0f} s, {self.scrapes} scrapes: {shown}")
            time.sleep(READ_EVERY)
        if died := self.exporter.log("child_died"):
            self.oracle.blame(f"a process died: {died}")

    def _look_now_and_then(self) -> bool:
        """Looks at the ledger if that is due. Between two looks no pod may end, be counted and be forgotten."""
        is_due = time.monotonic() - self._looked_at > LOOK_EVERY
        if is_due:
            self._looked_at = time.monotonic()
            self.oracle.look_at_living()
        return is_due

    def _parent(self) -> int:
        assert self.exporter.process is not None
        return self.exporter.process.pid

    def _scrape(self) -> None:
        """One scrape of the text, which the oracle reads, and one of another page, whose status it reads."""
        try:
            status, body = get(f"{self.exporter.url}/metrics")
            other, _ = get(f"{self.exporter.url}/metrics", self._chance.choice(ACCEPT))
        except (OSError, http.client.HTTPException) as error:
            self.oracle.blame(f"a scrape failed: {error!r}")
            return
        if {status, other} != {200}:
            self.oracle.blame(f"scrapes were answered with {status} and {other}")
        self.oracle.look_at_page(body.decode())
        self.scrapes += 2

    def _make_peace(self) -> None:
        """The API behaves; the exporter comes up to it."""
        self.api.get("peace")
        fresh = self.fast.now() + (OVERLAP + DELAY) * UNIT
        newest = 'timepoint_job_data_timestamp_seconds{job_name="%s",metric="%s"}'

        def is_fresh() -> bool:
            self._look_now_and_then()  # at a high rate, peace takes longer than forget_after
            return all(
                self._shown(newest % names) * 1000 > fresh
                for names in (("late_pods", "late_joules_total"), ("firm_pods", FIRM_AMOUNT))
            )

        wait_for("new data in peace", is_fresh, 120)

    def _shown(self, series: str) -> float:
        from timepoint.testing import read_samples

        return read_samples(get(f"{self.exporter.url}/metrics")[1].decode()).get(series, 0.0)

    def _look_at_the_end(self) -> None:
        """The ledger; and of each pod that is gone the last value that was scraped, which is its whole life."""
        self.oracle.look_at_the_end()
        world, now = self.api.world, self.fast.now() // self.api.world.step
        for pod in world.pods(world.genesis, now):
            end = world.end_of(pod)
            if end is None or end > now - HOUR // world.step:
                continue
            shown = self.oracle.shown.get(f'{FIRM_AMOUNT}{{pod="pod-{pod}"}}')
            if shown != world.total(pod, end):
                self.oracle.blame(f"pod {pod} was last scraped with {shown} and used {world.total(pod, end)}")

    def _story(self, begin: int, end: int) -> str:
        stats, world = self.api.get("stats"), self.api.world
        outcomes = [line["outcome"] for line in self.exporter.log("run")]
        pods = len(world.pods(world.genesis, end // world.step))
        faults = sum(outcome not in {"ok", "empty"} for outcome in outcomes)
        minutes = (time.monotonic() - self._begun) / 60
        return (
            f"{(end - begin) / DAY:.1f} days in {minutes:.0f} minutes: {len(outcomes)} runs ({faults} of them failed), "
            f"{stats['answers']} answers, {stats['asked_again']} windows asked again, {pods} pods, "
            f"{self.scrapes} scrapes, {self.oracle.rests_seen} looks at the ledger, "
            f"{self.oracle.debts_seen} debts seen"
        )


def _of_processes(pids: Mapping[str, int]) -> dict[str, float]:
    """Memory, descriptors and threads. Source: proc(5).

    Memory is what is of the process's own making: Pss_Anon, in which a page that the processes of the exporter share
    counts in parts. The pages of files, libraries above all, belong to every Python on the machine.
    """
    found = {}
    for name, pid in pids.items():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
        found[f"{name} memory kB"] = float(next(line.split()[1] for line in rollup.splitlines() if "Pss_Anon:" in line))
        for what, directory in (("descriptors", "fd"), ("threads", "task")):
            found[f"{name} {what}"] = float(len([*Path(f"/proc/{pid}/{directory}").iterdir()]))
    return found


def _of_files(directory: Path) -> dict[str, float]:
    """The ledger with its log, and all else that lies in the data directory."""
    sizes = {}
    for path in directory.rglob("*"):
        with suppress(FileNotFoundError):  # a page that is written has another name a moment later
            status = path.stat()
            if stat.S_ISREG(status.st_mode):
                sizes[path] = status.st_size
    ledger = sum(size for path, size in sizes.items() if path.name.startswith("ledger.sqlite"))
    return {"ledger bytes": float(ledger), "other files bytes": float(sum(sizes.values()) - ledger)}


def run(
    directory: Path,
    seed: int,
    minutes: float,
    *,
    rate: float = RATE,
    warm_up: int = WARM_UP,
    say: Callable[[str], object] = lambda _: None,
) -> SoakReport:
    """A soak in a directory that exists."""
    return Soak(directory, seed, rate).run(minutes, warm_up, say)
