"""The file: what is refused, what an error says, and what is left after it."""

from __future__ import annotations

import re
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.ledger.building import MINUTE, T0, Ledger, counter, facts, fives, gauge, instants
from timepoint.clock import SystemClock
from timepoint.errors import DataDirectoryError, StoreError
from timepoint.ledger import sqlite
from timepoint.ledger.reading import file_fault
from timepoint.ledger.schema import LEDGER
from timepoint.ledger.sqlite import Database, FileFormat
from timepoint.ledger.sqlite_store import SqliteStore
from timepoint.ledger.store import open_store
from timepoint.remote_write.outbox import Settlement, Version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the ledger stands."""
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def filled(path: Path) -> Iterator[Ledger]:
    """An open ledger with one committed run, a source that was asked, and a receiver that is known."""
    store = open_store(path, busy_timeout=0)
    store.outbox.remember("a", Version.V1)
    store.note_request("asked", T0)
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    yield ledger
    store._database.give_up()


def close_filled(path: Path, series: int = 1, *, cleanly: bool = True) -> None:
    """Leaves a file with one committed run, as after a proper or an abrupt end."""
    store = open_store(path)
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {f"{{n{n}}}": fives(0, 1) for n in range(series)})
    if cleanly:
        store.close()
        return
    store._database.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    store._database.give_up()


def change(path: Path, statement: str) -> None:
    """Changes the file as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement)


def refused(path: Path) -> str:
    """What is said when the file is not opened."""
    with pytest.raises(DataDirectoryError) as caught:
        open_store(path, busy_timeout=0)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


# Opening


def test_new_file_belongs_to_its_owner_alone(path: Path) -> None:
    """The ledger and what SQLite puts beside it are made with mode 0600 (A33)."""
    store = open_store(path)
    Ledger(store, [counter()]).run(facts(0, 5), {})
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    store.close()
    assert modes == {"ledger.sqlite": 0o600, "ledger.sqlite-wal": 0o600, "ledger.sqlite-shm": 0o600}


def test_mode_of_an_old_file_is_tightened(path: Path) -> None:
    """A ledger that others may read is closed to them (A33)."""
    close_filled(path)
    path.chmod(0o644)
    open_store(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    """A symbolic link in place of the file is refused, and what it points at is left alone (A33)."""
    target = tmp_path / "elsewhere"
    path.symlink_to(target)
    assert "it is a symbolic link" in refused(path)
    assert not target.exists()


def test_directory_in_its_place_is_refused(path: Path) -> None:
    """A directory cannot be a ledger."""
    path.mkdir()
    assert "it is a directory" in refused(path)


def test_missing_directory_is_named(tmp_path: Path) -> None:
    """Opening makes a file, not the way to it."""
    assert "it cannot be opened: No such file or directory" in refused(tmp_path / "no" / "ledger.sqlite")


def test_file_of_another_kind_is_refused_untouched(path: Path) -> None:
    """What is not SQLite is neither read nor written."""
    path.write_bytes(b"Dear diary, " * 1000)
    assert "it is no ledger of timepoint" in refused(path)
    assert path.read_bytes() == b"Dear diary, " * 1000


@pytest.mark.parametrize("statement", ["PRAGMA application_id=1234", "CREATE TABLE accounts (id)"])
def test_database_of_another_program_is_refused_untouched(path: Path, statement: str) -> None:
    """An SQLite file with another id, or with tables and no id, is not ours to change (A35)."""
    change(path, "CREATE TABLE t (id)")
    change(path, statement)
    before = path.read_bytes()
    assert "of another program" in refused(path)
    assert path.read_bytes() == before


def test_file_of_a_newer_release_is_refused_untouched(path: Path) -> None:
    """An older release does not guess at a newer file (A35, X10)."""
    close_filled(path)
    change(path, f"PRAGMA user_version={LEDGER.version + 1}")
    before = path.read_bytes()
    assert f"a newer release wrote it (version {LEDGER.version + 1}, this one knows {LEDGER.version})" in refused(path)
    assert path.read_bytes() == before


def test_ledger_of_another_byte_order_is_refused(path: Path) -> None:
    """Packed values are in the order of the machine that wrote them."""
    close_filled(path)
    change(path, "UPDATE ledger SET byte_order='middle'")
    assert "a middle-endian machine wrote it" in refused(path)


def test_lost_file_with_its_log_left_is_refused(path: Path) -> None:
    """SQLite would throw the log away and begin anew, and every total with it (D9)."""
    close_filled(path)
    path.unlink()
    path.with_name("ledger.sqlite-wal").write_bytes(b"x" * 100)
    assert "the file was lost and its log was not" in refused(path)


def test_damage_is_found_after_an_abrupt_end(path: Path) -> None:
    """A file that was not closed properly is read whole before it is used (A35, D8)."""
    close_filled(path, 2000, cleanly=False)
    content = bytearray(path.read_bytes())
    for page in range(4, len(content) // 4096, 3):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    path.write_bytes(content)
    assert "it is damaged; keep a copy of it" in refused(path)


def test_damaged_first_page_is_refused(path: Path) -> None:
    """A zeroed header is no ledger any more (D8)."""
    close_filled(path)
    content = bytearray(path.read_bytes())
    content[:100] = bytes(100)
    path.write_bytes(content)
    assert "or its first page is damaged" in refused(path)


def test_making_that_a_power_cut_ended_begins_anew(path: Path) -> None:
    """A second page without the first, and the journal that says the file was empty: SQLite empties it again (D10)."""
    magic, records, nonce, pages_before = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", 0, 7, 0
    sector, page = 512, 4096
    numbers = (records, nonce, pages_before, sector, page)
    header = magic + b"".join(number.to_bytes(4, "big") for number in numbers)
    path.with_name(path.name + "-journal").write_bytes(header.ljust(sector, b"\0"))
    path.write_bytes(bytes(page) + b"\x0d".ljust(page, b"\0"))
    assert file_fault(path, LEDGER) is None
    store = open_store(path)
    assert store.newest_commit() == 0
    store.close()


def test_file_held_by_another_process_is_refused(path: Path) -> None:
    """Opening writes, so it needs the file to itself."""
    close_filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert "another process holds it" in refused(path)


def test_abrupt_end_loses_nothing(path: Path) -> None:
    """What was committed is there without any closing."""
    store = open_store(path)
    ledger = Ledger(store, [counter()])
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    store._database.give_up()
    again = open_store(path)
    assert again.load("job", "") == ledger.lane
    again.close()


def test_opening_is_counted(path: Path) -> None:
    """The ledger knows how often it was opened and whether it is in use."""
    close_filled(path)
    store = open_store(path)
    row = store._database.connection().execute("SELECT opened, is_clean FROM ledger").fetchone()
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        closed = connection.execute("SELECT opened, is_clean FROM ledger").fetchone()
    assert (row, closed) == ((2, 0), (2, 1))


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("trusted_schema", 0),
        ("cell_size_check", 1),
        ("temp_store", 2),
        ("mmap_size", 0),
        ("wal_autocheckpoint", 0),
        ("application_id", LEDGER.application_id),
        ("user_version", LEDGER.version),
    ],
)
def test_pragma_is_in_force(filled: Ledger, pragma: str, value: object) -> None:
    """Durability and safety settings are what they are said to be (A35)."""
    assert isinstance(filled.store, SqliteStore)
    row = filled.store._database.connection().execute(f"PRAGMA {pragma}").fetchone()
    assert row[0] == value


# Migrations

TWO_STEPS = FileFormat(
    "notebook", 77, [["CREATE TABLE a (x)", "INSERT INTO a VALUES (1)"], ["CREATE TABLE b AS SELECT x + 1 AS y FROM a"]]
)


def test_older_file_is_migrated_step_by_step(path: Path) -> None:
    """A file of version 1 becomes one of version 2 with what it held (X10)."""
    Database(path, FileFormat("notebook", 77, TWO_STEPS.migrations[:1]), 0).close()
    database = Database(path, TWO_STEPS, 0)
    assert database.connection().execute("SELECT y FROM b").fetchall() == [(2,)]
    assert database.connection().execute("PRAGMA user_version").fetchone() == (2,)
    database.close()


@pytest.mark.skipif(sys.byteorder != "little", reason="the file was written on a little-endian machine")
def test_ledger_of_the_first_release_goes_on(path: Path) -> None:
    """A file of the first schema keeps its totals and its watermark, and takes what the newest one adds (X10)."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((Path(__file__).parent / "version_1.sql").read_text(encoding="utf-8"))
    store = open_store(path)
    ledger = Ledger(store, [counter(), gauge()])
    assert (ledger.values(0), ledger.values(1)) == ({'{a="x"}': 15}, {"": 22})
    assert (ledger.lane.watermark, ledger.lane.asked_from) == (T0 + 20 * MINUTE, None)
    store.note_attempt("job", "", T0 + 30 * MINUTE, T0 + 15 * MINUTE)
    ledger.restart()
    ledger.run(facts(15, 25, overlap=5), {'{a="x"}': fives(15, 8, 16)}, {"": instants((20, 23))})
    ledger.restart()
    assert (ledger.values(0), ledger.values(1)) == ({'{a="x"}': 31}, {"": 23})
    assert ledger.lane.asked_from == T0 + 15 * MINUTE
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (LEDGER.version,)
    store.close()


def test_migration_that_fails_changes_nothing(path: Path) -> None:
    """All steps are one transaction: the older release can still use the file (X10)."""
    Database(path, FileFormat("notebook", 77, TWO_STEPS.migrations[:1]), 0).close()
    broken = FileFormat("notebook", 77, [*TWO_STEPS.migrations, ["CREATE TABLE c (x)", "CREATE TABLE a (x)"]])
    with pytest.raises(DataDirectoryError, match="table a already exists"):
        Database(path, broken, 0)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("a",)]


# Every method under every fault

Method = Callable[[Ledger], object]

WRITING: dict[str, Method] = {
    "commit": lambda ledger: ledger.store.commit(ledger.decide(facts(5, 10), {"": fives(5, 2), "{b}": fives(5, 2)})),
    "note_attempt": lambda ledger: ledger.store.note_attempt("job", "", T0 + MINUTE),
    "note_request": lambda ledger: ledger.store.note_request("api", T0),
    "spend": lambda ledger: ledger.store.spend("api", "day UTC", T0, 1),
    "settle": lambda ledger: ledger.store.outbox.settle("a", Settlement((1,)), T0),
    "remember": lambda ledger: ledger.store.outbox.remember("a", Version.V2),
    "revive": lambda ledger: ledger.store.outbox.revive("a", [1]),
    "dismiss": lambda ledger: ledger.store.outbox.dismiss("a", [1]),
    "dismiss_unkept": lambda ledger: ledger.store.outbox.dismiss_unkept("a"),
    "close": lambda ledger: ledger.store.close(),
}
READING: dict[str, Method] = {
    "load": lambda ledger: ledger.store.load("job", ""),
    "lanes": lambda ledger: ledger.store.lanes("job"),
    "newest_commit": lambda ledger: ledger.store.newest_commit(),
    "last_request": lambda ledger: ledger.store.last_request("asked"),
    "counts": lambda ledger: ledger.store.outbox.counts("a"),
    "version": lambda ledger: ledger.store.outbox.version("a"),
}


def reopened_total(path: Path) -> float:
    """The total that a later process finds."""
    store = open_store(path)
    ledger = Ledger(store, [counter()])
    store.close()
    return ledger.value()


@pytest.mark.parametrize("method", WRITING)
def test_writing_to_a_locked_file(filled: Ledger, path: Path, method: str) -> None:
    """Another writer makes every writing method fail with advice, and nothing is half done."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=re.escape(f"{path}: another process holds it; only one exporter")):
            WRITING[method](filled)
    assert reopened_total(path) == 1


@pytest.mark.parametrize("method", READING)
def test_reading_beside_another_writer(filled: Ledger, path: Path, method: str) -> None:
    """A writer that should not be there does not stop reads of what was committed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert READING[method](filled)


@pytest.mark.parametrize("method", READING)
def test_reading_a_file_that_another_holds_alone(filled: Ledger, path: Path, method: str) -> None:
    """If the connection has to be opened anew and cannot be, the error says who is in the way."""
    assert isinstance(filled.store, SqliteStore)
    filled.store._database.give_up()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("UPDATE ledger SET opened = opened")
        with pytest.raises(StoreError, match="another process holds it"):
            READING[method](filled)


@pytest.mark.parametrize("method", WRITING)
def test_writing_to_a_file_that_is_read_only(filled: Ledger, path: Path, method: str) -> None:
    """A file that cannot be written is said to be so; query_only stands for the mount, since it binds root too (D6)."""
    assert isinstance(filled.store, SqliteStore)
    filled.store._database.connection().execute("PRAGMA query_only=ON")
    with pytest.raises(StoreError, match=re.escape(f"{path}: it cannot be written; check owner, mode and mount")):
        WRITING[method](filled)
    assert reopened_total(path) == 1


@pytest.mark.parametrize("method", WRITING)
def test_writing_to_a_file_that_is_gone(filled: Ledger, path: Path, method: str) -> None:
    """A removed file takes no commits that nobody would ever see, and no new one appears by itself (D7)."""
    path.unlink()
    with pytest.raises(StoreError, match=re.escape(f"{path}: it is gone")):
        WRITING[method](filled)
    assert not path.exists()


@pytest.mark.parametrize("method", WRITING)
def test_writing_to_a_file_that_was_replaced(filled: Ledger, path: Path, method: str) -> None:
    """A backup that was copied over a living ledger is noticed before anything is written (D9)."""
    path.rename(path.with_name("old"))
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="another file has taken its place"):
        WRITING[method](filled)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("method", [*WRITING, *READING])
def test_file_that_turned_to_garbage(filled: Ledger, path: Path, method: str) -> None:
    """Damage under a running process is an error with advice, not a wrong number (D8)."""
    assert isinstance(filled.store, SqliteStore)
    filled.store._database.connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    filled.store._database.give_up()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (path.stat().st_size - 100))
    with pytest.raises(StoreError, match=r"it is damaged"):
        (WRITING | READING)[method](filled)


def test_full_disk_loses_no_commit_and_the_next_one_works(filled: Ledger, path: Path) -> None:
    """A commit for which there is no room leaves the state before it; with room again the run is repeated (D1)."""
    assert isinstance(filled.store, SqliteStore)
    connection = filled.store._database.connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages}")
    many = {f"{{n{n}}}": fives(5, n) for n in range(5000)}
    with pytest.raises(StoreError, match=re.escape(f"{path}: the disk is full; free some space")):
        filled.store.commit(filled.decide(facts(5, 10), many))
    filled.restart()
    assert filled.values() == {"": 1}
    filled.run(facts(5, 10), many)
    filled.restart()
    assert len(filled.values()) == 5000


def test_series_that_vanished_from_the_file_stops_the_commit(filled: Ledger, path: Path) -> None:
    """A file that was edited by hand is not silently half updated."""
    change(path, "DELETE FROM state")
    with pytest.raises(StoreError, match="1 series of x_total were to be updated and 0 are there"):
        WRITING["commit"](filled)
    assert filled.store.newest_commit() == 1


def test_damaged_points_are_named(filled: Ledger, path: Path) -> None:
    """A blob that is not ours is an error that names the metric."""
    change(path, "UPDATE state SET recent = x'09'")
    with pytest.raises(StoreError, match="the points of a series of x_total are damaged"):
        filled.restart()


def test_store_is_used_from_one_thread_at_a_time(filled: Ledger) -> None:
    """Overlapping calls are our own mistake and say so."""
    assert isinstance(filled.store, SqliteStore)
    with filled.store._alone(), pytest.raises(AssertionError, match="BUG: two threads"):
        filled.store.load("job", "")


def test_closed_store_is_not_opened_by_accident(path: Path) -> None:
    """A use after the end is our own mistake and says so."""
    store = open_store(path)
    store.close()
    with pytest.raises(AssertionError, match="BUG: the ledger is used after it was closed"):
        store.load("job", "")


def test_log_does_not_grow_with_the_number_of_commits(path: Path) -> None:
    """Checkpoints keep the log near its threshold, however much is written (D14)."""
    store = open_store(path)
    ledger = Ledger(store, [counter()])
    log = path.with_name("ledger.sqlite-wal")
    for run in range(12):
        at = run * 5
        points = fives(at - 295, *[1] * 60)
        ledger.run(facts(at - 295, at + 5, overlap=300), {f"{{n{n}}}": points for n in range(2000)})
        assert log.stat().st_size < 2 * sqlite.PASSIVE_ABOVE
    assert path.stat().st_size > 1_000_000
    store.close()


def test_d14_a_reader_that_stays_delays_no_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D14: while a reader holds a snapshot the log only grows; once it is gone the next commit empties the log."""
    monkeypatch.setattr(sqlite, "PASSIVE_ABOVE", 1)
    monkeypatch.setattr(sqlite, "TRUNCATE_ABOVE", 1)
    patience = 60.0
    store = open_store(path, busy_timeout=int(patience * 1000))
    ledger = Ledger(store, [counter()])
    log, clock = path.with_name("ledger.sqlite-wal"), SystemClock()
    ledger.run(facts(0, 5), {"": fives(0, 1)})
    sizes = []
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM lane").fetchall()
        begun = clock.monotonic()
        for run in range(1, 6):
            ledger.run(facts(run * 5, run * 5 + 5), {"": fives(run * 5, 1)})
            sizes.append(log.stat().st_size)
        assert clock.monotonic() - begun < patience
    assert sizes == sorted(set(sizes))
    ledger.run(facts(30, 35), {"": fives(30, 1)})
    assert log.stat().st_size == 0
    assert store.checkpoint_failures == 0
    store.close()


def test_loaded_series_share_what_is_equal(path: Path) -> None:
    """A million series must fit into memory: instants, grids and zeros are not kept once per series."""
    close_filled(path, 10)
    store = open_store(path)
    metric = store.load("job", "").metric(counter())
    store.close()
    assert metric is not None
    for name in ("seen_at", "created", "zero_until", "times", "carry", "debt"):
        assert len({id(getattr(state, name)) for state in metric.series.values()}) == 1


def test_utilities_know_no_word_of_the_domain() -> None:
    """sqlite.py could serve any program."""
    text = Path(sqlite.__file__).read_text(encoding="utf-8").lower()
    assert not re.findall(r"\b(lane|series|metric|watermark|counter|job|poll|run)s?\b", text)
