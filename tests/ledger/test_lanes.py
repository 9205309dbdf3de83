"""What every store promises of many lanes of one job: the same tests over SQLite and memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ledger.building import DAY, T0, counter, facts, fives
from timepoint.errors import StoreError
from timepoint.ledger.change import ChangeSet
from timepoint.ledger.decide import decide
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import KeptList, Store
from timepoint.model import MappedRun

METRIC = counter()


def decided(lane: LaneState, value: float = 1) -> ChangeSet:
    """A run of the lane with one point."""
    mapped = MappedRun({"x_total": {"{a}": fives(0, value)}})
    return decide(lane, mapped, {"x_total": METRIC}, facts(0, 5))


def test_lanes_are_committed_together(store: Store) -> None:
    """Several lanes move in one transaction, each with a number of its own."""
    lanes = store.load_lanes("job", ["a", "b", "c"])
    sets = [decided(lane, value) for value, lane in enumerate(lanes.values())]
    store.commit_all(sets)
    for lane, change_set in zip(lanes.values(), sets, strict=True):
        change_set.apply(lane)
    assert [lane.version for lane in lanes.values()] == [1, 2, 3]
    assert store.load_lanes("job", ["c", "a", "b"]) == lanes
    assert (store.newest_version("job"), store.newest_version("other")) == (3, 0)


def test_lanes_are_committed_together_or_not_at_all(store: Store) -> None:
    """One lane that has moved on costs the whole group, and nothing of it is kept."""
    lanes = store.load_lanes("job", ["a", "b"])
    store.commit(decided(store.load("job", "b")))
    with pytest.raises(StoreError, match="lane 'b'"):
        store.commit_all([decided(lane) for lane in lanes.values()])
    assert store.load("job", "a") == LaneState("job", "a")
    assert store.newest_commit() == 1


def test_attempts_are_noted_together(store: Store) -> None:
    """The earliest window of each lane is kept, and when each was asked last."""
    store.note_attempts("job", {"a": 10, "b": 20}, T0)
    store.note_attempts("job", {"b": 5, "c": 7}, T0 + 1)
    lanes = store.load_lanes("job", ["a", "b", "c"])
    assert [(lane.asked_from, lane.last_attempt) for lane in lanes.values()] == [(10, T0), (5, T0 + 1), (7, T0 + 1)]


def test_a_list_is_kept_as_it_was_told(store: Store) -> None:
    """What is kept last stands, by job and name."""
    kept = KeptList(asked_at=T0, listed_at=T0 - 1, empty=1, text='["DE"]')
    store.keep_lists("job", {"zone": KeptList()})
    store.keep_lists("job", {"zone": kept, "tariff": replace(kept, text="[]")})
    assert store.kept_lists("job") == {"zone": kept, "tariff": replace(kept, text="[]")}
    assert store.kept_lists("other") == {}


def test_a_list_goes_with_the_last_lane_of_its_job(store: Store) -> None:
    """It is kept as long as its job is configured, or as long as the ledger knows a lane of it."""
    for job in ("a", "b", "c"):
        store.keep_lists(job, {"zone": KeptList()})
    store.note_attempt("b", "zone=DE", T0)
    store.prune([("a", "zone=DE")], T0)
    assert [bool(store.kept_lists(job)) for job in ("a", "b", "c")] == [True, True, False]
    store.prune([("a", "zone=DE")], T0 + 8 * DAY)
    assert [bool(store.kept_lists(job)) for job in ("a", "b", "c")] == [True, False, False]


def test_many_lanes_are_forgotten(store: Store) -> None:
    """More of them than fit into one transaction."""
    names = {f"id={number}": T0 for number in range(120)}
    store.note_attempts("job", names, T0)
    assert len(store.prune([("job", "id=7")], T0 + 8 * DAY)) == 119
    assert store.lanes("job") == ["id=7"]
