"""Amounts as a person reads them."""

from __future__ import annotations

import math

import pytest

from tests.server.support import NOW
from timepoint.server.pages import words


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (12345.0, "12 345"),
        (0.25, "0.25"),
        (1234.5678, "1 234.57"),
        (1e15, "1e+15"),
        (1.5e-7, "1.5e-07"),
        (1234567.25, "1 234 567.2"),
        (math.nan, "NaN"),
        (-math.inf, "-Inf"),
    ],
)
def test_a_value_is_short(number: float, text: str) -> None:
    """Six digits that mean something, in groups of three."""
    assert words.value(number).replace("\u202f", " ") == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (42_000_000, "42.0 MB")])
def test_a_size_has_a_unit(count: int, text: str) -> None:
    """Decimal units."""
    assert words.size(count).replace("\u202f", " ") == text


@pytest.mark.parametrize(
    ("length", "text"), [(0.0004, "0.4 ms"), (0.012, "12 ms"), (3.44, "3.4 s"), (61.0, "1m1s"), (7200.0, "2h")]
)
def test_a_duration_has_two_digits(length: float, text: str) -> None:
    """From tenths of a millisecond to hours."""
    assert words.seconds(length).replace("\u202f", " ") == text


@pytest.mark.parametrize("at", [10**17, -(10**17), 10**14])
def test_an_instant_beyond_the_calendar_is_no_error(at: int) -> None:
    """A number of another planet is shown as it is."""
    assert words.moment(at, NOW).clock == str(at)
