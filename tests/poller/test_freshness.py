from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.clock import HOUR, MINUTE, SECOND
from timepoint.poller.freshness import Freshness, Phase, Rhythm, Shown, Turn, phases

FRESH, LATE, STALE, EXPIRED = Freshness
HALF = 30 * MINUTE
FIRE = 1_750_000 * 15 * MINUTE
RHYTHM = Rhythm(period=HALF, timeout=5 * MINUTE, step=5 * MINUTE, delay=10 * MINUTE)
HOURLY = replace(RHYTHM, period=10 * MINUTE, step=HOUR)
GOOD = Turn(accepted=FIRE, due=FIRE, next_begin=FIRE + HALF + 20 * SECOND)
SHOWN = Shown(max_age=100 * MINUTE, newest=FIRE - 10 * MINUTE)
MISSED = replace(GOOD, due=FIRE + HALF, next_begin=FIRE + 2 * HALF)


@pytest.mark.parametrize(
    ("rhythm", "turn", "shown", "state"),
    [
        pytest.param(RHYTHM, GOOD, SHOWN, FRESH, id="accepted in its turn"),
        pytest.param(RHYTHM, replace(GOOD, due=None), SHOWN, FRESH, id="restored, and nothing is due yet"),
        pytest.param(RHYTHM, replace(GOOD, is_failing=True), SHOWN, STALE, id="the newest run failed"),
        pytest.param(RHYTHM, replace(MISSED, is_failing=True), SHOWN, STALE, id="all runs since fail"),
        pytest.param(RHYTHM, replace(MISSED, was_skipped=True), SHOWN, LATE, id="a run was skipped"),
        pytest.param(RHYTHM, MISSED, SHOWN, LATE, id="a run was tried before a restart, and not accepted"),
        pytest.param(RHYTHM, replace(MISSED, running_since=FIRE + HALF), SHOWN, FRESH, id="its run is in progress"),
        pytest.param(
            RHYTHM, replace(MISSED, running_since=FIRE, is_failing=True), SHOWN, STALE, id="one more try is in progress"
        ),
        pytest.param(HOURLY, replace(GOOD, due=FIRE + 50 * MINUTE), SHOWN, FRESH, id="nothing new between two steps"),
        pytest.param(HOURLY, replace(GOOD, due=FIRE + HOUR), SHOWN, LATE, id="a step was missed"),
        pytest.param(RHYTHM, GOOD, replace(SHOWN, newest=FIRE - 45 * MINUTE), FRESH, id="data as old as they may be"),
        pytest.param(RHYTHM, GOOD, replace(SHOWN, newest=FIRE - 45 * MINUTE - 1), LATE, id="data older than that"),
        pytest.param(RHYTHM, GOOD, replace(SHOWN, newest=None), FRESH, id="nothing that could be old"),
        pytest.param(RHYTHM, GOOD, replace(SHOWN, newest=FIRE + HOUR), FRESH, id="data from the future"),
        pytest.param(
            HOURLY,
            GOOD,
            replace(SHOWN, newest=FIRE - 130 * MINUTE),
            FRESH,
            id="hourly stamps at the start of their hour",
        ),
        pytest.param(RHYTHM, replace(GOOD, due=FIRE - HALF), SHOWN, FRESH, id="the clock was set back"),
    ],
)
def test_the_word_of_now(rhythm: Rhythm, turn: Turn, shown: Shown, state: Freshness) -> None:
    """Which of fresh, late and stale holds follows from the newest turn and the newest data."""
    assert phases(rhythm, turn, shown)[0].state is state


def test_before_the_first_accepted_run_there_is_no_word() -> None:
    """What was never there is not old."""
    assert phases(RHYTHM, Turn(accepted=None, due=FIRE, is_failing=True), SHOWN) == ()


def test_fresh_becomes_late_and_then_expired_without_another_word() -> None:
    """The next run must have ended by its timeout, on a whole minute; values end at max_age exactly."""
    assert phases(RHYTHM, GOOD, SHOWN) == (
        Phase(FRESH, FIRE + 36 * MINUTE),
        Phase(LATE, FIRE + 100 * MINUTE),
        Phase(EXPIRED, None),
    )


def test_a_run_in_progress_has_its_timeout() -> None:
    """Late is what has not ended when it must have."""
    turn = replace(MISSED, running_since=FIRE + HALF)
    assert phases(RHYTHM, turn, SHOWN)[0] == Phase(FRESH, FIRE + 35 * MINUTE)


def test_short_periods_are_told_in_time() -> None:
    """A job that runs every ten seconds is not looked at in minutes."""
    rhythm = Rhythm(period=10 * SECOND, timeout=10 * SECOND)
    turn = Turn(accepted=FIRE, due=FIRE, next_begin=FIRE + 11 * SECOND)
    assert phases(rhythm, turn, Shown(max_age=HOUR))[0] == Phase(FRESH, FIRE + 30 * SECOND)


def test_values_that_expire_before_the_next_run_are_never_late() -> None:
    """A max_age shorter than the period ends what is fresh."""
    assert phases(RHYTHM, GOOD, replace(SHOWN, max_age=10 * MINUTE)) == (
        Phase(FRESH, FIRE + 10 * MINUTE),
        Phase(EXPIRED, None),
    )


@given(
    turn=st.builds(
        Turn,
        accepted=st.integers(0, 10),
        due=st.none() | st.integers(0, 20),
        next_begin=st.none() | st.integers(0, 30),
        running_since=st.none() | st.integers(0, 30),
        is_failing=st.booleans(),
        was_skipped=st.booleans(),
    ),
    rhythm=st.builds(Rhythm, st.integers(1, 5), st.integers(1, 5), st.integers(0, 5), st.integers(0, 5)),
    shown=st.builds(Shown, st.integers(1, 20), st.none() | st.integers(-20, 20)),
)
def test_phases_get_worse_and_end_with_expired(turn: Turn, rhythm: Rhythm, shown: Shown) -> None:
    """Whatever happened: without news a metric only gets older, and max_age ends it."""
    ahead = phases(rhythm, turn, shown)
    order = list(Freshness)
    assert turn.accepted is not None
    assert [order.index(phase.state) for phase in ahead] == sorted({order.index(phase.state) for phase in ahead})
    assert ahead[-2].until == turn.accepted + shown.max_age
    assert ahead[-1] == Phase(EXPIRED, None)
    assert all(phase.until is not None for phase in ahead[:-1])
