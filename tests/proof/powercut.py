"""What a power cut may leave: a run's writes and syncs, replayed up to each point.

Owns: reading a trace, the model of a disk, the states in which a cut may leave it. Must not know: what is right.

The model is harsh. Until a file is synced each write to it may be there, be missing, or be there in part (512-byte
sectors), in any combination with the others. Until a directory is synced each name made, renamed or removed in it may
be as before or as after, in order (a journal) or in any combination; syncing a file does not save its name. So it
allows more than ext4, XFS or btrfs do.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECTOR = 512

_CALL = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+= (\d+)(?:<[^>]*>)?$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to the disk.

    ``kind`` is ``create``, ``write``, ``truncate``, ``sync``, ``rename``, ``unlink``, ``sync_names`` or ``told``: then
    ``data`` are acknowledgements. ``path`` is the file's, the directory's for ``sync_names``; ``other`` a new name.
    """

    kind: str
    path: str
    offset: int = 0
    data: bytes = b""
    other: str = ""


def read_trace(text: str, directory: Path) -> list[Step]:
    """The steps of a trace by ``strace -f -y -xx -s N``. Calls that failed changed nothing and are left out."""
    positions: dict[tuple[str, str], int] = {}
    told = f"{directory}.acks"
    steps: list[Step] = []
    for line in text.splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        step = _read_call(match, directory, told, positions)
        if step is not None:
            steps.append(step)
    return steps


def _read_call(match: re.Match[str], directory: Path, told: str, positions: dict[tuple[str, str], int]) -> Step | None:
    call, arguments, result = match.groups()
    strings = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(arguments)]
    if call == "openat":
        path = strings[0].decode()
        positions[result, path] = 0
        return Step("create", path) if "O_CREAT" in arguments and _is_kept(path, directory) else None
    if call in {"rename", "unlink"}:
        path, *other = (text.decode() for text in strings)
        return Step(call, path, other="".join(other)) if _is_kept(path, directory) else None
    number, path = _descriptor(arguments)
    if path == told:
        return Step("told", path, data=strings[0])
    if path == str(directory) or Path(path) == directory / "published":
        return Step("sync_names", path)
    return _read_file_call(match, number, path, positions) if _is_kept(path, directory) else None


def _read_file_call(match: re.Match[str], number: str, path: str, positions: dict[tuple[str, str], int]) -> Step:
    call, arguments, result = match[1], match[2], int(match[3])
    if call in {"fsync", "fdatasync"}:
        return Step("sync", path)
    if call == "ftruncate":
        return Step("truncate", path, int(arguments.rsplit(", ", 1)[1]))
    data = bytes.fromhex(_STRING.findall(arguments)[0].replace("\\x", ""))[:result]
    if call == "pwrite64":
        return Step("write", path, int(arguments.rsplit(", ", 1)[1]), data)
    offset = positions.get((number, path), 0)
    positions[number, path] = offset + result
    return Step("write", path, offset, data)


def _descriptor(arguments: str) -> tuple[str, str]:
    """Number and path of a descriptor, as ``-y`` and ``-xx`` write them: ``5<`` and the path in hexadecimal ``>``."""
    number, _, rest = arguments.partition("<")
    return number, bytes.fromhex(rest.partition(">")[0].replace("\\x", "")).decode()


def _is_kept(path: str, directory: Path) -> bool:
    """SQLite makes the index of its log anew; it is not part of what lasts."""
    return path.startswith(f"{directory}/") and not path.endswith("-shm")


@dataclass(slots=True)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    pending: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Disk:
    """What is on the platter, and what is on its way there."""

    synced_names: dict[str, _File] = field(default_factory=dict)
    names: dict[str, _File] = field(default_factory=dict)
    pending_names: list[tuple[Step, _File]] = field(default_factory=list)

    def take(self, step: Step) -> None:
        if step.kind == "create":
            if step.path not in self.names:
                self.names[step.path] = _File()
                self.pending_names.append((step, self.names[step.path]))
        elif step.kind in {"rename", "unlink"}:
            self.pending_names.append((step, self.names[step.path]))
            _move(self.names, step, self.names[step.path])
        elif step.kind == "sync_names":
            mine = [item for item in self.pending_names if str(Path(item[0].path).parent) == step.path]
            for name, file in mine:
                _move(self.synced_names, name, file)
            self.pending_names = [item for item in self.pending_names if item not in mine]
        elif step.kind == "sync":
            file = self.names[step.path]
            for write in file.pending:
                _apply(file.synced, write, None)
            file.pending.clear()
        elif step.kind in {"write", "truncate"}:
            self.names[step.path].pending.append(step)

    def after_cut(self, chance: random.Random, luck: float, *, in_order: bool) -> dict[str, bytes]:
        """One state in which a cut may leave the disk: each pending thing has happened with probability ``luck``."""
        names = dict(self.synced_names)
        count = sum(chance.random() < luck for _ in self.pending_names)
        for number, (step, file) in enumerate(self.pending_names):
            if number < count if in_order else chance.random() < luck:
                _move(names, step, file)
        found = {}
        for path, file in names.items():
            content = bytearray(file.synced)
            for write in file.pending:
                if chance.random() < luck:
                    _apply(content, write, chance if luck < 1 else None)
            found[path] = bytes(content)
        return found


def _move(names: dict[str, _File], step: Step, file: _File) -> None:
    if step.kind == "create":
        names[step.path] = file
    elif step.kind == "unlink":
        names.pop(step.path, None)
    else:
        names.pop(step.path, None)
        names[step.other] = file


def _apply(content: bytearray, step: Step, chance: random.Random | None) -> None:
    """A write as a whole or, with ``chance``, now and then only some of its sectors."""
    if step.kind == "truncate":
        del content[step.offset :]
        content.extend(bytes(step.offset - len(content)))
        return
    end = step.offset + len(step.data)
    content.extend(bytes(max(0, end - len(content))))
    if chance is None or chance.random() < 0.7:
        content[step.offset : end] = step.data
        return
    for at in range(0, len(step.data), SECTOR):
        if chance.random() < 0.5:
            part = step.data[at : at + SECTOR]
            content[step.offset + at : step.offset + at + len(part)] = part


@dataclass(frozen=True, slots=True)
class State:
    """A disk after a cut before step ``at``, and what the process had acknowledged by then."""

    at: int
    told: bytes
    files: dict[str, bytes]


def states(steps: list[Step], seed: int, drawn: int) -> Iterator[State]:
    """At each point: nothing unsynced survived, everything did, and so many random mixtures."""
    chance = random.Random(seed)
    disk = Disk()
    told = b""
    for at, step in enumerate([*steps, None]):
        yield State(at, told, disk.after_cut(chance, 0.0, in_order=True))
        yield State(at, told, disk.after_cut(chance, 1.0, in_order=True))
        for number in range(drawn):
            yield State(at, told, disk.after_cut(chance, chance.uniform(0.1, 0.9), in_order=number % 2 == 0))
        if step is not None and step.kind == "told":
            told += step.data
        elif step is not None:
            disk.take(step)


def write_state(state: State, was: Path, directory: Path) -> None:
    """Makes the files of a state in an empty directory; ``was`` is where they were when they were traced."""
    (directory / "published").mkdir(parents=True)
    for path, content in state.files.items():
        (directory / Path(path).relative_to(was)).write_bytes(content)
