from __future__ import annotations

import pytest

from timepoint.job import GuardSpec
from timepoint.poller.guard import refusal

HALF = GuardSpec(0.5, 3)


@pytest.mark.parametrize(
    ("spec", "found", "before", "refused", "is_refused"),
    [
        pytest.param(GuardSpec(), 0, 10, 0, True, id="nothing where there were ten"),
        pytest.param(GuardSpec(), 0, 10, 1, False, id="nothing, for the second time"),
        pytest.param(GuardSpec(), 0, 9, 0, False, id="nothing where there were few"),
        pytest.param(GuardSpec(), 1, 100_000, 0, False, id="a fall without a ratio"),
        pytest.param(GuardSpec(0), 0, 100_000, 0, False, id="switched off"),
        pytest.param(HALF, 49, 100, 0, True, id="less than the share"),
        pytest.param(HALF, 50, 100, 0, False, id="the share"),
        pytest.param(HALF, 4, 9, 0, False, id="less than the share of few"),
        pytest.param(HALF, 49, 100, 2, True, id="the last refusal"),
        pytest.param(HALF, 49, 100, 3, False, id="believed at last"),
        pytest.param(HALF, 200, 100, 0, False, id="a rise"),
        pytest.param(HALF, 5, 0, 0, False, id="the first run"),
        pytest.param(GuardSpec(1, 3), 99, 100, 0, True, id="any fall"),
    ],
)
def test_which_answers_are_refused(spec: GuardSpec, found: int, before: int, refused: int, is_refused: bool) -> None:  # noqa: FBT001 - a column of the table
    """A fall must be far, from many, and new."""
    assert bool(refusal(spec, found, before, refused)) is is_refused


@pytest.mark.parametrize(
    ("refused", "end"), [(0, "after 2 more refusals"), (1, "after one more refusal"), (2, "the next time")]
)
def test_a_refusal_says_what_was_found_and_how_it_goes_on(refused: int, end: str) -> None:
    """Both numbers, the key that rules, and when the answer will be believed."""
    assert refusal(HALF, 3, 1200, refused) == (
        "3 series in the answer, 1200 on the page: expected at least 50% of them (expect.min_series_ratio); "
        f"it is believed {end}"
    )
