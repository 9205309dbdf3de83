from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from timepoint.datadir import DataDirectory, _refuse_remote
from timepoint.errors import DataDirectoryError


class _Clock:
    """Time passes only in ``sleep``."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> int:
        return int(self.at * 1000)

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def test_a_new_directory_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The directory and what is made in it are closed to others (A33)."""
    with DataDirectory(tmp_path / "deep" / "data") as directory:
        for path, mode in ((directory.layout.path, 0o700), (directory.layout.published, 0o700)):
            assert stat.S_IMODE(path.stat().st_mode) == mode
        assert stat.S_IMODE(directory.layout.lock.stat().st_mode) == 0o600


def test_a_second_instance_is_refused_and_told_why(tmp_path: Path) -> None:
    """After two seconds of patience the error names the directory, the holder and what to do (A34, X6)."""
    clock = _Clock()
    with DataDirectory(tmp_path), pytest.raises(DataDirectoryError) as caught:
        DataDirectory(tmp_path, clock=clock, sleep=clock.sleep)
    assert str(caught.value) == (
        f"data directory {str(tmp_path)!r} is in use by another timepoint (process {os.getpid()}):"
        " stop it, or choose another with --data-dir"
    )
    assert 2.0 <= clock.at < 2.2


def test_a_directory_that_becomes_free_in_time_is_taken(tmp_path: Path) -> None:
    """The children of a killed predecessor get a moment to end."""
    first = DataDirectory(tmp_path)
    clock = _Clock()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.at > 1:
            fcntl.flock(first._fd, fcntl.LOCK_UN)  # as the end of the process does

    with DataDirectory(tmp_path, clock=clock, sleep=sleep) as second:
        assert second.layout.path == tmp_path
    first.close()


def test_the_lock_lives_as_long_as_a_forked_process(tmp_path: Path) -> None:
    """A child that was forked holds the directory after its parent let go."""
    directory = DataDirectory(tmp_path)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # lives until the write end is closed
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    os.close(read)
    directory.close()
    clock = _Clock()
    with pytest.raises(DataDirectoryError, match="in use"):
        DataDirectory(tmp_path, clock=clock, sleep=clock.sleep)
    os.close(write)
    os.waitpid(child, 0)
    DataDirectory(tmp_path).close()


def test_a_directory_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    """World-writable directories are refused with the command that helps (A33)."""
    tmp_path.chmod(0o777)
    with pytest.raises(DataDirectoryError, match="chmod o-w"):
        DataDirectory(tmp_path)


def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names both users. Another user is played by changing who we are, which needs no root (A33)."""
    own = tmp_path / "own"
    own.mkdir()
    if own.stat().st_uid == 0:
        os.chown(own, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(DataDirectoryError, match=r"belongs to user \d+, but timepoint runs as user \d+"):
        DataDirectory(own)


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    """A symbolic link in place of the lock is refused, and its target is not touched (A33)."""
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "lock").symlink_to(target)
    with pytest.raises(DataDirectoryError, match="cannot be used"):
        DataDirectory(tmp_path)
    assert target.read_text() == "precious"


def test_a_file_in_place_of_the_directory_is_named(tmp_path: Path) -> None:
    """The error says which path cannot be used."""
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(DataDirectoryError, match="file' cannot be used"):
        DataDirectory(path)


MOUNTINFO = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / DIR/nfs rw,relatime shared:7 - nfs4 server:/export rw,vers=4.2
31 30 8:2 / DIR/nfs/local rw - xfs /dev/sdb rw
32 22 0:26 / DIR/with\040blank rw - fuse.sshfs me@there:/ rw
33 22 0:27 / DIR/twice rw - cifs //server/share rw
34 33 0:28 / DIR/twice rw - tmpfs tmpfs rw
35 22 0:29 / DIR/lxc rw - fuse.lxcfs lxcfs rw
short line
"""


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("nfs/deep/data", "nfs4"),
        ("nfs", "nfs4"),
        ("with blank/data", "fuse.sshfs"),
        ("nfs/local/data", None),
        ("nfs-beside", None),
        ("twice/data", None),
        ("lxc/data", None),
        ("data", None),
    ],
)
def test_d13_a_directory_on_a_network_is_refused(tmp_path: Path, where: str, kind: str | None) -> None:
    """D13: the error names the kind of file system and what to choose; what is mounted on top of it counts."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTINFO.replace("DIR", str(tmp_path)))
    if kind is None:
        _refuse_remote(tmp_path / where, mounts)
        return
    with pytest.raises(DataDirectoryError, match=rf"on a network \({kind}\).*local disk"):
        _refuse_remote(tmp_path / where, mounts)


def test_d13_where_nobody_tells_the_directory_is_accepted(tmp_path: Path) -> None:
    """D13: a system without /proc has no list of mounts; what SQLite needs it checks itself when it opens the file."""
    _refuse_remote(tmp_path, tmp_path / "absent")
