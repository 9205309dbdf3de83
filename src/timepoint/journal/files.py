"""The files of the journal.

Owns: their names, their layout, how they are replaced and verified. They are not fsynced: after a power cut pages may
tell less, and nothing counts on them. Must not know: what is told, who reads it.

    magic   8 bytes       layout   4 bytes       CRC-32 of what follows   4 bytes
    what is told, as MessagePack, deflated
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from timepoint.durable import replacing
from timepoint.errors import PublishError
from timepoint.exposition.deflate import crc32, deflate, inflate
from timepoint.exposition.publish import POLLER, without_surrogates
from timepoint.journal.told import ConfigTold, JobTold, RecentTold

RUNS_SUFFIX = ".runs"
RECENT_SUFFIX = ".recent"
CONFIG_NAME = f"{POLLER}.config"

_MAGIC = b"tpjrnl\r\n"
_LAYOUT = 1
_HEAD = struct.Struct("<8sII")
_MOST = 256 * 1024 * 1024  # of one file, plain: the bounds of what is told are far below
_PIECE = 1024 * 1024

Told = TypeVar("Told", JobTold, RecentTold, ConfigTold)


def runs_path(directory: Path, job_name: str) -> Path:
    """Where the runs, lanes and facts of a job lie. The name is percent-encoded, so that none leaves the directory."""
    return directory / f"{quote(job_name, safe='')}{RUNS_SUFFIX}"


def recent_path(directory: Path, job_name: str) -> Path:
    """Where the recent timepoints of a job lie."""
    return directory / f"{quote(job_name, safe='')}{RECENT_SUFFIX}"


def config_path(directory: Path) -> Path:
    """Where the config lies. No job can have that name."""
    return directory / CONFIG_NAME


def write_told(path: Path, told: JobTold | RecentTold | ConfigTold) -> None:
    """Replaces a file of the journal. Raises PublishError; the old or the new one is then in place, whole."""
    packed = deflate((_encode(told),))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with replacing(path, is_synced=False) as file:
            file.write(_HEAD.pack(_MAGIC, _LAYOUT, crc32(packed)))
            file.write(packed)
    except OSError as error:
        raise PublishError(
            f"{path}: what the status pages show could not be written ({error.strerror or error}): see that the data "
            "directory has space and belongs to the user of this process"
        ) from error


def read_told(path: Path, kind: type[Told]) -> Told | None:
    """What a file tells; None if it is not there, damaged, or of another release: then nothing is known."""
    try:
        data = path.read_bytes()
        magic, layout, checksum = _HEAD.unpack_from(data)
    except (OSError, struct.error):
        return None
    packed = memoryview(data)[_HEAD.size :]
    if (magic, layout) != (_MAGIC, _LAYOUT) or checksum != crc32(packed):
        return None
    plain = bytearray()
    for piece in inflate(packed, _PIECE):
        plain += piece
        if len(plain) > _MOST:
            return None
    try:
        return msgspec.msgpack.decode(plain, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def strangers(directory: Path, job_names: set[str]) -> list[Path]:
    """The files of jobs that are no longer configured, and what a crash left behind."""
    own = {path(directory, name) for name in job_names for path in (runs_path, recent_path)}
    found = (path for suffix in (RUNS_SUFFIX, RECENT_SUFFIX) for path in directory.glob(f"*{suffix}*"))
    return sorted(path for path in found if path not in own)


def _encode(told: JobTold | RecentTold | ConfigTold) -> bytes:
    try:
        return msgspec.msgpack.encode(told)
    except UnicodeEncodeError:  # a lone surrogate, say in an example of a reject: it must not cost the pages
        return msgspec.msgpack.encode(without_surrogates(msgspec.to_builtins(told, builtin_types=(bytes,))))
