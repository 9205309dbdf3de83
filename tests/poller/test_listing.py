"""Which lanes a job has: lists in the config, in files, told by an API."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.poller.bench import Bench
from tests.poller.fanned import Zones, fan_bench, fan_job, total
from timepoint.clock import DAY, MINUTE
from timepoint.errors import StatusError
from timepoint.model import Outcome, Window
from timepoint.poller.report import RunReport

DISCOVERY = '{zone: {request: {get: /zones}, values: "$[*]", every: 1h}}'


def discovered(directory: Path, *zones: str) -> tuple[Bench, Zones]:
    """A job whose zones an API lists."""
    b, api = fan_bench(directory, DISCOVERY)
    api.listed = list(zones)
    return b, api


async def runs(b: Bench, count: int = 1) -> list[RunReport]:
    """Runs, half an hour after each other."""
    reports = []
    for _ in range(count):
        reports.append(await b.run())
        await b.clock.advance(minutes=30)
    return reports


def shown(b: Bench) -> Sequence[str]:
    """The zones on the page."""
    return sorted(sample.split('zone="')[1].removesuffix('"}') for sample in b.samples())


async def test_a_discovery_lists_the_lanes_once_in_a_while(tmp_path: Path) -> None:
    """It is asked when its list is older than every, not by each run; new values become lanes."""
    b, api = discovered(tmp_path, "DE", "FR")
    asked: list[int] = []

    def listed() -> list[str]:
        asked.append(b.clock.now())
        return ["DE", "FR"] if len(asked) == 1 else ["DE", "AT"]

    api.listed = listed
    began = b.clock.now()
    await runs(b, 4)
    assert asked == [began, began + 60 * MINUTE]
    assert shown(b) == ["AT", "DE"]


async def test_a_lane_that_leaves_the_list_keeps_its_total(tmp_path: Path) -> None:
    """It leaves the page with the next run; if it comes back it goes on where it was, and nothing is lost."""
    b, api = discovered(tmp_path, "DE", "FR")
    await runs(b, 2)
    api.listed = ["DE"]
    await runs(b, 2)
    assert shown(b) == ["DE"]
    api.listed = ["DE", "FR"]
    await runs(b, 1)
    assert b.samples() == {total("DE"): 30, total("FR"): 30}


async def test_a_lane_that_left_is_forgotten_in_the_end(tmp_path: Path) -> None:
    """Its total is kept for forget_after, then the ledger knows nothing of it."""
    b, api = discovered(tmp_path, "DE", "FR")
    await runs(b, 2)
    api.listed = ["DE"]
    await runs(b, 1)
    keep = [("pods", lane) for lane in b.pipeline.desk.lanes]
    assert b.store.prune(keep, b.clock.now() + 6 * DAY) == []
    assert b.store.prune(keep, b.clock.now() + 8 * DAY) == [("pods", "zone=FR")]


async def test_a_failing_discovery_changes_nothing(tmp_path: Path) -> None:
    """The list of before stays, the run is as its lanes are, and says why the list is an old one."""
    b, api = discovered(tmp_path, "DE", "FR")
    await runs(b, 2)
    api.listed = StatusError(503, "nobody is here")
    [report] = await runs(b, 1)
    assert report.outcome is Outcome.OK
    assert report.lanes is not None
    assert report.lanes.trouble == "the discovery of zone failed (status: nobody is here)"
    assert shown(b) == ["DE", "FR"]


async def test_a_restart_needs_no_discovery(tmp_path: Path) -> None:
    """The last good list is in the ledger; without any list the run fails, and the next one asks again."""
    b, api = discovered(tmp_path)
    api.listed = StatusError(503, "nobody is here")
    [report] = await runs(b, 1)
    assert (report.outcome, report.reason) == (Outcome.SOURCE_ERROR, "list")
    assert "nobody is here" in report.error
    api.listed = ["DE", "FR"]
    await runs(b, 2)
    b.restart()
    api.listed = StatusError(503, "nobody is here")
    assert list(b.pipeline.desk.lanes) == ["zone=DE", "zone=FR"]
    await runs(b, 2)
    assert b.samples() == {total("DE"): 24, total("FR"): 24}


async def test_an_empty_list_must_come_twice(tmp_path: Path) -> None:
    """An API that was just started lists nothing: that alone takes no lane away. Twice in a row it is true."""
    b, api = discovered(tmp_path, "DE", "FR")
    await runs(b, 2)
    api.listed = []
    [report] = await runs(b, 1)
    assert (report.outcome, len(b.samples())) == (Outcome.OK, 2)
    assert report.lanes is not None
    assert "gives no values: the 2 values of before stay" in report.lanes.trouble
    b.restart()
    [report] = await runs(b, 1)
    assert (report.outcome, b.samples()) == (Outcome.EMPTY, {})


async def test_more_lanes_than_allowed_are_refused(tmp_path: Path) -> None:
    """A list that is suddenly far too long costs no request."""
    b, api = fan_bench(tmp_path, DISCOVERY.replace("1h", "10m"))
    api.listed = ["DE"]
    await runs(b, 1)
    api.listed = [f"Z{number}" for number in range(20_001)]
    [report] = await runs(b, 1)
    assert report.lanes is not None
    assert report.lanes.trouble == "20001 lanes, and max_lanes allows 20000"
    assert shown(b) == ["DE"]


async def test_a_refused_list_is_not_what_a_restart_goes_on_with(tmp_path: Path) -> None:
    """The list of before stays over a restart, too, and whoever told the other one is asked again."""
    b, api = fan_bench(tmp_path, DISCOVERY)
    api.listed = ["DE"]
    await runs(b, 2)
    api.listed = [f"Z{number}" for number in range(20_001)]
    await runs(b, 1)
    b.restart()
    assert list(b.pipeline.desk.lanes) == ["zone=DE"]
    [report] = await runs(b, 1)
    assert report.lanes is not None
    assert report.lanes.trouble == "20001 lanes, and max_lanes allows 20000"
    api.listed = ["DE", "FR"]
    await runs(b, 1)
    assert shown(b) == ["DE", "FR"]


async def test_lists_that_belong_together_are_taken_over_together(tmp_path: Path) -> None:
    """While one of two files is longer than the other, the lanes of before stay, over a restart, too."""
    zones, codes = tmp_path / "zones.txt", tmp_path / "codes.txt"
    zones.write_text("DE\nFR\n")
    codes.write_text("1\n2\n")
    each = "{zone: {file: zones.txt}, code: {file: codes.txt, beside: zone, label: null}}"
    b, api = fan_bench(tmp_path, each)
    b.source.answer = lambda window, zone, code: api(window, zone)
    await runs(b, 1)
    codes.write_text("1\n2\n3\n")
    b.restart()
    assert list(b.pipeline.desk.lanes) == ["zone=DE", "zone=FR"]
    reports = await runs(b, 2)
    told = "zone has 2 values and code 3: they belong together one by one"
    assert [report.lanes.trouble for report in reports if report.lanes] == [told, told]
    zones.write_text("DE\nFR\nAT\n")
    await runs(b, 1)
    assert shown(b) == ["AT", "DE", "FR"]
    b.restart()
    assert list(b.pipeline.desk.lanes) == ["zone=DE", "zone=FR", "zone=AT"]


async def test_what_a_list_tells_of_a_value_becomes_labels(tmp_path: Path) -> None:
    """Rows of a discovery are mapped as any others; a changed label does not make another lane."""
    each = (
        '{zone: {request: {get: /zones}, rows: {z: "$[?@.on == true]"}, values: $z.id, '
        "labels: {country: $z.name, __tz: $z.tz}, every: 30m}}"
    )
    b, api = fan_bench(tmp_path, each)
    values: list[dict[str, str]] = []

    def answer(window: Window, **given: str) -> object:
        values.append(given)
        return api(window, given.get("zone"))

    b.source.answer = answer
    rows = [{"id": "DE", "name": "Germany", "tz": "CET", "on": True}, {"id": "X", "on": False}]
    api.listed = rows
    await runs(b, 1)
    assert values[1] == {"zone": "DE", "country": "Germany", "__tz": "CET"}
    assert list(b.samples()) == ['energy_joules_total{country="Germany",pod="a",zone="DE"}']
    rows[0]["name"] = "Deutschland"
    await runs(b, 1)
    assert list(b.pipeline.desk.lanes) == ["zone=DE"]
    assert list(b.samples()) == ['energy_joules_total{country="Deutschland",pod="a",zone="DE"}']


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("zones.txt", "# zones\nDE\n\n FR \n"),
        ("zones.json", '["DE", "FR"]'),
        ("zones.yaml", "- DE\n- FR\n"),
    ],
)
async def test_a_file_lists_the_lanes(tmp_path: Path, name: str, content: str) -> None:
    """One value to a line, or a list in JSON or YAML; what is changed there is seen by the next run."""
    file = tmp_path / name
    file.write_text(content)
    b, _ = fan_bench(tmp_path, f"{{zone: {{file: {name}}}}}")
    await runs(b, 1)
    assert shown(b) == ["DE", "FR"]
    file.write_text(content.replace("FR", "NO"))
    os.utime(file, ns=(1, 1))
    await runs(b, 1)
    assert shown(b) == ["DE", "NO"]
    now = b.clock.now()
    [report] = await runs(b, 1)
    assert report.lanes_standing is not None
    assert report.lanes_standing.listed_at == now  # a file that nobody changes does not grow old


async def test_a_file_of_another_form_is_mapped(tmp_path: Path) -> None:
    """Prometheus' own form of lists of targets, with their labels."""
    (tmp_path / "sd.json").write_text('[{"targets": ["DE", "FR"], "labels": {"team": "grid"}}]')
    each = '{zone: {file: sd.json, rows: {g: "$[*]", t: "$g.targets[*]"}, values: $t, labels: {"*": $g.labels}}}'
    b, api = fan_bench(tmp_path, each)
    b.source.answer = lambda window, zone, team: api(window, zone)
    await runs(b, 1)
    assert list(b.samples()) == [
        'energy_joules_total{pod="a",team="grid",zone="DE"}',
        'energy_joules_total{pod="a",team="grid",zone="FR"}',
    ]


async def test_a_file_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    """Over a restart, too: what it said last is in the ledger. What is in it when it is back holds."""
    file = tmp_path / "zones.txt"
    file.write_text("DE\nFR\n")
    b, _ = fan_bench(tmp_path, "{zone: {file: zones.txt}}")
    await runs(b, 1)
    file.unlink()
    b.restart()
    [report] = await runs(b, 1)
    assert report.lanes is not None
    assert "cannot be read" in report.lanes.trouble
    assert shown(b) == ["DE", "FR"]
    file.write_text("DE\n")
    [report] = await runs(b, 1)
    assert (report.lanes and report.lanes.trouble, shown(b)) == ("", ["DE"])


async def test_a_damaged_file_is_told_and_changes_nothing(tmp_path: Path) -> None:
    """Half a file, as an editor leaves it for a moment."""
    file = tmp_path / "zones.json"
    file.write_text('["DE"]')
    b, _ = fan_bench(tmp_path, "{zone: {file: zones.json}}")
    await runs(b, 1)
    file.write_text('["DE", "F')
    [report] = await runs(b, 1)
    assert report.lanes is not None
    assert "zones.json: the list of zone cannot be read: " in report.lanes.trouble
    assert shown(b) == ["DE"]


async def test_a_list_that_was_picked_otherwise_is_asked_for_again(tmp_path: Path) -> None:
    """Who mends the path need not wait until the list is old; the lanes stay until the answer is there."""
    b, _ = discovered(tmp_path, "DE", "FR")
    await runs(b, 1)
    b.job = fan_job(tmp_path, DISCOVERY.replace("$[*]", "$[?@ != 'FR']"))
    b.restart()
    assert list(b.pipeline.desk.lanes) == ["zone=DE", "zone=FR"]
    await runs(b, 1)
    assert shown(b) == ["DE"]
