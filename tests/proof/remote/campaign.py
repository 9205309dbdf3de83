"""A kill loop with a receiver: the poller is killed, the receiver is killed, requests and answers get lost on the way.

Owns: the config, who is killed when, what must be met. Must not know: what is right (``oracle``).
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from tests.proof.campaign import YOUNG, Campaign
from tests.proof.nursery import REMOTE
from tests.proof.remote.oracle import RemoteOracle
from tests.proof.remote.proxy import FAULTS, Proxy
from tests.proof.remote.receivers import Kind
from tests.proof.remote.truth import METRICS, TOTAL, labels
from tests.proof.world import DELAY, OVERLAP, STEADY, STEP
from tests.remote_write.servers import Server
from tests.system.support import wait_for

CONFIG = """
remote_write:
  - {name: central, url: "RECEIVER", remote_timeout: 1s, external_labels: {cluster: proof}WINDOW}
MORE
sources:
  api: {url: "http://127.0.0.1:PORT", attempts: 2, timeout: 600ms, circuit_breaker: {failures: 1000, pause: 1s}}
jobs:
  late_pods:
    source: api
    every: STEP
    jitter: 0s
    timeout: 2s
    max_age: 1h
    zero_first: 500ms
    request: {get: /late, params: {start: "{window.start:unix_ms}", end: "{window.end:unix_ms}"}}
    window: {step: STEP, delay: DELAY, overlap: OVERLAP, initial: 1m, catch_up: 30m, max_span: 1m}
    expect: {present: [$.pods], absent: [$.error]}
    rows: {p: "$.pods[*]", t: "$p.points[*]"}
    time: {at: $t.t, format: unix_ms, interval: STEP, labelled: start}
    labels: {pod: $p.pod}
    metrics:
      late_joules_total: {type: counter, temporality: delta, help: Amounts., value: $t.v}
      late_doubled_joules_total: {type: counter, temporality: delta, help: Twice the amounts., value: $t.w}
      late_sent_joules_total:
        {type: counter, temporality: delta, help: Amounts., value: $t.v, deliver: remote_write}
      late_sent_level_joules: {type: gauge, help: Amounts., value: $t.v, deliver: remote_write}
  firm_pods:
    source: api
    every: STEP
    jitter: 0s
    timeout: 2s
    max_age: 1h
    zero_first: 0s
    request: {get: /firm, params: {start: "{window.start:unix_ms}", end: "{window.end:unix_ms}"}}
    window: {step: STEP, delay: DELAY, initial: 1m, catch_up: 30m, max_span: 1m}
    expect: {present: [$.pods], absent: [$.error]}
    rows: {p: "$.pods[*]", t: "$p.points[*]"}
    time: {at: $t.t, format: unix_ms, interval: STEP, labelled: start}
    labels: {pod: $p.pod}
    metrics:
      firm_joules_total: {type: counter, temporality: delta, help: Amounts., value: $t.v}
      firm_reading_joules_total: {type: counter, temporality: cumulative, help: Readings., value: $t.r}
      firm_sent_joules_total:
        {type: counter, temporality: delta, help: Amounts., value: $t.v, deliver: remote_write}
      firm_sent_reading_joules_total:
        {type: counter, temporality: cumulative, help: Readings., value: $t.r, deliver: remote_write}
      firm_sent_level_joules: {type: gauge, help: Amounts., value: $t.v, deliver: remote_write}
"""

UNIT = 6
"""Milliseconds of the API's time for one of its world's: an interval is 300 ms long, so that a receiver keeps up."""

LIVENESS = 30.0  # seconds: O9
RECEIVER_EVERY = 12  # kills of the poller
ASK_EVERY = 40  # kills of the poller
MOST_BEHIND = 10.0  # seconds that the receiver may be behind before a poller lives until it is not
BEHIND = 3.0
CATCHING_UP = 2.0  # times what it is behind at peace: older samples go first, on a machine that was too busy for them
SURE_AFTER = 5.0

MARKS_AFTER = 100  # kills: a series ends in a run that came to its end, and lives are short
MUST_HAPPEN = (*sorted(set(FAULTS)), "cursed", "asked_again")


@dataclass(slots=True)
class Report:
    """What a loop did and found."""

    kind: str
    seed: int
    kills: int = 0
    receiver_kills: int = 0
    findings: list[str] = field(default_factory=list)
    stats: dict[str, int] = field(default_factory=dict)
    requests: int = 0
    enqueued: int = 0
    acknowledged: int = 0
    dead: int = 0
    late_amounts: int = 0
    pending: int = 0
    most_pending: int = 0
    backlogs: int = 0
    doubts: int = 0
    asked: int = 0
    markers: int = 0
    seconds: float = 0.0
    recovered_in: float = 0.0

    def line(self) -> str:
        """One line for a log or a table."""
        spoiled = sum(self.stats.get(fault, 0) for fault in {*FAULTS, "receiver_gone"})
        return (
            f"{self.kind}, seed {self.seed}: {self.kills} kills, {self.receiver_kills} of the receiver, "
            f"{self.requests} requests ({spoiled} spoiled, {self.stats.get('drop_answer', 0)} answers lost, "
            f"{self.stats.get('asked_again', 0)} sent again though stored), {self.enqueued} samples enqueued = "
            f"{self.acknowledged} acknowledged + {self.dead} dead + {self.late_amounts} late amounts + "
            f"{self.pending} pending (at most {self.most_pending}), {self.markers} stale markers, "
            f"{self.backlogs} kills with a backlog, "
            f"{self.doubts} with samples in doubt, receiver read {self.asked} times, fresh sample "
            f"{self.recovered_in:.1f} s after peace, {self.seconds:.0f} s: "
            + ("PASS" if not self.findings else "FOUND " + "; ".join(self.findings))
        )


class RemoteCampaign(Campaign):
    """A directory, an API, a receiver behind a proxy, a nursery and an oracle; ``with`` ends them.

    ``more`` are lines of the config beneath ``remote_write``: other receivers. ``liveness`` is how many seconds after
    peace something fresh must be with the receiver.
    """

    liveness = LIVENESS
    most_behind = MOST_BEHIND

    oracle: RemoteOracle

    def __init__(  # noqa: PLR0913 - what a story may differ in, by name
        self,
        directory: Path,
        seed: int,
        kind: Kind,
        *,
        mutant: str = "",
        environ: Mapping[str, str] = MappingProxyType({}),
        more: str = "",
        unit: int = UNIT,
    ) -> None:
        directory.parent.mkdir(parents=True, exist_ok=True)
        self.kind = kind
        self.server: Server = kind.server(directory.with_name("receiver"))
        self.proxy = Proxy(seed, lambda: self.server.url, kind.is_strict)
        self.receiver_kills = 0
        self.peace_at: int | None = None
        self._starting: threading.Thread | None = None
        self._running = ExitStack()
        self._running.enter_context(self.proxy.running())
        self.start_receiver()
        self._running.callback(self.server.stop)
        self._more = more
        self.unit = unit
        super().__init__(directory, seed, mutant=f"{REMOTE}{mutant}" if mutant else "", environ=environ)

    def config(self) -> str:
        window = f", out_of_order: {self.kind.window}" if self.kind.window else ""
        lengths = {"STEP": STEP, "DELAY": DELAY, "OVERLAP": OVERLAP}
        text = CONFIG.replace("RECEIVER", self.proxy.url).replace("WINDOW", window).replace("MORE", self._more)
        for name, length in lengths.items():
            text = text.replace(name, f"{length * self.unit}ms")
        return text

    def make_oracle(self) -> RemoteOracle:
        return RemoteOracle(self.api.world, self.layout, proxy=self.proxy)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._join()
        self._running.close()

    def kill_receiver(self) -> None:
        """Kills it (or ends it, where a kill loses what it has said to have); it comes back while pollers go on."""
        self._join()
        if self.kind.dies:
            self.server.kill()
        else:
            self.server.stop()
        self.receiver_kills += 1

    def start_receiver(self) -> None:
        """Starts it in a thread: pollers meet it while it does not answer yet."""
        self._starting = threading.Thread(target=self.server.start)
        self._starting.start()

    def _join(self) -> None:
        if self._starting is not None:
            self._starting.join()
            self._starting = None

    def catch_up(self) -> None:
        """If the receiver is far behind, a life that lasts until it is not: kills cost more than they bring then."""
        if self.behind() < self.most_behind:
            return
        self._join()
        give_up = time.monotonic() + 2 * LIVENESS
        with self.life():
            while self.behind() > BEHIND and time.monotonic() < give_up:
                time.sleep(0.05)
        if self.behind() > BEHIND:  # a machine that cannot keep up does not get better by waiting each time
            self.most_behind = 2 * self.behind()

    def newest(self) -> int:
        """The newest instant of a pod that the receiver has; 0 before the first."""
        return self.proxy.newest.get(labels(TOTAL, STEADY[0]), 0)

    def behind(self) -> float:
        """How old that is, in seconds; 0 before the first."""
        return time.time_ns() / 1e9 - self.newest() / 1000 if self.newest() else 0.0

    def ask_receiver(self) -> dict[Any, float]:
        """What the receiver holds, held beside the last look at the ledger.

        A Prometheus hides samples from a query that comes while others are being appended, so nothing may be under way;
        and what seems to be missing is asked for again, for some seconds.
        """
        self._join()
        wait_for("nothing to be under way", lambda: not self.proxy.under_way)
        start = self.api.world.genesis * self.api.world.step
        give_up = time.monotonic() + SURE_AFTER
        # What a request that its sender has left behind brings from here on may be there or not.
        acknowledged = frozenset(self.proxy.stored)
        while True:
            stored = self.kind.stored(self.server, METRICS, start - 1000, time.time_ns() // 1_000_000)
            if not self.oracle.missing(stored, acknowledged) or time.monotonic() > give_up:
                break
            time.sleep(0.5)
        self.oracle.look_at_receiver(stored, acknowledged)
        return stored

    def has_caught_up(self) -> bool:
        """Whether the receiver has something of after the peace (O9)."""
        assert self.peace_at is not None
        has = self.newest() > self.peace_at
        waited = time.time_ns() // 1_000_000 - self.peace_at
        if has and not self.caught_up_in:
            self.caught_up_in = waited / 1000
        within = self.liveness + CATCHING_UP * self.behind_at_peace
        if not has and waited > within * 1000:
            self.oracle.blame(f"O9: nothing fresh with the receiver {within:.0f} s after peace")
            return True
        return has

    caught_up_in = 0.0
    behind_at_peace = 0.0

    def make_peace(self) -> None:
        """No more faults; then the ledger, the queue and the receiver must agree with the API to the last sample."""
        self._join()
        self.proxy.peace = True
        self.peace_at = time.time_ns() // 1_000_000
        self.behind_at_peace = self.behind()
        super().make_peace()
        stored = self.ask_receiver()
        self.oracle.look_at_newest(stored, self.peace_at // self.api.world.step - OVERLAP // STEP)
        for finding in self.proxy.findings:
            self.oracle.blame(finding)

    def remote_report(self) -> Report:
        oracle, proxy, counts = self.oracle, self.proxy, self.oracle.counts
        return Report(
            self.kind.name,
            self.seed,
            self.kills,
            self.receiver_kills,
            oracle.findings,
            {**self.api.get("stats"), **proxy.stats},
            len(proxy.passed),
            counts.enqueued,
            counts.acknowledged,
            counts.dead,
            counts.late_amounts,
            counts.pending,
            oracle.looks.most_pending,
            oracle.looks.backlogs,
            oracle.looks.doubts,
            oracle.looks.asked,
            sum(bits == 0x7FF0000000000002 for bits in list(proxy.sent.values())),  # a late request may add to it
            time.monotonic() - self._begun,
            self.caught_up_in,
        )


def lifetime(chance: random.Random) -> float:
    """Seconds from the opening of the ledger to a kill: most lives end in their first requests."""
    roll = chance.random()
    if roll < 0.6:
        return chance.uniform(0.0, 0.4)
    return chance.uniform(0.3, 1.0) if roll < 0.92 else chance.uniform(1.0, 2.5)


def run(  # noqa: PLR0913 - what a person may choose, by name
    directory: Path,
    seed: int,
    kind: Kind,
    kills: int,
    *,
    mutant: str = "",
    minutes: float = math.inf,
    say: Callable[[str], Any] = lambda _: None,
) -> Report:
    """Kills the poller so many times, or for so long, and the receiver now and then; then makes peace.

    Ends at the first finding. It goes on, for at most four times as many, while it has not met all it must.
    """
    begun = time.monotonic()
    with RemoteCampaign(directory, seed, kind, mutant=mutant) as campaign:
        for kill in range(1, 4 * kills + 1):
            is_over = time.monotonic() - begun > 60 * minutes
            if is_over or (kill > kills and not not_met(campaign.remote_report())):
                break
            if not kill % RECEIVER_EVERY:
                campaign.kill_receiver()
            if campaign.chance.random() < YOUNG:
                campaign.die_young(campaign.chance.uniform(0.0, 0.03))
            else:
                campaign.live_and_die(lifetime(campaign.chance))
            if not kill % RECEIVER_EVERY:
                campaign.start_receiver()
            if not kill % ASK_EVERY:
                campaign.ask_receiver()
            campaign.catch_up()
            if campaign.oracle.findings:
                break
            if not kill % 500:
                say(campaign.remote_report().line())
        if not campaign.oracle.findings:
            campaign.make_peace()
        return campaign.remote_report()


def not_met(report: Report) -> list[str]:
    """What a loop must meet to prove anything, and did not."""
    missing = [name for name in MUST_HAPPEN if not report.stats.get(name)]
    named = {
        "a kill of the receiver": report.receiver_kills,
        "a kill that left a backlog": report.backlogs,
        "a kill that left samples in doubt": report.doubts,
        "a stale marker": report.markers,
    }
    if report.kills < MARKS_AFTER:
        del named["a stale marker"]
    return missing + [name for name, count in named.items() if not count]
