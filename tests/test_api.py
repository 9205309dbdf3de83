from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import re
import runpy
import select
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import timepoint
from timepoint import Counter, Exporter, Gauge, JobWindow, Point
from timepoint.clock import HOUR, MINUTE, SystemClock
from timepoint.job import GuardSpec
from timepoint.mapping.stamps import Length
from timepoint.poller.runner import Runner
from timepoint.request.spec import WindowSpec
from timepoint.testing import FakeClock, fake_surroundings, published_page, read_samples

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "python_api.py"
PAGE = ROOT / "docs" / "python-api.md"
TOTAL = Counter("x_joules_total", "Energy.")

YAML = """
sources: {{api: {{url: "http://127.0.0.1:9"}}}}
jobs:
  {job}:
    source: api
    every: 30m
    request: {{get: /}}
    metrics:
      {metric}: {{type: gauge, help: Energy., value: $.x}}
"""


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """What runs an exporter in this process sets up the logging of the process."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], root.level, logging.raiseExceptions = saved


def _ones(window: JobWindow) -> Iterable[Point]:
    for start, end in window.steps("5m"):
        yield Point("x_joules_total", 1, {"pod": "a"}, start=start, end=end)


def _exporter(function: Callable[[JobWindow], Any] = _ones, **options: Any) -> Exporter:
    exporter = Exporter()
    common = {"every": "30m", "jitter": "0s", "step": "5m", "delay": "10m", "metrics": [TOTAL], "name": "x"}
    exporter.job(**(common | options))(function)
    return exporter


def _run_once(exporter: Exporter, directory: Path, clock: FakeClock) -> Runner:
    runner = Runner(exporter.workload(), fake_surroundings(directory, clock))
    asyncio.run(runner.run_once())
    return runner


def _samples(directory: Path, clock: FakeClock) -> dict[str, float]:
    return read_samples(published_page(directory, clock.now() + 2 * MINUTE))


def test_the_public_names_are_a_list() -> None:
    """What the package promises is in its list, and everything in the list can be imported."""
    assert timepoint.__all__ == ["Counter", "Exporter", "Gauge", "JobWindow", "Point", "__version__"]
    assert all(getattr(timepoint, name) is not None for name in timepoint.__all__)
    assert dir(timepoint) == timepoint.__all__
    with pytest.raises(AttributeError, match="no attribute 'Metric'"):
        _ = timepoint.Metric


def test_the_points_of_a_function_are_counted_and_shown(tmp_path: Path) -> None:
    """A decorated function is a job: its window is one period, less the delay, and the page shows its sum."""
    clock = FakeClock()
    windows: list[JobWindow] = []

    def function(window: JobWindow) -> Iterable[Point]:
        windows.append(window)
        return _ones(window)

    _run_once(_exporter(function), tmp_path, clock)
    nine = datetime(2026, 1, 1, 9, tzinfo=UTC)
    assert windows == [JobWindow(nine.replace(minute=20), nine.replace(minute=50))]
    assert _samples(tmp_path, clock)['x_joules_total{pod="a"}'] == 6


def test_the_help_tells_how_a_metric_is_got(tmp_path: Path) -> None:
    """HELP ends with period, job and delay, as for jobs of a config file."""
    clock = FakeClock()
    _run_once(_exporter(), tmp_path, clock)
    page = published_page(tmp_path, clock.now())
    assert "# HELP x_joules_total Energy. (polled every 30m by x, delayed 10m)" in page


def test_a_gauge_shows_what_it_is_told(tmp_path: Path) -> None:
    """A gauge with points=mean shows the mean of the window."""
    clock = FakeClock()

    def function(window: JobWindow) -> Iterable[Point]:
        for number, (start, _) in enumerate(window.steps("5m")):
            yield Point("x_ratio", number, at=start)

    _run_once(_exporter(function, metrics=[Gauge("x_ratio", "A share.", points="mean")]), tmp_path, clock)
    assert _samples(tmp_path, clock)["x_ratio"] == 2.5


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("text", "not_a_point"),
        (Point("y_total", 1), "unknown_metric"),
        (Point("x_joules_total", "12"), "not_a_number"),  # type: ignore[arg-type] # what a careless function does
        (Point("x_joules_total", None), "not_a_number"),  # type: ignore[arg-type] # likewise
        (Point("x_joules_total", 10**400), "out_of_range"),
        (Point("x_joules_total", -1), "negative"),
        (Point("x_joules_total", float("nan")), "not_finite"),
        (Point("x_joules_total", 1, {"job": "a"}), "not_a_label"),
        (Point("x_joules_total", 1, {"a b": "a"}), "not_a_label"),
        (Point("x_joules_total", 1, {"a": ["b"]}), "not_a_label"),  # type: ignore[dict-item] # likewise
        (Point("x_joules_total", 1, 7), "not_a_label"),  # type: ignore[arg-type] # likewise
        (Point("x_joules_total", 1, at=datetime(2026, 1, 1)), "not_a_time"),  # noqa: DTZ001 - that is the mistake
        (Point("x_joules_total", 1, at=1_767_261_600_000), "not_a_time"),
        (Point("x_joules_total", 1, start=1), "not_a_time"),
        (Point("x_joules_total", 1, start=1, end=2, at=3), "not_a_time"),
        (Point("x_joules_total", 1, start=2, end=1), "not_an_interval"),
    ],
)
def test_a_bad_point_costs_itself_alone(tmp_path: Path, bad: Any, reason: str) -> None:
    """Whatever is wrong with a point, it is a reject with its reason, and the others count."""
    clock = FakeClock()
    runner = _run_once(_exporter(lambda window: [bad, *_ones(window)]), tmp_path, clock)
    assert runner.tallies["x"].rejects.counts == {reason: 1}
    assert runner.tallies["x"].rejects.examples[reason][0].startswith("point 0: ")
    assert _samples(tmp_path, clock)['x_joules_total{pod="a"}'] == 6


def test_points_of_one_interval_are_one_or_rejects(tmp_path: Path) -> None:
    """The same value twice is one point; another value for the same interval is a reject."""
    clock = FakeClock()

    def function(window: JobWindow) -> list[Point]:
        points = list(_ones(window))
        first = points[0]
        return [*points, first, Point(first.metric, 2, first.labels, start=first.start, end=first.end)]

    runner = _run_once(_exporter(function), tmp_path, clock)
    assert runner.tallies["x"].rejects.counts == {"duplicate_point": 1}
    assert _samples(tmp_path, clock)['x_joules_total{pod="a"}'] == 6


def test_an_exception_fails_the_run_and_names_its_place(tmp_path: Path) -> None:
    """Nothing of a broken run is used; the error says what was raised and where."""
    clock = FakeClock()

    def function(window: JobWindow) -> Iterable[Point]:
        yield from _ones(window)
        raise LookupError("no such meter")

    runner = _run_once(_exporter(function), tmp_path, clock)
    report = runner.tallies["x"].last
    assert report is not None
    assert (report.outcome, report.reason, report.points) == ("source_error", "function", 0)
    assert re.fullmatch(r"the function raised LookupError: no such meter \(.*test_api\.py:\d+\)", report.error)


async def _async_function(window: JobWindow) -> list[Point]:
    return []


async def _async_generator(window: JobWindow) -> AsyncIterator[Point]:
    yield Point("x_joules_total", 1)


@pytest.mark.parametrize("function", [_async_function, _async_generator])
def test_an_async_function_is_refused(function: Any) -> None:
    """A function has a thread of its own: it may block, and need not be async."""
    with pytest.raises(ValueError, match="not an async one"):
        _exporter(function)


def test_a_function_without_yield_is_told_so(tmp_path: Path) -> None:
    """To forget the yield is a mistake that the run names."""
    runner = _run_once(_exporter(lambda window: None), tmp_path, FakeClock())
    report = runner.tallies["x"].last
    assert report is not None
    assert "let it yield points" in report.error


def test_run_refuses_a_program_with_threads(tmp_path: Path) -> None:
    """A fork beside threads would not be safe: the error says what to do."""
    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="before any other thread"):
            _exporter().run(data_dir=tmp_path)
    finally:
        release.set()
        thread.join()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": None}, "either every or cron"),
        ({"cron": "0 * * * *"}, "either every or cron"),
        ({"every": "0s"}, "every: must be longer than 0s"),
        ({"every": "half an hour"}, "every: 'half an hour' is not a duration"),
        ({"every": None, "cron": "61 * * * *"}, "is not a cron expression"),
        ({"every": None, "cron": "0 * * * *", "timezone": "Berlin"}, "did you mean Europe/Berlin"),
        ({"delay": "10"}, "delay: '10' is not a duration"),
        ({"metrics": []}, "declares no metrics"),
        ({"step": "2 days"}, "step: '2 days' is no step: write day"),
        ({"step": "day", "max_span": "1d"}, "max_span: must not be shorter than step, day"),
        ({"step": "5m", "overlap": "7m"}, "overlap: must be a multiple of step, 5m"),
        ({"timezone": "Berlin"}, "timezone: 'Berlin' is not a time zone"),
        ({"name": "a/b"}, "is not a name here"),
        ({"metrics": [Counter("x", "X.")]}, "ends in _total"),
        ({"metrics": [Counter("x_total", "X.", unit="joules")]}, "call it x_joules_total"),
        ({"metrics": [Counter("x_total", " ")]}, "help must say"),
        ({"metrics": [Counter("timepoint_x_total", "X.")]}, "exporter's own"),
        ({"metrics": [Counter("x_total", "X.", temporality="sum")]}, "delta or cumulative"),
        ({"metrics": [Gauge("x", "X.", points="all")]}, "points is one of last"),
    ],
)
def test_what_cannot_work_is_refused_where_it_stands(options: dict[str, Any], message: str) -> None:
    """A mistake in a declaration is a ValueError with a sentence about it."""
    with pytest.raises(ValueError, match=re.escape(message)):
        _exporter(**options)


def test_a_function_may_be_called_for_days_of_a_calendar() -> None:
    """The words of a window mean what they do in a config file."""
    [job] = _exporter(step="day", align="6h", timezone="Europe/Berlin", max_span="7 days", delay="0s").jobs()
    expected = WindowSpec(step=Length(days=1), align=6 * HOUR, timezone="Europe/Berlin", max_span=Length(days=7))
    assert job.window == expected
    assert job.metrics["x_joules_total"].max_age == 3 * 25 * HOUR


def test_a_job_is_declared_once() -> None:
    """Two functions cannot be one job."""
    exporter = _exporter()
    with pytest.raises(ValueError, match="there is a job 'x' already"):
        exporter.job(every="1m", metrics=[TOTAL], name="x")(_ones)


def test_jobs_of_a_config_file_stand_beside(tmp_path: Path) -> None:
    """The jobs of both are run; what they cannot share is refused."""
    config = tmp_path / "config.yaml"
    config.write_text(YAML.format(job="y", metric="y_joules"))
    assert [job.name for job in _exporter().jobs(config)] == ["y", "x"]
    config.write_text(YAML.format(job="x", metric="y_joules"))
    with pytest.raises(ValueError, match="has a job 'x' too"):
        _exporter().jobs(config)
    config.write_text(YAML.format(job="y", metric="x_joules"))
    with pytest.raises(ValueError, match="both take the name x_joules"):
        _exporter().jobs(config)
    gauge = _exporter(metrics=[Gauge("y_joules", "Energy.", unit="joules")])
    config.write_text(YAML.format(job="y", metric="y_joules"))
    with pytest.raises(ValueError, match="another type or unit in another job"):
        gauge.jobs(config)


def _fill_database(start: int, end: int) -> None:
    """The table of the example in the working directory: 100 joules in each five minutes. Seconds since the epoch."""
    with contextlib.closing(sqlite3.connect("readings.sqlite")) as database, database:
        database.execute("CREATE TABLE readings (meter TEXT, start INTEGER, end INTEGER, joules REAL)")
        for at in range(start, end, 300):
            database.execute("INSERT INTO readings VALUES ('a', ?, ?, 100)", (at, at + 300))


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The example counts what stands in its database."""
    monkeypatch.chdir(tmp_path)
    now = SystemClock().now() // MINUTE * 60
    half_past = now - now % 1800
    _fill_database(half_past - 3 * 3600, half_past + 3600)  # half an hour may end before it is polled
    exporter: Exporter = runpy.run_path(str(EXAMPLE))["exporter"]
    assert exporter.poll_once(data_dir=tmp_path / "data") == 0
    assert "event=run job=meters outcome=ok" in capsys.readouterr().err
    later = SystemClock().now() + 2 * MINUTE
    samples = read_samples(published_page(tmp_path / "data" / "published", later))
    assert samples['meter_energy_joules_total{meter="a"}'] == 600


def test_the_documentation_shows_the_example_as_it_is() -> None:
    """The page holds the whole example, word for word, and names every option of a job."""
    page = PAGE.read_text()
    assert EXAMPLE.read_text() in page
    options = inspect.signature(Exporter.job).parameters.keys() - {"self"}
    assert [option for option in sorted(options) if f"`{option}`" not in page] == []


def test_the_test_in_the_documentation_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page says about testing a job is true."""
    monkeypatch.chdir(tmp_path)
    noon = round(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp())
    _fill_database(noon - 4 * 3600, noon)
    [block] = re.findall(r"```python\n((?:(?!```).)*def test_meters.*?)```", PAGE.read_text(), re.DOTALL)
    names = {"exporter": runpy.run_path(str(EXAMPLE))["exporter"]}
    exec(block, names)
    names["test_meters"](tmp_path / "published")


SCRIPT = """
import sys
from timepoint import Counter, Exporter, Point

exporter = Exporter()

@exporter.job(every="1s", step="100ms", metrics=[Counter("x_joules_total", "Energy.", zero_first="0s")])
def x(window):
    for start, end in window.steps("100ms"):
        yield Point("x_joules_total", 1, start=start, end=end)

sys.exit(exporter.run(sys.argv[1], listen="127.0.0.1:0", data_dir=sys.argv[2]))
"""


@pytest.mark.system
def test_run_serves_python_and_yaml_side_by_side(tmp_path: Path) -> None:
    """One exporter shows the counter of the function and the state of the YAML job; SIGTERM ends it well."""
    config = tmp_path / "config.yaml"
    config.write_text(YAML.format(job="y", metric="y_joules"))
    command = [sys.executable, "-c", SCRIPT, str(config), str(tmp_path / "data")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as exporter:
        try:
            url = _address(exporter) + "metrics"
            give_up = time.monotonic() + 120
            page = ""
            failed = re.compile(r'job_name="y",outcome="source_error"} [1-9]')
            while "\nx_joules_total " not in page or not failed.search(page):
                assert time.monotonic() < give_up, page
                page = urllib.request.urlopen(url).read().decode()
        finally:
            exporter.send_signal(signal.SIGTERM)
        assert exporter.wait(timeout=120) == 0


def _address(exporter: subprocess.Popen[bytes]) -> str:
    """The address in the log of an exporter that starts."""
    assert exporter.stderr is not None
    log = b""
    while (match := re.search(rb"open=(\S+/) ", log)) is None:
        ready, _, _ = select.select([exporter.stderr], [], [], 120)
        assert ready, log
        log += os.read(exporter.stderr.fileno(), 4096)
    return match[1].decode()


@pytest.mark.parametrize(
    ("said", "wrong"), [({"min_series_ratio": 50}, "between 0 and 1"), ({"max_series": 0}, "least 1")]
)
def test_limits_that_cannot_be(said: dict[str, Any], wrong: str) -> None:
    """A share is no percentage, and a job without series makes nothing."""
    with pytest.raises(ValueError, match=wrong):
        Exporter().job(every="30m", metrics=[Counter("x_total", "Energy.")], **said)


def test_limits_of_a_function() -> None:
    """A function is believed as an API is, and has the same budget."""
    exporter = Exporter()

    @exporter.job(every="30m", metrics=[Counter("x_total", "Energy.")], min_series_ratio=0.5, max_series=7)
    def energy(_window: JobWindow) -> list[Point]:
        return []

    [job] = exporter.jobs()
    assert (job.guard, job.max_series) == (GuardSpec(0.5, 3), 7)
