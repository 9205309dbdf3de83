"""What is said about each bad config, and that every check has one."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import timepoint.config
from tests.config.corpus import BAD, CANARY, ENVIRON, bad_files, examined, said_about
from timepoint.config.checks import Check
from timepoint.config.load import examine, load_config
from timepoint.config.yaml import MAX_BYTES
from timepoint.errors import ConfigError

SOURCE = Path(timepoint.config.__file__).parent
# These two need a file that cannot be read, or one too large to be kept here; they have tests of their own below.
MADE_BY_TESTS = {Check.FILE, Check.FILE_SIZE}
SAYING = {"add", "add_new", "_add", "_say", "_stop", "refuse"}


@pytest.mark.parametrize("path", bad_files(), ids=lambda path: path.stem)
def test_messages(path: Path) -> None:
    """A bad config gets exactly the message that stands beside it (A24, A29, C3)."""
    assert said_about(path) == path.with_suffix(".out").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", bad_files(), ids=lambda path: path.stem)
def test_one_mistake(path: Path) -> None:
    """The check that a file is named after finds its mistake, and no other check says anything."""
    config, findings = examined(path)
    check = Check(path.stem.partition("--")[0])
    assert {finding.check for finding in findings.all} == {check}
    assert (config is None) is not check.is_warning


def test_every_check_has_a_file() -> None:
    """No check is without a bad config."""
    assert {Check(path.stem.partition("--")[0]) for path in bad_files()} == set(Check) - MADE_BY_TESTS


def test_no_message_is_left_over() -> None:
    """No message stands beside nothing."""
    assert {path.stem for path in BAD.glob("*.out")} == {path.stem for path in bad_files()}


def _calls() -> Iterator[tuple[str, int, int, str]]:
    """Every place in the config room at which something is said about a file: file, first and last line, and text."""
    for path in sorted(SOURCE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                of_findings = not isinstance(node.func, ast.Attribute) or "finding" in ast.unparse(node.func.value)
                if name in SAYING and (of_findings or name.startswith("_")):
                    yield str(path), node.lineno, node.end_lineno or node.lineno, ast.unparse(node)


def test_everything_that_can_be_said_is_said() -> None:
    """Each line that says something about a file is reached by a bad config."""
    reached: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(str(SOURCE)):
            return None
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for path in bad_files():
            examine(path, ENVIRON)
    finally:
        sys.settrace(before)
    silent = [
        text
        for file, first, last, text in _calls()
        if not any((file, line) in reached for line in range(first, last + 1))
        and not any(check.name in text for check in MADE_BY_TESTS)
    ]
    assert silent == []


def test_no_secret_is_said() -> None:
    """No message about a bad config holds a value from the environment."""
    said = "".join(said_about(path) for path in bad_files())
    assert CANARY not in said
    assert "7f3a" not in said


def test_file_that_is_not_there(tmp_path: Path) -> None:
    """A config that cannot be read says so with the system's reason."""
    path = tmp_path / "config.yaml"
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert str(caught.value) == f"{path}: cannot be read: No such file or directory"


def test_file_that_is_too_large(tmp_path: Path) -> None:
    """A config of more than a mebibyte is refused unread (A24)."""
    path = tmp_path / "config.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    assert str(caught.value) == f"{path}: is larger than 1024 KiB: split it into several files"
