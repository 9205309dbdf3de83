"""A file is replaced whole, or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from timepoint.durable import replacing


def test_a_block_that_raises_leaves_the_old_file(tmp_path: Path) -> None:
    """And nothing beside it."""
    path = tmp_path / "page"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path) as file:
        file.writelines([b"ne", "w"])  # type: ignore[list-item]  # a text among bytes
    assert {child.name: child.read_bytes() for child in tmp_path.iterdir()} == {"page": b"old"}


def test_the_new_file_is_its_owners_alone_and_takes_the_place_of_what_a_crash_left(tmp_path: Path) -> None:
    """Whatever the mask of the process says."""
    path = tmp_path / "page"
    (tmp_path / "page.new").write_bytes(b"of a crash")
    with replacing(path, is_synced=False) as file:
        file.write(b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not (tmp_path / "page.new").exists()


def test_failpoints_lie_before_and_after_the_name_changes(tmp_path: Path) -> None:
    """At the first the old file has its name, at the second the new one."""
    path = tmp_path / "page"
    path.write_bytes(b"old")
    seen: list[tuple[str, bytes]] = []
    with replacing(path, passing=lambda point: seen.append((point, path.read_bytes()))) as file:
        file.write(b"new")
    assert seen == [("before_rename", b"old"), ("after_rename", b"new")]
