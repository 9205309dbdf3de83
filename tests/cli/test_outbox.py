"""``timepoint outbox``: what it says of queues, and how dead letters wait again, beside an exporter and without one."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import call
from tests.ledger.building import MINUTE, T0, Ledger, counter, facts, fives, series
from tests.poller.jobs import CONFIG, ones
from tests.poller.receiving import Wire
from timepoint.clock import format_instant
from timepoint.config import load_config
from timepoint.datadir import DataDirectory
from timepoint.doctor.pages import read_pages
from timepoint.ledger.store import open_store
from timepoint.model import Receiver
from timepoint.poller.runner import Runner
from timepoint.remote_write.letters import MEANINGS
from timepoint.remote_write.reply import Reply
from timepoint.remote_write.slices import REASONS
from timepoint.testing import FakeClock, FakeSource, fake_surroundings, settle

_RECEIVERS = """
remote_write:
  - {{name: central, url: "https://central.example/api/v1/write", protocol: "1.0", spec_strict: true}}
"""


class Scene:
    """A data directory that an exporter has filled, whose receiver refuses what it is told to."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "data"
        config = directory / "pods.yaml"
        text = (_RECEIVERS + CONFIG).replace("zero_first: 0s", "deliver: remote_write")
        config.write_text(text.format(name="pods", max_span="7d", min_interval="0s"))
        self.work = load_config(config, {}).workload
        self.clock = FakeClock("2026-01-01T10:07:00Z")
        self.wire = Wire("central")

    def runner(self) -> Runner:
        around = fake_surroundings(self.path / "published", self.clock, FakeSource(ones))
        ledger = self.path / "ledger.sqlite"
        return Runner(self.work, replace(around, open_store=lambda: open_store(ledger), open_post=self.wire))

    def refuse(self, status: int = 409) -> None:
        """From now on each request with samples is answered so."""
        self.wire.fault = lambda number: Reply(status, "no, thank you") if number > 1 else None

    def poll(self) -> None:
        """One run, and what it sends."""

        async def main() -> None:
            with DataDirectory(self.path):
                task = asyncio.create_task(self.runner().run_once(force=True))
                while not task.done():
                    await self.clock.advance(seconds=1)
                assert await task == 0

        asyncio.run(main())

    def said(self, command: str, *options: object) -> str:
        result = call("outbox", command, self.path, *options)
        assert result.exit_code == 0, result.output
        return result.stdout

    def queue(self) -> dict[str, Any]:
        [found] = json.loads(self.said("list", "--format", "json"))
        assert isinstance(found, dict)
        return found


@pytest.fixture
def refused(tmp_path: Path) -> Scene:
    """Seven samples, of which all were refused."""
    scene = Scene(tmp_path)
    scene.refuse()
    scene.poll()
    return scene


@pytest.fixture
def waiting(tmp_path: Path) -> Scene:
    """Seven samples that wait for a receiver which is down."""
    scene = Scene(tmp_path)
    scene.refuse(503)
    scene.poll()
    return scene


def test_list(waiting: Scene) -> None:
    """The list says of each receiver what waits, since when, and what was given up."""
    said = waiting.said("list")
    assert said.startswith("central: 7 waiting, the oldest of 2026-01-01T09:20:00Z (")
    assert said.endswith("0 sent; 0 dead; no exporter runs\n")


def test_list_as_json(refused: Scene) -> None:
    """The list as JSON has all counts and the words for each reason."""
    found = refused.queue()
    assert (found["receiver"], found["enqueued"], found["dead"], found["pending"]) == ("central", 7, 7, 0)
    assert found["reasons"]["refused"] == {"count": 7, **MEANINGS["refused"]._asdict()}


def test_list_dead(refused: Scene) -> None:
    """Each dead letter is a line with its time, series, value and what the receiver said."""
    lines = refused.said("list", "--dead").splitlines()
    assert len(lines) == 7
    assert lines[0].endswith('2026-01-01T09:20:00Z  energy_joules_total{pod="a"} 0.0  refused 409: no, thank you')


def test_list_has_a_limit(refused: Scene) -> None:
    """No more lines are written than were asked for."""
    assert len(refused.said("list", "--dead", "--limit", 2).splitlines()) == 2
    assert len(refused.said("list", "--dead", "--limit", 0).splitlines()) == 7


def test_list_pending(waiting: Scene) -> None:
    """What waits is listed in the order in which it leaves."""
    entries = [json.loads(line) for line in waiting.said("list", "--pending", "--format", "json").splitlines()]
    assert [entry["value"] for entry in entries] == [0, 1, 2, 3, 4, 5, 6]
    assert entries[1]["labels"] == {"__name__": "energy_joules_total", "pod": "a"}


def test_list_late_amounts(tmp_path: Path) -> None:
    """What came late and is in a later total is told apart from the dead: how much, when and when it came."""
    with DataDirectory(tmp_path) as data:
        store = open_store(data.layout.ledger)
        ledger = Ledger(store, [replace(counter(), receivers=(Receiver("central"),))])
        ledger.run(facts(0, 15, overlap=15), {"": series((0, 5, 1.0), (10, 15, 4.0))})
        ledger.run(facts(0, 20, overlap=15), {"": fives(0, 1, 2, 4, 8)})
        store.close()
    told = call("outbox", "list", tmp_path).stdout
    assert told.endswith("0 sent; 0 dead; 1 late amount, which later totals have; no exporter runs\n")
    [line] = call("outbox", "list", tmp_path, "--late-amounts", "--format", "json").stdout.splitlines()
    late = json.loads(line)
    assert (late["series"], late["value"], late["timestamp"]) == ("x_total", 2.0, T0 + 10 * MINUTE)
    assert late["came"] == format_instant(facts(0, 20).now)
    assert call("outbox", "list", tmp_path, "--late-amounts").stdout.startswith("central  5  2023-11-")


def test_explain(refused: Scene) -> None:
    """Each reason is explained, with what to do about it."""
    said = refused.said("explain")
    assert f"refused 7: {MEANINGS['refused'].why}" in said
    assert MEANINGS["refused"].do in said


def test_explain_a_letter(refused: Scene) -> None:
    """One letter is explained with what the receiver answered."""
    number = json.loads(refused.said("list", "--dead", "--format", "json").splitlines()[0])["number"]
    said = refused.said("explain", "--receiver", "central", "--number", number)
    assert 'energy_joules_total{pod="a"} 0.0 at 2026-01-01T09:20:00Z, given up at 2026-01-01T10:07' in said
    assert "the receiver answered 409: no, thank you" in said


def test_retry_without_an_exporter(refused: Scene) -> None:
    """Letters wait again, and the next call sends them."""
    assert refused.said("retry", "--receiver", "central", "--all") == "7 samples wait for central again\n"
    refused.wire.fault = lambda number: None
    refused.poll()
    found = refused.queue()
    assert (found["acknowledged"], found["dead"]) == (found["enqueued"], 0)


def test_retry_of_some(refused: Scene) -> None:
    """Only letters that were named wait again."""
    numbers = [json.loads(line)["number"] for line in refused.said("list", "--dead", "--format", "json").splitlines()]
    said = refused.said("retry", "--receiver", "central", "--number", numbers[0], "--number", numbers[3])
    assert said == "2 samples wait for central again\n"
    assert refused.said("retry", "--receiver", "central", "--reason", "full").startswith("0 samples")


def test_dismiss_without_an_exporter(refused: Scene) -> None:
    """Letters that were dealt with are gone and counted apart; those that were not named stay."""
    numbers = [json.loads(line)["number"] for line in refused.said("list", "--dead", "--format", "json").splitlines()]
    said = refused.said("dismiss", "--receiver", "central", "--number", numbers[0])
    assert said == "1 dead letter of central dismissed\n"
    assert refused.said("dismiss", "--receiver", "central", "--reason", "full").startswith("0 dead letters")
    assert refused.said("dismiss", "--receiver", "central", "--reason", "refused").startswith("6 dead letters")
    found = refused.queue()
    assert (found["dead"], found["letters"], found["dismissed"], found["reasons"]) == (0, 0, 7, {})
    assert refused.said("list").endswith("0 sent; 0 dead; 7 dismissed; no exporter runs\n")
    assert "= 0 acknowledged + 0 dead + 0 waiting + 7 dismissed" in call("doctor", refused.path).stdout


async def test_dismiss_beside_an_exporter(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An exporter that runs does it, says so in its log, and shows no dead letter from then on."""
    scene = Scene(tmp_path)
    await asyncio.to_thread(_refuse_and_poll, scene)
    caplog.set_level("INFO")
    assert await _beside(scene, "dismiss", "--all") == "7 dead letters of central dismissed\n"
    [told] = [record for record in caplog.records if record.getMessage() == "letters_dismissed"]
    assert (told.levelname, told.__dict__["timepoint_fields"]) == ("INFO", {"receiver": "central", "samples": 7})
    heartbeat = read_pages(scene.path / "published").poller
    assert heartbeat is not None
    [shown] = heartbeat.status["receivers"]
    assert (shown["dead"], shown["dead_by_reason"], shown["dismissed"]) == (0, {}, 7)


async def test_retry_beside_an_exporter(tmp_path: Path) -> None:
    """An exporter that runs is asked to let letters wait again, does it within seconds, and sends them."""
    scene = Scene(tmp_path)
    await asyncio.to_thread(_refuse_and_poll, scene)
    scene.wire.fault = lambda number: None
    assert await _beside(scene, "retry", "--all") == "7 samples wait for central again\n"
    assert len(scene.wire.receivers["central"].stored) == 7
    assert list((scene.path / "errands").iterdir()) == []


async def _beside(scene: Scene, command: str, *options: object) -> str:
    """What a command about the receiver says while an exporter runs."""
    stop = asyncio.Event()
    with DataDirectory(scene.path):
        running = asyncio.create_task(scene.runner().run(stop))
        await settle()
        asked = asyncio.create_task(asyncio.to_thread(scene.said, command, "--receiver", "central", *options))
        while not asked.done():
            await asyncio.sleep(0.02)
            await scene.clock.advance(seconds=1)
        await scene.clock.advance(seconds=5)
        stop.set()
        await settle()
        await running
    return await asked


def _refuse_and_poll(scene: Scene) -> None:
    scene.refuse()
    scene.poll()


def test_export_for_promtool(refused: Scene, tmp_path: Path, promtool: str) -> None:
    """Exported letters become blocks."""
    file = tmp_path / "lost.om"
    assert refused.said("export", "--receiver", "central", "--output", file) == ""
    assert file.read_text().splitlines()[1] == 'energy_joules_total{pod="a"} 1.0 1767259500.000'
    command: list[str | Path] = [promtool, "tsdb", "create-blocks-from", "openmetrics", file, tmp_path / "blocks"]
    made = subprocess.run(command, capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    assert len(list((tmp_path / "blocks").iterdir())) == 1


def test_export_for_victoriametrics(waiting: Scene) -> None:
    """What waits is written as one line for each series."""
    [line] = waiting.said("export", "--receiver", "central", "--pending", "--format", "victoriametrics").splitlines()
    found = json.loads(line)
    assert found["metric"] == {"__name__": "energy_joules_total", "pod": "a"}
    assert found["values"] == [0, 1, 2, 3, 4, 5, 6]
    assert found["timestamps"][:2] == [1767259200000, 1767259500000]


@pytest.mark.parametrize("format_", ["openmetrics", "victoriametrics"])
def test_export_adds_the_labels_that_leave_with_a_sample(refused: Scene, tmp_path: Path, format_: str) -> None:
    """External labels of the config, and others that are given, make what is exported the series that was sent."""
    config = tmp_path / "labelled.yaml"
    plain = (tmp_path / "pods.yaml").read_text()
    config.write_text(plain.replace("- {name: central,", "- {name: central, external_labels: {site: x, pod: y},"))
    given = ("--receiver", "central", "--format", format_, "--config", config, "--label", "job=energy")
    found = refused.said("export", *given).splitlines()
    wanted = {
        "openmetrics": 'energy_joules_total{job="energy",pod="a",site="x"} 0.0 1767259200.000',
        "victoriametrics": '{"metric": {"__name__": "energy_joules_total", "job": "energy", "pod": "a", "site": "x"}, ',
    }
    assert found[0].startswith(wanted[format_])


def test_export_as_json(refused: Scene) -> None:
    """All that is known of a letter is exported."""
    first = json.loads(refused.said("export", "--receiver", "central", "--format", "json").splitlines()[0])
    assert (first["reason"], first["status"], first["said"]) == ("refused", 409, "no, thank you")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("list", "--receiver", "other"), "the receivers are central"),
        (("retry", "--receiver", "central"), "say which letters"),
        (("explain", "--number", 3), "needs one --receiver"),
        (("explain", "--receiver", "central", "--number", 99), "has no dead letter 99"),
        (("list", "--dead", "--pending"), "exclude each other"),
        (("list", "--dead", "--late-amounts"), "exclude each other"),
        (("dismiss", "--receiver", "central"), "say which letters"),
        (("export", "--receiver", "central", "--pending", "--reason", "full"), "has no reason yet"),
        (("export", "--receiver", "central", "--label", "a"), "is no label"),
        (("export", "--receiver", "central", "--format", "json", "--label", "a=b"), "tells what the queue has"),
        (("retry", "--receiver", "central", "--reason", "ful"), "there is no reason 'ful'; the reasons are"),
    ],
)
def test_mistakes_are_told(waiting: Scene, options: tuple[object, ...], words: str) -> None:
    """A command that cannot be meant so says what to do."""
    command, *rest = options
    result = call("outbox", command, waiting.path, *rest)
    assert result.exit_code in (1, 2)
    assert words in result.output


def test_empty_directory(tmp_path: Path) -> None:
    """A directory that no exporter has used is said to be none."""
    result = call("outbox", "list", tmp_path)
    assert (result.exit_code, "no exporter has used this directory" in result.output) == (1, True)


def test_looking_changes_nothing(refused: Scene) -> None:
    """Listing and exporting leave the ledger's file as it was."""
    ledger = refused.path / "ledger.sqlite"
    before = ledger.read_bytes()
    refused.said("list", "--dead")
    refused.said("explain")
    refused.said("export", "--receiver", "central")
    assert ledger.read_bytes() == before


def test_every_reason_is_explained() -> None:
    """Each reason of a dead letter has words and something to do."""
    assert MEANINGS.keys() == {*REASONS}
