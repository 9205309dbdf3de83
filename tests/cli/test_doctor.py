"""``timepoint doctor``: what it says of sound and broken directories, what it changes, and with which exit code."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import call
from tests.ledger.building import T0, Ledger, counter, facts, fives
from tests.poller.broken import DAMAGES, Stage, fill, lose, lose_wal, put_newer, zero_header
from tests.poller.jobs import TOTAL, function_job, http_job
from timepoint.config import load_config
from timepoint.datadir import DataDirectory
from timepoint.exposition.family import JobSnapshot
from timepoint.exposition.publish import publish, snapshot_path
from timepoint.job import Job
from timepoint.ledger.store import open_store
from timepoint.model import Receiver
from timepoint.remote_write.outbox import Letter, Settlement


class Scene(Stage):
    """A data directory that an exporter has filled, and its config."""

    def __init__(self, directory: Path, job: Job | None = None) -> None:
        self.path = directory / "data"
        self.path.mkdir(mode=0o700, exist_ok=True)
        super().__init__(self.path)
        self.job = job or http_job(directory)
        self.config = directory / "pods.yaml"

    def page(self) -> Path:
        return snapshot_path(self.published, "pods")

    def change(self, statement: str) -> None:
        """Changes the ledger behind everybody's back."""
        with closing(sqlite3.connect(self.ledger, isolation_level=None)) as connection:
            connection.execute("PRAGMA ignore_check_constraints=ON")
            connection.execute(statement)

    def report(self, *options: object) -> dict[str, Any]:
        result = call("doctor", self.path, "--config", self.config, "--format", "json", *options)
        report: dict[str, Any] = json.loads(result.stdout)
        assert result.exit_code == int(not report["healthy"])
        return report

    def found(self) -> dict[str, str]:
        """The first finding of each check that found something."""
        return {check["name"]: check["findings"][0] for check in self.report()["checks"] if not check["ok"]}

    def files(self) -> dict[str, tuple[int, int, int]]:
        """Everything in the directory, by name: what a command that changes nothing leaves the same."""
        return {
            str(file.relative_to(self.path)): (file.stat().st_size, file.stat().st_mtime_ns, file.stat().st_mode)
            for file in self.path.rglob("*")
            if file.name != "lock"
        }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """What an hour of polling leaves. Made once; each test has a copy."""
    scene = Scene(tmp_path_factory.mktemp("filled"))
    asyncio.run(fill(scene, scene.job))
    return scene


@pytest.fixture
def scene(filled: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The directory and its config, and the command with the same clock as the exporter."""
    shutil.copytree(filled.path.parent, tmp_path, dirs_exist_ok=True)
    scene = Scene(tmp_path, filled.job)
    scene.clock.jump(3600)
    scene.source.windows += filled.source.windows
    monkeypatch.setattr("timepoint.cli.doctor.SystemClock", lambda: scene.clock)
    monkeypatch.setattr("timepoint.datadir.PATIENCE", 0.0)
    return scene


def test_a_sound_directory_is_well(scene: Scene) -> None:
    """Exit code 0, no finding, and the job's facts in words."""
    result = call("doctor", scene.path, "--config", scene.config)
    assert (result.exit_code, scene.found()) == (0, {})
    assert "data up to 2026-01-01T10:50:00Z" in result.stdout
    assert "1 series on the page, 0 kept" in result.stdout
    assert "Next steps" not in result.stdout
    assert result.stdout.endswith("All 31 checks are well.\n")


def send(scene: Scene) -> None:
    """Lets samples of another job wait for two receivers."""
    store = open_store(scene.ledger)
    for name in ("central", "old"):
        spec = replace(counter(), receivers=(Receiver(name),))
        ledger = Ledger(store, [spec])
        ledger.run(
            facts(0, 10) if name == "central" else facts(10, 20), {"": fives(0 if name == "central" else 10, 1, 2)}
        )
    first = store.outbox.oldest("central", 1)[0].number
    store.outbox.settle("central", Settlement(buried=(Letter(first, "conflict"),)), T0)
    store.close()


def test_queues_are_explained(scene: Scene) -> None:
    """Where each sample is that ever went into one, what waits since when, and why the dead are dead."""
    send(scene)
    text = call("doctor", scene.path).stdout
    assert "3 enqueued = 0 acknowledged + 1 dead + 2 waiting" in text
    assert "waiting: 2023-11-14T22:25:00Z" in text
    assert "dead: conflict 1; 1 letter kept" in text
    central, old = scene.report()["receivers"]
    assert (central["receiver"], central["reasons"], old["pending"]) == ("central", {"conflict": 1}, 2)


def test_a_queue_that_nothing_joins_any_more_is_told(scene: Scene) -> None:
    """With what it holds, and how it is forgotten; that is no finding."""
    send(scene)
    steps = [step for step in scene.report()["next_steps"] if "receiver" in step]
    assert [step.partition(",")[0] for step in steps] == [
        "no metric of the config goes to receiver central",
        "no metric of the config goes to receiver old",
    ]
    assert steps[1].endswith(f"timepoint doctor {scene.path} --forget-receiver old")
    assert "its queue holds 2 waiting and 1 dead samples" in steps[0]


def test_a_queue_is_forgotten_by_name(scene: Scene) -> None:
    """What waits is gone and said; the other queue stays."""
    send(scene)
    result = call("doctor", scene.path, "--forget-receiver", "old")
    assert (result.exit_code, result.stdout) == (
        0,
        "receiver old: its queue is forgotten, with 2 samples that were not sent and 0 dead letters\n",
    )
    assert [queue["receiver"] for queue in scene.report()["receivers"]] == ["central"]
    again = call("doctor", scene.path, "--forget-receiver", "old")
    assert again.exit_code == 2
    assert "there is no queue of a receiver 'old'; the receivers are central" in again.stderr


def test_a_check_changes_nothing(scene: Scene) -> None:
    """Neither a file nor its times, also if the log is not empty; without and with the config."""
    scene.report()
    before = scene.files()
    call("doctor", scene.path)
    scene.report()
    assert scene.files() == before


def test_an_unclean_ledger_is_read_from_a_copy(scene: Scene) -> None:
    """What stands in the log alone counts, and the log stays where it is."""
    store = open_store(scene.ledger)
    store.note_attempt("late", "", 1_767_261_000_000)
    kept = (scene.ledger.read_bytes(), Path(f"{scene.ledger}-wal").read_bytes())
    assert "late" in [job["name"] for job in scene.report()["jobs"]]
    assert (scene.ledger.read_bytes(), Path(f"{scene.ledger}-wal").read_bytes()) == kept
    store.close()


def test_an_empty_directory_is_well(tmp_path: Path) -> None:
    """Before the first start there is nothing to find."""
    result = call("doctor", tmp_path)
    assert result.exit_code == 0
    assert "none yet" in result.stdout


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_every_damage_is_found_and_explained(scene: Scene, damage: Callable[[Stage], None]) -> None:
    """Exit code 1, and next steps; nothing is changed by looking (D8)."""
    damage(scene)
    before = scene.files()
    result = call("doctor", scene.path)
    assert result.exit_code == 1
    assert "FAIL" in result.stdout
    assert "Next steps" in result.stdout
    assert scene.files() == before


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
async def test_quarantine_moves_the_damaged_files_and_the_next_start_is_new(
    scene: Scene, damage: Callable[[Stage], None]
) -> None:
    """Nothing is deleted, the reason lies beside it, and the counter starts anew."""
    damage(scene)
    size = scene.ledger.stat().st_size if scene.ledger.is_file() else None
    result = call("doctor", scene.path, "--quarantine")
    assert result.exit_code == 0
    assert "reset" in result.stdout
    [moved] = (scene.path / "quarantine").iterdir()
    if size is not None:
        assert (moved / "ledger.sqlite").stat().st_size == size
    assert (moved / "pods.snapshot").exists()
    assert (moved / "reason.txt").read_text()
    scene.source.windows.clear()
    async with scene.running(scene.job):
        await scene.clock.advance(minutes=30)
        assert scene.trouble() == ""
        assert scene.samples()[TOTAL] == scene.truth()


def test_a_sound_ledger_is_not_quarantined(scene: Scene) -> None:
    """A slip of the keyboard costs nothing."""
    before = scene.files()
    result = call("doctor", scene.path, "--quarantine")
    assert (result.exit_code, scene.files()) == (1, before)
    assert "sound" in result.stderr


async def test_quarantine_works_while_the_exporter_waits_for_it(scene: Scene) -> None:
    """An exporter without a usable ledger does not touch it; it begins anew by itself within a minute."""
    zero_header(scene)
    with DataDirectory(scene.path):
        assert call("doctor", scene.path, "--quarantine").exit_code == 75, "who has it says nothing of trouble"
        async with scene.running(scene.job):
            scene.clock.jump(-3)  # the heartbeat came while the command waited for the directory
            assert call("doctor", scene.path, "--quarantine").exit_code == 0
            scene.clock.jump(3)
            await scene.clock.advance(minutes=31)
            assert scene.trouble() == ""
            assert TOTAL in scene.samples()


def test_a_directory_in_use_can_be_checked_and_exported(scene: Scene, tmp_path: Path) -> None:
    """The exporter goes on meanwhile; the report says who has it."""
    with DataDirectory(scene.path):
        report = scene.report()
        assert report["in_use"] == f"in use by another timepoint (process {os.getpid()})"
        assert call("doctor", scene.path, "--export", tmp_path / "out").exit_code == 0


def test_a_write_that_is_under_way_is_no_leftover(scene: Scene) -> None:
    """The heartbeat of a running exporter is being written at any time."""
    (scene.published / "~poller.snapshot.new").write_bytes(b"half")
    assert set(scene.found()) == {"leftovers"}
    with DataDirectory(scene.path):
        assert scene.found() == {}


@pytest.mark.parametrize("option", ["--repair", "--quarantine", "--accept-ledger", "--forget=pods"])
def test_what_writes_needs_the_directory_alone(scene: Scene, option: str) -> None:
    """Exit code 75, as for a second exporter, and nothing is changed."""
    with DataDirectory(scene.path):
        before = scene.files()
        result = call("doctor", scene.path, option)
        assert (result.exit_code, scene.files()) == (75, before)


def test_a_lost_log_can_be_accepted(scene: Scene) -> None:
    """Pages that show more than the ledger are moved aside, and the next check is well but for the missing page.

    Faults: D9.
    """
    lose_wal(scene)
    assert "pages_not_ahead" in scene.found()
    result = call("doctor", scene.path, "--accept-ledger")
    assert result.exit_code == 0
    assert "catch_up" in result.stdout
    assert set(scene.found()) == {"pages_not_behind"}


def test_a_ledger_that_is_not_older_is_not_accepted(scene: Scene) -> None:
    """There is nothing to decide."""
    assert "not older" in call("doctor", scene.path, "--accept-ledger").stderr
    zero_header(scene)
    assert "cannot be accepted" in call("doctor", scene.path, "--accept-ledger").stderr


def test_repair_renders_pages_again(scene: Scene) -> None:
    """A damaged page is replaced, the page of a strange job goes, an interrupted write is removed."""
    page = scene.page().read_bytes()
    scene.page().write_bytes(page[:-1] + bytes([page[-1] ^ 1]))
    (scene.published / "gone.snapshot").write_bytes(b"?")
    (scene.published / "pods.snapshot.new").write_bytes(page[:10])
    assert set(scene.found()) == {"pages_whole", "leftovers", "pages_not_behind"}
    report = scene.report("--repair")
    assert report["healthy"]
    assert len(report["done"]) == 4
    assert scene.samples()[TOTAL] == scene.truth()


def test_a_page_that_is_not_what_the_ledger_holds_is_found_and_rendered_again(scene: Scene) -> None:
    """A total that was changed in either of them shows, with the line."""
    scene.change("UPDATE state SET value = value + 1")
    assert "does not come from the ledger" in scene.found()["pages_match"]
    assert scene.report("--repair")["healthy"]
    assert scene.found() == {}


def test_a_page_behind_its_ledger_is_found_and_rendered_again(scene: Scene) -> None:
    """As a crash between commit and publishing leaves it."""
    scene.change("UPDATE ledger SET commits = commits + 1")
    scene.change("UPDATE lane SET version = version + 1")
    assert set(scene.found()) == {"pages_not_behind"}
    assert scene.report("--repair")["healthy"]


def test_repair_never_touches_a_damaged_ledger(scene: Scene) -> None:
    """Nor one of a newer release, nor one that is older than its pages."""
    for damage in (put_newer, zero_header):
        damage(scene)
        before = scene.files()
        report = scene.report("--repair")
        assert not report["healthy"]
        assert "left alone" in report["done"][-1]
        assert scene.files() == before


def test_repair_changes_no_total(scene: Scene) -> None:
    """Whatever it says about the ledger, the export before and after is the same."""
    scene.change("UPDATE state SET debt = -1")
    assert "it owes -1.0" in scene.found()["debts"]
    before = call("doctor", scene.path, "--export", "-").stdout.split("\n")[1:-2]
    scene.report("--repair")
    assert call("doctor", scene.path, "--export", "-").stdout.split("\n")[1:-2] == before


async def test_repair_gives_back_space(scene: Scene) -> None:
    """A ledger that shrank is written anew, small."""
    scene.change(
        "CREATE TABLE filler AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n LIMIT 20000) "
        "SELECT randomblob(100) FROM n"
    )
    scene.change("DROP TABLE filler")
    size = scene.ledger.stat().st_size
    assert "vacuumed" in scene.report("--repair")["done"][0]
    assert scene.ledger.stat().st_size < size / 10
    assert scene.found() == {}


async def test_a_forgotten_job_begins_anew(scene: Scene) -> None:
    """Watermark, totals and page are gone; the others stay."""
    result = call("doctor", scene.path, "--forget", "pods")
    assert (result.exit_code, "forgotten" in result.stdout) == (0, True)
    assert not scene.page().exists()
    assert scene.report()["jobs"] == [{"name": "pods", "configured": True, "lanes": [], "page": None}]
    scene.source.windows.clear()
    async with scene.running(scene.job):
        await scene.clock.advance(minutes=30)
        assert scene.samples()[TOTAL] == scene.truth()


def test_what_was_done_can_be_read_by_a_machine(scene: Scene) -> None:
    """With --format json, whatever was asked for."""
    result = call("doctor", scene.path, "--forget", "pods", "--format", "json")
    assert json.loads(result.stdout) == {"done": ["job pods: forgotten (1 lane); its counters start anew"]}


def test_only_a_known_job_can_be_forgotten(scene: Scene) -> None:
    """A misspelt name is a mistake of the command line, and nothing happens."""
    result = call("doctor", scene.path, "--forget", "pods", "--forget", "pod")
    assert result.exit_code == 2
    assert "the jobs are pods" in result.stderr
    assert scene.page().exists()


def test_a_page_of_a_job_that_the_ledger_never_had_is_found(scene: Scene) -> None:
    """Whether the config has the job or not."""
    publish(scene.published, JobSnapshot("stranger", [], commit=3, rendered_at=T0), durable=False)
    assert scene.found()["pages_known"] == "job stranger: the ledger knows nothing of it"


def test_a_job_that_is_to_be_renamed_is_no_finding(scene: Scene) -> None:
    """Asked before a start with the new config: what becomes of the page of the old name, and all checks are well."""
    scene.config.write_text(scene.config.read_text().replace("  pods:\n", "  other:\n"))
    report = scene.report()
    assert report["healthy"]
    assert "its page until the exporter starts with this config" in report["next_steps"][0]
    assert [change["job"] for change in report["begins_anew"]] == ["other"]


async def test_a_job_that_left_the_config_is_named_with_its_end(scene: Scene) -> None:
    """Until when it is kept, and how to forget it now; that is no finding."""
    async with scene.running(function_job(lambda window: [])):
        await scene.clock.advance(minutes=1)
    scene.config.write_text(scene.config.read_text().replace("  pods:\n", "  other:\n"))
    report = scene.report()
    [step] = [step for step in report["next_steps"] if "--forget pods" in step]
    assert "job pods is not in this config, so its state is kept until 2026-01-08T11:00:00Z" in step
    assert [job["configured"] for job in report["jobs"] if job["name"] == "pods"] == [False]


async def test_export_and_import_move_an_exporter(scene: Scene, tmp_path: Path) -> None:
    """The other directory goes on with the same totals and asks for nothing twice."""
    out, there = tmp_path / "out.jsonl", tmp_path / "there"
    assert call("doctor", scene.path, "--export", out).exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    result = call("doctor", there, "--import", out)
    assert (result.exit_code, "1 lanes, 1 metrics and 1 series" in result.stdout) == (0, True)
    scene.ledger, scene.published = there / "ledger.sqlite", there / "published"
    async with scene.running(scene.job):
        await scene.clock.advance(minutes=30)
        assert scene.samples()[TOTAL] == scene.truth()
    assert call("doctor", there, "--config", scene.config).exit_code == 0


def test_an_export_replaces_a_file_whole_or_not_at_all(scene: Scene, tmp_path: Path) -> None:
    """A damaged ledger leaves the backup of yesterday as it was."""
    out = tmp_path / "out.jsonl"
    call("doctor", scene.path, "--export", out)
    before = out.read_bytes()
    zero_header(scene)
    assert call("doctor", scene.path, "--export", out).exit_code == 1
    assert out.read_bytes() == before
    assert not list(tmp_path.glob("out.jsonl.*"))


def test_nothing_is_imported_into_a_directory_in_which_something_is(scene: Scene, tmp_path: Path) -> None:
    """Neither over a ledger, nor beside pages that would contradict it."""
    out = tmp_path / "out.jsonl"
    call("doctor", scene.path, "--export", out)
    for step in (1, 2):
        if step == 2:
            lose(scene)
        before = scene.files()
        result = call("doctor", scene.path, "--import", out)
        assert (result.exit_code, scene.files().keys()) == (1, before.keys())
        assert "empty directory" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--repair", "--quarantine"), "exclude each other"),
        (("--export", "a", "--import", "b"), "exclude each other"),
        (("--import", "nowhere"), "there is no file"),
        (("--config", "nowhere"), "does not exist"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """And says what is wrong with it."""
    result = call("doctor", tmp_path, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_directory_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    """It is not made."""
    assert call("doctor", tmp_path / "gone").exit_code == 2
    assert not (tmp_path / "gone").exists()


def test_a_directory_that_everybody_can_write_to_is_found(scene: Scene) -> None:
    """Whoever may write there may hand the exporter a file of his choice (A33)."""
    scene.path.chmod(0o777)
    assert "chmod o-w" in scene.found()["directory"]


@pytest.mark.parametrize(
    ("change", "job", "metric", "reason"),
    [
        (("energy_joules_total", "used_joules_total"), "pods", "used_joules_total", "energy_joules_total"),
        (("temporality: delta", "temporality: cumulative"), "pods", "energy_joules_total", "counter, delta, no unit"),
        (("  pods:", "  shop:"), "shop", None, "knows pods"),
    ],
)
def test_what_a_new_config_would_begin_anew_is_told_before_it_starts(
    scene: Scene, change: tuple[str, str], job: str, metric: str | None, reason: str
) -> None:
    """Each total that would not go on, with why; and an unchanged config begins nothing anew."""
    assert scene.report()["begins_anew"] == []
    scene.config.write_text(scene.config.read_text().replace(*change))
    [told] = scene.report()["begins_anew"]
    assert (told["job"], told["metric"]) == (job, metric)
    assert reason in told["reason"]
    shown = call("doctor", scene.path, "--config", scene.config).stdout
    assert f"With this config totals begin anew\n  {job}{f' {metric}' if metric else ''}: {told['reason']}\n" in shown


async def test_totals_that_would_begin_behind_those_of_others_are_told_before_a_start(scene: Scene) -> None:
    """A job that gets its name back, after another one has counted its series."""
    text = scene.config.read_text()
    scene.config.write_text(text.replace("  pods:", "  shop:"))
    [shop] = load_config(scene.config, {}).jobs
    async with scene.running(shop):
        await scene.clock.advance(minutes=30)
    scene.config.write_text(text)
    [told] = scene.report()["begins_anew"]
    assert (told["job"], told["metric"]) == ("pods", "energy_joules_total")
    assert "have been counted by job shop since, and begin at 0 behind that" in told["reason"]
