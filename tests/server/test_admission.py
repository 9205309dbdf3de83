from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.server.admission import Admission, Guest, Stage


class Door:
    """An admission with a clock, and who had to go."""

    def __init__(self, in_all: int = 4, per_peer: int = 3, unlimited: frozenset[str] = frozenset()) -> None:
        self.admission = Admission(in_all, per_peer, slow=10.0, unlimited=unlimited)
        self.now = 0.0
        self.gone: list[str] = []

    def come(self, peer: str, stage: Stage = Stage.NEW, name: str = "", *, served: bool = False) -> Guest | None:
        self.now += 1
        guest = self.admission.admit(peer, self.now, lambda: self.gone.append(name or peer))
        if guest is not None:
            guest.turns(stage, self.now)
            guest.served = served
        return guest


def test_a1_a_client_with_too_many_connections_loses_its_own() -> None:
    """A1: the newcomer takes the place of the oldest of the same client; others keep theirs."""
    door = Door()
    door.come("b")
    for name in ("first", "second", "third", "fourth"):
        assert door.come("a", name=name) is not None

    assert door.gone == ["first"]


def test_a1_the_client_with_most_connections_makes_room() -> None:
    """A1: at the limit in all, a scraper with one connection is not the one to go."""
    door = Door()
    door.come("prometheus", Stage.IDLE, served=True)
    for _ in range(3):
        door.come("attacker")

    assert door.come("newcomer") is not None
    assert door.gone == ["attacker"]


def test_a1_who_has_got_nothing_goes_first() -> None:
    """A1: new before idle, idle without a page before idle with one, whatever their age."""
    door = Door(in_all=3)
    door.come("a", Stage.IDLE, "served", served=True)
    door.come("a", Stage.IDLE, "refused")
    door.come("a", Stage.NEW, "silent")
    for _ in range(3):
        door.come("b", Stage.BUSY)

    assert door.gone == ["silent", "refused", "served"]


def test_a1_a_scrape_under_way_is_never_ended_for_a_newcomer() -> None:
    """A1: the newcomer is refused, and counted."""
    door = Door(in_all=2)
    door.come("a", Stage.BUSY)
    door.come("b", Stage.BUSY)

    assert door.come("c") is None
    assert (door.gone, door.admission.refused) == ([], 1)


def test_s4_a_slow_reader_goes_when_there_is_no_other_place() -> None:
    """S4: who has been reading for longer than a scrape takes makes room for one that may be quick."""
    door = Door(in_all=2)
    door.come("a", Stage.BUSY, "slow")
    door.now += 10
    door.come("b", Stage.BUSY)

    assert door.come("c") is not None
    assert door.gone == ["slow"]


def test_a_proxy_on_this_machine_may_have_them_all() -> None:
    """Clients of the machine itself are limited by the number in all."""
    door = Door(unlimited=frozenset(("127.0.0.1",)))
    for _ in range(4):
        door.come("127.0.0.1", Stage.BUSY)

    assert len(door.admission.guests) == 4


ACTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["come", "leave", "idle", "busy"]), st.integers(0, 20)),
    max_size=60,
)


@settings(max_examples=60)
@given(ACTS)
def test_the_limits_hold_whatever_happens(acts: list[tuple[str, str, int]]) -> None:
    """Never more than in all or of one client, the counts are right, and no busy one goes before its time."""
    admission = Admission(5, 3, slow=10.0)
    ended: list[tuple[Stage, float]] = []
    now = 0.0
    for peer, act, pause in acts:
        now += pause
        mine = [guest for guest in admission.guests if guest.peer == peer]
        if act == "come":
            before = {guest: (guest.stage, now - guest.since) for guest in admission.guests}
            admission.admit(peer, now, lambda: None)
            ended += [state for guest, state in before.items() if guest not in admission.guests]
        elif mine and act == "leave":
            admission.leave(mine[0])
            admission.leave(mine[0])
        elif mine:
            mine[-1].turns(Stage.IDLE if act == "idle" else Stage.BUSY, now)
        assert len(admission.guests) <= 5
        for name in "abc":
            count = sum(guest.peer == name for guest in admission.guests)
            assert count == admission._counts[name] <= 3
    assert all(stage is not Stage.BUSY or age > 10 for stage, age in ended)


@pytest.mark.parametrize("peer", ["192.0.2.1", "unix"])
def test_places_come_free_again(peer: str) -> None:
    """A connection that ends leaves nothing behind."""
    door = Door()
    for _ in range(100):
        guest = door.come(peer, Stage.BUSY)
        assert guest is not None
        door.admission.leave(guest)

    assert not door.admission.guests
    assert not door.admission._counts
