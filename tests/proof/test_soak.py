"""A soak of seconds, and that a soak finds what grows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.proof import soak
from tests.proof.flat import change, trend
from tests.proof.soak import Readings
from timepoint.clock import HOUR

MINUTES = 0.5


@pytest.mark.system
def test_hours_of_polls_in_half_a_minute_are_exact(tmp_path: Path) -> None:
    """In fast time nothing is lost or doubled, no page goes back, and all that a soak judges is read (X13)."""
    report = soak.run(tmp_path, 11, MINUTES, warm_up=0)
    assert not report.findings, report.lines()
    processes = [
        f"{name} {what}" for name in ("server", "poller", "parent") for what in ("memory kB", "descriptors", "threads")
    ]
    assert {trend.name for trend in report.trends} == {*processes, "ledger bytes", "other files bytes"}
    assert all(trend.lowest > 0 for trend in report.trends)


def readings(per_hour: float, noise: float) -> Readings:
    """Memory of a process that grows by so many kB in each hour, read for a day, with an hour before it."""
    chance = random.Random(1)
    found = Readings()
    for number in range(-12, 288):
        values = {
            "poller memory kB": 60_000 + per_hour * number / 12 + chance.uniform(-noise, noise) + (number < 0) * -9e3
        }
        found.add(float(number), number * HOUR // 12, values)
    return found


def test_growth_is_found_in_noise() -> None:
    """A hundred kilobytes in each hour are found, though each reading is off by more than a day of growth (X13)."""
    assert not readings(100, 3000).trends(0)[0].is_flat


def test_what_only_swings_is_flat() -> None:
    """Neither noise nor the memory that a start takes is growth."""
    assert readings(0, 3000).trends(0)[0].is_flat


def test_what_grew_once_and_stays_is_flat() -> None:
    """A heap that a larger run has widened is no leak, whenever that was; one that widens with each run is."""
    times = [float(number) for number in range(200)]

    def is_flat(values: list[float]) -> bool:
        return trend("poller memory kB", times, values, share=0.02, least=512).is_flat

    assert all(is_flat([60_000.0 + 3000 * (number >= step) for number in range(200)]) for step in range(0, 200, 10))
    assert not is_flat([60_000.0 + 500 * (number // 20) for number in range(200)])


def test_one_more_descriptor_is_found() -> None:
    """A descriptor that stays open is growth, one that is open now and then is none."""
    leak = change("poller descriptors", [9.0 + (number > 60) for number in range(100)])
    flicker = change("poller descriptors", [9.0 + (number % 7 == 0) for number in range(100)])
    assert (leak.is_flat, flicker.is_flat) == (False, True)
