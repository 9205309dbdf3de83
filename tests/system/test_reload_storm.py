"""The config is exchanged over and over while it polls and while a receiver acknowledges."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from tests.remote_write.wire_format import read_v1
from tests.system.hostile import Answer, Asked, HostileApi, Pieces, good, http
from tests.system.support import Exporter, get, milliseconds, wait_for
from tests.system.test_delays import JOB, Scrapes, shown

pytestmark = pytest.mark.system

STORM = 150
HEAD = """
remote_write:
  - name: central
    url: "{url}{receiver}"
    protocol: "1.0"
sources:
  api: {{url: "{url}", attempts: 1, timeout: 1h}}
jobs:
"""
STAYS = JOB.format(name="quick", max_age="1h")
SENT = (
    JOB.format(name="sent", max_age="1h")
    .replace("    zero_first: 0s\n", "")
    .replace("timeout: 1h", "timeout: 30m")  # a strict receiver takes nothing that is older than 55 minutes
    .replace("type: counter", "deliver: remote_write\n        type: counter")
)
COMES_AND_GOES = JOB.format(name="third", max_age="1h")
JOBS = ("quick", "sent", "third")


def stored(_: Asked) -> Pieces:
    """What a receiver says."""
    return http(b"", status="204 No Content")


class Scene:
    """An exporter whose config is exchanged, its API and its receiver."""

    def __init__(self, directory: Path) -> None:
        self.api = HostileApi({"/write": [stored], **{f"/{job}": [good] for job in JOBS}})
        self.directory = directory
        self.exporter = Exporter(directory / "config.yaml", directory / "data", {})

    @contextmanager
    def running(self) -> Iterator[Exporter]:
        with self.api.running():
            self.write(STAYS, SENT, COMES_AND_GOES)
            self.exporter.start()
            try:
                yield self.exporter
            finally:
                assert self.exporter.process is not None
                if self.exporter.process.poll() is None:
                    self.exporter.kill()

    def write(self, *jobs: str, receiver: str = "/write") -> None:
        """Puts a config in the place of the one that is there."""
        beside = self.directory / "config.new"
        beside.write_text(HEAD.format(url=self.api.url, receiver=receiver) + "".join(jobs))
        beside.replace(self.exporter.config)

    def hang_up(self) -> None:
        """SIGHUP to the process that a person started."""
        assert self.exporter.process is not None
        self.exporter.process.send_signal(signal.SIGHUP)

    def tell_it_is_broken(self, text: str) -> None:
        """Has the exporter read a file that cannot be used, and waits until it has said so."""
        so_far = len(self.exporter.log("config_unusable"))
        self.exporter.config.write_text(text)
        self.hang_up()
        wait_for("the log to tell", lambda: len(self.exporter.log("config_unusable")) > so_far)

    def asked_for(self, job: str) -> tuple[int, int]:
        """From where to where, in ms, a job's windows were accepted."""
        lines = [line for line in self.exporter.log("run") if line["job"] == job and line["outcome"] == "ok"]
        return milliseconds(lines[0]["window_start"]), milliseconds(lines[-1]["window_end"])

    def received(self) -> dict[int, set[float]]:
        """The samples of the counter that goes out: by instant, each value that came for it."""
        found: dict[int, set[float]] = {}
        for asked in (*self.api.asked.get("/write", []), *self.api.asked.get("/moved", [])):
            for labels, at, value in read_v1(asked.body).samples if asked.body else []:
                if dict(labels)["__name__"] == "sent_joules_total":
                    found.setdefault(at, set()).add(value)
        return found

    def is_exact(self, job: str) -> bool:
        """Whether the total on the page is one joule for each second that was asked for."""
        begin, end = self.asked_for(job)
        return shown(self.exporter.samples(), f"{job}_joules_total") == [(end - begin) / 1000]

    def wait_for_delivery(self) -> None:
        """Waits until each second up to now has its total, in order and once, and a 0 stands before them.

        What is asked for meanwhile may come or not: a slow machine is never at rest.
        """
        begin, end = self.asked_for("sent")
        wait_for("every second to be delivered", lambda: self.received().keys() >= set(range(begin, end + 1, 1000)))
        found = self.received()
        assert found == {at: {(at - begin) / 1000} for at in range(begin, max(found) + 1, 1000)}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Everything that is needed, not started yet."""
    return Scene(tmp_path)


def test_c10_a_storm_of_reloads_loses_and_doubles_nothing(scene: Scene) -> None:
    """C10, C6, X4: jobs come and go while others run and samples are acknowledged; each second counts once."""
    with scene.running() as exporter:
        wait_for("a delivery", lambda: len(scene.received()) > 2)
        with Scrapes(exporter.url).running() as scrapes:
            for number in range(STORM):
                scene.write(STAYS, SENT, *([COMES_AND_GOES] if number % 2 else []))
                scene.hang_up()
                Event().wait(0.04)
            for _ in range(STORM):
                scene.hang_up()
        wait_for("all three to be exact", lambda: scene.is_exact("quick") and scene.is_exact("third"))
        scene.wait_for_delivery()
        reloads = len(exporter.log("config_reloaded"))
        assert not exporter.log("child_died")
        assert not exporter.log("config_unusable")
        assert exporter.stop() == 0
    assert scrapes.statuses == {200}
    assert 2 < reloads < 2 * STORM, "signals that come close together are one reload"


def test_c7_a_receiver_that_moves_loses_nothing(scene: Scene) -> None:
    """C7: what waits belongs to the receiver's name: at another path and query it is delivered from where it was."""
    away: list[Answer] = [lambda _: http(b"", status="503 Service Unavailable")]
    scene.api.answers |= {"/gone": away, "/moved": [stored]}
    with scene.running() as exporter:
        wait_for("a delivery", lambda: len(scene.received()) > 2)
        scene.write(STAYS, SENT, receiver="/gone")
        scene.hang_up()
        wait_for("requests at the dead place", lambda: len(scene.api.asked.get("/gone", [])) > 1)
        so_far = scene.asked_for("sent")[1]
        wait_for("samples that wait", lambda: scene.asked_for("sent")[1] > so_far + 2000)
        scene.write(STAYS, SENT, receiver="/moved?tenant=1&b=2")
        scene.hang_up()
        scene.wait_for_delivery()
        assert scene.api.asked["/moved"]
        assert not exporter.log("given_up")


BROKEN = ("jobs: [", "jobs: {}\n", "a: &a [*a, *a]\n", "\0", "")


def test_c1_a_file_that_cannot_be_used_changes_nothing(scene: Scene) -> None:
    """C1: the config of before goes on and counts on; log and page tell, and tell when the file is good again."""
    name = ("timepoint_config_last_reload_successful", ())
    with scene.running() as exporter:
        wait_for("the page", lambda: scene.is_exact("quick"))
        assert exporter.samples()[name] == 1
        poller = exporter.pid("poller")
        for text in BROKEN:
            scene.tell_it_is_broken(text)
        assert all("config.yaml" in line["error"] for line in exporter.log("config_unusable"))
        wait_for("the page to tell", lambda: exporter.samples()[name] == 0)
        so_far = scene.asked_for("quick")[1]
        wait_for("runs to go on", lambda: scene.asked_for("quick")[1] > so_far + 2000)
        assert get(f"{exporter.url}/-/ready")[0] == 200
        scene.write(STAYS, SENT, COMES_AND_GOES)
        scene.hang_up()
        wait_for("the page to tell that it is well", lambda: exporter.samples()[name] == 1)
        wait_for("the total to be exact", lambda: scene.is_exact("quick"))
        assert exporter.pid("poller") == poller
