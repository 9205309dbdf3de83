"""The parent notices who hangs, with real processes and, where seconds would matter, without any."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tests.test_supervisor import Supervised
from timepoint.cli.exits import EXIT_USAGE
from timepoint.cli.main import main
from timepoint.notifier import Notifier
from timepoint.processor import processor_time
from timepoint.supervisor import LOOKS, Child, _Life, _Supervisor
from timepoint.testing import FakeClock
from timepoint.vitals import Silence, Vitals

# A child beats in a thread, as an event loop does between two pieces of work, and hangs where it is told to.
PRELUDE = """
import re
from timepoint.vitals import Vitals

def lively(name, then, beats=-1):
    vitals = Vitals()
    def beat():
        while vitals.beats != beats:
            vitals.beat()
            time.sleep(0.01)
    def main():
        threading.Thread(target=beat, daemon=True).start()
        while not vitals.beats:
            time.sleep(0.001)
        say(f"{name} {os.getpid()}")
        then()
        return 0
    return Child(name, main, vitals)

def never_ends():  # it holds the lock of the interpreter all the time
    re.match(r"(a+)+$", "a" * 60 + "b")

log.configure("debug", "json")
"""
DEADLINE = 2.4
"""Of a hang, in seconds. Children that live beat a hundred times as often as they are looked at."""


@pytest.fixture
def supervised() -> Iterator[Callable[[str], Supervised]]:
    """Starts supervisors and leaves no process behind."""
    started: list[Supervised] = []

    def start(body: str) -> Supervised:
        started.append(Supervised(f"{PRELUDE}\n{body}"))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate(timeout=120)


def events(errors: str, name: str) -> list[dict[str, object]]:
    """The lines of the log that tell of one event."""
    lines = [json.loads(line) for line in errors.splitlines()]
    return [line for line in lines if line["event"] == name]


def test_x9_a_stopped_child_is_started_again(supervised: Callable[[str], Supervised]) -> None:
    """A child that is stopped, and so hears no signal but SIGKILL, is started again; others are left alone."""
    parent = supervised(
        f"both = [lively('server', idle), lively('poller', idle)]\n"
        f"sys.exit(supervise(both, hang_deadline={DEADLINE}, stop_within=600))"
    )
    first = parent.pids(2)
    os.kill(first["poller"], signal.SIGSTOP)
    again = parent.pids()
    parent.process.terminate()
    code, errors = parent.end()
    assert code == 0
    assert again.keys() == {"poller"}
    [hangs], [died] = events(errors, "child_hangs"), events(errors, "child_died")
    assert (hangs["child"], hangs["pid"]) == ("poller", first["poller"])
    assert hangs["seconds"] == pytest.approx(DEADLINE, abs=0.1)
    assert (died["child"], died["how"], died["restart_in"]) == ("poller", "hung", 1)


def test_x9_a_call_that_never_ends_is_told_with_its_stack(supervised: Callable[[str], Supervised]) -> None:
    """A call in C that keeps the lock of the interpreter is ended, and the log says which it was."""
    parent = supervised(f"sys.exit(supervise([lively('poller', never_ends)], hang_deadline={DEADLINE}))")
    first, second = parent.pids(), parent.pids()
    assert first != second
    parent.process.kill()
    _, errors = parent.end()
    died = events(errors, "child_died")[0]
    assert died["how"] == "hung"
    assert "in never_ends" in str(died["stack"])


def test_x9_a_child_that_hangs_before_it_works_is_started_again(supervised: Callable[[str], Supervised]) -> None:
    """The first sign of life has the same time as any other."""
    parent = supervised(f"""
def main():
    say(f"poller {{os.getpid()}}")
    signal.pause()
supervise([Child("poller", main, Vitals())], hang_deadline={DEADLINE})
""")
    assert parent.pids() != parent.pids()


@pytest.mark.parametrize("then", ["never_ends", "lambda: os.kill(os.getpid(), signal.SIGSTOP)"])
def test_no_child_that_hangs_outlives_a_killed_parent(supervised: Callable[[str], Supervised], then: str) -> None:
    """After kill -9 of the parent also a child in which no thread can run is gone."""
    parent = supervised(f"supervise([lively('poller', {then})])")
    parent.pids()
    parent.process.kill()
    assert parent.line() == ""


def test_nobody_is_taken_to_hang_if_told_so(supervised: Callable[[str], Supervised]) -> None:
    """With a deadline of 0, or in a child without vitals, silence is nothing."""
    parent = supervised("""
quiet, tick = lively('quiet', idle, beats=1), lively('tick', lambda: time.sleep(1))
sys.exit(supervise([quiet, tick], hang_deadline=0, stop_within=600))
""")
    parent.pids(2)
    parent.pids()  # the other one has lived for its second and a pause
    parent.process.terminate()
    code, errors = parent.end()
    assert code == 0
    assert events(errors, "child_hangs") == []


def test_a_parent_that_comes_back_late_has_looked_once() -> None:
    """Ctrl-Z, a frozen container, a suspended machine: however long it was, it is one look, and no child is ended."""
    clock = FakeClock()
    with Vitals() as vitals, subprocess.Popen(["sleep", "1000"]) as silent:
        life = _Life(Child("poller", lambda: 0, vitals), pid=silent.pid, silence=Silence(5))
        supervisor = _Supervisor([life], None, Notifier(clock), clock)
        try:
            for _ in range(LOOKS):  # the first of them only learns where the count stands
                supervisor._look(clock.monotonic())
                clock._move_to(clock.monotonic() + 3600)
            assert silent.poll() is None
            supervisor._look(clock.monotonic())
            assert silent.wait(120) == -signal.SIGABRT
        finally:
            supervisor.close()
            silent.kill()


def test_a_child_that_hangs_has_time_for_its_last_words() -> None:
    """However soon the next looks come, who was told to write down where it stands has 5 s for it on a busy machine."""
    clock = FakeClock()
    with Vitals() as vitals, subprocess.Popen(["sleep", "1000"]) as silent:
        os.kill(silent.pid, signal.SIGSTOP)
        os.waitpid(silent.pid, os.WUNTRACED)  # from here on it does not hear SIGABRT either
        life = _Life(Child("poller", lambda: 0, vitals), pid=silent.pid, silence=Silence(0.1))
        supervisor = _Supervisor([life], None, Notifier(clock), clock)
        supervisor.look_every = 0.1
        try:
            while not life.hangs:
                supervisor._look(clock.monotonic())
                clock._move_to(clock.monotonic() + 0.1)
            told = clock.monotonic() - 0.1
            while clock.monotonic() < told + 4.9:
                supervisor._look(clock.monotonic())
                clock._move_to(clock.monotonic() + 0.1)
            assert psutil.Process(silent.pid).status() == psutil.STATUS_STOPPED
            clock._move_to(told + 5)
            supervisor._look(clock.monotonic())
            assert silent.wait(120) == -signal.SIGKILL
        finally:
            supervisor.close()
            silent.kill()


def test_a_crash_leaves_its_stack(supervised: Callable[[str], Supervised]) -> None:
    """A library that crashes the process is named in the log, and the next one leaves words of its own."""
    parent = supervised("""
import ctypes
def crash():
    ctypes.string_at(0)
supervise([lively('poller', crash)])
""")
    assert parent.pids() != parent.pids()
    parent.process.kill()
    _, errors = parent.end()
    died = events(errors, "child_died")[0]
    assert died["how"] == "signal SIGSEGV"
    assert str(died["stack"]).count("in crash") == 1


def test_silence_is_counted_in_looks() -> None:
    """A sign of life begins the count anew, and the first look only learns where the count stands."""
    silence = Silence(5)
    assert [silence.look(beats, None) for beats in (5, 5, 5, 6, 6, 7)] == [0, 5, 10, 0, 5, 0]


def test_who_works_on_a_busy_machine_is_silent_for_the_time_that_it_had() -> None:
    """A child that hardly gets a processor may take up to ten times as long, one that asks for none may not."""
    silence = Silence(5)
    assert silence.look(1, 100) == 0
    assert silence.look(1, 101) == 1
    assert silence.look(1, 101.1) == 1.5
    assert silence.look(1, 106.1) == 6.5
    assert silence.look(1, 116.1) == 11.5  # two threads of it, or a look that came late
    assert silence.look(1, 116.11) == 16.5
    assert silence.look(1, 116.11) == 21.5
    assert silence.look(2, 116.11) == 0


def test_theprocessor_time_of_a_process_is_known() -> None:
    """What the kernel tells of this process is what it tells to the process itself."""
    before = time.process_time()
    told = processor_time(os.getpid())
    assert told is not None
    assert before - 0.05 <= told <= time.process_time() + 0.05  # the kernel counts in hundredths
    assert processor_time(2**31 - 1) is None
    of_thread = processor_time(os.getpid(), threading.get_native_id())
    assert of_thread is not None
    assert of_thread <= told + 0.05


def test_a_child_and_its_parent_share_vitals() -> None:
    """What a child does is seen by its parent, and what the parent notes by the child."""
    with Vitals() as vitals:
        vitals.note_end("hung")
        child = os.fork()
        if child == 0:
            vitals.beat()
            os._exit(vitals.ends["hung"] * 10 + vitals.ends["died"])
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 10
        assert vitals.beats == 1
        assert vitals.take_words() == ""


def test_a_deadline_that_no_process_keeps_is_refused(tmp_path: Path) -> None:
    """Less than a second, between two signs of life, would end processes that are well."""
    config = tmp_path / "config.yaml"
    config.write_text("jobs: {}\n")
    result = CliRunner().invoke(main, ["run", str(config), "--hang-deadline", "100ms"])
    assert result.exit_code == EXIT_USAGE
    assert "may be silent for a second: give it one at least, or 0s" in result.output
