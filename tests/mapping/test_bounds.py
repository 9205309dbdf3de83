"""How bounds and quantiles are written as label values."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timepoint.mapping.parts import number_text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0.0"),
        (1, "1.0"),
        (0.5, "0.5"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-2, "-2.0"),
        (250_000, "250000.0"),
        (999_999.5, "999999.5"),
        (1_000_000, "1e+06"),
        (1_048_576, "1.048576e+06"),
        (2_500_000.25, "2.50000025e+06"),
        (-3e6, "-3e+06"),
        (1e16, "1e+16"),
        (1e100, "1e+100"),
        (inf, "+Inf"),
    ],
)
def test_a_bound_is_written_as_openmetrics_has_it(number: float, text: str) -> None:
    """The canonical form, which is that of Go: Prometheus 3 writes a bound so, whatever the page says."""
    assert number_text(number) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_bound_is_the_number_it_was(number: float) -> None:
    """No digit is lost in the text."""
    assert float(number_text(number)) == number
