"""What the doctor checks in a ledger: each check finds its own kind of damage, and none finds any in a sound one."""

from __future__ import annotations

import math
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.building import DAY, T0, Ledger, counter, facts, fives, gauge, instants, series
from tests.ledger.test_model import LaneLife
from timepoint.ledger.examine import KEEP, examine, reading
from timepoint.ledger.invariants import OF_THE_LEDGER
from timepoint.ledger.packed_points import Packer
from timepoint.ledger.sqlite_store import SqliteStore
from timepoint.ledger.store import open_store
from timepoint.model import MetricType, OnRevision, Temporality, Times


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound ledger with every kind of series, two lanes, and a series that left."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    metrics = [counter(), gauge(), counter("y_total", Temporality.CUMULATIVE)]
    ledger = Ledger(store, metrics)
    both = {'{a="1"}': fives(0, 0.1, 7), '{a="2"}': fives(0, 3, 4)}
    ledger.run(facts(0, 10, overlap=5), both, {"": instants((3, math.nan))}, {"": instants((1, 5.5), (2, 3.25))})
    ledger.run(facts(5, 15, overlap=10), {'{a="1"}': fives(5, 6, 0.2)}, {"": instants((7, 1))}, {"": instants((9, 4))})
    store.note_attempt("other", "", T0)
    store.close()
    return path


def found(path: Path) -> dict[str, list[str]]:
    """The findings of a ledger that nobody uses, by check."""
    return {check.name: check.findings for check in examine(path, in_use=False).checks if not check.is_kept}


def change(path: Path, *statements: str, **values: object) -> None:
    """Changes the file as no exporter would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        for statement in statements:
            connection.execute(statement, values)


def test_a_sound_ledger_has_no_findings(path: Path) -> None:
    """And its facts are told lane by lane."""
    examination = examine(path, in_use=False)
    assert found(path) == {}
    assert examination.facts is not None
    assert (examination.facts.commits, examination.facts.is_clean) == (2, True)
    [job, other] = examination.lanes
    assert (job.job, job.series, job.absent, job.version) == ("job", 3, 1, 2)
    assert job.forget_at == T0 + 25 * 60_000 + 7 * DAY
    assert (other.job, other.series, other.last_attempt, other.version) == ("other", 0, T0, 0)


def test_a_reading_that_is_newer_than_the_fire_time_is_sound(tmp_path: Path) -> None:
    """A request that does not name its window may be answered with a value of the very moment."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    now = T0 + 26 * 60_000
    late = facts(0, 15, window_is_asked=False, now=now, settled=now)
    Ledger(store, [counter("y_total", Temporality.CUMULATIVE)]).run(late, {"": instants((26, 5))})
    store.close()
    assert found(path) == {}


def test_a_revision_that_was_ignored_is_sound(tmp_path: Path) -> None:
    """A reading that rose, and was not to count, makes the next one count from there: less than nothing came before."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    ledger = Ledger(store, [counter("y_total", Temporality.CUMULATIVE, OnRevision.IGNORE)])
    ledger.run(facts(0, 20, overlap=20), {"": instants((14, 0.0))})
    ledger.run(facts(10, 30, overlap=20), {"": instants((14, 1.0))})
    store.close()
    assert found(path) == {}


DELTA = "WHERE id = (SELECT min(series.id) FROM series JOIN metric ON metric.id = metric_id WHERE name = 'x_total')"
READING = "WHERE id = (SELECT min(series.id) FROM series JOIN metric ON metric.id = metric_id WHERE name = 'y_total')"

BREAKS = {
    "book": "DELETE FROM ledger",
    "byte_order": "UPDATE ledger SET byte_order = 'middle'",
    "versions": "UPDATE ledger SET commits = 1",
    "watermarks": "UPDATE lane SET watermark = last_fire + 1 WHERE version",
    "metrics": "UPDATE metric SET shape = 'counter/sideways/'",
    "halves": f"DELETE FROM state {DELTA}",
    "texts": f"UPDATE series SET text = '{{b=\"\"}}' {DELTA}",
    "totals": f"UPDATE state SET value = -1 {DELTA}",
    "debts": f"UPDATE state SET debt = 9e999 {DELTA}",
    "carries": f"UPDATE state SET carry = 1e-3 {DELTA}",
    "readings": f"UPDATE state SET value = value + 1e-6 {READING}",
    "intervals": f"UPDATE state SET recent = x'07' {DELTA}",
    "quotas": "INSERT INTO quota VALUES ('api', 'day UTC', 0, 'many')",
    "presence": f"UPDATE state SET seen_at = seen_at + 1 {DELTA}",
}


@pytest.mark.parametrize("check", [name for name, _, _ in OF_THE_LEDGER])
def test_each_promise_that_is_broken_is_found(path: Path, check: str) -> None:
    """Every check is tried, so that none can be one that never finds anything."""
    change(path, BREAKS[check])
    assert check in found(path)


@pytest.mark.parametrize(
    ("statement", "check", "said"),
    [
        ("UPDATE lane SET version = 2", "versions", "several lanes: job, other"),
        ("UPDATE lane SET watermark = NULL WHERE version", "watermarks", "knows 3 of its 4 instants"),
        ("UPDATE lane SET kept_from = watermark + 1 WHERE version", "watermarks", "after its watermark"),
        ("UPDATE metric SET name = 'a b'", "metrics", "'a b'"),
        (f"DELETE FROM series {DELTA}", "halves", "no series"),
        ("UPDATE series SET text = '{a=\"1\"}'", "texts", "2 times"),
        (f"UPDATE state SET value = NULL {DELTA}", "totals", "None"),
        (f"UPDATE state SET debt = -0.5 {DELTA}", "debts", "-0.5"),
        (f"UPDATE state SET carry = -1 {READING}", "readings", "its readings come to"),
        ("DELETE FROM metric WHERE name = 'y_total'", "references", "belongs to a row of metric"),
        ("CREATE TABLE other (id)", "tables", "table other is not of timepoint"),
        ("DROP INDEX series_of_metric", "tables", "series_of_metric is missing"),
    ],
)
def test_what_was_found_is_told(path: Path, statement: str, check: str, said: str) -> None:
    """With the job, the series and the numbers."""
    change(path, statement)
    assert said in found(path)[check][0]


def pack(times: list[tuple[int, int]], values: list[float]) -> bytes:
    """The blob of these intervals, in minutes after T0."""
    grid = Times((T0 + start * 60_000 for start, _ in times), (T0 + end * 60_000 for _, end in times))
    return Packer().pack_grid(grid) + struct.pack(f"={len(values)}d", *values)


@pytest.mark.parametrize(
    ("times", "values", "said"),
    [
        ([(0, 5), (4, 9)], [1, 1], "counted twice"),
        ([(5, 10), (0, 5)], [1, 1], "not in order"),
        ([(0, 5), (0, 5)], [1, 1], "not in order"),
        ([(5, 0)], [1], "before it starts"),
        ([(20, 40)], [1], "beyond what the lane has committed"),
        ([(0, 5)], [-1], "cannot have counted"),
        ([(0, 5)], [math.inf], "cannot have counted"),
        ([(0, 5)], [], "0 bytes of values for 1 intervals"),
    ],
)
def test_intervals_that_nobody_can_have_counted_are_found(
    path: Path, times: list[tuple[int, int]], values: list[float], said: str
) -> None:
    """The remembered points of a delta counter are read one by one."""
    change(path, f"UPDATE state SET recent = :blob {DELTA}", blob=pack(times, values))
    assert said in found(path)["intervals"][0]


def test_many_findings_are_counted_and_some_are_told(tmp_path: Path) -> None:
    """A check that finds a million does not print a million."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    Ledger(store, [counter()]).run(facts(0, 5), {f'{{a="{n}"}}': fives(0, 1) for n in range(40)})
    store.close()
    change(path, "UPDATE state SET value = -1")
    [check] = [check for check in examine(path, in_use=False).checks if check.name == "totals"]
    assert (check.count, len(check.findings)) == (40, KEEP)


def test_what_does_not_print_is_escaped(path: Path) -> None:
    """A label value of an API cannot move the cursor of who reads the report (A21, A36)."""
    change(path, "UPDATE series SET text = :text WHERE id = 1", text='{a="\x1b[2J\u202e"}')
    change(path, "UPDATE state SET value = -1 WHERE id = 1")
    assert r"\x1b[2J\u202e" in found(path)["totals"][0]


def test_a_ledger_of_an_older_release_is_examined_too(path: Path) -> None:
    """Its tables are those of its version."""
    outbox = ("pending", "parked", "dead_letter", "buried", "sent", "life", "out_series", "out_family", "late_amount")
    change(path, *(f"DROP TABLE {name}" for name in ("kept_list", "source", "quota", *outbox, "receiver")))
    change(path, "ALTER TABLE lane DROP COLUMN asked_from", "PRAGMA user_version=1")
    assert found(path) == {}


def test_reading_a_lane_changes_no_file(path: Path) -> None:
    """It is the lane that a store would load."""
    before = {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in path.parent.iterdir()}
    with reading(path, in_use=False) as reader:
        lane = reader.load_lanes("job", [""])[""]
    assert {file.name: (file.stat().st_size, file.stat().st_mtime_ns) for file in path.parent.iterdir()} == before
    store = open_store(path)
    assert repr(store.load("job", "")) == repr(lane)
    store.close()


def test_a_live_ledger_is_examined_beside_its_writer(path: Path) -> None:
    """The writer commits meanwhile, and neither hinders the other (D14)."""
    store = open_store(path, busy_timeout=0)
    ledger = Ledger(store, [counter()])
    ledger.run(facts(10, 20, overlap=10), {'{a="1"}': fives(15, 1)})
    examination = examine(path, in_use=True)
    ledger.run(facts(15, 25, overlap=10), {'{a="1"}': fives(20, 1)})
    store.close()
    assert examination.is_sound
    assert [lane.version for lane in examination.lanes] == [3, 0]


class ExaminedLife(LaneLife):
    """The random lives of a delta counter, examined at their end."""

    def teardown(self) -> None:
        if isinstance(getattr(self, "store", None), SqliteStore):
            self.store.close()
            assert {name: said for name, said in found(self.path).items() if name != "texts"} == {}
        super().teardown()


TestExaminedLife = ExaminedLife.TestCase
TestExaminedLife.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["", '{a="1"}']),
            st.dictionaries(st.integers(-20, 20), st.floats(0, 1e300), max_size=5),
        ),
        max_size=6,
    ),
    st.sampled_from(OnRevision),
)
def test_no_life_of_a_meter_has_findings(
    tmp_path_factory: pytest.TempPathFactory, history: list[dict[str, dict[int, float]]], on_revision: OnRevision
) -> None:
    """Resets, revisions, late and missing readings of a cumulative counter, and a gauge beside it."""
    path = tmp_path_factory.mktemp("meter") / "ledger.sqlite"
    store = open_store(path)
    ledger = Ledger(
        store, [counter("y_total", Temporality.CUMULATIVE, on_revision), gauge("x", metric_type=MetricType.GAUGE)]
    )
    for number, offered in enumerate(history):
        begin = 10 * number
        readings = {
            text: series(*((begin + minute, begin + minute, value) for minute, value in points.items()))
            for text, points in offered.items()
        }
        ledger.run(facts(begin, begin + 20, overlap=20), readings, readings)
    store.close()
    assert found(path) == {}
