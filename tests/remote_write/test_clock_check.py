"""Whether the clocks of both sides agree."""

from __future__ import annotations

import pytest

from tests.remote_write.building import NOW
from timepoint.clock import HOUR, MINUTE
from timepoint.remote_write.clock_check import ClockCheck


def test_it_is_due_before_the_first_answer() -> None:
    """Nothing is known of the receiver's clock at the start."""
    assert ClockCheck().is_due(NOW, 10.0)


@pytest.mark.parametrize("said_at", [None, NOW, NOW + 5 * MINUTE, NOW - 5 * MINUTE])
def test_up_to_five_minutes_are_fine(said_at: int | None) -> None:
    """Also a receiver that tells no time."""
    check = ClockCheck()
    check.hear(said_at, NOW, 10.0)
    assert check.words == ""
    assert not check.is_due(NOW + HOUR, 10.0 + 3600)


@pytest.mark.parametrize(("said_at", "words"), [(NOW - 3 * HOUR, "3h ahead of"), (NOW + 6 * MINUTE, "6m behind")])
def test_more_than_five_minutes_are_told(said_at: int, words: str) -> None:
    """Words name the amount and the side, and the check stays due (K2)."""
    check = ClockCheck()
    check.hear(said_at, NOW, 10.0)
    assert words in check.words
    assert check.is_due(NOW, 10.0)


@pytest.mark.parametrize("jump", [2 * MINUTE, -2 * MINUTE])
def test_a_jump_makes_it_due(jump: int) -> None:
    """The wall clock has moved by another amount than the monotonic one."""
    check = ClockCheck()
    check.hear(NOW, NOW, 10.0)
    assert check.is_due(NOW + 1000 + jump, 11.0)
    assert not check.is_due(NOW + 1000 + jump // 4, 11.0)
