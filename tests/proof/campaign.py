"""One kill loop from start to end: a hostile API, a poller that dies again and again, an oracle that looks on.

Owns: the processes, when the poller dies, what the loop must have met to prove anything. Must not know: what is right
(``oracle``), how an answer is spoiled (``feed``).
"""

from __future__ import annotations

import json
import math
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Self

from tests.conftest import ROOT
from tests.proof.feed import FAULTS
from tests.proof.oracle import FIRM, LATE, Oracle
from tests.proof.world import DELAY, OVERLAP, SLOTS, World
from timepoint.datadir import Layout
from timepoint.errors import PublishError
from timepoint.exposition.publish import read_published, snapshot_path

CONFIG = """
sources:
  api: {url: "http://127.0.0.1:PORT", attempts: 2, timeout: 600ms, circuit_breaker: {failures: 1000, pause: 1s}}
jobs:
  late_pods:
    source: api
    every: 50ms
    jitter: 0s
    timeout: 2s
    max_age: 1h
    zero_first: 500ms
    request: {get: /late, params: {start: "{window.start:unix_ms}", end: "{window.end:unix_ms}"}}
    window: {step: 50ms, delay: 200ms, overlap: 1s, initial: 1m, catch_up: 30m, max_span: 5s}
    expect: {present: [$.pods], absent: [$.error]}
    rows: {p: "$.pods[*]", t: "$p.points[*]"}
    time: {at: $t.t, format: unix_ms, interval: 50ms, labelled: start}
    labels: {pod: $p.pod}
    metrics:
      late_joules_total: {type: counter, temporality: delta, help: Amounts., value: $t.v}
      late_doubled_joules_total: {type: counter, temporality: delta, help: Twice the amounts., value: $t.w}
  firm_pods:
    source: api
    every: 50ms
    jitter: 0s
    timeout: 2s
    max_age: 1h
    zero_first: 0s
    request: {get: /firm, params: {start: "{window.start:unix_ms}", end: "{window.end:unix_ms}"}}
    window: {step: 50ms, delay: 200ms, initial: 1m, catch_up: 30m, max_span: 5s}
    expect: {present: [$.pods], absent: [$.error]}
    rows: {p: "$.pods[*]", t: "$p.points[*]"}
    time: {at: $t.t, format: unix_ms, interval: 50ms, labelled: start}
    labels: {pod: $p.pod}
    metrics:
      firm_joules_total: {type: counter, temporality: delta, help: Amounts., value: $t.v}
      firm_reading_joules_total: {type: counter, temporality: cumulative, help: Readings., value: $t.r}
"""

MUST_HAPPEN = (
    *sorted(set(FAULTS)),
    *("not_yet", "too_high", "too_low", "missing", "unusable", "wide", "newest_first", "shuffled", "repeated"),
    "asked_again",
)
"""Ways to spoil an answer, and a window asked again after its run was lost: all of them must have been met."""

ENDS = 20
"""So many orderly ends in a row are no coincidence: the failpoint is gone."""

LOOK_EVERY = 0.02
YOUNG = 0.15
USUAL_START = 0.05
"""Seconds from the fork to an open ledger on a machine that does nothing else."""

LIVENESS = 180.0
"""Seconds after which a poller is given up that a machine which does nothing else brings up in one or two."""


@dataclass(slots=True)
class Report:
    """What a loop did and found."""

    seed: int
    kills: int = 0
    findings: list[str] = field(default_factory=list)
    stats: dict[str, int] = field(default_factory=dict)
    pages: int = 0
    commits: int = 0
    stale_pages: int = 0
    debts: int = 0
    seconds: float = 0.0
    recovered_in: float = 0.0

    def line(self) -> str:
        """One line for a log or a table."""
        faults = sum(self.stats.get(fault, 0) for fault in {*FAULTS, "outage"})
        return (
            f"seed {self.seed}: {self.kills} kills, {self.commits} commits, {self.stats.get('answers', 0)} answers "
            f"({faults} of them faults), {self.stats.get('asked_again', 0)} windows asked again, "
            f"{self.pages} pages looked at, {self.stale_pages} kills between commit and page, "
            f"{self.debts} debts seen, new data {self.recovered_in:.1f} s after peace, {self.seconds:.0f} s: "
            + ("PASS" if not self.findings else "FOUND " + "; ".join(self.findings))
        )


class Api:
    """The feed's process. ``unit`` and ``slots`` are those of its ``World``."""

    def __init__(
        self, seed: int, unit: int = 1, slots: int = SLOTS, environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        command = [sys.executable, "-m", "tests.proof.feed", str(seed), str(unit), str(slots)]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        port, genesis = _line(self.process.stdout).split()
        self.url = f"http://127.0.0.1:{port}"
        self.world = World(seed, int(genesis), unit, slots)

    def get(self, path: str) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=LIVENESS) as answer:
            found: dict[str, int] = json.load(answer)
            return found

    def close(self) -> None:
        _end(self.process)


class Nursery:
    """The process that forks pollers."""

    def __init__(self, config: Path, data_dir: Path, mutant: str, environ: Mapping[str, str]) -> None:
        command = [sys.executable, "-m", "tests.proof.nursery", str(config), str(data_dir)]
        command += [str(config.with_name("poller.log")), mutant]
        self._pending = b""
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, failpoint: str | None = None) -> int:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"failpoint": failpoint}) + "\n")
        self.process.stdin.flush()
        return int(self._line(LIVENESS))

    def ended(self, within: float = LIVENESS) -> int:
        """The exit code of the poller; waits for it. TimeoutError if it lives on."""
        return int(self._line(within))

    def _line(self, within: float) -> bytes:
        """The next line. A buffer of Python would hide from ``select`` a line that has come already."""
        assert self.process.stdout is not None
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self._pending:
            if not select.select([descriptor], [], [], within)[0]:
                raise TimeoutError(f"the poller still lives after {within:.0f} s")
            more = os.read(descriptor, 4096)
            assert more, "the process that forks pollers ended"
            self._pending += more
        line, self._pending = self._pending.split(b"\n", 1)
        return line

    def close(self) -> None:
        _end(self.process)


def _line(stream: IO[str] | None) -> str:
    assert stream is not None
    line = stream.readline()
    assert line, "a process of the proof ended"
    return line


def _end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(LIVENESS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()


@contextmanager
def looking(look: Callable[[], None], every: float = LOOK_EVERY) -> Iterator[None]:
    """Looks again and again, in a thread, until the block ends; what goes wrong there is raised at the end."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def loop() -> None:
        while not stop.wait(every):
            try:
                look()
            except BaseException as error:  # noqa: BLE001 - carried to the thread that waits
                errors.append(error)
                return

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if errors:
        raise errors[0]


FEW, MANY = 0.05, 0.5


def lifetime(chance: random.Random, steady: float = FEW) -> float:
    """Seconds from the opening of the ledger to a kill. Most lives end in their first runs, some in a steady state."""
    return chance.uniform(0.0, 0.17) if chance.random() >= steady else chance.uniform(0.5, 1.5)


class Campaign:
    """A directory, an API, a nursery and an oracle; ``with`` ends them. ``unit`` is that of the API's world."""

    unit = 1

    def __init__(
        self, directory: Path, seed: int, *, mutant: str = "", environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.layout = Layout(directory)
        self.layout.published.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        self.chance = random.Random(seed)
        self.api = Api(seed, self.unit)
        config = directory.with_name("config.yaml")
        config.write_text(self.config().replace("http://127.0.0.1:PORT", self.api.url))
        self.nursery = Nursery(config, directory, mutant, environ)
        self.oracle = self.make_oracle()
        self.log = config.with_name("poller.log").read_text
        self.kills = 0
        self.recovered_in = 0.0
        self._begun = time.monotonic()

    def config(self) -> str:
        """The config of the pollers."""
        return CONFIG

    def make_oracle(self) -> Oracle:
        """Who looks at what they leave."""
        return Oracle(self.api.world, self.layout)

    def has_caught_up(self) -> bool:
        """Whether all that peace must bring, besides new pages, is there."""
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.nursery.close()
        self.api.close()

    def live_and_die(self, seconds: float) -> None:
        """One life of so many seconds from the opening of the ledger on, more on a slow machine; and what it left."""
        before, begin = self._newest_write(), time.monotonic()
        with self.life():
            self._wait_for_write(before)
            slowness = min(5.0, max(1.0, (time.monotonic() - begin) / USUAL_START))
            time.sleep(seconds * slowness)

    def die_young(self, seconds: float) -> None:
        """One life that ends so many seconds after the fork, before the ledger is open or a little later."""
        with self.life():
            time.sleep(seconds)

    def _wait_for_write(self, before: int) -> None:
        give_up = time.monotonic() + LIVENESS
        while self._newest_write() == before and time.monotonic() < give_up:
            time.sleep(0.002)

    def _newest_write(self) -> int:
        """When anything was last written to the ledger or its log."""
        newest = 0
        for path in self.layout.path.glob("ledger.sqlite*"):
            with suppress(FileNotFoundError):  # a journal may be gone before it is looked at
                newest = max(newest, path.stat().st_mtime_ns)
        return newest

    @contextmanager
    def life(self, *, ends_itself: bool = False) -> Iterator[int]:
        """A poller that lives while the block runs, then is killed; a look at what it left."""
        pid = self.nursery.start()
        with looking(self.oracle.look_at_files):
            try:
                yield pid
            finally:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                code = self.nursery.ended()
            if not ends_itself:
                self.expect_death(code)
        self.oracle.look_at_rest()

    def die_at(self, failpoint: str, *, at_the_end: bool = False) -> None:
        """One life of the poller until it comes to a failpoint; ``at_the_end`` tells it to stop, to get there.

        On a busy machine the end does not wait for an answer that is still being worked on, and leaves the ledger open:
        such a life is no death, and another one follows.
        """
        for _ in range(ENDS):
            before = self._newest_write()
            pid = self.nursery.start(failpoint)
            with looking(self.oracle.look_at_files):
                if at_the_end:
                    self._wait_for_write(before)
                    os.kill(pid, signal.SIGTERM)
                code = self.nursery.ended()
            self.oracle.look_at_rest()
            if not (at_the_end and code == 0):
                break
        self.expect_death(code)

    def expect_death(self, code: int) -> None:
        self.kills += 1
        if code != -signal.SIGKILL:
            self.oracle.blame(f"the poller ended by itself, exit code {code}")

    def make_peace(self) -> None:
        """The API behaves; the poller must come up to it, and every total must be the truth."""
        self.api.get("peace")
        begin = time.monotonic()
        fresh = time.time_ns() // 1_000_000 + (OVERLAP + DELAY) * self.unit
        pid = self.nursery.start()
        with looking(self.oracle.look_at_files):
            seen: dict[str, set[int]] = {LATE: set(), FIRM: set()}
            while min(map(len, seen.values())) < 3 or not self.has_caught_up():
                time.sleep(0.02)
                if time.monotonic() > begin + LIVENESS:
                    self.oracle.blame(f"no new data {LIVENESS:.0f} s after peace")
                    break
                for name, commits in seen.items():
                    self._note_commit(name, commits, fresh)
            self.recovered_in = time.monotonic() - begin
            os.kill(pid, signal.SIGTERM)
            if (code := self.nursery.ended()) != 0:
                self.oracle.blame(f"the poller ended with {code} at SIGTERM")
        self.oracle.look_at_the_end()

    def _note_commit(self, name: str, commits: set[int], fresh: int) -> None:
        try:
            page = read_published(snapshot_path(self.layout.published, name))
        except PublishError:
            return
        if page.rendered_at > fresh:
            commits.add(page.commit)

    def report(self) -> Report:
        oracle = self.oracle
        return Report(
            self.seed,
            self.kills,
            oracle.findings,
            self.api.get("stats"),
            oracle.pages_seen,
            max(oracle.commit.values(), default=0),
            oracle.stale_pages,
            oracle.debts_seen,
            time.monotonic() - self._begun,
            self.recovered_in,
        )


def run(
    directory: Path,
    seed: int,
    kills: int,
    *,
    mutant: str = "",
    minutes: float = math.inf,
    say: Callable[[str], Any] = lambda _: None,
) -> Report:
    """Kills the poller so many times, or for so long, then makes peace; ends at the first finding.

    It goes on, for as many kills again, while it has not met all that it must have met: on a slow machine a life holds
    fewer runs. Every other life is a longer one then, since a debt needs runs that follow each other.
    """
    begun = time.monotonic()
    with Campaign(directory, seed, mutant=mutant) as campaign:
        for kill in range(1, 2 * kills + 1):
            is_over = time.monotonic() - begun > 60 * minutes
            if is_over or (kill > kills and not not_met(campaign.report())):
                break
            if campaign.chance.random() < YOUNG:
                campaign.die_young(campaign.chance.uniform(0.0, 0.03))
            else:
                campaign.live_and_die(lifetime(campaign.chance, FEW if kill <= kills else MANY))
            if campaign.oracle.findings:
                break
            if not kill % 500:
                say(campaign.report().line())
        if not campaign.oracle.findings:
            campaign.make_peace()
        return campaign.report()


def not_met(report: Report) -> list[str]:
    """What a loop must meet to prove anything, and did not."""
    missing = [name for name in MUST_HAPPEN if not report.stats.get(name)]
    if not report.stale_pages:
        missing.append("a kill between commit and page")
    if not report.debts:
        missing.append("a debt")
    return missing
