"""What the journal tells, as the pages read it."""

from __future__ import annotations

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.journal.told import GridTold, RecentTold, SeriesTold
from timepoint.server.pages.library import Recent

PIECES = st.binary(max_size=40)


@settings(max_examples=200, deadline=None)
@given(
    st.text("{}ab\n", max_size=12), PIECES, PIECES, PIECES, st.lists(st.builds(GridTold, PIECES, PIECES), max_size=2)
)
def test_what_makes_no_sense_is_nothing(
    texts: str, grids: bytes, begins: bytes, values: bytes, told: list[GridTold]
) -> None:
    """A journal of another hand gives timepoints or none, and never an error."""
    recent = Recent(RecentTold("job", 1, told), SeriesTold(texts, grids, begins, values))
    for text in {*texts.split("\n"), "", "{}"}:
        points = recent.points(text)
        assert points is None or len(points.starts) == len(points.ends) == len(points.values) > 0


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("{}ab,", max_size=4), unique=True, max_size=12))
def test_each_series_has_its_own_timepoints(texts: list[str]) -> None:
    """Also where the text of one is a part of another's."""
    grid = GridTold(array("q", [0, 5]).tobytes(), array("q", [5, 10]).tobytes())
    count = len(texts)
    series = SeriesTold(
        "\n".join(texts),
        array("i", [0] * count).tobytes(),
        array("q", range(0, 2 * count, 2)).tobytes(),
        array("d", range(2 * count)).tobytes(),
    )
    recent = Recent(RecentTold("job", 1, [grid]), series)
    assert recent.texts == texts
    for place, text in enumerate(texts):
        points = recent.points(text)
        assert points is not None
        assert list(points.values) == [2 * place, 2 * place + 1]
    assert recent.points("other") is None
