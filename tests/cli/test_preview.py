from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.cli.support import ANSWER, CONFIG, call, write_answer, write_config
from tests.system.support import DemoApi, demo_environ
from timepoint.cli.preview_lines import page_lines
from timepoint.clock import SystemClock, parse_duration
from timepoint.demo.api import Habits
from timepoint.demo.world import World
from timepoint.model import MappedRun
from timepoint.poller.origin import Material
from timepoint.request.answer import Answer

DEMO = Path(__file__).resolve().parent.parent.parent / "src" / "timepoint" / "demo" / "pod-energy.yaml"

ENERGY = """\
pod_energy_joules_total{app="shop",pod_name="cart-1"} @2025-01-01T00:00:00Z..2025-01-01T00:05:00Z: 10.0
pod_energy_joules_total{app="shop",pod_name="cart-1"} @2025-01-01T00:05:00Z..2025-01-01T00:10:00Z: 12.5
pod_energy_joules_total{app="shop",pod_name="cart-2"} @2025-01-01T00:05:00Z..2025-01-01T00:10:00Z: 2.0
"""


def test_points_are_sorted_lines_with_their_times(tmp_path: Path) -> None:
    """Name, labels, interval and value of every mapped point, in a notation that can be compared."""
    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path), "--format", "points")

    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(ENERGY)
    assert len(result.stdout.splitlines()) == 7


def test_an_instant_has_one_stamp(tmp_path: Path) -> None:
    """A point without a length is not shown as an interval."""
    config = write_config(tmp_path, CONFIG.replace("time: {at: $pod.at, interval: 5m}", "time: $pod.at"))
    config.write_text(
        config.read_text().replace(
            "pod_energy_joules_total:\n        type: counter\n        temporality: delta",
            "pod_energy_joules:\n        type: gauge",
        )
    )

    result = call("preview", config, "--response", write_answer(tmp_path), "--format", "points")

    assert 'pod_energy_joules{app="shop",pod_name="cart-1"} @2025-01-01T00:00:00Z: 10.0\n' in result.stdout


def test_text_is_what_the_page_would_show(tmp_path: Path) -> None:
    """Counters as totals over all points of the file, gauges at their newest; readable by Prometheus' parser."""
    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path))

    samples = {
        (sample.name, sample.labels["pod_name"]): sample.value
        for family in text_string_to_metric_families(result.stdout)
        for sample in family.samples
    }
    assert samples == {
        ("pod_energy_joules_total", "cart-1"): 22.5,
        ("pod_energy_joules_total", "cart-2"): 2.0,
        ("pod_power_watts", "cart-1"): 42.0,
        ("pod_power_watts", "cart-2"): 0.5,
    }


def test_openmetrics_ends_with_its_mark(tmp_path: Path) -> None:
    """The other format of the page is one option away."""
    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path), "--format", "openmetrics")

    assert result.stdout.endswith("# EOF\n")
    assert result.stdout.count("# EOF") == 1


def test_rejects_and_windows_go_to_standard_error(tmp_path: Path) -> None:
    """Reason, count and the JSON path of the first few, beside what the next run would ask for."""
    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path), "--at", "2025-01-01T12:00Z")

    assert "window 2025-01-01T11:20:00Z..2025-01-01T11:50:00Z" in result.stderr
    assert "rejected: 1 not_a_number" in result.stderr
    assert "$['shop'][3].energy" in result.stderr
    assert "rejected" not in result.stdout


def test_the_next_run_is_told_in_words(tmp_path: Path) -> None:
    """Beside what this run asks for stands what the next one would, if this one is accepted."""
    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path), "--at", "2025-01-01T12:00Z")

    assert (
        "  the run at 2025-01-01T12:30:00Z would ask for 2025-01-01T11:50:00Z..2025-01-01T12:20:00Z\n" in result.stderr
    )


def test_a_catch_up_is_told_in_words(tmp_path: Path) -> None:
    """From a watermark: what is asked for, in how many windows, and what is lost for good."""
    config = write_config(tmp_path, CONFIG.replace("delay: 10m", "delay: 10m, max_span: 1d, catch_up: 2d"))
    when = ("--at", "2025-01-31T12:00Z")

    result = call("preview", config, "--response", write_answer(tmp_path), *when, "--watermark", "2025-01-30T12:00Z")

    assert "run after the watermark 2025-01-30T12:00:00Z, fire time 2025-01-31T12:00:00Z\n" in result.stderr
    assert "  window 2025-01-30T12:00:00Z..2025-01-31T11:50:00Z\n" in result.stderr
    assert "never" not in result.stderr

    result = call("preview", config, "--response", write_answer(tmp_path), *when, "--watermark", "2025-01-01T12:00Z")

    assert (
        "  2025-01-01T12:00:00Z..2025-01-29T11:50:00Z would never be asked for: catch_up reaches back 2d\n"
        in result.stderr
    )
    assert result.stderr.count("  window ") == 2


def test_a_watermark_that_is_reached_asks_for_nothing(tmp_path: Path) -> None:
    """Then the next run is told all the same."""
    now = ("--at", "2025-01-31T12:00Z", "--watermark", "2025-01-31T11:50Z")

    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path), *now)

    assert (result.exit_code, result.stdout) == (0, "")
    assert "there is no window to ask for" in result.stderr
    assert "would ask for 2025-01-31T11:50:00Z..2025-01-31T12:20:00Z" in result.stderr


def test_a_watermark_and_a_window_exclude_each_other(tmp_path: Path) -> None:
    """One says how the window is found, the other gives it."""
    window = ("--window-start", "2025-01-01T00:00Z", "--window-end", "2025-01-01T00:05Z")

    result = call("preview", write_config(tmp_path), *window, "--watermark", "2025-01-01T00:00Z")

    assert result.exit_code == 2


def test_a_given_window_leaves_out_what_is_outside(tmp_path: Path) -> None:
    """As in a run, points after the window that was asked for are left to others, and points before it are rejects."""
    window = ("--window-start", "2025-01-01T00:00Z", "--window-end", "2025-01-01T00:05Z")
    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path), *window)

    assert 'pod_energy_joules_total{app="shop",pod_name="cart-1"} 10.0' in result.stdout
    assert "left for other windows: 5 points" in result.stderr

    window = ("--window-start", "2025-01-01T02:00Z", "--window-end", "2025-01-01T03:00Z")
    result = call("preview", write_config(tmp_path), "--response", write_answer(tmp_path), *window)

    assert "outside_window" in result.stderr


def test_a_body_that_is_no_document_is_exit_code_1(tmp_path: Path) -> None:
    """The error names the file and what is wrong with it."""
    answer = tmp_path / "answer.json"
    answer.write_text("<html>log in</html>")

    result = call("preview", write_config(tmp_path), "--response", answer)

    assert result.exit_code == 1
    assert "HTML" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_misspelt_walk_is_told_with_what_the_answer_has(tmp_path: Path) -> None:
    """If no walk finds a row, the names of the outermost object help to see why."""
    answer = tmp_path / "answer.json"
    answer.write_text('{"data": [], "status": "ok"}')
    config = write_config(tmp_path, CONFIG.replace('"$.{app}[*]"', '"$.dta.{app}[*]"'))

    result = call("preview", config, "--response", answer)

    assert "the answer has no place for $.dta.{app}[*]: it is an object with data, status" in result.stderr


def test_a_misspelt_walk_further_inside_is_told_with_what_the_answer_has(tmp_path: Path) -> None:
    """If no walk finds a row, though one could be there, the names of the outermost object help to see why."""
    answer = tmp_path / "answer.json"
    answer.write_text('{"data": {"shop": {"rows": []}}, "status": "ok"}')
    config = write_config(tmp_path, CONFIG.replace('"$.{app}[*]"', '"$.data.{app}.row[*]"'))

    result = call("preview", config, "--response", answer)

    assert "no row was found: do the paths of rows fit the answer?" in result.stderr
    assert "It is an object with data, status" in result.stderr


def test_rows_that_a_rule_dropped_are_told(tmp_path: Path) -> None:
    """What relabel rules drop on purpose is counted, so that a rule that drops too much is seen."""
    rule = "relabel: [{source_labels: [app], regex: shop, action: drop}]"
    config = write_config(tmp_path, CONFIG.replace("    metrics:", f"    {rule}\n    metrics:", 1))

    assert "dropped: " in call("preview", config, "--response", write_answer(tmp_path)).stderr


def test_the_name_of_the_file_decides_how_it_is_read(tmp_path: Path) -> None:
    """A file of lines is an array of documents."""
    answer = tmp_path / "answer.ndjson"
    answer.write_text('{"name": "a", "at": "2025-01-01T00:05:00Z", "energy": 1, "power": 1}\n' * 1)
    config = write_config(tmp_path, CONFIG.replace('"$.{app}[*]"', '"$[*]"'))

    result = call("preview", config, "--response", answer, "--format", "points")

    assert len(result.stdout.splitlines()) == 2, result.stderr


def test_points_that_are_not_shown_are_explained(tmp_path: Path) -> None:
    """Points that lie in the future of the run leave the page empty; the hint names their times and --at."""
    head, _, rest = CONFIG.partition("      pod_energy_joules_total:")
    config = write_config(tmp_path, f"{head}      pod_power_watts:{rest.partition('pod_power_watts:')[2]}")

    result = call("preview", config, "--response", write_answer(tmp_path), "--at", "2024-12-31T12:00Z")

    assert "pod_power_watts{" not in result.stdout
    assert "points from 2025-01-01T00:00:00Z to 2025-01-01T00:15:00Z: say with --at" in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/${PREFIX}", "${WHOLE_URL}"])
def test_a_file_needs_no_environment(tmp_path: Path, url: str) -> None:
    """Whoever writes a mapping on a saved answer has no credentials at hand, and none are asked for."""
    config = write_config(tmp_path, CONFIG.replace("http://127.0.0.1:9/api", url))

    result = call("preview", config, "--response", write_answer(tmp_path), "--format", "points")

    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(ENERGY)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--job", "podz"], "there is no job 'podz'; the jobs are pods"),
        (["--window-start", "2025-01-01"], "belong together"),
        (["--window-start", "2025-01-02", "--window-end", "2025-01-01"], "must be before"),
        (["--window-start", "soon", "--window-end", "later"], "is not a time"),
    ],
)
def test_a_wrong_question_is_exit_code_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    """The command line is at fault, and the usage error says how."""
    result = call("preview", write_config(tmp_path), *arguments)

    assert result.exit_code == 2
    assert sentence in result.stderr


def test_an_api_that_does_not_answer_is_exit_code_1(tmp_path: Path) -> None:
    """The error names the source and the address, without a traceback."""
    config = write_config(
        tmp_path,
        CONFIG.replace(
            'energy: {url: "http://127.0.0.1:9/api"}', 'energy: {url: "http://127.0.0.1:9/api", attempts: 1}'
        ),
    )

    result = call("preview", config)

    assert result.exit_code == 1
    assert "energy" in result.stderr
    assert "Traceback" not in result.stderr


def test_it_asks_a_real_api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request to the demo's API gives pods, and no data directory appears."""
    monkeypatch.chdir(tmp_path)
    habits = Habits(settle=parse_duration("10s"), failures=0.0, oddities=0.0)
    with DemoApi(World(), habits).running() as api:
        for name, value in demo_environ(api).items():
            monkeypatch.setenv(name, value)
        result = call("preview", DEMO, "--format", "points")

    assert result.exit_code == 0, result.stderr
    assert "pod_energy_joules_total{" in result.stdout
    assert list(tmp_path.iterdir()) == []


class Paged(BaseHTTPRequestHandler):
    """An API of two pages, the second where a Link header says."""

    def do_GET(self) -> None:
        is_first = "page=2" not in self.path
        rows = [{"name": f"cart-{number}", "power": 1} for number in range(3 if is_first else 1)]
        body = json.dumps({"shop": rows}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if is_first:
            self.send_header("Link", '</pods?page=2>; rel="next"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


def test_pages_are_told_with_their_rows_and_bytes(tmp_path: Path) -> None:
    """An answer that came in pages says how many there were, and what each of them held."""
    text = CONFIG.replace("{get: /pods, params", "{get: /pods, paging: {link: {}}, params")
    with ThreadingHTTPServer(("127.0.0.1", 0), Paged) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            result = call("preview", write_config(tmp_path, text.replace("http://127.0.0.1:9/api", url)))
        finally:
            server.shutdown()

    assert result.exit_code == 0, result.stderr
    lines = result.stderr.splitlines()
    place = lines.index("  2 pages, 4 rows, 148 bytes, 2 requests")
    assert lines[place + 1 : place + 3] == ["    page 1: 3 rows, 106 bytes", "    page 2: 1 rows, 42 bytes"]


@pytest.mark.parametrize(
    ("paging", "beside", "said"),
    [
        ("", {"meta": {"total": 500}}, "$.meta.total is 500, and 3 rows were found: is this all?"),
        ("", {"nextPageToken": "abc"}, "$.nextPageToken names a next page: is this all?"),
        ("paging: {next_url: {path: $.nxt}}, ", {"next": "/p2"}, "nothing stands at $.nxt, which leads to the next"),
    ],
    ids=["a total", "a mark", "a misspelt path"],
)
def test_an_answer_that_is_probably_not_all_is_told(
    tmp_path: Path, paging: str, beside: dict[str, object], said: str
) -> None:
    """Whoever previews reads of further pages of which the config does not know."""
    text = CONFIG.replace("{get: /pods, ", "{get: /pods, " + paging).replace('"$.{app}[*]"', '"$.rows[*]"')
    answer = write_answer(tmp_path, {"rows": ANSWER["shop"][:3], **beside})
    assert said in call("preview", write_config(tmp_path, text), "--response", answer).stderr


@pytest.mark.parametrize("paging", ["", "paging: {cursor: {path: $.next, param: c}}, "])
def test_an_answer_that_is_all_raises_no_doubt(tmp_path: Path, paging: str) -> None:
    """A total that came, and a next page that is null, are no reason to ask."""
    text = CONFIG.replace("{get: /pods, ", "{get: /pods, " + paging).replace('"$.{app}[*]"', '"$.rows[*]"')
    answer = write_answer(tmp_path, {"rows": ANSWER["shop"][:3], "total": 3, "next": None})
    stderr = call("preview", write_config(tmp_path, text), "--response", answer).stderr
    assert "is this all" not in stderr
    assert "misspelt" not in stderr


def test_many_pages_are_told_in_short() -> None:
    """The first ten and the last two pages stand for a hundred."""
    pages = tuple(Answer(200, "", b"x", "") for _ in range(100))
    mapped = MappedRun({}, rows=300, page_rows=(3,) * 100)
    lines = list(page_lines(mapped, Material(pages, 100), is_paged=True))
    assert len(lines) == 1 + 10 + 1 + 2
    assert lines[-3:] == ["    ...", "    page 99: 3 rows, 1 bytes", "    page 100: 3 rows, 1 bytes"]


def test_one_page_is_not_told() -> None:
    """An answer that came at once needs no line."""
    mapped = MappedRun({}, rows=3, page_rows=(3,))
    material = Material((Answer(200, "", b"x", ""),))
    assert list(page_lines(mapped, material, is_paged=False)) == []


def test_one_page_where_there_may_be_several_is_told() -> None:
    """A misspelt path to the next page looks like the last page, so who previews it reads that there is no other."""
    mapped = MappedRun({}, rows=3, page_rows=(3,))
    material = Material((Answer(200, "", b"x", ""),))
    lines = list(page_lines(mapped, material, is_paged=True))
    assert lines == ["  1 page, 3 rows: nothing in it leads to another"]


def test_a_short_period_shows_its_values(tmp_path: Path) -> None:
    """Values whose max_age is shorter than the first zero of a counter lasts are shown, and totals beside them."""
    config = write_config(tmp_path, CONFIG.replace("every: 30m", "every: 5s\n    max_age: 5s"))
    result = call("preview", config, "--response", write_answer(tmp_path), "--at", "2025-01-01T00:20Z")
    assert 'pod_power_watts{app="shop",pod_name="cart-1"} 41.0' in result.stdout
    assert 'pod_energy_joules_total{app="shop",pod_name="cart-1"} 22.5' in result.stdout


@pytest.mark.parametrize(
    ("until", "told", "watts"),
    [
        ('"2025-01-01T00:07:00Z"', "final until 2025-01-01T00:07:00Z", 10.0),
        ("null", "nothing of the answer is final", None),
    ],
)
def test_what_an_answer_calls_final_is_told_and_kept_to(
    tmp_path: Path, until: str, told: str, watts: float | None
) -> None:
    """In a given window only final points are shown, as a run would."""
    text = CONFIG.replace("window: {", "window: {settled_until: $.until, ")
    answer = write_answer(tmp_path)
    answer.write_text(answer.read_text().replace("{", f'{{"until": {until}, ', 1))
    window = ("--window-start", "2025-01-01T00:00Z", "--window-end", "2025-01-01T00:10Z")
    result = call("preview", write_config(tmp_path, text), "--response", answer, *window)
    assert result.exit_code == 0, result.stderr
    assert told in result.stderr
    samples = {
        sample.labels["pod_name"]: sample.value
        for family in text_string_to_metric_families(result.stdout)
        for sample in family.samples
        if sample.name == "pod_energy_joules_total"
    }
    assert samples.get("cart-1") == watts


@contextmanager
def serving(answer: Callable[[], object]) -> Iterator[str]:
    """An API with one answer; gives its host and port."""

    class Api(Paged):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(answer()).encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def test_a_value_of_now_is_shown(tmp_path: Path) -> None:
    """What an API says of the very moment is newer than the last fire time, and no mistake."""
    text = CONFIG.split("    request:")[0] + (
        "    request: {get: /now}\n    time: $.at\n"
        "    metrics: {pod_power_watts: {type: gauge, help: Power drawn by the pod., value: $.power}}\n"
    )

    def now() -> object:
        return {"at": SystemClock().now() / 1000, "power": 5}

    with serving(now) as address:
        result = call("preview", write_config(tmp_path, text.replace("127.0.0.1:9", address)))
    assert "pod_power_watts 5.0" in result.stdout


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("expect: {partial: {equal: {$.whole: false}}}", "something is missing in it ($.whole is"),
        ("window: {step: 5m, settled_until: $.until}", "final until 2025-01-01T00:00:00Z"),
    ],
)
def test_a_window_that_stays_open_is_asked_for_by_the_next_run(tmp_path: Path, window: str, said: str) -> None:
    """Where the answer says that it is not whole, or not final, the next run begins where this one did."""
    text = CONFIG.replace("window: {step: 5m, delay: 10m}", window)
    body = {"whole": False, "until": "2025-01-01T00:00:00Z", "shop": []}
    with serving(lambda: body) as address:
        result = call("preview", write_config(tmp_path, text.replace("127.0.0.1:9", address)))
    lines = result.stderr.splitlines()
    start = lines[1].split()[1].split("..")[0]
    assert f"would ask for {start}.." in lines[2]
    assert said in result.stderr


def test_points_of_another_time_are_told_with_what_may_be_wrong(tmp_path: Path) -> None:
    """An answer to this very run whose points lie far away was read with the wrong format, or at the wrong place."""
    body = {"shop": [{"name": "cart-1", "at": 1767225600, "energy": 1, "power": 1}]}
    text = CONFIG.replace("interval: 5m}", "interval: 5m, format: unix_ms}")
    with serving(lambda: body) as address:
        result = call("preview", write_config(tmp_path, text.replace("127.0.0.1:9", address)))
    assert "points from 1970-01-21T" in result.stderr
    assert "do time, its format and timezone fit the answer" in result.stderr
