"""kill -9 at any moment: what was acknowledged is there, and every total is the truth of its watermark."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.ledger import killed

KILLS = 30


@pytest.mark.system
def test_no_acknowledged_commit_is_lost_and_none_counts_twice(tmp_path: Path) -> None:
    """After each of many kills the file holds a whole commit, not older than the last acknowledged one."""
    commit, series = survive(tmp_path / "ledger.sqlite")
    assert commit > KILLS, "the process was killed too early to prove anything"
    assert series == killed.SERIES


@pytest.mark.system
@pytest.mark.parametrize(
    ("mistake", "finding"),
    [
        ("watermark first", "is not the truth of its watermark"),
        ("totals first", "is not the truth of its watermark"),
        ("acknowledges first", "an acknowledged commit is lost"),
        ("enqueues apart", "what waits is not the truth of its watermark"),
    ],
)
def test_the_oracle_notices_a_mistake(tmp_path: Path, mistake: str, finding: str) -> None:
    """A ledger that commits watermark, totals and samples apart, or acknowledges too early, does not pass."""
    with pytest.raises(AssertionError, match=finding):
        survive(tmp_path / "ledger.sqlite", mistake)


def survive(path: Path, mistake: str = "") -> tuple[int, int]:
    """Kills the process again and again and checks the file each time; the number of the last commit, and of series."""
    chance = random.Random(20)
    commit, watermark = 0, 0
    shown: dict[str, float] = {}
    for kill in range(KILLS):
        commit, watermark = max((commit, watermark), *live_and_die(path, chance, mistake, early=kill % 5 == 4))
        found_commit, found_watermark, totals, queue = look(path)
        assert found_commit >= commit, "an acknowledged commit is lost"
        assert found_watermark >= watermark, "an acknowledged commit is lost"
        intervals = (found_watermark - killed.ORIGIN) // killed.STEP
        for text, (value, carry, debt) in totals.items():
            truth = killed.accepted(int(text[4:-2]), intervals)
            assert value + carry - debt == truth, "a total is not the truth of its watermark"
            assert value >= shown.get(text, 0), "a counter went back"
        for number in range(killed.SENT):
            assert queue.pop(f'sent_total{{n="{number}"}}', []) == killed.sent(number, intervals), (
                "what waits is not the truth of its watermark"
            )
        assert not queue, "something waits that nobody enqueued"
        shown = {text: value for text, (value, _, _) in totals.items()}
        commit, watermark = found_commit, found_watermark
    return commit, len(shown)


def live_and_die(path: Path, chance: random.Random, mistake: str, *, early: bool) -> list[tuple[int, int]]:
    """Starts the process, kills it, and returns what it had acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.killed", str(path), mistake], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        heard = b""
        if early:  # while it starts, opens, checks or loads
            time.sleep(chance.uniform(0.05, 0.3))
        else:
            runs = chance.randint(2, 25)
            heard = process.stdout.read(killed.ACKNOWLEDGED.size)
            began = time.monotonic()
            heard += process.stdout.read(killed.ACKNOWLEDGED.size * (runs - 1))
            time.sleep(chance.uniform(0, 1.5) * (time.monotonic() - began) / (runs - 1))  # anywhere in a run
        process.kill()
        heard += process.stdout.read()
    if process.returncode != -signal.SIGKILL:
        raise EOFError("it ended by itself")
    return [(0, 0), *killed.ACKNOWLEDGED.iter_unpack(heard)]


Totals = dict[str, tuple[float, float, float]]
Queue = dict[str, list[tuple[int, float | None]]]


def look(path: Path) -> tuple[int, int, Totals, Queue]:
    """What the file holds, read without any of the ledger's own code.

    It reads a copy of file and log: the next process must recover them by itself.
    """
    if not path.exists():
        return 0, 0, {}, {}
    copy = path.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in path.parent.glob("ledger.sqlite*"):
        shutil.copy(file, copy)
    with closing(sqlite3.connect(copy / path.name)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        if not connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'lane'").fetchone()[0]:
            return 0, 0, {}, {}
        row = connection.execute("SELECT version, watermark FROM lane").fetchone()
        rows = connection.execute(
            "SELECT series.text, value, carry, debt FROM series JOIN state USING (id) "
            "JOIN metric ON metric.id = metric_id WHERE name = 'x_total'"
        )
        totals = {text: (value, carry, debt) for text, value, carry, debt in rows}
        queue: Queue = {}
        for text, at, value in connection.execute(
            "SELECT text, at, value FROM pending JOIN life ON life.id = life_id "
            "JOIN out_series ON out_series.id = out_series_id ORDER BY at, number"
        ):
            queue.setdefault(text, []).append((at, killed.GONE if isinstance(value, bytes) else value))
        balance = connection.execute("SELECT enqueued - pending FROM receiver").fetchone()
        assert balance in (None, (0,)), "what was enqueued is not what waits"
    if row is None or row[1] is None:
        return 0, 0, {}, {}
    return row[0], row[1], totals, queue
