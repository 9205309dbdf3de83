"""Samples wait in the spool, over crashes, until their day is written."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest

from timepoint.backfill.spool import Column, Key, Spool, joined
from timepoint.clock import DAY, HOUR
from timepoint.errors import StoreError

FIRST = 20454  # 2026-01-01
BEGIN = FIRST * DAY
END = BEGIN + 3 * DAY


def column(*ends: int, value: float = 1.0) -> Column:
    """Samples of one value at some hours."""
    return tuple(BEGIN + end * HOUR for end in ends), array("d", [value] * len(ends))


def key(version: int, lane: str = "") -> Key:
    """What was decided on a version of a lane."""
    return "job", lane, version


def day(spool: Spool, number: int, part: int = 1) -> dict[str, list[Column]]:
    """The samples of a day that is closed for it."""
    return spool.close(number, part).read("x")


def test_samples_stand_in_their_days(tmp_path: Path) -> None:
    """A window over midnight is in two days; the very end belongs to the last one."""
    spool = Spool(tmp_path, END)
    assert spool.append(key(72), {"x": {"{a}": column(1, 23, 24, 71, 72)}}) == 5
    assert spool.days() == [FIRST, FIRST + 1, FIRST + 2]
    assert day(spool, FIRST) == {"{a}": [column(1, 23)]}
    assert day(spool, FIRST + 1) == {"{a}": [column(24)]}
    assert day(spool, FIRST + 2) == {"{a}": [column(71, 72)]}


def test_what_was_not_committed_goes(tmp_path: Path) -> None:
    """After a crash between spool and commit, the window's samples are taken away."""
    spool = Spool(tmp_path, END)
    spool.append(key(1), {"x": {"{a}": column(1)}})
    spool.append(key(2), {"x": {"{a}": column(2)}})
    again = Spool(tmp_path, END)
    again.keep(lambda one: one[2] <= key(1)[2])
    again.append(key(2), {"x": {"{a}": column(2, value=7.0)}})
    assert day(again, FIRST) == {"{a}": [column(1), column(2, value=7.0)]}


def test_lanes_are_told_apart(tmp_path: Path) -> None:
    """Of two lanes, one committed and one not, the committed one's samples stay, wherever they stand."""
    spool = Spool(tmp_path, END)
    spool.append(key(1, "A"), {"x": {"{a}": column(1)}})
    spool.append(key(1, "B"), {"x": {"{b}": column(1)}})
    spool.append(key(1, "C"), {"x": {"{c}": column(1)}})
    again = Spool(tmp_path, END)
    again.keep(lambda one: one[1] != "B")
    assert set(day(again, FIRST)) == {"{a}", "{c}"}


@pytest.mark.parametrize("cut", [1, 5, 11, 20, 40])
def test_a_block_that_was_not_written_whole_is_nothing(tmp_path: Path, cut: int) -> None:
    """A process that is killed while it writes leaves a piece, which is overwritten."""
    spool = Spool(tmp_path, END)
    spool.append(key(1), {"x": {"{a}": column(1)}})
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: min(cut, len(whole) - 1)])
    again = Spool(tmp_path, END)
    again.keep(lambda _: True)
    again.append(key(2), {"x": {"{a}": column(2)}})
    assert day(again, FIRST) == {"{a}": [column(1), column(2)]}


def test_a_closed_day_is_found_again(tmp_path: Path) -> None:
    """A crash while a day is written: it is written once more, into the same file, and new samples are another part."""
    spool = Spool(tmp_path, END)
    spool.append(key(1), {"x": {"{a}": column(1)}})
    spool.close(FIRST, 1)
    again = Spool(tmp_path, END)
    (closing,) = again.closing()
    assert (closing.number, closing.part, closing.read("x")) == (FIRST, 1, {"{a}": [column(1)]})
    again.append(key(2), {"x": {"{a}": column(2)}})
    again.drop(closing)
    assert day(again, FIRST, 2) == {"{a}": [column(2)]}


def test_a_day_may_be_read_in_parts(tmp_path: Path) -> None:
    """The parts together are the whole, and none has what another has."""
    spool = Spool(tmp_path, END)
    spool.append(key(1), {"x": {f"{{{n}}}": column(1, value=n) for n in range(50)}, "y": {"{z}": column(1)}})
    found = spool.close(FIRST, 1)
    assert found.families() == {"x": 50, "y": 1}
    parts = [found.read("x", part, 3) for part in range(3)]
    assert sum(map(len, parts)) == 50
    assert {text for part in parts for text in part} == {f"{{{n}}}" for n in range(50)}


def test_damage_is_told(tmp_path: Path) -> None:
    """A block that has changed since it was written is an error, and no other sample."""
    spool = Spool(tmp_path, END)
    spool.append(key(1), {"x": {"{a}": column(1)}})
    found = spool.close(FIRST, 1)
    data = bytearray(found.path.read_bytes())
    data[-1] ^= 1
    found.path.write_bytes(data)
    with pytest.raises(StoreError, match="is damaged"):
        found.read("x")


def test_a_series_of_two_jobs_is_put_in_order() -> None:
    """Samples that do not ascend are sorted, and of two at one instant the first stays."""
    assert joined([column(1, 3, value=1.0), column(2, 3, value=2.0)]) == (
        (BEGIN + HOUR, BEGIN + 2 * HOUR, BEGIN + 3 * HOUR),
        array("d", [1.0, 2.0, 1.0]),
    )
