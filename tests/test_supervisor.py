"""The supervisor is tested with real processes: forking is all that it does."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil
import pytest

from timepoint.supervisor import REPEATED, Backoff

# Children tell on standard output that they live. They never end by themselves, so the output ends when all are gone.
PRELUDE = """
import os, signal, sys, threading, time
from timepoint import log
from timepoint.supervisor import Child, supervise

log.configure("debug")

def say(text):
    os.write(1, (text + "\\n").encode())

def idle(begin=lambda: None):
    asked = []  # no Event: who waits for one may hold the lock that a handler of the same thread then waits for
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    begin()
    while not asked:
        time.sleep(0.01)

def polite(name):
    def main():
        idle(lambda: say(f"{name} {os.getpid()}"))
        return 0
    return Child(name, main)

def stubborn(name):
    def main():
        signal.signal(signal.SIGTERM, lambda *_: say(f"{name} asked"))
        say(f"{name} {os.getpid()}")
        while True:
            signal.pause()
    return Child(name, main)
"""
DEADLINE = 120.0
"""Seconds until a process is given up."""


class Supervised:
    """A supervisor in a process of its own, and the lines that its children say."""

    def __init__(self, body: str, *prefix: str) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-c", PRELUDE + body], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._pending = b""

    def line(self) -> str:
        """The next line; an empty one when all processes have ended."""
        assert self.process.stdout is not None
        give_up = time.monotonic() + DEADLINE
        while b"\n" not in self._pending:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, give_up - time.monotonic()))
            assert ready, f"no line in {DEADLINE} s"
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                return ""
            self._pending += more
        line, self._pending = self._pending.split(b"\n", 1)
        return line.decode()

    def pids(self, count: int = 1) -> dict[str, int]:
        """The process numbers of as many children, once they live."""
        return {name: int(pid) for name, pid in (self.line().split() for _ in range(count))}

    def until_logged(self, text: str) -> None:
        """Returns when the log holds a text; what came up to it is not in ``end`` any more."""
        assert self.process.stderr is not None
        logged = ""
        while text not in logged:
            more = os.read(self.process.stderr.fileno(), 4096)
            assert more, logged
            logged += more.decode()

    def end(self) -> tuple[int, str]:
        """The exit code and the log, after the end."""
        _, errors = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, errors.decode()


@pytest.fixture
def supervised() -> Iterator[Callable[..., Supervised]]:
    """Starts supervisors and leaves no process behind."""
    started: list[Supervised] = []

    def start(body: str, *prefix: str) -> Supervised:
        started.append(Supervised(body, *prefix))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate(timeout=DEADLINE)


def test_sigterm_ends_all_and_is_a_success(supervised: Callable[..., Supervised]) -> None:
    """Every child gets SIGTERM and ends by itself; the exit code is 0."""
    parent = supervised("sys.exit(supervise([polite('server'), polite('poller')], stop_within=600))")
    assert set(parent.pids(2)) == {"server", "poller"}
    parent.process.terminate()
    code, errors = parent.end()
    assert code == 0
    assert "event=stopping signal=SIGTERM" in errors
    assert "event=stopped killed=false" in errors


def test_sighup_ends_nothing(supervised: Callable[..., Supervised]) -> None:
    """Without a config SIGHUP has no effect on parent or child, and the log says why; SIGINT then ends all."""
    parent = supervised("sys.exit(supervise([polite('server')], stop_within=600))")
    os.kill(parent.pids()["server"], signal.SIGHUP)
    parent.process.send_signal(signal.SIGHUP)
    parent.until_logged("event=reload_ignored")
    parent.process.send_signal(signal.SIGINT)
    code, errors = parent.end()
    assert code == 0
    assert "event=stopping signal=SIGINT" in errors
    assert "child_died" not in errors


def test_no_child_outlives_a_killed_parent(supervised: Callable[..., Supervised]) -> None:
    """After kill -9 of the parent also a child that ignores SIGTERM is gone."""
    parent = supervised("supervise([stubborn('server'), stubborn('poller')])")
    parent.pids(2)
    parent.process.kill()
    assert parent.line() == ""


def test_a_child_that_was_started_again_ends_with_the_parent_too(supervised: Callable[..., Supervised]) -> None:
    """The pipe that tells of the parent's end works in later children as in first ones, whoever died in between."""
    parent = supervised("supervise([stubborn('server'), stubborn('poller')])")
    os.kill(parent.pids(2)["poller"], signal.SIGKILL)
    assert "poller" in parent.pids()
    parent.process.kill()
    assert parent.line() == ""


def test_a_dead_child_is_started_again(supervised: Callable[..., Supervised]) -> None:
    """A killed child comes back with another process number, and its neighbour is left alone."""
    parent = supervised("supervise([polite('server'), polite('poller')], stop_within=600)")
    first = parent.pids(2)
    os.kill(first["poller"], signal.SIGKILL)
    again = parent.pids()
    assert again.keys() == {"poller"}
    assert again["poller"] != first["poller"]
    assert psutil.pid_exists(first["server"])
    parent.process.terminate()
    code, errors = parent.end()
    assert code == 0
    assert f'event=child_died child=poller pid={first["poller"]} how="signal SIGKILL" restart_in=1' in errors


def test_a_child_that_raises_is_reported_and_started_again(supervised: Callable[..., Supervised]) -> None:
    """An exception that nobody caught is logged with its traceback and costs only that process (X8)."""
    parent = supervised("""
def main():
    say(f"odd {os.getpid()}")
    raise RuntimeError("broken")
supervise([Child("odd", main)])
""")
    first, second = parent.pids(), parent.pids()
    assert first != second
    parent.process.terminate()
    code, errors = parent.end()
    assert code == 0
    assert "RuntimeError: broken" in errors


def test_who_does_not_end_in_time_is_killed(supervised: Callable[..., Supervised]) -> None:
    """A child that ignores SIGTERM gets SIGKILL after the time to stop, and the exit code tells (X3)."""
    parent = supervised("sys.exit(supervise([stubborn('poller'), polite('server')], stop_within=0.3))")
    parent.pids(2)
    parent.process.terminate()
    code, errors = parent.end()
    assert code == 1
    (killing,) = [line for line in errors.splitlines() if "event=killing" in line]
    assert "poller" in killing


def test_a_second_signal_kills_at_once(supervised: Callable[..., Supervised]) -> None:
    """Nobody has to wait for a child that hangs (X4)."""
    parent = supervised("sys.exit(supervise([stubborn('poller')], stop_within=600))")
    parent.pids()
    parent.process.terminate()
    assert parent.line() == "poller asked"
    time.sleep(REPEATED + 0.1)  # a signal before that is the same wish; the first one came before the line
    parent.process.terminate()
    code, errors = parent.end()
    assert code == 1
    assert 'reason="a second signal, SIGTERM"' in errors


def test_a_signal_that_is_repeated_at_once_is_one(supervised: Callable[..., Supervised]) -> None:
    """Who signals a process and then its group, as coreutils' timeout does, wants an orderly end (X4)."""
    parent = supervised("sys.exit(supervise([polite('poller')], stop_within=600))")
    parent.pids()
    parent.process.send_signal(signal.SIGSTOP)  # so that both are there when it looks, however slow this test is
    parent.process.terminate()
    parent.process.send_signal(signal.SIGINT)  # another number, or the kernel would make one of both
    parent.process.send_signal(signal.SIGCONT)
    code, errors = parent.end()
    assert code == 0
    assert "event=killing" not in errors


def is_zombie(process: psutil.Process) -> bool:
    """Whether nobody has asked yet how it ended."""
    with suppress(psutil.NoSuchProcess):  # somebody did, since it was listed
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    return False


def test_it_is_a_good_process_1(supervised: Callable[..., Supervised]) -> None:
    """In a container the kernel ignores signals without handler, and orphans come to process 1 to be reaped (X3)."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-pf", "true"], check=False).returncode != 0:
        pytest.skip("unshare -pf is not possible here (it needs root)")
    parent = supervised(
        """
def main():
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            while os.getppid() != 1:  # until the middle process is gone and this one is an orphan
                pass
            say(f"orphan {os.getppid()}")
        os._exit(0)
    os.waitpid(middle, 0)
    return polite("poller").main()
sys.exit(supervise([Child("poller", main)], stop_within=600))
""",
        "unshare",
        "-pf",
        "--kill-child",
    )
    said = parent.pids(2)
    assert said["orphan"] == 1
    [first] = psutil.Process(parent.process.pid).children()
    give_up = time.monotonic() + DEADLINE
    while any(is_zombie(child) for child in first.children()):
        assert time.monotonic() < give_up
    first.terminate()
    assert parent.end()[0] == 0


def test_the_pause_doubles_to_a_limit_and_a_steady_life_resets_it() -> None:
    """1 s, doubling to 30 s; a minute of life begins again at 1 s."""
    backoff = Backoff()
    assert [backoff.after(0.1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.after(59) == 30
    assert backoff.after(60) == 1
    assert backoff.after(0.1) == 2
