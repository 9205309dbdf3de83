"""Plan and ledger together: whatever grid windows lie on and whatever fails, each interval counts once."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import counter
from timepoint.clock import DAY, HOUR, MINUTE
from timepoint.ledger.change import RunFacts
from timepoint.ledger.decide import decide
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.state import LaneState
from timepoint.mapping.stamps import Length
from timepoint.model import MappedRun, SeriesPoints, Times, Window
from timepoint.request.spec import WindowSpec
from timepoint.request.window import overlap_behind, plan_windows

CHANGES = [datetime(*day, tzinfo=UTC) for day in ((2025, 3, 28), (2025, 10, 24), (2010, 11, 5), (2018, 11, 2))]
METRIC = counter()
METRICS = {METRIC.family.name: METRIC}

specs = st.builds(
    WindowSpec,
    step=st.sampled_from([0, 5 * MINUTE, HOUR, DAY, Length(days=1), Length(days=7), Length(months=1)]),
    delay=st.sampled_from([0, 10 * MINUTE, 3 * HOUR]),
    overlap=st.sampled_from([0, 0, 2 * HOUR, 30 * HOUR]),
    catch_up=st.just(400 * DAY),
    initial=st.sampled_from([0, 0, 2 * DAY, 40 * DAY]),
    max_span=st.sampled_from([0, 7 * HOUR, DAY, Length(days=1), Length(days=3)]),
    align=st.sampled_from([0, 0, 2 * MINUTE]),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "America/Sao_Paulo", "Asia/Kathmandu"]),
)


class Api:
    """Amounts of intervals of one length; it answers all that touches."""

    def __init__(self, length: int, phase: int) -> None:
        self.length = length
        self.phase = phase

    def ask(self, window: Window, now: int) -> dict[str, SeriesPoints]:
        first = window.start - (window.start - self.phase) % self.length - self.length
        starts = [
            start
            for start in range(first, window.end + 1, self.length)
            if start + self.length >= window.start and start + self.length <= now
        ]
        if not starts:
            return {}
        return {"": SeriesPoints(Times(starts, (s + self.length for s in starts)), array("d", [1.0] * len(starts)))}

    def count(self, start: int, end: int) -> int:
        """How many whole intervals lie in a range."""
        first = start + (self.phase - start) % self.length
        return max(0, (end - first) // self.length)


@settings(max_examples=80, deadline=None)
@given(
    spec=specs,
    begin=st.sampled_from(CHANGES),
    period=st.sampled_from([30 * MINUTE, 6 * HOUR, DAY, 9 * DAY]),
    api=st.builds(Api, st.sampled_from([7 * MINUTE, HOUR, 5 * HOUR]), st.integers(0, HOUR)),
    fates=st.lists(st.sampled_from([0, 1, 2, 99, 99]), min_size=1, max_size=10),
)
def test_each_interval_counts_once(spec: WindowSpec, begin: datetime, period: int, api: Api, fates: list[int]) -> None:
    """Runs commit none, some or all of their windows: the total is the API's from first start to watermark."""
    store = MemoryStore()
    fire_time = round(begin.timestamp() * 1000) + 11 * MINUTE
    for fate in fates:
        fire_time += period
        lane = store.load("job", "")
        windows = plan_windows(spec, period, fire_time, lane.watermark, lane.asked_from)
        for number, window in enumerate(windows[: fate + 1]):
            store.note_attempt("job", "", fire_time, window.start)
            if number == fate:
                break
            commit(store, spec, Window(window.start, window.end), fire_time, api, ends_run=window is windows[-1])
    lane = store.load("job", "")
    if lane.watermark is None or lane.asked_from is None:
        return
    metric = lane.metric(METRIC)
    series = {**metric.series, **metric.absent} if metric else {}
    total = series[""].value if series else 0
    assert total == api.count(lane.asked_from, lane.watermark)


def commit(store: MemoryStore, spec: WindowSpec, window: Window, fire_time: int, api: Api, *, ends_run: bool) -> None:
    """One window: asked for, decided without a reject, committed."""
    lane: LaneState = store.load("job", "")
    facts = RunFacts(
        fire_time=fire_time,
        window=window,
        now=fire_time,
        window_is_asked=True,
        settled=fire_time - spec.delay,
        overlap=overlap_behind(spec, window.end),
        ends_run=ends_run,
    )
    change_set = decide(lane, MappedRun({METRIC.family.name: api.ask(window, fire_time)}), METRICS, facts)
    assert change_set.rejects.counts == {}
    assert change_set.counts.given_up == 0
    store.commit(change_set)
