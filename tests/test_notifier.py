"""What the manager of services hears, by a socket of its kind."""

from __future__ import annotations

import os
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_hangs import PRELUDE
from tests.test_supervisor import Supervised
from timepoint.notifier import Notifier
from timepoint.reload import Answer, send_answer
from timepoint.switchboard import POLLER, Switchboard
from timepoint.testing import FakeClock


class Manager:
    """Listens as systemd does."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._end = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._end.settimeout(120)
        self._end.bind("\0" + address[1:] if address.startswith("@") else address)

    def hears(self) -> list[str]:
        """The next message, as lines."""
        return self._end.recv(4096).decode().split("\n")

    def hears_nothing(self) -> bool:
        """Whether no message waits."""
        self._end.settimeout(0)
        try:
            self._end.recv(4096)
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        self._end.close()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """A manager at a file, or at a name that is no file."""
    there = Manager(f"@timepoint-{uuid.uuid4()}" if request.param == "abstract" else str(tmp_path / "notify"))
    yield there
    there.close()


def notifier(manager: Manager, **environ: str) -> Notifier:
    """Of the process 42, with a clock that stands still."""
    return Notifier.of_environ({"NOTIFY_SOCKET": manager.address, **environ}, 42, FakeClock())


def test_ready_is_told_again_where_the_manager_had_too_much_to_read(manager: Manager) -> None:
    """A start that the manager does not hear of would be ended as one that failed."""
    one, told = notifier(manager), 0
    for _ in range(100_000):
        one.ready()
        if one.awaits_ready:
            break
        one = notifier(manager)
        told += 1
    assert one.awaits_ready
    assert [manager.hears() for _ in range(told)] == [["READY=1"]] * told
    one.ready()
    assert (manager.hears(), one.awaits_ready) == (["READY=1"], False)


def test_each_message_is_a_datagram_of_assignments(manager: Manager) -> None:
    """What sd_notify(3) and systemd 253's notify-reload ask for, in their words."""
    told = notifier(manager)
    told.ready()
    told.reloading()
    told.reloaded("3 jobs:\n1 new")
    told.alive()
    told.stopping()
    assert [manager.hears() for _ in range(5)] == [
        ["READY=1"],
        ["RELOADING=1", "MONOTONIC_USEC=1000000000"],
        ["READY=1", "STATUS=3 jobs: 1 new"],
        ["WATCHDOG=1"],
        ["STOPPING=1"],
    ]


def test_only_what_makes_sense_is_told(manager: Manager) -> None:
    """No reload before all has begun, all begins once, and the end is the last word of both."""
    told = notifier(manager)
    told.reloading()
    told.reloaded("")
    awaited = [told.awaits_ready]
    told.ready()
    told.ready()
    awaited.append(told.awaits_ready)
    told.stopping()
    told.reloading()
    assert awaited == [True, False]
    assert [manager.hears() for _ in range(2)] == [["READY=1"], ["STOPPING=1"]]
    assert manager.hears_nothing()


def test_an_end_before_the_beginning_is_not_made_ready(manager: Manager) -> None:
    """Who is told to stop while it starts does not say that it has started."""
    told = notifier(manager)
    told.stopping()
    told.ready()
    assert not told.awaits_ready
    assert manager.hears() == ["STOPPING=1"]
    assert manager.hears_nothing()


def test_a_watched_service_is_alive_thrice_in_its_time(manager: Manager) -> None:
    """WATCHDOG_USEC says how often, if it means this process."""
    assert notifier(manager, WATCHDOG_USEC="120000000").alive_every == 40
    assert notifier(manager, WATCHDOG_USEC="120000000", WATCHDOG_PID="42").alive_every == 40
    assert notifier(manager, WATCHDOG_USEC="120000000", WATCHDOG_PID="7").alive_every is None
    assert notifier(manager, WATCHDOG_USEC="odd").alive_every is None
    assert notifier(manager).alive_every is None


def test_the_environment_is_left_without_it() -> None:
    """A program that a child calls, such as jq, must not speak for the service."""
    environ = {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "42", "PATH": "/bin"}
    told = Notifier.of_environ(environ, 42, FakeClock())
    assert environ == {"PATH": "/bin"}
    told.ready()  # nobody is there to hear it, which is no error


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nothing_is_awaited(environ: dict[str, str]) -> None:
    """Nor with one that cannot be spoken to."""
    told = Notifier.of_environ(environ, 42, FakeClock())
    assert not told.awaits_ready
    told.ready()


def test_the_parent_says_when_all_have_begun_and_that_it_lives(manager: Manager) -> None:
    """READY comes when each child has given a sign of life, and not before; WATCHDOG and STOPPING follow."""
    parent = Supervised(f"""{PRELUDE}
from timepoint.clock import SystemClock
from timepoint.notifier import Notifier
environ = {{"NOTIFY_SOCKET": {manager.address!r}, "WATCHDOG_USEC": "1500000"}}
notifier = Notifier.of_environ(environ, os.getpid(), SystemClock())
def late():
    vitals = Vitals()
    def main():
        say(f"late {{os.getpid()}}")
        signal.sigwait([signal.SIGUSR1])
        vitals.beat()
        return idle() or 0
    return Child("late", main, vitals)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
supervise([lively("server", idle), late()], notifier=notifier, stop_within=600)
""")
    try:
        pids = parent.pids(2)
        heard = [manager.hears() for _ in range(4)]  # in two seconds: what is told faster than it is read is dropped
        assert ["READY=1"] not in heard
        assert ["WATCHDOG=1"] in heard
        assert ["STATUS=Runs: server, late."] in heard
        os.kill(pids["late"], signal.SIGUSR1)
        while (message := manager.hears()) != ["READY=1"]:
            assert message == ["WATCHDOG=1"]
        parent.process.terminate()
        while (message := manager.hears()) != ["STOPPING=1"]:
            assert message == ["WATCHDOG=1"]
        assert parent.end()[0] == 0
    finally:
        parent.process.kill()
        parent.process.communicate(timeout=120)


def test_a_reload_is_told_with_what_came_of_it(manager: Manager) -> None:
    """The manager sees a reload begin and end, and a person sees in the status why a config was refused."""
    clock = FakeClock()
    told = Notifier.of_environ({"NOTIFY_SOCKET": manager.address}, 42, clock)
    told.ready()
    board = Switchboard(["a"], clock, told)
    board.before_fork(POLLER)
    poller = board._theirs
    assert poller is not None
    for answer in (Answer(good=False, text="line 3: no such key"), Answer(good=True, text="1 job: 1 changed (a)")):
        board.ask()
        send_answer(poller, answer)
        [descriptor] = board.descriptors()
        board.hear(descriptor)
    board.after_fork(POLLER, lives=False)
    heard = [manager.hears() for _ in range(5)]
    assert [message[0] for message in heard] == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1"]
    refused = "STATUS=A changed config cannot be used; the one before stays in force: line 3: no such key"
    assert heard[2][1] == refused
    assert heard[4][1] == "STATUS=1 job: 1 changed (a)"
