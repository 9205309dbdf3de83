"""The points at which tests let the process die."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from timepoint import failpoints
from timepoint.failpoints import NAMES, VARIABLE, arm, failpoint


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    arm("")
    yield
    arm("")


def test_nothing_happens_at_a_point_that_is_not_armed() -> None:
    """Passing every point but the armed one does nothing."""
    arm("in_commit")
    for name in NAMES - {"in_commit"}:
        failpoint(name)


def test_the_process_dies_at_the_armed_point_in_its_turn() -> None:
    """``name:2`` named in the environment survives the first pass and is killed in the second."""
    program = """if True:
        from timepoint.failpoints import failpoint
        failpoint("in_commit")
        print("once", flush=True)
        failpoint("in_commit")
        print("twice", flush=True)"""
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, VARIABLE: "in_commit:2"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"once\n"), done.stderr


@pytest.mark.parametrize("order", ["in_comit", "in_commit:0", "in_commit:x"])
def test_an_order_that_names_no_point_is_refused(order: str) -> None:
    """A mistyped point would prove nothing, so it is an error."""
    with pytest.raises(ValueError, match=VARIABLE):
        arm(order)


def test_every_point_is_passed_somewhere_and_only_named_points_are() -> None:
    """The names in the code and the list of names are the same."""
    source = Path(failpoints.__file__).parent
    used = {name for path in source.rglob("*.py") for name in re.findall(r'failpoint\("(\w+)"\)', path.read_text())}
    assert used == NAMES
