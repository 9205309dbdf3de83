"""One checksummed file per job."""

import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exposition.worlds import GOLDEN, family, states
from timepoint.errors import PublishError
from timepoint.exposition.family import FamilySnapshot, JobSnapshot, SampleBatch
from timepoint.exposition.formats import OPENMETRICS, TEXT, Format
from timepoint.exposition.page import Pages
from timepoint.exposition.publish import (
    pack,
    publish,
    published_paths,
    read_published,
    snapshot_path,
    unpack,
    withdraw,
)
from timepoint.exposition.render import render_families
from timepoint.exposition.segment import Segment
from timepoint.model import FamilySpec, MetricType

SNAPSHOT = JobSnapshot(
    "pod_energy", GOLDEN["all_types"], 7, 1000, "abc", {"outcome": "ok", "rejects": {"a": [1, None]}}
)


def _inflate(segment: Segment) -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(segment.deflated)


def test_a_published_job_is_read_back(tmp_path: Path) -> None:
    """Every fact of the job, each family's spec and the limits of each batch come back from the file."""
    spec = SNAPSHOT.families[0].spec
    batches = [SampleBatch(["", "{}"], [1.0, 2.0], None, 5), SampleBatch([""], [3.0], 5), SampleBatch([], [])]
    publish(tmp_path, JobSnapshot("j", [FamilySnapshot(spec, batches)], 7, 1000, "abc", {"outcome": "ok"}))
    job = read_published(snapshot_path(tmp_path, "j"))
    assert (job.job_name, job.commit, job.rendered_at, job.fingerprint) == ("j", 7, 1000, "abc")
    assert job.status == {"outcome": "ok"}
    assert [family.spec for family in job.families] == [spec]
    found = [(batch.series, batch.visible_from, batch.visible_until) for batch in job.families[0].batches]
    assert found == [(2, None, 5), (1, 5, None)]
    assert job.size == snapshot_path(tmp_path, "j").stat().st_size


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(states())
def test_each_segment_tells_of_its_plain_lines(snapshots: list[FamilySnapshot]) -> None:
    """The length and the checksum of each segment are those of the plain lines in it, as zlib inflates them."""
    job = unpack(b"".join(pack(JobSnapshot("j", snapshots, 1, 1))))
    for published in job.families:
        for segment in (published.text, published.openmetrics, *(batch.lines for batch in published.batches)):
            plain = b"".join(segment.plain())
            assert _inflate(segment) == plain
            assert (segment.length, segment.checksum) == (len(plain), zlib.crc32(plain))


def test_publishing_again_replaces_the_file(tmp_path: Path) -> None:
    """After a second publication there is one file, with the second state."""
    for commit in (1, 2):
        publish(tmp_path, JobSnapshot("j", [], commit, 0), durable=commit == 1)
    assert list(tmp_path.iterdir()) == [snapshot_path(tmp_path, "j")]
    assert read_published(snapshot_path(tmp_path, "j")).commit == 2


def test_the_old_file_stays_readable_while_it_is_replaced(tmp_path: Path) -> None:
    """A reader that opened the file before a publication reads the old state whole."""
    publish(tmp_path, SNAPSHOT)
    with snapshot_path(tmp_path, "pod_energy").open("rb") as file:
        publish(tmp_path, JobSnapshot("pod_energy", [], 8, 0))
        assert unpack(file.read()).commit == 7


def test_a_reader_beside_a_writer_sees_whole_files_only(tmp_path: Path) -> None:
    """While one thread publishes again and again, each read gives one of its states, and none older than the last.

    Faults: S5.
    """
    spec = FamilySpec("x", MetricType.GAUGE, "")
    states_in_order = [
        JobSnapshot(
            "j",
            [FamilySnapshot(spec, [SampleBatch([f'{{n="{n}"}}' for n in range(50 * commit)], [1.0] * 50 * commit)])],
            commit,
            0,
        )
        for commit in range(1, 40)
    ]
    publish(tmp_path, states_in_order[0])

    def publish_all() -> None:
        for state in states_in_order:
            publish(tmp_path, state, durable=False)

    writer = threading.Thread(target=publish_all)
    writer.start()
    seen = []
    while writer.is_alive():
        job = read_published(snapshot_path(tmp_path, "j"))
        assert job.families[0].batches[0].series == 50 * job.commit
        seen.append(job.commit)
    writer.join()
    assert seen == sorted(seen)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    """The file's mode is 0600, whatever a leftover of a crash had (A33)."""
    leftover = tmp_path / "pod_energy.snapshot.new"
    leftover.write_bytes(b"half a file")
    leftover.chmod(0o644)
    publish(tmp_path, SNAPSHOT)
    assert snapshot_path(tmp_path, "pod_energy").stat().st_mode & 0o777 == 0o600
    assert not leftover.exists()


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "ü 点", "~poller", "a%2Fb", ".", "..", "a\nb", "-x"])
def test_no_job_name_leaves_the_directory(tmp_path: Path, name: str) -> None:
    """Each job name gives one file inside the directory, found again under that name."""
    publish(tmp_path, JobSnapshot(name, [], 1, 0))
    assert published_paths(tmp_path) == [snapshot_path(tmp_path, name)]
    assert snapshot_path(tmp_path, name).parent == tmp_path
    assert read_published(snapshot_path(tmp_path, name)).job_name == name


def test_no_two_job_names_share_a_file(tmp_path: Path) -> None:
    """The encoding of names is unambiguous."""
    names = ["a/b", "a%2Fb", "a%252Fb", "a b", "a+b", "a.b"]
    assert len({snapshot_path(tmp_path, name) for name in names}) == len(names)


def test_a_directory_that_does_not_exist_is_made(tmp_path: Path) -> None:
    """The first publication makes the directory, for its owner alone; before it nothing is published."""
    directory = tmp_path / "data" / "published"
    assert published_paths(directory) == []
    publish(directory, SNAPSHOT)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert len(published_paths(directory)) == 1


def test_withdrawing_removes_the_file(tmp_path: Path) -> None:
    """A job that is no longer configured leaves no file, and withdrawing it twice is no error."""
    publish(tmp_path, SNAPSHOT)
    withdraw(tmp_path, "pod_energy")
    withdraw(tmp_path, "pod_energy")
    assert published_paths(tmp_path) == []


def test_a_failed_publication_keeps_the_old_file(tmp_path: Path) -> None:
    """If the new file cannot be written the error names the path, and the old state is still there."""
    publish(tmp_path, SNAPSHOT)
    (tmp_path / "pod_energy.snapshot.new").mkdir()
    with pytest.raises(PublishError, match=r"pod_energy\.snapshot: .*could not be written .*data directory"):
        publish(tmp_path, JobSnapshot("pod_energy", [], 8, 0))
    assert read_published(snapshot_path(tmp_path, "pod_energy")).commit == 7


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Reading a file that is not there raises PublishError with its path."""
    with pytest.raises(PublishError, match=r"gone\.snapshot: .*No such file"):
        read_published(tmp_path / "gone.snapshot")


def test_a_file_under_another_jobs_name_is_refused(tmp_path: Path) -> None:
    """A copy under another name would never be replaced, so it is not read."""
    publish(tmp_path, SNAPSHOT)
    other = snapshot_path(tmp_path, "pod_power")
    other.write_bytes(snapshot_path(tmp_path, "pod_energy").read_bytes())
    with pytest.raises(PublishError, match="of job 'pod_energy'"):
        read_published(other)


def _small_file() -> bytes:
    snapshots = [family("x_total", "counter", "h", {'{a="1"}': 1.0, "": 2.0})]
    return b"".join(pack(JobSnapshot("j", snapshots, 1, 1, "f", {"a": 1})))


@pytest.mark.parametrize("bit", range(8))
def test_any_changed_bit_is_noticed(bit: int) -> None:
    """A file in which one bit of any byte is another is refused (D8)."""
    whole = _small_file()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << bit
        with pytest.raises(ValueError, match="snapshot"):
            unpack(bytes(damaged))


def test_any_cut_is_noticed() -> None:
    """A file that lacks any number of bytes at its end, or has some more, is refused."""
    whole = _small_file()
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="snapshot"):
            unpack(whole[:length])
    with pytest.raises(ValueError, match="snapshot"):
        unpack(whole + b"\0")


@given(st.binary(max_size=300), st.integers(0, 100))
def test_garbage_is_refused(garbage: bytes, kept: int) -> None:
    """No bytes, even behind a true beginning, crash the reader: they are refused with a sentence (A35)."""
    with pytest.raises(ValueError, match="snapshot"):
        unpack(_small_file()[:kept] + garbage)


def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    """The error names the path, what is wrong and how to mend it."""
    path = snapshot_path(tmp_path, "j")
    path.write_bytes(_small_file()[:-1] + b"!")
    with pytest.raises(PublishError, match=r"j\.snapshot: the snapshot is damaged: delete the file"):
        read_published(path)


def test_a_file_of_another_layout_is_refused_by_its_number(tmp_path: Path) -> None:
    """A file of a later program is not misread, and the error names both layouts."""
    path = snapshot_path(tmp_path, "j")
    whole = bytearray(_small_file())
    whole[16] = 9
    path.write_bytes(whole)
    with pytest.raises(PublishError, match="layout 9, this program reads layout 3"):
        read_published(path)


@pytest.mark.parametrize("wanted", [TEXT, OPENMETRICS])
def test_what_is_published_is_what_a_preview_renders(tmp_path: Path, wanted: Format) -> None:
    """The page made of published files equals the page rendered from the same state."""
    publish(tmp_path, SNAPSHOT)
    pages = Pages([read_published(path) for path in published_paths(tmp_path)])
    assert b"".join(pages.page(wanted, gzip=False, now=0).parts) == render_families(SNAPSHOT.families, wanted)


def test_a_lone_surrogate_in_the_status_does_not_cost_the_page() -> None:
    """Text that has no UTF-8 form is kept with a question mark, wherever it stands in the status."""
    status = {"rejects": [{"no\ud800": "\udfff"}], "count": 1}
    job = unpack(b"".join(pack(JobSnapshot("j", [], 1, 1, "", status))))
    assert job.status == {"rejects": [{"no?": "?"}], "count": 1}
