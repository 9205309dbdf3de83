"""What the doctor says of the queues of remote write, and that each of its checks finds its own kind of damage."""

from __future__ import annotations

import math
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ledger.building import MINUTE, T0, Ledger, counter, facts, fives, gauge, series
from tests.ledger.test_examine import change, found
from timepoint.errors import DataDirectoryError
from timepoint.ledger.examine import examine
from timepoint.ledger.queues import OF_THE_QUEUES
from timepoint.ledger.store import open_store
from timepoint.ledger.transfer import export_lines, import_lines
from timepoint.model import Receiver
from timepoint.remote_write.outbox import Letter, Parking, Settlement, Version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound ledger with two queues, in which samples were acknowledged, parked and buried."""
    path = tmp_path / "ledger.sqlite"
    store = open_store(path)
    to = (Receiver("a"), Receiver("b", is_strict=False))
    ledger = Ledger(store, [replace(counter(), receivers=to), replace(gauge(), receivers=to)])
    ledger.run(facts(0, 15, overlap=15), {"": series((0, 5, 1.5), (10, 15, 4.0))}, {"": fives(0, math.nan, -0.0)})
    ledger.run(facts(0, 20, overlap=15), {"": fives(0, 1.5, 2, 4, 8)}, {})
    first, second, third, *_ = (row.number for row in store.outbox.oldest("a", 9))
    settlement = Settlement((first,), (Letter(second, "conflict", 400, "no"),), (Parking(third, T0, 500),))
    store.outbox.settle("a", settlement, T0)
    store.outbox.remember("a", Version.V2)
    store.close()
    return path


def test_sound_queues_have_no_findings_and_are_told(path: Path) -> None:
    """With what went through them, what waits, and why the dead are dead."""
    assert found(path) == {}
    one, other = examine(path, in_use=False).queues
    assert (one.receiver, one.protocol, one.enqueued, one.acknowledged, one.dead) == ("a", "2.0", 8, 1, 1)
    assert (one.pending, one.parked, one.letters, one.series) == (5, 1, 1, 1)
    assert (one.late_amounts, one.dismissed, one.reasons) == (1, 0, {"conflict": 1})
    assert (one.oldest, one.newest) == (T0 + 10 * 60_000, T0 + 20 * 60_000)
    assert (other.receiver, other.protocol, other.enqueued, other.pending) == ("b", None, 8, 7)
    assert one.is_balanced
    assert other.is_balanced


BREAKS = {
    "queues": "UPDATE receiver SET enqueued = enqueued + 1 WHERE name = 'a'",
    "queue_rows": "DELETE FROM pending WHERE number = (SELECT max(number) FROM pending)",
    "queue_numbers": "UPDATE pending SET number = 1 WHERE number = (SELECT max(number) FROM pending)",
    "samples": "UPDATE pending SET life_id = 99",
    "out_series": "UPDATE out_series SET text = text || '{b=\"\"}'",
}


@pytest.mark.parametrize("check", [name for name, _, _ in OF_THE_QUEUES])
def test_each_promise_of_the_queues_that_is_broken_is_found(path: Path, check: str) -> None:
    """Every check is tried, so that none can be one that never finds anything."""
    change(path, BREAKS[check])
    assert check in found(path)


@pytest.mark.parametrize(
    ("statement", "check", "said"),
    [
        ("UPDATE receiver SET dead = -1, acknowledged = acknowledged + 3", "queues", "receiver a: 8 enqueued are not"),
        ("UPDATE receiver SET parked = 0", "queue_rows", "0 of them parked"),
        ("DELETE FROM dead_letter", "queue_rows", "0 a letter"),
        ("DELETE FROM buried", "queue_rows", "0 have a reason"),
        ("UPDATE parked SET number = 99", "queue_numbers", "sample 99 is there, and 8 were enqueued"),
        (
            "INSERT INTO parked SELECT receiver_id, number, at, life_id, value, 0, 0, 0 FROM pending",
            "queue_numbers",
            "is in two places",
        ),
        ("UPDATE late_amount SET number = 99", "queue_numbers", "sample 99 is there, and 8 were enqueued"),
        ("UPDATE late_amount SET value = x'07'", "samples", "is no value of a sample"),
        (
            "UPDATE receiver SET late_amounts = 0, dismissed = 1",
            "queue_rows",
            "receiver a: it counts 0 late amounts, and 1 are kept",
        ),
        ("DELETE FROM out_series", "samples", "nobody knows which series"),
        ("DELETE FROM out_family", "samples", "nobody knows which series"),
        ("UPDATE parked SET value = x'07'", "samples", "is no value of a sample"),
        ("UPDATE out_family SET type = 'tuba'", "out_series", "'tuba'"),
        ("UPDATE out_series SET text = 'z' WHERE text = 'x'", "out_series", "for another series"),
    ],
)
def test_what_was_found_of_a_queue_is_told(path: Path, statement: str, check: str, said: str) -> None:
    """With the receiver, the sample and the numbers."""
    change(path, statement)
    assert said in found(path)[check][0]


def test_no_statement_can_unbalance_a_queue(path: Path) -> None:
    """The balance is a constraint of the table itself: what breaks it is no commit."""
    store = open_store(path)
    with pytest.raises(Exception, match="CHECK constraint"), store._writing() as connection:
        connection.execute("UPDATE receiver SET acknowledged = acknowledged + 1")
    assert store.outbox.counts("a").is_balanced
    store.close()


def exported(path: Path) -> list[bytes]:
    """The lines of a ledger that is not in use."""
    return list(export_lines(path, in_use=False, by="test", at=T0))


def test_queues_come_back_from_an_export_as_they_were(path: Path, tmp_path: Path) -> None:
    """Samples bit by bit, in their order, what is parked, letters, marks and counts; and the same export again."""
    lines = exported(path)
    counted = import_lines(lines, tmp_path / "b")
    assert (counted.receivers, counted.waiting, counted.letters) == (2, 12, 1)
    assert exported(tmp_path / "b") == lines
    assert found(tmp_path / "b") == {}
    before, after = open_store(path), open_store(tmp_path / "b")
    for name in ("a", "b"):
        told = [
            repr((s.outbox.counts(name), s.outbox.oldest(name, 99), s.outbox.dead(name, 99), s.outbox.due(name, T0, 9)))
            + repr(s.outbox.late_amounts(name, 99))
            for s in (before, after)
        ]
        assert told[0] == told[1]
        assert before.outbox.version(name) == after.outbox.version(name)
    before.close()
    after.close()


@pytest.mark.skipif(sys.byteorder != "little", reason="the file was written on a little-endian machine")
def test_a_queue_of_version_4_is_examined_exported_and_imported(tmp_path: Path) -> None:
    """As what it is, beside an exporter of today: its late amounts are among the dead until it is opened."""
    with closing(sqlite3.connect(tmp_path / "a")) as connection:
        connection.executescript((Path(__file__).parent / "version_4.sql").read_text(encoding="utf-8"))
    assert found(tmp_path / "a") == {}
    one, _ = examine(tmp_path / "a", in_use=False).queues
    assert (one.reasons["late_amount"], one.late_amounts, one.is_balanced) == (1, 0, True)
    assert import_lines(exported(tmp_path / "a"), tmp_path / "b").letters == 3
    open_store(tmp_path / "b").close()
    one, _ = examine(tmp_path / "b", in_use=False).queues
    assert (one.dead, one.late_amounts, one.is_balanced) == (2, 1, True)
    assert found(tmp_path / "b") == {}


def test_an_imported_series_goes_on_in_its_queue(path: Path, tmp_path: Path) -> None:
    """Its life is the one that it had, so its samples still say when it began; also where ids were not in a row."""
    store = open_store(path)
    later = Ledger(store, [replace(counter("y_total"), receivers=(Receiver("a"),))])
    later.lane = store.load("later", "")
    later.run(facts(20, 25), {'{z="1"}': fives(20, 1), '{z="2"}': fives(20, 1)})
    store.forget_job("job")
    store.close()
    import_lines(exported(path), tmp_path / "b")
    store = open_store(tmp_path / "b")
    later.store, later.lane = store, store.load("later", "")
    later.run(facts(25, 30), {'{z="1"}': fives(25, 1), '{z="2"}': fives(25, 1)})
    rows = [row for row in store.outbox.oldest("a", 99) if dict(row.series.labels)["__name__"] == "y_total"]
    assert {(row.start, dict(row.series.labels)["z"]) for row in rows} == {
        (T0 + 20 * MINUTE, "1"),
        (T0 + 20 * MINUTE, "2"),
    }
    assert len(rows) == 6
    store.close()
    assert found(tmp_path / "b") == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b'"series":1}', b'"series":99}', "there is no series 99"),
        (b'"enqueued":8', b'"enqueued":9', "CHECK"),
        (b'"bits":"000000000000f87f"', b'"bits":"00"', "is no value of a sample"),
        (b'{"pending":', b'{"waiting":', "it is neither lane"),
    ],
)
def test_an_export_whose_queues_were_changed_is_refused(
    path: Path, tmp_path: Path, old: bytes, new: bytes, said: str
) -> None:
    """With the number of the line, and nothing is left."""
    lines = [line.replace(old, new) for line in exported(path)]
    assert lines != exported(path)
    with pytest.raises(DataDirectoryError, match=f"line [0-9]+ of the export: .*{said}"):
        import_lines(lines, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_sample_that_was_not_read_here_is_settled_too(path: Path) -> None:
    """Where it lies is sought: after a restart, or once more is remembered than may be."""
    store = open_store(path)
    number = store.outbox.oldest("b", 9)[-1].number
    store.close()
    store = open_store(path)
    store.outbox.settle("b", Settlement((number,)), T0)
    assert store.outbox.counts("b").acknowledged == 1
    assert number not in {row.number for row in store.outbox.oldest("b", 9)}
    store.close()
