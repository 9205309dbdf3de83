"""What limits a source, as pure state: no gate, no clock, no loop."""

from __future__ import annotations

import pytest

from tests.request.politeness.gates import limited, rate
from timepoint.clock import MINUTE
from timepoint.errors import HeldBackError
from timepoint.request.politeness.limits import Ahead, Limits, Now
from timepoint.request.politeness.told import Told

NOBODY = Ahead(0, 0, 0)
AT = Now(1000.0, 1_767_225_600_000)  # 2026-01-01T00:00:00Z


def test_what_is_left_is_less_the_others_under_way() -> None:
    """Whoever heard that five are left, with two others under way, lets three go."""
    limits = Limits(limited())
    limits.hear(1000.0, Told(remaining=5, reset=60.0), in_flight=3)
    assert limits.left(1000.0) == (3, 1060.0)


def test_a_shorter_hold_does_not_end_a_longer_one() -> None:
    """An API that asks for a minute and then for a second has asked for a minute."""
    limits = Limits(limited())
    assert limits.hold(1060.0, "first")
    assert not limits.hold(1001.0, "second")
    assert limits.wait(1000.0, 1) == (60.0, "told")


def test_the_longest_wait_gives_its_name() -> None:
    """With a pause of a minute and a rate of one a second the next request waits for the pause."""
    limits = Limits(limited(min_interval=MINUTE, rate=rate(1)))
    limits.take(1000.0, 1)
    assert limits.wait(1000.0, 1) == (60.0, "min_interval")


def test_a_request_on_its_way_may_bring_more() -> None:
    """Nothing left is no refusal while an answer is awaited; with none under way it is one."""
    limits = Limits(limited())
    limits.hear(1000.0, Told(remaining=0, reset=60.0), in_flight=1)
    limits.check(AT, 1030.0, 1, Ahead(0, 0, 1))
    with pytest.raises(HeldBackError, match=r"no request before 2026-01-01T00:01:00Z \(nothing is left\)"):
        limits.check(AT, 1030.0, 1, NOBODY)


def test_those_before_a_request_push_it_behind_its_deadline() -> None:
    """One a second and thirty before it: the turn comes after half a minute, so a deadline before that is refused."""
    limits = Limits(limited(rate=rate(1)))
    limits.check(AT, 1031.0, 1, Ahead(30, 30, 0))
    with pytest.raises(HeldBackError, match="30 wait before it") as caught:
        limits.check(AT, 1030.0, 1, Ahead(30, 30, 0))
    assert caught.value.reason == "rate"


def test_an_instant_is_never_told_too_early() -> None:
    """A hold until a part of a second is told as the whole second after it."""
    assert AT.shown(1000.001) == "2026-01-01T00:00:01Z"
