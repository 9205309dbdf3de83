"""Random lives of a lane against a small model that remembers everything and knows no grids, bytes or rows."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.ledger.building import HOUR, MINUTE, T0, Ledger, series
from timepoint.ledger.change import ChangeSet, RunFacts
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.sqlite_store import SqliteStore
from timepoint.ledger.store import Store, open_store
from timepoint.model import FamilySpec, MetricSpec, MetricType, OnRevision, Temporality, Window

FORGET_AFTER = 6 * HOUR
Interval = tuple[int, int]
Answer = dict[str, dict[Interval, float]]


@dataclass
class Series:
    """A counter as a person would keep it: a list of what was counted, and what the page said last."""

    counted: dict[Interval, float] = field(default_factory=dict)
    known: dict[Interval, float] = field(default_factory=dict)
    page: float = 0
    seen_at: int = 0

    @property
    def exact(self) -> float:
        return sum(self.counted.values())


@dataclass
class Model:
    """A lane by the book."""

    revises: bool
    watermark: int | None = None
    kept_from: int | None = None
    stamp: int = 0
    series: dict[str, Series] = field(default_factory=dict)
    on_page: set[str] = field(default_factory=set)
    tally: Counter[str] = field(default_factory=Counter)

    def run(self, answer: Answer, window: Window, overlap: int, fire_time: int) -> None:
        self.stamp = max(fire_time, self.stamp + 1)
        self.tally = Counter()
        keep_from = max(window.end - overlap, self.kept_from or 0)
        for text in set(self.series) - self.on_page:
            mine = self.series[text]
            if self.stamp - mine.seen_at > FORGET_AFTER and not self._may_come_again(mine):
                del self.series[text]
        present = {text for text, points in answer.items() if self._take(text, points, window, overlap, fire_time)}
        for text in present:
            self.series[text].seen_at = self.stamp
        self.on_page = present
        self.kept_from = keep_from
        self.watermark = max(window.end, self.watermark or 0)

    def _take(self, text: str, points: dict[Interval, float], window: Window, overlap: int, fire_time: int) -> bool:
        keep_from = max(window.end - overlap, self.kept_from or 0)
        oldest = window.start if self.watermark is None else -math.inf
        inside = {interval for interval in points if lies_in(interval, window, oldest)}
        for interval in points.keys() - inside:
            self.tally[whose(interval, window, overlap, fire_time + 1000)] += 1
        good = {interval for interval in inside if math.isfinite(points[interval]) and points[interval] >= 0}
        self.tally["bad"] += len(inside) - len(good)
        old = self.series.get(text)
        mine = old or Series()
        forgotten = self._forgotten_before(mine)
        for start, end in sorted(good, key=lambda interval: (interval[1], interval[0])):
            self._count(mine, (start, end), points[start, end], forgotten)
        if not inside or (old is None and not mine.counted):
            return False
        forgettable = sorted((end, start) for start, end in mine.known if end <= keep_from and start < keep_from)
        for end, start in forgettable[:-1]:
            del mine.known[start, end]
        mine.page = max(mine.page, mine.exact)
        self.series[text] = mine
        return True

    def _may_come_again(self, mine: Series) -> bool:
        """Whether a window that overlaps earlier ones may still hold something that was counted."""
        newest = max((end for _, end in mine.known), default=-math.inf)
        return self.kept_from is not None and newest > self.kept_from

    def _forgotten_before(self, mine: Series) -> float:
        """Forgotten is only what lies before the oldest interval that is known, if that could be forgotten itself."""
        if self.kept_from is None or not mine.known:
            return -math.inf
        end, start = min((end, start) for start, end in mine.known)
        return start if end <= self.kept_from else -math.inf

    def _count(self, mine: Series, interval: Interval, value: float, forgotten: float) -> None:
        if interval in mine.known:
            self.tally["seen" if mine.known[interval] == value else "revised"] += 1
            mine.known[interval] = value
            if self.revises:
                mine.counted[interval] = value
        elif self.kept_from is not None and interval[0] < forgotten and interval[1] <= self.kept_from:
            self.tally["too_old"] += 1
        elif any(share(interval, other) for other in mine.counted):
            self.tally["overlap"] += 1
        else:
            self.tally["new"] += 1
            lies_behind = self.watermark is not None and interval[1] <= self.watermark and interval[0] < self.watermark
            self.tally["late"] += lies_behind
            mine.known[interval] = mine.counted[interval] = value


def lies_in(interval: Interval, window: Window, oldest: float) -> bool:
    """Whether a run may use a point: what ends in its window."""
    start, end = interval
    if start == end:
        return window.start <= start < window.end
    return start >= oldest and window.start < end <= window.end


def whose(interval: Interval, window: Window, overlap: int, now: int) -> str:
    """What a point is called that a run may not use."""
    start, end = interval
    if start > window.end:
        return "unused" if start <= now else "outside_window"
    return "unused" if end >= window.start or start >= window.start - overlap else "outside_window"


def share(one: Interval, other: Interval) -> bool:
    """Whether they share a millisecond; an instant is one millisecond long."""
    return max(one[0], other[0]) < min(max(one[1], one[0] + 1), max(other[1], other[0] + 1))


values = st.one_of(st.integers(0, 9), st.sampled_from([0, 0, -1, 2**40, math.nan, math.inf, -0.0]))
# Mostly five-minute intervals on a grid, so that runs meet again what they have seen; now and then something odd.
shapes = st.tuples(st.integers(-3, 12), st.sampled_from([5, 5, 5, 5, 5, 10, 3, 0]))


@st.composite
def answers(draw: st.DrawFn, window: Window) -> Answer:
    """What an API might say when asked for the window: some series, some intervals in and around it."""
    base = (window.start - T0) // MINUTE
    if draw(st.booleans()):  # all series on one full grid, as most APIs answer
        count = (window.end - window.start) // (5 * MINUTE)
        one = draw(st.lists(values, min_size=count, max_size=count))
        texts = draw(st.sets(st.sampled_from(["{a}", "{b}", "{c}", "{d}"])))
        return {text: {(base + 5 * i, base + 5 * i + 5): value for i, value in enumerate(one)} for text in texts}
    points = st.dictionaries(shapes, values, max_size=6)
    scattered = draw(st.dictionaries(st.sampled_from(["{a}", "{b}", "{c}"]), points, max_size=3))
    return {
        text: {(base + 5 * slot, base + 5 * slot + length): value for (slot, length), value in found.items()}
        for text, found in scattered.items()
    }


class LaneLife(RuleBasedStateMachine):
    """Runs, retries, kills before and after the commit, restarts; the ledger must agree with the model throughout."""

    @initialize(kind=st.sampled_from(["memory", "sqlite"]), on_revision=st.sampled_from(OnRevision))
    def begin(self, kind: str, on_revision: OnRevision) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name) / "ledger.sqlite"
        self.kind = kind
        self.store: Store = MemoryStore() if kind == "memory" else open_store(self.path)
        spec = MetricSpec(
            FamilySpec("x_total", MetricType.COUNTER, "Help."),
            Temporality.DELTA,
            on_revision=on_revision,
            forget_after=FORGET_AFTER,
        )
        self.ledger = Ledger(self.store, [spec])
        self.model = Model(on_revision is OnRevision.DEBT)
        self.fire = 60

    @rule(
        data=st.data(),
        overlap=st.sampled_from([0, 0, 10, 10, 10, 25]),
        length=st.sampled_from([0, 5, 10, 30]),
        gap=st.sampled_from([0, 0, 0, 0, 60, 400]),
        fate=st.sampled_from(["lives", "lives", "lives", "dies before the commit", "dies after the commit"]),
    )
    def run(self, data: st.DataObject, overlap: int, length: int, gap: int, fate: str) -> None:
        self.fire += length + gap
        end = T0 + (self.fire - 10) * MINUTE
        watermark = self.ledger.lane.watermark
        start = end - 30 * MINUTE if watermark is None else max(watermark - overlap * MINUTE, end - 120 * MINUTE)
        window = Window(min(start, end), end)
        answer = data.draw(answers(window))
        fire_time = T0 + self.fire * MINUTE
        facts = RunFacts(fire_time, window, fire_time + 1000, True, end, overlap * MINUTE)  # noqa: FBT003  # in order
        offered = {
            text: series(*((s, e, value) for (s, e), value in points.items())) for text, points in answer.items()
        }
        change_set = self.ledger.decide(facts, offered)
        if fate == "dies before the commit":
            self.ledger.restart()
            return
        shown = self.ledger.values()
        self.store.commit(change_set)
        self.model.run(in_ms(answer), window, overlap * MINUTE, fire_time)
        if fate == "dies after the commit":
            self.ledger.restart()
        else:
            change_set.apply(self.ledger.lane)
        self.compare(change_set)
        now = self.ledger.values()
        assert all(now[text] >= shown[text] for text in shown.keys() & now.keys()), "a counter went back"

    @rule()
    def restart(self) -> None:
        if isinstance(self.store, SqliteStore):
            self.store._database.give_up()
            self.store = self.ledger.store = open_store(self.path)
        self.ledger.restart()

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "model"):
            return
        state = self.ledger.on_page()
        expected = {text: self.model.series[text] for text in self.model.on_page}
        assert {text: one.value for text, one in state.items()} == {text: one.page for text, one in expected.items()}
        if self.model.revises:
            debts = {text: one.page - one.exact for text, one in expected.items()}
            assert {text: one.debt for text, one in state.items()} == debts
        assert self.store.load("job", "") == self.ledger.lane

    def compare(self, change_set: ChangeSet) -> None:
        counts, rejects, tally = change_set.counts, change_set.rejects.counts, self.model.tally
        found = {name: getattr(counts, name) for name in ("new", "late", "seen", "revised", "unused")}
        found["outside_window"] = rejects.get("outside_window", 0)
        assert found == {name: tally[name] for name in found}
        # A bad value at a refused time may be called either: its value is not looked at when its time is enough.
        refused = sum(rejects.values()) - found["outside_window"]
        assert refused == tally["too_old"] + tally["overlap"] + tally["bad"]
        assert set(rejects) <= {"outside_window", "too_old", "overlap", "negative", "not_finite"}

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.directory.cleanup()


def in_ms(answer: Answer) -> Answer:
    """Minutes after T0 become instants."""

    def moved(points: Iterable[tuple[Interval, float]]) -> dict[Interval, float]:
        return {(T0 + start * MINUTE, T0 + end * MINUTE): value for (start, end), value in points}

    return {text: moved(points.items()) for text, points in answer.items()}


TestLaneLife = LaneLife.TestCase
TestLaneLife.settings = settings(
    max_examples=50, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
