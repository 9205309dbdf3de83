"""The recent timepoints of a job's series."""

from __future__ import annotations

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from timepoint.journal.told import RecentTold
from timepoint.model import SeriesPoints, Times
from timepoint.poller.recent import Recent
from timepoint.server.pages.library import Recent as LibraryRecent

Known = dict[tuple[int, int], float]


def points(known: Known) -> SeriesPoints:
    """A series with these values, by end and start."""
    keys = sorted(known)
    times = Times((start for _, start in keys), (end for end, _ in keys))
    return SeriesPoints(times, array("d", [known[key] for key in keys]))


def everything(_start: int, _end: int) -> bool:
    """Every timepoint is usable."""
    return True


def take(recent: Recent, known: Known, text: str = "{}", run: int = 0) -> None:
    """A run has this answer for one series."""
    recent.take({"m": {text: points(known)}}, {"m": everything}, run)


def read(told: RecentTold, text: str = "{}") -> Known:
    """The timepoints of a series as the pages read them."""
    found = LibraryRecent(told, told.series["m"]).points(text)
    if found is None:
        return {}
    return dict(zip(zip(found.ends, found.starts, strict=True), found.values, strict=True))


ANSWERS = st.dictionaries(
    st.tuples(st.integers(0, 30), st.integers(0, 3)).map(lambda pair: (pair[0] * 5, pair[0] * 5 - pair[1])),
    st.floats(allow_nan=False),
    max_size=12,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ANSWERS, max_size=6), st.integers(1, 10))
def test_the_newest_timepoints_stay_and_the_newest_value_wins(answers: list[Known], most: int) -> None:
    """Whatever grids come in whatever order, it is as if all values were laid over each other and the last kept."""
    recent = Recent(5, points=most)
    expected: Known = {}
    for answer in answers:
        take(recent, answer)
        expected = dict(sorted((expected | answer).items())[-most:])
    told = recent.told("job", 1)
    assert (read(told) if "m" in told.series else {}) == expected


def test_what_is_not_usable_is_not_shown() -> None:
    """The rule that the job gives decides, point by point."""
    recent = Recent(5)
    recent.take({"m": {"{}": points({(5, 0): 1.0, (10, 5): 2.0})}}, {"m": lambda _start, end: end <= 5}, 0)
    assert read(recent.told("job", 1)) == {(5, 0): 1.0}


def test_series_on_one_grid_share_it() -> None:
    """The grid is told once, and over many runs there are not more of them."""
    recent = Recent(100)
    for run in range(3):
        series = {f'{{a="{number}"}}': points({(run * 5 + 5, run * 5): float(number)}) for number in range(50)}
        recent.take({"m": series}, {"m": everything}, run)
    told = recent.told("job", 1)
    assert len(told.grids) == 1
    assert len(told.series["m"].texts.split("\n")) == 50


def test_what_is_beyond_the_limit_is_counted() -> None:
    """The first series are followed; how many are not is said of the newest run."""
    recent = Recent(2)
    for run in range(2):
        for text in ("{a}", "{b}", "{c}", "{d}"):
            take(recent, {(5, 0): 1.0}, text, run)
    told = recent.told("job", 1)
    assert told.series["m"].texts == "{a}\n{b}"
    assert told.left_out == 2


def test_series_that_are_gone_make_room() -> None:
    """One that no run has had since is forgotten, and a new one takes its place."""
    recent = Recent(1)
    take(recent, {(5, 0): 1.0}, "{old}", run=1)
    recent.drop(2, ("m",))
    take(recent, {(5, 0): 1.0}, "{new}", run=2)
    assert recent.told("job", 1).series["m"].texts == "{new}"


def test_a_metric_that_left_the_config_goes() -> None:
    """It is told no more."""
    recent = Recent(1)
    take(recent, {(5, 0): 1.0}, run=5)
    recent.drop(0, ("other",))
    assert recent.told("job", 1).series == {}


def test_a_restart_goes_on() -> None:
    """What was told is taken up, and new timepoints join it."""
    before = Recent(5)
    take(before, {(5, 0): 1.0})
    after = Recent(5)
    after.restore(before.told("job", 1), 1)
    take(after, {(10, 5): 2.0})
    assert read(after.told("job", 2)) == {(5, 0): 1.0, (10, 5): 2.0}
