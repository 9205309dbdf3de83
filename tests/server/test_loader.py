from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.server.support import NOW, SetClock, publish_job, publish_poller
from timepoint.exposition.family import FamilySnapshot, JobSnapshot, SampleBatch
from timepoint.exposition.formats import TEXT
from timepoint.exposition.publish import POLLER, publish, snapshot_path
from timepoint.model import FamilySpec, MetricType
from timepoint.server.loader import SnapshotLoader


def page(loader: SnapshotLoader) -> bytes:
    """What a scrape of the loader's snapshots would show."""
    return b"".join(loader.held.pages.page(TEXT, gzip=False, now=NOW).parts)


def test_a_published_job_is_served_after_the_next_look(tmp_path: Path) -> None:
    """What is served changes when the file does, and only then."""
    loader = SnapshotLoader(tmp_path, ["a"], SetClock())
    assert not loader.refresh()

    publish_job(tmp_path, "a", 1)
    assert loader.refresh()
    assert b'a_watts{pod="a"} 1' in page(loader)

    publish_job(tmp_path, "a", 2)
    assert loader.refresh()
    assert b'a_watts{pod="a"} 2' in page(loader)
    assert not loader.refresh()


def test_only_jobs_of_the_config_are_served(tmp_path: Path) -> None:
    """A file of a job that the config does not name stays where it is and is not shown."""
    publish_job(tmp_path, "a")
    publish_job(tmp_path, "gone")
    loader = SnapshotLoader(tmp_path, ["a"], SetClock())

    loader.refresh()

    assert b"a_watts" in page(loader)
    assert b"gone_watts" not in page(loader)


def test_a_damaged_file_leaves_the_one_before_in_use_and_is_counted_once(tmp_path: Path) -> None:
    """One flipped byte costs one count, however often the file is looked at."""
    publish_job(tmp_path, "a", 7)
    loader = SnapshotLoader(tmp_path, ["a"], SetClock())
    loader.refresh()
    path = snapshot_path(tmp_path, "a")
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 1
    beside = tmp_path / "beside"
    beside.write_bytes(whole)
    beside.replace(path)

    for _ in range(3):
        loader.refresh()

    assert b'a_watts{pod="a"} 7' in page(loader)
    assert loader.held.read_failures == 1


def test_a_file_that_could_not_be_read_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A failure that passes by itself costs seconds and not the time until the next run; it is told once."""
    clock = SetClock()
    loader = SnapshotLoader(tmp_path, ["a"], clock)
    publish_job(tmp_path, "a", 7)
    path = snapshot_path(tmp_path, "a")
    hidden = path.rename(tmp_path / "hidden")
    path.symlink_to(path.name)  # a loop: there, but not to be opened, for root neither
    for _ in range(3):
        clock.advance(10_000)
        loader.refresh()
    assert loader.held.read_failures == 1

    path.unlink()
    hidden.rename(path)
    loader.refresh()

    assert b'a_watts{pod="a"} 7' in page(loader)
    assert [record.getMessage() for record in caplog.records] == ["snapshot_unusable"]


def test_the_same_damage_is_not_read_at_every_look(tmp_path: Path) -> None:
    """A damaged file is read again only when it changed, or when some seconds have passed."""
    clock = SetClock()
    publish_job(tmp_path, "a", 7)
    path = snapshot_path(tmp_path, "a")
    whole = path.read_bytes()
    stamp = path.stat()
    path.write_bytes(whole[:-3] + bytes(3))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    loader = SnapshotLoader(tmp_path, ["a"], clock)
    loader.refresh()

    path.write_bytes(whole)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert not loader.refresh()
    clock.advance(5000)
    assert loader.refresh()


def test_a_file_that_is_gone_is_no_longer_served(tmp_path: Path) -> None:
    """The directory is the truth: a job that was taken away leaves the page, when it is sure that this is meant."""
    publish_job(tmp_path, "a")
    publish_poller(tmp_path)
    clock = SetClock()
    loader = SnapshotLoader(tmp_path, ["a"], clock)
    loader.refresh()

    snapshot_path(tmp_path, "a").unlink()
    loader.refresh()
    clock.advance(9_000)
    loader.refresh()
    assert b"a_watts" in page(loader)

    clock.advance(1_000)
    loader.refresh()
    assert b"a_watts" not in page(loader)


def test_a_directory_that_is_deleted_takes_no_job_away(tmp_path: Path) -> None:
    """Without a sign of the poller nobody has withdrawn anything: what is held is served up to its max_age (D7)."""
    publish_job(tmp_path, "a")
    publish_poller(tmp_path)
    clock = SetClock()
    loader = SnapshotLoader(tmp_path, ["a"], clock)
    loader.refresh()

    snapshot_path(tmp_path, "a").unlink()
    snapshot_path(tmp_path, POLLER).unlink()
    for _ in range(3):
        loader.refresh()
        clock.advance(10_000)

    assert b"a_watts" in page(loader)


def test_a_heartbeat_counts_from_when_it_was_seen(tmp_path: Path) -> None:
    """A wall clock that jumps does not make a living poller dead: only the first heartbeat is dated by it."""
    clock = SetClock()
    publish_poller(tmp_path, at=NOW - 5000)
    loader = SnapshotLoader(tmp_path, [], clock)
    loader.refresh()
    assert loader.held.heartbeat == clock.monotonic() - 5
    assert not loader.held.poller_spoke

    clock.wall -= 3_600_000
    clock.seconds += 3
    publish_poller(tmp_path, {"beat": 2}, at=clock.now())
    loader.refresh()

    assert loader.held.heartbeat == clock.monotonic()
    assert loader.held.poller_spoke


def test_a_directory_that_is_not_there_yet_is_an_empty_page(tmp_path: Path) -> None:
    """Before the first poll there is nothing to serve, and that is no failure."""
    loader = SnapshotLoader(tmp_path / "later", ["a"], SetClock())

    loader.refresh()

    assert page(loader) == b""
    assert loader.held.read_failures == 0


def test_pages_for_the_next_limit_are_ready_before_it(tmp_path: Path) -> None:
    """Just before a value vanishes the pages without it are made; they are used from that instant on and not before."""
    clock = SetClock()
    publish_job(tmp_path, "a", visible_until=NOW + 60_000)
    loader = SnapshotLoader(tmp_path, ["a"], clock)
    loader.refresh()
    assert loader.held.upcoming is None

    clock.advance(59_000)
    loader.refresh()
    made = loader.held.pages_at(NOW + 60_000)
    assert made is not loader.held.pages_at(NOW + 59_999)
    assert b"a_watts" not in b"".join(made.page(TEXT, gzip=False, now=NOW + 60_000).parts)

    clock.advance(1_000)
    loader.refresh()
    assert loader.held.pages is made
    assert loader.held.upcoming is None


def test_pages_made_ahead_are_dropped_when_a_job_publishes(tmp_path: Path) -> None:
    """What was made ahead of an older snapshot never hides a newer one (S5)."""
    clock = SetClock()
    publish_job(tmp_path, "a", 1, visible_until=NOW + 1_000)
    loader = SnapshotLoader(tmp_path, ["a"], clock)
    loader.refresh()
    assert loader.held.upcoming is not None

    publish_job(tmp_path, "a", 2, visible_until=NOW + 90_000)
    loader.refresh()

    body = b"".join(loader.held.pages_at(NOW + 1_000).page(TEXT, gzip=False, now=NOW + 1_000).parts)
    assert b'a_watts{pod="a"} 2' in body


def test_jobs_that_contradict_each_other_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The page stays valid without the later job's family, and the log says why, not at every look (C8)."""
    publish_job(tmp_path, "a")
    families = [FamilySnapshot(FamilySpec("a_watts", MetricType.UNKNOWN, "Else."), [SampleBatch([""], [1.0])])]
    publish(tmp_path, JobSnapshot("b", families, commit=1, rendered_at=NOW), durable=False)
    loader = SnapshotLoader(tmp_path, ["a", "b"], SetClock())

    loader.refresh()
    publish_poller(tmp_path)
    loader.refresh()

    assert len(loader.held.pages.problems) == 1
    assert [record.getMessage() for record in caplog.records] == ["jobs_contradict"]


def test_jobs_follow_what_the_poller_says(tmp_path: Path) -> None:
    """After a reload of the config a new job is on the page with the first word of it, and a removed one is not."""
    clock = SetClock()
    loader = SnapshotLoader(tmp_path, ["old", "kept"], clock)
    for name in ("old", "kept", "new"):
        publish_job(tmp_path, name)
    publish_poller(tmp_path, {"jobs": {"old": {}, "kept": {}}})
    loader.refresh()
    assert b"new_watts" not in page(loader)

    publish_poller(tmp_path, {"jobs": {"new": {}, "kept": {}}}, at=NOW + 1)
    assert loader.refresh()

    assert b"old_watts" not in page(loader)
    assert b"new_watts" in page(loader)
    assert b"kept_watts" in page(loader)
    assert list(loader.job_names) == ["new", "kept"]


def test_a_poller_of_before_the_start_does_not_say_which_jobs_there_are(tmp_path: Path) -> None:
    """Its word is as old as the config of before; the config of this start knows better."""
    publish_job(tmp_path, "old")
    publish_job(tmp_path, "new")
    publish_poller(tmp_path, {"jobs": {"old": {}}}, at=NOW - 1)
    loader = SnapshotLoader(tmp_path, ["new"], SetClock())

    loader.refresh()

    assert b"new_watts" in page(loader)
    assert b"old_watts" not in page(loader)


@pytest.mark.parametrize("status", [{}, {"jobs": None}, {"jobs": ["new"]}])
def test_a_status_without_jobs_takes_none_away(tmp_path: Path, status: dict[str, object]) -> None:
    """A poller of another release cannot empty the page."""
    publish_job(tmp_path, "a")
    publish_poller(tmp_path, status)
    loader = SnapshotLoader(tmp_path, ["a"], SetClock())
    loader.refresh()
    assert b"a_watts" in page(loader)
