"""Any sequence of samples, faults, crashes and restarts: a sender against what a real receiver would do.

The oracle knows what was enqueued, and looks at the receiver, the queue and the dead letters. O1, O6 and O7 are about
totals, pages and the file of the ledger; the others of the proof's checks stand here by their ids.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.remote_write.building import NAME, Scene, series, spec
from tests.remote_write.receiver import Receiver
from timepoint.clock import HOUR, MINUTE, SECOND
from timepoint.remote_write.outbox import Settlement
from timepoint.remote_write.reply import Reply

PODS = 5
LAG = 20 * MINUTE  # how far behind the newest sample another series may be enqueued


class Crash(BaseException):
    """The process is killed here."""


class Mortal:
    """Dies before or behind the n-th step that leaves a trace: a request, or a change of the queue."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.left = -1
        self.behind = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scene.outbox, name)

    def settle(self, receiver: str, settlement: Settlement, now: int) -> None:
        self._step(before=True)
        self._scene.outbox.settle(receiver, settlement, now)
        self._step(before=False)

    async def send(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        self._step(before=True)
        reply = await self._scene.post.send(body, headers)
        self._step(before=False)
        return reply

    def _step(self, *, before: bool) -> None:
        if before:
            self.left -= 1
        if self.left == 0 and before is not self.behind:
            self.left = -1
            raise Crash


class SenderMachine(RuleBasedStateMachine):
    """One receiver with rules of its own, a queue that outlives crashes, and a sender that does not."""

    @initialize(
        window=st.sampled_from([0, 0, 6 * HOUR]),
        speaks_2=st.booleans(),
        max_samples=st.sampled_from([1, 3, 7, 2000]),
        max_age=st.sampled_from([0, None]),
        seed=st.integers(0, 1000),
    )
    def begin(self, *, window: int, speaks_2: bool, max_samples: int, max_age: int | None, seed: int) -> None:
        receiver = Receiver(window=window, speaks_2=speaks_2)
        self.scene = Scene(spec(out_of_order=window, max_age=max_age, max_samples=max_samples), receiver)
        self.chance = random.Random(seed)
        self.lost_answers = self.crashes = 0
        self.faults: list[Reply | None] = []
        self.expected: dict[tuple[int, int], float] = {}
        self.newest: dict[int, int] = {}
        self.scene.post.fault = self._fault
        self.scene.post.loses = self._loses
        self.losing = 0.0
        self.refuses_until = 0
        self.scene.each_wait = self._maybe_mended
        self._start()

    def _start(self) -> None:
        self.mortal = Mortal(self.scene)
        self.scene.used = self.mortal
        self.scene.restart()
        self.scene.sender._post = self.mortal

    def _fault(self, number: int) -> Reply | None:
        if self.refuses_until:
            return Reply(400, said_at=self.scene.clock.now())
        return self.faults.pop() if self.faults else None

    def _maybe_mended(self) -> None:
        if self.scene.clock.now() >= self.refuses_until:
            self.refuses_until = 0

    def _loses(self, number: int) -> bool:
        lost = self.chance.random() < self.losing
        self.lost_answers += lost
        return lost

    @rule(pods=st.sets(st.integers(0, PODS - 1), min_size=1), step=st.integers(1, 10 * MINUTE), lag=st.integers(0, LAG))
    def enqueue(self, pods: set[int], step: int, lag: int) -> None:
        """A run commits: for some series a sample each, newer than those that they had, perhaps behind others."""
        self.scene.clock.move(step / SECOND)
        rows = []
        for pod in sorted(pods):
            at = max(self.scene.clock.now() - lag, self.newest.get(pod, 0) + 1)
            if at <= self.scene.clock.now():
                self.newest[pod] = at
                self.expected[pod, at] = value = float(len(self.expected))
                rows.append((series(pod), at, value))
        self.scene.outbox.enqueue([NAME], rows)

    @rule(losing=st.sampled_from([0.0, 0.2, 0.6]))
    def lose_answers(self, losing: float) -> None:
        self.losing = losing

    @rule(faults=st.lists(st.sampled_from([None, 429, 500, 503, 401, 404, 408]), max_size=12))
    def fail(self, faults: list[int | None]) -> None:
        """The next requests do not reach the receiver, or get these statuses."""
        self.faults = [Reply(status, said_at=self.scene.clock.now()) for status in faults]

    @rule(minutes=st.integers(1, 150))
    def refuse_everything(self, minutes: int) -> None:
        """Something else than the receiver answers 400 for a while; it is mended while the sender waits."""
        self.refuses_until = self.scene.clock.now() + minutes * MINUTE

    @rule(minutes=st.integers(20, 150))
    def pass_time(self, minutes: int) -> None:
        """Nobody sends for a while, for instance since the process is not there."""
        self.scene.clock.move(minutes * 60)

    @rule(turns=st.integers(1, 4))
    def work(self, turns: int) -> None:
        for _ in range(turns):
            asyncio.run(self._turn())

    @rule(step=st.integers(1, 12), behind=st.booleans())
    def crash(self, *, step: int, behind: bool) -> None:
        """A kill -9 before or behind any request or commit, then a start on what the queue holds."""
        self.mortal.left, self.mortal.behind = step, behind
        try:
            for _ in range(3):
                asyncio.run(self._turn())
        except Crash:
            self.crashes += 1
        self._start()

    async def _turn(self) -> float:
        return await self.scene.sender.turn()

    @precondition(lambda self: hasattr(self, "scene"))
    @invariant()
    def nothing_is_wrong(self) -> None:
        """O5, O3, O4, O10, and that the future stays here, at every moment."""
        counts = self.scene.outbox.counts(NAME)
        assert counts.is_balanced
        assert counts.enqueued == len(self.expected)
        stored = self.scene.stored()
        assert stored.items() <= self.expected.items()
        assert 400 not in self.scene.receiver.statuses()
        waiting = {(row.series.id, row.at) for row in self.scene.outbox.oldest(NAME, 100_000)}
        dead = self._dead()
        assert set(self.expected) == set(stored) | waiting | dead  # O2
        assert not dead & waiting

    def _dead(self) -> set[tuple[int, int]]:
        """What was given up: for its age and for nothing else, and where no age is too old, nothing."""
        letters = self.scene.outbox.dead(NAME, 100_000)
        assert {letter.reason for letter in letters} <= {"receiver_window"}
        assert not letters or self.scene.spec.oldest
        return {(letter.row.series.id, letter.row.at) for letter in letters}

    def teardown(self) -> None:
        """O2 and O9: when all faults have ended, everything arrives; O8: what was repeated was repeated."""
        if not hasattr(self, "scene"):
            return
        self.faults, self.losing, self.refuses_until = [], 0.0, 0
        began = self.scene.clock.now()
        for _ in range(10 * len(self.expected) + 20):
            if asyncio.run(self._turn()):
                break
        assert self.scene.counts[3] == 0
        assert set(self.scene.stored()) | self._dead() == set(self.expected)
        assert self.scene.clock.now() - began <= 30 * SECOND
        if self.lost_answers and not self.crashes:
            assert len(self.scene.receiver.heard) > self.lost_answers


TestSender = SenderMachine.TestCase
TestSender.settings = settings(max_examples=60, stateful_step_count=20)
