"""Kills at each system call, and power cuts at each point, of a process that commits and publishes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.proof import mutants
from tests.proof.committer import acknowledged, findings
from tests.proof.powercut import Step, read_trace, states, write_state
from tests.proof.tracing import WRITING, Committers, require_strace

pytestmark = pytest.mark.system

RUNS = 4
CUT_RUNS = 16
DRAWN = int(os.environ.get("TIMEPOINT_PROOF_CUTS", "8"))
"""Random mixtures at each point of a power cut, beside nothing and everything."""


@pytest.fixture(scope="module")
def committers() -> Iterator[Committers]:
    """The process that forks committers."""
    require_strace()
    with Committers() as committers:
        yield committers


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: what is traced is the same, and no sync waits for a real disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="timepoint-proof-") as directory:
        yield Path(directory)


def told(directory: Path) -> tuple[int, int]:
    """The newest commit and page that the process had acknowledged."""
    path = Path(f"{directory}.acks")
    return acknowledged(path.read_bytes()) if path.exists() else (0, 0)


def test_a_kill_at_any_writing_system_call_loses_nothing(place: Path, committers: Committers) -> None:
    """Killed at each call in turn, it leaves a whole commit; the next process goes on to the same totals (X2)."""
    trace = place / "trace"
    assert committers.run(place / "whole", RUNS, ("-o", str(trace), "-e", f"trace={','.join(WRITING)}")) == 0
    calls = Counter(re.findall(r"^\d+\s+(\w+)\(", trace.read_text(), re.MULTILINE))
    assert calls.keys() >= {"pwrite64", "fdatasync", "fsync", "rename"}
    points = [(call, number) for call, count in calls.items() for number in range(1, count + 1)]
    for call, number in points:
        directory = place / f"{call}-{number}"
        inject = ("-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}")
        assert committers.run(directory, RUNS, inject) == -signal.SIGKILL, f"{call} {number} was not reached"
        before = place / "before"
        shutil.copytree(directory, before)
        wrong = findings(before, *told(directory))
        assert not wrong, f"killed at {call} {number}: {wrong}"
        assert committers.run(directory, RUNS) == 0
        wrong = findings(directory, *told(directory), RUNS)
        assert not wrong, f"went on after a kill at {call} {number}: {wrong}"
        shutil.rmtree(before)
        shutil.rmtree(directory)
    print(f"killed at {len(points)} system calls: {dict(calls)}")


def record(place: Path, committers: Committers, mutant: str = "") -> tuple[Path, list[Step]]:
    """What a committer does to the disk in CUT_RUNS runs, from an empty directory on."""
    directory, trace = place / "traced", place / "trace"
    options = ("-o", str(trace), "-y", "-xx", "-s", "10000000", "-e", f"trace={','.join(WRITING)}")
    assert committers.run(directory, CUT_RUNS, options, mutant=mutant) == 0
    assert told(directory) == (CUT_RUNS, CUT_RUNS)
    return directory, read_trace(trace.read_text(), directory)


def test_the_replay_of_all_steps_is_the_directory(place: Path, committers: Committers) -> None:
    """The model is sound: with everything written, it holds byte for byte what the real disk holds."""
    directory, steps = record(place, committers)
    *_, last = (state for number, state in enumerate(states(steps, 0, 0)) if number % 2)
    assert last.told == Path(f"{directory}.acks").read_bytes()
    real = {str(p): p.read_bytes() for p in directory.rglob("*") if p.is_file() and not p.name.endswith("-shm")}
    assert last.files == real


def cut_at_every_point(place: Path, directory: Path, steps: list[Step], drawn: int) -> tuple[int, list[str]]:
    """How many states were looked at, and what was wrong with them."""
    seen: set[int] = set()
    wrong: list[str] = []
    looked = 0
    for state in states(steps, 7, drawn):
        key = hash((state.told, tuple(sorted(state.files.items()))))
        if key in seen:
            continue
        seen.add(key)
        looked += 1
        after = place / "after"
        write_state(state, directory, after)
        wrong += [f"cut before step {state.at}: {text}" for text in findings(after, *acknowledged(state.told))]
        shutil.rmtree(after)
    return looked, wrong


def test_a_power_cut_at_any_point_loses_nothing_acknowledged(place: Path, committers: Committers) -> None:
    """In more than a thousand states that a cut may leave, each acknowledged commit and page is there, and whole.

    Faults: D10.
    """
    directory, steps = record(place, committers)
    looked, wrong = cut_at_every_point(place, directory, steps, DRAWN)
    print(f"{looked} states after a power cut, {len(wrong)} of them wrong, in {len(steps)} steps")
    assert not wrong, wrong[:5]
    assert looked >= 1000


@pytest.mark.parametrize("mutant", [mutant.__name__ for mutant in mutants.FOUND_BY_POWER_CUTS])
def test_power_cuts_find_each_wrong_product(place: Path, committers: Committers, mutant: str) -> None:
    """Without its syncs the product loses what it has acknowledged, and the enumeration sees it (D10)."""
    directory, steps = record(place, committers, mutant)
    looked, wrong = cut_at_every_point(place, directory, steps, 1)
    print(f"{mutant}: {len(wrong)} findings in {looked} states")
    assert wrong, f"{mutant} passed {looked} states"
