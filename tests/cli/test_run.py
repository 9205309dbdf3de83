"""``timepoint run`` as a person runs it: real processes on free ports of the loopback."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.system.support import PATIENCE, DemoApi, Exporter, demo_environ, get, wait_for
from timepoint.clock import DAY, parse_duration
from timepoint.demo.api import Habits
from timepoint.demo.world import World

pytestmark = pytest.mark.system

DEMO = Path(__file__).resolve().parent.parent.parent / "src" / "timepoint" / "demo" / "pod-energy.yaml"
TIMEPOINT = (sys.executable, "-m", "timepoint")
ENERGY = "pod_energy_joules_total"


@pytest.fixture(scope="module")
def api() -> Iterator[DemoApi]:
    """The demo's API, without its faults, and with pods that do not end while a test compares two pages."""
    habits = Habits(settle=parse_duration("10s"), failures=0.0, oddities=0.0)
    with DemoApi(World(lifetime=1000 * DAY), habits).running() as running:
        yield running


@contextmanager
def running(api: DemoApi, directory: Path) -> Iterator[Exporter]:
    """An exporter on the API, ended with the block."""
    exporter = Exporter(DEMO, directory / "data", demo_environ(api))
    exporter.start()
    try:
        yield exporter
    finally:
        assert exporter.process is not None
        if exporter.process.poll() is None:
            exporter.kill()


def call(api: DemoApi, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself, in a process of its own."""
    command = [*TIMEPOINT, *map(str, arguments)]
    environ = {**os.environ, **demo_environ(api)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)


def children(exporter: Exporter) -> dict[str, int]:
    """The process ids by the name of the child, from the log."""
    return {str(line["child"]): int(line["pid"]) for line in exporter.log("child_started")}


def shows_energy(exporter: Exporter) -> bool:
    """Whether the page has pods."""
    return any(name == ENERGY for name, _ in exporter.samples())


def test_it_polls_and_serves_and_ends_on_sigterm(api: DemoApi, tmp_path: Path) -> None:
    """One command: ready, pods on the page, one line that says where to look, and an end in which nobody is killed."""
    with running(api, tmp_path) as exporter:
        assert shows_energy(exporter)
        listening = exporter.log("listening")
        status = exporter.stop()

    assert [line["open"] for line in listening] == [f"{exporter.url}/"]
    assert status == 0
    # That a loop came late, as on a machine that does much else, is a warning and right.
    told = [line for line in exporter.log() if line["event"] != "loop_stalled"]
    assert not [line for line in told if line["level"] in ("warning", "error")]


def test_a_restart_serves_the_last_state_at_once(api: DemoApi, tmp_path: Path) -> None:
    """The first answer after SIGKILL holds the series from before, with totals that did not fall."""
    with running(api, tmp_path) as exporter:
        before = {key: value for key, value in exporter.samples().items() if key[0] == ENERGY}
        exporter.kill_all()  # or the server of before would give that answer, and end in the next one
        exporter.start(wait=False)
        wait_for("the port to answer", lambda: answers(exporter))
        after = {key: value for key, value in exporter.samples().items() if key[0] == ENERGY}

    assert before
    assert before.keys() <= after.keys()
    assert all(after[key] >= value for key, value in before.items())


def answers(exporter: Exporter) -> bool:
    """Whether a page comes at all."""
    try:
        return get(f"{exporter.url}/metrics")[0] == 200
    except OSError:
        return False


def test_a_second_instance_is_refused(api: DemoApi, tmp_path: Path) -> None:
    """Exit code 75 and a sentence that names the directory; the first goes on (A34, X6)."""
    with running(api, tmp_path) as exporter:
        second = call(api, "run", DEMO, f"--data-dir={exporter.data_dir}", "--web.listen-address=127.0.0.1:0")
        alive = get(f"{exporter.url}/-/healthy")[0]

    assert second.returncode == 75
    assert f"data directory {str(exporter.data_dir)!r} is in use by another timepoint" in second.stderr
    assert "Traceback" not in second.stderr
    assert alive == 200


def test_a_taken_port_is_named_plainly(api: DemoApi, tmp_path: Path) -> None:
    """Exit code 1, the port, and what to do; no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        address = f"--web.listen-address=127.0.0.1:{port}"
        result = call(api, "run", DEMO, f"--data-dir={tmp_path / 'data'}", address)

    assert result.returncode == 1
    assert f"port {port} is taken by another program" in result.stderr
    assert "--web.listen-address" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_killed_poller_leaves_the_metrics_served_and_comes_back(api: DemoApi, tmp_path: Path) -> None:
    """After kill -9 of the poller each scrape still has the pods; the supervisor starts another one (X5, X8)."""
    with running(api, tmp_path) as exporter:
        first = children(exporter)["poller"]
        os.kill(first, signal.SIGKILL)
        wait_for("the poller to be missed", lambda: exporter.log("child_died"))
        served = shows_energy(exporter)
        wait_for("another poller", lambda: children(exporter)["poller"] != first)

    assert served


def test_a_killed_server_comes_back_on_the_same_port(api: DemoApi, tmp_path: Path) -> None:
    """Connections that come meanwhile wait in the queue of the socket instead of being refused (X5, X8)."""
    with running(api, tmp_path) as exporter:
        os.kill(children(exporter)["server"], signal.SIGKILL)
        wait_for("the server to be missed", lambda: exporter.log("child_died"))

        status, _ = get(f"{exporter.url}/metrics")

    assert status == 200


def test_a_poller_that_stands_still_delays_no_scrape(api: DemoApi, tmp_path: Path) -> None:
    """With the poller stopped in the middle of whatever it does, whole pages come: none waits for it (X9)."""
    with running(api, tmp_path) as exporter:
        poller = children(exporter)["poller"]
        os.kill(poller, signal.SIGSTOP)
        try:
            for _ in range(50):
                scrape(exporter)
            served = shows_energy(exporter)
        finally:
            os.kill(poller, signal.SIGCONT)

    assert served


def scrape(exporter: Exporter) -> None:
    """Returns when a whole page has come."""
    status, page = get(f"{exporter.url}/metrics", {"Accept-Encoding": "gzip"})
    assert (status, gzip.decompress(page)[-1:]) == (200, b"\n")


def test_no_process_outlives_the_parent(api: DemoApi, tmp_path: Path) -> None:
    """After kill -9 of the process that a person started, the port is free and no child is left."""
    with running(api, tmp_path) as exporter:
        pids = children(exporter).values()
        exporter.kill()

        wait_for("the children to end", lambda: not any(psutil.pid_exists(pid) for pid in pids))
        with socket.create_server(("127.0.0.1", exporter.port)):
            pass


def test_poll_once_and_serve_work_without_each_other(api: DemoApi, tmp_path: Path) -> None:
    """What a CronJob polled is served by another process, which is ready at once and needs no poller."""
    environ = {**os.environ, **demo_environ(api)}
    arguments = [str(DEMO), f"--data-dir={tmp_path / 'data'}", "--log.format=json"]
    polled = call(api, "poll", "--once", *arguments)
    exporter = Exporter(DEMO, tmp_path / "data", demo_environ(api))
    command = [*TIMEPOINT, "serve", *arguments]
    with exporter.log_path.open("ab") as log:
        exporter.process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{exporter.port}"], env=environ, stderr=log
        )
    try:
        wait_for("the server to be ready", exporter.ready)
        served = shows_energy(exporter)
        health = get(f"{exporter.url}/-/healthy")[0]
        status = exporter.stop()
    finally:
        exporter.process.kill()
        exporter.process.wait()

    assert polled.returncode == 0, polled.stderr
    assert (served, health, status) == (True, 200, 0)


def test_it_ends_as_process_1(api: DemoApi, tmp_path: Path) -> None:
    """As the first process of a container, to which signals without a handler do not come, SIGTERM ends it too (X3)."""
    unshare = shutil.which("unshare")
    in_namespace = [str(unshare), "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if unshare is None or subprocess.run([*in_namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a PID namespace cannot be made here (unshare)")
    exporter = Exporter(DEMO, tmp_path / "data", demo_environ(api))
    command = [*in_namespace, *TIMEPOINT, "run", str(DEMO), f"--data-dir={exporter.data_dir}"]
    with exporter.log_path.open("ab") as log:
        exporter.process = subprocess.Popen(
            [*command, f"--web.listen-address=127.0.0.1:{exporter.port}", "--log.format=json"],
            env={**os.environ, **exporter.environ},
            stderr=log,
        )
    try:
        wait_for("the exporter to be ready", exporter.ready)
        first = psutil.Process(exporter.process.pid).children()[0]
        first.send_signal(signal.SIGTERM)
        exporter.process.wait(PATIENCE)
    finally:
        exporter.process.kill()
        exporter.process.wait()

    assert [line["killed"] for line in exporter.log("stopped")] == [False]
