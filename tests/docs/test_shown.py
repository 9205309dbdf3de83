"""What README and tutorial show of the program's output is what the program says.

The demo's API is a pure function of time, so what it answered when the tutorial was written can be asked again.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.docs.pages import ROOT, blocks, console
from timepoint.cli.main import main
from timepoint.clock import HOUR
from timepoint.demo.api import TOKEN, EnergyApi, Habits
from timepoint.demo.world import World
from timepoint.ledger.schema import LEDGER
from timepoint.testing import FakeClock

README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
OPERATIONS = ROOT / "docs" / "operations.md"
WRITTEN = "2026-11-22T16:21:00Z"  # when the tutorial's exporter was started
FIRST = ("2026-11-22T15:20:00Z", "2026-11-22T15:50:00Z")


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The reader's empty directory, with the config and the token of the tutorial."""
    (tmp_path / "energy.yaml").write_text(config_of(TUTORIAL))
    (tmp_path / "energy.token").write_text(TOKEN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config_of(page: Path) -> str:
    """The whole config that a page shows."""
    (text,) = [block.text for block in blocks("yaml", [page]) if "jobs:" in block.text]
    return text


def answer(start: str, end: str) -> str:
    """What the API answered about a window when the tutorial was written."""
    clock = FakeClock(WRITTEN)
    api = EnergyApi(World(lifetime=HOUR), clock, Habits(failures=0.0, oddities=0.0))
    begin, stop = (FakeClock(stamp).now() for stamp in (start, end))
    return json.dumps(api.body(begin, stop, 300_000))


def call(*arguments: str) -> str:
    """All that a command prints."""
    return CliRunner().invoke(main, arguments).output


def preview(directory: Path, window: tuple[str, str], *options: str) -> list[str]:
    """The lines of a preview of what the API answered about a window."""
    (directory / "answer.json").write_text(answer(*window))
    start, end = window
    given = ("--response", "answer.json", "--window-start", start, "--window-end", end, "--at", "2026-11-22T16:00Z")
    return call("preview", "energy.yaml", *given, *options).splitlines()


def lost(shown: str, said: list[str]) -> list[str]:
    """The shown lines that were not said; an ellipsis stands for anything."""
    lines = [line for line in shown.splitlines() if line != "…"]
    assert lines
    patterns = {line: ".*".join(re.escape(part) for part in line.split("…")) for line in lines}
    return [line for line, pattern in patterns.items() if not any(re.fullmatch(pattern, told) for told in said)]


def test_the_page_in_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's config makes the README's metrics of the README's answer."""
    monkeypatch.chdir(tmp_path)
    (body,) = re.findall(r'^    (\{"cluster-a".*\})$', README.read_text("utf-8"), re.MULTILINE)
    (tmp_path / "pod-energy.yaml").write_text(config_of(README))
    (tmp_path / "answer.json").write_text(body)
    (shown,) = [block.text for block in blocks("", [README]) if "# TYPE" in block.text]

    assert lost(shown, call("preview", "pod-energy.yaml", "--response", "answer.json").splitlines()) == []


def test_readme_and_tutorial_are_one_family() -> None:
    """Who knows the README's job finds it again in the tutorial: request, window, rows, metric."""
    one, other = (yaml.safe_load(config_of(page))["jobs"]["pod_energy"] for page in (README, TUTORIAL))
    metric, name = "metrics", "pod_energy_joules_total"

    assert {key: one[key] for key in ("source", "every", "request", "window", "rows")} == {
        key: other[key] for key in ("source", "every", "request", "window", "rows")
    }
    assert {**other[metric][name], "time": other["time"], "labels": other["labels"]} == one[metric][name]


def test_the_config_is_checked(directory: Path) -> None:
    """``check`` says of the tutorial's config what the tutorial shows."""
    assert call("check", "energy.yaml") == console(TUTORIAL, "timepoint check energy.yaml")


def test_two_mistakes_are_told(directory: Path) -> None:
    """The typing mistakes of the tutorial give the messages that it shows, on the lines that it names."""
    text = config_of(TUTORIAL).replace("temporality", "temporallity").replace("$pod.name", "$pods.name")
    (directory / "energy.yaml").write_text(text)
    shown = TUTORIAL.read_text("utf-8").split("Now break it.")[1].split("```console\n")[1].split("```")[0]

    assert call("check", "energy.yaml") == shown.partition("\n")[2]


@pytest.mark.parametrize("options", [(), ("--format", "openmetrics")], ids=["text", "openmetrics"])
def test_the_previews_are_those_of_the_api(directory: Path, options: tuple[str, ...]) -> None:
    """Each line of a preview in the tutorial comes of what the API answered then."""
    shown = console(TUTORIAL, " ".join(("timepoint preview energy.yaml", *options)))
    metrics = "\n".join(line for line in shown.splitlines() if "window 2026" not in line and "fire time" not in line)

    assert lost(metrics, preview(directory, FIRST, *options)) == []


def test_the_points_are_those_of_the_api(directory: Path) -> None:
    """The points that the tutorial shows come of what the API answered then."""
    window = ("2026-11-22T15:00Z", "2026-11-22T15:15Z")
    command = f"timepoint preview energy.yaml --format points --window-start {window[0]} --window-end {window[1]}"

    assert lost(console(TUTORIAL, command), preview(directory, window, "--format", "points")) == []


def test_a_misspelt_path_is_told(directory: Path) -> None:
    """The reject that the tutorial shows is what a misspelt value path gives."""
    text = config_of(TUTORIAL).replace("energy_consumed", "energy_consummed")
    (directory / "energy.yaml").write_text(text)
    shown = (
        TUTORIAL.read_text("utf-8").split("energy_consummed` the config")[1].split("```console\n")[1].split("```")[0]
    )

    assert lost(shown.partition("\n")[2], preview(directory, FIRST)) == []


def test_the_answer_is_that_of_the_api() -> None:
    """The values that ``curl`` shows in the tutorial are the API's."""
    told = json.loads(answer("2026-11-22T16:00:00Z", "2026-11-22T16:15:00Z"))["eu-west"]["checkout"]["shop"]
    values = {pod["name"]: pod["energy_consumed"] for pod in told}
    shown = re.findall(r'\{"name":"(.+?)","energy_consumed":(\[.*?\])', TUTORIAL.read_text("utf-8"))

    assert {name: json.loads(numbers) for name, numbers in shown} == {name: values[name] for name, _ in shown}
    assert len(shown) == 3


def test_the_sums_are_the_truth() -> None:
    """The energy by namespace that Prometheus told is what all pods used in the three windows, to the last digit."""
    command = TUTORIAL.read_text("utf-8").split("min_over_time(pod_energy_joules_total[1h]))'\n")[1].split("```")[0]
    told = {name: float(value) for name, value in re.findall(r'namespace="(\w+)"\} => (\S+)', command)}
    begin, end = FakeClock("2026-11-22T15:20:00Z").now(), FakeClock("2026-11-22T16:50:00Z").now()
    world = World(lifetime=HOUR)
    truth: dict[str, float] = {}
    for pod in world.pods(begin, end):
        truth[pod.namespace] = truth.get(pod.namespace, 0.0) + world.energy(pod, begin, end) * 3600

    assert told == truth


def test_doctor_shows_the_ledger_of_this_release() -> None:
    """The report of ``doctor`` in operations.md is of a ledger of the version that this release writes."""
    told = re.findall(r"^ledger: version (\d+),", OPERATIONS.read_text("utf-8"), re.MULTILINE)

    assert told == [str(len(LEDGER.migrations))]
