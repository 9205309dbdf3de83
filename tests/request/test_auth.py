"""Reading secrets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from timepoint.errors import SourceError
from timepoint.request.auth.secrets import MAX_SECRET_FILE, read_secret
from timepoint.request.spec import SecretSource
from timepoint.secret import Secret


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"abc", "abc"), (b"abc\n", "abc"), (b"abc\r\n\n", "abc"), (b" a b \n", " a b "), ("ü".encode(), "ü")],
)
def test_a_file(content: bytes, text: str, tmp_path: Path) -> None:
    """The secret of a file is its text without line ends; blanks belong to it (C4)."""
    file = tmp_path / "secret"
    file.write_bytes(content)
    assert read_secret(SecretSource(file=file)).reveal() == text


def test_a_text_is_taken_as_it_is() -> None:
    """A secret that is given is not changed."""
    assert read_secret(SecretSource(text=Secret("a\n"))).reveal() == "a\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\r\n", "is empty"),
        (b"canary\xff", "is not UTF-8 text"),
        (b"canary" * MAX_SECRET_FILE, "is larger than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_secret(content: bytes, words: str, tmp_path: Path) -> None:
    """A file that is empty, too large or no text is named with what is wrong, and not quoted (C4)."""
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(SourceError, match=words) as caught:
        read_secret(SecretSource(file=file))
    assert caught.value.reason == "secret"
    assert str(file) in str(caught.value)
    assert "canary" not in repr((caught.value, caught.value.__cause__))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A missing file, a directory and a pipe, which would block for ever, are named with what is wrong (C4)."""
    os.mkfifo(tmp_path / "pipe")
    for name, words in (("none", "No such file"), ("", "not a regular file"), ("pipe", "not a regular file")):
        with pytest.raises(SourceError, match=words) as caught:
            read_secret(SecretSource(file=tmp_path / name))
        assert str(tmp_path / name) in str(caught.value)


def test_no_source_at_all() -> None:
    """A credential that is nowhere is an error."""
    with pytest.raises(SourceError, match="neither given nor has it a file"):
        read_secret(SecretSource())
