"""One checksummed file per job: what the poller hands to the server, and what a restart shows at once.

Owns: the layout of a snapshot file, its name, how it is written so that a reader sees the old or the new one whole,
and how it is verified. Must not know: the ledger, pages, HTTP.

    preamble   magic, layout version, length of the index, length of all that follows it, CRC-32 of preamble and index
    index      JSON: the job's facts, and per family its spec and the lengths and CRC-32s of its blobs
    blobs      per family: metadata for text, for OpenMetrics; per batch: sample lines, and those of OpenMetrics if
               they are others. Each is deflated. They follow each other without a gap, in the order of the index

The blobs are ready to be sent as they are (see ``deflate``). A file is read whole into memory and not mapped:
a mapped file that is cut short, or lies on a failing disk, kills the process that touches it.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from timepoint.durable import replacing
from timepoint.errors import PublishError
from timepoint.exposition.deflate import Buffer, crc32
from timepoint.exposition.family import FamilySnapshot, JobSnapshot
from timepoint.exposition.render import render_metadata, render_samples
from timepoint.exposition.segment import PublishedBatch, PublishedFamily, PublishedJob, Segment, make_segment
from timepoint.failpoints import failpoint
from timepoint.model import FamilySpec

SUFFIX = ".snapshot"

POLLER = "~poller"
"""The name under which the poller publishes itself. No job can have it: ``~`` is not allowed in a job's name."""

_MAGIC = b"timepoint\x00page\r\n"
_VERSION = 3
_PREAMBLE = struct.Struct("<16sIIQ")
_CHECKSUM = struct.Struct("<I")
_START = _PREAMBLE.size + _CHECKSUM.size

_REMEDY = "delete the file; it is rendered again from the ledger when the poller starts or the job runs"

_Length = Annotated[int, msgspec.Meta(ge=0)]


class _Lines(msgspec.Struct, array_like=True, frozen=True):
    """The length and CRC-32 of a blob, and of the plain lines in it."""

    size: _Length
    blob_checksum: int
    length: _Length
    checksum: int


class _Batch(msgspec.Struct, frozen=True):
    lines: _Lines
    series: _Length
    visible_from: int | None
    visible_until: int | None
    openmetrics: _Lines | None = None


class _Family(msgspec.Struct, frozen=True):
    spec: FamilySpec
    text: _Lines
    openmetrics: _Lines
    batches: list[_Batch]


class _Index(msgspec.Struct, frozen=True):
    job_name: str
    commit: int
    rendered_at: int
    fingerprint: str
    status: dict[str, Any]
    families: list[_Family]


def snapshot_path(directory: Path, job_name: str) -> Path:
    """Where the job's snapshot lies: its name percent-encoded, so that no name leaves the directory."""
    return directory / f"{quote(job_name, safe='')}{SUFFIX}"


def published_paths(directory: Path) -> list[Path]:
    """The snapshot files of a directory, sorted; empty if there is no directory yet."""
    return sorted(directory.glob(f"*{SUFFIX}"))


def publish(directory: Path, snapshot: JobSnapshot, *, durable: bool = True) -> None:
    """Replaces the job's snapshot file, so that a reader at any instant finds the old or the new one whole.

    With ``durable`` the new file is on disk when this returns; without, a power cut may bring the old one back, or
    leave one that ``read_published`` refuses. Raises PublishError; the old or the new file is then in place, whole.
    """
    path = snapshot_path(directory, snapshot.job_name)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path, is_synced=durable, passing=failpoint) as file:
            file.writelines(pack(snapshot))
    except OSError as error:
        raise PublishError(
            f"{path}: the snapshot of job {snapshot.job_name!r} could not be written ({error.strerror or error}): "
            "see that the data directory has space and belongs to the user of this process"
        ) from error


def withdraw(directory: Path, job_name: str) -> None:
    """Removes the snapshot of a job that is no longer configured; nothing if there is none. Raises PublishError."""
    path = snapshot_path(directory, job_name)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PublishError(f"{path}: could not be removed ({error.strerror or error}): remove it by hand") from error


def read_published(path: Path) -> PublishedJob:
    """Reads and verifies a snapshot file, to the last bit. Raises PublishError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PublishError(
            f"{path}: the snapshot could not be read ({error.strerror or error}): see that the file belongs to the "
            "user of this process"
        ) from error
    try:
        job = unpack(data)
    except ValueError as error:
        raise PublishError(f"{path}: {error}: {_REMEDY}") from error
    if snapshot_path(path.parent, job.job_name) != path:
        raise PublishError(f"{path}: the snapshot is of job {job.job_name!r}, which has another file name: {_REMEDY}")
    return job


def pack(snapshot: JobSnapshot) -> list[Buffer]:
    """Renders and compresses a snapshot: the bytes of its file, in pieces."""
    blobs: list[Buffer] = []
    index = _Index(
        job_name=snapshot.job_name,
        commit=snapshot.commit,
        rendered_at=snapshot.rendered_at,
        fingerprint=snapshot.fingerprint,
        status=dict(snapshot.status),
        families=[_pack_family(family, blobs) for family in snapshot.families],
    )
    encoded = _encode(index)
    preamble = _PREAMBLE.pack(_MAGIC, _VERSION, len(encoded), sum(map(len, blobs)))
    return [preamble, _CHECKSUM.pack(crc32(encoded, crc32(preamble))), encoded, *blobs]


def unpack(data: bytes) -> PublishedJob:
    """The inverse of ``pack``; segments refer to ``data`` and copy nothing. Raises ValueError with what is wrong."""
    index, rest = _read_index(data)
    blobs = _Blobs(rest)
    families = tuple(_unpack_family(family, blobs) for family in index.families)
    blobs.end()
    return PublishedJob(
        job_name=index.job_name,
        commit=index.commit,
        rendered_at=index.rendered_at,
        fingerprint=index.fingerprint,
        status=index.status,
        families=families,
        size=len(data),
    )


def _encode(index: _Index) -> bytes:
    try:
        return msgspec.json.encode(index)
    except UnicodeEncodeError:  # a lone surrogate, say in an example of a reject: it must not cost the page
        return msgspec.json.encode(without_surrogates(msgspec.to_builtins(index)))


def without_surrogates(value: Any) -> Any:
    """The same data with a question mark for each lone surrogate, which has no form in UTF-8."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return [without_surrogates(item) for item in value] if isinstance(value, list | tuple) else value


def _pack_family(family: FamilySnapshot, blobs: list[Buffer]) -> _Family:
    spec = family.spec
    return _Family(
        spec=spec,
        text=_pack_segment(make_segment([render_metadata(spec, openmetrics=False)]), blobs),
        openmetrics=_pack_segment(make_segment([render_metadata(spec, openmetrics=True)]), blobs),
        batches=[
            _Batch(
                lines=_pack_segment(make_segment(render_samples(spec, batch)), blobs),
                series=len(batch.texts),
                visible_from=batch.visible_from,
                visible_until=batch.visible_until,
                openmetrics=_pack_segment(make_segment(render_samples(spec, batch, openmetrics=True)), blobs)
                if batch.created is not None
                else None,
            )
            for batch in family.batches
            if len(batch.texts)
        ],
    )


def _pack_segment(segment: Segment, blobs: list[Buffer]) -> _Lines:
    blob = segment.deflated
    blobs.append(blob)
    return _Lines(len(blob), crc32(blob), segment.length, segment.checksum)


def _read_index(data: bytes) -> tuple[_Index, memoryview]:
    if len(data) < _START or not data.startswith(_MAGIC):
        raise ValueError("this is no snapshot")
    _, version, index_length, rest_length = _PREAMBLE.unpack_from(data)
    if version != _VERSION:
        raise ValueError(f"the snapshot has layout {version}, this program reads layout {_VERSION}")
    if len(data) != _START + index_length + rest_length:
        raise ValueError(f"the snapshot has {len(data)} bytes and should have {_START + index_length + rest_length}")
    view = memoryview(data)
    encoded = view[_START : _START + index_length]
    if _CHECKSUM.unpack_from(data, _PREAMBLE.size)[0] != crc32(encoded, crc32(view[: _PREAMBLE.size])):
        raise ValueError("the index of the snapshot is damaged")
    try:
        return msgspec.json.decode(encoded, type=_Index), view[_START + index_length :]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the index of the snapshot cannot be read ({error})") from error


class _Blobs:
    """Hands out the blobs of a file one after the other, each verified."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._position = 0

    def take(self, lines: _Lines) -> Segment:
        blob = self._data[self._position : self._position + lines.size]
        self._position += lines.size
        if len(blob) != lines.size or crc32(blob) != lines.blob_checksum:
            raise ValueError("the snapshot is damaged")
        return Segment(blob, lines.checksum, lines.length)

    def end(self) -> None:
        if self._position != len(self._data):
            raise ValueError("the snapshot has bytes that its index does not know")


def _unpack_family(family: _Family, blobs: _Blobs) -> PublishedFamily:
    return PublishedFamily(
        spec=family.spec,
        text=blobs.take(family.text),
        openmetrics=blobs.take(family.openmetrics),
        batches=tuple(
            PublishedBatch(
                blobs.take(batch.lines),
                batch.series,
                batch.visible_from,
                batch.visible_until,
                None if batch.openmetrics is None else blobs.take(batch.openmetrics),
            )
            for batch in family.batches
        ),
    )
