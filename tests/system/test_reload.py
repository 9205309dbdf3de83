"""Reloads of the whole program: real signals, real requests, processes that die in between."""

from __future__ import annotations

import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.system.support import Exporter, milliseconds, wait_for

HEAD = "sources:\n  api: {{url: 'http://127.0.0.1:{port}'}}\njobs:\n"
JOB = """
  {name}:
    source: api
    every: {every}
    jitter: 0s
    request: {{get: /{name}, params: {{start: "{{window.start:unix}}", end: "{{window.end:unix}}"}}}}
    window: {{step: 1s, delay: 1s, initial: {initial}}}
    rows: {{r: "$[*]"}}
    time: {{at: $r.t, interval: 1s, format: unix}}
    labels: {{of: {of}}}
    max_age: 1095d
    metrics:
      {name}_joules_total: {{type: counter, temporality: delta, help: Energy., value: $r.v, zero_first: 0s}}
"""
ONCE = "365d"
"""A period of which none ends in a test, as an hour may."""
GOOD, SUCCESSFUL = "config_reloaded", ("timepoint_config_last_reload_successful", ())


class Api(ThreadingHTTPServer):
    """An API that has 1 for each second of the window it is asked for. ``paths`` are those that were asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths: list[str] = []
        self.may_answer = threading.Event()
        self.may_answer.set()


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.paths.append(path.strip("/"))
        self.server.may_answer.wait(120)
        wanted = dict(pair.split("=") for pair in query.split("&"))
        body = str([{"t": at, "v": 1} for at in range(int(wanted["start"]), int(wanted["end"]))]).replace("'", '"')
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Says nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    """The API, in threads of this process."""
    with Api() as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.may_answer.set()
        served.shutdown()


class Reloaded(Exporter):
    """An exporter whose config is edited."""

    def __init__(self, directory: Path, api: Api) -> None:
        super().__init__(directory / "config.yaml", directory / "data", {}, ["--web.enable-lifecycle"])
        self.api = api

    def write(self, **jobs: str | dict[str, str]) -> None:
        """Makes the file one of these jobs: by name the period, or options. In one step, as a careful editor does."""
        options = {"every": "2s", "initial": "10s", "of": "a"}
        given = {name: {"every": job} if isinstance(job, str) else job for name, job in jobs.items()}
        text = HEAD.format(port=self.api.server_port)
        self.write_text(text + "".join(JOB.format(name=name, **{**options, **job}) for name, job in given.items()))

    def write_text(self, text: str) -> None:
        beside = self.config.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.config)

    def post(self) -> tuple[int, str]:
        """POST /-/reload."""
        request = urllib.request.Request(f"{self.url}/-/reload", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def hang_up(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def until_logged(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The lines of an event, once there are as many."""
        return wait_for(f"{count} x {event}", lambda: found if len(found := self.log(event)) >= count else None)

    def total(self, job: str, of: str = "a") -> float | None:
        return self.samples().get((f"{job}_joules_total", (("of", of),)))


@pytest.fixture
def exporter(tmp_path: Path, api: Api) -> Iterator[Reloaded]:
    """An exporter that is not started yet; nothing of it is left."""
    made = Reloaded(tmp_path, api)
    yield made
    api.may_answer.set()
    if made.process is not None and made.process.poll() is None:
        made.kill()


def test_jobs_come_and_go_by_signal_and_by_request(exporter: Reloaded) -> None:
    """A new job is polled and shown, a removed one leaves the page, the one in both is polled on."""
    exporter.write(one="2s")
    exporter.start()
    exporter.write(one="2s", two="2s")
    assert exporter.post() == (200, "The config was reloaded. 2 jobs: 1 new (two), 1 as before.\n")
    wait_for("the new job's total", lambda: exporter.total("two"))
    exporter.write(two="2s")
    exporter.hang_up()
    assert exporter.until_logged(GOOD, 2)[1]["removed"] == "one"
    wait_for("the removed job to leave", lambda: exporter.total("one") is None)
    _until_grown(exporter, "two")
    assert exporter.stop() == 0


def test_a_bad_file_changes_nothing_and_is_told_everywhere(exporter: Reloaded) -> None:
    """The answer and the log have the problem with its place, the metric is 0, the job runs on (C1)."""
    exporter.write(one="2s")
    exporter.start()
    good = exporter.config.read_text()
    exporter.write_text(good + "    evry: 2s\n  two: [\n")
    status, text = exporter.post()
    assert status == 500
    assert f"{exporter.config}:" in text
    exporter.hang_up()
    exporter.until_logged("config_unusable", 2)
    wait_for("the metric to say so", lambda: exporter.samples()[SUCCESSFUL] == 0)
    _until_grown(exporter, "one")
    exporter.write_text(good)
    assert exporter.post()[0] == 200
    wait_for("the metric to be well", lambda: exporter.samples()[SUCCESSFUL] == 1)
    assert exporter.stop() == 0


def test_a_pipe_in_place_of_the_file_is_refused_and_not_waited_for(exporter: Reloaded) -> None:
    """Nobody writes into it: who read it would wait for ever, and no later reload would come through."""
    exporter.write(one="2s")
    exporter.start()
    good = exporter.config.read_text()
    exporter.config.unlink()
    os.mkfifo(exporter.config)
    status, text = exporter.post()
    assert status == 500
    assert "is a pipe or a device" in text
    exporter.write_text(good)
    assert exporter.post()[0] == 200
    assert exporter.stop() == 0


@pytest.mark.parametrize("child", ["poller", "server"])
def test_a_process_that_dies_goes_on_with_what_is_in_force(exporter: Reloaded, child: str) -> None:
    """Not with what it was started with, nor with what stands in the file by then."""
    exporter.write(one="2s")
    exporter.start()
    exporter.write(one="2s", two="2s")
    assert exporter.post()[0] == 200
    exporter.write_text("half a fi")
    assert exporter.post()[0] == 500
    before = wait_for("a first total", lambda: exporter.total("two"))
    os.kill(exporter.pid(child), signal.SIGKILL)
    exporter.until_logged("child_started", 3)
    wait_for("the new job to run on", lambda: _grown(exporter, "two", before))
    assert exporter.total("one") is not None
    assert exporter.samples()[SUCCESSFUL] == 0, "the file is still bad"
    assert exporter.stop() == 0


def _until_grown(exporter: Reloaded, job: str) -> None:
    before = exporter.total(job) or 0
    wait_for("a run of the job", lambda: _grown(exporter, job, before))


def _adds_up(exporter: Reloaded, job: str) -> bool:
    """Points of the API are 1 each."""
    counted: int = sum(run["new"] for run in exporter.accepted() if run["job"] == job)
    return exporter.total(job) == counted


def _grown(exporter: Reloaded, job: str, before: float) -> bool:
    try:
        return (exporter.total(job) or 0) > before
    except OSError:  # the server is just being started
        return False


def test_a_total_counts_each_second_once_over_a_storm_of_reloads(exporter: Reloaded) -> None:
    """Signals as fast as they go, while a job is polled each second and another changes each time (C10, X4)."""
    exporter.write(one="1s", two="1s")
    exporter.start()
    assert exporter.process is not None
    end = time.monotonic() + 6
    signals = 0
    while time.monotonic() < end:
        exporter.write(one="1s", two={"every": "1s", "initial": f"{10 + signals % 2}s"})
        for _ in range(20):
            exporter.hang_up()
            signals += 1
        time.sleep(0.02)  # the pace of the storm, not a wait
    exporter.write(one="1s", two="1s")
    assert exporter.post()[0] == 200
    for job in ("one", "two"):
        _until_grown(exporter, job)
        runs = [run for run in exporter.accepted() if run["job"] == job]
        assert [run["window_start"] for run in runs][1:] == [run["window_end"] for run in runs][:-1]
    wait_for("the total to be what the runs counted", lambda: _adds_up(exporter, "one") and _adds_up(exporter, "two"))
    assert 1 <= len(exporter.log(GOOD)) < signals / 10
    assert not [line for line in exporter.log() if line["level"] == "error"]
    assert exporter.stop() == 0


def test_a_poller_that_is_killed_in_reloads_counts_each_second_once(exporter: Reloaded) -> None:
    """Kill -9 in a reload: the next poller has one config or the other, and no total is wrong (C10, X1)."""
    exporter.write(one="1s", two="1s")
    exporter.start()
    for turn in range(4):
        exporter.write(one="1s", two={"every": "1s", "initial": f"{10 + turn % 2}s"})
        exporter.hang_up()
        time.sleep(0.03 * turn)  # where in the reload it dies
        os.kill(exporter.pid("poller"), signal.SIGKILL)
        exporter.until_logged("child_started", 3 + turn)
    exporter.write(one="1s", two="1s")
    assert exporter.post()[0] == 200
    wait_for("totals that are what the windows span", lambda: _spans(exporter, "one") and _spans(exporter, "two"))
    assert exporter.stop() == 0


def _spans(exporter: Reloaded, job: str) -> bool:
    """Whether the total is one for each second between the first window's start and the newest one's end."""
    runs = [run for run in exporter.accepted() if run["job"] == job]
    span = milliseconds(runs[-1]["window_end"]) - milliseconds(runs[0]["window_start"])
    return exporter.total(job) == span / 1000


def test_a_removed_job_that_comes_back_counts_nothing_twice(exporter: Reloaded) -> None:
    """Its windows go on where they were, whatever was missed is caught up (C6)."""
    exporter.write(one="1s", two="1s")
    exporter.start()
    first = wait_for("a first total", lambda: exporter.total("two"))
    exporter.write(one="1s")
    assert exporter.post()[0] == 200
    wait_for("it to leave", lambda: exporter.total("two") is None)
    exporter.write(one="1s", two="1s")
    assert exporter.post()[0] == 200
    wait_for("it to come back", lambda: (exporter.total("two") or 0) > first)
    runs = [run for run in exporter.accepted() if run["job"] == "two" and run["outcome"] == "ok"]
    assert [run["window_start"] for run in runs][1:] == [run["window_end"] for run in runs][:-1]
    assert exporter.stop() == 0


def test_a_job_with_other_labels_has_other_totals(exporter: Reloaded) -> None:
    """The old series leaves, the new one counts from its own first window on, and they are never one (C5)."""
    exporter.write(one="1s")
    exporter.start()
    wait_for("a first total", lambda: exporter.total("one"))
    exporter.write(one={"every": "1s", "of": "b"})
    assert exporter.post()[1] == "The config was reloaded. 1 job: 1 changed (one).\n"
    wait_for("the other series", lambda: exporter.total("one", "b"))
    wait_for("the first to leave", lambda: exporter.total("one") is None)
    assert exporter.stop() == 0


def test_a_run_under_way_ends_or_begins_again_but_is_never_lost(exporter: Reloaded, api: Api) -> None:
    """The job that is as before gets its answer; the changed one asks again at once; the removed one does not."""
    exporter.write(same=ONCE, changed=ONCE, gone=ONCE)
    api.may_answer.clear()
    exporter.start(wait=False)
    wait_for("three requests", lambda: len(api.paths) == 3)
    exporter.write(same=ONCE, changed={"every": ONCE, "initial": "20s"})
    assert exporter.post()[0] == 200
    wait_for("a fourth request", lambda: len(api.paths) == 4)
    api.may_answer.set()
    wait_for("both totals", lambda: exporter.total("same") and exporter.total("changed"))
    assert sorted(api.paths) == ["changed", "changed", "gone", "same"]
    assert (exporter.total("same"), exporter.total("changed"), exporter.total("gone")) == (10, 20, None)
    assert exporter.stop() == 0


def test_the_end_does_not_wait_for_a_reload(exporter: Reloaded) -> None:
    """SIGTERM in the middle of reloads ends all within its time, and nobody has to be killed (X3)."""
    exporter.write(one="1s")
    exporter.start()
    for _ in range(50):
        exporter.hang_up()
    assert exporter.stop() == 0
    assert [line["killed"] for line in exporter.log("stopped")] == [False]
