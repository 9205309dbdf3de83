"""The files of the journal: whole, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from timepoint.errors import PublishError
from timepoint.journal.files import config_path, read_told, recent_path, runs_path, strangers, write_told
from timepoint.journal.told import ConfigTold, GridTold, JobTold, RecentTold, RejectTold, RunTold, SeriesTold

RUN = RunTold(fire_time=2, began=3, outcome="ok", rejects=[RejectTold("no_value", 1, ["$.a"])], stages={"map": 0.5})
JOB = JobTold("pods", 1, runs=[RUN])
RECENT = RecentTold(
    "pods", 1, [GridTold(b"x" * 8, b"y" * 8)], {"m": SeriesTold('{a="1"}', b"0000", b"00000000", b"z" * 8)}, 2
)


@pytest.mark.parametrize("told", [JOB, RECENT, ConfigTold(5, "a: 1\n")])
def test_what_is_written_is_read(tmp_path: Path, told: Any) -> None:
    """Nothing is lost or changed on the way."""
    path = tmp_path / "new" / "file"
    write_told(path, told)
    assert read_told(path, type(told)) == told
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_damaged_byte_makes_it_nothing(tmp_path: Path) -> None:
    """A file that is not whole is as one that is not there."""
    path = runs_path(tmp_path, "pods")
    write_told(path, JOB)
    good = path.read_bytes()
    for place in range(len(good)):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert read_told(path, JobTold) is None
        path.write_bytes(good[:place])
        assert read_told(path, JobTold) is None
    path.unlink()
    assert read_told(path, JobTold) is None


def test_a_file_of_another_kind_is_nothing(tmp_path: Path) -> None:
    """The reader takes no config for a job."""
    write_told(tmp_path / "x", ConfigTold(5, "a: 1"))
    assert read_told(tmp_path / "x", JobTold) is None


def test_a_text_that_is_no_unicode_costs_itself(tmp_path: Path) -> None:
    """A lone surrogate in a reject's example is replaced, the rest is as it was."""
    odd = RunTold(fire_time=2, began=3, outcome="ok", rejects=[RejectTold("r", 1, ["\ud800"])])
    write_told(tmp_path / "x", JobTold("pods", 1, runs=[odd]))
    told = read_told(tmp_path / "x", JobTold)
    assert told is not None
    assert told.runs[0].rejects[0].examples == ["?"]


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The caller learns which file, and nothing half written stays."""
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishError, match="status pages"):
        write_told(tmp_path / "file" / "x", JOB)


def test_only_files_of_strangers_are_strange(tmp_path: Path) -> None:
    """Those of configured jobs, the config and other files stay; what a crash left goes."""
    for name in ("pods", "gone"):
        write_told(runs_path(tmp_path, name), JOB)
        write_told(recent_path(tmp_path, name), RECENT)
    write_told(config_path(tmp_path), ConfigTold(5, ""))
    (tmp_path / "pods.snapshot").write_text("")
    (tmp_path / "pods.runs.new").write_text("")
    assert [path.name for path in strangers(tmp_path, {"pods"})] == ["gone.recent", "gone.runs", "pods.runs.new"]


def test_no_name_leads_out_of_the_directory(tmp_path: Path) -> None:
    """A name is percent-encoded."""
    assert runs_path(tmp_path, "../a").parent == tmp_path
    assert recent_path(tmp_path, "a/b").parent == tmp_path
