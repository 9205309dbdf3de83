"""What a ledger keeps of the requests to sources: the same tests over SQLite and memory; then what only a file has."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.building import DAY, MINUTE, T0, Ledger, counter, facts, fives, gauge
from timepoint.ledger.examine import examine
from timepoint.ledger.memory import MemoryStore
from timepoint.ledger.schema import LEDGER
from timepoint.ledger.store import Store, open_store
from timepoint.ledger.transfer import Counted, export_lines, import_lines

DAYS = "day UTC"


def test_a_source_that_was_never_asked_is_not_known(store: Store) -> None:
    """Nothing is made up for a source that is new."""
    assert store.last_request("api") is None
    assert store.spend("api", DAYS, T0, 0) == 0


def test_the_newest_request_is_kept(store: Store) -> None:
    """A later note takes the place of an earlier one, each source by itself."""
    store.note_request("api", T0)
    store.note_request("other", T0 + 1)
    store.note_request("api", T0 + MINUTE)
    assert (store.last_request("api"), store.last_request("other")) == (T0 + MINUTE, T0 + 1)


def test_requests_add_up_within_their_period(store: Store) -> None:
    """What was noted grows with each block, and shrinks by what is given back, by source and period."""
    assert [store.spend("api", DAYS, T0, count) for count in (10, 10, -3)] == [10, 20, 17]
    assert store.spend("api", "month UTC", T0, 1) == 1
    assert store.spend("other", DAYS, T0, 5) == 5
    assert store.spend("api", DAYS, T0 + DAY, 2) == 2
    assert store.spend("api", DAYS, T0 + DAY, -9) == 0, "nobody gives back more than was noted"


def test_a_clock_that_was_ahead_leaves_nothing_out(store: Store) -> None:
    """Requests that were noted for tomorrow count for today once the clock is right again: they were made."""
    store.spend("api", DAYS, T0, 90)
    store.spend("api", DAYS, T0 + DAY, 7)
    assert store.spend("api", DAYS, T0, 0) == 97
    assert store.spend("api", DAYS, T0, 3) == 100, "once"
    assert store.spend("api", DAYS, T0 + DAY, 0) == 7, "it may have been tomorrow, and the clock behind since"
    assert store.spend("api", DAYS, T0 + 2 * DAY, 0) == 0


def test_old_periods_are_forgotten(store: Store) -> None:
    """Three periods are kept, so a year of days takes no room."""
    for day in range(6):
        store.spend("api", DAYS, T0 + day * DAY, day + 1)
    assert [store.spend("api", DAYS, T0 + day * DAY, 0) for day in (5, 4, 3)] == [6, 11, 15]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-5, 20)), max_size=30))
@settings(max_examples=60, deadline=None)
def test_both_stores_count_alike(tmp_path_factory: pytest.TempPathFactory, notes: list[tuple[int, int]]) -> None:
    """Whatever is noted in whatever order of days, memory and SQLite come to the same."""
    memory, file = MemoryStore(), open_store(tmp_path_factory.mktemp("both") / "ledger.sqlite")
    for day, count in notes:
        at = T0 + day * DAY
        assert memory.spend("api", DAYS, at, count) == file.spend("api", DAYS, at, count)
    file.close()


def test_notes_survive_a_restart(tmp_path: Path) -> None:
    """What was noted is read back by the next process."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    store.note_request("api", T0)
    store.spend("api", DAYS, T0, 17)
    store.close()
    store = open_store(path)
    assert (store.last_request("api"), store.spend("api", DAYS, T0, 0)) == (T0, 17)
    store.close()


_NOTES_FOR_EVER = """
import sys
from pathlib import Path
from timepoint.ledger.store import open_store
store = open_store(Path(sys.argv[1]))
while True:
    print(store.spend("api", "day UTC", 0, 1), flush=True)
"""


def test_what_was_noted_survives_a_kill(tmp_path: Path) -> None:
    """After kill -9 in the middle of notes the ledger has every note that was answered for, and at most one more."""
    path = tmp_path / "ledger.sqlite"
    noting = subprocess.Popen([sys.executable, "-c", _NOTES_FOR_EVER, str(path)], stdout=subprocess.PIPE, text=True)
    assert noting.stdout is not None
    for _ in range(20):
        noting.stdout.readline()
    os.kill(noting.pid, signal.SIGKILL)
    told = [20, *map(int, noting.stdout.read().split())][-1]
    noting.wait()
    noting.stdout.close()
    store = open_store(path)
    assert store.spend("api", DAYS, 0, 0) - told in (0, 1)
    store.close()


@pytest.mark.skipif(sys.byteorder != "little", reason="the file was written on a little-endian machine")
def test_ledger_of_version_2_goes_on(tmp_path: Path) -> None:
    """A file of the second schema keeps all that it held, and takes notes about sources."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "version_2.sql").read_text(encoding="utf-8"))
    store = open_store(path)
    ledger = Ledger(store, [counter(), gauge()])
    assert (ledger.values(0), ledger.values(1)) == ({'{a="x"}': 15}, {"": 22})
    assert (ledger.lane.watermark, ledger.lane.asked_from) == (T0 + 20 * MINUTE, T0)
    assert (store.last_request("api"), store.spend("api", DAYS, T0, 3)) == (None, 3)
    ledger.run(facts(20, 25), {'{a="x"}': fives(20, 16)}, {})
    ledger.restart()
    assert ledger.values(0) == {'{a="x"}': 31}
    store.close()
    examination = examine(path, in_use=False)
    assert examination.is_sound, [check.findings for check in examination.checks]
    assert examination.facts is not None
    assert examination.facts.version == LEDGER.version


def test_notes_are_exported_and_imported(tmp_path: Path) -> None:
    """A quota does not begin anew because the ledger was moved."""
    store = open_store(tmp_path / "a")
    store.note_request("api", T0)
    store.spend("api", DAYS, T0, 17)
    store.close()
    lines = list(export_lines(tmp_path / "a", in_use=False, by="test", at=T0))
    assert import_lines(lines, tmp_path / "b") == Counted(lanes=0, metrics=0, series=0, sources=1, quotas=1)
    store = open_store(tmp_path / "b")
    assert (store.last_request("api"), store.spend("api", DAYS, T0, 0)) == (T0, 17)
    store.close()


def test_the_doctor_sees_a_quota_that_cannot_be(tmp_path: Path) -> None:
    """More periods than are kept, or a number that is none, is a finding."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    store.spend("api", DAYS, T0, 1)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO quota VALUES ('api', 'month UTC', ?, 'many')", (T0,))
        for day in range(1, 4):
            connection.execute("INSERT INTO quota VALUES ('api', ?, ?, 1)", (DAYS, T0 + day * DAY))
    check = next(check for check in examine(path, in_use=False).checks if check.name == "quotas")
    assert check.findings == [
        "source api: many requests in the month UTC from 2023-11-14T22:20:00Z on",
        "source api: 4 periods of its day UTC are kept",
    ]
