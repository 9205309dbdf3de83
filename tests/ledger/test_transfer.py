"""A ledger leaves as text and comes back the same, or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import struct
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import T0, Ledger, counter, facts, fives, gauge, instants
from timepoint.errors import DataDirectoryError
from timepoint.ledger.packed_points import Packer, Unpacker
from timepoint.ledger.schema import LEDGER
from timepoint.ledger.state import LaneState
from timepoint.ledger.store import KeptList, open_store
from timepoint.ledger.transfer import Counted, _points_in, _points_out, export_lines, import_lines
from timepoint.model import Temporality, Times


def write(path: Path) -> None:
    """A ledger in which everything occurs: debt, carry, absent series, odd values, two lanes, an attempt alone."""
    store = open_store(path)
    ledger = Ledger(store, [counter(), gauge(), counter("y_total", Temporality.CUMULATIVE)])
    texts = ['{a="ä\\"\\\\"}', '{a="1"}', "", '{a="2"}']
    ledger.run(
        facts(0, 10, overlap=5),
        {text: fives(0, 0.1 * n + 1e-9, 7) for n, text in enumerate(texts)},
        {"": instants((3, math.nan)), '{b="1"}': instants((4, -math.inf))},
        {"": instants((1, 5.5), (2, 3.25))},
    )
    ledger.run(facts(5, 15, overlap=10), {text: fives(5, 1e-3, 0) for text in texts[:2]})
    store.note_attempt("other", "", T0)
    store.close()


def exported(path: Path) -> list[bytes]:
    """The lines of a ledger that is not in use."""
    return list(export_lines(path, in_use=False, by="test", at=T0))


def states(path: Path) -> dict[str, LaneState]:
    """All lanes as the poller loads them, without ids."""
    store = open_store(path)
    lanes = {job: store.load(job, "") for job in ("job", "other")}
    store.close()
    for lane in lanes.values():
        for metric in lane.metrics.values():
            for state in (*metric.series.values(), *metric.absent.values()):
                state.id = 0
    return lanes


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    """The export of a ledger."""
    write(tmp_path / "ledger.sqlite")
    return exported(tmp_path / "ledger.sqlite")


def test_what_was_exported_comes_back_the_same(tmp_path: Path) -> None:
    """Lanes, totals, debts, counted points and their order: the same states, and the same export again."""
    write(tmp_path / "a")
    lines = exported(tmp_path / "a")
    assert import_lines(lines, tmp_path / "b") == Counted(lanes=2, metrics=3, series=7)
    assert exported(tmp_path / "b") == lines
    # repr: NaN is not equal to itself
    assert repr(states(tmp_path / "a")) == repr(states(tmp_path / "b"))


def test_who_began_to_count_a_series_later_is_known_after_an_import(tmp_path: Path) -> None:
    """Jobs take turns with one series, and a newer total is not taken for one that is over."""
    store, series = open_store(tmp_path / "a"), {"": fives(0, 1, 2)}
    early = Ledger(store, [counter(), gauge()], "early")
    early.run(facts(0, 10), {}, {"": instants((1, 1))})
    Ledger(store, [counter()], "late").run(facts(0, 10), series)
    early.run(facts(10, 20), {"": fives(10, 3, 4)}, {"": instants((11, 1))})
    before = store.holders(["x_total"])
    store.close()
    import_lines(exported(tmp_path / "a"), tmp_path / "b")
    store = open_store(tmp_path / "b")
    ids = {holder.job: holder.newest_id for holder in store.holders(["x_total"])}
    store.close()
    assert ids == {holder.job: holder.newest_id for holder in before}
    assert ids["early"] > ids["late"]


def test_the_next_run_goes_on_where_the_exported_ledger_stood(tmp_path: Path) -> None:
    """Nothing is counted twice on the other machine, and the numbers of commits go on."""
    write(tmp_path / "a")
    import_lines(exported(tmp_path / "a"), tmp_path / "b")
    values = []
    for name in ("a", "b"):
        store = open_store(tmp_path / name)
        ledger = Ledger(store, [counter(), gauge(), counter("y_total", Temporality.CUMULATIVE)])
        change_set = ledger.run(facts(10, 20, overlap=5), {'{a="1"}': fives(10, 0, 2.5)})
        values.append((ledger.values(), change_set.counts, change_set.commit))
        store.close()
    assert values[0] == values[1]


def test_a_ledger_in_use_can_be_exported(tmp_path: Path) -> None:
    """The export is one state, while the poller goes on."""
    store = open_store(tmp_path / "a")
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    lines = export_lines(tmp_path / "a", in_use=True, by="test", at=T0)
    first = next(lines)
    ledger.run(facts(5, 10), {"": fives(5, 1)})
    rest = list(lines)
    store.close()
    import_lines([first, *rest], tmp_path / "b")
    assert states(tmp_path / "b")["job"].version == 1


def test_the_checksum_is_that_of_the_lines_before_it(lines: list[bytes]) -> None:
    """Any other program can verify an export: SHA-256 over all bytes before the last line."""
    assert json.loads(lines[-1])["end"]["sha256"] == hashlib.sha256(b"".join(lines[:-1])).hexdigest()


def refusal(lines: list[bytes], path: Path) -> str:
    """What an import says, and nothing is left of it."""
    with pytest.raises(DataDirectoryError) as caught:
        import_lines(lines, path)
    assert not list(path.parent.glob(f"{path.name}*"))
    return str(caught.value)


@pytest.mark.parametrize("cut", [0, 1, 3, -1])
def test_an_export_that_is_cut_short_is_refused(lines: list[bytes], tmp_path: Path, cut: int) -> None:
    """At any line, also right before its last."""
    assert "cut short" in refusal(lines[:cut], tmp_path / "b")


def test_a_changed_digit_is_refused(lines: list[bytes], tmp_path: Path) -> None:
    """A valid line with another value does not fit the checksum."""
    place = next(n for n, line in enumerate(lines) if b'"series"' in line)
    lines[place] = lines[place].replace(b'"created":1', b'"created":2')
    assert "checksum" in refusal(lines, tmp_path / "b")


def resealed(lines: list[bytes]) -> list[bytes]:
    """The lines with a checksum that fits, as a person with a text editor and patience makes it."""
    end = json.loads(lines[-1])
    end["end"]["sha256"] = hashlib.sha256(b"".join(lines[:-1])).hexdigest()
    return [*lines[:-1], json.dumps(end).encode() + b"\n"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"debt":"0x0.0p+0"', b'"debt":"-0x1.0p+0"', "cannot be kept"),
        (b'"debt":"0x0.0p+0"', b'"debt":0', "cannot be kept"),
        (b'"created":', b'"created":"","zero_until":', "cannot be kept"),
        (b'"created"', b'"created) VALUES (1); --"', "unknown"),
        (b'"count":2', b'"count":3', "3 intervals"),
        (b'"count":2', b'"count":99999999999', "99999999999 intervals"),
        (b'"series"', b'"outbox"', "neither lane"),
        (b'"format_version":1', b'"format_version":2', "newer release"),
        (b'"ledger_version":', b'"ledger_version":9', "newer release"),
        (b'"timepoint-ledger"', b'"other"', "no export of timepoint"),
        (b'"commits":2', b'"commits":null', "how many commits"),
        (b"{", b"[", "damaged"),
    ],
)
def test_lines_that_say_what_no_ledger_holds_are_refused(
    lines: list[bytes], tmp_path: Path, old: bytes, new: bytes, said: str
) -> None:
    """The message names the line, and nothing is imported."""
    place = next(n for n, line in enumerate(lines) if old in line)
    lines[place] = lines[place].replace(old, new, 1)
    message = refusal(resealed(lines), tmp_path / "b")
    assert said in message
    assert f"line {place + 1} " in message


def test_lines_after_the_end_are_refused(lines: list[bytes], tmp_path: Path) -> None:
    """Two exports one after the other are not one."""
    assert "more follows" in refusal([*lines, *lines], tmp_path / "b")


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_nothing_is_imported_over_a_ledger(lines: list[bytes], tmp_path: Path, suffix: str) -> None:
    """Not even over the log of one that was lost."""
    (tmp_path / f"b{suffix}").write_bytes(b"x")
    with pytest.raises(DataDirectoryError, match="empty directory"):
        import_lines(lines, tmp_path / "b")
    assert (tmp_path / f"b{suffix}").read_bytes() == b"x"


def test_what_a_crashed_import_left_is_no_obstacle(lines: list[bytes], tmp_path: Path) -> None:
    """The half file has another name and is begun anew."""
    (tmp_path / "b.new").write_bytes(b"x")
    import_lines(lines, tmp_path / "b")
    assert not (tmp_path / "b.new").exists()


def test_an_export_of_an_older_ledger_becomes_one_of_this_release(tmp_path: Path) -> None:
    """The import makes a file of the version that was exported; opening it migrates it as any other."""
    with closing(sqlite3.connect(tmp_path / "a", isolation_level=None)) as connection:
        for statement in LEDGER.migrations[0]:
            connection.execute(statement)
        connection.execute("INSERT INTO ledger VALUES (1, 7, 1, 1, ?)", (sys.byteorder,))
        connection.execute("INSERT INTO lane (job, lane, last_attempt) VALUES ('job', '', 5)")
        connection.execute(f"PRAGMA application_id={LEDGER.application_id}")
        connection.execute("PRAGMA user_version=1")
    import_lines(exported(tmp_path / "a"), tmp_path / "b")
    assert states(tmp_path / "b")["job"].last_attempt == 5


@st.composite
def grids(draw: st.DrawFn) -> Times:
    """Regular or scattered, empty or long."""
    starts = draw(st.lists(st.integers(-(2**62), 2**62), max_size=6))
    if draw(st.booleans()) and starts:
        step, length = draw(st.integers(0, 10**9)), draw(st.integers(0, 10**9))
        starts = [starts[0] + i * step for i in range(len(starts))]
        return Times(starts, (start + length for start in starts))
    return Times(starts, draw(st.lists(st.integers(-(2**62), 2**62), min_size=len(starts), max_size=len(starts))))


@settings(max_examples=200)
@given(st.data())
def test_points_come_back_bit_by_bit(data: st.DataObject) -> None:
    """Any grid and any float64 that is no NaN: through JSON and back the blob is the same."""
    times = data.draw(grids())
    values = data.draw(st.lists(st.floats(allow_nan=False), min_size=len(times), max_size=len(times)))
    blob = Packer().pack_grid(times) + struct.pack(f"={len(values)}d", *values)
    shown: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(_points_out(*Unpacker().unpack(blob))))
    assert _points_in(shown, Packer()) == blob


@st.composite
def runs(draw: st.DrawFn) -> list[Any]:
    """What a few series bring in a few runs."""
    amounts = st.floats(min_value=0, allow_infinity=False, allow_nan=False)
    gauges = st.floats()
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
    return draw(
        st.lists(
            st.tuples(
                st.dictionaries(texts, st.lists(amounts, min_size=2, max_size=2), max_size=4),
                st.dictionaries(texts, gauges, max_size=3),
            ),
            max_size=4,
        )
    )


@settings(max_examples=10, deadline=None)
@given(runs())
def test_every_history_comes_back_the_same(tmp_path_factory: pytest.TempPathFactory, history: list[Any]) -> None:
    """Whatever was counted, revised, owed and forgotten: import and export again give the same bytes."""
    directory = tmp_path_factory.mktemp("history")
    store = open_store(directory / "a")
    ledger = Ledger(store, [counter(), gauge()])
    for number, (amounts, gauges) in enumerate(history):
        ledger.run(
            facts(5 * number, 5 * number + 10, overlap=5),
            {text: fives(5 * number, *values) for text, values in amounts.items()},
            {text: instants((5 * number + 1, value)) for text, value in gauges.items()},
        )
    store.close()
    lines = exported(directory / "a")
    import_lines(lines, directory / "b")
    assert exported(directory / "b") == lines
    assert repr(states(directory / "a")) == repr(states(directory / "b"))


def test_lists_of_a_fan_out_are_exported_and_imported(tmp_path: Path) -> None:
    """The lanes of a job are known where the ledger was moved to, before anybody is asked for them."""
    kept = {"zone": KeptList(asked_at=T0, listed_at=T0 - 1, empty=1, text='["DE", "Zürich"]'), "tariff": KeptList()}
    store = open_store(tmp_path / "a")
    store.keep_lists("prices", kept)
    store.note_attempt("prices", "zone=DE", T0)
    store.close()
    lines = exported(tmp_path / "a")
    import_lines(lines, tmp_path / "b")
    assert exported(tmp_path / "b") == lines
    store = open_store(tmp_path / "b")
    assert store.kept_lists("prices") == kept
    store.close()
